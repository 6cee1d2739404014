//! Waiting for what others do: the end of a process that may be nobody's child here, and changes in a folder.
//!
//! Invariant: it is the kernel that tells, and of exactly that process; nothing is polled.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::process::Identity;

/// A process whose end is waited for.
#[derive(Debug)]
pub(crate) struct Watch {
    held: OwnedFd,
}

impl Watch {
    /// Holds a process by its number: right for a child that was not waited for, whose number is not given again.
    pub(crate) fn child(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let held = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Self { held })
    }

    /// Holds a process if it still is who it was; `None` if it is gone.
    pub(crate) fn other(who: &Identity) -> io::Result<Option<Self>> {
        match Self::child(who.pid) {
            // Held first and looked at then: what is held is not followed by another of its number.
            Ok(watch) => Ok(who.lives().then_some(watch)),
            Err(fault) if fault.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Ends when the process has ended. Belongs into a runtime.
    #[allow(
        deprecated,
        reason = "what takes its place is unsafe; an owned descriptor keeps what that asks for"
    )]
    pub(crate) async fn gone(self) -> io::Result<()> {
        let held = AsyncFd::with_interest(self.held, Interest::READABLE)?;
        held.readable().await?.retain_ready();
        Ok(())
    }
}

/// A folder whose changes are waited for.
#[derive(Debug)]
pub(crate) struct Folders {
    changes: OwnedFd,
}

impl Folders {
    /// Watches a folder from now on.
    pub(crate) fn watch(folder: &Path) -> io::Result<Self> {
        let changes = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&changes, folder, what)?;
        Ok(Self { changes })
    }

    /// Waits until something has changed since the last time.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match rustix::io::read(&self.changes, &mut buffer) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }
}
