//! What a device says, carried out.
//!
//! Invariant: a session that is not the current one of its device says nothing any more; a word with another epoch than the
//! session's is refused.

use std::sync::Arc;

use bongsu_bus::Heard;
use bongsu_core::desk::DeskInput;
use bongsu_core::shadow;
use bongsu_model::device::{DeviceSaid, FromDevice, ToDevice, Word};
use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::{Code, Object, Refusal, Timestamp, Why};

use super::session::DeviceSession;
use crate::node::Node;

impl Node {
    /// Carries out one frame of a device. Waits while the store or the desk has its full load.
    ///
    /// # Errors
    /// The refusal that the device is to be told. [`ends_device_session`] says whether the session ends with it.
    pub async fn device_says(
        self: &Arc<Self>,
        session: &Arc<DeviceSession>,
        frame: FromDevice,
    ) -> Result<(), Refusal> {
        let now = self.now();
        session.heard(now);
        if session.ending().is_some() {
            return Ok(());
        }
        self.device_stands(session, now)?;
        match frame {
            FromDevice::Hello(_) => Err(Refusal {
                why: Why::Malformed {
                    offset: 0,
                    what: Malformed::Hello,
                },
                ..Refusal::new(Code::InvalidData)
            }),
            FromDevice::Word(word) => self.word(session, word).await,
            FromDevice::Heartbeat { clock } => {
                if let Some(clock) = clock {
                    session.says_clock(clock, now);
                }
                session.put(ToDevice::Heartbeat {
                    server_time: now,
                    clock,
                });
                Ok(())
            }
            FromDevice::Telemetry(values) => {
                let said = DeviceSaid::Telemetry {
                    device: session.device.clone(),
                    values: Arc::new(values),
                    at: now,
                };
                self.publish(Heard::Device(Arc::new(said))).await;
                Ok(())
            }
            FromDevice::Reported { version, state } => self.reported(session, version, state, now).await,
            FromDevice::AuthUpdate { token } => {
                let standing = self.device_token(&session.device, &token, now).await?;
                let expires_at = standing.expires_at.unwrap_or(Timestamp::FAR);
                session.renew(standing);
                session.put(ToDevice::AuthUpdated { expires_at });
                Ok(())
            }
        }
    }

    async fn word(self: &Arc<Self>, session: &Arc<DeviceSession>, word: Word) -> Result<(), Refusal> {
        if word.epoch.is_some_and(|epoch| epoch != session.epoch) {
            return Err(Refusal::because(Code::PermissionDenied, "epoch"));
        }
        let said = DeskInput::Word {
            device: session.device.clone(),
            epoch: session.epoch,
            word,
        };
        self.devices.desk(&session.device, said).await;
        Ok(())
    }

    async fn reported(
        self: &Arc<Self>,
        session: &Arc<DeviceSession>,
        version: Option<u64>,
        state: Object,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let limits = &self.ports.limits;
        let kept = self
            .change_shadow(&session.device, |shadow| {
                shadow::report(shadow, state.clone(), version, now, limits)
            })
            .await?;
        self.tell_changed(&session.device, Some(kept.version)).await;
        Ok(())
    }

    /// Makes sure that what let the device in still does.
    fn device_stands(&self, session: &DeviceSession, now: Timestamp) -> Result<(), Refusal> {
        let standing = session.standing();
        if standing.refused_from.is_some_and(|at| at <= now) {
            session.end(CloseCause::TokenExpired);
            return Err(Refusal::because(Code::InvalidToken, "expired"));
        }
        if self.revoked.contains(standing.jti.as_ref()) {
            session.end(CloseCause::TokenRevoked);
            return Err(Refusal::because(Code::InvalidToken, "revoked"));
        }
        Ok(())
    }
}

/// Whether a refusal ends the session of the device that it was told: what is wrong with the stream or with the token.
#[must_use]
pub fn ends_device_session(refusal: &Refusal) -> bool {
    let token = matches!(refusal.code, Code::InvalidToken | Code::NotAuthenticated);
    token || matches!(refusal.why, Why::Malformed { .. })
}
