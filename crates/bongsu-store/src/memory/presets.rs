//! Presets of the memory store.
//!
//! Invariant: `last` only rises, so that no id is given twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::Timestamp;
use bongsu_model::device::DeviceId;
use bongsu_model::display::{NewPreset, Preset, PresetId};

use super::state::State;
use super::{Kind, Memory};
use crate::{CreateRefused, Existing, PresetStore, StoreFault};

/// What is kept about presets.
#[derive(Default)]
pub(super) struct Presets {
    all: BTreeMap<PresetId, Preset>,
    last: i64,
}

impl Presets {
    fn named(&self, name: &str) -> Option<&Preset> {
        self.all.values().find(|preset| &*preset.name == name)
    }

    /// Has what is said of devices that get other ids go with them.
    pub(super) fn rename(&mut self, ids: &BTreeMap<DeviceId, DeviceId>, at: Timestamp) {
        for preset in self.all.values_mut() {
            let mut renamed = Vec::new();
            for (from, to) in ids {
                if let Some(program) = preset.displays.remove(from) {
                    renamed.push((to.clone(), program));
                }
            }
            if !renamed.is_empty() {
                preset.displays.extend(renamed);
                preset.updated_at = at;
            }
        }
    }
}

impl State {
    fn create_preset(&mut self, new: NewPreset, at: Timestamp) -> Result<Preset, CreateRefused> {
        let presets = &mut self.presets;
        if presets.named(&new.name).is_some() {
            return Err(CreateRefused::NameTaken);
        }
        if presets.all.len() >= self.limits.presets_max {
            return Err(CreateRefused::TooMany);
        }
        presets.last += 1;
        let preset = Preset {
            id: PresetId(presets.last),
            name: new.name,
            displays: new.displays,
            created_at: at,
            updated_at: at,
        };
        presets.all.insert(preset.id, preset.clone());
        Ok(preset)
    }

    fn put_preset(
        &mut self,
        id: PresetId,
        new: NewPreset,
        at: Timestamp,
    ) -> Result<Option<Preset>, CreateRefused> {
        let is_anothers = self.presets.named(&new.name).is_some_and(|it| it.id != id);
        let Some(preset) = self.presets.all.get_mut(&id) else {
            return Ok(None);
        };
        if is_anothers {
            return Err(CreateRefused::NameTaken);
        }
        preset.name = new.name;
        preset.displays = new.displays;
        preset.updated_at = at;
        Ok(Some(preset.clone()))
    }

    fn presets_after(&self, after: Option<PresetId>, limit: u32) -> Vec<Preset> {
        let later = |preset: &&Preset| after.is_none_or(|after| preset.id > after);
        let presets = self.presets.all.values().filter(later);
        presets.take(limit as usize).cloned().collect()
    }
}

#[async_trait]
impl PresetStore for Memory {
    async fn create_preset(&self, preset: NewPreset, at: Timestamp) -> Result<Preset, CreateRefused> {
        self.write(Kind::Other, move |state| state.create_preset(preset, at))
            .await
    }

    async fn preset(&self, preset: PresetId) -> Result<Option<Preset>, StoreFault> {
        self.read(|state| state.presets.all.get(&preset).cloned())
    }

    async fn preset_named(&self, name: Arc<str>) -> Result<Option<Preset>, StoreFault> {
        self.read(|state| state.presets.named(&name).cloned())
    }

    async fn presets(&self, after: Option<PresetId>, limit: u32) -> Result<Vec<Preset>, StoreFault> {
        self.read(|state| state.presets_after(after, limit))
    }

    async fn put_preset(
        &self,
        preset: PresetId,
        new: NewPreset,
        at: Timestamp,
    ) -> Result<Option<Preset>, CreateRefused> {
        self.write(Kind::Other, move |state| state.put_preset(preset, new, at))
            .await
    }

    async fn delete_preset(&self, preset: PresetId) -> Result<Existing, StoreFault> {
        self.write(Kind::Other, move |state| {
            Ok(match state.presets.all.remove(&preset) {
                Some(_) => Existing::Changed,
                None => Existing::Absent,
            })
        })
        .await
    }
}
