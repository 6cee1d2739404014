//! Programs, run and watched: the agent's hands.
//!
//! Invariant: a command is in the journal, on the disk, before anything is done for it, and what is said of it is said again
//! until the server has acknowledged it.

mod config;

pub use config::{Cgroups, OpenError, RunnerConfig, Supervisor};

use bongsu_model::display::Program;
use bongsu_model::{CommandId, Timestamp};

use crate::report::{Code, Job, OnExit, Outcome, Process, Report, StopTicket, Which};

/// Runs programs and stops them.
#[derive(Debug)]
pub struct Runner {
    config: RunnerConfig,
}

impl Runner {
    /// Opens the data folder, takes over what runs, and says what is to be said: what was re-adopted (running), what ended
    /// meanwhile, what was lost, and ends that the server has not acknowledged. Must be called inside a runtime.
    ///
    /// # Errors
    /// The data folder or its journal cannot be used, another agent uses it, or what is configured cannot be had.
    pub fn open(config: RunnerConfig) -> Result<(Self, Vec<Report>), OpenError> {
        Ok((Self { config }, Vec::new()))
    }

    /// Starts a program. The answer is `Starting`, and `next` says how it goes on; or a refusal; or, of a command that is
    /// known, what there is to say of it. Waits for the disk and for nothing else.
    ///
    /// Of the same preset within `repeat_ms` of its start nothing is started again: the command has the answers of the one
    /// that was, to its end. To be polled to its end.
    #[allow(clippy::unused_async)]
    pub async fn start(&mut self, job: Job) -> Vec<Report> {
        let (code, error) = (Code::System, "not yet".into());
        let outcome = Outcome::Rejected { code, error };
        vec![Report {
            command: job.command,
            preset: job.preset,
            outcome,
        }]
    }

    /// Whether a program could be started now. Reads the file system; starts nothing and writes nothing.
    ///
    /// # Errors
    /// Why it could not.
    pub fn prepare(&self, program: &Program) -> Result<(), (Code, std::sync::Arc<str>)> {
        let _ = (&self.config, program);
        Err((Code::System, "not yet".into()))
    }

    /// Asks programs to stop. Their ends come through `next`, and then, when all are gone, the stop's own (`Stopped`).
    /// `deadline` is as of a [`Job`]. To be polled to its end.
    #[allow(clippy::unused_async)]
    pub async fn stop(
        &mut self,
        command: CommandId,
        which: Which,
        grace_ms: Option<u64>,
        deadline: Timestamp,
    ) -> StopTicket {
        let _ = (which, grace_ms, deadline);
        StopTicket {
            command,
            programs: 0,
            answer: None,
        }
    }

    /// The next thing there is to say: a program runs, could not be started, has ended; a stop is done. Waits for ever if
    /// nothing happens. May be dropped at any time: nothing is lost.
    pub async fn next(&mut self) -> Report {
        std::future::pending().await
    }

    /// What runs, oldest first.
    #[must_use]
    pub fn running(&self) -> Vec<Process> {
        Vec::new()
    }

    /// The latest of every command that is to be said and was not acknowledged: to be said (again) after a connect.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<Report> {
        Vec::new()
    }

    /// The server has this report. One that has been overtaken by a later one changes nothing.
    pub fn acknowledged(&mut self, report: &Report) {
        let _ = report;
    }

    /// What the server's clock shows: what is a day past its deadline is forgotten. To be called now and then, when the
    /// server's time is known.
    pub fn forget(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// Ends. With [`OnExit::Stop`] everything is stopped first, and what there is to say of that is returned; it is in the
    /// journal, too, and said by the next agent if nobody acknowledges it.
    #[allow(clippy::unused_async)]
    pub async fn close(self, on_exit: OnExit) -> Vec<Report> {
        let _ = on_exit;
        Vec::new()
    }
}
