//! The slow way to what the store keeps about presets.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::Timestamp;
use bongsu_model::display::{NewPreset, Preset, PresetId};
use bongsu_store::{CreateRefused, Existing, PresetStore, StoreFault};

use super::Slow;

#[async_trait]
impl PresetStore for Slow {
    async fn create_preset(&self, preset: NewPreset, at: Timestamp) -> Result<Preset, CreateRefused> {
        self.late(self.inner.create_preset(preset, at).await).await
    }

    async fn preset(&self, preset: PresetId) -> Result<Option<Preset>, StoreFault> {
        self.late(self.inner.preset(preset).await).await
    }

    async fn preset_named(&self, name: Arc<str>) -> Result<Option<Preset>, StoreFault> {
        self.late(self.inner.preset_named(name).await).await
    }

    async fn presets(&self, after: Option<PresetId>, limit: u32) -> Result<Vec<Preset>, StoreFault> {
        self.late(self.inner.presets(after, limit).await).await
    }

    async fn put_preset(
        &self,
        preset: PresetId,
        new: NewPreset,
        at: Timestamp,
    ) -> Result<Option<Preset>, CreateRefused> {
        self.late(self.inner.put_preset(preset, new, at).await).await
    }

    async fn delete_preset(&self, preset: PresetId) -> Result<Existing, StoreFault> {
        self.late(self.inner.delete_preset(preset).await).await
    }
}
