//! What the kernel says about this process, for `/metrics`. Linux only; elsewhere there is nothing to say.

use std::fs;

/// What the kernel says.
pub(super) struct ProcessFigures {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) open_fds: u64,
    pub(super) max_fds: Option<u64>,
}

/// The kernel tells times to users in hundredths of a second, whatever it counts in itself.
const TICKS_PER_S: f64 = 100.0;

/// Asks it; blocks for a moment.
pub(super) fn read() -> Option<ProcessFigures> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok();
    Some(ProcessFigures {
        cpu_seconds: cpu_ticks(&stat)? as f64 / TICKS_PER_S,
        resident_bytes: resident_kb(&status)? * 1024,
        open_fds: open_fds()?,
        max_fds: limits.as_deref().and_then(max_fds),
    })
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name in brackets may hold anything, brackets too.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kb(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn open_fds() -> Option<u64> {
    // Since Linux 6.2 the folder's size is the count, which saves a walk over 100,000 entries.
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 9 1 1";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(resident_kb("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2_048));
        assert_eq!(max_fds("Max open files            1024                 4096                 files\n"), Some(1_024));
        assert_eq!(max_fds("Max open files            unlimited            unlimited            files\n"), None);
    }
}
