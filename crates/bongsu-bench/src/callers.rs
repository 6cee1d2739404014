//! Callers of the HTTP API who wait for the answer to one call before they make the next: one thread, one epoll.
//!
//! Invariant: each connection has at most one call under way; an answer that is not the one that was hoped for fails the
//! run.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with, sockopt,
};

use crate::clock;
use crate::crowd::wait;
use crate::error::{BenchError, Tried};
use crate::histogram::Histogram;

/// An answer is shorter: that of a preset names each display.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// What is read at once.
const READ_BYTES: usize = 64 * 1024;

struct Caller {
    socket: OwnedFd,
    request: Vec<u8>,
    held: Vec<u8>,
    /// When the call that is under way was due.
    due: Option<u64>,
}

/// All callers of one run.
pub(crate) struct Callers {
    epoll: OwnedFd,
    callers: Vec<Caller>,
    /// Who has nothing under way; whoever has waited longest calls next.
    idle: VecDeque<usize>,
    /// What a good answer holds one of; any is good if there are none.
    good: &'static [&'static [u8]],
    events: Vec<epoll::Event>,
    read: Vec<u8>,
    /// Calls that were answered.
    pub(crate) answered: u64,
    /// From when a call was due to its answer.
    pub(crate) latency: Histogram,
}

impl Callers {
    /// Connects to `host`, one caller for each of these requests, which it makes again and again. Answers hold one of `good`,
    /// if that names any.
    ///
    /// # Errors
    /// `Io` if nobody listens there.
    pub(crate) fn connect(
        host: SocketAddr,
        requests: Vec<Vec<u8>>,
        good: &'static [&'static [u8]],
    ) -> Result<Self, BenchError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).tried("making an epoll")?;
        let mut callers = Vec::new();
        for (at, request) in requests.into_iter().enumerate() {
            let family = if host.is_ipv4() {
                AddressFamily::INET
            } else {
                AddressFamily::INET6
            };
            let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .tried("opening a socket")?;
            sockopt::set_tcp_nodelay(&socket, true).tried("setting TCP_NODELAY")?;
            connect(&socket, &host).tried("connecting to the HTTP API")?;
            epoll::add(&epoll, &socket, EventData::new_u64(at as u64), EventFlags::IN)
                .tried("adding to the epoll")?;
            callers.push(Caller {
                socket,
                request,
                held: Vec::new(),
                due: None,
            });
        }
        Ok(Self {
            epoll,
            idle: (0..callers.len()).collect(),
            good,
            callers,
            events: Vec::with_capacity(256),
            read: vec![0; READ_BYTES],
            answered: 0,
            latency: Histogram::new(),
        })
    }

    /// Calls under way.
    pub(crate) fn under_way(&self) -> usize {
        self.callers.len() - self.idle.len()
    }

    /// Has a caller that has nothing under way make its call, which was due at `due`. False if there is none.
    ///
    /// # Errors
    /// `Io` if the connection fails.
    pub(crate) fn call(&mut self, due: u64) -> Result<bool, BenchError> {
        let Some(at) = self.idle.pop_front() else {
            return Ok(false);
        };
        let caller = &mut self.callers[at];
        caller.due = Some(due);
        let mut rest = &caller.request[..];
        // A request fits into the socket's buffer: the socket blocks for nothing else.
        while !rest.is_empty() {
            let sent = send(&caller.socket, rest, SendFlags::NOSIGNAL).tried("writing to the HTTP API")?;
            rest = &rest[sent..];
        }
        Ok(true)
    }

    /// Waits at most `wait_ns` for answers and takes in those that came.
    ///
    /// # Errors
    /// `Http` for an answer that is not 200, or not a good one.
    pub(crate) fn poll(&mut self, wait_ns: u64) -> Result<(), BenchError> {
        let mut events = std::mem::take(&mut self.events);
        wait(&self.epoll, &mut events, wait_ns)?;
        for event in &events {
            self.readable(event.data.u64() as usize)?;
        }
        self.events = events;
        Ok(())
    }

    fn readable(&mut self, at: usize) -> Result<(), BenchError> {
        let caller = &mut self.callers[at];
        let (_, got) = match recv(&caller.socket, &mut self.read[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            received => received.tried("reading from the HTTP API")?,
        };
        caller.held.extend_from_slice(&self.read[..got]);
        let fault = |status, held: &[u8]| BenchError::Http {
            method: "POST",
            path: "a command or a program".to_owned(),
            status,
            body: String::from_utf8_lossy(&held[..held.len().min(600)]).into_owned(),
        };
        if got == 0 || caller.held.len() > ANSWER_BYTES_MAX {
            return Err(fault(0, &caller.held));
        }
        let Some(length) = whole(&caller.held) else {
            return Ok(());
        };
        let is_good = |held: &[u8]| {
            let holds = |part: &&[u8]| memchr::memmem::find(held, part).is_some();
            self.good.is_empty() || self.good.iter().any(holds)
        };
        let whole = caller.held.starts_with(b"HTTP/1.1 200 ") && caller.held.len() == length;
        if !whole || !is_good(&caller.held) {
            let status = caller
                .held
                .get(9..12)
                .and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
            return Err(fault(status.unwrap_or(0), &caller.held));
        }
        caller.held.clear();
        if let Some(due) = caller.due.take() {
            self.latency.add(clock::now_ns().saturating_sub(due));
            self.answered += 1;
            self.idle.push_back(at);
        }
        Ok(())
    }
}

/// How many bytes the answer has that begins here; none while it is incomplete.
fn whole(held: &[u8]) -> Option<usize> {
    let head_bytes = memchr::memmem::find(held, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&held[..head_bytes]).ok()?;
    let body_bytes = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let all = head_bytes + body_bytes.unwrap_or(0);
    (held.len() >= all).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn answers_are_whole_when_their_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(whole(answer), Some(answer.len()));
        assert_eq!(whole(&answer[..answer.len() - 1]), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(whole(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(27));
    }
}
