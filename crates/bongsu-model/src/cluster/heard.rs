//! What is said over the bus.

use std::sync::Arc;

use super::NodeSaid;
use crate::device::DeviceSaid;
use crate::records::RoomHead;
use crate::{Happening, Jti, Outbound, Seq, SessionId, TokenHash, UserId};

/// What is said over the bus.
#[derive(Clone, PartialEq, Debug)]
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
    /// Something about a node and who is on it.
    Node(Arc<NodeSaid>),
    /// News for operators who watch the whole server.
    Happening(Arc<Happening>),
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
