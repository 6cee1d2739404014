//! What carries a device's session: a socket of its own, or one stream among others on an HTTP/2 connection.
//!
//! Invariant: whatever carries it can be asked and cut by whoever does not serve it.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bongsu_node::Line as _;
use socket2::{SockRef, Socket as Descriptor};

use super::options::{self, Congestion};
use crate::socket::Socket;

/// What carries a session.
pub(crate) enum Carrier {
    /// A WebSocket.
    Socket(Arc<Socket>),
    /// A stream of gRPC.
    Stream(Arc<Grip>),
}

impl Carrier {
    /// The socket below, once it can be asked.
    pub(crate) fn socket(&self) -> Option<SockRef<'_>> {
        match self {
            Self::Socket(socket) => Some(SockRef::from(socket.tcp())),
            Self::Stream(grip) => grip.descriptor.get().map(SockRef::from),
        }
    }

    /// Ends the connection at once, whatever is under way.
    pub(super) fn abort(&self) {
        match self {
            Self::Socket(socket) => socket.abort(),
            Self::Stream(grip) => grip.abort(),
        }
    }
}

/// A grip on the socket of an HTTP connection: whoever is served over it asks for one, and the connection gives it with
/// the next that it writes. Most connections are never asked, and cost no descriptor more.
pub(crate) struct Grip {
    unsent_bytes: usize,
    congestion: Congestion,
    wanted: AtomicBool,
    descriptor: OnceLock<Descriptor>,
}

impl Grip {
    /// Nobody has asked. Whoever does has the socket set up like this.
    pub(crate) const fn new(unsent_bytes: usize, congestion: Congestion) -> Self {
        Self {
            unsent_bytes,
            congestion,
            wanted: AtomicBool::new(false),
            descriptor: OnceLock::new(),
        }
    }

    /// Asks for it.
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// Gives it, if it is asked for and was not given yet.
    pub(crate) fn give(&self, socket: &SockRef<'_>) {
        if !self.wanted.load(Ordering::Acquire) || self.descriptor.get().is_some() {
            return;
        }
        options::prepare(socket, self.unsent_bytes, self.congestion);
        match socket.try_clone() {
            Ok(descriptor) => {
                let _ = self.descriptor.set(descriptor);
            }
            Err(fault) => tracing::warn!(%fault, "a device's connection cannot be watched"),
        }
    }

    fn abort(&self) {
        if let Some(descriptor) = self.descriptor.get() {
            let _ = descriptor.shutdown(Shutdown::Both);
        }
    }
}
