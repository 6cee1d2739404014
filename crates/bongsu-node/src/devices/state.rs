//! Desired and reported state: read, changed, watched, told to the device.
//!
//! Invariant: a change is made from the version that was read and kept only if that still is the version; the device is told
//! of it after it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_bus::Heard;
use bongsu_core::{policy, shadow};
use bongsu_model::device::{Command, DeviceSaid, Shadow, ShadowPut};
use bongsu_model::{Code, DeviceId, Object, Refusal, Timestamp};

use super::outbox::Delta;
use super::watched::Watch;
use crate::node::Node;
use crate::usecases::operate::Operator;

/// How often a change is made again because somebody was faster.
const TRIES: usize = 32;

/// A device's state as it is shown.
#[derive(Clone, PartialEq, Debug)]
pub struct StateView {
    /// What is kept, without wishes whose time is over.
    pub shadow: Shadow,
    /// What it should be where that is not what it says it is.
    pub delta: Object,
}

/// Why a change of the desired state is not made.
#[derive(Clone, PartialEq, Debug)]
pub enum StateRefused {
    /// It is another version than the caller has seen: that one.
    Stale(u64),
    /// For any other reason.
    Refused(Refusal),
}

/// What a device is to be told of its state, and until when that holds. What commands bring is not in it.
pub(super) fn to_be_told(shadow: &Shadow, now: Timestamp) -> Delta {
    let wishes = shadow.desired.values().filter(|wish| wish.command.is_none());
    let ends = wishes.filter_map(|wish| wish.expires_at).filter(|end| *end > now);
    Delta {
        version: shadow.version,
        state: shadow::delta(shadow, now, true),
        until: ends.min().unwrap_or(Timestamp::FAR),
    }
}

impl From<Refusal> for StateRefused {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A change of the desired state.
#[derive(Clone, PartialEq, Debug)]
pub struct DesiredChange {
    /// The whole of it, or a merge patch.
    pub value: Object,
    /// Whether it is a merge patch (RFC 7396).
    pub is_patch: bool,
    /// How long keys are wished for, in milliseconds; those that are not named are wished for until further notice.
    pub ttl_ms: BTreeMap<Arc<str>, u64>,
    /// The version that the caller has seen.
    pub if_match: Option<u64>,
}

impl Node {
    /// The state of a device.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn state(self: &Arc<Self>, by: &Operator, device: &DeviceId) -> Result<StateView, Refusal> {
        policy::may_operate(&by.principal)?;
        Ok(self.view(self.shadow(device).await?))
    }

    /// Changes what a device should be. The device is told at once if it is connected, and else when it comes. Commands for
    /// the same targets that nobody has begun to write are taken back.
    ///
    /// # Errors
    /// As [`Self::state`]; stale if the version is another than `if_match`; `MESSAGE_TOO_LARGE`; `DEVICE_LEASED` while
    /// another operator has control.
    pub async fn set_desired(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
        change: &DesiredChange,
    ) -> Result<StateView, StateRefused> {
        policy::may_operate(&by.principal)?;
        self.not_leased_to_another(by, device).await?;
        let now = self.now();
        let limits = &self.ports.limits;
        for _ in 0..TRIES {
            let mut shadow = self.shadow(device).await?;
            let before = shadow.version;
            if change.if_match.is_some_and(|seen| seen != before) {
                return Err(StateRefused::Stale(before));
            }
            let (value, ttl_ms) = (change.value.clone(), &change.ttl_ms);
            let changed = if change.is_patch {
                shadow::patch_desired(&mut shadow, value, ttl_ms, &by.name, now, limits)?
            } else {
                shadow::put_desired(&mut shadow, value, ttl_ms, &by.name, now, limits)?
            };
            if !changed {
                return Ok(self.view(shadow));
            }
            match self.put(device, before, &shadow).await? {
                ShadowPut::Kept => {
                    // An older command for the same target would undo what is wished for now.
                    let undone = |target: &Arc<str>| !change.is_patch || change.value.contains_key(target);
                    let concerns = |command: &Command| command.target.as_ref().is_some_and(undone);
                    self.take_back(device, &by.caller(), concerns).await?;
                    self.tell_desired(device, shadow.version).await;
                    return Ok(self.view(shadow));
                }
                ShadowPut::Stale => {}
                ShadowPut::NoDevice => return Err(Refusal::new(Code::DeviceNotFound).into()),
            }
        }
        Err(Refusal::retry(Code::Overloaded, 100).into())
    }

    /// Begins to watch a device's state: the version, whenever it changes.
    ///
    /// # Errors
    /// As [`Self::state`]; `OVERLOADED`: there are too many watchers.
    pub async fn watch_state(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
    ) -> Result<Watch<DeviceId, u64>, Refusal> {
        policy::may_operate(&by.principal)?;
        self.known_device(device).await?;
        let watch = self.devices.states.watch(device.clone());
        watch.map_err(|_| Refusal::retry(Code::Overloaded, 1_000))
    }

    /// Changes a shadow by what is known of the device, again if somebody was faster. What is kept after it.
    pub(super) async fn change_shadow(
        &self,
        device: &DeviceId,
        mut change: impl FnMut(&mut Shadow) -> Result<bool, Refusal>,
    ) -> Result<Shadow, Refusal> {
        for _ in 0..TRIES {
            let mut shadow = self.shadow(device).await?;
            let before = shadow.version;
            if !change(&mut shadow)? {
                return Ok(shadow);
            }
            match self.put(device, before, &shadow).await? {
                ShadowPut::Kept => return Ok(shadow),
                ShadowPut::Stale => {}
                ShadowPut::NoDevice => return Err(Refusal::new(Code::DeviceNotFound)),
            }
        }
        Err(Refusal::retry(Code::Overloaded, 100))
    }

    /// A command has brought a wish or has taken it back, in the store already: whoever watches the state hears so.
    pub(super) async fn wish_changed(&self, command: &Command) {
        if command.target.is_none() {
            return;
        }
        // What waits to be written to the device may say otherwise.
        let session = self.devices.session(&command.device);
        if session.is_some_and(|session| session.has_delta()) {
            self.send_delta(&command.device).await;
        }
        self.tell_changed(&command.device, None).await;
    }

    /// Tells whoever watches a device's state that it is another, in the store already; its version, if it is known.
    pub(super) async fn tell_changed(&self, device: &DeviceId, version: Option<u64>) {
        let said = DeviceSaid::Changed {
            device: device.clone(),
            version,
        };
        self.publish(Heard::Device(Arc::new(said))).await;
    }

    /// Tells everyone concerned that a device should be something else now.
    pub(super) async fn tell_desired(&self, device: &DeviceId, version: u64) {
        let said = DeviceSaid::Desired {
            device: device.clone(),
            version,
        };
        self.publish(Heard::Device(Arc::new(said))).await;
    }

    /// Sends a device that is here what it should be and is not; if that is nothing, what still waits is not sent.
    pub(super) async fn send_delta(&self, device: &DeviceId) {
        let Some(session) = self.devices.session(device) else {
            return;
        };
        let kept = self.ports.store.shadow(device.clone()).await;
        let Some(shadow) = self.healthy(kept).flatten() else {
            return;
        };
        session.put_delta(to_be_told(&shadow, self.ports.clock.now()));
    }

    async fn shadow(&self, device: &DeviceId) -> Result<Shadow, Refusal> {
        let kept = self.ports.store.shadow(device.clone()).await;
        kept.map_err(|fault| self.fault(&fault))?
            .ok_or_else(|| Refusal::new(Code::DeviceNotFound))
    }

    async fn put(&self, device: &DeviceId, before: u64, shadow: &Shadow) -> Result<ShadowPut, Refusal> {
        let put = self
            .ports
            .store
            .put_shadow(device.clone(), before, shadow.clone())
            .await;
        put.map_err(|fault| self.fault(&fault))
    }

    fn view(&self, mut shadow: Shadow) -> StateView {
        let (now, version) = (self.ports.clock.now(), shadow.version);
        shadow::expire(&mut shadow, now);
        // What is not shown any more is not gone from the store yet: the version is the one that a change is made from.
        shadow.version = version;
        StateView {
            delta: shadow::delta(&shadow, now, false),
            shadow,
        }
    }
}
