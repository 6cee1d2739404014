//! How a runner begins: it takes over what runs, and finds out what became of the rest.
//!
//! Invariant: every command that was begun and has no answer is followed or answered before anything else is begun.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bongsu_device::journal::{Journal, JournalFault, Ledger, Running};
use bongsu_device::time::OwnTime;
use bongsu_model::CommandId;
use bongsu_model::display::PresetId;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::config::{OpenError, RunnerConfig};
use super::follow::{Follower, Found, find, leftovers};
use super::kept::Begun;
use super::plan::Plan;
use super::{Asker, Run, Runner};
use crate::os::files;
use crate::os::process::{Identity, boot};
use crate::os::watch::Watch;
use crate::report::{Outcome, Report};
use crate::supervise::folder::{self, Folder};

/// What happens to programs waits for the runner in so many places; a follower waits for one.
const HAPPENINGS: usize = 64;

impl Runner {
    /// Opens the data folder, takes over what runs, and says what is to be said: what was re-adopted (running), what ended
    /// meanwhile, what was lost, and ends that the server has not acknowledged. Must be called inside a runtime.
    ///
    /// # Errors
    /// The data folder or its journal cannot be used, another agent uses it, or what is configured cannot be had.
    pub fn open(mut config: RunnerConfig) -> Result<(Self, Vec<Report>), OpenError> {
        // Supervisors run elsewhere, and are told of folders in it.
        if let Ok(data) = std::path::absolute(&config.data) {
            config.data = data;
        }
        let data = config.data.clone();
        let unusable = |source| OpenError::Folder {
            path: data.clone(),
            source,
        };
        Watch::child(std::process::id()).map_err(OpenError::System)?;
        files::make_folder(&data).map_err(unusable)?;
        if !files::is_own_folder(&data).map_err(unusable)? {
            return Err(OpenError::Foreign(data));
        }
        let plan = Plan::new(config)?;
        let (journal, ledger) = open_journal(&data.join("journal"))?;
        let (tell, happened) = mpsc::channel(HAPPENINGS);
        let mut runner = Self {
            plan: Arc::new(plan),
            boot: boot().map_err(OpenError::System)?,
            journal: Arc::new(Mutex::new(journal)),
            ledger,
            owes: false,
            runs: std::collections::BTreeMap::new(),
            leaving: std::collections::BTreeMap::new(),
            halts: std::collections::BTreeMap::new(),
            said: VecDeque::new(),
            happened,
            tell,
            followers: JoinSet::new(),
        };
        let begun = begun(&runner.ledger).ok_or_else(|| OpenError::Unknown(data.clone()))?;
        runner.resume(begun);
        runner.find_strays().map_err(unusable)?;
        runner.sweep();
        // Everything that was found is in the ledger or among what runs, and is said from there.
        runner.said.clear();
        let reports = runner.unacknowledged();
        Ok((runner, reports))
    }

    /// First the programs, then the commands that were the same, then the stops, which wait for programs.
    fn resume(&mut self, begun: Vec<(CommandId, Begun)>) {
        let mut later = Vec::new();
        for (id, begun) in begun {
            match begun {
                Begun::Run {
                    preset,
                    line,
                    boot,
                    same: None,
                } => {
                    let folder = Folder::of(&self.plan.config.data, id);
                    match find(id, &folder, Some(&boot)) {
                        Ok(Found::Lives(supervisor)) => {
                            self.adopt(id, preset, line, folder, Some(supervisor))
                        }
                        Ok(Found::Over(outcome)) => self.end(id, preset, outcome),
                        // One program that nothing can be said of keeps nobody from the others.
                        Err(fault) => {
                            tracing::error!(command = %id, %fault, "it is not known what became of a program");
                            self.adopt(id, preset, line, folder, None);
                        }
                    }
                }
                Begun::Run { same: Some(_), .. } | Begun::Stop { .. } => later.push((id, begun)),
            }
        }
        self.find_leaving();
        for (id, begun) in later {
            match begun {
                Begun::Run { preset, same, .. } => self.rejoin(id, preset, same),
                Begun::Stop { preset, runs } => {
                    let programs = runs.len() as u64;
                    self.halt(id, preset, programs, &runs, None);
                    if self.halts.get(&id).is_some_and(|halt| halt.left == 0) {
                        self.halts.remove(&id);
                        self.end(id, preset, Outcome::Stopped { programs });
                    }
                }
            }
        }
    }

    fn rejoin(&mut self, id: CommandId, preset: Option<PresetId>, same: Option<CommandId>) {
        let run = same.and_then(|same| self.runs.get_mut(&same));
        if let Some(run) = run {
            run.askers.push(Asker {
                command: id,
                preset,
                told: false,
            });
        } else if let Some(first) = same.and_then(|same| self.ended(same)) {
            self.end(id, preset, first.outcome);
        } else {
            let (code, error) = super::begin::forgotten();
            self.end(id, preset, Outcome::NotStarted { code, error });
        }
    }

    /// Follows a program; without a supervisor until it is known what became of it.
    fn adopt(
        &mut self,
        id: CommandId,
        preset: Option<PresetId>,
        line: Arc<str>,
        folder: Folder,
        supervisor: Option<Identity>,
    ) {
        let read = |fault: std::io::Error| {
            tracing::warn!(command = %id, %fault, "what is in a program's folder cannot be read");
        };
        let started = folder.started().map_err(read).ok().flatten();
        let spec = folder.spec().map_err(read).ok().flatten();
        let control = folder.control();
        if let Err(fault) = &control {
            tracing::error!(command = %id, %fault, "a program that runs cannot be stopped");
        }
        let run = Run {
            preset,
            line,
            taken_ms: spec.map_or(0, |spec| spec.taken_ms),
            control: control.ok(),
            started: started.clone(),
            askers: vec![Asker {
                command: id,
                preset,
                told: false,
            }],
            halts: Vec::new(),
        };
        self.runs.insert(id, run);
        let follower = Follower {
            command: id,
            folder,
            tell: self.tell.clone(),
        };
        self.followers.spawn(follower.adopt(supervisor, started));
    }

    /// Programs that are over, and whose supervisors still see to what they left.
    fn find_leaving(&mut self) {
        let folders = folder::all(&self.plan.config.data).unwrap_or_else(|fault| {
            tracing::error!(%fault, "it is not known what programs have left");
            Vec::new()
        });
        for (id, folder) in folders {
            if self.runs.contains_key(&id) || !matches!(folder.end(), Ok(Some(_))) {
                continue;
            }
            let supervisor = match leftovers(id, &folder) {
                Ok(Some(supervisor)) => supervisor,
                Ok(None) => continue,
                Err(fault) => {
                    tracing::warn!(command = %id, %fault, "it is not known what a program has left");
                    continue;
                }
            };
            let spec = folder.spec().ok().flatten();
            let preset = spec.as_ref().and_then(|spec| spec.preset).map(PresetId);
            let run = Run {
                preset,
                line: spec.map_or_else(|| "".into(), |spec| spec.line.into()),
                taken_ms: 0,
                control: folder.control().ok(),
                started: None,
                askers: vec![Asker {
                    command: id,
                    preset,
                    told: true,
                }],
                halts: Vec::new(),
            };
            self.leaving.insert(id, run);
            let follower = Follower {
                command: id,
                folder,
                tell: self.tell.clone(),
            };
            self.followers.spawn(follower.leave(supervisor));
        }
    }

    /// Programs that run and that no journal knows, as it was taken away: they are taken over all the same, so that they
    /// can be stopped.
    fn find_strays(&mut self) -> std::io::Result<()> {
        for (id, folder) in folder::all(&self.plan.config.data)? {
            if self.ledger.deadline(id).is_some() {
                continue;
            }
            let spec = match (folder.end(), folder.spec()) {
                (Ok(None), Ok(Some(spec))) => spec,
                (Ok(_), Ok(_)) => continue,
                (Err(fault), _) | (_, Err(fault)) => {
                    tracing::warn!(command = %id, %fault, "what is in a program's folder cannot be read");
                    continue;
                }
            };
            let preset = spec.preset.map(PresetId);
            let begun = Begun::Run {
                preset,
                line: spec.line.as_str().into(),
                boot: self.boot.clone(),
                same: None,
            };
            match find(id, &folder, None) {
                Ok(Found::Lives(supervisor)) => {
                    tracing::warn!(command = %id, "a program runs that the journal does not know");
                    self.keep(&begun.record(id, OwnTime::start().now()));
                    self.adopt(id, preset, spec.line.as_str().into(), folder, Some(supervisor));
                }
                Ok(Found::Over(_)) => {}
                Err(fault) => {
                    tracing::warn!(command = %id, %fault, "it is not known what became of a program");
                }
            }
        }
        Ok(())
    }
}

/// Opens the journal. An agent that was killed while it started a supervisor leaves its lock to that one for the moment in
/// which it is not yet another program: for as long it is waited for.
fn open_journal(path: &Path) -> Result<(Journal, Ledger), JournalFault> {
    const TRIES: usize = 25;
    for _ in 1..TRIES {
        match Journal::open(path) {
            Err(JournalFault::InUse(_)) => std::thread::park_timeout(Duration::from_millis(20)),
            opened => return opened,
        }
    }
    Journal::open(path)
}

fn begun(ledger: &Ledger) -> Option<Vec<(CommandId, Begun)>> {
    let read = |running: Running| Some((running.id, Begun::of(&running)?));
    ledger.running().map(read).collect()
}
