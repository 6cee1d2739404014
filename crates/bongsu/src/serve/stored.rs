//! Where a server keeps things: SQLite in its data folder, or a PostgreSQL that several nodes share.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use bongsu_edge::meters::Meters;
use bongsu_store::{OpenError, Postgres, Sqlite, SqliteOptions, Store, StoreMeter};

use super::meter;
use crate::settings::{self, Settings};

/// The database's file in the data folder.
pub(crate) const DATABASE: &str = "bongsu.sqlite";

/// Shows what a part counts, once there is somewhere to show it.
pub(super) type Follow = Box<dyn FnOnce(&Meters) + Send>;

/// Opens the store, and what shows its figures.
pub(super) async fn open(settings: &Settings) -> anyhow::Result<(Arc<dyn Store>, Follow)> {
    let Some(address) = &settings.cluster.store else {
        let store = Arc::new(sqlite(settings)?);
        // Metrics are no reason to keep the store open.
        let weak = Arc::downgrade(&store);
        let waiting = move || weak.upgrade().map_or(0, |store| store.queue_len());
        let follow = follow(store.meter(), waiting);
        return Ok((store, follow));
    };
    let mut options = settings::postgres(address.expose(), &settings.limits, settings.server.durability)
        .map_err(anyhow::Error::msg)?;
    let cluster = &settings.cluster;
    options.connections = cluster.store_connections.unwrap_or(options.connections);
    options.lanes = cluster.store_lanes.unwrap_or(options.lanes);
    let servers = options.servers();
    tracing::info!(%servers, "the store is PostgreSQL");
    let store = Postgres::open(options).await;
    let store = Arc::new(store.with_context(|| format!("the store at {servers} cannot be opened"))?);
    let weak = Arc::downgrade(&store);
    let waiting = move || weak.upgrade().map_or(0, |store| store.queue_len());
    let follow = follow(store.meter(), waiting);
    Ok((store, follow))
}

/// Shows what a store counts, and how many writes wait in it.
fn follow(meter: Arc<StoreMeter>, waiting: impl Fn() -> usize + Send + Sync + 'static) -> Follow {
    Box::new(move |meters| {
        meter::follow(meters, &meter);
        meter::waits(meters, waiting);
    })
}

fn sqlite(settings: &Settings) -> anyhow::Result<Sqlite> {
    let server = &settings.server;
    let path = server.data_dir.join(DATABASE);
    let mut options = SqliteOptions::with_limits(&path, &settings.limits);
    options.durability = server.durability;
    Sqlite::open(options).or_else(|fault| refuse(fault, &path))
}

/// Why a database is not opened, and what to do.
pub(crate) fn refuse<T>(fault: OpenError, path: &Path) -> anyhow::Result<T> {
    let advice = match &fault {
        OpenError::InUse { .. } => "; one server at a time: stop it, or name another folder with --data-dir",
        OpenError::Newer { .. } => "; run the newer version of bongsu, or restore a backup",
        OpenError::NotOurs => "; name another folder with --data-dir",
        OpenError::Sql(_) => "; if it is damaged, restore a backup",
        OpenError::Folder { .. } | OpenError::Thread(_) => "",
    };
    bail!(
        "the store at {} cannot be opened: {fault}{advice}",
        path.display()
    )
}
