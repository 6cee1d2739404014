//! Runs a device: one loop over its link, its commands, its journal and the time.
//!
//! Invariant: effects are carried out in their order, and nothing else happens while the journal is being written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::device::{CommandId, Object, Value};
use bongsu_model::{Limits, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};

use super::builder::Plan;
use super::call::{Call, Failure, answer};
use super::line::{Line, Turn};
use super::{Advice, Handle, Happening, Shared, Stopped};
use crate::backoff::Backoff;
use crate::journal::{Answer, Journal, JournalFault, Record};
use crate::link::{Came, NotOpened, chance};
use crate::session::{Begin, Effect, Event};

/// With nothing to wait for, the loop looks around so often.
const LOOK_MS: u64 = 60_000;
/// So many answers after the last look, what is long past is forgotten.
const FORGET_EVERY: u32 = 256;

/// What a task of the device is for.
enum Job {
    Command(CommandId),
    Wish(u64),
    Renewal,
}

/// With what it ended.
enum Ended {
    Command(Result<Value, Failure>),
    Wish,
    Renewal(Option<String>),
}

struct Running {
    plan: Plan,
    journal: Option<Journal>,
    shared: Arc<Shared>,
    line: Line,
    effects: VecDeque<Effect>,
    tasks: JoinSet<Ended>,
    jobs: BTreeMap<Id, Job>,
    /// The latest wish, while the application is about an older one.
    wish: Option<(u64, Object)>,
    backoff: Backoff,
    welcomed: Option<Timestamp>,
    advice: Advice,
    /// Whether a new token was asked for since the gateway last let the device in.
    renewed: bool,
    answers: u32,
    stopped: Option<Stopped>,
}

/// See [`super::Device::run`].
pub(super) async fn run(plan: Plan, journal: Option<Journal>, shared: Arc<Shared>) -> Stopped {
    let mut running = Running {
        line: Line::resting(Duration::ZERO),
        plan,
        journal,
        shared,
        effects: VecDeque::new(),
        tasks: JoinSet::new(),
        jobs: BTreeMap::new(),
        wish: None,
        backoff: Backoff::default(),
        welcomed: None,
        advice: Advice::default(),
        renewed: false,
        answers: 0,
        stopped: None,
    };
    running.end_interrupted().await;
    loop {
        running.work_off().await;
        if let Some(stopped) = running.stopped.take() {
            if let Line::Up(link) = running.line {
                link.close().await;
            }
            return stopped;
        }
        running.write();
        running.wait().await;
    }
}

impl Running {
    /// What was begun when the process ended is answered before anything new is heard.
    async fn end_interrupted(&mut self) {
        let interrupted: Vec<_> = self.shared.session.lock().ledger().running().collect();
        for one in interrupted {
            let id = one.id;
            let answer = (self.plan.interrupted)(one).await;
            self.end(id, answer);
        }
    }

    async fn wait(&mut self) {
        let now = self.shared.own.now();
        let writable = self.line.is_writable();
        let due = self.shared.session.lock().next_deadline(writable);
        let wait_ms = due.map_or(LOOK_MS, |due| due.ms_since(now)).min(LOOK_MS);
        let Self {
            line, tasks, shared, ..
        } = self;
        tokio::select! {
            turn = line.next() => self.turned(turn),
            Some(done) = tasks.join_next_with_id() => self.done(done),
            () = shared.wake.notified() => self.asked(),
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {
                let now = self.shared.own.now();
                let mut out = Vec::new();
                self.shared.session.lock().tick(now, &mut out);
                self.effects.extend(out);
            }
        }
    }

    fn write(&mut self) {
        if self.line.is_writable() {
            let now = self.shared.own.now();
            let frame = self.shared.session.lock().next_frame(now);
            if let Some(frame) = frame {
                self.line.write(&self.plan, &frame);
            }
        }
    }

    fn turned(&mut self, turn: Turn) {
        match turn {
            Turn::Rested => {
                (self.plan.happening)(Happening::Dials);
                let token = self.shared.token.lock().clone();
                self.line = Line::dialing(&self.plan, token);
            }
            Turn::Opened(link) => {
                self.shared.session.lock().opened(self.shared.own.now());
                self.line = Line::Up(link);
            }
            Turn::NotOpened(fault) => self.not_opened(&fault),
            Turn::Came(Came::Text(text)) => self.heard(text.as_bytes()),
            Turn::Came(Came::Bytes(bytes)) => self.heard(&bytes),
            Turn::Came(Came::Written) => {}
            Turn::Came(Came::Farewell { code, reason }) => {
                // The last message, if there was one, has said more.
                if self.advice.close_code == 0 {
                    self.advice = Advice::of_close(code, &reason);
                }
                self.lost(format!("the gateway closed with {code} {reason}"));
            }
            Turn::Broken(fault) => self.lost(said(&fault)),
        }
    }

    fn not_opened(&mut self, fault: &NotOpened) {
        if let Some(status @ (401 | 403)) = fault.status()
            && !self.start_renewal()
        {
            self.stop(Stopped::NotLetIn(status));
            return;
        }
        self.rest(said(fault), &Advice::default());
    }

    /// Reads a message of the gateway.
    fn heard(&mut self, message: &[u8]) {
        let now = self.shared.own.now();
        match self.plan.format.told(message, &Limits::DEFAULT) {
            Ok(Some(told)) => {
                let mut out = Vec::new();
                self.shared.session.lock().heard(told, now, &mut out);
                self.effects.extend(out);
            }
            // Made after this device: it does without.
            Ok(None) => {}
            Err(refusal) => self.lost(format!(
                "the gateway says what is not understood: {}",
                refusal.code.name()
            )),
        }
    }

    /// The link is of no use any more.
    fn lost(&mut self, why: String) {
        let now = self.shared.own.now();
        self.shared.session.lock().closed();
        if let Some(since) = self.welcomed.take() {
            self.backoff.ended(now.ms_since(since));
        }
        let advice = std::mem::take(&mut self.advice);
        if advice.is_final() && !(advice.token && self.start_renewal()) {
            self.stop(Stopped::Advised {
                close_code: advice.close_code,
                message: advice.message,
            });
            return;
        }
        self.rest(why, &advice);
    }

    /// For good: there is no link any more, and none is made.
    fn stop(&mut self, stopped: Stopped) {
        self.line = Line::resting(Duration::MAX);
        self.stopped = Some(stopped);
    }

    fn rest(&mut self, why: String, advice: &Advice) {
        let [a, b, c, d, ..] = chance();
        let chance = u64::from(u32::from_ne_bytes([a, b, c, d]));
        let rest_ms = self
            .backoff
            .rest_ms(chance, advice.reconnect, advice.retry_after_ms);
        self.line = Line::resting(Duration::from_millis(rest_ms));
        (self.plan.happening)(Happening::Rests { why, rest_ms });
    }

    /// Asks the application for a new token, once until the gateway lets the device in. Whether it was asked.
    fn start_renewal(&mut self) -> bool {
        let Some(renew) = self.plan.renew.as_ref().filter(|_| !self.renewed) else {
            return false;
        };
        self.renewed = true;
        let renewal = renew(());
        let id = self
            .tasks
            .spawn(async move { Ended::Renewal(renewal.await) })
            .id();
        self.jobs.insert(id, Job::Renewal);
        true
    }

    fn asked(&mut self) {
        let asked = std::mem::take(&mut *self.shared.asked.lock());
        if asked.stop {
            self.stopped = Some(Stopped::Asked);
            return;
        }
        if let Some(rest) = asked.hang_up {
            self.shared.session.lock().closed();
            (self.welcomed, self.advice) = (None, Advice::default());
            self.line = Line::resting(rest);
            let rest_ms = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
            let why = "hung up".to_owned();
            (self.plan.happening)(Happening::Rests { why, rest_ms });
        }
    }

    /// A task has ended, or panicked.
    fn done(&mut self, done: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match done {
            Ok((id, ended)) => (id, Some(ended)),
            Err(fault) => (fault.id(), None),
        };
        match (self.jobs.remove(&id), ended) {
            (Some(Job::Command(command)), Some(Ended::Command(done))) => self.end(command, answer(done)),
            (Some(Job::Command(command)), _) => self.end(command, Answer::failed("panicked".into())),
            (Some(Job::Wish(version)), ended) => {
                // What a panic left undone is not taken in.
                if ended.is_some() {
                    self.shared.session.lock().taken_in(version);
                }
                if let Some((version, state)) = self.wish.take() {
                    self.wished(version, state);
                }
            }
            (Some(Job::Renewal), Some(Ended::Renewal(Some(token)))) => {
                let handle = Handle {
                    shared: Arc::clone(&self.shared),
                };
                handle.auth_update(&token);
            }
            (Some(Job::Renewal) | None, _) => {}
        }
    }

    fn end(&mut self, id: CommandId, answer: Answer) {
        (self.plan.happening)(Happening::Ends(id, answer.clone()));
        let mut out = Vec::new();
        self.shared.session.lock().ended(id, answer, &mut out);
        self.effects.extend(out);
    }

    async fn work_off(&mut self) {
        while let Some(effect) = self.effects.pop_front() {
            match effect {
                Effect::Keep(record) => self.keep(record).await,
                Effect::Note(record) => {
                    // Whatever happens to it: it would only be told once more.
                    let _ = self.append(record, false).await;
                }
                Effect::Begin(begin) => self.begin(begin),
                Effect::Wish { version, state } => {
                    if self.jobs.values().any(|job| matches!(job, Job::Wish(_))) {
                        self.wish = Some((version, state));
                    } else {
                        self.wished(version, state);
                    }
                }
                Effect::Hang(hung) => self.lost(hung.to_string()),
                Effect::Tell(event) => self.tell(event),
            }
        }
    }

    async fn keep(&mut self, record: Record) {
        let (record, kept) = self.append(record, true).await;
        let now = self.shared.own.now();
        let mut out = Vec::new();
        match kept {
            Ok(()) => self.shared.session.lock().kept(&record, now, &mut out),
            Err(fault) => {
                (self.plan.happening)(Happening::JournalFails(said(&fault)));
                self.shared.session.lock().unkept(&record, &mut out);
            }
        }
        self.effects.extend(out);
        if matches!(record, Record::Ended { .. }) {
            self.answers += 1;
            if self.answers >= FORGET_EVERY {
                self.answers = 0;
                self.forget(now).await;
            }
        }
    }

    /// Writes a record; without a journal there is nothing to write.
    async fn append(&mut self, record: Record, durable: bool) -> (Record, Result<(), JournalFault>) {
        let Some(mut journal) = self.journal.take() else {
            return (record, Ok(()));
        };
        let appended = tokio::task::spawn_blocking(move || {
            let kept = journal.keep(&record, durable);
            (journal, record, kept)
        });
        let (journal, record, kept) = appended.await.expect("writing to the journal does not panic");
        self.journal = Some(journal);
        (record, kept)
    }

    async fn forget(&mut self, now: Timestamp) {
        let ledger = {
            let mut session = self.shared.session.lock();
            session.forget(now);
            match &self.journal {
                Some(journal) if journal.is_mostly_past(session.ledger()) => session.ledger().clone(),
                Some(_) | None => return,
            }
        };
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        let rewriting = tokio::task::spawn_blocking(move || {
            let rewritten = journal.rewrite(&ledger);
            (journal, rewritten)
        });
        let (journal, rewritten) = rewriting.await.expect("rewriting the journal does not panic");
        self.journal = Some(journal);
        if let Err(fault) = rewritten {
            (self.plan.happening)(Happening::JournalFails(said(&fault)));
        }
    }

    fn begin(&mut self, begin: Begin) {
        let Some(act) = self.plan.commands.get(&begin.name) else {
            return; // The session refuses what is not in the table.
        };
        (self.plan.happening)(Happening::Begins(begin.clone()));
        let id = begin.id;
        let doing = act(Call {
            id,
            name: begin.name,
            args: begin.args,
            deadline: begin.deadline,
            handle: Handle {
                shared: Arc::clone(&self.shared),
            },
        });
        let task = self.tasks.spawn(async move { Ended::Command(doing.await) });
        self.jobs.insert(task.id(), Job::Command(id));
    }

    fn wished(&mut self, version: u64, state: Object) {
        let Some(act) = &self.plan.desired else { return };
        let handle = Handle {
            shared: Arc::clone(&self.shared),
        };
        let doing = act((handle, state));
        let task = self.tasks.spawn(async move {
            doing.await;
            Ended::Wish
        });
        self.jobs.insert(task.id(), Job::Wish(version));
    }

    fn tell(&mut self, event: Event) {
        match &event {
            Event::Welcomed { .. } => {
                (self.welcomed, self.renewed) = (Some(self.shared.own.now()), false);
            }
            Event::Parted(parting) => {
                self.advice = Advice {
                    reconnect: Some(parting.reconnect),
                    retry_after_ms: parting.problem.retry_after_ms,
                    close_code: parting.close_code,
                    message: parting.problem.message.to_string(),
                    token: &*parting.problem.code == "INVALID_TOKEN",
                };
            }
            Event::TokenExpiring(_) => {
                self.start_renewal();
            }
            Event::TokenUpdated(_) => self.renewed = false,
            Event::Repeated(_) | Event::NotBegun { .. } | Event::Stale(_) | Event::Refused(_) => {}
        }
        (self.plan.happening)(Happening::Session(event));
    }
}

/// An error with its causes, on one line.
fn said(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}
