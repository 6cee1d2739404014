//! Files that are there whole or not at all, the pipe by which a supervisor is spoken to, and whom a file may be trusted from.
//!
//! Invariant: a file that was written here is complete under its name; unless it says nothing after a reboot, whenever the
//! power goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, flock, mkfifoat};
use serde::{Deserialize, Serialize};

/// Makes a folder that is its owner's alone, and those above it; one that is there stays as it is.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether a folder is ours, and not for everybody to write to.
pub(crate) fn is_own_folder(path: &Path) -> io::Result<bool> {
    let is = fs::metadata(path)?;
    let own = is.uid() == rustix::process::geteuid().as_raw();
    Ok(is.is_dir() && own && is.mode() & 0o002 == 0)
}

/// A file of its owner's alone, written anew.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// A file of its owner's alone, to be added to.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Writes a file so that it is there as a whole or not at all. With `durable` it is on the disk when this returns; without,
/// there may be anything under its name after a reboot.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let new = path.with_added_extension("new");
    let mut file = create(&new)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    if durable && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Writes a file as a whole if there is none of its name; whether it did. Of two at a time one does.
pub(crate) fn write_first(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let new = path.with_added_extension(format!("new{}", std::process::id()));
    let written = create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        // Else the name might be on the disk before what it names.
        file.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&new, path));
    match fs::remove_file(&new) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    match linked {
        Ok(()) => Ok(true),
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Makes a pipe with a name.
pub(crate) fn make_pipe(path: &Path) -> io::Result<()> {
    Ok(mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?)
}

/// Opens a pipe with a name, for both directions: so nobody waits for the other end, and what was written stays until it is
/// read, as long as one of the two has it open. Never blocks.
pub(crate) fn open_pipe(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
}

/// Holds a file's lock until the file is closed; waits for whoever has it.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = append(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// By what a file is known again: another in its place, or another content, is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    device: u64,
    node: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Mark {
    /// The mark of the file that `path` leads to.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let is = fs::metadata(path)?;
        Ok(Self {
            device: is.dev(),
            node: is.ino(),
            bytes: is.size(),
            changed: (is.ctime(), is.ctime_nsec()),
        })
    }
}

/// Whether somebody may execute the file at all.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|is| is.is_file() && is.mode() & 0o111 != 0)
}

/// What on the way to `path`, which holds no links, may be changed by others than root and ourselves; `None` if nothing.
///
/// A folder that all may write to but in which each owns what it made (as `/tmp`) is no way to change what root made.
pub(crate) fn foreign(path: &Path) -> io::Result<Option<PathBuf>> {
    let me = rustix::process::geteuid().as_raw();
    for part in path.ancestors() {
        let is = fs::symlink_metadata(part)?;
        let owned = is.uid() == 0 || is.uid() == me;
        let sticky = is.is_dir() && is.mode() & 0o1000 != 0;
        let by_group = is.mode() & 0o020 != 0 && is.gid() != 0;
        let by_all = is.mode() & 0o002 != 0;
        if !owned || ((by_group || by_all) && !sticky) {
            return Ok(Some(part.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_first_who_writes_a_file_is_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claim");
        assert!(write_first(&path, b"one").unwrap());
        assert!(!write_first(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_may_change_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let path = folder.join("program");
        fs::write(&path, "x").unwrap();
        let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        allow(&path, 0o755);
        assert_eq!(foreign(&path).unwrap(), None);
        allow(&path, 0o757);
        assert_eq!(foreign(&path).unwrap(), Some(path.clone()));
        allow(&path, 0o755);
        allow(&folder, 0o777);
        assert_eq!(foreign(&path).unwrap(), Some(folder.clone()));
        allow(&folder, 0o1777);
        assert_eq!(foreign(&path).unwrap(), None);
    }

    #[test]
    fn another_content_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, "one").unwrap();
        let mark = Mark::of(&path).unwrap();
        assert_eq!(Mark::of(&path).unwrap(), mark);
        fs::write(&path, "other").unwrap();
        assert_ne!(Mark::of(&path).unwrap(), mark);
    }
}
