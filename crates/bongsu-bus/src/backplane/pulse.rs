//! Whether what is said comes back: the canary, and when ears are to be told that they may have missed something.
//!
//! A machine without a clock; times are milliseconds since any moment. Invariant: after the link was away, or nothing came
//! back for too long, "missed" is said exactly once, and not before a canary has come back that was said after the link was
//! told of all that is wanted.

use std::collections::VecDeque;

use crate::Health;

/// Canaries whose return is waited for; one that comes back later is none.
const AWAY_MAX: usize = 16;

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Say this canary, then ask again.
    Say(u64),
    /// Nothing before this time.
    Wait(u64),
}

/// What a canary that came back means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Back {
    /// How long it was away.
    pub(super) trip_ms: u64,
    /// Whether what others said before may have been missed.
    pub(super) missed: bool,
}

pub(super) struct Pulse {
    every_ms: u64,
    lost_ms: u64,
    is_up: bool,
    was_up: bool,
    /// Whether the link was away since ears were last told that they may have missed something.
    was_away: bool,
    /// The last canary's number.
    last: u64,
    next_at: u64,
    /// Those that have not come back, and when they were said.
    away: VecDeque<(u64, u64)>,
    /// When one last came back.
    well_at: u64,
}

impl Pulse {
    /// A link that is not up yet.
    pub(super) const fn new(every_ms: u64, lost_ms: u64, now: u64) -> Self {
        Self {
            every_ms,
            lost_ms,
            is_up: false,
            was_up: false,
            was_away: false,
            last: 0,
            next_at: now,
            away: VecDeque::new(),
            well_at: now,
        }
    }

    /// The link is up; true if it was before, and away since.
    pub(super) fn up(&mut self, now: u64) -> bool {
        let again = self.was_up;
        self.was_away |= again;
        (self.is_up, self.was_up) = (true, true);
        self.next_at = now;
        self.away.clear();
        again
    }

    /// The link is away.
    pub(super) const fn down(&mut self) {
        self.is_up = false;
    }

    /// Whether the link is up.
    pub(super) const fn is_up(&self) -> bool {
        self.is_up
    }

    /// What is to be done now. To be asked again after each change of the link.
    pub(super) fn beat(&mut self, now: u64) -> Beat {
        if !self.is_up {
            return Beat::Wait(now + self.every_ms);
        }
        if now < self.next_at {
            return Beat::Wait(self.next_at);
        }
        self.last += 1;
        self.next_at = now + self.every_ms;
        if self.away.len() == AWAY_MAX {
            self.away.pop_front();
        }
        self.away.push_back((self.last, now));
        Beat::Say(self.last)
    }

    /// A canary came back; `None` if it is none of those that are away: a repeat, or of a time before the link was away.
    pub(super) fn back(&mut self, number: u64, now: u64) -> Option<Back> {
        let index = self.away.iter().position(|(away, _)| *away == number)?;
        let (_, said_at) = self.away.remove(index)?;
        let missed = self.was_away || self.silent_ms(now).is_some();
        self.was_away = false;
        self.well_at = now;
        Some(Back {
            trip_ms: now - said_at,
            missed,
        })
    }

    /// How the bus is.
    pub(super) fn health(&self, now: u64) -> Health {
        self.silent_ms(now)
            .map_or(Health::Well, |for_ms| Health::Silent { for_ms })
    }

    fn silent_ms(&self, now: u64) -> Option<u64> {
        let for_ms = now.saturating_sub(self.well_at);
        (for_ms >= self.lost_ms).then_some(for_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Health = Health::Silent { for_ms: 3_000 };

    /// One that is up since 0 and whose first canary has come back at 5.
    fn well() -> Pulse {
        let mut pulse = Pulse::new(1_000, 3_000, 0);
        assert!(!pulse.up(0), "the first time is no return");
        assert_eq!(pulse.beat(0), Beat::Say(1));
        assert_eq!(
            pulse.back(1, 5),
            Some(Back {
                trip_ms: 5,
                missed: false
            })
        );
        pulse
    }

    #[test]
    fn a_canary_is_said_at_once_and_then_in_its_time() {
        let mut pulse = well();
        assert_eq!(pulse.beat(5), Beat::Wait(1_000));
        assert_eq!(pulse.beat(999), Beat::Wait(1_000));
        assert_eq!(pulse.beat(1_000), Beat::Say(2));
        assert_eq!(pulse.beat(1_000), Beat::Wait(2_000));
    }

    #[test]
    fn silence_is_bad_from_its_time_on_and_ends_with_a_canary() {
        let mut pulse = well();
        assert_eq!(pulse.beat(1_000), Beat::Say(2));
        assert_eq!(pulse.health(3_004), Health::Well);
        assert_eq!(pulse.health(3_005), SILENT);
        assert!(pulse.back(2, 3_005).expect("it was away").missed);
        assert_eq!(pulse.health(3_005), Health::Well);
        assert_eq!(pulse.back(2, 3_006), None, "once");
        assert_eq!(pulse.beat(3_005), Beat::Say(3));
        assert!(!pulse.back(3, 3_010).expect("it was away").missed, "told once");
    }

    #[test]
    fn a_return_is_told_when_a_canary_has_come_back_that_was_said_after_it() {
        let mut pulse = well();
        assert_eq!(pulse.beat(1_000), Beat::Say(2));
        pulse.down();
        assert_eq!(
            pulse.beat(2_000),
            Beat::Wait(3_000),
            "nothing is said to a link that is away"
        );
        assert!(pulse.up(2_100), "it was up before");
        assert_eq!(pulse.back(2, 2_101), None, "it was said before");
        assert_eq!(pulse.beat(2_101), Beat::Say(3), "at once");
        assert!(pulse.back(3, 2_110).expect("it was away").missed);
    }

    #[test]
    fn a_link_that_never_was_up_is_silent_in_time() {
        let mut pulse = Pulse::new(1_000, 3_000, 0);
        assert_eq!(pulse.beat(0), Beat::Wait(1_000));
        assert_eq!(pulse.health(2_999), Health::Well);
        assert_eq!(pulse.health(3_000), SILENT);
    }

    #[test]
    fn canaries_that_are_away_are_bounded() {
        let mut pulse = well();
        for _ in 0..1_000 {
            let Beat::Wait(at) = pulse.beat(pulse.next_at - 1) else {
                panic!("it is not due");
            };
            assert!(matches!(pulse.beat(at), Beat::Say(_)));
        }
        assert_eq!(pulse.away.len(), AWAY_MAX);
        let late = pulse.last - AWAY_MAX as u64;
        assert_eq!(pulse.back(late, pulse.next_at), None, "too late");
        assert!(pulse.back(late + 1, pulse.next_at).expect("it was away").missed);
    }
}
