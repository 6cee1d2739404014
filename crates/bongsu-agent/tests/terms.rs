//! On whose behalf and under which limits programs run: users and control groups, as far as this machine has them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use bongsu_agent::{Cgroups, Code, How, NoUser, OnExit, OpenError, Outcome, Runner, Which};
use common::{DEADLINE, Place, ended, lives, next, number, shell, started};

#[tokio::test]
async fn a_program_runs_as_its_user_with_that_users_groups_or_not_at_all() {
    let place = Place::new();
    let mut config = place.config();
    config.user = Some("nobody".into());
    if !rustix::process::geteuid().is_root() {
        let opened = Runner::open(config);
        assert!(matches!(opened, Err(OpenError::User(NoUser::NotRoot(_)))));
        return;
    }
    let mut runner = Runner::open(config).unwrap().0;
    let record = place.path("data/journal");
    let job = shell(&format!(
        "id -un; id -u; id -G; echo $USER; cat {} || echo kept out",
        record.display()
    ));
    started(&mut runner, &job).await;
    ended(&mut runner, &job).await;
    let output = place.output(job.command);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(
        (lines[0], lines[3], lines[4]),
        ("nobody", "nobody", "kept out"),
        "{output}"
    );
    assert_ne!(lines[1], "0");
    assert!(lines[2].split(' ').all(|group| group != "0"), "{output}");
}

#[tokio::test]
async fn a_user_that_is_not_there_is_said_at_the_start() {
    let place = Place::new();
    let mut config = place.config();
    config.user = Some("no-such-user".into());
    assert!(matches!(
        Runner::open(config),
        Err(OpenError::User(NoUser::Unknown(_)))
    ));
}

/// A control group of this test's own, if the machine lets it have one.
struct Group(PathBuf);

impl Group {
    fn new() -> Result<Self, PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let mount = mount.map_or("/sys/fs/cgroup", |line| line.split(' ').nth(4).unwrap());
        let path = Path::new(mount).join(format!("bongsu-agent-test-{}", std::process::id()));
        let _ = fs::write(Path::new(mount).join("cgroup.subtree_control"), "+memory");
        match fs::create_dir(&path) {
            Ok(()) if path.join("cgroup.procs").exists() => Ok(Self(path)),
            Ok(()) | Err(_) => Err(mount.into()),
        }
    }

    fn limits_memory(&self) -> bool {
        fs::read_to_string(self.0.join("cgroup.controllers"))
            .unwrap()
            .contains("memory")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_program_has_its_own_control_group_and_ends_with_it() {
    let place = Place::new();
    let mut config = place.config();
    let group = match Group::new() {
        Ok(group) => group,
        Err(mount) => {
            // Without the right to make groups there is no agent that was told to make them.
            config.cgroups = Cgroups::At(mount);
            assert!(matches!(Runner::open(config), Err(OpenError::Cgroup { .. })));
            return;
        }
    };
    config.cgroups = Cgroups::At(group.0.clone());
    let mut runner = Runner::open(config.clone()).unwrap().0;
    let file = place.path("child");
    let job = shell(&format!(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' & while :; do sleep 1; done",
        file.display()
    ));
    let pid = started(&mut runner, &job).await;
    let child = number(&file).await;
    let own = group.0.join(format!("run-{}", job.command));
    let inside = fs::read_to_string(own.join("cgroup.procs")).unwrap();
    let is_inside = |pid: u32| inside.lines().any(|line| line == pid.to_string());
    assert!(is_inside(pid) && is_inside(child), "{inside}");
    assert!(
        !is_inside(place.supervisor(job.command)),
        "it is not killed with its program"
    );
    runner
        .stop(common::job("").command, Which::All, Some(50), DEADLINE)
        .await;
    assert!(matches!(
        next(&mut runner).await.outcome,
        Outcome::Ended {
            how: How::Killed(9),
            stopped: true,
            ..
        }
    ));
    assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
    assert!(!lives(pid) && !lives(child) && !own.exists());
    runner.close(OnExit::Leave).await;
    config.quota.memory_bytes = Some(64 << 20);
    config.require_limits = true;
    limited(Runner::open(config).unwrap().0, &group).await;
}

/// A program that wants more memory than it may have is killed; where memory cannot be limited it is not started.
async fn limited(mut runner: Runner, group: &Group) {
    let greedy = shell("x=$(head -c 500000000 /dev/zero | tr '\\0' x); echo done");
    runner.start(greedy.clone()).await;
    let mut report = next(&mut runner).await;
    if group.limits_memory() {
        report = next(&mut runner).await;
        assert!(
            matches!(
                report.outcome,
                Outcome::Ended {
                    how: How::Killed(9) | How::Exited(1..),
                    ..
                }
            ),
            "{report:?}"
        );
    } else {
        let refused = matches!(
            report.outcome,
            Outcome::NotStarted {
                code: Code::Limits,
                ..
            }
        );
        assert!(refused, "{report:?}");
    }
}
