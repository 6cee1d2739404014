//! What a process has used, read from `/proc`: CPU time of all its threads, resident memory, file limits.
//!
//! Invariant: a difference of two samples never misses a thread that ended in between.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::BenchError;

/// CPU time of a process at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuSample {
    /// Nanoseconds by thread.
    threads: BTreeMap<u32, u64>,
    /// User and system time of the whole process, in clock ticks.
    ticks: u64,
}

impl CpuSample {
    /// Reads the CPU time that `pid` has used up to now.
    ///
    /// # Errors
    /// `NoProcess` if there is no such process.
    pub(crate) fn of(pid: u32) -> Result<Self, BenchError> {
        let stat =
            fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| BenchError::NoProcess { pid })?;
        let ticks = ticks(&stat).ok_or(BenchError::NoProcess { pid })?;
        let mut threads = BTreeMap::new();
        if let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) {
            for task in tasks.flatten() {
                let spent = fs::read_to_string(task.path().join("schedstat"));
                let tid = task.file_name().to_str().and_then(|name| name.parse().ok());
                if let (Some(tid), Some(ns)) = (tid, spent.ok().as_deref().and_then(run_ns)) {
                    threads.insert(tid, ns);
                }
            }
        }
        Ok(Self { threads, ticks })
    }

    /// Nanoseconds used between an earlier sample and this one.
    ///
    /// The threads' own counters are exact to the nanosecond but vanish with their thread; then the ticks of the whole
    /// process, which keep what ended threads used, stand in.
    pub(crate) fn since(&self, earlier: &Self) -> u64 {
        let whole =
            !earlier.threads.is_empty() && earlier.threads.keys().all(|tid| self.threads.contains_key(tid));
        if !whole {
            let per_second = rustix::param::clock_ticks_per_second().max(1);
            return self.ticks.saturating_sub(earlier.ticks) * (1_000_000_000 / per_second);
        }
        self.threads
            .iter()
            .map(|(tid, ns)| ns.saturating_sub(earlier.threads.get(tid).copied().unwrap_or(0)))
            .sum()
    }
}

/// Resident memory of a process in bytes.
///
/// # Errors
/// `NoProcess` if there is no such process.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, BenchError> {
    let exact = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    if let Some(bytes) = exact.as_deref().and_then(rollup_bytes) {
        return Ok(bytes);
    }
    let statm =
        fs::read_to_string(format!("/proc/{pid}/statm")).map_err(|_| BenchError::NoProcess { pid })?;
    let pages = statm_pages(&statm).ok_or(BenchError::NoProcess { pid })?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Raises this process's file limit as far as allowed and checks that it covers `needed` open files.
///
/// # Errors
/// `FewFiles` if it does not.
pub(crate) fn need_files(needed: u64) -> Result<(), BenchError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|soft| soft < needed) {
        let wanted = limit.maximum.map_or(needed, |hard| hard.min(needed));
        // A refusal shows in the check below.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        );
    }
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < needed => Err(BenchError::FewFiles { needed, allowed }),
        Some(_) | None => Ok(()),
    }
}

/// User and system ticks from `/proc/PID/stat`, whose second field may hold blanks and brackets itself.
fn ticks(stat: &str) -> Option<u64> {
    let after_name = stat.get(stat.rfind(')')? + 1..)?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Nanoseconds on a CPU from `/proc/PID/task/TID/schedstat`.
fn run_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// Resident bytes from `/proc/PID/smaps_rollup`.
fn rollup_bytes(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Resident pages from `/proc/PID/statm`.
fn statm_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_nasty_name() {
        let stat =
            "4242 (a) b (c 1) S 1 4242 4242 0 -1 4194560 900 0 0 0 1234 567 3 4 20 0 5 0 77 1000 200 99";
        assert_eq!(ticks(stat), Some(1234 + 567));
        assert_eq!(ticks("4242 (short) S 1 2"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn memory_files() {
        assert_eq!(
            rollup_bytes("0-1 ---p 0 00:00 0 [rollup]\nRss:                1532 kB\nPss: 9 kB\n"),
            Some(1532 * 1024)
        );
        assert_eq!(rollup_bytes("Pss: 9 kB\n"), None);
        assert_eq!(statm_pages("900 123 45 1 0 99 0\n"), Some(123));
        assert_eq!(statm_pages("900"), None);
        assert_eq!(run_ns("123456789 22 7\n"), Some(123_456_789));
    }

    #[test]
    fn a_thread_that_ended_makes_the_ticks_count() {
        let sample = |threads: &[(u32, u64)], ticks| CpuSample {
            threads: threads.iter().copied().collect(),
            ticks,
        };
        let before = sample(&[(1, 1_000), (2, 5_000)], 10);
        assert_eq!(
            sample(&[(1, 1_500), (2, 5_000), (3, 700)], 99).since(&before),
            1_200
        );
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second();
        assert_eq!(sample(&[(1, 1_500)], 13).since(&before), 3 * tick_ns);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        let before = CpuSample::of(pid).unwrap();
        let started = crate::clock::thread_cpu_ns();
        while crate::clock::thread_cpu_ns() < started + 30_000_000 {
            std::hint::black_box(0);
        }
        let used = CpuSample::of(pid).unwrap().since(&before);
        assert!(used >= 10_000_000, "{used} ns for 30 ms of work");
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(matches!(
            CpuSample::of(u32::MAX),
            Err(BenchError::NoProcess { .. })
        ));
    }

    #[test]
    fn file_limits_are_checked() {
        need_files(16).unwrap();
        // More than any kernel lets a process open (`fs.nr_open` is an `int`).
        if getrlimit(Resource::Nofile).current.is_some() {
            assert!(matches!(
                need_files(u64::MAX / 2),
                Err(BenchError::FewFiles { .. })
            ));
        }
    }
}
