//! The latest telemetry of devices: one value per key, never a queue of old ones.
//!
//! Invariant: what is kept of one device is bounded in keys and in bytes; the newest keys stay. The node that holds a device
//! knows it; another asks that one, and says so if it is not answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bongsu_bus::Heard;
use bongsu_core::policy;
use bongsu_model::device::DeviceSaid;
use bongsu_model::{Code, ConnectionEpoch, DeviceId, Limits, Object, Refusal, Timestamp, Value};

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
    /// Whether this is what the node knows that holds the device, or held it last. Where that one does not answer, or is not
    /// known, there may be more, and newer values.
    pub is_whole: bool,
}

/// What a node has heard of a device.
#[derive(Clone, Default, Debug)]
pub(super) struct Known {
    latest: Arc<Latest>,
    /// The device's last session here that has measured something; 0 for none.
    epoch: ConnectionEpoch,
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
        latest.bounded(limits)
    }

    /// What another node knows, with what was heard here after that.
    fn with_later(mut self, here: &Self, limits: &Limits) -> Self {
        let upto = self.at;
        let later = here.values.iter().filter(|(_, (_, at))| *at > upto);
        self.values
            .extend(later.map(|(key, value)| (Arc::clone(key), value.clone())));
        self.at = upto.max(here.at);
        self.bounded(limits)
    }

    fn bounded(mut self, limits: &Limits) -> Self {
        while self.values.len() > limits.telemetry_keys_max || self.bytes() > limits.telemetry_bytes_max {
            let oldest = self.values.iter().min_by_key(|(_, (_, at))| *at);
            let Some(oldest) = oldest.map(|(key, _)| Arc::clone(key)) else {
                break;
            };
            self.values.remove(&oldest);
        }
        self
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
        let here = self.session(device).map(|session| session.epoch);
        let mut all = self.telemetry.lock();
        let before = all.get(device).cloned().unwrap_or_default();
        let mut latest = before.latest.with(heard, at, limits);
        latest.is_whole |= here.is_some();
        let latest = Arc::new(latest);
        let epoch = here.unwrap_or(before.epoch);
        let known = Known {
            latest: Arc::clone(&latest),
            epoch,
        };
        keep(&mut all, device, known);
        latest
    }

    /// Takes in what the node answers that holds a device, or held it until just now: with what was heard here since, and
    /// whether that is news. It is kept while the device is here, or somebody watches what it measures.
    fn answered(&self, device: &DeviceId, answer: Latest, limits: &Limits) -> (Arc<Latest>, bool) {
        let kept = self.session(device).is_some() || self.measured.has(device);
        let mut all = self.telemetry.lock();
        let before = all.get(device).cloned().unwrap_or_default();
        let latest = Arc::new(answer.with_later(&before.latest, limits));
        let is_news = latest != before.latest;
        if kept {
            let known = Known {
                latest: Arc::clone(&latest),
                epoch: before.epoch,
            };
            keep(&mut all, device, known);
        }
        (latest, is_news)
    }

    pub(crate) fn forget_telemetry(&self, device: &DeviceId) {
        self.telemetry.lock().remove(device);
    }
}

fn keep(all: &mut BTreeMap<DeviceId, Known>, device: &DeviceId, known: Known) {
    if all.len() >= DEVICES_MAX && !all.contains_key(device) {
        all.pop_first();
    }
    all.insert(device.clone(), known);
}

impl Node {
    /// The latest telemetry of a device; empty if none was heard since the node started that holds it. That one is asked if
    /// it is another.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn telemetry(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
    ) -> Result<Arc<Latest>, Refusal> {
        policy::may_operate(&by.principal)?;
        let device = self.known_device(device).await?;
        let here = self.devices.session(&device.id).is_some();
        if !here
            && self.may_be_held(&device)
            && let Some(answer) = self.ask_telemetry(&device.id).await
        {
            return Ok(answer);
        }
        let known = self.devices.telemetry.lock().get(&device.id).cloned();
        let known = known.unwrap_or_default();
        // Whoever held it last knows, unless it is somewhere else by now.
        let last = device.session.is_none() && known.epoch == device.epoch;
        Ok(Arc::new(Latest {
            is_whole: here || last || !self.ports.bus.spans_nodes(),
            ..(*known.latest).clone()
        }))
    }

    /// Asks the node that holds a device what that has measured; `None` without an answer in time.
    pub(super) async fn ask_telemetry(&self, device: &DeviceId) -> Option<Arc<Latest>> {
        let mut answer = self.devices.answers.watch(device.clone()).ok()?;
        let said = DeviceSaid::AskTelemetry {
            device: device.clone(),
            from: Arc::clone(&self.id),
        };
        if !self.asks(said).await {
            return None;
        }
        let wait = Duration::from_millis(self.ports.limits.node_answer_ms);
        tokio::time::timeout(wait, answer.next()).await.ok()
    }

    /// Another node wants to know what a device has measured that may be here.
    pub(super) async fn telemetry_asked(&self, device: &DeviceId, from: &Arc<str>) {
        if self.devices.session(device).is_none() {
            return;
        }
        let known = self.devices.telemetry.lock().get(device).cloned();
        let latest = known.unwrap_or_default().latest;
        let said = DeviceSaid::Measured {
            device: device.clone(),
            values: Arc::new(latest.values.clone()),
            at: latest.at,
            to: Arc::clone(from),
        };
        self.publish(Heard::Device(Arc::new(said))).await;
    }

    /// The node that holds a device, or held it until just now, has answered.
    pub(super) fn telemetry_answered(&self, device: &DeviceId, answer: Latest) {
        let (latest, is_news) = self.devices.answered(device, answer, &self.ports.limits);
        self.devices.answers.tell(device, || Arc::clone(&latest));
        if is_news {
            self.devices.measured.tell(device, || latest);
        }
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
        policy::may_operate(&by.principal)?;
        self.known_device(device).await?;
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
    fn what_another_node_knows_counts_and_what_came_later_here() {
        let limits = Limits::DEFAULT;
        let here = Latest::default().with(&heard(&[("gone", 1), ("speed", 1)]), Timestamp(10), &limits);
        let here = here.with(&heard(&[("speed", 3)]), Timestamp(30), &limits);
        let answer = Latest::default().with(&heard(&[("speed", 2), ("fuel", 2)]), Timestamp(20), &limits);
        let both = answer.with_later(&here, &limits);
        let values: Vec<_> = both.values.iter().map(|(key, (_, at))| (&**key, at.0)).collect();
        assert_eq!(
            values,
            [("fuel", 20), ("speed", 30)],
            "it has none of `gone` any more"
        );
        assert_eq!(both.at, Timestamp(30));
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
