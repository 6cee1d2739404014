//! One connection of a device as everybody sees it who has to do with it: reader, writer, sweeper, and whoever asks.
//!
//! Invariants: what is said to the device comes out of [`Live::next`] in one order, and after its end nothing does. A
//! connection that idles owns no bytes.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bongsu_model::device::ToDevice;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, ConnectionEpoch, Limits, Locale, Refusal, Timestamp};
use bongsu_node::devices::{DeviceSession, Ticket};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::select;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::carrier::Carrier;
use crate::meters::DeviceTransport;

/// Refusals that wait to be told. Who has sent so much nonsense and reads none of the answers is told no more of them.
const REFUSED_MAX: usize = 16;

/// One connection of a device.
pub(crate) struct Live {
    pub(crate) transport: DeviceTransport,
    pub(crate) address: IpAddr,
    /// Whether it is encrypted up to here.
    pub(crate) secure: bool,
    /// The device that the client certificate names.
    pub(crate) certificate: Option<Arc<str>>,
    pub(crate) locale: Locale,
    pub(crate) carrier: Carrier,
    opened_ms: i64,
    heard_ms: AtomicI64,
    /// Since when a frame is incomplete; 0 for none.
    begun_ms: AtomicI64,
    /// Since when there is something to write that is not taken; 0 for never.
    stuck_ms: AtomicI64,
    /// Since when it is to end; 0 while it is not.
    ending_ms: AtomicI64,
    /// What was heard is being carried out, and nothing is read meanwhile.
    busy: AtomicBool,
    frames_heard: AtomicU64,
    frames_said: AtomicU64,
    session: OnceLock<Arc<DeviceSession>>,
    says: Mutex<Says>,
    wake: Notify,
}

/// What the connection itself has to say.
#[derive(Default)]
struct Says {
    /// The answer to the last ping.
    pong: Option<Bytes>,
    refused: VecDeque<Refusal>,
    closing: Option<Closing>,
    /// The close code of a broken transport, where it is not the cause's own.
    close_code: Option<u16>,
    /// The answer to the other side's farewell.
    farewell: Option<Bytes>,
    /// The last was said.
    ended: bool,
    /// Why this side has ended it, as it was said.
    parting: Option<Closing>,
}

impl Says {
    /// The last that is said.
    fn part(&mut self, closing: Closing, ticket: Option<Ticket>) -> Next {
        self.ended = true;
        self.parting = Some(closing.clone());
        Next::Say(ToDevice::Closing(closing), ticket)
    }
}

/// What is to be written next.
pub(super) enum Next {
    /// A frame of the transport itself.
    Raw(Bytes),
    /// Something for the device; a command comes with its ticket.
    Say(ToDevice, Option<Ticket>),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    End,
}

/// What has run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RanOut {
    /// No hello has come.
    Hello,
    /// A frame was begun and not finished.
    Frame,
    /// Nothing was heard for so many heartbeats.
    Heartbeats,
    /// What there is to say is not taken.
    Stuck,
    /// It was told that it ends, and has had its time.
    Lingers,
}

/// What a connection is, beside its session.
pub(super) struct Opens {
    pub(super) transport: DeviceTransport,
    pub(super) address: IpAddr,
    pub(super) secure: bool,
    pub(super) certificate: Option<Arc<str>>,
    pub(super) locale: Locale,
    pub(super) carrier: Carrier,
}

impl Live {
    pub(super) fn new(opens: Opens, now: Timestamp) -> Self {
        Self {
            transport: opens.transport,
            address: opens.address,
            secure: opens.secure,
            certificate: opens.certificate,
            locale: opens.locale,
            carrier: opens.carrier,
            opened_ms: now.0,
            heard_ms: AtomicI64::new(now.0),
            begun_ms: AtomicI64::new(0),
            stuck_ms: AtomicI64::new(0),
            ending_ms: AtomicI64::new(0),
            busy: AtomicBool::new(false),
            frames_heard: AtomicU64::new(0),
            frames_said: AtomicU64::new(0),
            session: OnceLock::new(),
            says: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// The device is let in.
    pub(super) fn begins(&self, session: Arc<DeviceSession>) {
        // There is one hello: the second is refused before it comes here.
        let _ = self.session.set(session);
        self.wake.notify_one();
    }

    pub(crate) fn session(&self) -> Option<&Arc<DeviceSession>> {
        self.session.get()
    }

    /// The epoch of the session; 0 while there is none.
    pub(super) fn epoch(&self) -> ConnectionEpoch {
        self.session()
            .map_or_else(ConnectionEpoch::default, |it| it.epoch)
    }

    /// Tells the device that something was refused.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let mut says = self.says.lock();
        if says.refused.len() < REFUSED_MAX {
            says.refused.push_back(refusal);
            self.wake.notify_one();
        }
    }

    /// Answers a ping: of several that were not answered yet the last, as RFC 6455 has it.
    pub(super) fn pong(&self, frame: Bytes) {
        self.says.lock().pong = Some(frame);
        self.wake.notify_one();
    }

    /// The other side says no more, and is answered so.
    pub(super) fn farewell(&self, frame: Bytes) {
        self.says.lock().farewell = Some(frame);
        self.wake.notify_one();
    }

    /// Ends the connection; the first cause counts.
    pub(super) fn close(&self, cause: CloseCause) {
        self.close_with(cause, None);
    }

    /// As [`Self::close`], with the close code of a broken transport.
    pub(super) fn close_with(&self, cause: CloseCause, close_code: Option<u16>) {
        let mut says = self.says.lock();
        if says.closing.is_none() {
            says.closing = Some(Closing::new(cause));
            says.close_code = close_code;
            self.wake.notify_one();
        }
    }

    /// Why the connection is to end, if this side wants it to.
    pub(super) fn closing(&self) -> Option<Closing> {
        let own = self.says.lock().closing.clone();
        own.or_else(|| self.session().and_then(|it| it.ending()))
    }

    /// The close code of a broken transport.
    pub(super) fn close_code(&self) -> Option<u16> {
        self.says.lock().close_code
    }

    /// What is to be written next, now that there is room for it.
    pub(super) fn next(&self) -> Next {
        let mut says = self.says.lock();
        if says.ended {
            return Next::End;
        }
        if let Some(pong) = says.pong.take() {
            return Next::Raw(pong);
        }
        if let Some(refusal) = says.refused.pop_front() {
            if says.refused.is_empty() {
                says.refused = VecDeque::new();
            }
            return Next::Say(ToDevice::Refused(refusal), None);
        }
        if let Some(farewell) = says.farewell.take() {
            says.ended = true;
            return Next::Raw(farewell);
        }
        if let Some(closing) = says.closing.clone() {
            return says.part(closing, None);
        }
        let Some(session) = self.session() else {
            return Next::Nothing;
        };
        match (session.take(), session.ending()) {
            (Some(taken), _) => match taken.frame {
                ToDevice::Closing(closing) => says.part(closing, Some(taken.ticket)),
                frame @ (ToDevice::Welcome(_)
                | ToDevice::Command(_)
                | ToDevice::Delta { .. }
                | ToDevice::Heartbeat { .. }
                | ToDevice::AuthUpdated { .. }
                | ToDevice::TokenExpiring { .. }
                | ToDevice::Refused(_)) => Next::Say(frame, Some(taken.ticket)),
            },
            (None, Some(closing)) => says.part(closing, None),
            (None, None) => Next::Nothing,
        }
    }

    /// Why this side has ended the connection; `None` if it has not.
    pub(super) fn parting(&self) -> Option<Closing> {
        let says = self.says.lock();
        says.parting.clone().or_else(|| says.closing.clone())
    }

    /// Completes when there may be something to write.
    pub(super) async fn wakes(&self) {
        let own = std::pin::pin!(self.wake.notified());
        match self.session() {
            Some(session) => {
                let theirs = std::pin::pin!(session.wakes());
                select(own, theirs).await;
            }
            None => own.await,
        }
    }

    /// Notes that something was read, and whether a frame is incomplete after it.
    pub(super) fn heard(&self, now: Timestamp, in_frame: bool) {
        self.heard_ms.store(now.0, Relaxed);
        if !in_frame {
            self.begun_ms.store(0, Relaxed);
        } else if self.begun_ms.load(Relaxed) == 0 {
            self.begun_ms.store(now.0, Relaxed);
        }
    }

    /// Nothing is read for a while because of us: no deadline of the other side runs.
    pub(super) fn busy(&self) {
        self.busy.store(true, Relaxed);
    }

    /// Reading goes on; what was sent meanwhile counts as heard.
    pub(super) fn reads_on(&self, now: Timestamp) {
        self.heard_ms.store(now.0, Relaxed);
        if self.begun_ms.load(Relaxed) != 0 {
            self.begun_ms.store(now.0, Relaxed);
        }
        self.busy.store(false, Relaxed);
    }

    pub(super) fn counts_heard(&self) {
        self.frames_heard.fetch_add(1, Relaxed);
    }

    pub(super) fn counts_said(&self) {
        self.frames_said.fetch_add(1, Relaxed);
    }

    /// Something waits for the line.
    pub(super) fn stuck(&self, now: Timestamp) {
        let _ = self.stuck_ms.compare_exchange(0, now.0, Relaxed, Relaxed);
    }

    /// The line has taken something.
    pub(super) fn moves(&self) {
        self.stuck_ms.store(0, Relaxed);
    }

    /// Ends the connection at once, whatever is under way.
    pub(super) fn abort(&self) {
        self.carrier.abort();
    }

    /// What has run out by now, if anything. `look_ms` is the time between two looks.
    pub(super) fn ran_out(&self, now: Timestamp, limits: &Limits, look_ms: u64) -> Option<RanOut> {
        let since = |ms: i64| now.ms_since(Timestamp(ms));
        if self.is_ending() {
            let noted = self.ending_ms.compare_exchange(0, now.0, Relaxed, Relaxed);
            let ending_ms = noted.map_or_else(since, |_| 0);
            // It was to end before this look, perhaps as long ago as the look before: it is not cut later than it must be.
            let patience_ms = limits.device_takeover_ms.saturating_sub(2 * look_ms);
            return (ending_ms >= patience_ms).then_some(RanOut::Lingers);
        }
        self.look_at_stream(now);
        let stuck = self.stuck_ms.load(Relaxed);
        if stuck != 0 && since(stuck) >= limits.slow_ms {
            return Some(RanOut::Stuck);
        }
        if self.busy.load(Relaxed) {
            return None;
        }
        if self.session().is_none() {
            return (since(self.opened_ms) >= limits.sign_in_ms).then_some(RanOut::Hello);
        }
        let begun = self.begun_ms.load(Relaxed);
        if begun != 0 && since(begun) >= limits.frame_ms {
            return Some(RanOut::Frame);
        }
        let silent_ms = limits
            .device_heartbeat_ms
            .saturating_mul(limits.device_heartbeats_missed);
        (self.silent_ms(now) >= silent_ms).then_some(RanOut::Heartbeats)
    }

    /// Of a stream nobody can see that it has no room but by what waits for it look after look.
    fn look_at_stream(&self, now: Timestamp) {
        match &self.carrier {
            Carrier::Socket(_) => {}
            Carrier::Stream(_) if self.waits() => self.stuck(now),
            Carrier::Stream(_) => self.moves(),
        }
    }

    /// Whether there is something to write.
    fn waits(&self) -> bool {
        let own = !self.says.lock().refused.is_empty();
        own || self
            .session()
            .is_some_and(|it| it.wakes().now_or_never().is_some())
    }

    fn is_ending(&self) -> bool {
        let says = self.says.lock();
        says.ended
            || says.closing.is_some()
            || says.farewell.is_some()
            || self.session().is_some_and(|it| it.ending().is_some())
    }

    /// For how long nothing was heard.
    pub(crate) fn silent_ms(&self, now: Timestamp) -> u64 {
        now.ms_since(Timestamp(self.heard_ms.load(Relaxed)))
    }

    /// Frames heard, and frames said.
    pub(crate) fn frames(&self) -> (u64, u64) {
        (self.frames_heard.load(Relaxed), self.frames_said.load(Relaxed))
    }

    /// Whether something waits to be written that the line does not take.
    pub(crate) fn stuck_for_ms(&self, now: Timestamp) -> Option<u64> {
        let stuck = self.stuck_ms.load(Relaxed);
        (stuck != 0).then(|| now.ms_since(Timestamp(stuck)))
    }
}
