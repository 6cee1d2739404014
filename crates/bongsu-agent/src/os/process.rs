//! Which processes there are: who they are for certain, what they descend from, and signals for them.
//!
//! Invariant: a number alone is nobody, as numbers are given again. A process is its number, its start and the boot; and
//! what is signalled is held by a descriptor while it is looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use bongsu_model::display::StopSignal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Who a process is, for as long as there is a machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its number.
    pub(crate) pid: u32,
    /// When it was started, in the kernel's ticks since the boot.
    pub(crate) ticks: u64,
    /// Which boot that was.
    pub(crate) boot: String,
}

impl Identity {
    /// Who a process is that lives.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self {
            pid,
            ticks: Stat::read(pid)?.ticks,
            boot: boot()?,
        })
    }

    /// Whether it still lives.
    pub(crate) fn lives(&self) -> bool {
        let same = |stat: Stat| stat.ticks == self.ticks && !stat.dead;
        boot().is_ok_and(|boot| boot == self.boot) && Stat::read(self.pid).is_ok_and(same)
    }
}

/// This very program, even if its file has been replaced since.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";

/// Which boot of the machine this is.
pub(crate) fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// How long the machine has been running, the time it slept included, in milliseconds.
pub(crate) fn since_boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    seconds * 1_000 + nanos / 1_000_000
}

/// Signals a process group. One that is gone already is none of the caller's trouble.
pub(crate) fn signal_group(leader: u32, signal: Signal) {
    if let Some(leader) = pid(leader) {
        let _ = kill_process_group(leader, signal);
    }
}

/// Signals everything that descends from `root`, except itself; whatever is made meanwhile is not met.
pub(crate) fn signal_descendants(root: u32, signal: Signal) {
    signal_all(signal, &|all| descendants(root, all));
}

/// Kills whatever carries `mark` in its environment or belongs to the session that `leader` led, and waits for it to be gone;
/// again while there is more of it, for a bounded time. Whether nothing is left.
pub(crate) fn kill_marked(leader: u32, mark: &str) -> bool {
    const ROUNDS: usize = 50;
    let wait = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    for _ in 0..ROUNDS {
        let (met, some) = signal_all(Signal::KILL, &|all| marked(leader, mark, all));
        if met == 0 {
            return true;
        }
        for held in &some {
            let _ = poll(&mut [PollFd::new(held, PollFlags::IN)], Some(&wait));
        }
    }
    false
}

/// The signal of that name.
pub(crate) const fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Kill => Signal::KILL,
    }
}

#[derive(Clone, Copy, Debug)]
struct Stat {
    dead: bool,
    parent: u32,
    session: u32,
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// The name of a process may hold anything, so the fields are counted from its last parenthesis.
    fn parse(text: &[u8]) -> Option<Self> {
        let after = text.iter().rposition(|byte| *byte == b')')? + 1;
        let text = std::str::from_utf8(&text[after..]).ok()?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        Some(Self {
            dead: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

fn everybody() -> BTreeMap<u32, Stat> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    folder
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, Stat::read(pid).ok()?))
        })
        .filter(|(_, stat)| !stat.dead)
        .collect()
}

fn descendants(root: u32, all: &BTreeMap<u32, Stat>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|(_, stat)| stat.parent == parent);
        for (&child, _) in children {
            if child != root && !found.contains(&child) {
                found.push(child);
                parents.push(child);
            }
        }
    }
    found
}

fn marked(leader: u32, mark: &str, all: &BTreeMap<u32, Stat>) -> Vec<u32> {
    let me = std::process::id();
    let carries = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    // A number is not given again while a session has it; so if there is a process of it, it is another session's.
    let session = Some(leader).filter(|leader| !all.contains_key(leader));
    all.iter()
        .filter(|(pid, _)| **pid != me)
        .filter(|(pid, stat)| session == Some(stat.session) || carries(**pid))
        .map(|(pid, _)| *pid)
        .collect()
}

/// Holds each that is chosen by a descriptor, looks again whether it is the same, and signals it; how many were, and some
/// of them: there may be more of them than descriptors.
fn signal_all(signal: Signal, choose: &dyn Fn(&BTreeMap<u32, Stat>) -> Vec<u32>) -> (usize, Vec<OwnedFd>) {
    const HELD_MAX: usize = 8;
    let all = everybody();
    let hold = |number: u32| {
        let held = pidfd_open(pid(number)?, PidfdFlags::empty()).ok()?;
        let now = Stat::read(number).ok()?;
        let same = all.get(&number).is_some_and(|then| then.ticks == now.ticks) && !now.dead;
        (same && pidfd_send_signal(&held, signal).is_ok()).then_some(held)
    };
    let (mut met, mut some) = (0, Vec::new());
    for held in choose(&all).into_iter().filter_map(hold) {
        met += 1;
        if some.len() < HELD_MAX {
            some.push(held);
        }
    }
    (met, some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let text = b"42 (a) S 1 (b) R 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(
            (stat.parent, stat.session, stat.ticks, stat.dead),
            (7, 9, 987_654, false)
        );
        assert!(Stat::parse(b"42 (a) S 1").is_none());
    }

    #[test]
    fn one_who_lives_is_known_and_another_start_is_another_process() {
        let me = Identity::of(std::process::id()).unwrap();
        assert!(me.lives());
        let other = |change: fn(&mut Identity)| {
            let mut other = me.clone();
            change(&mut other);
            other
        };
        assert!(!other(|it| it.ticks += 1).lives());
        assert!(!other(|it| it.boot.push('0')).lives());
    }

    #[test]
    fn descendants_are_met_through_their_parents() {
        let stat = |parent| Stat {
            dead: false,
            parent,
            session: 1,
            ticks: 0,
        };
        let all = [
            (1, stat(0)),
            (2, stat(1)),
            (3, stat(2)),
            (4, stat(1)),
            (9, stat(5)),
        ]
        .into();
        let mut found = descendants(1, &all);
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
        assert_eq!(descendants(3, &all), [0; 0]);
    }
}
