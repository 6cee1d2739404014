//! Devices from the operators' side: made, listed, enrolled, disconnected, forgotten.
//!
//! Invariant: an enrolment token is shown once and kept as a hash.

use std::sync::Arc;

use bongsu_bus::Heard;
use bongsu_core::policy;
use bongsu_model::device::{Device, DeviceSaid, Enrolment, NewDevice};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, DeviceId, Jti, Refusal, Timestamp, TokenHash, Want};
use bongsu_store::{CreateRefused, Existing};

use super::{DeviceSession, Presence};
use crate::node::Node;
use crate::usecases::operate::Operator;

/// A device as it is shown.
#[derive(Clone)]
pub struct DeviceView {
    /// What is kept of it.
    pub device: Device,
    /// Its session, if that is on this node.
    pub session: Option<Arc<DeviceSession>>,
    /// Whether it is connected.
    pub presence: Presence,
}

impl DeviceView {
    /// Whether it has a session, as far as is known here: it had one when something was last heard of the node that holds it.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.presence != Presence::Offline
    }
}

/// A token that lets one device in, in clear: shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    /// What is kept of it.
    pub hash: TokenHash,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

impl Node {
    /// Makes a device.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; the field `device_id` for one that exists; or the store failed.
    pub async fn create_device(self: &Arc<Self>, by: &Operator, new: NewDevice) -> Result<Device, Refusal> {
        policy::may_operate(&by.principal)?;
        let made = self.ports.store.create_device(new, self.now()).await;
        let made = made.map_err(|refused| match refused {
            CreateRefused::Fault(fault) => self.fault(&fault),
            CreateRefused::IdTaken
            | CreateRefused::NameTaken
            | CreateRefused::TooMany
            | CreateRefused::NoUser(_)
            | CreateRefused::Members => Refusal::field("device_id", Want::Other),
        })?;
        self.note(by, "device.create", format!("device:{}", made.id), None)
            .await;
        Ok(made)
    }

    /// Lets a device in with a token from now on, beside those that it has.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn enrol_device(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
        hash: TokenHash,
    ) -> Result<EnrolmentToken, Refusal> {
        policy::may_operate(&by.principal)?;
        let now = self.now();
        let seconds = self.ports.limits.enrolment_s;
        let expires_at = (seconds > 0).then(|| now.plus_ms(seconds.saturating_mul(1_000)));
        let enrolment = Enrolment {
            hash,
            device: device.clone(),
            expires_at,
        };
        let added = self.ports.store.add_enrolment(enrolment, now).await;
        match added.map_err(|fault| self.fault(&fault))? {
            Existing::Absent => Err(Refusal::new(Code::DeviceNotFound)),
            Existing::Changed | Existing::Unchanged => {
                self.note(by, "device.enrol", format!("device:{device}"), None)
                    .await;
                Ok(EnrolmentToken { hash, expires_at })
            }
        }
    }

    /// Lets a device in with none of its enrolment tokens any more. A live session goes on: disconnect it to end it.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn revoke_enrolments(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
    ) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        self.known_device(device).await?;
        let revoked = self.ports.store.revoke_enrolments(device.clone()).await;
        revoked.map_err(|fault| self.fault(&fault))?;
        self.note(by, "device.enrolments_revoked", format!("device:{device}"), None)
            .await;
        Ok(())
    }

    /// A device.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn device(self: &Arc<Self>, by: &Operator, device: &DeviceId) -> Result<DeviceView, Refusal> {
        policy::may_operate(&by.principal)?;
        let device = self.known_device(device).await?;
        Ok(self.device_view(device))
    }

    /// The devices after one, ascending, at most `limit`.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or the store failed.
    pub async fn devices(
        self: &Arc<Self>,
        by: &Operator,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<DeviceView>, Refusal> {
        policy::may_operate(&by.principal)?;
        let devices = self.ports.store.devices(after, limit).await;
        let devices = devices.map_err(|fault| self.fault(&fault))?;
        Ok(devices
            .into_iter()
            .map(|device| self.device_view(device))
            .collect())
    }

    /// Forgets a device, with its state, its lease and its enrolment tokens; its open commands are cancelled and a live session
    /// is ended.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn delete_device(self: &Arc<Self>, by: &Operator, device: &DeviceId) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        self.known_device(device).await?;
        // Before, so that nothing more is written of what ends with it; after, in case it came back meanwhile.
        self.cut_device(device).await;
        let deleted = self
            .ports
            .store
            .delete_device(device.clone(), Arc::clone(&self.id), self.now())
            .await;
        match deleted.map_err(|fault| self.fault(&fault))? {
            Existing::Changed => {}
            Existing::Unchanged | Existing::Absent => return Err(Refusal::new(Code::DeviceNotFound)),
        }
        self.devices.forget_telemetry(device);
        self.cut_device(device).await;
        self.note(by, "device.delete", format!("device:{device}"), None)
            .await;
        Ok(())
    }

    /// Ends the session of a device, wherever it is. It may come back.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `DEVICE_NOT_FOUND`, or the store failed.
    pub async fn disconnect_device(
        self: &Arc<Self>,
        by: &Operator,
        device: &DeviceId,
    ) -> Result<(), Refusal> {
        policy::may_operate(&by.principal)?;
        self.known_device(device).await?;
        self.cut_device(device).await;
        self.note(by, "device.disconnect", format!("device:{device}"), None)
            .await;
        Ok(())
    }

    /// What was kept of device sessions of this node before it started is over. To be called once before the first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_device_sessions(self: &Arc<Self>) -> Result<u64, Refusal> {
        let forgotten = self
            .ports
            .store
            .forget_device_sessions(Arc::clone(&self.id), self.now())
            .await;
        forgotten.map_err(|fault| self.fault(&fault))
    }

    /// Ends the sessions of devices that were let in with a token that is revoked.
    pub(crate) fn cut_devices_of(&self, jti: &Jti) {
        for session in self.devices.all() {
            if session.standing().jti.as_ref() == Some(jti) {
                session.end(CloseCause::TokenRevoked);
            }
        }
    }

    /// Ends the sessions of all devices, because the node stops.
    pub(crate) fn stop_devices(&self) {
        for session in self.devices.all() {
            session.end(CloseCause::ShuttingDown);
        }
    }

    pub(crate) async fn known_device(&self, device: &DeviceId) -> Result<Device, Refusal> {
        let known = self.ports.store.device(device.clone()).await;
        known
            .map_err(|fault| self.fault(&fault))?
            .ok_or_else(|| Refusal::new(Code::DeviceNotFound))
    }

    fn device_view(&self, device: Device) -> DeviceView {
        let (session, presence) = (self.devices.session(&device.id), self.presence_of(&device));
        DeviceView {
            device,
            session,
            presence,
        }
    }

    async fn cut_device(&self, device: &DeviceId) {
        let said = DeviceSaid::Disconnect {
            device: device.clone(),
        };
        self.publish(Heard::Device(Arc::new(said))).await;
    }
}
