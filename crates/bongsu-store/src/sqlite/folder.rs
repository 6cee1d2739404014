//! The data folder: made private, and locked so that one process at a time writes in it.
//!
//! Invariant: the lock is held as long as the [`Lock`] lives; the system drops it when the process ends, however it ends.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::OpenError;

const LOCK_NAME: &str = "bongsu.lock";

/// Held by the process that has the folder open.
pub(super) struct Lock {
    _file: File,
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Makes the folder (0700) and the file (0600) if they are missing, and locks the folder.
pub(super) fn prepare(path: &Path) -> Result<Lock, OpenError> {
    let folder = folder_of(path);
    let lock = lock(&folder).map_err(|fault| match fault {
        LockFault::Io(source) => OpenError::Folder {
            path: folder.clone(),
            source,
        },
        LockFault::Held(pid) => OpenError::InUse {
            path: folder.clone(),
            pid,
        },
    })?;
    // SQLite gives its side files the mode of the main file, so this covers them too.
    private(path).map_err(|source| OpenError::Folder {
        path: path.to_owned(),
        source,
    })?;
    Ok(lock)
}

enum LockFault {
    Io(std::io::Error),
    Held(Option<u32>),
}

impl From<std::io::Error> for LockFault {
    fn from(fault: std::io::Error) -> Self {
        Self::Io(fault)
    }
}

fn lock(folder: &Path) -> Result<Lock, LockFault> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = private(&folder.join(LOCK_NAME))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the error's text: what cannot be read is left out.
            let pid = file
                .read_to_string(&mut holder)
                .ok()
                .and_then(|_| holder.trim().parse().ok());
            return Err(LockFault::Held(pid));
        }
        Err(TryLockError::Error(fault)) => return Err(fault.into()),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Lock { _file: file })
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}
