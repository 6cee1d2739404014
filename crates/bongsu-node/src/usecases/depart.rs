//! Clients are sent elsewhere: all of them when the node stops or drains, some when it is to have fewer.
//!
//! Invariant: each is told its own moment to come back, and ended only after it; who is in a call, waits for an answer or is
//! being given a command is ended last. What an operator has taken back ends nobody any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bongsu_core::cluster::Standing;
use bongsu_model::cluster::NodeState;
use bongsu_model::device::CommandState;
use bongsu_model::event::Lane;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Code, DeviceId, Notice, Refusal, SessionId, Timestamp};
use parking_lot::Mutex;

use crate::devices::DeviceSession;
use crate::node::Node;
use crate::session::Session;

/// Nobody is told to come back earlier: another node has to be found.
const FIRST_MS: u64 = 1_000;
/// How far apart the clients are told to come back, at most; small nodes need less.
const SPREAD_MS_MAX: u64 = 30_000;
/// One client more spreads the return by this much.
const SPREAD_MS_EACH: u64 = 2;
/// Who has not gone so long after its moment is ended.
const LATE_MS: u64 = 500;
/// Who was ended has so long to read that it was.
const TAKEN_MS: u64 = 5_000;
/// How often it is looked whether all have gone.
const LOOK: Duration = Duration::from_millis(20);
/// How often it is looked whether one who was busy still is.
const LOOK_AGAIN_MS: u64 = 200;
/// When one who is let in nowhere here finds another node.
const ELSEWHERE_MS: u64 = 1_000;
/// When, at the latest, it may find the next start of this one.
const ALONE_MS: u64 = 10_000;

/// What operators have asked of this node about its clients.
#[derive(Default)]
pub(crate) struct Departures {
    drains: AtomicBool,
    /// Grows with each word about draining, so that what an earlier one began ends.
    drain_turn: AtomicU64,
    /// The same of shedding.
    shed_turn: AtomicU64,
    asked: Mutex<Asked>,
}

/// What is to be begun: the last word of each kind.
#[derive(Default)]
struct Asked {
    drain: Option<Drain>,
    shed: Option<Shed>,
}

#[derive(Clone, Copy)]
struct Drain {
    turn: u64,
    on: bool,
    timeout_ms: u64,
}

#[derive(Clone, Copy)]
struct Shed {
    turn: u64,
    sessions: u64,
    per_s: u64,
}

/// One who is to go.
#[derive(Clone)]
enum Leaver {
    Session(Arc<Session>),
    Device(Arc<DeviceSession>),
    /// One that was ended, and may not have taken it.
    Ended(Arc<Session>),
}

/// Those who were told to go, by when they are ended.
#[derive(Default)]
struct Leaving {
    by_moment: BTreeMap<(Timestamp, u64), Leaver>,
    last: u64,
}

impl Leaving {
    fn add(&mut self, at: Timestamp, leaver: Leaver) {
        self.last += 1;
        self.by_moment.insert((at, self.last), leaver);
    }

    /// Those whose moment has come.
    fn due(&mut self, now: Timestamp) -> Vec<Leaver> {
        let later = self.by_moment.split_off(&(Timestamp(now.0.saturating_add(1)), 0));
        std::mem::replace(&mut self.by_moment, later)
            .into_values()
            .collect()
    }
}

impl Leaver {
    fn end(&self, node: &Node) {
        match self {
            Self::Session(session) => session.end(&node.ports, CloseCause::ShuttingDown),
            Self::Device(session) => session.end(CloseCause::ShuttingDown),
            // Who reads no more holds nobody up.
            Self::Ended(session) => session.displaced(),
        }
    }

    /// Whether something would be lost that ends by itself soon.
    async fn is_busy(&self, node: &Arc<Node>, in_calls: &HashSet<SessionId>) -> bool {
        match self {
            Self::Session(session) => session.is_served() || in_calls.contains(&session.id),
            Self::Device(session) => {
                let open = node.ports.store.open_commands(session.device.clone()).await;
                // One that the device has is gone on with on any node.
                let under_way = |state| matches!(state, CommandState::Routed | CommandState::Written);
                node.healthy(open)
                    .is_some_and(|open| open.iter().any(|command| under_way(command.state)))
            }
            Self::Ended(_) => false,
        }
    }
}

impl Node {
    /// Whether nobody new is let in: the node stops, or drains.
    #[must_use]
    pub fn takes_nobody(&self) -> bool {
        self.is_stopping() || self.departures.drains.load(Ordering::Acquire)
    }

    /// Whether somebody new is let in.
    ///
    /// # Errors
    /// `SHUTTING_DOWN`, with the time after which another node, or the next start of this one, is found.
    pub(crate) fn lets_in(&self) -> Result<(), Refusal> {
        if !self.takes_nobody() {
            return Ok(());
        }
        let alone_ms = self.ports.limits.drain_ms.min(ALONE_MS);
        let retry_ms = self.elsewhere().map_or(alone_ms, |_| ELSEWHERE_MS);
        Err(Refusal::retry(Code::ShuttingDown, retry_ms))
    }

    /// The address of another node that lets clients in; of several, any.
    pub(crate) fn elsewhere(&self) -> Option<Arc<str>> {
        let presence = self.others.presence.lock();
        let serving = presence.others.nodes().filter_map(|(beat, standing, _)| {
            let serves = standing == Standing::Live && beat.state == NodeState::Serving;
            beat.address.as_ref().filter(|_| serves)
        });
        let addresses: Vec<&Arc<str>> = serving.collect();
        let index = self.ports.number() % (addresses.len() as u64).max(1);
        addresses
            .get(usize::try_from(index).ok()?)
            .map(|it| Arc::clone(it))
    }

    /// From now on nobody new is let in, and who is here is sent elsewhere; or all of that is over.
    pub(crate) fn drain_here(&self, on: bool, timeout_ms: Option<u64>) {
        let departures = &self.departures;
        let turn = departures.drain_turn.fetch_add(1, Ordering::AcqRel) + 1;
        departures.drains.store(on, Ordering::Release);
        let timeout_ms = timeout_ms.unwrap_or(self.ports.limits.drain_ms);
        departures.asked.lock().drain = Some(Drain { turn, on, timeout_ms });
        tracing::info!(
            on,
            timeout_ms,
            "an operator has the node drained, or not any more"
        );
    }

    /// Some of who is here are sent elsewhere, so many each second.
    pub(crate) fn shed_here(&self, sessions: u64, per_s: u64) {
        let turn = self.departures.shed_turn.fetch_add(1, Ordering::AcqRel) + 1;
        self.departures.asked.lock().shed = Some(Shed {
            turn,
            sessions,
            per_s,
        });
        tracing::info!(sessions, per_s, "an operator has clients sent elsewhere");
    }

    /// Begins what operators have asked for.
    pub(crate) async fn departures_due(self: &Arc<Self>) {
        let asked = std::mem::take(&mut *self.departures.asked.lock());
        if let Some(drain) = asked.drain {
            // Others send nobody here any more, or again.
            self.tell_beat().await;
            if drain.on {
                let node = Arc::clone(self);
                let stands = move |node: &Self| {
                    !node.is_stopping() && node.departures.drain_turn.load(Ordering::Acquire) == drain.turn
                };
                tokio::spawn(async move { node.send_all_away(drain.timeout_ms, stands).await });
            }
        }
        if let Some(shed) = asked.shed {
            let node = Arc::clone(self);
            tokio::spawn(async move { node.send_some_away(shed).await });
        }
    }

    /// Tells everyone when to come back, ends each after its moment, and the rest when the patience is over. Returns then,
    /// when it does not stand any more, or when the node stops and nobody is left.
    pub(crate) async fn send_all_away(self: &Arc<Self>, patience_ms: u64, stands: impl Fn(&Self) -> bool) {
        let began = self.now();
        let over = began.plus_ms(patience_ms);
        let mut leaving = self.tell_all(began, patience_ms);
        while stands(self) {
            let now = self.now();
            if now >= over {
                self.end_all();
                return;
            }
            self.end_due(&mut leaving, now).await;
            // Whoever comes in at the last moment is ended at the end of the patience.
            if self.is_stopping() && self.is_idle() && self.devices.len() == 0 {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tell_all(&self, now: Timestamp, patience_ms: u64) -> Leaving {
        let (sessions, devices) = (self.registry.all(|_| true), self.devices.all());
        let count = (sessions.len() + devices.len()) as u64;
        // Within the patience, so that each has its own moment before it is over.
        let most_ms = SPREAD_MS_MAX.min(patience_ms.saturating_sub(FIRST_MS + LATE_MS));
        let spread_ms = (count * SPREAD_MS_EACH).min(most_ms).max(1);
        let mut leaving = Leaving::default();
        for session in sessions {
            let at = self.tell_to_go(&session, now, spread_ms);
            leaving.add(at, Leaver::Session(session));
        }
        let displays: HashMap<DeviceId, u64> = self.tell_displays_to_come_back();
        for session in devices {
            let told_ms = displays.get(&session.device).copied();
            // Others are told nothing before their end.
            let after_ms = told_ms.map_or_else(|| self.ports.number() % spread_ms, |ms| ms + LATE_MS);
            leaving.add(now.plus_ms(after_ms), Leaver::Device(session));
        }
        leaving
    }

    /// Tells a session when to come back; when it is ended if it does not go.
    fn tell_to_go(&self, session: &Session, now: Timestamp, spread_ms: u64) -> Timestamp {
        let reconnect_after_ms = FIRST_MS + self.ports.number() % spread_ms;
        let notice = Notice::Shutdown {
            reconnect_after_ms,
            elsewhere: self.elsewhere(),
        };
        session.notice(&self.ports, Lane::Control, &notice);
        now.plus_ms(reconnect_after_ms + LATE_MS)
    }

    async fn end_due(self: &Arc<Self>, leaving: &mut Leaving, now: Timestamp) {
        let due = leaving.due(now);
        if due.is_empty() {
            return;
        }
        let in_calls = self.in_calls();
        for leaver in due {
            if leaver.is_busy(self, &in_calls).await {
                leaving.add(now.plus_ms(LOOK_AGAIN_MS), leaver);
                continue;
            }
            leaver.end(self);
            if let Leaver::Session(session) = leaver {
                leaving.add(now.plus_ms(TAKEN_MS), Leaver::Ended(session));
            }
        }
    }

    /// The sessions that are in a call.
    fn in_calls(&self) -> HashSet<SessionId> {
        let calls = self.calls.lock();
        let calls = calls.after(None, usize::MAX).into_iter();
        calls
            .flat_map(|call| call.peers().iter().filter_map(|peer| peer.session()))
            .collect()
    }

    fn end_all(&self) {
        for session in self.registry.all(|_| true) {
            session.end(&self.ports, CloseCause::ShuttingDown);
        }
        self.stop_devices();
    }

    /// Sends so many elsewhere, those who are busy last.
    async fn send_some_away(self: &Arc<Self>, shed: Shed) {
        let began = self.now();
        let mut waiting = self.chosen(shed.sessions);
        let mut leaving = Leaving::default();
        let mut told = 0;
        let stands = |node: &Self| {
            !node.takes_nobody() && node.departures.shed_turn.load(Ordering::Acquire) == shed.turn
        };
        while stands(self) && !(waiting.is_empty() && leaving.by_moment.is_empty()) {
            let now = self.now();
            // One at once, then as many as fit.
            let by_now = 1 + u128::from(shed.per_s) * u128::from(now.ms_since(began)) / 1_000;
            while told < by_now
                && let Some(leaver) = waiting.pop()
            {
                told += 1;
                let at = match &leaver {
                    Leaver::Session(session) => self.tell_to_go(session, now, FIRST_MS),
                    Leaver::Device(_) | Leaver::Ended(_) => now,
                };
                leaving.add(at, leaver);
            }
            self.end_due(&mut leaving, now).await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Any so many of who is here; the last is to go first.
    fn chosen(&self, count: u64) -> Vec<Leaver> {
        let in_calls = self.in_calls();
        let sessions = self.registry.all(|_| true).into_iter().map(Leaver::Session);
        let all = sessions.chain(self.devices.all().into_iter().map(Leaver::Device));
        let mut drawn: Vec<(bool, u64, Leaver)> = all
            .map(|leaver| {
                let stays = matches!(&leaver, Leaver::Session(it) if in_calls.contains(&it.id));
                (stays, self.ports.number(), leaver)
            })
            .collect();
        drawn.sort_unstable_by_key(|(stays, lot, _)| (*stays, *lot));
        drawn.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        drawn.into_iter().rev().map(|(_, _, leaver)| leaver).collect()
    }

    /// Whether nobody is signed in and nobody waits for a command.
    pub(crate) fn is_idle(&self) -> bool {
        self.registry.len() == 0 && !self.recoverable.any_leaves() && self.devices.callers() == 0
    }
}
