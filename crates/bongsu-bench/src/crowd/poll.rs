//! The inner loop of the load generator: what arrives is taken through the handshake, then counted.
//!
//! Invariant: edge-triggered, so every readable socket is read until it is empty.

use bongsu_wire::websocket::{Opcode, client_frame};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

use super::conn::{Conn, Phase};
use super::{Counted, Counts, Crowd, Lane};
use crate::clock;
use crate::dialect::frames::{Control, MASK, Piece};
use crate::dialect::{ACCEPT, Carrier, Heard};
use crate::error::{BenchError, Tried};
use crate::options::Protocol;
use crate::tally;

/// Waits at most `wait_ns` for something to happen: `events` is what did, up to its capacity.
///
/// # Errors
/// As the operating system says.
pub(crate) fn wait(epoll: &OwnedFd, events: &mut Vec<epoll::Event>, wait_ns: u64) -> Result<(), BenchError> {
    let wait = Timespec {
        tv_sec: (wait_ns / 1_000_000_000) as i64,
        tv_nsec: (wait_ns % 1_000_000_000) as i64,
    };
    events.clear();
    match epoll::wait(epoll, rustix::buffer::spare_capacity(events), Some(&wait)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno).tried("waiting for events"),
    }
}

impl Crowd {
    /// Waits at most `wait_ns` for anything to happen and deals with all that did.
    ///
    /// # Errors
    /// `Refused` for the first connection that is refused or ends.
    pub(crate) fn poll(&mut self, wait_ns: u64) -> Result<(), BenchError> {
        let mut events = std::mem::take(&mut self.events);
        wait(&self.epoll, &mut events, wait_ns)?;
        for event in &events {
            let (lane, flags) = (Lane::of(event.data.u64()), event.flags);
            if flags.contains(EventFlags::OUT) {
                self.writable(lane)?;
            }
            let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            if ending || flags.contains(EventFlags::IN) {
                self.readable(lane, ending)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn writable(&mut self, lane: Lane) -> Result<(), BenchError> {
        let speaks = self.protocol;
        let conn = self.conn(lane);
        if conn.phase != Phase::Dialing {
            return conn.flush();
        }
        if let Ok(Err(errno)) = sockopt::socket_error(&conn.socket) {
            return Err(conn.refused(format!("connecting to it failed: {errno}").as_bytes()));
        }
        conn.phase = match (lane, speaks.carrier()) {
            (Lane::Outlet(_), _) => Phase::Ready,
            (Lane::User(_), Carrier::Lines | Carrier::Stream) => Phase::Signing,
            (Lane::User(_), Carrier::Frames) => Phase::Upgrading,
            (Lane::User(_), Carrier::Polls) => Phase::Opening,
        };
        let greeting = std::mem::take(&mut conn.greeting);
        conn.send(&greeting)?;
        // On a stream a device need not wait to say who it is.
        if speaks.carrier() == Carrier::Stream
            && let Some(hello) = conn.sign_in.take()
        {
            conn.send(&hello)?;
        }
        match lane {
            Lane::Outlet(at) => self.bring(at),
            Lane::User(_) => Ok(()),
        }
    }

    fn readable(&mut self, lane: Lane, ending: bool) -> Result<(), BenchError> {
        let mut last = 0;
        loop {
            let conn = match lane {
                Lane::User(at) => &mut self.conns[at],
                Lane::Outlet(at) => &mut self.outlets[at],
            };
            let got = match recv(&conn.socket, &mut self.read[..], RecvFlags::empty()) {
                Ok((_, got)) => got,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(conn.refused(format!("reading from it failed: {errno}").as_bytes())),
            };
            if got == 0 {
                let before = String::from_utf8_lossy(&self.read[last_line(&self.read[..last])]).into_owned();
                return Err(
                    conn.refused(format!("it closed the connection; just before: {before}").as_bytes())
                );
            }
            // Taken for the time that it is looked at, so that the connections may be changed meanwhile.
            let read = std::mem::take(&mut self.read);
            let taken = match (lane, self.protocol.carrier()) {
                (Lane::Outlet(at), _) => self.posted(at, &read[..got]),
                (Lane::User(at), Carrier::Polls) => self.polled(at, &read[..got]),
                (Lane::User(at), Carrier::Stream) => self.streamed(at, &read[..got]),
                (Lane::User(at), _) if conn.phase == Phase::Ready => self.count(at, &read[..got]),
                (Lane::User(at), _) => self.greet(at, &read[..got]),
            };
            self.read = read;
            taken?;
            if got < self.read.len() && !ending {
                // A short read: the socket is empty, and the next byte makes a new edge.
                return Ok(());
            }
            last = got;
        }
    }

    /// Counts what has arrived on a connection that is ready.
    fn count(&mut self, at: usize, bytes: &[u8]) -> Result<(), BenchError> {
        let (conn, counts) = (&mut self.conns[at], &mut self.counts);
        if conn.watched
            && let Some(found) = memchr::memmem::find(bytes, self.protocol.refusal_begins())
        {
            return Err(conn.refused(&bytes[found..]));
        }
        if at == 0
            && let Some(captured) = &mut counts.captured
        {
            captured.extend_from_slice(bytes);
        }
        let Some(mut frames) = conn.frames.take() else {
            counts.take(at, conn, bytes, || tally::count(bytes, b'\n'));
            return Ok(());
        };
        let mut rest = bytes;
        while let Some(piece) = frames.next(&mut rest) {
            match piece {
                Piece::Text { bytes, ends, .. } if self.protocol.display().is_some() => {
                    told(self.protocol, conn, bytes, ends)?;
                }
                Piece::Text { bytes, begins, ends } => {
                    match self.protocol.asks_for_pong(bytes).filter(|_| begins) {
                        Some(pong) => conn.send(&pong)?,
                        None => counts.take(at, conn, bytes, || u64::from(ends)),
                    }
                }
                Piece::Control(control) => obey(conn, &control)?,
            }
        }
        conn.frames = Some(frames);
        Ok(())
    }

    /// Takes one connection's handshake on by what has arrived.
    fn greet(&mut self, at: usize, bytes: &[u8]) -> Result<(), BenchError> {
        let conn = &mut self.conns[at];
        let mut held = std::mem::take(&mut conn.held);
        let Some(mut frames) = conn.frames.take() else {
            held.extend_from_slice(bytes);
            let mut from = 0;
            while conn.phase != Phase::Ready
                && let Some(length) = memchr::memchr(b'\n', &held[from..])
            {
                if let Some(next) = step(self.protocol, conn, &held[from..from + length])? {
                    conn.send(&next)?;
                }
                from += length + 1;
            }
            held.drain(..from);
            self.greeted(at, held);
            return Ok(());
        };
        let mut rest = bytes;
        if conn.phase == Phase::Upgrading {
            let before = held.len();
            held.extend_from_slice(bytes);
            let Some(end) = memchr::memmem::find(&held, b"\r\n\r\n") else {
                (conn.held, conn.frames) = (held, Some(frames));
                return Ok(());
            };
            if !upgraded(&held[..end]) {
                return Err(conn.refused(&held));
            }
            held.clear();
            conn.phase = match &conn.sign_in {
                Some(_) if self.protocol.device().is_none() => Phase::Opening,
                Some(_) | None => Phase::Signing,
            };
            // A device says who it is before anything is said to it.
            if conn.phase == Phase::Signing
                && let Some(hello) = conn.sign_in.take()
            {
                conn.send(&hello)?;
            }
            rest = &bytes[end + 4 - before..];
        }
        while let Some(piece) = frames.next(&mut rest) {
            match piece {
                // What comes behind the last answer is nobody's to count yet.
                Piece::Text { .. } if conn.phase == Phase::Ready => {}
                Piece::Text { bytes, ends, .. } => {
                    held.extend_from_slice(bytes);
                    if ends {
                        if let Some(next) = step(self.protocol, conn, &held)? {
                            conn.send(&next)?;
                        }
                        held.clear();
                    }
                }
                Piece::Control(control) => obey(conn, &control)?,
            }
        }
        conn.frames = Some(frames);
        self.greeted(at, held);
        Ok(())
    }

    /// Keeps the start of a message, or counts the connection among those that are ready.
    pub(super) fn greeted(&mut self, at: usize, held: Vec<u8>) {
        let conn = &mut self.conns[at];
        if conn.phase == Phase::Ready {
            self.ready += 1;
            self.handshakes.add(clock::now_ns() - conn.sent_at);
        } else {
            conn.held = held;
        }
    }
}

impl Counts {
    /// Counts what `bytes` of messages hold; `messages` says how many of them end there.
    pub(super) fn take(&mut self, at: usize, conn: &mut Conn, bytes: &[u8], messages: impl FnOnce() -> u64) {
        let Self {
            counted,
            arrived,
            latency,
            replies,
            ..
        } = self;
        let marks = || match counted {
            Counted::Marks => tally::count(bytes, tally::MARK),
            Counted::Messages => messages(),
        };
        *arrived += match replies {
            Some(replies) => {
                let marks = marks();
                if marks > 0 {
                    let now = clock::now_ns();
                    latency.add(now.saturating_sub(conn.sent_at));
                    replies.push(at);
                }
                marks
            }
            None if conn.sampled && *counted == Counted::Marks => {
                let now = clock::now_ns();
                tally::stamps(&mut conn.held, bytes, |stamp| {
                    latency.add(now.saturating_sub(stamp))
                })
            }
            None => marks(),
        };
    }
}

/// A display is told something: it is answered when all of it is there.
fn told(protocol: Protocol, conn: &mut Conn, bytes: &[u8], ends: bool) -> Result<(), BenchError> {
    let mut held = std::mem::take(&mut conn.held);
    let whole = if held.is_empty() && ends {
        bytes
    } else {
        held.extend_from_slice(bytes);
        &held
    };
    if ends {
        if protocol.hear(whole) == Heard::Refused {
            return Err(conn.refused(whole));
        }
        if let Some(answer) = protocol.display_answers(conn.user, whole) {
            conn.send(&answer)?;
        }
        held.clear();
    }
    conn.held = held;
    Ok(())
}

/// Whether the head of an answer is the consent to our upgrade.
fn upgraded(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.1 101 ") && memchr::memmem::find(head, ACCEPT.as_bytes()).is_some()
}

/// One message of a handshake, and what is to be said now.
pub(super) fn step(
    protocol: Protocol,
    conn: &mut Conn,
    message: &[u8],
) -> Result<Option<Vec<u8>>, BenchError> {
    match (conn.phase, protocol.hear(message)) {
        (_, Heard::Refused) => Err(conn.refused(message)),
        (Phase::Opening, Heard::Opened) => {
            conn.phase = Phase::Signing;
            Ok(conn.sign_in.take())
        }
        (Phase::Signing, Heard::Connected) => {
            let join = conn.join.take();
            conn.phase = join.as_ref().map_or(Phase::Ready, |_| Phase::Joining);
            Ok(join)
        }
        (Phase::Joining, Heard::Joined) => {
            conn.phase = Phase::Ready;
            Ok(None)
        }
        // Events that overtake the answer: others come and go in the same rooms.
        (_, Heard::Opened | Heard::Connected | Heard::Joined | Heard::Other) => {
            Ok(protocol.asks_for_pong(message))
        }
    }
}

/// Whatever of a server's frames is no message.
fn obey(conn: &mut Conn, control: &Control) -> Result<(), BenchError> {
    match control {
        Control::Ping(payload) => conn.send(&client_frame(Opcode::Pong, payload, MASK)),
        Control::Pong => Ok(()),
        Control::Close(payload) => {
            let code = payload
                .first_chunk::<2>()
                .map_or(1005, |code| u16::from_be_bytes(*code));
            let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
            Err(conn.refused(format!("it closed with code {code}: {reason}").as_bytes()))
        }
        Control::Nonsense([first, second]) => {
            Err(conn.refused(format!("a frame that begins with {first:#04x} {second:#04x}").as_bytes()))
        }
    }
}

/// The last whole line of `bytes`, as a range of at most 300 bytes.
fn last_line(bytes: &[u8]) -> std::ops::Range<usize> {
    let end = bytes.len().saturating_sub(usize::from(bytes.ends_with(b"\n")));
    let start = memchr::memrchr(b'\n', &bytes[..end]).map_or(0, |at| at + 1);
    start..end.min(start + 300)
}

#[cfg(test)]
mod tests {
    use super::last_line;

    #[test]
    fn the_last_line_is_quoted() {
        for (bytes, line) in [
            ("", ""),
            ("a\n", "a"),
            ("a\nbc\n", "bc"),
            ("a\nbc", "bc"),
            ("\n", ""),
        ] {
            assert_eq!(&bytes[last_line(bytes.as_bytes())], line, "{bytes:?}");
        }
    }
}
