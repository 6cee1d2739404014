//! The contract's part about presets, method by method, as one hop to the writer or to a reader each.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::Timestamp;
use bongsu_model::display::{NewPreset, Preset, PresetId};

use super::writer::Shape;
use super::{Sqlite, presets, reads};
use crate::{CreateRefused, Existing, PresetStore, StoreFault};

#[async_trait]
impl PresetStore for Sqlite {
    async fn create_preset(&self, preset: NewPreset, at: Timestamp) -> Result<Preset, CreateRefused> {
        self.write(Shape::Several, move |tables| tables.create_preset(preset, at))
            .await
    }

    async fn preset(&self, preset: PresetId) -> Result<Option<Preset>, StoreFault> {
        self.read(move |conn| reads::snapshot(conn, |conn| presets::preset(conn, preset)))
            .await
    }

    async fn preset_named(&self, name: Arc<str>) -> Result<Option<Preset>, StoreFault> {
        self.read(move |conn| reads::snapshot(conn, |conn| presets::named(conn, &name)))
            .await
    }

    async fn presets(&self, after: Option<PresetId>, limit: u32) -> Result<Vec<Preset>, StoreFault> {
        self.read(move |conn| reads::snapshot(conn, |conn| presets::presets(conn, after, limit)))
            .await
    }

    async fn put_preset(
        &self,
        preset: PresetId,
        new: NewPreset,
        at: Timestamp,
    ) -> Result<Option<Preset>, CreateRefused> {
        self.write(Shape::Several, move |tables| tables.put_preset(preset, new, at))
            .await
    }

    async fn delete_preset(&self, preset: PresetId) -> Result<Existing, StoreFault> {
        self.write(Shape::Several, move |tables| tables.delete_preset(preset))
            .await
    }
}
