//! What a device says, on whatever transport: its hello first, then frame after frame, in order and at its rate.
//!
//! Invariant: what a device says of a command is carried out whatever its rate is; what comes too fast of what it measures
//! is dropped, and it is told so, once a second at most.

use std::sync::Arc;
use std::time::Duration;

use bongsu_model::device::{FromDevice, Hello};
use bongsu_model::refusal::{CloseCause, Malformed};
use bongsu_model::{Code, Fatal, Refusal, Timestamp, Why};
use bongsu_node::Node;
use bongsu_node::devices::{self, DeviceClaim, Pacing};

use super::live::Live;
use super::rate::Rate;

/// How often a device is told that it is too fast.
const TOLD_EVERY_MS: u64 = 1_000;

/// Hears one device.
pub(super) struct Ear {
    node: Arc<Node>,
    live: Arc<Live>,
    /// Until the hello has come.
    claim: Option<Box<DeviceClaim>>,
    pacing: Pacing,
    rate: Rate,
    told: Timestamp,
}

impl Ear {
    pub(super) fn new(node: &Arc<Node>, live: &Arc<Live>, claim: DeviceClaim, pacing: Pacing) -> Self {
        Self {
            node: Arc::clone(node),
            live: Arc::clone(live),
            claim: Some(Box::new(claim)),
            pacing,
            rate: Rate::default(),
            told: Timestamp(i64::MIN),
        }
    }

    pub(super) const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// A frame has something wrong in it. It waits for its turn as one that has not.
    pub(super) async fn wrong(&mut self, refusal: Refusal) {
        self.node.counters.refused(refusal.code);
        // Whoever has not come in has nothing to say but its hello, and that was it.
        if self.live.session().is_none() {
            self.live.close(CloseCause::Refused(refusal));
            return;
        }
        self.live.refuse(refusal);
        self.turn().await;
    }

    /// The stream makes no sense any more.
    pub(super) fn broken(&self, fatal: Fatal) {
        let cause = CloseCause::Refused(fatal.refusal);
        self.live.close_with(cause, fatal.close_code);
    }

    /// Carries out one frame.
    pub(super) async fn hear(&mut self, frame: FromDevice) {
        self.live.counts_heard();
        match (self.claim.take(), frame) {
            (Some(claim), FromDevice::Hello(hello)) => self.hello(*claim, *hello).await,
            (None, FromDevice::Hello(_)) | (Some(_), _) => {
                let what = Malformed::Hello;
                self.live.close(CloseCause::Refused(Refusal {
                    why: Why::Malformed { offset: 0, what },
                    ..Refusal::new(Code::InvalidData)
                }));
            }
            (None, frame) => self.says(frame).await,
        }
    }

    async fn hello(&mut self, claim: DeviceClaim, hello: Hello) {
        match self.node.device_hello(claim, hello, self.pacing).await {
            Ok(session) => self.live.begins(session),
            Err(refusal) => {
                self.node.counters.refused(refusal.code);
                self.live.close(CloseCause::Refused(refusal));
            }
        }
    }

    async fn says(&mut self, frame: FromDevice) {
        let Some(session) = self.live.session().cloned() else {
            return;
        };
        if !self.in_turn(&frame).await {
            return;
        }
        if let Err(refusal) = self.node.device_says(&session, frame).await {
            self.node.counters.refused(refusal.code);
            if !devices::ends_device_session(&refusal) {
                self.live.refuse(refusal);
            } else if session.ending().is_none() {
                self.live.close(CloseCause::Refused(refusal));
            }
        }
    }

    /// Whether a frame is carried out: waits for its turn if it is one that must be, but for words, which never wait.
    async fn in_turn(&mut self, frame: &FromDevice) -> bool {
        let limits = &self.node.ports.limits;
        match frame {
            FromDevice::Word(_) => {
                self.rate.charge(self.node.now(), limits);
                true
            }
            FromDevice::Telemetry(_) => match self.rate.take(self.node.now(), limits) {
                Ok(()) => true,
                Err(wait_ms) => {
                    self.too_fast(wait_ms);
                    false
                }
            },
            FromDevice::Heartbeat { .. }
            | FromDevice::Reported { .. }
            | FromDevice::AuthUpdate { .. }
            | FromDevice::Hello(_) => {
                self.turn().await;
                true
            }
        }
    }

    async fn turn(&mut self) {
        while let Err(wait_ms) = self.rate.take(self.node.now(), &self.node.ports.limits) {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    fn too_fast(&mut self, wait_ms: u64) {
        let now = self.node.now();
        self.node.counters.refused(Code::RateLimited);
        if self.told.plus_ms(TOLD_EVERY_MS) <= now {
            self.told = now;
            self.live.refuse(Refusal::retry(Code::RateLimited, wait_ms));
        }
    }
}
