//! A gateway without sockets: every request, the shards' hosts, the mailboxes, the use cases.
//!
//! Invariant: nothing here knows a protocol, a text format or a socket.

mod backlog;
pub mod cluster;
pub mod conversation;
pub mod counters;
pub mod devices;
pub mod dialect;
pub mod displays;
mod failure;
pub mod happenings;
mod host;
mod kept;
pub mod mailbox;
mod node;
pub mod ports;
mod rarely;
mod rates;
mod registry;
mod revoked;
mod routes;
pub mod session;
mod tick;
pub mod usecases;

pub use conversation::{Conversation, Speaking, Witness};
pub use counters::Counters;
pub use dialect::{Dialect, Setting};
pub use mailbox::{Line, Mailbox, Pushed, Wrote};
pub use node::{Answer, Node};
pub use ports::{Chance, Claims, Clock, IceServers, Policy, Ports, Reviewer, Tokens};
pub use session::{Arrival, Session};
