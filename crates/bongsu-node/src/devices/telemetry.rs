//! The latest telemetry of devices: one value per key, never a queue of old ones.
//!
//! Invariant: what is kept of one device is bounded in keys and in bytes; the newest keys stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::{Code, DeviceId, Limits, Object, Refusal, Timestamp, Value};

use super::Devices;
use super::watched::Watch;
use crate::node::Node;
use crate::usecases::operate::Operator;

/// Devices whose telemetry a node remembers.
const DEVICES_MAX: usize = 100_000;

/// The latest telemetry of one device.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Latest {
    /// The latest value of each key, and when it was heard.
    pub values: BTreeMap<Arc<str>, (Value, Timestamp)>,
    /// When the last of them was heard.
    pub at: Timestamp,
}

impl Latest {
    /// With what was heard at a moment; where there are too many keys or bytes, the oldest go.
    fn with(&self, heard: &Object, at: Timestamp, limits: &Limits) -> Self {
        let mut latest = self.clone();
        latest.at = at.max(self.at);
        for (key, value) in heard {
            let newer = latest.values.get(key).is_none_or(|(_, before)| *before <= at);
            if newer && *value == Value::Null {
                latest.values.remove(key);
            } else if newer {
                latest.values.insert(Arc::clone(key), (value.clone(), at));
            }
        }
        while latest.values.len() > limits.telemetry_keys_max || latest.bytes() > limits.telemetry_bytes_max {
            let oldest = latest.values.iter().min_by_key(|(_, (_, at))| *at);
            let Some(oldest) = oldest.map(|(key, _)| Arc::clone(key)) else {
                break;
            };
            latest.values.remove(&oldest);
        }
        latest
    }

    fn bytes(&self) -> usize {
        self.values
            .iter()
            .map(|(key, (value, _))| key.len() + value.bytes() + 4)
            .sum()
    }
}

impl Devices {
    /// Takes in what a device measured: the latest of it all.
    pub(super) fn measure(
        &self,
        device: &DeviceId,
        heard: &Object,
        at: Timestamp,
        limits: &Limits,
    ) -> Arc<Latest> {
        let mut all = self.telemetry.lock();
        let before = all.get(device).cloned().unwrap_or_default();
        let latest = Arc::new(before.with(heard, at, limits));
        if all.len() >= DEVICES_MAX && !all.contains_key(device) {
            all.pop_first();
        }
        all.insert(device.clone(), Arc::clone(&latest));
        latest
    }

    pub(crate) fn forget_telemetry(&self, device: &DeviceId) {
        self.telemetry.lock().remove(device);
    }
}

impl Node {
    /// The latest telemetry of a device; empty if none was heard since this node started.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn telemetry(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
    ) -> Result<Arc<Latest>, Refusal> {
        policy::may_operate(&by.principal)?;
        self.known_device(device).await?;
        let latest = self.devices.telemetry.lock().get(device).cloned();
        Ok(latest.unwrap_or_default())
    }

    /// Begins to watch a device's telemetry: all of the latest, whenever some of it is new.
    ///
    /// # Errors
    /// As [`Self::telemetry`]; `OVERLOADED`: there are too many watchers.
    pub async fn watch_telemetry(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
    ) -> Result<Watch<DeviceId, Arc<Latest>>, Refusal> {
        self.telemetry(by, device).await?;
        let watch = self.devices.measured.watch(device.clone());
        watch.map_err(|_| Refusal::retry(Code::Overloaded, 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(values: &[(&str, i64)]) -> Object {
        values
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn the_latest_of_each_key_stays() {
        let limits = Limits {
            telemetry_keys_max: 2,
            ..Limits::DEFAULT
        };
        let first = Latest::default().with(&heard(&[("speed", 1), ("heat", 2)]), Timestamp(10), &limits);
        let late = first.with(&heard(&[("speed", 9)]), Timestamp(5), &limits);
        assert_eq!(late, first, "what comes out of order is older");
        let more = first.with(&heard(&[("speed", 3), ("fuel", 4)]), Timestamp(20), &limits);
        assert_eq!(
            more.values.keys().map(|key| &**key).collect::<Vec<_>>(),
            ["fuel", "speed"]
        );
        let gone = more.with(
            &Object::from([("fuel".into(), Value::Null)]),
            Timestamp(30),
            &limits,
        );
        assert_eq!(gone.values.len(), 1);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let limits = Limits {
            telemetry_bytes_max: 64,
            ..Limits::DEFAULT
        };
        let large = Object::from([("log".into(), Value::text(&"x".repeat(65)))]);
        assert!(
            Latest::default()
                .with(&large, Timestamp(1), &limits)
                .values
                .is_empty()
        );
    }
}
