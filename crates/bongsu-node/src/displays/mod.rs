//! Displays: devices that speak as a conversation's partner and run programs.
//!
//! Invariants: a display is a device's session and what stands around it; its commands, epochs and ends are those of
//! devices. A name that is held by one who is alive is nobody else's.

mod bulk;
mod display;
mod due;
mod hear;
mod held;
mod presets;
mod probe;
mod ran;
mod register;
mod run;
mod run_preset;
mod view;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bongsu_model::display::DisplayNow;
use bongsu_model::{ConnectionEpoch, DeviceId, Limits};
use parking_lot::Mutex;

use crate::devices::Watched;
use held::HeldStarts;

pub use bongsu_store::NotRenamed;
pub use bulk::{NewDisplay, NewlyRegistered, NotAllRenamed};
pub use display::Display;
pub use presets::PresetRef;
pub use run::{RunProgram, StopPrograms};
pub use run_preset::{Each, RunPreset, StopPreset};
pub use view::DisplayView;

pub(crate) use register::Arriving;

/// The displays of a node.
pub(crate) struct Displays {
    live: Mutex<HashMap<DeviceId, Arc<Display>>>,
    /// Who was found alive, for whoever has asked.
    pub(crate) alive: Watched<(DeviceId, ConnectionEpoch), ()>,
    /// What displays on other nodes say of themselves, for whoever has asked.
    pub(crate) shown: Watched<DeviceId, Option<Arc<DisplayNow>>>,
    held: HeldStarts,
    /// When they were last looked at; 0 for never.
    looked_at: AtomicI64,
}

impl Displays {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            live: Mutex::default(),
            alive: Watched::new(limits.watchers_max),
            shown: Watched::new(limits.watchers_max),
            held: HeldStarts::default(),
            looked_at: AtomicI64::new(0),
        }
    }

    /// The display of a name, if it is here.
    pub(crate) fn get(&self, name: &DeviceId) -> Option<Arc<Display>> {
        self.live.lock().get(name).cloned()
    }

    /// Every display, ascending by name.
    pub(crate) fn all(&self) -> Vec<Arc<Display>> {
        let mut all: Vec<_> = self.live.lock().values().cloned().collect();
        all.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.live.lock().len()
    }

    /// Makes a display the one of its name, unless there is a later one.
    fn enter(&self, display: &Arc<Display>) {
        let mut live = self.live.lock();
        let later = |known: &Arc<Display>| known.device.epoch > display.device.epoch;
        if !live.get(display.name()).is_some_and(later) {
            live.insert(display.name().clone(), Arc::clone(display));
        }
    }

    /// Forgets a display, if it is the one of its name.
    fn leave(&self, display: &Display) {
        let mut live = self.live.lock();
        if live
            .get(display.name())
            .is_some_and(|known| known.device.epoch == display.device.epoch)
        {
            live.remove(display.name());
        }
    }
}
