//! The life of a server: ready, told to reload, told to stop.
//!
//! Invariant: once stopping has begun, the next signal ends the process at once.

use std::path::PathBuf;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::assemble;
use super::reload;
use crate::settings::Settings;

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What the server is told from outside.
enum Told {
    Stop,
    Reload,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let hear = |kind| signal(kind).context("signals cannot be heard");
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
            hang_up: hear(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }

    async fn stop(&mut self) {
        while let Told::Reload = self.next().await {}
    }
}

/// Serves until a signal says otherwise. `ready` is given the one line for stdout.
pub(crate) async fn serve(
    mut settings: Settings,
    config: Option<PathBuf>,
    ready: impl FnOnce(&str) -> bool,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let starting = assemble::start(&settings);
    // A long migration can be broken off as well.
    let running = tokio::select! {
        running = starting => running?,
        () = signals.stop() => anyhow::bail!("stopped before the server was ready"),
    };
    if !ready(&running.ready_line()) {
        tracing::warn!("nobody reads the ready line: stdout is closed");
    }
    tracing::info!(node = &*running.node.id, http = %running.http, tcp = %running.tcp, https = ?running.secured.https, tcps = ?running.secured.tcps, "ready");
    while let Told::Reload = signals.next().await {
        reload::reload(&running, &mut settings, config.as_deref());
    }
    tracing::info!("stopping; another signal ends at once");
    tokio::select! {
        () = running.stop() => tracing::info!("stopped"),
        () = signals.stop() => {
            tracing::warn!("ended at once by a second signal");
            // What was acknowledged is kept; nobody is waited for.
            std::process::exit(1);
        }
    }
    Ok(())
}
