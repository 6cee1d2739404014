//! Programs, run and watched: the agent's hands.
//!
//! Invariant: a command is in the journal, on the disk, before anything is done for it, and what is said of it is said again
//! until the server has acknowledged it.

mod begin;
mod config;
mod follow;
mod kept;
mod open;
mod plan;
mod sweep;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bongsu_device::journal::{Journal, Known, Ledger, Record};
use bongsu_model::display::{PresetId, Program};
use bongsu_model::{CommandId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use config::{Cgroups, OpenError, RunnerConfig, Supervisor};

use crate::os::process::since_boot_ms;
use crate::report::{Code, OnExit, Outcome, Process, Report};
use crate::supervise::folder::Started;
use follow::Happening;
use plan::Plan;

/// Runs programs and stops them.
#[derive(Debug)]
pub struct Runner {
    plan: Arc<Plan>,
    boot: String,
    journal: Arc<Mutex<Journal>>,
    ledger: Ledger,
    /// Whether the ledger knows something that could not be written.
    owes: bool,
    runs: BTreeMap<CommandId, Run>,
    /// Programs that are over, and of which something may be left that their supervisors see to.
    leaving: BTreeMap<CommandId, Run>,
    halts: BTreeMap<CommandId, Halt>,
    said: VecDeque<Report>,
    happened: mpsc::Receiver<(CommandId, Happening)>,
    tell: mpsc::Sender<(CommandId, Happening)>,
    /// One for each program; they end with the runner, as the next one has its own.
    followers: JoinSet<()>,
}

/// A program that is about to run, or runs.
#[derive(Debug)]
struct Run {
    preset: Option<PresetId>,
    line: Arc<str>,
    taken_ms: u64,
    control: Option<File>,
    started: Option<Started>,
    /// The commands that it is for: its own, and those that were the same.
    askers: Vec<Asker>,
    /// The stops that wait until nothing of it is left.
    halts: Vec<CommandId>,
}

#[derive(Debug)]
struct Asker {
    command: CommandId,
    preset: Option<PresetId>,
    /// Whether the server has heard that it runs.
    told: bool,
}

/// A stop that is not done.
#[derive(Debug)]
struct Halt {
    preset: Option<PresetId>,
    programs: u64,
    left: usize,
}

impl Runner {
    /// Whether a program could be started now. Reads the file system; starts nothing and writes nothing.
    ///
    /// # Errors
    /// Why it could not.
    pub fn prepare(&self, program: &Program) -> Result<(), (Code, Arc<str>)> {
        if self.runs.len() >= self.plan.config.limits.programs_max {
            return Err(begin::busy());
        }
        self.plan.spec(CommandId(0), None, program).map(drop)
    }

    /// The next thing there is to say: a program runs, could not be started, has ended; a stop is done. Waits for ever if
    /// nothing happens. May be dropped at any time: nothing is lost.
    pub async fn next(&mut self) -> Report {
        loop {
            if let Some(report) = self.said.pop_front() {
                return report;
            }
            match self.happened.recv().await {
                Some((command, happening)) => self.happens(command, happening),
                // One sender is the runner's own.
                None => std::future::pending().await,
            }
        }
    }

    /// What runs, oldest command first.
    #[must_use]
    pub fn running(&self) -> Vec<Process> {
        let now = since_boot_ms();
        let runs = self.runs.iter();
        runs.filter_map(|(command, run)| {
            let started = run.started.as_ref()?;
            Some(Process {
                pid: started.program.pid,
                preset: run.preset,
                command: *command,
                uptime_ms: now.saturating_sub(started.boot_ms),
            })
        })
        .collect()
    }

    /// The latest of every command that is to be said and was not acknowledged: to be said (again) after a connect.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<Report> {
        let mut reports: Vec<Report> = self.ledger.untold().filter_map(|id| self.ended(id)).collect();
        for run in self.runs.values() {
            let untold = run.askers.iter().filter(|asker| !asker.told);
            reports.extend(untold.map(|asker| run.report(asker)));
        }
        let halts = self.halts.iter();
        reports.extend(halts.map(|(command, halt)| Report {
            command: *command,
            preset: halt.preset,
            outcome: Outcome::Starting,
        }));
        reports.sort_by_key(|report| report.command);
        reports
    }

    /// The server has this report. One that has been overtaken by a later one changes nothing.
    pub fn acknowledged(&mut self, report: &Report) {
        let id = report.command;
        if report.outcome.is_end() {
            if self.ledger.untold().any(|untold| untold == id) {
                self.keep(&Record::Told { id });
            }
        } else if let Outcome::Running { .. } = report.outcome {
            let askers = self.runs.values_mut().flat_map(|run| &mut run.askers);
            for asker in askers.filter(|asker| asker.command == id) {
                asker.told = true;
            }
        }
    }

    /// What the server's clock shows: what is a day past its deadline is forgotten. To be called now and then, when the
    /// server's time is known.
    pub fn forget(&mut self, now: Timestamp) {
        self.ledger.forget(now);
    }

    /// Ends. With [`OnExit::Stop`] everything is stopped first, and what there is to say of that is returned; it is in the
    /// journal, too, and said by the next agent if nobody acknowledges it. Waits `close_ms` for it at most; what then
    /// still runs is brought to its end by its supervisor.
    pub async fn close(mut self, on_exit: OnExit) -> Vec<Report> {
        let mut said = Vec::new();
        if on_exit == OnExit::Stop {
            self.ask_all_to_stop();
            let patience = Duration::from_millis(self.close_ms());
            let ended = tokio::time::timeout(patience, async {
                while let Some(report) = self.next_of_rest().await {
                    said.push(report);
                }
            });
            if ended.await.is_err() {
                self.has_not_ended();
            }
        }
        said.extend(self.said);
        said
    }

    /// Asks everything to stop, in nobody's name.
    pub(crate) fn ask_all_to_stop(&self) {
        for (command, run) in self.runs.iter().chain(&self.leaving) {
            run.ask_to_stop(*command, None);
        }
    }

    /// As [`Self::next`], but `None` when nothing runs, nothing is left of what ran, and nothing is to be said.
    pub(crate) async fn next_of_rest(&mut self) -> Option<Report> {
        loop {
            if let Some(report) = self.said.pop_front() {
                return Some(report);
            }
            if self.runs.is_empty() && self.leaving.is_empty() {
                return None;
            }
            let (command, happening) = self.happened.recv().await?;
            self.happens(command, happening);
        }
    }

    /// How long an agent that ends waits for what it stops, in milliseconds.
    pub(crate) fn close_ms(&self) -> u64 {
        self.plan.config.limits.close_ms
    }

    /// Says that that time was not enough.
    pub(crate) fn has_not_ended(&self) {
        let left = self.runs.len() + self.leaving.len();
        tracing::warn!(left, "programs have not ended yet; their supervisors see to it");
    }

    fn happens(&mut self, command: CommandId, happening: Happening) {
        match happening {
            Happening::Started(started) => {
                if let Some(run) = self.runs.get_mut(&command) {
                    tracing::info!(%command, pid = started.program.pid, "a program runs");
                    run.started = Some(started);
                    let reports: Vec<Report> = run.askers.iter().map(|asker| run.report(asker)).collect();
                    self.said.extend(reports);
                }
            }
            Happening::Over(outcome) => self.over(command, &outcome),
            Happening::Gone => self.gone(command),
        }
    }

    /// A program is over, for everybody who asked for it.
    fn over(&mut self, command: CommandId, outcome: &Outcome) {
        let Some(run) = self.runs.remove(&command) else {
            return;
        };
        tracing::info!(%command, ?outcome, "a program is over");
        for asker in &run.askers {
            self.end(asker.command, asker.preset, outcome.clone());
        }
        self.leaving.insert(command, run);
    }

    /// Nothing is left of a program: its stops are done.
    fn gone(&mut self, command: CommandId) {
        while self.followers.try_join_next().is_some() {}
        for id in self
            .leaving
            .remove(&command)
            .into_iter()
            .flat_map(|run| run.halts)
        {
            let Some(halt) = self.halts.get_mut(&id) else {
                continue;
            };
            halt.left -= 1;
            if halt.left == 0 {
                let (preset, programs) = (halt.preset, halt.programs);
                self.halts.remove(&id);
                self.end(id, preset, Outcome::Stopped { programs });
            }
        }
        self.sweep();
    }

    /// A command has its end: kept, and said.
    fn end(&mut self, id: CommandId, preset: Option<PresetId>, outcome: Outcome) {
        if let Some(answer) = kept::answer(&outcome, preset) {
            let deadline = self.ledger.deadline(id).unwrap_or(Timestamp::FAR);
            // Not durable: until it is, the program's own folder says the same, and is not swept.
            self.keep(&Record::Ended { id, deadline, answer });
        }
        self.said.push_back(Report {
            command: id,
            preset,
            outcome,
        });
    }

    /// Writes down what need not be on the disk at once. What cannot be written is known as long as the agent runs.
    fn keep(&mut self, record: &Record) {
        if let Err(fault) = self.journal.lock().keep(record, false) {
            let fault = &fault as &dyn std::error::Error;
            tracing::error!(command = %record.id(), fault, "the journal cannot be written");
            self.owes = true;
        }
        self.ledger.note(record);
    }

    /// What there is to say of a command that is known.
    fn known(&self, id: CommandId) -> Option<Report> {
        match self.ledger.look(id) {
            Known::No => None,
            Known::Ended(_) => self.ended(id),
            Known::Begun => {
                let run = self.runs.values().find_map(|run| {
                    let asker = run.askers.iter().find(|asker| asker.command == id)?;
                    Some(run.report(asker))
                });
                let halt = || {
                    let halt = self.halts.get(&id)?;
                    Some(Report {
                        command: id,
                        preset: halt.preset,
                        outcome: Outcome::Starting,
                    })
                };
                run.or_else(halt)
            }
        }
    }

    fn ended(&self, command: CommandId) -> Option<Report> {
        let Known::Ended(answer) = self.ledger.look(command) else {
            return None;
        };
        let (outcome, preset) = kept::outcome(answer)?;
        Some(Report {
            command,
            preset,
            outcome,
        })
    }
}

impl Run {
    fn report(&self, asker: &Asker) -> Report {
        let outcome = match &self.started {
            None => Outcome::Starting,
            Some(started) => Outcome::Running {
                pid: started.program.pid,
                started_at: Timestamp(started.started_at),
                line: Arc::clone(&self.line),
            },
        };
        Report {
            command: asker.command,
            preset: asker.preset,
            outcome,
        }
    }

    /// Tells its supervisor. It is enough that this is in the pipe, even before the supervisor has opened it.
    fn ask_to_stop(&self, command: CommandId, grace_ms: Option<u64>) {
        let line = grace_ms.map_or_else(|| "stop\n".to_owned(), |grace| format!("stop {grace}\n"));
        let told = match &self.control {
            Some(control) => (&mut &*control).write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if let Err(fault) = told {
            tracing::error!(%command, %fault, "a supervisor cannot be told to stop its program");
        }
    }
}
