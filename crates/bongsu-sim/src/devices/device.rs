//! A simulated device: what the contract asks of a device library, and no more.
//!
//! Invariant: what it begins is in its journal before, and the journal survives it; it begins nothing that is late by the
//! latest moment that the server's time may be.

use std::collections::{BTreeMap, VecDeque};

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandFrame, CommandId, ConnectionEpoch, DeviceId, FromDevice, Hello, Object, Status, ToDevice,
    Value, Word,
};

use super::clock::{DRIFT_PER_MILLE, DeviceClock};
use super::defect::DeviceDefect;
use super::ledger::Saw;
use crate::random::Random;

/// What the journal knows of a command.
#[derive(Clone, Debug)]
enum Known {
    /// It is here, and has its turn later.
    Waits,
    /// It has begun; what became of it is not known yet.
    Began,
    /// It was answered.
    Answered(Status, Option<Value>),
}

/// A command that is to be begun.
struct Todo {
    command: CommandId,
    deadline: Timestamp,
    /// The frame's, and the device's when it came.
    epoch: (ConnectionEpoch, ConnectionEpoch),
}

/// The server's time as the device knows it: it was this much when so much had passed here.
#[derive(Clone, Copy)]
struct Measured {
    server: Timestamp,
    passed_ms: i64,
}

/// One device.
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) clock: DeviceClock,
    random: Random,
    defect: Option<DeviceDefect>,
    /// Survives the device.
    journal: BTreeMap<CommandId, Known>,
    epoch: ConnectionEpoch,
    measured: Option<Measured>,
    /// The last question for the server's time: what the device said, and when.
    asked: Option<(Timestamp, i64)>,
    todo: VecDeque<Todo>,
    doing: Option<CommandId>,
    /// Words that found no connection, as they were.
    unsent: Vec<Word>,
}

/// What a device wants done.
#[derive(Default)]
pub(super) struct Wants {
    pub(super) say: Vec<FromDevice>,
    pub(super) saw: Vec<Saw>,
    /// It does something until so many milliseconds have passed.
    pub(super) busy_ms: Option<u64>,
}

impl Device {
    pub(super) fn new(
        id: DeviceId,
        clock: DeviceClock,
        random: Random,
        defect: Option<DeviceDefect>,
    ) -> Self {
        Self {
            id,
            clock,
            random,
            defect,
            journal: BTreeMap::new(),
            epoch: ConnectionEpoch(0),
            measured: None,
            asked: None,
            todo: VecDeque::new(),
            doing: None,
            unsent: Vec::new(),
        }
    }

    /// It dies and comes up again; its journal is what it has. What it had not begun, it has never heard of.
    pub(super) fn restart(&mut self) {
        self.journal.retain(|_, known| !matches!(known, Known::Waits));
        self.todo.clear();
        self.unsent.clear();
        (self.doing, self.measured, self.asked) = (None, None, None);
    }

    pub(super) fn hello(&mut self) -> Hello {
        let clock = self.clock.wall();
        self.asked = Some((clock, self.clock.passed_ms()));
        let waits = self.todo.iter().map(|todo| todo.command);
        Hello {
            device: self.id.clone(),
            kind: None,
            version: None,
            capabilities: Vec::new(),
            reported: None,
            reported_version: None,
            running: self.doing.into_iter().chain(waits).collect(),
            clock: Some(clock),
            token: None,
        }
    }

    pub(super) fn heartbeat(&mut self) -> FromDevice {
        let clock = self.clock.wall();
        self.asked = Some((clock, self.clock.passed_ms()));
        FromDevice::Heartbeat { clock: Some(clock) }
    }

    /// A frame has come on a session of that epoch.
    pub(super) fn hear(&mut self, frame: ToDevice, epoch: ConnectionEpoch) -> Wants {
        let mut wants = Wants::default();
        if epoch < self.epoch {
            return wants; // A burst from a connection that is over.
        }
        match frame {
            ToDevice::Welcome(welcome) => {
                self.epoch = epoch;
                self.measure(welcome.server_time, welcome.clock);
                // What could not be said before is not said again word for word: only a careless device does that.
                let unsent = std::mem::take(&mut self.unsent);
                if self.random.often(400) {
                    wants.say.extend(unsent.into_iter().map(FromDevice::Word));
                }
            }
            ToDevice::Heartbeat { server_time, clock } => self.measure(server_time, clock),
            ToDevice::Command(frame) => self.command(&frame, epoch, &mut wants),
            ToDevice::Delta { .. }
            | ToDevice::AuthUpdated { .. }
            | ToDevice::TokenExpiring { .. }
            | ToDevice::Refused(_)
            | ToDevice::Closing(_) => {}
        }
        self.go_on(&mut wants);
        wants
    }

    /// What it did is done.
    pub(super) fn done(&mut self) -> Wants {
        let mut wants = Wants::default();
        if let Some(command) = self.doing.take() {
            let status = if self.random.often(800) {
                Status::Ok
            } else {
                Status::Failed
            };
            self.answer(command, status, None, &mut wants);
        }
        self.go_on(&mut wants);
        wants
    }

    /// A word found no connection.
    pub(super) fn unsent(&mut self, frame: FromDevice) {
        if let FromDevice::Word(word) = frame
            && self.unsent.len() < 16
        {
            self.unsent.push(word);
        }
    }

    fn command(&mut self, frame: &CommandFrame, epoch: ConnectionEpoch, wants: &mut Wants) {
        let command: &Command = &frame.command;
        let known = self.journal.get(&command.id).cloned();
        let known = known.filter(|_| self.defect != Some(DeviceDefect::NoDedupe));
        match known {
            Some(Known::Answered(status, error)) => self.say(command.id, status, error, wants),
            Some(Known::Waits) => self.say(command.id, Status::Received, None, wants),
            Some(Known::Began) if self.doing == Some(command.id) => {
                self.say(command.id, Status::InProgress, None, wants);
            }
            // It died over it: it may be done, and is not begun again.
            Some(Known::Began) => self.answer(command.id, Status::Failed, Some("interrupted".into()), wants),
            None if self.is_late(command.deadline) => {
                self.answer(command.id, Status::Rejected, Some("expired".into()), wants);
            }
            None if self.random.often(50) => {
                self.answer(command.id, Status::Rejected, Some("not_now".into()), wants);
            }
            None => {
                self.journal.insert(command.id, Known::Waits);
                self.todo.push_back(Todo {
                    command: command.id,
                    deadline: command.deadline,
                    epoch: (epoch, self.epoch),
                });
                if self.random.often(700) {
                    self.say(command.id, Status::Received, None, wants);
                }
            }
        }
    }

    /// Begins the next thing, if nothing is being done.
    fn go_on(&mut self, wants: &mut Wants) {
        while self.doing.is_none() {
            let Some(todo) = self.todo.pop_front() else {
                return;
            };
            let looks = self.defect != Some(DeviceDefect::DeadlineOnArrival);
            if looks && self.is_late(todo.deadline) {
                self.answer(todo.command, Status::Rejected, Some("expired".into()), wants);
                continue;
            }
            self.journal.insert(todo.command, Known::Began);
            self.doing = Some(todo.command);
            wants.saw.push(Saw::Started {
                device: self.id.clone(),
                command: todo.command,
                deadline: todo.deadline,
                epoch: todo.epoch,
            });
            if self.random.often(500) {
                self.say(todo.command, Status::InProgress, None, wants);
            }
            let long = self.random.often(200);
            wants.busy_ms = Some(self.random.within(if long { 500..6_000 } else { 1..200 }));
        }
    }

    fn answer(&mut self, command: CommandId, status: Status, error: Option<Value>, wants: &mut Wants) {
        self.journal
            .insert(command, Known::Answered(status, error.clone()));
        self.say(command, status, error, wants);
    }

    fn say(&self, reply_to: CommandId, status: Status, error: Option<Value>, wants: &mut Wants) {
        // Whoever reads it later sees in which session it was said.
        let said_in = i64::try_from(self.epoch.0).unwrap_or(i64::MAX);
        let result = Object::from([("said_in".into(), said_in.into())]);
        wants.say.push(FromDevice::Word(Word {
            reply_to,
            status,
            result: Some(Value::Object(result)),
            error,
            epoch: Some(self.epoch),
        }));
    }

    /// Takes in the server's time: it was said at some moment after the question for it.
    fn measure(&mut self, server: Timestamp, echo: Option<Timestamp>) {
        if let Some((clock, passed_ms)) = self.asked
            && echo == Some(clock)
        {
            self.measured = Some(Measured { server, passed_ms });
        }
    }

    /// Whether the server's time may be past a moment by now.
    fn is_late(&self, deadline: Timestamp) -> bool {
        self.measured.is_none_or(|measured| {
            let passed = self.clock.passed_ms() - measured.passed_ms;
            let at_most = passed + passed * 2 * DRIFT_PER_MILLE / 1_000 + 1;
            measured.server.0 + at_most >= deadline.0
        })
    }
}
