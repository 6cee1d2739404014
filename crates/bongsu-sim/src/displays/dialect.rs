//! How simulated nodes speak to displays: a number for each thing that was said, and the things beside.
//!
//! Invariant: what is said is what the node wanted said; the words of real protocols are tested where they are made.

use bongsu_model::display::ToDisplay;
use bongsu_model::{Encode, Fatal, Notice, Refusal, Reply, Tag};
use bongsu_node::{Dialect, Setting};
use bongsu_wire::typed::TypeEvents;
use bytes::Bytes;
use parking_lot::Mutex;

/// Bytes of one thing that is said.
pub(super) const WORD_BYTES: usize = size_of::<u32>();

static EVENTS: TypeEvents = TypeEvents::plain();

/// All that was said to displays in one world.
#[derive(Default)]
pub(super) struct Words(Mutex<Vec<ToDisplay>>);

impl Words {
    /// What bytes say; `None` for what is no matter of displays.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<ToDisplay> {
        let number = u32::from_le_bytes(bytes.try_into().ok()?);
        self.0.lock().get(usize::try_from(number).ok()?).cloned()
    }
}

fn other() -> Bytes {
    Bytes::copy_from_slice(&u32::MAX.to_le_bytes())
}

impl Dialect for Words {
    fn protocol(&self) -> &'static str {
        "display"
    }

    fn events(&self) -> &dyn Encode {
        &EVENTS
    }

    fn reply(&self, _: &Tag, _: &Reply, _: Setting<'_>) -> Option<Bytes> {
        None
    }

    fn refusal(&self, _: &Tag, _: &Refusal, _: Setting<'_>) -> Bytes {
        other()
    }

    fn notice(&self, _: &Notice, _: Setting<'_>) -> Bytes {
        other()
    }

    fn display(&self, _: &Tag, said: &ToDisplay, _: Setting<'_>) -> Option<Bytes> {
        let mut all = self.0.lock();
        let number = u32::try_from(all.len()).ok()?;
        all.push(said.clone());
        Some(Bytes::copy_from_slice(&number.to_le_bytes()))
    }

    fn broken_off(&self, _: &Fatal, _: bool, _: Setting<'_>) -> Bytes {
        other()
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}
