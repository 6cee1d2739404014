//! Holds every store of the house to the contract.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bongsu_store::conformance::limits;
use bongsu_store::{Durability, Memory, Sqlite, SqliteOptions, Store};
use tempfile::TempDir;

type Fresh<Kept> = (Kept, Arc<dyn Store>);

fn memory() -> Fresh<()> {
    ((), Arc::new(Memory::with_limits(7, limits())))
}

/// The simulator's mode, with someone who syncs whenever it is their turn.
fn memory_synced_by_hand() -> Fresh<tokio::task::JoinSet<()>> {
    let memory = Arc::new(Memory::manual(7, limits()));
    let mut syncing = tokio::task::JoinSet::new();
    syncing.spawn({
        let memory = Arc::clone(&memory);
        async move {
            loop {
                memory.sync();
                tokio::task::yield_now().await;
            }
        }
    });
    (syncing, memory)
}

fn sqlite(durability: Durability) -> Fresh<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bongsu.db");
    let options = SqliteOptions {
        durability,
        limits: limits(),
        ..SqliteOptions::new(path)
    };
    (folder, Arc::new(Sqlite::open(options).unwrap()))
}

fn sqlite_power() -> Fresh<TempDir> {
    sqlite(Durability::Power)
}

fn sqlite_process() -> Fresh<TempDir> {
    sqlite(Durability::Process)
}

bongsu_store::conformance!(in_memory, super::memory());
bongsu_store::conformance!(in_memory_synced_by_hand, super::memory_synced_by_hand());
bongsu_store::conformance!(on_sqlite_with_power, super::sqlite_power());
bongsu_store::conformance!(on_sqlite_with_process, super::sqlite_process());
