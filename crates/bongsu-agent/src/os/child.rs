//! Starting one program and seeing to the end of everything that descends from it.
//!
//! Invariant: this process becomes the parent of whatever a program leaves behind, so "no children any more" means that
//! nothing of it is left.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, set_child_subreaper, setsid, wait};
use rustix::thread::set_name;

use super::user::Account;

/// What a supervisor may say on its standard output before it closes it: nothing is expected.
pub(crate) const SAID_BYTES_MAX: u64 = 64 * 1024;

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What is heard of children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// The program has ended.
    Ended(Exit),
    /// There are no children any more.
    Alone,
}

/// Leaves the session and the terminal of whoever started this process, and takes in what its children leave behind.
pub(crate) fn settle() -> io::Result<()> {
    // Whoever ends the agent by its name does not mean its programs.
    set_name(c"bongsu-program")?;
    // Who leads a group already has its own session: nothing to leave.
    let _ = setsid();
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Nothing is said on standard output any more: whoever reads it meets its end.
pub(crate) fn close_stdout() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&null)?)
}

/// Starts a program in a group of its own, with both its outputs as pipes that do not block their reader, as `account`.
pub(crate) fn start(mut command: Command, account: Option<&Account>) -> io::Result<Child> {
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A thread has its own user, and what it starts inherits that: this process stays who it is, and keeps its files to
    // itself.
    let child = thread::scope(|scope| {
        let starting = thread::Builder::new().spawn_scoped(scope, || {
            account.map_or(Ok(()), Account::become_it)?;
            command.spawn()
        })?;
        starting
            .join()
            .map_err(|_| io::Error::other("the starting thread panicked"))?
    })?;
    if let Some(out) = &child.stdout {
        rustix::io::ioctl_fionbio(out, true)?;
    }
    if let Some(err) = &child.stderr {
        rustix::io::ioctl_fionbio(err, true)?;
    }
    Ok(child)
}

/// Waits for all children in a thread, which is there before the program is.
#[derive(Debug)]
pub(crate) struct Reaper {
    heard: PipeReader,
    program: SyncSender<u32>,
}

impl Reaper {
    /// A thread that does not wait for children yet.
    pub(crate) fn new() -> io::Result<Self> {
        let (heard, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&heard, true)?;
        let (program, told) = mpsc::sync_channel(1);
        let reaping = move || {
            if let Ok(program) = told.recv() {
                reap(program, writer);
            }
        };
        thread::Builder::new().stack_size(64 * 1024).spawn(reaping)?;
        Ok(Self { heard, program })
    }

    /// All children are waited for from now on. What is heard of them, and of the program among them, is in the pipe:
    /// [`read_heard`] reads it.
    pub(crate) fn wait_for(self, program: u32) -> PipeReader {
        // The thread is there until it is told.
        let _ = self.program.send(program);
        self.heard
    }
}

fn reap(program: u32, mut writer: PipeWriter) {
    loop {
        let heard = match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if is(pid, program) => exit(status).map(Heard::Ended),
            Ok(_) | Err(rustix::io::Errno::INTR) => None,
            Err(_) => Some(Heard::Alone),
        };
        if let Some(heard) = heard
            && (writer.write_all(&heard.bytes()).is_err() || heard == Heard::Alone)
        {
            return;
        }
    }
}

/// What was heard, if something was.
pub(crate) fn read_heard(from: &mut PipeReader) -> io::Result<Option<Heard>> {
    let mut bytes = [0; 5];
    match from.read_exact(&mut bytes) {
        Ok(()) => Ok(Heard::read(bytes)),
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(fault) => Err(fault),
    }
}

impl Heard {
    fn bytes(self) -> [u8; 5] {
        let (tag, value) = match self {
            Self::Ended(Exit::Code(code)) => (b'c', code),
            Self::Ended(Exit::Signal(signal)) => (b's', signal),
            Self::Alone => (b'a', 0),
        };
        let [a, b, c, d] = value.to_le_bytes();
        [tag, a, b, c, d]
    }

    fn read([tag, a, b, c, d]: [u8; 5]) -> Option<Self> {
        let value = i32::from_le_bytes([a, b, c, d]);
        match tag {
            b'c' => Some(Self::Ended(Exit::Code(value))),
            b's' => Some(Self::Ended(Exit::Signal(value))),
            b'a' => Some(Self::Alone),
            _ => None,
        }
    }
}

fn is(pid: Pid, number: u32) -> bool {
    u32::try_from(pid.as_raw_nonzero().get()) == Ok(number)
}

fn exit(status: WaitStatus) -> Option<Exit> {
    let code = status.exit_status().map(Exit::Code);
    code.or_else(|| status.terminating_signal().map(Exit::Signal))
}
