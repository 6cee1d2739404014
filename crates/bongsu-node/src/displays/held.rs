//! Starts that this node holds back: for displays that cannot wait themselves, and behind a barrier.
//!
//! Invariant: whoever stops a program stops its start, too, as long as nobody was told of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bongsu_model::display::PresetId;
use bongsu_model::{Code, DeviceId, Refusal};
use parking_lot::Mutex;

/// The starts that are held back.
#[derive(Default)]
pub(super) struct HeldStarts(Mutex<Vec<Weak<Held>>>);

/// A start that is held back, as long as it lives.
pub(super) struct Held {
    display: DeviceId,
    preset: Option<PresetId>,
    stopped: AtomicBool,
}

impl HeldStarts {
    /// Holds a start back from now on.
    pub(super) fn hold(&self, display: &DeviceId, preset: Option<PresetId>) -> Arc<Held> {
        let held = Arc::new(Held {
            display: display.clone(),
            preset,
            stopped: AtomicBool::new(false),
        });
        let mut all = self.0.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&held));
        held
    }

    /// What is held back of a preset on a display is not to be started any more.
    pub(super) fn stop(&self, display: &DeviceId, preset: Option<PresetId>) {
        let meant = |held: &Arc<Held>| held.display == *display && held.preset == preset;
        for held in self.0.lock().iter().filter_map(Weak::upgrade).filter(meant) {
            held.stopped.store(true, Ordering::Release);
        }
    }
}

impl Held {
    /// Makes sure that it was not stopped.
    ///
    /// # Errors
    /// `COMMAND_REFUSED` with reason `stopped`.
    pub(super) fn stands(&self) -> Result<(), Refusal> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(Refusal::because(Code::CommandRefused, "stopped"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_reaches_what_is_held_of_its_preset_there() {
        let (all, here) = (HeldStarts::default(), DeviceId::parse("here").unwrap());
        let there = DeviceId::parse("there").unwrap();
        let meant = all.hold(&here, Some(PresetId(1)));
        let others = [
            all.hold(&there, Some(PresetId(1))),
            all.hold(&here, Some(PresetId(2))),
            all.hold(&here, None),
        ];
        all.stop(&here, Some(PresetId(1)));
        assert!(meant.stands().is_err());
        assert!(others.iter().all(|held| held.stands().is_ok()));
        drop((meant, others));
        drop(all.hold(&here, None));
        assert!(all.0.lock().len() <= 1, "what is over is forgotten");
    }
}
