//! A program that runs: what it writes is kept, what is asked for it is done, until nothing of it is left.
//!
//! Invariant: one thread waits for everything, so what is kept of one program is two buffers; a program that writes all the
//! time is not read at the cost of a stop.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout};

use bongsu_device::time::OwnTime;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::ending::{Act, Closing};
use super::folder::{Ending, Lasted};
use super::log::{Log, Stream};
use super::notes::Notes;
use super::say;
use super::spec::Spec;
use crate::os::cgroup::Cgroup;
use crate::os::child::{Exit, Heard, read_heard};
use crate::os::process::{signal_descendants, signal_group, signal_of, since_boot_ms};

/// What is read at a time of what a program writes.
const READ_BYTES: usize = 64 * 1024;
/// A pipe holds no more than this: what was written before the end is read after it.
const PIPE_BYTES_MAX: usize = 1024 * 1024;

/// A program that runs.
pub(super) struct Tended {
    pid: u32,
    control: File,
    heard: PipeReader,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    out_log: Log,
    err_log: Log,
    signal: Signal,
    closing: Closing,
    group: Option<Cgroup>,
    ended: bool,
    alone: bool,
    buffer: Vec<u8>,
    words: Vec<u8>,
}

impl Tended {
    pub(super) fn new(
        mut program: Child,
        heard: PipeReader,
        control: File,
        folder: &Path,
        spec: &Spec,
        group: Option<Cgroup>,
    ) -> Self {
        let log = |stream| Log::new(folder, stream, spec.log_bytes_max, spec.log_files);
        Self {
            pid: program.id(),
            control,
            heard,
            out: program.stdout.take(),
            err: program.stderr.take(),
            out_log: log(Stream::Out),
            err_log: log(Stream::Err),
            signal: signal_of(spec.stop.signal),
            closing: Closing::new(spec.stop),
            group,
            ended: false,
            alone: false,
            buffer: vec![0; READ_BYTES],
            words: Vec::new(),
        }
    }

    /// Tends it until nothing of it is left. Its end is noted as soon as it ends.
    pub(super) fn finish(mut self, notes: &mut Notes<'_>, began: u64) -> io::Result<()> {
        while !self.alone {
            self.wait(notes.next())?;
            if let Some(exit) = self.listen()? {
                // Whatever it wrote itself is there when it is known that it has ended.
                self.read(PIPE_BYTES_MAX);
                notes.ended(self.ending(exit, began), since_boot_ms());
            }
            self.obey()?;
            self.read(READ_BYTES);
            notes.due(since_boot_ms());
            if let Some(act) = self.closing.due(since_boot_ms()) {
                self.act(act);
            }
        }
        // Who could have written is gone, so what the pipes hold is all there is.
        self.read(PIPE_BYTES_MAX);
        if let Some(group) = &self.group {
            group.remove();
        }
        if self.ended {
            Ok(())
        } else {
            Err(io::Error::other("the program's end was not heard of"))
        }
    }

    fn ending(&self, exit: Exit, began: u64) -> Ending {
        let lasted = Lasted {
            stopped: self.closing.was_stopped(),
            lasted_ms: since_boot_ms().saturating_sub(began),
            ended_at: OwnTime::start().now().0,
        };
        match exit {
            Exit::Code(code) => Ending::Exited(code, lasted),
            Exit::Signal(signal) => Ending::Killed(signal, lasted),
        }
    }

    fn wait(&self, or_at: Option<u64>) -> io::Result<()> {
        let now = since_boot_ms();
        let next = [self.closing.next(), or_at].into_iter().flatten().min();
        let left = next.map(|at| at.saturating_sub(now));
        let timeout = left.map(|ms| Timespec {
            tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ms % 1_000).unwrap_or_default() * 1_000_000,
        });
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.control.as_fd(), self.heard.as_fd()];
        fds.extend(self.out.as_ref().map(AsFd::as_fd));
        fds.extend(self.err.as_ref().map(AsFd::as_fd));
        let mut fds: Vec<PollFd<'_>> = fds
            .into_iter()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// How the program has ended, if that is heard now.
    fn listen(&mut self) -> io::Result<Option<Exit>> {
        let mut ended = None;
        while let Some(heard) = read_heard(&mut self.heard)? {
            match heard {
                Heard::Ended(exit) => {
                    ended = Some(exit);
                    self.ended = true;
                    let act = self.closing.ended(since_boot_ms());
                    self.act(act);
                }
                Heard::Alone => {
                    self.alone = true;
                    break;
                }
            }
        }
        Ok(ended)
    }

    /// What the agent asks for: a line `stop`, or `stop` and the milliseconds that the program has.
    fn obey(&mut self) -> io::Result<()> {
        let mut bytes = [0; 512];
        match self.control.read(&mut bytes) {
            Ok(count) => self.words.extend_from_slice(&bytes[..count]),
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(fault) => return Err(fault),
        }
        while let Some(end) = self.words.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.words.drain(..=end).collect();
            match parse(&line) {
                Some(grace_ms) => {
                    let act = self.closing.stop(grace_ms, since_boot_ms());
                    if let Some(act) = act {
                        self.act(act);
                    }
                }
                None => say("something was asked for that is not known"),
            }
        }
        Ok(())
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::AskGroup => {
                signal_group(self.pid, self.signal);
                // Who was halted would not hear it.
                signal_group(self.pid, Signal::CONT);
            }
            Act::AskAll => {
                signal_descendants(std::process::id(), self.signal);
                signal_descendants(std::process::id(), Signal::CONT);
            }
            Act::Kill => {
                if let Some(Err(fault)) = self.group.as_ref().map(Cgroup::kill) {
                    say(&format!("the control group cannot be killed: {fault}"));
                }
                if !self.ended {
                    signal_group(self.pid, Signal::KILL);
                }
                signal_descendants(std::process::id(), Signal::KILL);
            }
        }
    }

    /// Reads each stream once for at most so many bytes.
    fn read(&mut self, bytes_max: usize) {
        if drain(&mut self.out, &mut self.out_log, &mut self.buffer, bytes_max) {
            self.out = None;
        }
        if drain(&mut self.err, &mut self.err_log, &mut self.buffer, bytes_max) {
            self.err = None;
        }
    }
}

/// Whether the stream has come to its end.
fn drain(from: &mut Option<impl Read>, log: &mut Log, buffer: &mut [u8], bytes_max: usize) -> bool {
    let Some(from) = from else {
        return false;
    };
    let mut left = bytes_max;
    while left > 0 {
        match from.read(buffer) {
            Ok(0) => return true,
            Ok(count) => {
                left = left.saturating_sub(count);
                if let Err(fault) = log.write(&buffer[..count]) {
                    say(&format!("what the program writes is lost: {fault}"));
                }
            }
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return false,
            Err(fault) => {
                say(&format!("what the program writes cannot be read: {fault}"));
                return true;
            }
        }
    }
    false
}

fn parse(line: &[u8]) -> Option<Option<u64>> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    match (words.next()?, words.next(), words.next()) {
        ("stop", None, None) => Some(None),
        ("stop", Some(grace), None) => grace.parse().ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_read_with_its_time_or_without() {
        assert_eq!(parse(b"stop\n"), Some(None));
        assert_eq!(parse(b"stop 250\n"), Some(Some(250)));
        for wrong in [&b"stop soon\n"[..], b"stop 1 2\n", b"start\n", b"\n", b"\xff\n"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
