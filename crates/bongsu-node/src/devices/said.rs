//! What nodes tell each other of devices, heard.
//!
//! Invariant: whatever is heard here twice, late or not at all, nothing is wrong for longer than it takes to look into the
//! store: epochs fence sessions, the store's guards fence commands, and whoever waits looks for itself.

use std::sync::Arc;

use bongsu_bus::Heard;
use bongsu_core::desk::DeskInput;
use bongsu_model::device::{CommandState, DeviceSaid, Object};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{CommandId, ConnectionEpoch, DeviceId, Timestamp};

use super::Latest;
use super::session::DeviceSession;
use crate::node::Node;

impl Node {
    /// Takes in what a node said of a device.
    pub(crate) async fn device_said(&self, said: &DeviceSaid) {
        match said {
            DeviceSaid::Opened { device, epoch } => self.opened_somewhere(device, *epoch).await,
            DeviceSaid::Offered {
                device,
                command,
                from,
            } => self.offered(device, *command, from).await,
            DeviceSaid::Taken { command, .. } => self.devices.taken.tell(command, || ()),
            DeviceSaid::Cancel { device, command, by } => {
                if self.devices.session(device).is_some() {
                    self.devices.cancel(device, *command, Arc::clone(by)).await;
                }
            }
            DeviceSaid::Moved { command, .. } => self.look_and_tell(*command).await,
            DeviceSaid::Desired { device, version } => self.desired_somewhere(device, *version).await,
            DeviceSaid::Changed { device, version } => match version {
                Some(version) => self.tell_version(device, *version),
                None => self.look_at_state(device).await,
            },
            DeviceSaid::Telemetry { device, values, at } => self.measured(device, values, *at),
            DeviceSaid::AskTelemetry { device, from } => self.telemetry_asked(device, from).await,
            DeviceSaid::Measured {
                device,
                values,
                at,
                to,
            } if *to == self.id => {
                let answer = Latest {
                    values: (**values).clone(),
                    at: *at,
                    is_whole: true,
                };
                self.telemetry_answered(device, answer);
            }
            DeviceSaid::AskDisplays { displays, from, to } if *to == self.id => {
                self.displays_asked(displays, from).await;
            }
            DeviceSaid::Shown { device, now, to } if *to == self.id => {
                self.displays.shown.tell(device, || now.clone());
            }
            // This node's own question, or its answer to another one.
            DeviceSaid::Measured { .. } | DeviceSaid::AskDisplays { .. } | DeviceSaid::Shown { .. } => {}
            DeviceSaid::Probe { device, epoch, from } => self.probed(device, *epoch, from).await,
            DeviceSaid::Alive { device, epoch, .. } => {
                self.displays.alive.tell(&(device.clone(), *epoch), || ());
            }
            DeviceSaid::Disconnect { device } => {
                if let Some(session) = self.devices.session(device) {
                    session.end(CloseCause::Disconnected);
                }
            }
        }
    }

    /// A session of a device has begun somewhere: an older one here is over.
    async fn opened_somewhere(&self, device: &DeviceId, epoch: ConnectionEpoch) {
        let Some(session) = self.devices.session(device) else {
            return;
        };
        if session.epoch < epoch {
            self.overtaken(&session).await;
        }
    }

    /// A later session of a device has begun somewhere, or the store does not have this one any more: it is over, and its
    /// commands are not ours.
    pub(super) async fn overtaken(&self, session: &DeviceSession) {
        session.end(CloseCause::Replaced);
        if self.forget_device(session) {
            let (device, by) = (session.device.clone(), ConnectionEpoch(session.epoch.0 + 1));
            let released = DeskInput::Released { device, by };
            self.devices.desk(&session.device, released).await;
        }
    }

    /// A command waits in the store for whoever holds its device.
    async fn offered(&self, device: &DeviceId, id: CommandId, from: &Arc<str>) {
        let Some(session) = self.devices.session(device) else {
            return;
        };
        let Some(command) = self.healthy(self.ports.store.command(id).await).flatten() else {
            return;
        };
        // What is said again was taken on before, and who offers it has not heard so.
        let is_ours = command.epoch == session.epoch;
        if command.state == CommandState::Accepted {
            let offered = DeskInput::Offered {
                command: Box::new(command),
            };
            self.devices.desk(device, offered).await;
        } else if !is_ours {
            return;
        }
        let said = DeviceSaid::Taken {
            command: id,
            to: Arc::clone(from),
        };
        self.publish(Heard::Device(Arc::new(said))).await;
    }

    /// The state of a device has changed somewhere.
    async fn desired_somewhere(&self, device: &DeviceId, version: u64) {
        self.tell_version(device, version);
        self.send_delta(device).await;
    }

    fn measured(&self, device: &DeviceId, values: &Object, at: Timestamp) {
        let latest = self.devices.measure(device, values, at, &self.ports.limits);
        self.devices.measured.tell(device, || latest);
    }
}
