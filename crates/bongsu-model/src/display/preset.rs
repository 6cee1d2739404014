//! Presets: which program runs on which display.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Program;
use crate::{DeviceId, Timestamp};

/// A preset, for ever. Never given twice; `presetId` on the wire of displays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PresetId(pub i64);

impl fmt::Display for PresetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A preset as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preset {
    /// For ever.
    pub id: PresetId,
    /// For people: unique, 1 to 128 bytes.
    pub name: Arc<str>,
    /// What runs where. The displays need not be known yet.
    pub displays: BTreeMap<DeviceId, Program>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A preset to be made, or what one is to become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPreset {
    /// Its name.
    pub name: Arc<str>,
    /// What runs where.
    pub displays: BTreeMap<DeviceId, Program>,
}
