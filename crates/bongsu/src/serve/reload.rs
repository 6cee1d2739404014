//! SIGHUP: keys, API keys, certificates, moderation lists and the catalogue of commands are read again.
//!
//! Invariant: all of it comes into force, or nothing does and the old stays.

use std::path::Path;
use std::sync::Arc;

use bongsu_edge::auth::ApiKeys;

use super::assemble::Running;
use super::secure;
use crate::settings::Settings;

/// Reads again what can change while the server runs.
pub(super) fn reload(running: &Running, settings: &mut Settings, config: Option<&Path>) {
    match try_reload(running, settings, config) {
        Ok(later) if later.is_empty() => {
            tracing::info!("keys, certificates, moderation and the catalogue were read again")
        }
        Ok(later) => tracing::warn!(
            "keys, certificates, moderation and the catalogue were read again; changes of {} need a restart",
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
    let mut fresh = Settings::load(config)?;
    fresh.devices.given.clone_from(&settings.devices.given);
    let catalogue = fresh.devices.load(&settings.limits, settings.server.dev)?;
    let pipeline = fresh.content.pipeline()?;
    let keys = Arc::new(ApiKeys::new(&fresh.api_keys)?);
    let certificates = match (&running.secured.tls, &fresh.tls) {
        (Some(tls), Some(wanted)) => Some((tls, secure::read(wanted)?)),
        (Some(_) | None, _) => None,
    };
    // The last step that can fail; what follows cannot.
    running.tokens.reload()?;
    running.node.ports.moderation.replace(pipeline);
    running.api.set_api_keys(keys);
    if let Some((tls, loaded)) = certificates {
        let cut = tls.replace(loaded);
        if cut > 0 {
            tracing::warn!(cut, "connections were cut whose client certificates are revoked");
        }
    }
    running.node.set_catalogue(catalogue);
    let later = needs_restart(settings, &fresh);
    fresh.devices.congestion = settings.devices.congestion;
    settings.content = fresh.content;
    settings.api_keys = fresh.api_keys;
    settings.devices = fresh.devices;
    Ok(later)
}

/// The tables whose changes are not in force. Secrets do not show in `Debug`, so that of them only files are seen.
fn needs_restart(old: &Settings, fresh: &Settings) -> Vec<&'static str> {
    let show = |settings: &Settings| {
        [
            ("limits", format!("{:?}", settings.limits)),
            ("tokens", format!("{:?}", settings.tokens)),
            // With the ranges of displays.
            ("policy", format!("{:?}", settings.policy)),
            ("review", format!("{:?}", settings.review)),
            ("ice", format!("{:?}", settings.ice)),
            // Files and who is asked are in force; whether there is TLS at all is not.
            ("tls", format!("{:?}", settings.tls.is_some())),
            ("devices.congestion", format!("{:?}", settings.devices.congestion)),
        ]
    };
    let pairs = show(old).into_iter().zip(show(fresh));
    pairs
        .filter(|(old, fresh)| old.1 != fresh.1)
        .map(|(old, _)| old.0)
        .collect()
}
