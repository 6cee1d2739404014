//! NATS as a backplane: core NATS, no JetStream.
//!
//! A subject is subscribed while this node wants it, so the server sends a node nothing else and knows at once where nobody
//! is. Invariant: an older server than [`OLDEST`] is refused, for it takes what it does not know without a word.

mod asks;
mod dial;
mod line;
mod link;
mod outbox;
mod protocol;
mod settings;

use bongsu_model::Limits;
use bongsu_model::cluster::NodeRef;

use crate::Backplane;

pub use dial::{NatsFault, OLDEST};
pub use link::NatsLink;
pub use settings::{NatsLogin, NatsSettings, NatsTls};

/// A bus over NATS for one start of a node. Must be called within a Tokio runtime.
///
/// # Errors
/// No server can be reached, it does not let the node in, or it is too old.
pub async fn open(
    settings: &NatsSettings,
    node: &NodeRef,
    limits: &Limits,
) -> Result<Backplane<NatsLink>, NatsFault> {
    Backplane::open(node, limits, async |inlet| {
        NatsLink::open(settings, node, inlet).await
    })
    .await
}
