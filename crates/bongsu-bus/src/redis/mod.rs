//! Redis as a backplane: publish and subscribe, and nothing that is kept.
//!
//! A channel is subscribed while this node wants its subject, so the server sends a node nothing else, and whoever publishes
//! learns how many it was sent to. Invariant: all nodes speak to the one server that follows no other; a replica and a Redis
//! Cluster, of which each member counts its own subscribers only, are refused.

mod connect;
mod fault;
mod line;
mod link;
mod settings;
mod tls;

use bongsu_model::Limits;
use bongsu_model::cluster::NodeRef;

use crate::Backplane;

pub use fault::{OLDEST, RedisFault};
pub use link::RedisLink;
pub use settings::{RedisLogin, RedisSettings, RedisTls};

/// A bus over Redis for one start of a node. Must be called within a Tokio runtime.
///
/// # Errors
/// No server can be reached, it does not let the node in, or it is not one that nodes can speak over.
pub async fn open(
    settings: &RedisSettings,
    node: &NodeRef,
    limits: &Limits,
) -> Result<Backplane<RedisLink>, RedisFault> {
    Backplane::open(node, limits, async |inlet| {
        RedisLink::open(settings, node, inlet).await
    })
    .await
}
