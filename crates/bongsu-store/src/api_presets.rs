//! The part of the contract that is about presets: which program runs on which display.
//!
//! Invariant: an id rises with every preset that is made and is never given twice; a name is of one preset at a time, and what
//! a preset says is read as it was at one moment.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::Timestamp;
use bongsu_model::display::{NewPreset, Preset, PresetId};

use crate::{CreateRefused, Existing, StoreFault};

/// What is kept about presets. A supertrait of [`crate::Store`]: whoever has one has the other.
///
/// Everything that [`crate::Store`] says of durability, order and time holds here too. Displays of a preset need not be known
/// as devices; when one is renamed ([`crate::DeviceStore::rename_devices`]), what presets say of it goes with it.
#[async_trait]
pub trait PresetStore: Send + Sync {
    /// Makes a preset. Names are told apart by their bytes. Refused, in this order: [`CreateRefused::NameTaken`],
    /// [`CreateRefused::TooMany`] if there are [`crate::StoreLimits::presets_max`]; nothing is changed then, and no id is used
    /// up.
    async fn create_preset(&self, preset: NewPreset, at: Timestamp) -> Result<Preset, CreateRefused>;
    /// Reads a preset.
    async fn preset(&self, preset: PresetId) -> Result<Option<Preset>, StoreFault>;
    /// Reads the preset that has this name, byte by byte.
    async fn preset_named(&self, name: Arc<str>) -> Result<Option<Preset>, StoreFault>;
    /// Reads the presets after an id, ascending, at most `limit`.
    async fn presets(&self, after: Option<PresetId>, limit: u32) -> Result<Vec<Preset>, StoreFault>;
    /// Makes a preset what `new` says, all of it: name and displays. It stays made when it was, and is changed at `at`. `None`,
    /// and nothing is changed, if there is no such preset. Refused: [`CreateRefused::NameTaken`], by another.
    async fn put_preset(
        &self,
        preset: PresetId,
        new: NewPreset,
        at: Timestamp,
    ) -> Result<Option<Preset>, CreateRefused>;
    /// Forgets a preset; its name is free. `Changed`, or `Absent` if there is no such preset.
    async fn delete_preset(&self, preset: PresetId) -> Result<Existing, StoreFault>;
}
