//! Many seeds, the seeds that once failed, and one seed by hand.

use std::collections::BTreeMap;

use bongsu_sim::{Cast, checks, run, run_with};

/// Things that happen in one seed.
const OPS: usize = 250;
/// The end of a log that is shown for a seed that fails.
const SHOWN: usize = 60;

fn judge(seed: u64, cast: Cast) -> Result<(), String> {
    let (history, log) = run_with(seed, OPS, cast, None);
    let judged = checks::always(&history).and_then(|()| checks::eventually(&history));
    judged.map_err(|violation| {
        let plain = match cast {
            Cast::Plain => "BONGSU_SIM_PLAIN=1 ",
            Cast::Mixed => "",
            Cast::Again => "BONGSU_SIM_AGAIN=1 ",
        };
        let lines: Vec<&str> = log.lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        format!("seed {seed}: {violation}\n{shown}\n{plain}BONGSU_SEED={seed} cargo test -p bongsu-sim replay -- --nocapture")
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_seed_holds() {
    all_hold(Cast::Mixed, 200);
}

#[test]
fn every_seed_holds_where_sessions_are_taken_up_again() {
    all_hold(Cast::Again, 100);
}

fn all_hold(cast: Cast, count: u64) {
    let count = number("BONGSU_SIM_SEEDS").unwrap_or(count);
    let from = number("BONGSU_SIM_FROM").unwrap_or(1);
    let failed: Vec<String> = (from..from + count)
        .filter_map(|seed| judge(seed, cast).err())
        .collect();
    let firsts: Vec<&str> = failed.iter().filter_map(|text| text.lines().next()).collect();
    assert!(
        failed.is_empty(),
        "{} of {count} seeds failed:\n{}",
        failed.len(),
        firsts.join("\n")
    );
}

#[test]
fn seeds_that_once_failed_hold() {
    for line in include_str!("../seeds.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (seed, name) = line.split_once(' ').expect("a seed and its name");
        let seed = seed.parse().expect("a seed is a number");
        for cast in [Cast::Plain, Cast::Mixed, Cast::Again] {
            if let Err(text) = judge(seed, cast) {
                panic!("{name}, {cast:?}: {text}");
            }
        }
    }
}

#[test]
fn replay() {
    let Some(seed) = number("BONGSU_SEED") else { return };
    let cast = if std::env::var_os("BONGSU_SIM_PLAIN").is_some() {
        Cast::Plain
    } else if std::env::var_os("BONGSU_SIM_AGAIN").is_some() {
        Cast::Again
    } else {
        Cast::Mixed
    };
    let (history, log) = run_with(seed, OPS, cast, None);
    println!("{log}");
    if let Err(violation) = checks::always(&history).and_then(|()| checks::eventually(&history)) {
        panic!("seed {seed}: {violation}");
    }
}

/// A fault that never happened proves nothing.
#[test]
fn everything_that_may_go_wrong_does() {
    let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 1..=30 {
        for (name, times) in run(seed, OPS).0.counted {
            *counted.entry(name).or_default() += times;
        }
    }
    for (name, times) in counted {
        println!("{name}: {times}");
        assert!(times > 0, "{name} never happened");
    }
}

#[test]
fn sessions_are_taken_up_again_and_begun_anew_after_every_kind_of_end() {
    let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 1..=10 {
        for (name, times) in run_with(seed, OPS, Cast::Again, None).0.counted {
            *counted.entry(name).or_default() += times;
        }
    }
    for name in [
        "sessions taken up",
        "sessions begun anew",
        "drop",
        "stop",
        "crash",
        "lags",
    ] {
        assert!(
            counted.get(name).is_some_and(|times| *times > 10),
            "{name}: {counted:?}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for (seed, cast) in [
        (3, Cast::Mixed),
        (17, Cast::Mixed),
        (99, Cast::Mixed),
        (5, Cast::Again),
    ] {
        let log = || run_with(seed, OPS, cast, None).1;
        let (first, second) = (log(), log());
        if first != second {
            let line = first.lines().zip(second.lines()).position(|(a, b)| a != b);
            panic!("seed {seed}: two runs part at line {line:?}");
        }
    }
}
