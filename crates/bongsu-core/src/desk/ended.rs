//! Commands that ended a while ago, so that a device's answer to a repeat is told from its word after the end.
//!
//! Invariant: at most `max` are known, each for `keep_ms`; whoever is forgotten is treated as ended elsewhere.

use std::collections::{BTreeMap, VecDeque};

use bongsu_model::Timestamp;
use bongsu_model::device::{CommandId, DeviceId};

/// How a command stands after its end.
#[derive(Clone, Debug)]
struct Past {
    device: DeviceId,
    /// Nothing that the device says of it is news any more.
    said: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Ended {
    max: usize,
    keep_ms: u64,
    known: BTreeMap<CommandId, Past>,
    queue: VecDeque<(Timestamp, CommandId)>,
}

impl Ended {
    pub(super) const fn new(max: usize, keep_ms: u64) -> Self {
        Self {
            max,
            keep_ms,
            known: BTreeMap::new(),
            queue: VecDeque::new(),
        }
    }

    pub(super) const fn set_bounds(&mut self, max: usize, keep_ms: u64) {
        self.max = max;
        self.keep_ms = keep_ms;
    }

    pub(super) fn contains(&self, command: CommandId) -> bool {
        self.known.contains_key(&command)
    }

    /// A command has ended; `said`, if the device has said its last word about it.
    pub(super) fn add(&mut self, command: CommandId, device: DeviceId, said: bool, now: Timestamp) {
        self.forget(now);
        while self.queue.len() >= self.max {
            let Some((_, oldest)) = self.queue.pop_front() else {
                return;
            };
            self.known.remove(&oldest);
        }
        if self.known.insert(command, Past { device, said }).is_none() {
            self.queue.push_back((now.plus_ms(self.keep_ms), command));
        }
    }

    /// Whether a device's last word on a command that is not open is the first one.
    pub(super) fn is_news(&mut self, command: CommandId, device: &DeviceId, now: Timestamp) -> bool {
        self.forget(now);
        let Some(past) = self.known.get_mut(&command) else {
            self.add(command, device.clone(), true, now);
            return true;
        };
        past.device == *device && !std::mem::replace(&mut past.said, true)
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((until, oldest)) = self.queue.front().copied() {
            if until > now {
                return;
            }
            self.queue.pop_front();
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_word_is_news_once_and_from_its_device_only() {
        let (car, bus) = (DeviceId::parse("car").unwrap(), DeviceId::parse("bus").unwrap());
        let mut ended = Ended::new(2, 100);
        ended.add(CommandId(1), car.clone(), false, Timestamp(0));
        assert!(!ended.is_news(CommandId(1), &bus, Timestamp(1)));
        assert!(ended.is_news(CommandId(1), &car, Timestamp(1)));
        assert!(!ended.is_news(CommandId(1), &car, Timestamp(1)));
        assert!(
            ended.is_news(CommandId(1), &car, Timestamp(100)),
            "it is forgotten by then"
        );
        for id in 2..5 {
            ended.add(CommandId(id), car.clone(), true, Timestamp(100));
        }
        assert!(!ended.contains(CommandId(2)), "two are known");
        assert!(!ended.is_news(CommandId(4), &car, Timestamp(100)));
        assert_eq!(ended.known.len(), ended.queue.len());
    }
}
