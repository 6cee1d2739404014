//! What is begun: programs and stops, each in the journal before it is done.
//!
//! Invariant: a command that is known is not begun again, whatever it asks for.

use std::sync::Arc;

use bongsu_device::journal::{JournalFault, Record};
use bongsu_model::display::PresetId;
use bongsu_model::{CommandId, Timestamp};
use tokio::task::spawn_blocking;

use super::follow::Follower;
use super::kept::{self, Begun};
use super::{Asker, Halt, Run, Runner};
use crate::allow::{Refused, refuse};
use crate::os::process::since_boot_ms;
use crate::report::{Code, Job, Outcome, Report, StopTicket, Which};
use crate::supervise::folder::Folder;
use crate::supervise::spec::Spec;

impl Runner {
    /// Starts a program. The answer is `Starting`, and `next` says how it goes on; or a refusal; or, of a command that is
    /// known, what there is to say of it. Waits for the disk and for nothing else.
    ///
    /// Of the same preset within `repeat_ms` of its start nothing is started again: the command has the answers of the one
    /// that was, to its end. To be polled to its end.
    pub async fn start(&mut self, job: Job) -> Vec<Report> {
        if let Some(known) = self.known(job.command) {
            return vec![known];
        }
        let begun = Begun::Run {
            preset: job.preset,
            line: Arc::clone(&job.program.line),
            boot: self.boot.clone(),
            same: self.same(&job),
        };
        let record = begun.record(job.command, job.deadline);
        let full = self.runs.len() >= self.plan.config.limits.programs_max;
        let same = match begun {
            Begun::Run { same: Some(same), .. } => Some(same),
            Begun::Run { same: None, .. } | Begun::Stop { .. } => None,
        };
        if (full && same.is_none()) || !self.ledger.has_room(&record) {
            return self.reject(&job, busy());
        }
        if let Some(same) = same {
            return match self.write_down(record).await {
                Ok(()) => self.join(&job, same),
                Err(refused) => self.reject(&job, refused),
            };
        }
        let (plan, asked) = (Arc::clone(&self.plan), job.clone());
        let planned = spawn_blocking(move || plan.spec(asked.command, asked.preset, &asked.program)).await;
        let spec = match planned.unwrap_or_else(|fault| Err(refuse(Code::System, &fault))) {
            Ok(spec) => spec,
            Err(refused) => return self.reject(&job, refused),
        };
        match self.write_down(record).await {
            Ok(()) => self.begin(&job, spec).await,
            Err(refused) => self.reject(&job, refused),
        }
    }

    /// Asks programs to stop. Their ends come through `next`, and then, when all are gone, the stop's own (`Stopped`).
    /// `deadline` is as of a [`Job`]. To be polled to its end.
    pub async fn stop(
        &mut self,
        command: CommandId,
        which: Which,
        grace_ms: Option<u64>,
        deadline: Timestamp,
    ) -> StopTicket {
        let ticket = |programs, answer| StopTicket {
            command,
            programs,
            answer,
        };
        if let Some(known) = self.known(command) {
            let halt = self.halts.get(&command);
            return match halt {
                Some(halt) => ticket(halt.programs, None),
                None => ticket(0, Some(known)),
            };
        }
        let preset = match which {
            Which::Preset(preset) => Some(preset),
            Which::Run(_) | Which::All => None,
        };
        let runs: Vec<CommandId> = self.meant(which);
        let begun = Begun::Stop {
            preset,
            runs: runs.clone(),
        };
        let record = begun.record(command, deadline);
        if let Err((_, error)) = self.write_down(record.clone()).await {
            // Whoever is stopped twice is stopped: it does not wait for a disk that is full.
            tracing::error!(%command, %error, "a stop is not written down, and done");
            self.ledger.note(&record);
            self.owes = true;
        }
        let programs = runs.len() as u64;
        if runs.is_empty() {
            self.end(command, preset, Outcome::Stopped { programs });
            return ticket(0, self.said.pop_back());
        }
        let grace_ms = grace_ms.map(|ms| ms.min(self.plan.config.limits.grace_ms_max));
        self.halt(command, preset, programs, &runs, grace_ms);
        ticket(programs, None)
    }

    /// Tells the programs' supervisors, and waits from now on until nothing is left of them.
    pub(super) fn halt(
        &mut self,
        command: CommandId,
        preset: Option<PresetId>,
        programs: u64,
        runs: &[CommandId],
        grace_ms: Option<u64>,
    ) {
        let mut left = 0;
        for id in runs {
            let run = self.runs.get_mut(id).or_else(|| self.leaving.get_mut(id));
            if let Some(run) = run {
                run.halts.push(command);
                run.ask_to_stop(*id, grace_ms);
                left += 1;
            }
        }
        let halt = Halt {
            preset,
            programs,
            left,
        };
        self.halts.insert(command, halt);
    }

    /// The commands of the programs that are meant, those included of which only something is left.
    fn meant(&self, which: Which) -> Vec<CommandId> {
        let runs = self.runs.iter().chain(&self.leaving);
        runs.filter(|(_, run)| match which {
            Which::All => true,
            Which::Preset(preset) => run.preset == Some(preset),
            Which::Run(id) => run.askers.iter().any(|asker| asker.command == id),
        })
        .map(|(id, _)| *id)
        .collect()
    }

    /// The command whose program of that preset was started so shortly before that it is meant again. One that is being
    /// stopped is not, nor is another line: whoever starts it now wants another.
    fn same(&self, job: &Job) -> Option<CommandId> {
        job.preset?;
        let since = since_boot_ms().saturating_sub(self.plan.config.limits.repeat_ms);
        let mut runs = self.runs.iter();
        let same = runs.find(|(_, run)| {
            let is = run.preset == job.preset && run.line == job.program.line;
            is && run.taken_ms > since && run.halts.is_empty()
        });
        same.map(|(id, _)| *id)
    }

    /// The command is the same as one whose program was started.
    fn join(&mut self, job: &Job, same: CommandId) -> Vec<Report> {
        let Some(run) = self.runs.get_mut(&same) else {
            let why = refuse(Code::System, &"its program ended in that moment");
            return self.reject(job, why);
        };
        let asker = Asker {
            command: job.command,
            preset: job.preset,
            told: false,
        };
        let report = run.report(&asker);
        run.askers.push(asker);
        vec![report]
    }

    async fn begin(&mut self, job: &Job, spec: Spec) -> Vec<Report> {
        let folder = Folder::of(&self.plan.config.data, job.command);
        let taken_ms = spec.taken_ms;
        let making = folder.clone();
        let made = spawn_blocking(move || making.make(&spec)).await;
        let made = made.unwrap_or_else(|fault| Err(std::io::Error::other(fault)));
        let control = match made {
            Ok(control) => control,
            Err(fault) => {
                let (code, error) = refuse(Code::System, &format!("its folder cannot be made: {fault}"));
                self.end(job.command, job.preset, Outcome::NotStarted { code, error });
                return self.said.pop_back().into_iter().collect();
            }
        };
        let asker = Asker {
            command: job.command,
            preset: job.preset,
            told: false,
        };
        let run = Run {
            preset: job.preset,
            line: Arc::clone(&job.program.line),
            taken_ms,
            control: Some(control),
            started: None,
            askers: vec![asker],
            halts: Vec::new(),
        };
        let reports = run.askers.iter().map(|asker| run.report(asker)).collect();
        self.runs.insert(job.command, run);
        let follower = Follower {
            command: job.command,
            folder,
            tell: self.tell.clone(),
        };
        let supervisor = self.plan.config.supervisor.clone();
        self.followers.spawn(follower.start(supervisor));
        reports
    }

    /// Not begun. It is written down what was answered, if there is room: a repeat then has the same answer.
    fn reject(&mut self, job: &Job, (code, error): Refused) -> Vec<Report> {
        tracing::warn!(command = %job.command, code = code.name(), %error, "a program is refused");
        let outcome = Outcome::Rejected { code, error };
        let record = kept::answer(&outcome, job.preset).map(|answer| Record::Ended {
            id: job.command,
            deadline: job.deadline,
            answer,
        });
        if let Some(record) = record.filter(|record| self.ledger.has_room(record)) {
            self.keep(&record);
        }
        vec![Report {
            command: job.command,
            preset: job.preset,
            outcome,
        }]
    }

    /// Writes down what is begun: it is on the disk when this returns.
    async fn write_down(&mut self, record: Record) -> Result<(), Refused> {
        let journal = Arc::clone(&self.journal);
        // Most of the file may be past by now, or something not be in it; a clone of the rest is made only then.
        let anew = self.owes || journal.lock().is_mostly_past(&self.ledger);
        let rest = anew.then(|| self.ledger.clone());
        let kept = spawn_blocking(move || {
            let mut journal = journal.lock();
            let written = rest.is_some_and(|rest| match journal.rewrite(&rest) {
                Ok(()) => true,
                Err(fault) => {
                    tracing::warn!(%fault, "the journal cannot be written anew");
                    false
                }
            });
            journal.keep(&record, true).map(|()| (record, written))
        })
        .await;
        match kept {
            Ok(Ok((record, written))) => {
                self.owes &= !written;
                self.ledger.note(&record);
                Ok(())
            }
            Ok(Err(fault)) => Err(unwritten(&fault)),
            Err(fault) => Err(refuse(Code::Journal, &fault)),
        }
    }
}

/// There is no place for another program.
pub(super) fn busy() -> Refused {
    refuse(
        Code::Busy,
        &"so many programs run, or are remembered, that there is no place for another",
    )
}

/// What it was the same as is not known any more.
pub(super) fn forgotten() -> Refused {
    refuse(
        Code::System,
        &"the command that it was the same as is not known any more",
    )
}

fn unwritten(fault: &JournalFault) -> Refused {
    let why = std::error::Error::source(fault).map_or_else(String::new, |why| format!(": {why}"));
    refuse(Code::Journal, &format!("{fault}{why}"))
}
