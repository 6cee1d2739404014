//! Random driving: whatever comes in whatever order, what must hold holds, and everything ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, Pace, Status, Step, StepKind, Word,
};
use bongsu_model::{Limits, SessionId};
use proptest::prelude::*;

use super::super::*;
use super::script::{START, car, command, effect_text};
use crate::machine::Machine;

/// A store, a writer and a device, as far as a desk can tell.
struct World {
    desk: Desk,
    now: Timestamp,
    /// What the store has, and what it has not answered yet.
    stored: BTreeMap<CommandId, Command>,
    asked: VecDeque<Step>,
    /// The session's epoch, and the last one.
    live: Option<ConnectionEpoch>,
    last: ConnectionEpoch,
    pacing: Pacing,
    memory: Memory,
    /// Whether the device of the session that lasts knows a command again.
    repeats: bool,
    /// What is with the writer.
    writing: Option<(CommandId, u32)>,
    /// What was asked back of the writer, which has begun it or has not, and has not said so yet.
    recalled: Option<(CommandId, u32, bool)>,
    /// What was with the writer of a session that was replaced before it had its say: its session, what was to be written,
    /// and whether it was.
    replaced: Option<(ConnectionEpoch, CommandId, u32, bool)>,
    /// What left on the session that lasts, and was not ended since.
    outstanding: BTreeSet<CommandId>,
    /// What left at all.
    left: BTreeSet<CommandId>,
    /// What left on a session of a device that would not know it again, as far as the desk can know.
    once: BTreeSet<CommandId>,
    /// What the desk ended, and what it called late.
    ended: BTreeMap<CommandId, CommandState>,
    late: BTreeSet<CommandId>,
    /// The word that is being handled.
    saying: Option<CommandId>,
    log: Vec<String>,
}

/// Which sessions are of a device that knows a command again.
#[derive(Clone, Copy, Debug)]
enum Memory {
    All,
    None,
    Some,
}

impl World {
    fn new(pacing: Pacing, memory: Memory) -> Self {
        Self {
            desk: Desk::new(DeskRules::from(&Limits::DEFAULT), "n1".into()),
            now: START,
            stored: BTreeMap::new(),
            asked: VecDeque::new(),
            live: None,
            last: ConnectionEpoch(0),
            pacing,
            memory,
            repeats: true,
            writing: None,
            recalled: None,
            replaced: None,
            outstanding: BTreeSet::new(),
            left: BTreeSet::new(),
            once: BTreeSet::new(),
            ended: BTreeMap::new(),
            late: BTreeSet::new(),
            saying: None,
            log: Vec::new(),
        }
    }

    fn handle(&mut self, input: DeskInput) {
        self.log.push(format!("{input:?}"));
        let mut out = Vec::new();
        self.desk.handle(input, self.now, &mut out);
        self.came(out);
    }

    fn came(&mut self, out: Vec<DeskEffect>) {
        self.desk.assert_sound();
        let mut withdrawn = Vec::new();
        for effect in out {
            self.log.push(format!("  {}", effect_text(&effect)));
            match effect {
                DeskEffect::Keep(step) => {
                    self.judge(&step);
                    self.asked.push_back(step);
                }
                DeskEffect::Write { epoch, frame, .. } => {
                    let it = &frame.command;
                    assert_eq!(Some(epoch), self.live, "on the session that lasts");
                    assert!(self.writing.is_none(), "one at a time is with the writer");
                    assert!(
                        !self.ended.contains_key(&it.id),
                        "nothing is written after its end"
                    );
                    assert!(self.now < it.ends_by(), "nothing is written after its time");
                    assert_eq!(self.stored[&it.id].epoch, epoch, "the store knows of it");
                    assert!(
                        !self.once.contains(&it.id),
                        "nothing is written to the next one either"
                    );
                    if !self.repeats {
                        let before = self.replaced.is_some_and(|it| it.1 == frame.command.id);
                        assert!(!before && !self.left.contains(&it.id), "nothing is written twice");
                    }
                    let rivals = self.outstanding.iter().filter(|id| **id != it.id);
                    let rivals = rivals.map(|id| &self.stored[id]).filter(|other| same(it, other));
                    assert_eq!(rivals.count(), 0, "one for a target at a time");
                    self.writing = Some((it.id, frame.attempt));
                }
                DeskEffect::Withdraw { epoch, command, .. } => {
                    assert_eq!(Some(epoch), self.live);
                    let writing = self.writing.take().expect("the writer has it");
                    assert_eq!(writing.0, command);
                    withdrawn.push(writing);
                }
            }
        }
        for (command, attempt) in withdrawn {
            self.withdrawn_is_told();
            if !self.ended.contains_key(&command) {
                // Half of the time the writer had begun already, and sometimes it takes its time to say so.
                let begun = self.log.len().is_multiple_of(2);
                self.recalled = Some((command, attempt, begun));
                if begun {
                    self.leaves(command);
                }
                if !self.log.len().is_multiple_of(3) {
                    self.withdrawn_is_told();
                }
            }
        }
    }

    /// It leaves: whoever was told that it never did was told a lie.
    fn leaves(&mut self, command: CommandId) {
        let never = [CommandState::Expired, CommandState::Superseded];
        let told = self
            .ended
            .get(&command)
            .is_some_and(|state| never.contains(state));
        assert!(
            !self.left.insert(command) || !told,
            "it was told not to have left"
        );
        if !self.repeats {
            self.once.insert(command);
        }
    }

    fn withdrawn_is_told(&mut self) {
        let (Some(epoch), Some((command, attempt, begun))) = (self.live, self.recalled.take()) else {
            return;
        };
        let device = car();
        if begun {
            let open = self.stored[&command].state.is_open();
            if open && !self.ended.contains_key(&command) {
                self.outstanding.insert(command);
            }
            self.handle(DeskInput::Wrote {
                device,
                epoch,
                command,
                attempt,
            });
        } else {
            self.handle(DeskInput::Late {
                device,
                epoch,
                command,
            });
        }
    }

    fn judge(&mut self, step: &Step) {
        let id = step.command;
        match &step.kind {
            StepKind::Moves => assert!(!self.ended.contains_key(&id), "nothing moves after its end"),
            StepKind::Ends(_) => {
                let state = step.note.state;
                assert!(self.ended.insert(id, state).is_none(), "it ends once");
                let here = self.outstanding.remove(&id);
                if state == CommandState::Superseded {
                    let writing = self.writing.is_some_and(|it| it.0 == id);
                    assert!(!here && !writing, "it may be carried out");
                    let detail = step.note.detail.as_ref();
                    let maybe = detail.is_some_and(|it| it.ends_with("written=maybe"));
                    assert!(maybe || !self.left.contains(&id), "it left on another session");
                }
                if step.note.state == CommandState::Expired && self.saying != Some(id) {
                    assert!(!self.left.contains(&id), "what left may have been carried out");
                }
            }
            StepKind::Late(_) => assert!(self.late.insert(id), "one late word is news"),
        }
    }

    /// The store answers the oldest step that it was asked to keep.
    fn answer(&mut self) {
        let Some(step) = self.asked.pop_front() else {
            return;
        };
        let Step {
            command,
            epoch,
            note,
            kind,
            ..
        } = step;
        let Some(it) = self.stored.get_mut(&command) else {
            return self.handle(DeskInput::Gone { command, epoch });
        };
        let late = matches!(kind, StepKind::Late(_));
        if it.state.is_terminal() != late || epoch < it.epoch {
            if it.state.is_terminal() {
                self.outstanding.remove(&command);
            }
            return self.handle(DeskInput::Gone { command, epoch });
        }
        it.epoch = epoch;
        if note.state > it.state && !late {
            (it.state, it.since) = (note.state, note.at);
        }
        self.handle(DeskInput::Kept { command, epoch });
    }

    fn detach(&mut self, half: bool) {
        // A writer that has begun nothing need not say so.
        self.recalled.take_if(|it| half && !it.2);
        self.withdrawn_is_told();
        let Some(epoch) = self.live else {
            return;
        };
        let device = car();
        if let Some((command, _)) = self.writing.filter(|_| half) {
            self.leaves(command);
            let device = device.clone();
            self.handle(DeskInput::Unwritten {
                device,
                epoch,
                command,
            });
        }
        // The desk may have had something else written meanwhile; nothing of that has left.
        (self.live, self.writing) = (None, None);
        self.outstanding.clear();
        self.handle(DeskInput::Detached { device, epoch });
    }

    /// The writer of a session that was replaced says what became of its command; then it is over.
    fn replaced_says(&mut self) {
        let Some((epoch, command, attempt, left)) = self.replaced.take() else {
            return;
        };
        let device = car();
        if left && attempt.is_multiple_of(2) {
            self.handle(DeskInput::Wrote {
                device: device.clone(),
                epoch,
                command,
                attempt,
            });
        } else if left {
            self.handle(DeskInput::Unwritten {
                device: device.clone(),
                epoch,
                command,
            });
        }
        self.handle(DeskInput::Detached { device, epoch });
    }

    fn attach(&mut self, which: u8) {
        self.replaced_says();
        self.withdrawn_is_told();
        if let (Some(epoch), Some((command, attempt))) = (self.live, self.writing.take()) {
            let left = which.is_multiple_of(3);
            self.replaced = Some((epoch, command, attempt, left));
            if left {
                self.leaves(command);
            }
        }
        self.repeats = match self.memory {
            Memory::All => true,
            Memory::None => false,
            Memory::Some => which & 8 == 0,
        };
        self.outstanding.clear();
        self.last.0 += 1 + u64::from(which % 2);
        self.live = Some(self.last);
        let commands: Vec<_> = self
            .stored
            .values()
            .filter(|it| it.state.is_open())
            .cloned()
            .collect();
        let runs = |id: &CommandId| id.0.is_multiple_of(3);
        let running: Vec<_> = self.left.iter().copied().filter(runs).collect();
        self.outstanding.extend(
            commands
                .iter()
                .map(|it| it.id)
                .filter(|id| running.contains(id) && !self.ended.contains_key(id)),
        );
        self.handle(DeskInput::Attached {
            device: car(),
            epoch: self.last,
            session: SessionId(self.last.0.into()),
            running,
            commands,
            pacing: self.pacing,
            repeats: self.repeats,
        });
    }

    fn offer(&mut self, which: u8) {
        let id = self.stored.len() as u128 + 1;
        let mut it = command(id, self.now);
        it.deadline = self.now.plus_ms(u64::from(which) * 40 + 1);
        let (pace, target) = match which % 6 {
            0 | 1 => (Pace::LatestWins, Some("window")),
            2 => (Pace::LatestWins, Some("roof")),
            3 => (Pace::Serial, Some("window")),
            4 => (Pace::Parallel(2), None),
            _ => (Pace::Exclusive, None),
        };
        (it.pace, it.target) = (pace, target.map(Into::into));
        let open = self.stored.values().filter(|it| it.state.is_open()).count();
        if let Some(epoch) = self.live.filter(|_| which.is_multiple_of(2)) {
            (it.state, it.epoch) = (CommandState::Routed, epoch);
        }
        if open < Limits::DEFAULT.commands_open_max {
            self.stored.insert(it.id, it.clone());
            let command = Box::new(it);
            self.handle(DeskInput::Offered { command });
        }
    }

    fn wrote(&mut self) {
        let (Some(epoch), Some((command, attempt))) = (self.live, self.writing.take()) else {
            return;
        };
        self.leaves(command);
        self.outstanding.insert(command);
        self.handle(DeskInput::Wrote {
            device: car(),
            epoch,
            command,
            attempt,
        });
    }

    fn word(&mut self, which: u8, stale: bool) {
        let Some(id) = self
            .left
            .iter()
            .copied()
            .nth(usize::from(which) % self.left.len().max(1))
        else {
            return;
        };
        let Some(ConnectionEpoch(epoch)) = self.live else {
            return;
        };
        let status = Status::ALL[usize::from(which / 7) % Status::ALL.len()];
        let word = Word {
            reply_to: id,
            status,
            result: None,
            error: which.is_multiple_of(5).then(|| "expired".into()),
            epoch: None,
        };
        if !stale && self.left.insert(id) {
            // The device has it, so it was written; the writer has not come to say so.
            self.writing = None;
            self.outstanding.insert(id);
        }
        self.saying = Some(id);
        let before = self.desk.open();
        let epoch = ConnectionEpoch(epoch - u64::from(stale));
        self.handle(DeskInput::Word {
            device: car(),
            epoch,
            word,
        });
        assert!(!stale || self.desk.open() == before);
        self.saying = None;
    }

    fn pass(&mut self, ms: u64, punctual: bool) {
        let until = self.now.plus_ms(ms);
        while let Some(due) = self.desk.next_deadline().filter(|due| *due <= until) {
            // Whoever runs a machine may be late.
            self.now = if punctual { due.max(self.now) } else { until };
            let mut out = Vec::new();
            self.desk.handle_deadline(self.now, &mut out);
            self.log.push(format!("at {:?}", self.now));
            self.came(out);
        }
        self.now = until;
    }

    fn elsewhere(&mut self, which: u8) {
        let open = self.stored.values_mut().filter(|it| it.state.is_open());
        if let Some(it) = open.min_by_key(|it| it.id.0 ^ u128::from(which)) {
            it.state = CommandState::TimedOut;
        }
    }

    fn step(&mut self, (op, which): (u8, u8)) {
        match op % 16 {
            0..4 => self.offer(which),
            4 | 5 => self.answer(),
            6 => (0..self.asked.len()).for_each(|_| self.answer()),
            7..9 => self.wrote(),
            9..11 => self.word(which, false),
            11 => self.word(which, true),
            12 => self.pass(u64::from(which) * 20, which % 4 > 0),
            13 => match which % 4 {
                0 => self.detach(which > 128),
                1 => self.attach(which),
                2 => self.elsewhere(which),
                _ => {
                    let by = ConnectionEpoch(self.last.0 + u64::from(which > 200));
                    if by > self.last {
                        (self.live, self.writing, self.recalled) = (None, None, None);
                        self.once.clear();
                        self.outstanding.clear();
                    }
                    self.handle(DeskInput::Released { device: car(), by });
                }
            },
            14 => {
                let command = CommandId(u128::from(which % 16) + 1);
                let by = "kim".into();
                self.handle(DeskInput::Cancel { command, by });
            }
            _ if self.live.is_none() => self.attach(which),
            _ => {
                self.replaced_says();
                self.withdrawn_is_told();
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.log.join("\n"));
        }
    }
}

/// Whether two may not be outstanding together.
fn same(one: &Command, other: &Command) -> bool {
    let keyed = |it: &Command| matches!(it.pace, Pace::LatestWins | Pace::Serial);
    one.pace == Pace::Exclusive
        || other.pace == Pace::Exclusive
        || (keyed(one) && keyed(other) && one.serial() == other.serial())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_comes_what_must_hold_holds(
        steps in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..200),
        acknowledged in any::<bool>(),
        memory in prop_oneof![Just(Memory::All), Just(Memory::None), Just(Memory::Some)],
    ) {
        let pacing = if acknowledged { Pacing::Acknowledged } else { Pacing::Kernel };
        let mut world = World::new(pacing, memory);
        for step in steps {
            world.step(step);
        }
        world.detach(false);
        world.pass(60_000, true);
        prop_assert_eq!(world.desk.open(), 0, "everything ends: {:#?}", world.log);
        prop_assert_eq!(world.desk.devices(), 0);
        prop_assert_eq!(world.desk.next_deadline(), None);
    }
}
