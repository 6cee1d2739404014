//! The contract of every bus.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::device::DeviceSaid;
use bongsu_model::records::RoomHead;
use bongsu_model::{Jti, Outbound, Seq, SessionId, TokenHash, UserId};

/// What is said over the bus.
#[derive(Clone, Debug)]
pub enum Heard {
    /// Something happened.
    Event(Arc<Outbound>),
    /// How far rooms are that were active a short while ago.
    Heads(Arc<[RoomHead]>),
    /// Whom a user has blocked has changed: all of them, ascending.
    Blocks(UserId, Arc<[UserId]>),
    /// A room was made with these members, ascending, each hearing what comes after a message.
    Members(RoomHead, Arc<[(UserId, Seq)]>),
    /// Live sessions are to be ended.
    Cut(Cut),
    /// Something about a device, its commands or its state.
    Device(Arc<DeviceSaid>),
}

/// Which live sessions are to be ended, and so why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All of a user who was banned.
    Banned(UserId),
    /// All of a user, by an operator who does not mind its coming back.
    Disconnected(UserId),
    /// One, by an operator.
    Session(SessionId),
    /// All that were opened with a token that was revoked.
    Revoked(Jti),
    /// All that were opened with member tokens that were revoked.
    MemberTokens {
        /// Whose they were.
        user: UserId,
        /// Which they were.
        tokens: Arc<[TokenHash]>,
    },
}

/// The bus cannot be reached. What was said may or may not be heard by others.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusFault {
    /// The backplane is gone for now.
    #[error("the backplane cannot be reached")]
    Unreachable,
}

/// One who hears: a node.
#[async_trait]
pub trait Ear: Send + Sync {
    /// Takes in what was said. Waits only while the node's own shards have their full load.
    async fn hear(&self, heard: Heard);
}

/// The bus. What is said on it reaches every node, the speaker's own included, any number of times, in any order, or
/// not at all. A healthy bus delivers once and nearly in order.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Says something to every node. On `Ok` every shard of this node has it; about the others nothing is known.
    async fn publish(&self, heard: Heard) -> Result<(), BusFault>;
    /// Makes somebody hear what is said from now on, until it is dropped.
    fn listen(&self, ear: std::sync::Weak<dyn Ear>);
}
