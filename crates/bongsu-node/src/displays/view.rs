//! Displays as operators see them.
//!
//! Invariant: what is shown as kept is the store's, and what is shown as now is what the display said last on the node that
//! holds it. Where that one does not answer in time, nothing is shown as now, and nobody can say whether it is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bongsu_bus::Heard;
use bongsu_core::policy;
use bongsu_model::device::{Device, DeviceSaid};
use bongsu_model::display::{DisplayNow, KIND};
use bongsu_model::{Code, DeviceId, Refusal};
use futures_util::future::join_all;

use super::display::Display;
use crate::devices::{DeviceSession, Presence};
use crate::node::Node;
use crate::usecases::operate::Operator;

/// A display as it is shown.
#[derive(Clone, Debug)]
pub struct DisplayView {
    /// What is kept of it.
    pub device: Device,
    /// Whether it is connected.
    pub presence: Presence,
    /// What it says of itself, if it is connected and the node that holds it has answered.
    pub now: Option<Arc<DisplayNow>>,
}

impl DisplayView {
    /// Whether it is connected, as far as is known here.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.presence != Presence::Offline
    }
}

/// What the nodes that hold displays have answered; `None` for one that is not there.
type Answers = BTreeMap<DeviceId, Option<Arc<DisplayNow>>>;

impl Node {
    /// A display.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `DEVICE_NOT_FOUND`, also for a device that is no display; or the store failed.
    pub async fn display(self: &Arc<Self>, by: &Operator, name: &DeviceId) -> Result<DisplayView, Refusal> {
        policy::may_operate(&by.principal)?;
        let device = self.known_device(name).await?;
        if *device.kind != *KIND {
            return Err(Refusal::new(Code::DeviceNotFound));
        }
        Ok(self.display_view(device).await)
    }

    /// Displays after one, ascending by name, at most `limit`.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or the store failed.
    pub async fn displays(
        self: &Arc<Self>,
        by: &Operator,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<DisplayView>, Refusal> {
        policy::may_operate(&by.principal)?;
        let devices = self.ports.store.devices_of(KIND.into(), after, limit).await;
        let devices = devices.map_err(|fault| self.fault(&fault))?;
        let answers = self.ask_displays(&devices).await;
        let view = |device| self.seen(device, &answers);
        Ok(devices.into_iter().map(view).collect())
    }

    /// One display as it is shown; the node that holds it is asked.
    pub(super) async fn display_view(&self, device: Device) -> DisplayView {
        let answers = self.ask_displays(std::slice::from_ref(&device)).await;
        self.seen(device, &answers)
    }

    /// How many displays are registered on this node.
    #[must_use]
    pub fn displays_count(&self) -> usize {
        self.displays.len()
    }

    fn seen(&self, device: Device, answers: &Answers) -> DisplayView {
        let answer = match self.now_of(&device.id) {
            Some(now) => Some(Some(now)),
            None => answers.get(&device.id).cloned(),
        };
        let presence = match &answer {
            Some(Some(_)) => Presence::Online,
            Some(None) => Presence::Offline,
            // That its node lives says nothing of the display.
            None => match self.presence_of(&device) {
                Presence::Offline => Presence::Offline,
                Presence::Online | Presence::Unknown => Presence::Unknown,
            },
        };
        DisplayView {
            device,
            presence,
            now: answer.flatten(),
        }
    }

    /// What a display that is here says of itself; of a device that speaks another protocol what is known.
    fn now_of(&self, name: &DeviceId) -> Option<Arc<DisplayNow>> {
        let now = match self.displays.get(name) {
            Some(display) => display.now(),
            None => {
                let session = self.devices.session(name)?;
                DisplayNow {
                    status: None,
                    uptime_ms: None,
                    beat_at: session.heard_at(),
                    process_count: 0,
                    processes: Vec::new(),
                    address: address(&session),
                    client_type: None,
                }
            }
        };
        Some(Arc::new(now))
    }

    /// Asks the nodes that hold displays which are not here, each once, and waits for their answers.
    async fn ask_displays(&self, devices: &[Device]) -> Answers {
        let mut by_node: BTreeMap<Arc<str>, Vec<DeviceId>> = BTreeMap::new();
        for device in devices {
            let here = self.devices.session(&device.id).is_some();
            if let Some(held) = &device.session
                && !here
                && self.may_be_held(device)
            {
                by_node
                    .entry(Arc::clone(&held.node))
                    .or_default()
                    .push(device.id.clone());
            }
        }
        let asked = by_node
            .into_iter()
            .map(|(node, names)| self.ask_node(node, names));
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn ask_node(&self, to: Arc<str>, names: Vec<DeviceId>) -> Vec<(DeviceId, Option<Arc<DisplayNow>>)> {
        let watch = |name: &DeviceId| Some((name.clone(), self.displays.shown.watch(name.clone()).ok()?));
        // From here on no answer is missed.
        let watches: Vec<_> = names.iter().filter_map(watch).collect();
        let said = DeviceSaid::AskDisplays {
            displays: names.into(),
            from: Arc::clone(&self.id),
            to,
        };
        if !self.asks(said).await {
            return Vec::new();
        }
        let wait = Duration::from_millis(self.ports.limits.node_answer_ms);
        let answers = watches.into_iter().map(|(name, mut watch)| async move {
            let answer = tokio::time::timeout(wait, watch.next()).await;
            answer.ok().map(|now| (name, now))
        });
        join_all(answers).await.into_iter().flatten().collect()
    }

    /// Another node wants to know what displays say of themselves that may be here.
    pub(crate) async fn displays_asked(&self, names: &[DeviceId], from: &Arc<str>) {
        for name in names {
            let said = DeviceSaid::Shown {
                device: name.clone(),
                now: self.now_of(name),
                to: Arc::clone(from),
            };
            self.publish(Heard::Device(Arc::new(said))).await;
        }
    }
}

impl Display {
    /// What it says of itself.
    fn now(&self) -> DisplayNow {
        let state = self.state.lock();
        DisplayNow {
            status: state.status.clone(),
            uptime_ms: state.uptime_ms,
            beat_at: state.beat_at,
            process_count: state.process_count.max(state.processes.len() as u64),
            processes: state.processes.clone(),
            address: address(&self.device).or_else(|| self.address.clone()),
            client_type: self.client_type.clone(),
        }
    }
}

/// Where a session comes from, if that is known.
fn address(session: &DeviceSession) -> Option<Arc<str>> {
    session.address.map(|it| it.to_canonical().to_string().into())
}
