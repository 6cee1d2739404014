//! A device's session: one accepted connection of one device, and what waits to be written to it.
//!
//! Invariant: whoever writes takes one frame at a time, and a command only if its deadline has not come at that moment; the
//! next command comes after the desk has heard that this one is written.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use bongsu_core::desk::{DeskInput, Pacing};
use bongsu_model::device::{CommandFrame, FromDevice, ToDevice, Welcome};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, CommandId, ConnectionEpoch, DeviceId, Jti, Refusal, SessionId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::outbox::{Delta, Outbox, Taken};
use crate::node::Node;

/// A device's session.
pub struct DeviceSession {
    /// Its identity.
    pub id: SessionId,
    /// Whose it is.
    pub device: DeviceId,
    /// Its connection epoch: everything sent to the device carries it.
    pub epoch: ConnectionEpoch,
    /// When it was accepted.
    pub since: Timestamp,
    /// Where it comes from, if known.
    pub address: Option<IpAddr>,
    node: Weak<Node>,
    pacing: Pacing,
    repeats: bool,
    state: Mutex<State>,
    wake: Notify,
    standing: Mutex<Standing>,
    left: AtomicBool,
    /// What waits for a desk that has its full load.
    words: Mutex<Option<JoinHandle<()>>>,
    heard_ms: AtomicI64,
    /// The device's clock less ours, in milliseconds; [`UNMEASURED`] until it has said its own.
    offset_ms: AtomicI64,
}

/// No clock can be off by this much.
const UNMEASURED: i64 = i64::MIN;

#[derive(Default)]
struct State {
    outbox: Outbox,
    ending: Option<Closing>,
}

/// By what a device is let in, and for how long.
#[derive(Clone, Default, Debug)]
pub(crate) struct Standing {
    /// The token's own id, if it has one.
    pub(crate) jti: Option<Jti>,
    /// When the token ends by its own word; `None` for what does not end.
    pub(crate) expires_at: Option<Timestamp>,
    /// From then on it is refused.
    pub(crate) refused_from: Option<Timestamp>,
    /// The device was told that its token ends soon.
    pub(crate) warned: bool,
}

/// A frame that is to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct Outgoing {
    /// What.
    pub frame: ToDevice,
    /// To be given back to [`DeviceSession::wrote`].
    pub ticket: Ticket,
}

/// What has been taken to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(Option<CommandId>);

/// What begins a session.
pub(super) struct Begins {
    pub(super) id: SessionId,
    pub(super) device: DeviceId,
    pub(super) epoch: ConnectionEpoch,
    pub(super) since: Timestamp,
    pub(super) address: Option<IpAddr>,
    pub(super) pacing: Pacing,
    /// Whether it knows a command again that it has had: to one that does not, nothing is written twice.
    pub(super) repeats: bool,
    pub(super) standing: Standing,
}

impl DeviceSession {
    pub(super) fn new(node: &Arc<Node>, begins: Begins) -> Arc<Self> {
        Arc::new(Self {
            id: begins.id,
            device: begins.device,
            epoch: begins.epoch,
            since: begins.since,
            address: begins.address,
            node: Arc::downgrade(node),
            pacing: begins.pacing,
            repeats: begins.repeats,
            state: Mutex::default(),
            wake: Notify::new(),
            standing: Mutex::new(begins.standing),
            left: AtomicBool::new(false),
            words: Mutex::default(),
            heard_ms: AtomicI64::new(begins.since.0),
            offset_ms: AtomicI64::new(UNMEASURED),
        })
    }

    /// The next frame to be written, now: answers first, then at most one command, whose deadline is looked at by the
    /// clock here. `None`: nothing waits, or nothing may be written yet.
    pub fn take(&self) -> Option<Outgoing> {
        let node = self.node.upgrade()?;
        loop {
            let taken = self.state.lock().outbox.take(node.ports.clock.now())?;
            match taken {
                Taken::Frame(frame) => {
                    return Some(Outgoing {
                        frame,
                        ticket: Ticket(None),
                    });
                }
                Taken::Command(frame) => {
                    node.counters.commands_written.bump();
                    return Some(Outgoing {
                        ticket: Ticket(Some(frame.command.id)),
                        frame: ToDevice::Command(frame),
                    });
                }
                Taken::Late(command) => {
                    node.counters.commands_late.bump();
                    self.late(&node, command);
                }
                Taken::Stale => {
                    let (node, device) = (Arc::clone(&node), self.device.clone());
                    tokio::spawn(async move { node.send_delta(&device).await });
                }
            }
        }
    }

    /// The frame was taken whole by the kernel, or by what stands for it.
    pub fn wrote(&self, ticket: Ticket) {
        let (Some(command), Some(node)) = (ticket.0, self.node.upgrade()) else {
            return;
        };
        let Some(attempt) = self.state.lock().outbox.wrote(command) else {
            return;
        };
        self.to_desk(
            &node,
            DeskInput::Wrote {
                device: self.device.clone(),
                epoch: self.epoch,
                command,
                attempt,
            },
        );
    }

    /// Completes when there may be something to take, or the session is over.
    pub async fn wakes(&self) {
        loop {
            let woken = self.wake.notified();
            {
                let state = self.state.lock();
                if state.outbox.waits() || state.ending.is_some() {
                    return;
                }
            }
            woken.await;
        }
    }

    /// Why the session is to end, once it is: what `take` still gives is written, then the connection is closed.
    pub fn ending(&self) -> Option<Closing> {
        self.state.lock().ending.clone()
    }

    /// Puts a frame where it waits for whoever writes. A device that has taken none of so many is ended as too slow.
    pub(crate) fn put(&self, frame: ToDevice) {
        let mut state = self.state.lock();
        if state.ending.is_some() {
            return;
        }
        let full = state.outbox.put(frame).is_err();
        drop(state);
        if full {
            self.end(CloseCause::Slow);
        }
        self.wake.notify_one();
    }

    /// Puts the welcome in, before anything else; what it says of the state holds until a moment.
    pub(super) fn welcome(&self, welcome: Box<Welcome>, until: Timestamp) {
        self.state.lock().outbox.put_welcome(welcome, until);
        self.wake.notify_one();
    }

    /// Puts a state where it waits: the newest counts.
    pub(super) fn put_delta(&self, delta: Delta) {
        let mut state = self.state.lock();
        if state.ending.is_none() {
            state.outbox.put_delta(delta);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Whether a state waits to be written.
    pub(super) fn has_delta(&self) -> bool {
        self.state.lock().outbox.has_delta()
    }

    /// Puts a command where it waits; there is room for one.
    pub(crate) fn offer(&self, frame: CommandFrame) {
        self.put(ToDevice::Command(frame));
    }

    /// Takes a command back that nobody has begun to write.
    pub(crate) fn withdraw(&self, command: CommandId) {
        let withdrawn = self.state.lock().outbox.withdraw(command);
        if let (true, Some(node)) = (withdrawn, self.node.upgrade()) {
            self.late(&node, command);
        }
    }

    /// Ends the session; the first cause counts. What waited is forgotten, commands with it: they belong to the desk.
    pub fn end(&self, cause: CloseCause) {
        let mut state = self.state.lock();
        if state.ending.is_some() {
            return;
        }
        let closing = Closing::new(cause);
        let half = state.outbox.end();
        // The outbox is empty: this fits.
        let _ = state.outbox.put(ToDevice::Closing(closing.clone()));
        state.ending = Some(closing);
        drop(state);
        if let (Some(command), Some(node)) = (half, self.node.upgrade()) {
            self.unwritten(&node, command);
        }
        self.wake.notify_one();
    }

    /// The connection is gone. Its commands wait for the next session; to be called once, and harmless if called again.
    pub async fn gone(self: &Arc<Self>) {
        self.end(CloseCause::Disconnected);
        let Some(node) = self.node.upgrade() else { return };
        if self.left.swap(true, Ordering::AcqRel) {
            return;
        }
        node.device_left(self).await;
    }

    /// When something was heard of the device last.
    #[must_use]
    pub fn heard_at(&self) -> Timestamp {
        Timestamp(self.heard_ms.load(Ordering::Relaxed))
    }

    /// The device's clock less ours in milliseconds, with the time of one way in it; `None` until it has said its own.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<i64> {
        Some(self.offset_ms.load(Ordering::Relaxed)).filter(|offset| *offset != UNMEASURED)
    }

    pub(crate) fn heard(&self, now: Timestamp) {
        self.heard_ms.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn says_clock(&self, clock: Timestamp, now: Timestamp) {
        let offset = clock.0.saturating_sub(now.0).max(UNMEASURED + 1);
        self.offset_ms.store(offset, Ordering::Relaxed);
    }

    pub(super) const fn repeats(&self) -> bool {
        self.repeats
    }

    pub(super) const fn pacing(&self) -> Pacing {
        self.pacing
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    pub(super) fn renew(&self, standing: Standing) {
        *self.standing.lock() = standing;
    }

    /// What is due of its token: told once that it ends soon, ended when it has.
    pub(super) fn token_due(&self, now: Timestamp, warning_ms: u64) {
        let mut standing = self.standing.lock();
        if standing.refused_from.is_some_and(|at| at <= now) {
            drop(standing);
            self.end(CloseCause::TokenExpired);
        } else if let Some(expires_at) = standing.expires_at
            && !standing.warned
            && expires_at <= now.plus_ms(warning_ms)
        {
            standing.warned = true;
            drop(standing);
            self.put(ToDevice::TokenExpiring { expires_at });
        }
    }

    fn late(&self, node: &Arc<Node>, command: CommandId) {
        self.to_desk(
            node,
            DeskInput::Late {
                device: self.device.clone(),
                epoch: self.epoch,
                command,
            },
        );
    }

    fn unwritten(&self, node: &Arc<Node>, command: CommandId) {
        self.to_desk(
            node,
            DeskInput::Unwritten {
                device: self.device.clone(),
                epoch: self.epoch,
                command,
            },
        );
    }

    /// Tells the desk without waiting: there is at most one command at a time to be told of, so that what must wait for a
    /// full desk is one task of one session.
    fn to_desk(&self, node: &Arc<Node>, input: DeskInput) {
        let mut words = self.words.lock();
        let before = words.take_if(|before| !before.is_finished());
        *words = node.devices.tell_desk(&self.device, input, before);
    }

    /// Waits until the desk has heard all that this session had to say.
    pub(super) async fn said(&self) {
        let words = self.words.lock().take();
        if let Some(words) = words {
            // A word that did not get through found no desk.
            let _ = words.await;
        }
    }
}

impl DeviceSession {
    /// Carries out one frame of the device. Waits while the store or the desk has its full load.
    ///
    /// # Errors
    /// The refusal that the device is to be told; [`super::ends_device_session`] says whether the session ends with it.
    pub async fn hear(self: &Arc<Self>, frame: FromDevice) -> Result<(), Refusal> {
        match self.node.upgrade() {
            Some(node) => node.device_says(self, frame).await,
            None => Ok(()),
        }
    }
}
