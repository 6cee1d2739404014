//! What every bus must do: the suite, and what it needs to know of the bus.
//!
//! Invariant: nothing here knows a broker. What a bus need not do it says in [`May`]; what it does not say is demanded.

mod alone;
mod down;
mod notes;
mod several;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Bus, Subject};

pub use alone::alone;
pub use down::{killed, stopped};
pub use several::several;

/// What a bus may do with nothing wrong with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct May {
    /// It loses words.
    pub lose: bool,
    /// It says words twice.
    pub repeat: bool,
    /// It brings what one node says on one subject in another order.
    pub reorder: bool,
    /// It brings what is not wanted.
    pub overhear: bool,
    /// It cannot tell whether anybody wants to hear.
    pub not_reach: bool,
}

/// Nodes that hear each other, and nobody else.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// What their bus may do.
    fn may(&self) -> May;

    /// The bus of a node with this name, started anew.
    async fn node(&self, name: &str) -> Arc<dyn Bus>;

    /// Puts bytes where the nodes say what is about a subject, as a stranger would.
    async fn shout(&self, subject: &Subject, bytes: Bytes);
}

/// What runs a cluster's broker.
#[async_trait]
pub trait Broker: Send {
    /// Ends it as a crash does.
    async fn kill(&mut self);

    /// Starts it again, where it was.
    async fn start(&mut self);

    /// Stops it in its tracks: its connections stay, and nothing moves on them.
    async fn pause(&mut self);

    /// Lets it go on.
    async fn resume(&mut self);
}
