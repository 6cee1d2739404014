//! Commands: each ends once and in time, is begun once at most and never late, and is what it is said to be.
//!
//! Invariant: what the store has in the end is compared with what devices did and what callers were told.

use std::collections::{BTreeMap, BTreeSet};

use super::Here;
use super::healing::Healing;
use super::line::{Event, Kept, State, Status};
use super::verdict::{At, Broken, Verdict};

/// How long after the last moment a command may take to have ended: a sweeper's turn.
const SWEEP_MS: i64 = 5_000;

/// What is known of a command but what the store says.
#[derive(Default)]
struct Seen {
    /// When a device began it, by the gateway's clock.
    starts: Vec<(i64, At)>,
    /// What a device said in the end.
    results: Vec<(Status, At)>,
    /// What callers were told that it ended as.
    ends: Vec<(State, At)>,
    accepted: Option<At>,
}

struct Row {
    kept: Kept,
    at: At,
}

/// All commands.
#[derive(Default)]
pub(super) struct Commands {
    seen: BTreeMap<String, Seen>,
    rows: BTreeMap<String, Row>,
    /// What callers asked for, by their keys.
    asked: BTreeSet<String>,
    /// What was accepted under a key.
    keys: BTreeMap<String, (String, At)>,
}

impl Commands {
    pub(super) fn take(&mut self, here: Here, event: Event<'_>, verdict: &mut Verdict) {
        if let Event::Ask { key } = event {
            self.asked.insert(key.into_owned());
        } else if let Event::Accepted { key, command } = event {
            self.accepted(here, &key, &command, verdict);
        } else if let Event::Refused { code, key } = event {
            let code = code.to_ascii_uppercase();
            if code.is_empty() || code == "INTERNAL_ERROR" {
                verdict.found_about(Broken::NoCause { code }, &[here.at], Some(&key));
            }
        } else if let Event::DeviceStart { command, device_time } = event {
            self.seen(&command).starts.push((device_time, here.at));
            verdict.looked.begun += 1;
        } else if let Event::DeviceResult { command, status } = event {
            self.seen(&command).results.push((status, here.at));
        } else if let Event::Terminal { command, state } = event {
            self.seen(&command).ends.push((state, here.at));
        } else if let Event::Command { id, kept } = event {
            self.rows.insert(id.into_owned(), Row { kept, at: here.at });
        }
    }

    fn seen(&mut self, command: &str) -> &mut Seen {
        if !self.seen.contains_key(command) {
            self.seen.insert(command.to_owned(), Seen::default());
        }
        self.seen.entry(command.to_owned()).or_default()
    }

    fn accepted(&mut self, here: Here, key: &str, command: &str, verdict: &mut Verdict) {
        self.seen(command).accepted.get_or_insert(here.at);
        match self.keys.get(key) {
            Some((first, at)) if first != command => {
                verdict.found_about(Broken::TwoOfAKey, &[here.at, *at], Some(key));
            }
            Some(_) => {}
            None => {
                self.keys.insert(key.to_owned(), (command.to_owned(), here.at));
            }
        }
    }

    /// Compares all of it, once everything has been read.
    pub(super) fn settle(&self, healing: &Healing, verdict: &mut Verdict) {
        verdict.looked.commands = self.rows.len() as u64;
        for (id, seen) in &self.seen {
            if self.rows.contains_key(id) {
                continue;
            }
            if let Some(at) = seen.accepted {
                verdict.found_about(Broken::NoCommand { what: "accepted" }, &[at], Some(id));
            }
            if let Some((_, at)) = seen.starts.first() {
                verdict.found_about(Broken::NoCommand { what: "begun" }, &[*at], Some(id));
            }
        }
        for (key, (_, at)) in &self.keys {
            if !self.asked.contains(key) {
                verdict.found_about(Broken::Unasked, &[*at], Some(key));
            }
        }
        let nothing = Seen::default();
        for (id, row) in &self.rows {
            let seen = self.seen.get(id).unwrap_or(&nothing);
            let judged = Judged { id, row, seen };
            judged.ended(verdict);
            judged.in_time(healing, verdict);
            judged.begun(verdict);
            judged.true_to(verdict);
        }
    }
}

/// One command, from all sides.
struct Judged<'a> {
    id: &'a str,
    row: &'a Row,
    seen: &'a Seen,
}

impl Judged<'_> {
    fn found(&self, broken: Broken, lines: &[At], verdict: &mut Verdict) {
        verdict.found_about(broken, lines, Some(self.id));
    }

    /// It has ended, as one thing, whoever looks.
    fn ended(&self, verdict: &mut Verdict) {
        let Row { kept, at } = self.row;
        if !kept.state.is_terminal() {
            return self.found(Broken::Open { state: kept.state }, &[*at], verdict);
        }
        let ends = kept.steps.iter().map(|step| (step.state, *at));
        for (then, shown) in ends
            .filter(|(state, _)| state.is_terminal())
            .chain(self.seen.ends.iter().copied())
        {
            if then != kept.state {
                let broken = Broken::TwoEnds {
                    first: kept.state,
                    then,
                };
                self.found(broken, &[shown, *at], verdict);
            }
        }
    }

    fn in_time(&self, healing: &Healing, verdict: &mut Verdict) {
        let Row { kept, at } = self.row;
        let Some(ended_at) = kept.ended_at else { return };
        let due = healing.due(kept.not_after.max(kept.accepted_at) + kept.execution_ms + SWEEP_MS);
        if ended_at > due {
            let broken = Broken::EndedLate {
                late_ms: ended_at - due,
            };
            self.found(broken, &[*at], verdict);
        }
    }

    fn begun(&self, verdict: &mut Verdict) {
        let Row { kept, at } = self.row;
        for (nth, (device_time, shown)) in self.seen.starts.iter().enumerate() {
            if nth > 0 {
                let broken = Broken::BegunTwice;
                self.found(broken, &[*shown, self.seen.starts[0].1], verdict);
            }
            let late_ms = device_time - kept.not_after;
            if late_ms > 0 {
                self.found(Broken::BegunLate { late_ms }, &[*shown, *at], verdict);
            }
        }
    }

    /// What is said to have been done was begun and said to be done; what is said not to have been done was not begun.
    fn true_to(&self, verdict: &mut Verdict) {
        let Row { kept, at } = self.row;
        let begun = !self.seen.starts.is_empty();
        let said = |status| self.seen.results.iter().any(|(said, _)| *said == status);
        let (untrue, unsaid) = match kept.state {
            State::Succeeded => (!begun, !said(Status::Ok)),
            State::Failed => (!begun, !said(Status::Failed)),
            State::Rejected => (begun, !said(Status::Rejected)),
            State::Expired | State::Offline => (begun, false),
            State::Superseded => (begun && !kept.maybe_written, false),
            State::Accepted
            | State::Routed
            | State::Written
            | State::Received
            | State::InProgress
            | State::TimedOut
            | State::Cancelled => (false, false),
        };
        let shown = self.seen.starts.first().map_or(*at, |(_, at)| *at);
        if untrue {
            self.found(
                Broken::Untrue {
                    state: kept.state,
                    begun,
                },
                &[*at, shown],
                verdict,
            );
        } else if unsaid {
            self.found(Broken::Unsaid { state: kept.state }, &[*at, shown], verdict);
        }
    }
}
