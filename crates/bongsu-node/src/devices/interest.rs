//! Which devices are watched here, so that this node hears of them wherever they are.
//!
//! Invariant: the bus is told that a device is watched with the first who watches it, and that it is not any more with the
//! last. What is not heard all the same is found by a look, one after the other.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bongsu_bus::{Bus, Subject};
use bongsu_model::DeviceId;
use parking_lot::Mutex;

use crate::node::Node;

/// Watched devices that are looked at, at once.
const AT_ONCE: usize = 16;

/// The devices that somebody watches here.
pub(crate) struct Interest {
    bus: Arc<dyn Bus>,
    devices: Mutex<BTreeMap<DeviceId, Watched>>,
}

/// One of them.
#[derive(Default)]
struct Watched {
    /// Of how many things of it: its state, what it measures.
    of: u32,
    /// The version of its state that was seen last, if any was.
    version: Option<u64>,
}

impl Interest {
    pub(super) fn new(bus: &Arc<dyn Bus>) -> Arc<Self> {
        Arc::new(Self {
            bus: Arc::clone(bus),
            devices: Mutex::default(),
        })
    }

    /// Something of a device is watched from now on, or is not any more.
    pub(super) fn note(&self, device: &DeviceId, watched: bool) {
        // Held until the bus knows, so that it hears of changes in their order.
        let mut devices = self.devices.lock();
        if watched {
            let one = devices.entry(device.clone()).or_default();
            one.of += 1;
            if one.of == 1 {
                self.bus.want(Subject::Watch(device.clone()), true);
            }
        } else if let Some(one) = devices.get_mut(device) {
            one.of -= 1;
            if one.of == 0 {
                devices.remove(device);
                self.bus.want(Subject::Watch(device.clone()), false);
            }
        }
    }

    /// A version of a device's state was seen: whether it is another than the last one that was.
    pub(super) fn saw(&self, device: &DeviceId, version: u64) -> bool {
        let mut devices = self.devices.lock();
        devices
            .get_mut(device)
            .is_some_and(|one| one.version.replace(version) != Some(version))
    }

    /// The next devices after one, ascending, and from the first again after the last.
    fn after(&self, last: Option<&DeviceId>) -> Vec<DeviceId> {
        let devices = self.devices.lock();
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = devices.range((from, Bound::Unbounded));
        next.map(|(device, _)| device.clone()).take(AT_ONCE).collect()
    }
}

impl Node {
    /// Looks at the next few devices that are watched here and are elsewhere; whoever watches hears what is new. The last one
    /// that was looked at, to go on from.
    pub(super) async fn look_at_watched(self: &Arc<Self>, last: Option<DeviceId>) -> Option<DeviceId> {
        let next = self.devices.interest.after(last.as_ref());
        for device in &next {
            if self.devices.session(device).is_some() {
                continue;
            }
            self.look_at_state(device).await;
            if self.devices.measured.has(device) {
                self.ask_telemetry(device).await;
            }
        }
        (next.len() == AT_ONCE).then(|| next.last().cloned()).flatten()
    }

    /// Whoever watches a device's state hears which version the store has, if that is news.
    pub(super) async fn look_at_state(&self, device: &DeviceId) {
        if !self.devices.states.has(device) {
            return;
        }
        let kept = self.ports.store.shadow(device.clone()).await;
        if let Some(shadow) = self.healthy(kept).flatten() {
            self.tell_version(device, shadow.version);
        }
    }

    /// Whoever watches a device's state hears of a version.
    pub(super) fn tell_version(&self, device: &DeviceId, version: u64) {
        if self.devices.interest.saw(device, version) {
            self.devices.states.tell(device, || version);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use async_trait::async_trait;
    use bongsu_bus::{BusFault, Ear, Health, Heard, Reach};

    use super::*;

    #[derive(Default)]
    struct Asked(Mutex<Vec<(Subject, bool)>>);

    #[async_trait]
    impl Bus for Asked {
        async fn publish(&self, _: Heard) -> Result<(), BusFault> {
            Ok(())
        }

        async fn reach(&self, _: Heard) -> Result<Reach, BusFault> {
            Ok(Reach::Nobody)
        }

        fn want(&self, subject: Subject, wanted: bool) {
            self.0.lock().push((subject, wanted));
        }

        fn listen(&self, _: Weak<dyn Ear>) {}

        fn health(&self) -> Health {
            Health::Well
        }
    }

    fn car(number: usize) -> DeviceId {
        DeviceId::parse(&format!("car-{number:02}")).unwrap()
    }

    #[test]
    fn a_device_is_wanted_from_the_first_watcher_to_the_last() {
        let asked = Arc::new(Asked::default());
        let bus: Arc<dyn Bus> = Arc::clone(&asked) as Arc<dyn Bus>;
        let interest = Interest::new(&bus);
        let subject = Subject::Watch(car(1));
        interest.note(&car(1), true);
        interest.note(&car(1), true);
        interest.note(&car(1), false);
        assert_eq!(*asked.0.lock(), [(subject.clone(), true)]);
        interest.note(&car(1), false);
        assert_eq!(*asked.0.lock(), [(subject.clone(), true), (subject, false)]);
        assert!(!interest.saw(&car(1), 1), "nobody watches it");
    }

    #[test]
    fn a_round_comes_past_every_device_and_a_version_is_news_once() {
        let bus: Arc<dyn Bus> = Arc::new(Asked::default());
        let interest = Interest::new(&bus);
        (0..AT_ONCE + 2).for_each(|number| interest.note(&car(number), true));
        let first = interest.after(None);
        assert_eq!(first.len(), AT_ONCE);
        assert_eq!(interest.after(first.last()), [car(AT_ONCE), car(AT_ONCE + 1)]);
        assert!(interest.saw(&car(0), 3));
        assert!(!interest.saw(&car(0), 3));
        assert!(interest.saw(&car(0), 4));
    }
}
