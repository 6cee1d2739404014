//! One program, from its supervisor's start or re-adoption to its end.
//!
//! Invariant: nothing is said of a program but what its folder says, and its end not before its supervisor is gone.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
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

/// What happened to a program.
#[derive(Debug)]
pub(super) enum Happening {
    /// It runs.
    Started(Started),
    /// It is over: an end.
    Over(Outcome),
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
                self.say_started().await;
                self.gone(|| Watch::child(supervisor.id()).map(Some)).await;
                // It has ended, so this waits for nothing; else it would stay as a dead child.
                if let Err(fault) = supervisor.wait() {
                    tracing::warn!(command = %self.command, %fault, "a supervisor cannot be waited for");
                }
            }
            Err(fault) => tracing::error!(command = %self.command, %fault, "no supervisor can be started"),
        }
        self.say_over().await;
    }

    /// Follows a program whose supervisor lives, or of which nothing could be found out yet, to its end.
    pub(super) async fn adopt(self, supervisor: Option<Identity>, started: bool) {
        let Some(supervisor) = supervisor else {
            return self.say_over().await;
        };
        if !started {
            let folder = self.folder.clone();
            // Whether it is started is decided when the gate is open.
            let passed = spawn_blocking(move || folder.gate().map(drop)).await;
            if let Ok(Err(fault)) = passed {
                tracing::warn!(command = %self.command, %fault, "a program's gate cannot be passed");
            }
            self.say_started().await;
        }
        self.gone(|| Watch::other(&supervisor)).await;
        self.say_over().await;
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

    async fn say_started(&self) {
        match self.folder.started() {
            Ok(Some(started)) => self.say(Happening::Started(started)).await,
            Ok(None) => {}
            Err(fault) => tracing::error!(command = %self.command, %fault, "it is not known what runs"),
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
    if let Some(group) = folder.spec()?.and_then(|spec| spec.cgroup) {
        cgroup::clear(&group);
    }
    if !kill_marked(supervisor.pid, &format!("{MARK}={command}")) {
        tracing::error!(%command, "a program that has lost its supervisor cannot be killed");
    }
    lost(folder, Lost::Supervisor)
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
