//! Many seeds of the world of displays, the seeds that once failed, and one seed by hand.

mod common;

use std::collections::BTreeMap;

use bongsu_sim::displays::ledger::Saw;
use bongsu_sim::displays::{checks, run};
use common::World;

/// Things that happen in one seed.
const OPS: usize = 100;
/// Seeds that are run always.
const SEEDS: u64 = 50;
const WORLD: World = World {
    name: "displays",
    run: judged,
    seeds: SEEDS,
    failed: include_str!("../seeds-displays.txt"),
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

/// A fault that never happened proves nothing, and neither does a display that is always let in.
#[test]
fn everything_that_may_happen_does() {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..=24 {
        let (ledger, _) = run(seed, OPS);
        for (name, times) in &ledger.counted {
            *counted.entry((*name).into()).or_default() += times;
        }
        for seen in &ledger.seen {
            let what = match &seen.saw {
                Saw::LetIn { .. } => "let in",
                Saw::Refused { code, .. } => code.name(),
                Saw::Began { .. } => "began",
                Saw::Told {
                    start_at: Some(_), ..
                } => "told a start",
                Saw::Told { .. } => "told",
                Saw::Prepared { .. } => "prepared",
                Saw::Answered { .. } => "answered",
                Saw::HungUp { .. } => "hung up",
                Saw::Claimed { .. }
                | Saw::Alive { .. }
                | Saw::Stalled { .. }
                | Saw::Over { .. }
                | Saw::Finished { .. }
                | Saw::Asked { .. } => continue,
            };
            *counted.entry(what.into()).or_default() += 1;
        }
        for command in &ledger.commands {
            let what = format!("{} {}", command.name, command.state.name());
            *counted.entry(what).or_default() += 1;
        }
    }
    println!("{counted:#?}");
    for name in [
        "crash",
        "start",
        "stall",
        "leave",
        "manner",
        "bus",
        "let in",
        "NAME_TAKEN",
        "DEVICE_OFFLINE",
        "COMMAND_REFUSED",
        "began",
        "told a start",
        "told",
        "prepared",
        "answered",
        "hung up",
        "display.run succeeded",
        "display.run failed",
        "display.run rejected",
        "display.run timed_out",
        "display.prepare succeeded",
        "display.prepare rejected",
        "display.prepare timed_out",
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
