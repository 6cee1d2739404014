//! The inner loop of the load generator: what arrives is taken through the handshake, then counted.
//!
//! Invariant: edge-triggered, so every readable socket is read until it is empty.

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

use super::conn::Phase;
use super::{Counts, Crowd};
use crate::clock;
use crate::dialect::{self, Heard};
use crate::error::{BenchError, Tried};
use crate::tally;

impl Crowd {
    /// Waits at most `wait_ns` for anything to happen and deals with all that did.
    ///
    /// # Errors
    /// `Refused` for the first connection that is refused or ends.
    pub(crate) fn poll(&mut self, wait_ns: u64) -> Result<(), BenchError> {
        let wait = Timespec {
            tv_sec: (wait_ns / 1_000_000_000) as i64,
            tv_nsec: (wait_ns % 1_000_000_000) as i64,
        };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&wait),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).tried("waiting for events"),
        }
        for event in &events {
            let (at, flags) = (event.data.u64() as usize, event.flags);
            if flags.contains(EventFlags::OUT) {
                self.writable(at)?;
            }
            let ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            if ending || flags.contains(EventFlags::IN) {
                self.readable(at, ending)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn writable(&mut self, at: usize) -> Result<(), BenchError> {
        let conn = &mut self.conns[at];
        if conn.phase != Phase::Dialing {
            return conn.flush();
        }
        if let Ok(Err(errno)) = sockopt::socket_error(&conn.socket) {
            return Err(conn.refused(format!("connecting to it failed: {errno}").as_bytes()));
        }
        conn.phase = Phase::Signing;
        let line = std::mem::take(&mut conn.connect);
        conn.send(&line)
    }

    fn readable(&mut self, at: usize, ending: bool) -> Result<(), BenchError> {
        let mut last = 0;
        loop {
            let conn = &mut self.conns[at];
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
            if conn.phase == Phase::Ready {
                self.count(at, got)?;
            } else {
                self.greet(at, got)?;
            }
            if got < self.read.len() && !ending {
                // A short read: the socket is empty, and the next byte makes a new edge.
                return Ok(());
            }
            last = got;
        }
    }

    /// Counts deliveries in the first `got` bytes of the read buffer.
    fn count(&mut self, at: usize, got: usize) -> Result<(), BenchError> {
        let bytes = &self.read[..got];
        let conn = &mut self.conns[at];
        if conn.watched
            && let Some(found) = memchr::memmem::find(bytes, b"\"action\":\"ERROR\"")
        {
            return Err(conn.refused(&bytes[found.saturating_sub(1)..]));
        }
        let Counts {
            mark,
            arrived,
            latency,
            replies,
            captured,
        } = &mut self.counts;
        if at == 0
            && let Some(captured) = captured
        {
            captured.extend_from_slice(bytes);
        }
        let marks = match replies {
            Some(replies) => {
                let marks = tally::count(bytes, *mark);
                if marks > 0 {
                    let now = clock::now_ns();
                    latency.add(now.saturating_sub(conn.sent_at));
                    replies.push(at);
                }
                marks
            }
            None if conn.sampled && *mark == tally::MARK => {
                let now = clock::now_ns();
                tally::stamps(&mut conn.held, bytes, |stamp| {
                    latency.add(now.saturating_sub(stamp))
                })
            }
            None => tally::count(bytes, *mark),
        };
        *arrived += marks;
        Ok(())
    }

    /// Takes one connection's handshake on by the first `got` bytes of the read buffer.
    fn greet(&mut self, at: usize, got: usize) -> Result<(), BenchError> {
        let conn = &mut self.conns[at];
        let mut held = std::mem::take(&mut conn.held);
        held.extend_from_slice(&self.read[..got]);
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', &held[from..]) {
            let line = &held[from..from + length];
            from += length + 1;
            match (conn.phase, dialect::hear(line)) {
                (_, Heard::Refused) => return Err(conn.refused(line)),
                (Phase::Signing, Heard::Connected) => match conn.join.take() {
                    Some(join) => {
                        conn.phase = Phase::Joining;
                        conn.send(&join)?;
                    }
                    None => conn.phase = Phase::Ready,
                },
                (Phase::Joining, Heard::Joined) => conn.phase = Phase::Ready,
                // Events that overtake the answer: others come and go in the same rooms.
                (_, Heard::Connected | Heard::Joined | Heard::Other) => {}
            }
            if conn.phase == Phase::Ready {
                self.ready += 1;
                self.handshakes.add(clock::now_ns() - conn.sent_at);
                return Ok(());
            }
        }
        held.drain(..from);
        conn.held = held;
        Ok(())
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
