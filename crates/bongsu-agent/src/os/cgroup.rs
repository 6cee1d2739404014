//! Control groups, version 2: where programs are limited and killed as one.
//!
//! Invariant: a limit that could not be set is said; nothing is made outside of a folder that was delegated or configured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a program may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time, in thousandths of one processor.
    pub cpu_milli: Option<u64>,
}

impl Quota {
    /// Whether anything is limited.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.memory_bytes.is_some() || self.cpu_milli.is_some()
    }
}

/// Says which group this process is in.
pub(crate) const OWN: &str = "/proc/self/cgroup";

/// The folder that was delegated to the service which this process is of: the one above the subgroup it was put into.
pub(crate) fn delegated() -> io::Result<Option<PathBuf>> {
    let own = fs::read_to_string(OWN)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let Some((mount, own)) = mount_of(&mounts).zip(own.lines().find_map(|line| line.strip_prefix("0::/")))
    else {
        return Ok(None);
    };
    let own = mount.join(own);
    Ok(own
        .parent()
        .filter(|above| above.starts_with(&mount) && is_delegated(above))
        .map(Path::to_owned))
}

/// Makes a folder ready for groups below it: the kinds of limits there are apply to them.
///
/// # Errors
/// There is no such folder of control groups, or nothing can be made in it. A kind of limit that is not there is none: the
/// program that wants it is told.
pub(crate) fn prepare(base: &Path) -> io::Result<()> {
    if !base.join("cgroup.procs").exists() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is no control group", base.display()),
        ));
    }
    let probe = base.join(format!("probe-{}", std::process::id()));
    fs::create_dir(&probe)?;
    fs::remove_dir(&probe)?;
    for kind in ["+memory", "+cpu"] {
        if let Err(fault) = fs::write(base.join("cgroup.subtree_control"), kind) {
            tracing::debug!(kind, %fault, "a kind of limit is not to be had");
        }
    }
    Ok(())
}

/// The group of one program.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    back: Option<PathBuf>,
}

impl Cgroup {
    /// Makes a group with these limits.
    pub(crate) fn make(path: &Path, quota: &Quota) -> io::Result<Self> {
        match fs::create_dir(path) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        let group = Self {
            path: path.to_owned(),
            back: own(path),
        };
        let set = group.limit(quota);
        if set.is_err() {
            group.remove();
        }
        set.map(|()| group)
    }

    /// Puts this process, and what it starts from now on, into the group.
    pub(crate) fn enter(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), "0")
    }

    /// Puts this process back to where it was; what it has started stays.
    pub(crate) fn leave(&self) -> io::Result<()> {
        let back = self.back.as_ref().ok_or(io::ErrorKind::NotFound)?;
        fs::write(back.join("cgroup.procs"), "0")
    }

    /// Kills everything in the group at once.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Takes the group away, if nothing is in it.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir(&self.path);
    }

    /// Takes the group away as soon as what was killed in it is gone: the kernel calls it busy until then.
    fn remove_soon(&self) -> io::Result<()> {
        const TRIES: usize = 50;
        for _ in 1..TRIES {
            match fs::remove_dir(&self.path) {
                Err(fault) if fault.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::park_timeout(Duration::from_millis(20));
                }
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
                removed => return removed,
            }
        }
        fs::remove_dir(&self.path)
    }

    fn limit(&self, quota: &Quota) -> io::Result<()> {
        let set = |name: &str, value: String| {
            fs::write(self.path.join(name), value)
                .map_err(|fault| io::Error::new(fault.kind(), format!("{name}: {fault}")))
        };
        if let Some(bytes) = quota.memory_bytes {
            set("memory.max", bytes.to_string())?;
            // Without it a limit of memory is a way to the disk.
            let _ = set("memory.swap.max", "0".to_owned());
        }
        if let Some(milli) = quota.cpu_milli {
            set("cpu.max", format!("{} 100000", (milli * 100).max(1_000)))?;
        }
        Ok(())
    }
}

/// Kills whatever is in a group that has lost its supervisor, and takes it away.
pub(crate) fn clear(path: &Path) {
    let group = Cgroup {
        path: path.to_owned(),
        back: None,
    };
    if !path.exists() {
        return;
    }
    if let Err(fault) = group.kill().and_then(|()| group.remove_soon()) {
        tracing::warn!(path = %path.display(), %fault, "a control group cannot be cleared");
    }
}

fn own(near: &Path) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = fs::read_to_string(OWN).ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = mount_of(&mounts).filter(|mount| near.starts_with(mount))?;
    Some(mount.join(own))
}

/// Where the groups of version 2 are mounted.
fn mount_of(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let at = before.split(' ').nth(4)?;
        after.starts_with("cgroup2 ").then(|| PathBuf::from(at))
    })
}

fn is_delegated(path: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0; 1];
        rustix::fs::getxattr(path, *name, &mut value) == Ok(1) && value == *b"1"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_among_others() {
        let mounts = "29 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      30 24 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_of(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_of(mounts.lines().next().unwrap()), None);
    }

    #[test]
    fn a_folder_that_is_no_group_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(prepare(folder.path()).is_err());
        let quota = Quota {
            memory_bytes: Some(1),
            cpu_milli: None,
        };
        // A file can be written into any folder: so a group is made only below what `prepare` took.
        assert!(Cgroup::make(&folder.path().join("no/where"), &quota).is_err());
    }
}
