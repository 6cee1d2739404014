//! One program, from its supervisor's start or re-adoption to its end.
//!
//! Invariant: nothing is said of a program but what its folder says; its end when it is there, and that nothing is left of
//! it not before its supervisor is gone.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bongsu_model::CommandId;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::config::Supervisor;
use super::plan::MARK;
use crate::os::process::{Identity, boot, kill_marked};
use crate::os::watch::Watch;
use crate::os::{cgroup, child};
use crate::report::{Code, How, Lost, Outcome};
use crate::supervise::folder::{Claim, Ending, Folder, Started};
use crate::supervise::own_log;

/// Who cannot be watched for want of something is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// … and after so long at the most, if that does not help.
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// An end that is not written yet is looked for again after so long first.
const WRITTEN_AGAIN: Duration = Duration::from_millis(5);

/// What happened to a program.
#[derive(Debug)]
pub(super) enum Happening {
    /// It runs.
    Started(Started),
    /// It is over: an end. Something that it has started may be left.
    Over(Outcome),
    /// Nothing is left of it, as far as that can be had.
    Gone,
}

/// Says what happens to one program.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub(super) command: CommandId,
    pub(super) folder: Folder,
    pub(super) tell: mpsc::Sender<(CommandId, Happening)>,
}

/// What there is of a program whose agent was away.
#[derive(Debug)]
pub(super) enum Found {
    /// Its supervisor.
    Lives(Identity),
    /// It is over: an end.
    Over(Outcome),
}

impl Follower {
    /// Starts a supervisor, and follows the program to its end.
    pub(super) async fn start(self, supervisor: Supervisor) {
        let folder = self.folder.clone();
        // A slow disk or a slow exec costs a thread that may wait.
        let started = spawn_blocking(move || start(&supervisor, &folder)).await;
        match started.unwrap_or_else(|fault| Err(io::Error::other(fault))) {
            Ok(mut supervisor) => {
                let started = self.say_started().await;
                let gone = self.gone(|| Watch::child(supervisor.id()).map(Some));
                let over = self.until_gone(started, gone).await;
                // It has ended, so this waits for nothing; else it would stay as a dead child.
                if let Err(fault) = supervisor.wait() {
                    tracing::warn!(command = %self.command, %fault, "a supervisor cannot be waited for");
                }
                self.settle(over).await;
            }
            Err(fault) => {
                tracing::error!(command = %self.command, %fault, "no supervisor can be started");
                self.settle(false).await;
            }
        }
    }

    /// Follows a program whose supervisor lives, or of which nothing could be found out yet, to its end.
    pub(super) async fn adopt(self, supervisor: Option<Identity>, mut started: Option<Started>) {
        let Some(supervisor) = supervisor else {
            return self.settle(false).await;
        };
        if started.is_none() {
            let folder = self.folder.clone();
            // Whether it is started is decided when the gate is open.
            let passed = spawn_blocking(move || folder.gate().map(drop)).await;
            if let Ok(Err(fault)) = passed {
                tracing::warn!(command = %self.command, %fault, "a program's gate cannot be passed");
            }
            started = self.say_started().await;
        }
        let over = self
            .until_gone(started, self.gone(|| Watch::other(&supervisor)))
            .await;
        self.settle(over).await;
    }

    /// Follows what a program that is over has left, to its end.
    pub(super) async fn leave(self, supervisor: Identity) {
        self.gone(|| Watch::other(&supervisor)).await;
        self.settle(true).await;
    }

    /// Waits until the supervisor is gone; whether the program's end was said before.
    async fn until_gone(&self, started: Option<Started>, gone: impl Future<Output = ()>) -> bool {
        let mut gone = pin!(gone);
        let outcome = tokio::select! {
            () = gone.as_mut() => return false,
            outcome = self.ended(started) => outcome,
        };
        self.say(Happening::Over(outcome)).await;
        gone.await;
        true
    }

    /// Waits for the program's end to be written.
    async fn ended(&self, mut started: Option<Started>) -> Outcome {
        let started = loop {
            match started {
                Some(started) => break started,
                // A supervisor that could not write it down tries again.
                None => tokio::time::sleep(AGAIN).await,
            }
            if let Some(ending) = self.end().await {
                return ending.outcome();
            }
            started = self.say_started().await;
        };
        self.gone(|| Watch::other(&started.program)).await;
        let mut again = WRITTEN_AGAIN;
        loop {
            if let Some(ending) = self.end().await {
                return ending.outcome();
            }
            // It is being written; or the disk is full.
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN);
        }
    }

    async fn end(&self) -> Option<Ending> {
        let folder = self.folder.clone();
        let read = spawn_blocking(move || folder.end()).await;
        // What cannot be read is asked for again, and said when the supervisor is gone.
        read.ok()?.ok()?
    }

    /// The supervisor is gone: what there is to say still is said, and what is left without it is killed.
    async fn settle(&self, over: bool) {
        if !over {
            self.say_over().await;
        }
        loop {
            let (command, folder) = (self.command, self.folder.clone());
            let left = spawn_blocking(move || leftovers(command, &folder)).await;
            match left.unwrap_or_else(|fault| Err(io::Error::other(fault))) {
                Ok(None) => break,
                // The kernel may still show who is just ending.
                Ok(Some(_)) => tokio::time::sleep(AGAIN).await,
                Err(fault) => {
                    tracing::error!(%command, %fault, "it is not known what a program has left");
                    break;
                }
            }
        }
        self.say(Happening::Gone).await;
    }

    async fn gone(&self, watch: impl Fn() -> io::Result<Option<Watch>>) {
        loop {
            let ended = match watch() {
                Ok(Some(watch)) => watch.gone().await,
                Ok(None) => Ok(()),
                Err(fault) => Err(fault),
            };
            let Err(fault) = ended else {
                return;
            };
            tracing::error!(command = %self.command, %fault, "a supervisor cannot be watched");
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn say_started(&self) -> Option<Started> {
        let folder = self.folder.clone();
        let read = spawn_blocking(move || folder.started()).await;
        match read.unwrap_or_else(|fault| Err(io::Error::other(fault))) {
            Ok(started) => {
                if let Some(started) = &started {
                    self.say(Happening::Started(started.clone())).await;
                }
                started
            }
            Err(fault) => {
                tracing::error!(command = %self.command, %fault, "it is not known what runs");
                None
            }
        }
    }

    async fn say_over(&self) {
        let mut again = AGAIN;
        loop {
            let (command, folder) = (self.command, self.folder.clone());
            let found = spawn_blocking(move || find(command, &folder, None)).await;
            match found.unwrap_or_else(|fault| Err(io::Error::other(fault))) {
                Ok(Found::Over(outcome)) => return self.say(Happening::Over(outcome)).await,
                // The kernel may still show who is just ending.
                Ok(Found::Lives(_)) => {}
                Err(fault) => tracing::error!(%command, %fault, "it is not known how a program ended"),
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN_MAX);
        }
    }

    async fn say(&self, what: Happening) {
        // Without a runner nobody wants to know; the next one asks the folder.
        let _ = self.tell.send((self.command, what)).await;
    }
}

/// What became of a program that was begun. What is left of one that has lost its supervisor is killed; one that no
/// supervisor has taken will not be. `boot` is the boot that it was begun in, if that is not known to be this one.
pub(super) fn find(command: CommandId, folder: &Folder, then: Option<&str>) -> io::Result<Found> {
    let now = boot()?;
    // Only an end is certain to be on the disk after a reboot: nothing else is asked then.
    let rebooted = then.is_some_and(|then| then != now);
    match folder.end() {
        Ok(Some(ending)) => return Ok(Found::Over(ending.outcome())),
        Ok(None) if rebooted => return lost(folder, Lost::Reboot),
        Err(fault) if rebooted => {
            tracing::error!(%command, %fault, "how a program ended before the reboot cannot be read");
            return lost(folder, Lost::Reboot);
        }
        Ok(None) => {}
        Err(fault) => return Err(fault),
    }
    let claim = match folder.claimed()? {
        None if !folder.path().exists() => return Ok(Found::Over(never())),
        None if folder.claim(&Claim::Nobody)? => return close(folder, &never_ending()),
        None => folder.claimed()?.ok_or(io::ErrorKind::NotFound)?,
        Some(claim) => claim,
    };
    let supervisor = match claim {
        Claim::Nobody => return close(folder, &never_ending()),
        Claim::Supervisor(supervisor) => supervisor,
    };
    if supervisor.boot != now {
        return lost(folder, Lost::Reboot);
    }
    if supervisor.lives() {
        return Ok(Found::Lives(supervisor));
    }
    // It may have written the end after it was looked for above.
    if let Some(ending) = folder.end()? {
        return Ok(Found::Over(ending.outcome()));
    }
    kill_all(command, folder, &supervisor);
    lost(folder, Lost::Supervisor)
}

/// The supervisor, if it still sees to what a program that is over has left. If it was killed meanwhile, what is left is
/// killed here.
pub(super) fn leftovers(command: CommandId, folder: &Folder) -> io::Result<Option<Identity>> {
    if !folder.may_be_left() {
        return Ok(None);
    }
    if let Some(Claim::Supervisor(supervisor)) = folder.claimed()?
        && supervisor.boot == boot()?
    {
        if supervisor.lives() {
            return Ok(Some(supervisor));
        }
        // It may have left after that was asked above.
        if folder.may_be_left() {
            kill_all(command, folder, &supervisor);
        }
    }
    folder.leave()?;
    Ok(None)
}

/// Kills everything of a program that has lost its supervisor.
fn kill_all(command: CommandId, folder: &Folder, supervisor: &Identity) {
    match folder.spec() {
        Ok(spec) => {
            if let Some(group) = spec.and_then(|spec| spec.cgroup) {
                cgroup::clear(&group);
            }
        }
        Err(fault) => tracing::warn!(%command, %fault, "a program's control group is not known"),
    }
    if !kill_marked(supervisor.pid, &format!("{MARK}={command}")) {
        tracing::error!(%command, "a program that has lost its supervisor cannot be killed");
    }
}

fn start(supervisor: &Supervisor, folder: &Folder) -> io::Result<Child> {
    let mut child = Command::new(&supervisor.program)
        .arg0("bongsu-agent")
        .args(&supervisor.args)
        .arg(folder.path())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(own_log(folder)?)
        .spawn()?;
    // It says nothing; that it closes its output means that the program runs, or cannot.
    if let Some(mut said) = child.stdout.take() {
        io::copy(&mut said.by_ref().take(child::SAID_BYTES_MAX), &mut io::sink())?;
    }
    Ok(child)
}

fn lost(folder: &Folder, why: Lost) -> io::Result<Found> {
    if !folder.path().exists() {
        let how = How::Lost(why);
        return Ok(Found::Over(Outcome::Ended {
            how,
            stopped: false,
            lasted_ms: 0,
        }));
    }
    close(
        folder,
        &Ending::Lost {
            reboot: why == Lost::Reboot,
        },
    )
}

fn close(folder: &Folder, ending: &Ending) -> io::Result<Found> {
    folder.say_end(ending)?;
    Ok(Found::Over(ending.outcome()))
}

fn never_ending() -> Ending {
    Ending::not_started(Code::System, NEVER)
}

fn never() -> Outcome {
    Outcome::NotStarted {
        code: Code::System,
        error: NEVER.into(),
    }
}

const NEVER: &str = "its supervisor could not be started, or the agent ended before";

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: CommandId = CommandId(0xab);

    fn folder() -> (tempfile::TempDir, Folder) {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path(), COMMAND);
        std::fs::create_dir_all(folder.path()).unwrap();
        (data, folder)
    }

    fn over(folder: &Folder, then: Option<&str>) -> Outcome {
        match find(COMMAND, folder, then).unwrap() {
            Found::Over(outcome) => outcome,
            Found::Lives(supervisor) => panic!("lives: {supervisor:?}"),
        }
    }

    fn lost(why: Lost) -> Outcome {
        Outcome::Ended {
            how: How::Lost(why),
            stopped: false,
            lasted_ms: 0,
        }
    }

    #[test]
    fn one_that_nobody_has_taken_is_given_up_for_ever() {
        let (_data, folder) = folder();
        let outcome = over(&folder, Some(&boot().unwrap()));
        assert!(matches!(outcome, Outcome::NotStarted { .. }));
        let me = Identity::of(std::process::id()).unwrap();
        assert!(!folder.claim(&Claim::Supervisor(me)).unwrap());
        assert_eq!(over(&folder, None), outcome);
    }

    #[test]
    fn after_a_reboot_what_is_half_written_is_not_asked() {
        let (_data, folder) = folder();
        for name in ["spec", "supervisor", "started"] {
            std::fs::write(folder.file(name), "").unwrap();
        }
        assert_eq!(over(&folder, Some("another boot")), lost(Lost::Reboot));
        assert_eq!(over(&folder, None), lost(Lost::Reboot), "it is written down");
    }

    #[test]
    fn after_a_reboot_nothing_that_is_damaged_is_in_the_way() {
        let (_data, folder) = folder();
        for name in ["spec", "supervisor", "started", "end"] {
            std::fs::write(folder.file(name), "\0\0\0").unwrap();
        }
        assert!(
            find(COMMAND, &folder, Some(&boot().unwrap())).is_err(),
            "not in this boot"
        );
        assert_eq!(over(&folder, Some("another boot")), lost(Lost::Reboot));
        assert_eq!(over(&folder, None), lost(Lost::Reboot), "it is written down");
    }

    #[test]
    fn without_a_folder_it_was_never_started_in_this_boot() {
        let (data, folder) = folder();
        std::fs::remove_dir_all(data.path()).unwrap();
        assert!(matches!(
            over(&folder, Some(&boot().unwrap())),
            Outcome::NotStarted { .. }
        ));
        assert_eq!(over(&folder, Some("another boot")), lost(Lost::Reboot));
    }

    #[test]
    fn whose_supervisor_lives_is_followed_and_another_of_its_number_is_not_it() {
        let (_data, folder) = folder();
        let me = Identity::of(std::process::id()).unwrap();
        folder.claim(&Claim::Supervisor(me.clone())).unwrap();
        assert!(matches!(find(COMMAND, &folder, None), Ok(Found::Lives(found)) if found == me));
        let earlier = Identity {
            ticks: me.ticks.wrapping_sub(1),
            ..me
        };
        let claim = serde_json::to_vec(&Claim::Supervisor(earlier)).unwrap();
        std::fs::write(folder.file("supervisor"), claim).unwrap();
        let (_other, elsewhere) = self::folder();
        std::fs::copy(folder.file("supervisor"), elsewhere.file("supervisor")).unwrap();
        assert_eq!(over(&elsewhere, None), lost(Lost::Supervisor));
    }
}
