//! One accepted TCP connection as the node and the sweeper see it.
//!
//! Invariant: what the sweeper reads is written without a lock by the connection's own task.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering::Relaxed};

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, Refusal, Slot, Timestamp};
use bongsu_node::{Line, Wrote};
use futures_util::future::BoxFuture;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::dialect;

/// A connection's socket and what is known of its liveliness.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    pub(crate) address: IpAddr,
    opened_ms: i64,
    heard_ms: AtomicI64,
    /// When the frame under way was begun; 0 for none.
    frame_ms: AtomicI64,
    /// When this side was seen to have finished; 0 while it has not, `FINISHED` until the sweeper has seen it.
    finished_ms: AtomicI64,
    /// What was heard is being carried out, and nothing is read meanwhile.
    busy: AtomicBool,
    signed_in: AtomicBool,
    /// The wire format that the client is answered in, by its number; and whether it was pinged since it was heard.
    slot: AtomicU8,
    pinged: AtomicBool,
    ended_by: AtomicU8,
}

/// Who ended a connection, for the meters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EndedBy {
    Client,
    SignInTimeout,
    FrameTimeout,
    Idle,
    Refusal,
    /// The node: an operator, the token's end, a ban, or because it stops.
    Node,
}

/// What has run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RanOut {
    SignIn,
    Frame,
    Idle,
    /// Nothing was heard for a while: it is time to ask whether somebody is there.
    Quiet,
    /// This side has finished and the other has not for a while.
    Linger,
}

/// How long the other side may take to finish after this one.
const LINGER_MS: u64 = 2_000;
/// This side has finished, at a time that nobody has looked at yet.
const FINISHED: i64 = i64::MIN;

impl Socket {
    pub(crate) fn new(stream: TcpStream, address: IpAddr, now: Timestamp) -> Self {
        Self {
            stream,
            address,
            opened_ms: now.0,
            heard_ms: AtomicI64::new(now.0),
            frame_ms: AtomicI64::new(0),
            finished_ms: AtomicI64::new(0),
            busy: AtomicBool::new(false),
            signed_in: AtomicBool::new(false),
            slot: AtomicU8::new(0),
            pinged: AtomicBool::new(false),
            ended_by: AtomicU8::new(0),
        }
    }

    /// Notes who ends the connection; the first counts.
    pub(crate) fn ended_by(&self, who: EndedBy) {
        let _ = self
            .ended_by
            .compare_exchange(EndedBy::Client as u8, who as u8, Relaxed, Relaxed);
    }

    /// Why the connection ended; `None` if its client ended it.
    pub(crate) fn cause(&self) -> Option<CloseCause> {
        match self.ended_by.load(Relaxed) {
            1 => Some(CloseCause::SignInTimeout),
            2 => Some(CloseCause::FrameTimeout),
            3 => Some(CloseCause::Idle),
            4 => Some(CloseCause::Refused(Refusal::new(Code::InvalidData))),
            5 => Some(CloseCause::Disconnected),
            _ => None,
        }
    }

    /// Reads what is there: `None` if that is nothing.
    ///
    /// # Errors
    /// If the connection is gone.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, ()> {
        let mut read = Ok(None);
        // Perf (bench echo): a read that did not fill the buffer has emptied the socket, so it is reported as one that
        // would block; else the next look would cost a call that only finds nothing. What comes in between raises a
        // new edge, which the runtime tells from the one that it forgets here.
        let _ = self.stream.try_io(Interest::READABLE, || {
            match rustix::io::read(&self.stream, &mut *buffer) {
                Ok(0) => read = Err(()),
                Ok(count) => {
                    read = Ok(Some(count));
                    if count < buffer.len() {
                        return Err(ErrorKind::WouldBlock.into());
                    }
                }
                Err(Errno::AGAIN) => return Err(ErrorKind::WouldBlock.into()),
                Err(Errno::INTR) => {}
                Err(_) => read = Err(()),
            }
            Ok(())
        });
        read
    }

    /// Whether the socket takes bytes now: `WouldBlock` if not.
    fn takes_bytes(&self) -> std::io::Result<()> {
        let mut looked_at = [PollFd::new(&self.stream, PollFlags::OUT)];
        match rustix::event::poll(&mut looked_at, Some(&Timespec::default())) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Notes that something was read, whether a frame is incomplete after it, and whether the one before is complete.
    pub(crate) fn heard(&self, now: Timestamp, in_frame: bool, completed: bool) {
        self.heard_ms.store(now.0, Relaxed);
        self.pinged.store(false, Relaxed);
        if !in_frame {
            self.frame_ms.store(0, Relaxed);
        } else if completed || self.frame_ms.load(Relaxed) == 0 {
            self.frame_ms.store(now.0, Relaxed);
        }
    }

    pub(crate) fn signed_in(&self) {
        self.signed_in.store(true, Relaxed);
    }

    /// Notes in which wire format the client is answered.
    pub(crate) fn speaks(&self, slot: Slot) {
        self.slot.store(slot as u8, Relaxed);
    }

    pub(crate) fn slot(&self) -> Slot {
        dialect::slot_of(self.slot.load(Relaxed))
    }

    /// Nothing is read for a while because of us: no deadline of the other side runs.
    pub(crate) fn busy(&self) {
        self.busy.store(true, Relaxed);
    }

    /// Reading goes on; what was sent meanwhile counts as heard. `completed` as in [`Self::heard`].
    pub(crate) fn reads_on(&self, now: Timestamp, in_frame: bool, completed: bool) {
        self.heard(now, in_frame, completed);
        self.busy.store(false, Relaxed);
    }

    /// What has run out by now, if anything.
    pub(crate) fn ran_out(&self, now: Timestamp, limits: &bongsu_model::Limits) -> Option<RanOut> {
        let since = |ms: i64| now.ms_since(Timestamp(ms));
        let finished = self.finished_ms.load(Relaxed);
        if finished == FINISHED {
            self.finished_ms.store(now.0, Relaxed);
            return None;
        }
        if finished != 0 {
            return (since(finished) >= LINGER_MS).then_some(RanOut::Linger);
        }
        if self.busy.load(Relaxed) {
            return None;
        }
        if !self.signed_in.load(Relaxed) && since(self.opened_ms) >= limits.sign_in_ms {
            return Some(RanOut::SignIn);
        }
        let frame = self.frame_ms.load(Relaxed);
        if frame != 0 && since(frame) >= limits.frame_ms {
            return Some(RanOut::Frame);
        }
        let silent_ms = since(self.heard_ms.load(Relaxed));
        if silent_ms >= limits.idle_ms {
            return Some(RanOut::Idle);
        }
        // Who has not signed in has another deadline, and nothing to answer with.
        let due = self.signed_in.load(Relaxed) && silent_ms >= limits.ping_interval_ms;
        let quiet = due && !self.pinged.swap(true, Relaxed);
        quiet.then_some(RanOut::Quiet)
    }
}

impl Line for Socket {
    fn try_write(&self, bytes: &[u8]) -> Wrote {
        // Perf (bench fanout): past the runtime, whose own record of readiness is one more cold line of memory for each
        // delivery. A record that is out of date costs the drainer one write that would block, which mends it.
        match rustix::net::send(&self.stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(written) => Wrote::Bytes(written),
            Err(Errno::AGAIN | Errno::INTR) => Wrote::Full,
            Err(_) => Wrote::Gone,
        }
    }

    fn writable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // The runtime may believe that the socket takes bytes when it does not; only a write through it finds out.
            // A broken socket counts as writable: the next write says that it is broken.
            let _ = self
                .stream
                .async_io(Interest::WRITABLE, || self.takes_bytes())
                .await;
        })
    }

    fn finish(&self) {
        // The other side still sends until it hears of it; closing at once would cost it what it was sent last.
        let _ = SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
        self.finished_ms.store(FINISHED, Relaxed);
    }

    fn abort(&self) {
        let _ = SockRef::from(&self.stream).shutdown(std::net::Shutdown::Both);
    }
}
