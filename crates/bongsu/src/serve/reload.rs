//! SIGHUP: keys, API keys and moderation lists are read again.
//!
//! Invariant: all of it comes into force, or nothing does and the old stays.

use std::path::Path;
use std::sync::Arc;

use bongsu_edge::auth::ApiKeys;

use super::assemble::Running;
use crate::settings::Settings;

/// Reads again what can change while the server runs.
pub(super) fn reload(running: &Running, settings: &mut Settings, config: Option<&Path>) {
    match try_reload(running, settings, config) {
        Ok(later) if later.is_empty() => tracing::info!("keys and moderation were read again"),
        Ok(later) => tracing::warn!(
            "keys and moderation were read again; changes of {} need a restart",
            later.join(", ")
        ),
        Err(fault) => tracing::error!("nothing was changed, because of: {fault:#}"),
    }
}

fn try_reload(
    running: &Running,
    settings: &mut Settings,
    config: Option<&Path>,
) -> anyhow::Result<Vec<&'static str>> {
    let fresh = Settings::load(config)?;
    let pipeline = fresh.content.pipeline()?;
    let keys = Arc::new(ApiKeys::new(&fresh.api_keys)?);
    // The last step that can fail; what follows cannot.
    running.tokens.reload()?;
    running.node.ports.moderation.replace(pipeline);
    running.api.set_api_keys(keys);
    let later = needs_restart(settings, &fresh);
    settings.content = fresh.content;
    settings.api_keys = fresh.api_keys;
    Ok(later)
}

/// The tables whose changes are not in force. Secrets do not show in `Debug`, so that of them only files are seen.
fn needs_restart(old: &Settings, fresh: &Settings) -> Vec<&'static str> {
    let show = |settings: &Settings| {
        [
            ("limits", format!("{:?}", settings.limits)),
            ("tokens", format!("{:?}", settings.tokens)),
            ("policy", format!("{:?}", settings.policy)),
            ("review", format!("{:?}", settings.review)),
            ("ice", format!("{:?}", settings.ice)),
        ]
    };
    let pairs = show(old).into_iter().zip(show(fresh));
    pairs
        .filter(|(old, fresh)| old.1 != fresh.1)
        .map(|(old, _)| old.0)
        .collect()
}
