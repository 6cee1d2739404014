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
use super::reply::{Speech, Wish};
use crate::dialect::frames::unmasked;
use crate::dialect::number_after;
use crate::error::{BenchError, Tried};

const LISTENER: u64 = u64::MAX;

struct Peer {
    socket: OwnedFd,
    /// A WebSocket that has not asked for its upgrade.
    upgrading: bool,
    /// The start of a message whose end has not arrived.
    held: Vec<u8>,
    /// What the socket did not take.
    waiting: Vec<u8>,
    rooms: Vec<i64>,
    /// Which device it is, and the caller that waits for its word.
    device: Option<i64>,
    caller: Option<usize>,
    /// Words that it waits for, if it calls.
    awaits: usize,
}

/// A message that waits for its commit.
struct Pending {
    room: i64,
    said: Vec<u8>,
}

pub(super) struct Floor {
    epoll: OwnedFd,
    listener: OwnedFd,
    peers: Vec<Option<Box<Peer>>>,
    free: Vec<usize>,
    rooms: HashMap<i64, Vec<usize>>,
    devices: HashMap<i64, usize>,
    read: Vec<u8>,
    events: Vec<Event>,
    /// Whether messages come in frames, and not as lines.
    on_websocket: bool,
    speech: Speech,
    /// The text of a frame, unmasked.
    text: Vec<u8>,
    commit: Option<Commit>,
    pending: Vec<Pending>,
}

impl Floor {
    pub(super) fn new(
        listener: OwnedFd,
        on_websocket: bool,
        speech: Speech,
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
            devices: HashMap::new(),
            read: vec![0; 64 * 1024],
            events: Vec::with_capacity(1024),
            on_websocket,
            speech,
            text: Vec::new(),
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
                upgrading: self.on_websocket,
                held: Vec::new(),
                waiting: Vec::new(),
                rooms: Vec::new(),
                device: None,
                caller: None,
                awaits: 0,
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
                let used = self.messages(at, &read[..got]);
                self.hold(at, &read[used..got]);
            } else {
                let mut held = std::mem::take(&mut peer.held);
                held.extend_from_slice(&read[..got]);
                let used = self.messages(at, &held);
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

    /// Deals with all whole messages and says how many bytes they took.
    fn messages(&mut self, at: usize, bytes: &[u8]) -> usize {
        if self.on_websocket {
            return self.frames(at, bytes);
        }
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', &bytes[from..]) {
            self.serve(at, &bytes[from..from + length]);
            from += length + 1;
        }
        from
    }

    fn frames(&mut self, at: usize, bytes: &[u8]) -> usize {
        let mut from = 0;
        let Some(peer) = self.peers[at].as_mut() else {
            return bytes.len();
        };
        if peer.upgrading {
            if bytes.starts_with(b"POST ") {
                return self.call(at, bytes);
            }
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
                return 0;
            };
            peer.upgrading = false;
            from = end + 4;
            send_to(&mut self.peers[at], &self.speech.upgraded);
        }
        let mut text = std::mem::take(&mut self.text);
        while let Some(taken) = unmasked(&bytes[from..], &mut text) {
            self.serve(at, &text);
            from += taken;
        }
        self.text = text;
        from
    }

    /// Deals with a call over HTTP, once all of it is there, and says how many bytes it took.
    fn call(&mut self, at: usize, bytes: &[u8]) -> usize {
        let Some(head) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return 0;
        };
        let body = number_after(&bytes[..head], b"content-length: ").unwrap_or(0);
        let all = head + 4 + usize::try_from(body).unwrap_or(0);
        if bytes.len() < all {
            return 0;
        }
        self.serve(at, &bytes[..all]);
        all
    }

    fn serve(&mut self, at: usize, message: &[u8]) {
        self.answer(at, self.speech.wish(message), message);
    }

    fn answer(&mut self, at: usize, wish: Wish, message: &[u8]) {
        match wish {
            Wish::Connect => {
                let device = number_after(message, b"\"device_id\":\"");
                if let Some(device) = device.or_else(|| number_after(message, b"\"name\":\"")) {
                    self.devices.insert(device, at);
                    if let Some(peer) = self.peers[at].as_mut() {
                        peer.device = Some(device);
                    }
                }
                send_to(&mut self.peers[at], &self.speech.connected);
            }
            Wish::Call(device) => {
                let Some(to) = self.devices.get(&device).copied() else {
                    return;
                };
                self.tell(at, &[to]);
            }
            Wish::CallAll => {
                let all: Vec<usize> = self.devices.values().copied().collect();
                self.tell(at, &all);
            }
            Wish::Word => {
                let caller = self.peers[at].as_mut().and_then(|peer| peer.caller.take());
                let Some(caller) = caller else { return };
                let Some(peer) = self.peers[caller].as_mut() else {
                    return;
                };
                peer.awaits = peer.awaits.saturating_sub(1);
                if peer.awaits == 0 {
                    send_to(&mut self.peers[caller], self.speech.done);
                }
            }
            Wish::Join(room) => {
                self.rooms.entry(room).or_default().push(at);
                if let Some(peer) = self.peers[at].as_mut() {
                    peer.rooms.push(room);
                }
                send_to(&mut self.peers[at], &self.speech.joined);
            }
            Wish::Send(room) => {
                let said = self.speech.new_message(message);
                if self.commit.is_some() {
                    self.pending.push(Pending { room, said });
                } else {
                    self.publish(room, &said);
                }
            }
            Wish::Ping => send_to(&mut self.peers[at], &self.speech.pong),
            Wish::Nothing => {}
        }
    }

    /// Tells devices what to do, and remembers who waits for their words.
    fn tell(&mut self, caller: usize, devices: &[usize]) {
        for to in devices {
            if let Some(peer) = self.peers[*to].as_mut() {
                peer.caller = Some(caller);
            }
            send_to(&mut self.peers[*to], &self.speech.order);
        }
        if let Some(peer) = self.peers[caller].as_mut() {
            peer.awaits = devices.len();
        }
    }

    fn publish(&mut self, room: i64, said: &[u8]) {
        for at in self.rooms.get(&room).into_iter().flatten() {
            send_to(&mut self.peers[*at], said);
        }
    }

    fn settle_pending(&mut self) -> Result<(), BenchError> {
        if let Some(commit) = self.commit.as_mut().filter(|_| !self.pending.is_empty()) {
            let pending = std::mem::take(&mut self.pending);
            commit.all(pending.iter().map(|one| (one.room, &one.said[..])))?;
            for one in &pending {
                self.publish(one.room, &one.said);
            }
        }
        Ok(())
    }

    fn flush(&mut self, at: usize) {
        if let Some(peer) = self.peers[at].as_mut().filter(|peer| !peer.waiting.is_empty()) {
            let waiting = std::mem::take(&mut peer.waiting);
            send_to(&mut self.peers[at], &waiting);
        }
    }

    fn close(&mut self, at: usize) {
        let Some(peer) = self.peers[at].take() else { return };
        if let Some(device) = peer.device {
            self.devices.remove(&device);
        }
        for room in peer.rooms {
            if let Some(members) = self.rooms.get_mut(&room) {
                members.retain(|member| *member != at);
            }
        }
        self.free.push(at);
    }
}

/// Writes `bytes`, or keeps what the socket does not take.
fn send_to(peer: &mut Option<Box<Peer>>, bytes: &[u8]) {
    let Some(peer) = peer else { return };
    let mut taken = 0;
    if peer.waiting.is_empty() {
        // A socket that is gone says so to the next read.
        taken = send(&peer.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0);
    }
    peer.waiting.extend_from_slice(&bytes[taken..]);
}
