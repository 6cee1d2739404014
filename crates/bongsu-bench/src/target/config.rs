//! The configuration that a child runs with: the product's own, but for limits that guard against just this load.
//!
//! Invariant: limits are only raised, and nothing is switched off but that callers who ask for the same share one command;
//! every name is a field of `Limits`.

use std::fmt::Write as _;

use bongsu_model::limits::Limits;

/// The TOML file of a child.
pub(crate) fn toml(extra: &str) -> String {
    let defaults = Limits::DEFAULT.entries();
    let mut file = String::from("[limits]\n");
    for ((name, raised), (_, usual)) in raised().entries().into_iter().zip(defaults) {
        if raised != usual {
            writeln!(file, "{name} = {raised}").expect("writing to a string cannot fail");
        }
    }
    file.push_str(extra);
    file
}

/// The defaults with those limits raised that one machine playing thousands of users would meet.
fn raised() -> Limits {
    const PLENTY: u32 = 10_000_000;
    let mut limits = Limits::DEFAULT;
    // Idle users of the bench do not ping: that would be load.
    limits.idle_ms = 3_600_000;
    // Nor are they pinged by the server.
    limits.ping_interval_ms = limits.idle_ms / 3;
    limits.device_heartbeat_ms = limits.idle_ms / limits.device_heartbeats_missed;
    // Nor do displays send heartbeats, or are they asked whether they are there.
    limits.display_silent_ms = limits.idle_ms;
    limits.display_heartbeat_ms = limits.idle_ms / 3;
    limits.display_check_ms = limits.idle_ms;
    limits.display_events_per_s = PLENTY;
    limits.display_events_burst = PLENTY;
    // The same program is run again and again: no call joins one that has not quite ended.
    limits.command_debounce_ms = 0;
    limits.device_frames_per_s = PLENTY;
    limits.device_frames_burst = PLENTY;
    limits.commands_per_s = PLENTY;
    limits.commands_burst = PLENTY;
    limits.connections_per_address_max = limits.connections_max;
    limits.room_members_max = limits.room_members_ceiling;
    limits.posts_per_s = PLENTY;
    limits.posts_burst = PLENTY;
    limits.joins_per_s = PLENTY;
    limits.joins_burst = PLENTY;
    limits.requests_per_s = PLENTY;
    limits.requests_burst = PLENTY;
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_sets_a_limit_that_guards_against_the_load() {
        let file = toml("[store]\ndurability = \"process\"\n");
        let (limits, rest) = file.split_once("[store]").unwrap();
        let mut read = Limits::DEFAULT;
        for line in limits.lines().skip(1) {
            let (name, value) = line.split_once(" = ").unwrap();
            assert!(read.set(name, value.parse().unwrap()), "{line}");
        }
        assert_eq!(read, raised());
        assert!(rest.contains("durability"));
        let usual = Limits::DEFAULT.entries();
        for ((name, raised), (_, usual)) in raised().entries().into_iter().zip(usual) {
            assert!(
                raised >= usual || name == "command_debounce_ms",
                "{name} is lowered"
            );
        }
    }
}
