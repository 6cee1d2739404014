//! The contract of every bus.

use std::sync::Weak;

use async_trait::async_trait;
pub use bongsu_model::cluster::{Cut, Heard, Subject};

/// The bus cannot be reached. What was said may or may not be heard by others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusFault {
    /// The backplane is gone for now.
    #[error("the backplane cannot be reached")]
    Unreachable,
    /// More waits to be said than may.
    #[error("more announcements wait for the backplane than may wait")]
    Full,
    /// It is larger than the backplane takes.
    #[error("the announcement has {bytes} bytes; the backplane takes {max}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        max: usize,
    },
}

/// Whether another node wants to hear what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At least one other node does. Whether it hears this is not known.
    Somebody,
    /// No other node does, as far as the backplane knows.
    Nobody,
    /// The backplane cannot tell.
    Unknown,
}

/// How a bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// What was said lately has come back.
    Well,
    /// It has not, for so long, in milliseconds.
    Silent {
        /// How long.
        for_ms: u64,
    },
}

/// One who hears: a node.
#[async_trait]
pub trait Ear: Send + Sync {
    /// Takes in what was said. Waits only while the node's own shards have their full load.
    async fn hear(&self, heard: Heard);

    /// Anything that others said a while ago may have been lost: the backplane was away, or this node was too slow. Called
    /// once it is back.
    async fn missed(&self);
}

/// The bus. What is said on it reaches every node that wants its subject, and the speaker's own always, any number of
/// times, in any order, or not at all. A healthy bus delivers once and, of one speaker and subject, in order.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Says something. On `Ok` every shard of this node has it; about the others nothing is known. Never waits for the
    /// backplane. On an error this node has it all the same.
    async fn publish(&self, heard: Heard) -> Result<(), BusFault>;

    /// Says something, and asks whether another node wants to hear it. Waits for the backplane's word, no longer than
    /// [`bongsu_model::Limits::node_answer_ms`].
    async fn reach(&self, heard: Heard) -> Result<Reach, BusFault>;

    /// From now on this node wants to hear of a subject, or does not any more. Wanting twice is wanting once. What is said
    /// before the backplane knows of it is missed; so whoever wants something looks into the store after it has said so, or
    /// is found by a later look.
    fn want(&self, subject: Subject, wanted: bool);

    /// Makes somebody hear what is said from now on, until it is dropped.
    fn listen(&self, ear: Weak<dyn Ear>);

    /// How the bus is.
    fn health(&self) -> Health;

    /// Waits until what was said before has left this process, no longer than [`bongsu_model::Limits::node_answer_ms`]: for a
    /// node's last word. A bus that keeps nothing back has nothing to wait for.
    async fn flush(&self) {}

    /// Whether there may be other nodes.
    fn spans_nodes(&self) -> bool {
        true
    }
}
