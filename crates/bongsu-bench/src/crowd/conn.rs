//! One simulated user's socket: where it stands in its handshake and what it still has to write.
//!
//! Invariant: bytes leave in the order in which they were given, also when the socket takes only part of them.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, bind, connect, send, socket_with, sockopt,
};

use super::polls::Polls;
use crate::dialect::frames::Frames;
use crate::dialect::grpc::Stream;
use crate::error::{BenchError, Tried};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The TCP handshake is under way.
    Dialing,
    /// The upgrade is asked for.
    Upgrading,
    /// The session is asked for in which one may sign in.
    Opening,
    /// The sign-in is sent.
    Signing,
    /// The request to join is sent.
    Joining,
    /// What arrives is counted.
    Ready,
}

/// One connection.
pub(super) struct Conn {
    pub(super) socket: OwnedFd,
    pub(super) phase: Phase,
    pub(super) user: i64,
    /// Where it is in the server's frames; none where messages are lines.
    pub(super) frames: Option<Frames>,
    /// Where it is in its stream of gRPC, if it has one.
    pub(super) stream: Option<Box<Stream>>,
    /// Where it is in its polls, if it polls.
    pub(super) polls: Option<Box<Polls>>,
    /// What is said first, until it is sent.
    pub(super) greeting: Vec<u8>,
    /// What signs in once there is a session, until it is sent; none where the greeting does.
    pub(super) sign_in: Option<Vec<u8>>,
    /// The request to join, until it is sent; none for a user without a room.
    pub(super) join: Option<Vec<u8>>,
    /// What the socket did not take yet.
    waiting: Vec<u8>,
    /// The start of a message during the handshake, the end of the last read for a sampled connection after it.
    pub(super) held: Vec<u8>,
    /// When the last request was written.
    pub(super) sent_at: u64,
    /// Whether stamps are read here, not only marks counted.
    pub(super) sampled: bool,
    /// Whether refusals are looked for here: this user posts.
    pub(super) watched: bool,
}

impl Conn {
    /// Starts to connect to `server` from `source`, or from where the system likes.
    pub(super) fn dial(
        server: SocketAddr,
        source: Option<Ipv4Addr>,
        user: i64,
        greeting: Vec<u8>,
    ) -> Result<Self, BenchError> {
        let family = if server.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None).tried("opening a socket")?;
        sockopt::set_tcp_nodelay(&socket, true).tried("setting TCP_NODELAY")?;
        // A reset instead of a farewell: no port is kept in TIME_WAIT, so the next round finds them all free.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).tried("setting SO_LINGER")?;
        if let Some(source) = source {
            bind(&socket, &SocketAddrV4::new(source, 0)).tried("binding to a loopback address")?;
        }
        match connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno).tried("connecting"),
        }
        Ok(Self {
            socket,
            phase: Phase::Dialing,
            user,
            frames: None,
            stream: None,
            polls: None,
            greeting,
            sign_in: None,
            join: None,
            waiting: Vec::new(),
            held: Vec::new(),
            sent_at: 0,
            sampled: false,
            watched: false,
        })
    }

    /// Writes `bytes`, or keeps what the socket does not take.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        let taken = if self.waiting.is_empty() {
            self.offer(bytes)?
        } else {
            0
        };
        self.waiting.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Writes what was kept, now that the socket takes more.
    pub(super) fn flush(&mut self) -> Result<(), BenchError> {
        if !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            self.send(&waiting)?;
        }
        Ok(())
    }

    /// The error of a connection that is not one.
    pub(super) fn refused(&self, line: &[u8]) -> BenchError {
        let shown = &line[..line.len().min(400)];
        BenchError::Refused {
            user: self.user,
            line: String::from_utf8_lossy(shown).trim_end().to_owned(),
        }
    }

    fn offer(&self, bytes: &[u8]) -> Result<usize, BenchError> {
        match send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(taken) => Ok(taken),
            Err(Errno::AGAIN) => Ok(0),
            Err(errno) => Err(self.refused(format!("writing to it failed: {errno}").as_bytes())),
        }
    }
}
