//! What the operating system says about this process, under the names that dashboards know.
//!
//! Invariant: where the system does not say, there is a zero and no failure.

use std::fs;

use prometheus_client::registry::Unit;
use rustix::process::{Resource, getrlimit};

use super::Meters;
use super::collect::Reading;

pub(super) fn collect(meters: &Meters) {
    let cpu = Reading::CounterOfSeconds(Box::new(cpu));
    meters.collect("process_cpu", "User and system time", Some(Unit::Seconds), cpu);
    meters.collect(
        "process_resident_memory",
        "Resident memory",
        Some(Unit::Bytes),
        Reading::gauge(resident),
    );
    let open = Reading::gauge(|| fs::read_dir("/proc/self/fd").map_or(0.0, |entries| entries.count() as f64));
    meters.collect("process_open_fds", "Open file descriptors", None, open);
    let most = Reading::gauge(|| {
        getrlimit(Resource::Nofile)
            .current
            .map_or(f64::INFINITY, |most| most as f64)
    });
    meters.collect("process_max_fds", "File descriptors that may be open", None, most);
}

/// User and system time so far, in seconds.
pub(super) fn cpu() -> f64 {
    cpu_seconds(&read("/proc/self/stat")).unwrap_or_default()
}

/// Resident memory, in bytes.
pub(super) fn resident() -> f64 {
    resident_bytes(&read("/proc/self/statm")).unwrap_or_default()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Fields 14 and 15 of proc(5)'s `stat`: user and system time in ticks.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name in brackets, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields
        .split_ascii_whitespace()
        .skip(11)
        .map(|field| field.parse::<u64>().ok());
    let ticks = times.next()?? + times.next()??;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The second field of proc(5)'s `statm`: resident pages.
fn resident_bytes(statm: &str) -> Option<f64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some((pages * rustix::param::page_size() as u64) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let stat = "7 (a) b 1 (2) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0\n";
        assert_eq!(cpu_seconds(stat), Some(200.0 / ticks));
        for broken in ["", "7 (a", "7 (a) S 1", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x 50"] {
            assert_eq!(cpu_seconds(broken), None, "{broken}");
        }
    }

    #[test]
    fn resident_pages_are_bytes() {
        assert_eq!(
            resident_bytes("9 2 1"),
            Some(2.0 * rustix::param::page_size() as f64)
        );
        assert_eq!(resident_bytes("9"), None);
    }
}
