//! Defects planted into the world of devices: the checks must find each of them, as what it is.

use bongsu_model::device::CommandState;
use bongsu_sim::devices::checks::{self, Violation};
use bongsu_sim::devices::{DeviceDefect, run_with};

const OPS: usize = 120;
/// Within so many seeds a defect must show.
const SEEDS: u64 = 100;

fn found(defect: DeviceDefect, is_it: impl Fn(&Violation) -> bool) {
    for seed in 1..=SEEDS {
        let (ledger, _) = run_with(seed, OPS, Some(defect));
        let judged = checks::always(&ledger).and_then(|()| checks::eventually(&ledger));
        if let Err(violation) = judged {
            assert!(is_it(&violation), "{defect:?}, seed {seed}: {violation}");
            return;
        }
    }
    panic!("{defect:?} is not found within {SEEDS} seeds");
}

#[test]
fn no_dedupe() {
    found(DeviceDefect::NoDedupe, |it| matches!(it, Violation::Twice { .. }));
}

#[test]
fn the_deadline_is_looked_at_on_arrival_only() {
    found(DeviceDefect::DeadlineOnArrival, |it| {
        matches!(it, Violation::Late { .. })
    });
}

#[test]
fn epochs_are_ignored() {
    found(DeviceDefect::EpochIgnored, |it| {
        matches!(it, Violation::OldWord { .. })
    });
}

#[test]
fn what_has_ended_is_sent_again() {
    found(DeviceDefect::RetryAfterTerminal, |it| {
        matches!(it, Violation::SentAfterEnd { .. })
    });
}

#[test]
fn the_same_arguments_for_another_target_join() {
    found(DeviceDefect::DebounceAcrossTargets, |it| {
        matches!(it, Violation::Another { .. })
    });
}

#[test]
fn what_is_being_written_is_superseded() {
    found(DeviceDefect::SupersededAnyway, |it| {
        matches!(
            it,
            Violation::Untrue {
                state: CommandState::Superseded,
                begun: true,
                ..
            }
        )
    });
}

#[test]
fn the_store_does_not_fence() {
    found(DeviceDefect::Unfenced, |it| {
        matches!(it, Violation::Elsewhere { .. })
    });
}

#[test]
fn nobody_sweeps() {
    found(DeviceDefect::SweeperOff, |it| {
        matches!(it, Violation::Open { .. })
    });
}
