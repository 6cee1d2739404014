//! Many seeds of the world of displays, the seeds that once failed, and one seed by hand.

use std::collections::BTreeMap;

use bongsu_sim::displays::ledger::Saw;
use bongsu_sim::displays::{checks, run};

/// Things that happen in one seed.
const OPS: usize = 100;
/// Seeds that are run always.
const SEEDS: u64 = 50;
/// The end of a log that is shown for a seed that fails.
const SHOWN: usize = 60;

fn judge(seed: u64) -> Result<(), String> {
    let (ledger, log) = run(seed, OPS);
    let judged = checks::always(&ledger).and_then(|()| checks::eventually(&ledger));
    judged.map_err(|violation| {
        let lines: Vec<&str> = log.lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        format!("seed {seed}: {violation}\n{shown}\nBONGSU_SEED={seed} cargo test -p bongsu-sim --test displays replay -- --nocapture")
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_seed_holds() {
    let count = number("BONGSU_SIM_SEEDS").unwrap_or(SEEDS);
    let from = number("BONGSU_SIM_FROM").unwrap_or(1);
    // Each seed is a world of its own: they share nothing but the machine.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut failed: Vec<(u64, String)> = std::thread::scope(|scope| {
        let part = |first: u64| {
            let seeds = (from + first..from + count).step_by(threads);
            move || {
                seeds
                    .filter_map(|seed| Some((seed, judge(seed).err()?)))
                    .collect::<Vec<_>>()
            }
        };
        let parts: Vec<_> = (0..threads as u64)
            .map(|first| scope.spawn(part(first)))
            .collect();
        let joined = parts
            .into_iter()
            .map(|part| part.join().expect("a world does not panic"));
        joined.flatten().collect()
    });
    failed.sort_unstable();
    let firsts: Vec<&str> = failed
        .iter()
        .filter_map(|(_, text)| text.lines().next())
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {count} seeds failed:\n{}",
        failed.len(),
        firsts.join("\n")
    );
}

#[test]
fn seeds_that_once_failed_hold() {
    let lines = include_str!("../seeds-displays.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (seed, name) = line.split_once(' ').expect("a seed and its name");
        if let Err(text) = judge(seed.parse().expect("a seed is a number")) {
            panic!("{name}: {text}");
        }
    }
}

#[test]
fn replay() {
    let Some(seed) = number("BONGSU_SEED") else { return };
    let (ledger, log) = run(seed, OPS);
    println!("{log}");
    if let Err(violation) = checks::always(&ledger).and_then(|()| checks::eventually(&ledger)) {
        panic!("seed {seed}: {violation}");
    }
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
