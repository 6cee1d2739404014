//! Many seeds of the world of devices, the seeds that once failed, and one seed by hand.

mod common;

use std::collections::BTreeMap;

use bongsu_sim::devices::{checks, run};
use common::World;

/// Things that happen in one seed.
const OPS: usize = 120;
/// Seeds that are run always.
const SEEDS: u64 = 500;
const WORLD: World = World {
    name: "devices",
    run: judged,
    seeds: SEEDS,
    failed: include_str!("../seeds-devices.txt"),
};

fn judged(seed: u64) -> (Result<(), String>, String) {
    let (ledger, log) = run(seed, OPS);
    let judged = checks::always(&ledger).and_then(|()| checks::eventually(&ledger));
    (judged.map_err(|violation| violation.to_string()), log)
}

#[test]
fn every_seed_holds() {
    WORLD.every_seed_holds();
}

#[test]
fn seeds_that_once_failed_hold() {
    WORLD.seeds_that_once_failed_hold();
}

#[test]
fn replay() {
    WORLD.replay();
}

/// A fault that never happened proves nothing, and neither does a command that never comes to anything.
#[test]
fn everything_that_may_happen_does() {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..=60 {
        let (ledger, _) = run(seed, OPS);
        for (name, times) in ledger.counted {
            *counted.entry(name.into()).or_default() += times;
        }
        for command in ledger.commands {
            *counted.entry(command.state.name().into()).or_default() += 1;
            if command.late.is_some() {
                *counted.entry("late".into()).or_default() += 1;
            }
        }
    }
    println!("{counted:#?}");
    for name in [
        "crash",
        "start",
        "stall",
        "drop",
        "restart",
        "device clock",
        "node clock",
        "bus",
        "fail writes",
        "lease",
        "hang up",
        "ask again",
        "joined",
        "repeated",
        "DEVICE_LEASED",
        "DEVICE_OFFLINE",
        "succeeded",
        "failed",
        "rejected",
        "timed_out",
        "expired",
        "superseded",
        "cancelled",
        "offline",
        "late",
    ] {
        assert!(
            counted.get(name).is_some_and(|times| *times > 2),
            "{name}: {counted:?}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in [3, 17, 99, 240] {
        let log = || run(seed, OPS).1;
        let (first, second) = (log(), log());
        if first != second {
            let line = first.lines().zip(second.lines()).position(|(a, b)| a != b);
            panic!("seed {seed}: two runs part at line {line:?}");
        }
    }
}
