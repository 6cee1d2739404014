//! What waits to be written to one device.
//!
//! Invariant: at most one command waits or is being written; of states, heartbeats only the latest waits; what else waits
//! has a bound in frames, and a device that does not take it is too slow to be kept.

use std::collections::VecDeque;

use bongsu_model::device::{CommandFrame, ToDevice};
use bongsu_model::{CommandId, Timestamp};

/// Answers and notices that may wait: a device that reads none of so many reads nothing.
const FRAMES_MAX: usize = 256;

/// What waits to be written to one device.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: VecDeque<ToDevice>,
    heartbeat: Option<ToDevice>,
    delta: Option<ToDevice>,
    command: Option<CommandFrame>,
    /// The command that was taken and is not written yet.
    writing: Option<(CommandId, u32)>,
}

/// Something taken out of an outbox.
pub(crate) enum Taken {
    /// To be written.
    Frame(ToDevice),
    /// A command to be written.
    Command(CommandFrame),
    /// A command that came too late to be written.
    Late(CommandId),
}

/// Nothing more fits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    /// Puts something in; of states and heartbeats the latest replaces what waits.
    pub(crate) fn put(&mut self, frame: ToDevice) -> Result<(), Full> {
        match frame {
            ToDevice::Heartbeat { .. } => self.heartbeat = Some(frame),
            ToDevice::Delta { version, .. } => {
                // Whoever read the state first may come last.
                let newer =
                    |waits: &ToDevice| matches!(waits, ToDevice::Delta { version: it, .. } if *it > version);
                if !self.delta.as_ref().is_some_and(newer) {
                    self.delta = Some(frame);
                }
            }
            ToDevice::Command(frame) => self.command = Some(frame),
            ToDevice::Welcome(_)
            | ToDevice::AuthUpdated { .. }
            | ToDevice::TokenExpiring { .. }
            | ToDevice::Refused(_)
            | ToDevice::Closing(_) => {
                if self.frames.len() >= FRAMES_MAX {
                    return Err(Full);
                }
                self.frames.push_back(frame);
            }
        }
        Ok(())
    }

    /// Takes a command back, if nobody has begun to write it: whether that is so.
    pub(crate) fn withdraw(&mut self, command: CommandId) -> bool {
        self.command
            .take_if(|frame| frame.command.id == command)
            .is_some()
    }

    /// The next thing to be written at this moment: answers first, then the command, whose deadline is looked at here.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Taken> {
        if let Some(frame) = self.frames.pop_front().or_else(|| self.heartbeat.take()) {
            return Some(Taken::Frame(frame));
        }
        if let Some(frame) = self.command.take() {
            if frame.command.ends_by() <= now {
                return Some(Taken::Late(frame.command.id));
            }
            self.writing = Some((frame.command.id, frame.attempt));
            return Some(Taken::Command(frame));
        }
        self.delta.take().map(Taken::Frame)
    }

    /// A command was written whole; `None` if it was none that was being written.
    pub(crate) fn wrote(&mut self, command: CommandId) -> Option<u32> {
        let (_, attempt) = self.writing.take_if(|(writing, _)| *writing == command)?;
        Some(attempt)
    }

    /// Nothing more is written: the command that may be half written.
    pub(crate) fn end(&mut self) -> Option<CommandId> {
        *self = Self {
            writing: self.writing.take(),
            ..Self::default()
        };
        self.writing.take().map(|(command, _)| command)
    }

    /// Whether there is something to take.
    pub(crate) fn waits(&self) -> bool {
        !self.frames.is_empty() || self.heartbeat.is_some() || self.delta.is_some() || self.command.is_some()
    }
}

#[cfg(test)]
mod tests {
    use bongsu_model::Object;

    use super::*;

    #[test]
    fn the_newest_state_waits_whoever_comes_last() {
        let mut outbox = Outbox::default();
        for version in [2, 3, 1] {
            let state = Object::new();
            assert_eq!(outbox.put(ToDevice::Delta { version, state }), Ok(()));
        }
        let Some(Taken::Frame(ToDevice::Delta { version, .. })) = outbox.take(Timestamp(0)) else {
            panic!("a state waits");
        };
        assert_eq!(version, 3);
        assert!(outbox.take(Timestamp(0)).is_none());
    }
}
