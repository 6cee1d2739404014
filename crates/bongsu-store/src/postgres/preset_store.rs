//! The contract's part about presets, method by method, as one piece of work each.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::Timestamp;
use bongsu_model::display::{NewPreset, Preset, PresetId};

use super::tx::{Mode, run};
use super::{Postgres, presets};
use crate::{CreateRefused, Existing, PresetStore, StoreFault};

#[async_trait]
impl PresetStore for Postgres {
    async fn create_preset(&self, preset: NewPreset, at: Timestamp) -> Result<Preset, CreateRefused> {
        run!(self.begin(Mode::Write)?, |conn| presets::create(
            &conn,
            &self.limits,
            &preset,
            at
        )
        .await)
    }

    async fn preset(&self, preset: PresetId) -> Result<Option<Preset>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| presets::preset(&conn, preset)
            .await)
    }

    async fn preset_named(&self, name: Arc<str>) -> Result<Option<Preset>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| presets::named(&conn, &name).await)
    }

    async fn presets(&self, after: Option<PresetId>, limit: u32) -> Result<Vec<Preset>, StoreFault> {
        run!(self.begin(Mode::Read)?, |conn| presets::presets(
            &conn, after, limit
        )
        .await)
    }

    async fn put_preset(
        &self,
        preset: PresetId,
        new: NewPreset,
        at: Timestamp,
    ) -> Result<Option<Preset>, CreateRefused> {
        run!(self.begin(Mode::Write)?, |conn| presets::put(
            &conn, preset, &new, at
        )
        .await)
    }

    async fn delete_preset(&self, preset: PresetId) -> Result<Existing, StoreFault> {
        run!(self.begin(Mode::Write)?, |conn| presets::delete(&conn, preset)
            .await)
    }
}
