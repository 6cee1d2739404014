//! Faults, and what comes after the last of them: everybody is back soon, and what is sent is acknowledged soon.
//!
//! Invariant: what happens before the last fault has healed is not timed; a history without faults is timed from its
//! beginning.

use std::collections::BTreeMap;

use super::line::{Event, Micros};
use super::posts::Posts;
use super::verdict::{At, Broken, Verdict};
use super::{Clients, Here, Mark};

/// A new message is acknowledged within this time.
const ACK_MS: i64 = 5_000;
/// Clients are back within this time, but for one in a hundred.
const BACK_MS: i64 = 30_000;
/// After a fault nodes take so long to believe that another one is gone.
const LEASE_MS: i64 = 20_000;

/// Refusals after which a client tries again.
const LATER: [&str; 4] = ["OVERLOADED", "SHUTTING_DOWN", "RATE_LIMITED", "INTERNAL_ERROR"];

/// When there were faults.
#[derive(Default)]
pub(super) struct Healing {
    /// Those that last, since when by the wall clock.
    open: BTreeMap<String, i64>,
    /// Those that are over, from when to when.
    over: Vec<(i64, i64)>,
    healed: Option<Micros>,
}

impl Healing {
    pub(super) fn begins(&mut self, what: &str, at: i64, verdict: &mut Verdict) {
        verdict.looked.faults += 1;
        self.open.insert(what.to_owned(), at);
    }

    pub(super) fn ends(&mut self, here: Here, what: &str, at: i64) {
        self.healed = Some(self.healed.map_or(here.t, |healed| healed.max(here.t)));
        let began = self.open.remove(what).unwrap_or(at);
        self.over.push((began, at));
    }

    pub(super) fn settle(&mut self) {
        self.over.sort_unstable();
    }

    /// The moment by which something must have happened that was due at `due_ms`, if it had to wait for faults.
    pub(super) fn due(&self, due_ms: i64) -> i64 {
        let mut due_ms = due_ms;
        for (begin, end) in &self.over {
            if *begin <= due_ms && due_ms <= end + LEASE_MS {
                due_ms = due_ms.max(end + LEASE_MS);
            }
        }
        due_ms
    }

    pub(super) fn watch(&self) -> Watch {
        Watch {
            healed: self.healed.unwrap_or(Micros::MIN),
            clients: BTreeMap::new(),
            back: Vec::new(),
            acknowledged: 0,
        }
    }
}

/// A client after the last fault.
#[derive(Default)]
struct Client {
    at: Option<At>,
    rests: bool,
    closed: Option<Micros>,
    /// Messages that wait for their acknowledgement since when.
    waiting: BTreeMap<Mark, (Micros, At)>,
}

/// What is timed in the second reading.
pub(super) struct Watch {
    healed: Micros,
    clients: BTreeMap<u32, Client>,
    /// How long each client took to be back.
    back: Vec<(i64, At)>,
    acknowledged: u64,
}

impl Watch {
    pub(super) fn take(&mut self, here: Here, event: &Event<'_>, posts: &Posts, verdict: &mut Verdict) {
        if matches!(event, Event::Connect { .. } | Event::Close | Event::Rest) {
            self.coming(here, event, verdict);
        } else if let Event::Send { key, .. } = event {
            let first = posts.by_key(here.user, key);
            if here.t > self.healed && first.is_some_and(|sent| sent.at == here.at) {
                let client = self.clients.entry(here.client).or_default();
                client.waiting.insert(Mark::of(key), (here.t, here.at));
            }
        } else if let Event::Nack { key, code } = event {
            // What is refused for good is not sent again.
            if !LATER.contains(&code.to_ascii_uppercase().as_str()) {
                let client = self.clients.entry(here.client).or_default();
                client.waiting.remove(&Mark::of(key));
            }
        } else if let Event::Ack { key, .. } = event {
            let client = self.clients.entry(here.client).or_default();
            if let Some((since, at)) = client.waiting.remove(&Mark::of(key)) {
                self.acknowledged += 1;
                slow((here.t - since) / 1_000, &[at, here.at], verdict);
            }
        }
    }

    fn coming(&mut self, here: Here, event: &Event<'_>, verdict: &mut Verdict) {
        let client = self.clients.entry(here.client).or_default();
        if matches!(event, Event::Connect { .. }) {
            client.at = Some(here.at);
            if let Some(closed) = client.closed.take()
                && here.t > self.healed
            {
                let waited_ms = (here.t - closed.max(self.healed)) / 1_000;
                self.back.push((waited_ms, here.at));
            }
            return;
        }
        let waiting = std::mem::take(&mut client.waiting);
        if matches!(event, Event::Close) {
            // Whoever loses its connection has to come back first, so what it had sent is not timed.
            client.closed = Some(here.t);
            return;
        }
        client.rests = true;
        for (since, at) in waiting.into_values() {
            slow((here.t - since) / 1_000, &[at, here.at], verdict);
        }
    }

    pub(super) fn settle(mut self, clients: &Clients, verdict: &mut Verdict) {
        if self.acknowledged == 0 && verdict.looked.acknowledged > 0 {
            verdict.found(Broken::Silent, &[]);
        }
        for (number, client) in &self.clients {
            if let Some(at) = client.at
                && !client.rests
            {
                verdict.found_about(Broken::NeverBack, &[at], clients.name(*number));
            }
        }
        self.back.sort_by_key(|(waited_ms, _)| *waited_ms);
        let Some(last) = self.back.len().checked_sub(1) else {
            return;
        };
        let (waited_ms, at) = self.back[last * 99 / 100];
        if waited_ms > BACK_MS {
            verdict.found(
                Broken::BackLate {
                    per_cent: 99,
                    waited_ms,
                },
                &[at],
            );
        }
    }
}

fn slow(waited_ms: i64, lines: &[At], verdict: &mut Verdict) {
    if waited_ms > ACK_MS {
        verdict.found(Broken::Slow { waited_ms }, lines);
    }
}
