//! The store on a real server: `BONGSU_TEST_POSTGRES` is the address of one, with a user who may make schemas.
//!
//! Invariant: each test has a schema of its own and drops it; without a server all of them fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod failover;
mod groups;
mod nodes;
mod opening;
mod own;
mod races;
mod servers;

use std::sync::Arc;

use bongsu_store::{Durability, Store};
use servers::Fresh;

async fn fresh(durability: Durability) -> (Fresh, Arc<dyn Store>) {
    let fresh = Fresh::new();
    let mut options = fresh.options();
    options.durability = durability;
    let store = bongsu_store::Postgres::open(options).await.unwrap();
    (fresh, Arc::new(store))
}

bongsu_store::conformance!(with_power, super::fresh(bongsu_store::Durability::Power).await);
bongsu_store::conformance!(
    with_process,
    super::fresh(bongsu_store::Durability::Process).await
);
