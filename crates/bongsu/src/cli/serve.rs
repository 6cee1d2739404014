//! `bongsu serve`: the server, from its first line to its last.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::assemble;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct Serve {
    /// A TOML file; `bongsu config default` prints one.
    #[arg(long, env = "BONGSU_CONFIG")]
    config: Option<PathBuf>,
    /// Where everything is kept.
    #[arg(long, env = "BONGSU_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The HTTP address.
    #[arg(long, env = "BONGSU_HTTP")]
    http: Option<SocketAddr>,
    /// The TCP address.
    #[arg(long, env = "BONGSU_TCP")]
    tcp: Option<SocketAddr>,
    /// With demo data, for trying out.
    #[arg(long, env = "BONGSU_DEV")]
    dev: bool,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut settings = Settings::default();
        if let Some(file) = &self.config {
            settings.read(file)?;
        }
        settings.data_dir = self.data_dir.unwrap_or(settings.data_dir);
        settings.http = self.http.unwrap_or(settings.http);
        settings.tcp = self.tcp.unwrap_or(settings.tcp);
        settings.dev |= self.dev;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(&settings))
    }
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be heard")?;
    let running = assemble::start(settings).await?;
    let ready = serde_json::json!({
        "ready": true,
        "node_id": &*running.node.id,
        "http": "",
        "tcp": running.tcp.to_string(),
        "pid": std::process::id(),
    });
    super::say(&ready.to_string());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}
