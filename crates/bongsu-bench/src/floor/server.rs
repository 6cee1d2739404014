//! The floor's event loop.
//!
//! Invariant: a message is written to every member in the turn in which it is read (or committed); only what a socket
//! does not take waits, in order.

use std::collections::HashMap;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

use super::commit::Commit;
use super::reply::{CONNECTED, JOINED, Wish, new_message, pong, wish};
use crate::error::{BenchError, Tried};

const LISTENER: u64 = u64::MAX;

struct Peer {
    socket: OwnedFd,
    /// The start of a line whose end has not arrived.
    held: Vec<u8>,
    /// What the socket did not take.
    waiting: Vec<u8>,
    rooms: Vec<i64>,
}

/// A message that waits for its commit.
struct Pending {
    room: i64,
    line: Vec<u8>,
}

pub(super) struct Floor {
    epoll: OwnedFd,
    listener: OwnedFd,
    peers: Vec<Option<Box<Peer>>>,
    free: Vec<usize>,
    rooms: HashMap<i64, Vec<usize>>,
    read: Vec<u8>,
    events: Vec<Event>,
    frame_bytes: usize,
    pong: Vec<u8>,
    commit: Option<Commit>,
    pending: Vec<Pending>,
}

impl Floor {
    pub(super) fn new(
        listener: OwnedFd,
        frame_bytes: usize,
        pong_bytes: usize,
        commit: Option<Commit>,
    ) -> Result<Self, BenchError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).tried("making an epoll")?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)
            .tried("adding to the epoll")?;
        Ok(Self {
            epoll,
            listener,
            peers: Vec::new(),
            free: Vec::new(),
            rooms: HashMap::new(),
            read: vec![0; 64 * 1024],
            events: Vec::with_capacity(1024),
            frame_bytes,
            pong: pong(pong_bytes),
            commit,
            pending: Vec::new(),
        })
    }

    /// Waits for something to happen and deals with it.
    pub(super) fn turn(&mut self) -> Result<(), BenchError> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).tried("waiting for events"),
        }
        for event in &events {
            let (at, flags) = (event.data.u64(), event.flags);
            if at == LISTENER {
                self.accept()?;
                continue;
            }
            let at = at as usize;
            let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            if flags.contains(EventFlags::OUT) {
                self.flush(at);
            }
            if ending || flags.contains(EventFlags::IN) {
                self.readable(at, ending);
            }
        }
        self.events = events;
        self.settle_pending()
    }

    fn accept(&mut self) -> Result<(), BenchError> {
        loop {
            let socket = match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(errno) => return Err(errno).tried("accepting"),
            };
            sockopt::set_tcp_nodelay(&socket, true).tried("setting TCP_NODELAY")?;
            let at = self.free.pop().unwrap_or_else(|| {
                self.peers.push(None);
                self.peers.len() - 1
            });
            let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(at as u64), wanted)
                .tried("adding to the epoll")?;
            self.peers[at] = Some(Box::new(Peer {
                socket,
                held: Vec::new(),
                waiting: Vec::new(),
                rooms: Vec::new(),
            }));
        }
    }

    fn readable(&mut self, at: usize, ending: bool) {
        let mut read = std::mem::take(&mut self.read);
        while let Some(peer) = self.peers[at].as_mut() {
            let got = match recv(&peer.socket, &mut read[..], RecvFlags::empty()) {
                Ok((_, got)) => got,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => break,
                Err(_) => 0,
            };
            if got == 0 {
                self.close(at);
                break;
            }
            if peer.held.is_empty() {
                let used = self.lines(at, &read[..got]);
                self.hold(at, &read[used..got]);
            } else {
                let mut held = std::mem::take(&mut peer.held);
                held.extend_from_slice(&read[..got]);
                let used = self.lines(at, &held);
                self.hold(at, &held[used..]);
            }
            if got < read.len() && !ending {
                break;
            }
        }
        self.read = read;
    }

    fn hold(&mut self, at: usize, rest: &[u8]) {
        if let Some(peer) = self.peers[at].as_mut() {
            peer.held.extend_from_slice(rest);
        }
    }

    /// Deals with all whole lines and says how many bytes they took.
    fn lines(&mut self, at: usize, bytes: &[u8]) -> usize {
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', &bytes[from..]) {
            let line = &bytes[from..from + length];
            from += length + 1;
            match wish(line) {
                Wish::Connect => self.send(at, CONNECTED),
                Wish::Join(room) => {
                    self.rooms.entry(room).or_default().push(at);
                    if let Some(peer) = self.peers[at].as_mut() {
                        peer.rooms.push(room);
                    }
                    self.send(at, JOINED);
                }
                Wish::Send(room) => {
                    let line = new_message(line, self.frame_bytes);
                    if self.commit.is_some() {
                        self.pending.push(Pending { room, line });
                    } else {
                        self.publish(room, &line);
                    }
                }
                Wish::Ping => {
                    let pong = std::mem::take(&mut self.pong);
                    self.send(at, &pong);
                    self.pong = pong;
                }
                Wish::Nothing => {}
            }
        }
        from
    }

    fn publish(&mut self, room: i64, line: &[u8]) {
        let Some(members) = self.rooms.get_mut(&room).map(std::mem::take) else {
            return;
        };
        for at in &members {
            self.send(*at, line);
        }
        self.rooms.insert(room, members);
    }

    fn settle_pending(&mut self) -> Result<(), BenchError> {
        if let Some(commit) = self.commit.as_mut().filter(|_| !self.pending.is_empty()) {
            let pending = std::mem::take(&mut self.pending);
            commit.all(pending.iter().map(|one| (one.room, &one.line[..])))?;
            for one in &pending {
                self.publish(one.room, &one.line);
            }
        }
        Ok(())
    }

    fn send(&mut self, at: usize, bytes: &[u8]) {
        let Some(peer) = self.peers[at].as_mut() else {
            return;
        };
        let mut taken = 0;
        if peer.waiting.is_empty() {
            // A socket that is gone says so to the next read.
            taken = send(&peer.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0);
        }
        peer.waiting.extend_from_slice(&bytes[taken..]);
    }

    fn flush(&mut self, at: usize) {
        if let Some(peer) = self.peers[at].as_mut().filter(|peer| !peer.waiting.is_empty()) {
            let waiting = std::mem::take(&mut peer.waiting);
            self.send(at, &waiting);
        }
    }

    fn close(&mut self, at: usize) {
        let Some(peer) = self.peers[at].take() else { return };
        for room in peer.rooms {
            if let Some(members) = self.rooms.get_mut(&room) {
                members.retain(|member| *member != at);
            }
        }
        self.free.push(at);
    }
}
