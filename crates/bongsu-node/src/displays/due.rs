//! What becomes of displays because time passes: they are asked whether they are there, and closed if they are not.
//!
//! Invariant: a display that does not show in its time that it is alive is closed by force, whatever it still says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bongsu_model::display::ToDisplay;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{DeviceId, HappeningKind, Limits, Timestamp};

use super::display::{Display, State};
use crate::node::Node;

/// Questions without an answer that close a display.
const UNANSWERED_MAX: u32 = 2;

/// What is due of a display.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Nothing,
    /// To be asked whether it is there.
    Check,
    /// To be closed.
    Silent,
}

impl Node {
    /// Looks at all displays.
    pub(crate) fn displays_due(&self, now: Timestamp) {
        let last = self.displays.looked_at.swap(now.0, Ordering::Relaxed);
        let shift_ms = jump_ms(Timestamp(last), now);
        for display in self.displays.all() {
            if shift_ms != 0 {
                display.state.lock().shift(shift_ms);
            }
            self.display_due(&display, now);
        }
    }

    fn display_due(&self, display: &Arc<Display>, now: Timestamp) {
        let limits = &self.ports.limits;
        if display.is_cut() {
            let mut state = display.state.lock();
            let since = *state.cut_at.get_or_insert(now);
            if now.ms_since(since) >= limits.device_takeover_ms {
                drop(state);
                // It has had its time to take its leave.
                display.mailbox.abort();
            }
            return;
        }
        let due = display.state.lock().due(limits, now);
        match due {
            Due::Nothing => {}
            Due::Check => {
                display.say(&self.ports, &ToDisplay::Check);
            }
            Due::Silent => {
                display.device.end(CloseCause::Idle);
                self.happened(HappeningKind::DisplaySilent, |it| it.of_device(display.name()));
            }
        }
    }

    /// Tells all displays that the server stops, and each of them another time to come back: after how many milliseconds.
    pub(crate) fn tell_displays_to_come_back(&self) -> HashMap<DeviceId, u64> {
        /// A second for the next server to be there, and then one display after the other.
        const FIRST_MS: u64 = 1_000;
        const APART_MS: u64 = 20;
        let displays = self.displays.all().into_iter().enumerate();
        let told = displays.map(|(place, display)| {
            let turn = FIRST_MS + place as u64 * APART_MS;
            let reconnect_after_ms = turn + self.ports.number() % APART_MS;
            display.say(&self.ports, &ToDisplay::Shutdown { reconnect_after_ms });
            (display.name().clone(), reconnect_after_ms)
        });
        told.collect()
    }
}

/// By how much the clock was set, or stood still, since the last look: what is far more than the time between two looks.
/// Nobody is silent because of it.
fn jump_ms(last: Timestamp, now: Timestamp) -> i64 {
    const USUAL_MS: i64 = 10_000;
    let passed_ms = now.0.saturating_sub(last.0);
    if last.0 == 0 || (0..=USUAL_MS).contains(&passed_ms) {
        0
    } else {
        passed_ms
    }
}

impl State {
    /// The clock was set.
    fn shift(&mut self, ms: i64) {
        self.beat_at.0 = self.beat_at.0.saturating_add(ms);
        self.asked_at.0 = self.asked_at.0.saturating_add(ms);
    }

    /// What is due; a question that is due counts as asked.
    fn due(&mut self, limits: &Limits, now: Timestamp) -> Due {
        if now.ms_since(self.beat_at) >= limits.display_silent_ms {
            return Due::Silent;
        }
        if now.ms_since(self.asked_at) < limits.display_check_ms {
            return Due::Nothing;
        }
        if self.unanswered >= UNANSWERED_MAX {
            return Due::Silent;
        }
        self.asked_at = now;
        self.unanswered += 1;
        Due::Check
    }
}

#[cfg(test)]
mod tests {
    use super::super::ran::Ran;
    use super::*;

    fn state() -> State {
        State::new(Ran::default(), Timestamp(0))
    }

    #[test]
    fn two_questions_without_an_answer_close_a_display() {
        let (limits, mut state) = (Limits::DEFAULT, state());
        let mut at = |ms| {
            state.beat_at = Timestamp(ms);
            state.due(&limits, Timestamp(ms))
        };
        assert_eq!(at(59_999), Due::Nothing);
        assert_eq!(at(60_000), Due::Check);
        assert_eq!(at(119_999), Due::Nothing);
        assert_eq!(at(120_000), Due::Check);
        assert_eq!(at(179_999), Due::Nothing, "the second has its time, too");
        assert_eq!(at(180_000), Due::Silent);
    }

    #[test]
    fn a_clock_that_is_set_closes_nobody() {
        let limits = Limits::DEFAULT;
        for jump_ms in [3_600_000_i64, -3_600_000] {
            let mut state = state();
            (state.beat_at, state.asked_at) = (Timestamp(4_000_000), Timestamp(4_000_000));
            let (last, now) = (Timestamp(4_001_000), Timestamp(4_001_000 + jump_ms));
            state.shift(super::jump_ms(last, now));
            assert_eq!(state.due(&limits, now), Due::Nothing);
            assert_eq!(state.due(&limits, now.plus_ms(88_000)), Due::Check);
            assert_eq!(state.due(&limits, now.plus_ms(89_000)), Due::Silent);
        }
        assert_eq!(super::jump_ms(Timestamp(5_000), Timestamp(6_000)), 0);
        assert_eq!(super::jump_ms(Timestamp(0), Timestamp(1_700_000_000_000)), 0);
    }

    #[test]
    fn no_heartbeat_closes_a_display_that_answers() {
        let (limits, mut state) = (Limits::DEFAULT, state());
        assert_eq!(state.due(&limits, Timestamp(60_000)), Due::Check);
        state.unanswered = 0;
        assert_eq!(state.due(&limits, Timestamp(89_999)), Due::Nothing);
        assert_eq!(state.due(&limits, Timestamp(90_000)), Due::Silent);
    }
}
