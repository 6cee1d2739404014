//! What the server tells one session without being asked.

use std::sync::Arc;

use crate::{Closing, HistoryPage, Timestamp};

/// Told to one session, in its own locale; never shared between receivers.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The access token ends soon; replace it in-band.
    TokenExpiring {
        /// When it ends.
        expires_at: Timestamp,
    },
    /// The server is about to stop, or sends the session to another; everything acknowledged is kept.
    Shutdown {
        /// When to come back, in milliseconds from now; spread over the sessions.
        reconnect_after_ms: u64,
        /// Where: the address of another node that takes clients; `None` where it was.
        elsewhere: Option<Arc<str>>,
    },
    /// The last thing a session hears before the server closes it.
    Closed(Closing),
    /// What the session missed of a room, in order, before anything live.
    Missed(HistoryPage),
}
