//! What waits to be written to one device.
//!
//! Invariant: at most one command waits or is being written; of states, heartbeats only the latest waits, and of a state
//! no wish whose time is over; what else waits has a bound in frames, and a device that does not take it is too slow to be
//! kept.

use std::collections::VecDeque;

use bongsu_model::device::{CommandFrame, Object, ToDevice, Welcome};
use bongsu_model::{CommandId, Timestamp};

/// Answers and notices that may wait: a device that reads none of so many reads nothing.
const FRAMES_MAX: usize = 256;

/// What waits to be written to one device.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: VecDeque<ToDevice>,
    heartbeat: Option<ToDevice>,
    delta: Option<Delta>,
    /// The highest version of a state that was put in.
    version: u64,
    /// From then on what the waiting welcome says of the state is not to be said any more.
    welcome_until: Option<Timestamp>,
    command: Option<CommandFrame>,
    /// The command that was taken and is not written yet.
    writing: Option<(CommandId, u32)>,
}

/// What a device should be and is not.
pub(crate) struct Delta {
    pub(crate) version: u64,
    pub(crate) state: Object,
    /// When the first of these wishes ends.
    pub(crate) until: Timestamp,
}

/// Something taken out of an outbox.
pub(crate) enum Taken {
    /// To be written.
    Frame(ToDevice),
    /// A command to be written.
    Command(CommandFrame),
    /// A command that came too late to be written.
    Late(CommandId),
    /// A state that waited for too long: it is to be made anew.
    Stale,
}

/// Nothing more fits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    /// Puts something in; of states and heartbeats the latest replaces what waits.
    pub(crate) fn put(&mut self, frame: ToDevice) -> Result<(), Full> {
        match frame {
            ToDevice::Heartbeat { .. } => self.heartbeat = Some(frame),
            ToDevice::Delta { version, state } => {
                let until = Timestamp::FAR;
                self.put_delta(Delta {
                    version,
                    state,
                    until,
                });
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

    /// Puts a state in: the newest counts. An empty one takes back what waits, since nobody wishes it any more.
    pub(crate) fn put_delta(&mut self, delta: Delta) {
        // Whoever read the state first may come last.
        if delta.version >= self.version {
            self.version = delta.version;
            self.delta = Some(delta).filter(|it| !it.state.is_empty());
        }
    }

    /// Puts the welcome in, whose state is to be said before that moment or not at all.
    pub(crate) fn put_welcome(&mut self, welcome: Box<Welcome>, until: Timestamp) {
        self.welcome_until = Some(until);
        self.frames.push_back(ToDevice::Welcome(welcome));
    }

    /// Whether a state waits.
    pub(crate) const fn has_delta(&self) -> bool {
        self.delta.is_some()
    }

    /// Takes a command back, if nobody has begun to write it: whether that is so.
    pub(crate) fn withdraw(&mut self, command: CommandId) -> bool {
        self.command
            .take_if(|frame| frame.command.id == command)
            .is_some()
    }

    /// The next thing to be written at this moment: answers first, then the state, then the command, whose times are looked
    /// at here. The state goes before the command, because a command that came after it may say otherwise.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Taken> {
        if let Some(mut frame) = self.frames.pop_front().or_else(|| self.heartbeat.take()) {
            if let ToDevice::Welcome(welcome) = &mut frame
                && self.welcome_until.take().is_some_and(|until| until <= now)
            {
                welcome.delta = None;
            }
            return Some(Taken::Frame(frame));
        }
        if let Some(delta) = self.delta.take() {
            if delta.until <= now {
                return Some(Taken::Stale);
            }
            return Some(Taken::Frame(ToDevice::Delta {
                version: delta.version,
                state: delta.state,
            }));
        }
        if let Some(frame) = self.command.take() {
            if frame.command.deadline <= now {
                return Some(Taken::Late(frame.command.id));
            }
            self.writing = Some((frame.command.id, frame.attempt));
            return Some(Taken::Command(frame));
        }
        None
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
    use super::*;

    fn delta(version: u64, keys: &[&str], until: i64) -> Delta {
        Delta {
            version,
            state: keys.iter().map(|key| ((*key).into(), true.into())).collect(),
            until: Timestamp(until),
        }
    }

    #[test]
    fn what_nobody_wishes_any_more_is_not_told() {
        let mut outbox = Outbox::default();
        outbox.put_delta(delta(1, &["window"], 100));
        outbox.put_delta(delta(2, &[], i64::MAX));
        assert!(!outbox.waits(), "it was taken back");
        outbox.put_delta(delta(1, &["window"], 100));
        assert!(!outbox.waits(), "whoever read it before comes too late");
        outbox.put_delta(delta(3, &["window"], 100));
        assert!(matches!(outbox.take(Timestamp(100)), Some(Taken::Stale)));
        assert!(outbox.take(Timestamp(100)).is_none());
        outbox.put_delta(delta(3, &["window"], 100));
        assert!(matches!(
            outbox.take(Timestamp(99)),
            Some(Taken::Frame(ToDevice::Delta { version: 3, .. }))
        ));
    }

    #[test]
    fn the_newest_state_waits_whoever_comes_last() {
        let mut outbox = Outbox::default();
        for version in [2, 3, 1] {
            outbox.put_delta(delta(version, &["window"], i64::MAX));
        }
        let Some(Taken::Frame(ToDevice::Delta { version, .. })) = outbox.take(Timestamp(0)) else {
            panic!("a state waits");
        };
        assert_eq!(version, 3);
        assert!(outbox.take(Timestamp(0)).is_none());
    }
}
