//! What a display was told to run and to stop, for those that do not say of which command they speak.
//!
//! Invariant: pure, and bounded: the oldest is forgotten first. A word is about the newest program of its preset.

use std::collections::VecDeque;

use bongsu_model::device::Command;
use bongsu_model::display::{PresetId, Process, RUN, STOP, preset_of};
use bongsu_model::{CommandId, Timestamp};

/// As many of a display's commands are remembered: more than it may have open.
const REMEMBERED: usize = 256;
/// A program that so many reports in a row do not list has ended: the first may have been made before it began.
const UNSEEN_MAX: u8 = 2;

/// What a display was told to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Ran {
    all: VecDeque<One>,
    /// When a report was counted last …
    counted_at: Option<Timestamp>,
    /// … and for how long after it none is.
    apart_ms: u64,
}

#[derive(Clone, Debug)]
struct One {
    command: CommandId,
    preset: Option<PresetId>,
    stops: bool,
    /// The display has said that it runs.
    running: bool,
    /// Reports in a row that did not list it.
    unseen: u8,
    /// The display has it from before it registered, and does not name it.
    doubted: bool,
}

/// What a report of a display's processes shows of commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    /// A program has ended, and nobody knows how.
    Ended(CommandId),
    /// A program has ended after it was to be stopped.
    Stopped(CommandId),
    /// What was to be stopped is.
    Done(CommandId),
    /// A program that the display does not know any more: it has lost its memory, or is another machine.
    Lost(CommandId),
}

impl Ran {
    /// What is still open of a device's commands, oldest first, for a display that says it carries these out.
    pub(super) fn of(commands: &[Command], running: &[CommandId], apart_ms: u64) -> Self {
        let mut ran = Self {
            apart_ms,
            ..Self::default()
        };
        for command in commands {
            ran.told(command);
            if command.state.is_acknowledged() {
                ran.runs(command.id);
                if let Some(one) = ran.all.back_mut().filter(|one| one.command == command.id) {
                    one.doubted = !running.contains(&command.id);
                }
            }
        }
        ran
    }

    /// The display is told to do this.
    pub(super) fn told(&mut self, command: &Command) {
        let stops = *command.name == *STOP;
        let known = self.all.iter().any(|one| one.command == command.id);
        if known || !(stops || *command.name == *RUN) {
            return;
        }
        if self.all.len() >= REMEMBERED {
            self.all.pop_front();
        }
        self.all.push_back(One {
            command: command.id,
            // Whose arguments are none is refused before it is told.
            preset: preset_of(&command.args).unwrap_or(None),
            stops,
            running: false,
            unseen: 0,
            doubted: false,
        });
    }

    /// The program of a preset that is spoken of.
    pub(super) fn program(&self, preset: Option<PresetId>) -> Option<CommandId> {
        let newest = self.all.iter().rev();
        newest
            .filter(|one| !one.stops && one.preset == preset)
            .map(|one| one.command)
            .next()
    }

    /// What was to be stopped of a preset, and is: the display has said so.
    pub(super) fn stops(&self, preset: Option<PresetId>) -> Vec<CommandId> {
        let stops = self.all.iter().filter(|one| one.stops && one.preset == preset);
        stops.map(|one| one.command).collect()
    }

    /// A program runs.
    pub(super) fn runs(&mut self, command: CommandId) {
        for one in self.all.iter_mut().filter(|one| one.command == command) {
            (one.running, one.unseen, one.doubted) = (true, 0, false);
        }
    }

    /// The programs of a preset that were told before one and are said to run: a display that knows no ids speaks of none
    /// of them any more.
    pub(super) fn older(&self, preset: Option<PresetId>, than: CommandId) -> Vec<CommandId> {
        let before = self.all.iter().take_while(|one| one.command != than);
        before
            .filter(|one| !one.stops && one.running && one.preset == preset)
            .map(|one| one.command)
            .collect()
    }

    /// Whether the newest program of a preset was told to stop.
    pub(super) fn was_stopped(&self, preset: Option<PresetId>) -> bool {
        let newest = self.all.iter().rev().find(|one| one.preset == preset);
        newest.is_some_and(|one| one.stops)
    }

    /// What a report of all processes shows of programs that the display has not named when it registered. What it shows as
    /// lost is forgotten.
    pub(super) fn doubted(&mut self, running: &[Process], now: Timestamp) -> Vec<Shown> {
        let counts = self.counts(now);
        let listed = |command| running.iter().any(|process| process.command == Some(command));
        let mut shown = Vec::new();
        self.all.retain_mut(|one| {
            if !one.doubted {
                return true;
            }
            if listed(one.command) {
                one.doubted = false;
                return true;
            }
            one.unseen = one.unseen.saturating_add(u8::from(counts));
            if one.unseen >= UNSEEN_MAX {
                shown.push(Shown::Lost(one.command));
            }
            one.unseen < UNSEEN_MAX
        });
        shown
    }

    /// Whether a report that comes now counts.
    fn counts(&mut self, now: Timestamp) -> bool {
        let apart = |last: Timestamp| now.ms_since(last) >= self.apart_ms;
        let counts = self.counted_at.is_none_or(apart);
        if counts {
            self.counted_at = Some(now);
        }
        counts
    }

    /// A command has ended.
    pub(super) fn ended(&mut self, command: CommandId) {
        self.all.retain(|one| one.command != command);
    }

    /// What a report of all processes shows. What it shows as ended is forgotten.
    pub(super) fn report(&mut self, running: &[Process], now: Timestamp) -> Vec<Shown> {
        let counts = self.counts(now);
        let listed = |preset: Option<PresetId>| running.iter().any(|process| process.preset == preset);
        let stopped: Vec<_> = self
            .all
            .iter()
            .filter(|one| one.stops)
            .map(|one| one.preset)
            .collect();
        let mut shown = Vec::new();
        self.all.retain_mut(|one| {
            if listed(one.preset) {
                one.unseen = 0;
                return true;
            }
            if one.stops {
                shown.push(Shown::Done(one.command));
                return false;
            }
            if !one.running {
                return true;
            }
            one.unseen = one.unseen.saturating_add(u8::from(counts));
            if stopped.contains(&one.preset) {
                shown.push(Shown::Stopped(one.command));
                return false;
            }
            if one.unseen >= UNSEEN_MAX {
                shown.push(Shown::Ended(one.command));
                return false;
            }
            true
        });
        shown
    }
}

#[cfg(test)]
mod tests {
    use bongsu_model::device::{CommandState, IfOffline, Object, Pace};
    use bongsu_model::display::{Execute, Program, Stop};
    use bongsu_model::{ConnectionEpoch, DeviceId};

    use super::*;

    fn command(id: u128, name: &str, args: Object) -> Command {
        Command {
            id: CommandId(id),
            device: DeviceId::parse("Display_01").unwrap(),
            name: name.into(),
            args,
            target: None,
            pace: Pace::Parallel(8),
            if_offline: IfOffline::Fail,
            by: "op".into(),
            from: None,
            at: Timestamp(0),
            deadline: Timestamp(1),
            execution_ms: 1,
            state: CommandState::Routed,
            since: Timestamp(0),
            epoch: ConnectionEpoch(1),
            result: None,
            error: None,
            late: None,
            history: Vec::new(),
        }
    }

    fn run(id: u128, preset: i64) -> Command {
        let args = Execute::args(&Program::new("x"), Some(PresetId(preset)), None);
        command(id, RUN, args)
    }

    fn stop(id: u128, preset: i64) -> Command {
        command(id, STOP, Stop::args(Some(PresetId(preset)), None, None))
    }

    fn listed(preset: i64) -> Vec<Process> {
        vec![Process {
            preset: Some(PresetId(preset)),
            command: None,
            pid: Some(7),
            uptime_ms: None,
        }]
    }

    #[test]
    fn a_word_is_about_the_newest_program_of_its_preset() {
        let mut ran = Ran::default();
        for told in [run(1, 5), run(2, 6), run(3, 5), stop(4, 5)] {
            ran.told(&told);
        }
        assert_eq!(ran.program(Some(PresetId(5))), Some(CommandId(3)));
        ran.ended(CommandId(3));
        assert_eq!(ran.program(Some(PresetId(5))), Some(CommandId(1)));
        assert_eq!(ran.program(None), None);
        assert_eq!(ran.stops(Some(PresetId(5))), [CommandId(4)]);
    }

    #[test]
    fn two_reports_without_it_end_a_program_that_ran() {
        let mut ran = Ran::default();
        ran.told(&run(1, 5));
        assert_eq!(ran.report(&[], Timestamp(10000)), [], "it has not begun");
        assert_eq!(ran.report(&[], Timestamp(20000)), []);
        ran.runs(CommandId(1));
        assert_eq!(
            ran.report(&[], Timestamp(30000)),
            [],
            "the report may be older than the program"
        );
        assert_eq!(ran.report(&listed(5), Timestamp(40000)), []);
        assert_eq!(ran.report(&listed(6), Timestamp(50000)), []);
        assert_eq!(ran.report(&[], Timestamp(60000)), [Shown::Ended(CommandId(1))]);
        assert_eq!(ran.report(&[], Timestamp(70000)), []);
    }

    #[test]
    fn reports_that_come_at_once_count_as_one() {
        let mut ran = Ran::of(&[], &[], 5_000);
        ran.told(&run(1, 5));
        ran.runs(CommandId(1));
        for ms in [0, 1, 4_999] {
            assert_eq!(ran.report(&[], Timestamp(ms)), []);
        }
        assert_eq!(ran.report(&[], Timestamp(5_000)), [Shown::Ended(CommandId(1))]);
    }

    #[test]
    fn what_was_stopped_is_seen_to_be_gone() {
        let mut ran = Ran::default();
        ran.told(&run(1, 5));
        ran.runs(CommandId(1));
        ran.told(&stop(2, 5));
        assert_eq!(ran.report(&listed(5), Timestamp(80000)), [], "it is still there");
        assert_eq!(
            ran.report(&[], Timestamp(90000)),
            [Shown::Stopped(CommandId(1)), Shown::Done(CommandId(2))]
        );
    }

    #[test]
    fn what_a_display_does_not_know_any_more_is_lost_after_two_reports() {
        let (mut one, mut other) = (run(1, 5), run(2, 5));
        one.state = CommandState::InProgress;
        other.state = CommandState::InProgress;
        let named = [CommandId(2)];
        let mut ran = Ran::of(&[one, other, run(3, 5)], &named, 5_000);
        assert_eq!(ran.doubted(&[], Timestamp(100000)), []);
        assert_eq!(ran.doubted(&[], Timestamp(110000)), [Shown::Lost(CommandId(1))]);
        assert_eq!(
            ran.doubted(&[], Timestamp(120000)),
            [],
            "the others are not in doubt"
        );
    }

    #[test]
    fn a_stop_is_known_until_the_next_start() {
        let mut ran = Ran::default();
        assert!(!ran.was_stopped(Some(PresetId(5))));
        for told in [run(1, 5), stop(2, 5), run(3, 6)] {
            ran.told(&told);
        }
        assert!(ran.was_stopped(Some(PresetId(5))));
        assert!(!ran.was_stopped(Some(PresetId(6))));
        ran.told(&run(4, 5));
        assert!(!ran.was_stopped(Some(PresetId(5))));
        ran.runs(CommandId(1));
        assert_eq!(ran.older(Some(PresetId(5)), CommandId(4)), [CommandId(1)]);
    }

    #[test]
    fn the_oldest_is_forgotten_first_and_nothing_is_kept_twice() {
        let mut ran = Ran::default();
        for id in 0..REMEMBERED as u128 + 1 {
            ran.told(&run(id, 5));
            ran.told(&run(id, 5));
        }
        assert_eq!(ran.all.len(), REMEMBERED);
        assert_eq!(ran.all.front().map(|one| one.command), Some(CommandId(1)));
    }
}
