//! The judge of histories is judged: of correct ones it says nothing, and it finds each defect that is planted into them.
//!
//! Invariant: a seed is a history, and a place in it at which a defect is planted.

mod generator;
mod plant;
mod small;

use std::collections::BTreeMap;

use bongsu_sim::Random;
use bongsu_sim::judge::{Source, Verdict, judge};
use generator::Record;
use plant::DEFECTS;

const SEEDS: u64 = 100;

/// One file for each client, one for the faults, one for the dump: in an order that no judge may rely on.
fn verdict(record: &Record) -> Verdict {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for line in record {
        let file = line.get("client").and_then(|client| client.as_str());
        let file = file.unwrap_or(if line.get("t_ms").is_some() {
            "faults"
        } else {
            "dump"
        });
        let text = files.entry(file).or_default();
        text.push_str(&line.to_string());
        text.push('\n');
    }
    let files: Vec<(String, String)> = files
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text))
        .collect();
    let sources: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
    judge(&sources).expect("a history that is complete")
}

#[test]
fn says_nothing_of_correct_histories() {
    let mut looked = [0; 5];
    for seed in 0..SEEDS {
        let verdict = verdict(&generator::record(seed));
        assert!(verdict.is_clean(), "seed {seed}:\n{verdict}");
        let it = verdict.looked;
        for (sum, one) in
            looked
                .iter_mut()
                .zip([it.sent - it.acknowledged, it.resumed, it.gaps, it.begun, it.read])
        {
            *sum += one;
        }
    }
    // Histories in which nothing ever goes wrong would prove little.
    assert!(looked.iter().all(|sum| *sum > SEEDS), "{looked:?}");
}

#[test]
fn finds_every_planted_defect() {
    for seed in 0..SEEDS {
        let record = generator::record(seed);
        for defect in DEFECTS {
            let mut record = record.clone();
            let planted = (defect.plant)(&mut record, &Random::new(seed));
            assert!(planted, "{}, seed {seed}: there is no place for it", defect.name);
            let verdict = verdict(&record);
            assert!(
                verdict
                    .violations
                    .iter()
                    .any(|it| it.broken.promise() == defect.breaks),
                "{}, seed {seed}: not found as {}:\n{verdict}",
                defect.name,
                defect.breaks
            );
        }
    }
}
