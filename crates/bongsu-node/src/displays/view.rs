//! Displays as operators see them.
//!
//! Invariant: what is shown as kept is the store's, and what is shown as now is what the display said last on this node.

use std::sync::Arc;

use bongsu_core::policy;
use bongsu_model::device::Device;
use bongsu_model::display::{KIND, Process};
use bongsu_model::{Code, DeviceId, Refusal, Timestamp};

use super::display::Display;
use crate::node::Node;
use crate::usecases::operate::Operator;

/// A display as it is shown.
#[derive(Clone)]
pub struct DisplayView {
    /// What is kept of it.
    pub device: Device,
    /// What it says of itself, if it is registered on this node.
    pub here: Option<DisplayHere>,
}

impl DisplayView {
    /// Whether it is connected, as far as is known here.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.here.is_some() || self.device.session.is_some()
    }
}

/// What a display says of itself.
#[derive(Clone)]
pub struct DisplayHere {
    /// The display.
    pub display: Arc<Display>,
    /// How it is, in its own word.
    pub status: Option<Arc<str>>,
    /// For how long it has been running, in milliseconds, as of its last heartbeat.
    pub uptime_ms: Option<u64>,
    /// When its last heartbeat came; its registration counts as one.
    pub beat_at: Timestamp,
    /// How many programs run.
    pub process_count: u64,
    /// Those of them that are known.
    pub processes: Vec<Process>,
}

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
        Ok(self.display_view(device))
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
        Ok(devices
            .into_iter()
            .map(|device| self.display_view(device))
            .collect())
    }

    /// How many displays are registered on this node.
    #[must_use]
    pub fn displays_count(&self) -> usize {
        self.displays.len()
    }

    fn display_view(&self, device: Device) -> DisplayView {
        let here = self.displays.get(&device.id).map(|display| {
            let state = display.state.lock();
            let (status, processes) = (state.status.clone(), state.processes.clone());
            let (uptime_ms, beat_at) = (state.uptime_ms, state.beat_at);
            let process_count = state.process_count.max(processes.len() as u64);
            drop(state);
            DisplayHere {
                display,
                status,
                uptime_ms,
                beat_at,
                process_count,
                processes,
            }
        });
        DisplayView { device, here }
    }
}
