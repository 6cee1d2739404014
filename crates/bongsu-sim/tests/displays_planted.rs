//! Defects planted into the world of displays: the checks must find each of them, as what it is.

use bongsu_sim::displays::checks::{self, Violation};
use bongsu_sim::displays::{DisplayDefect, run_with};

const OPS: usize = 100;
/// Within so many seeds a defect must show.
const SEEDS: u64 = 60;

/// Finds a defect as what it is; `too` is what follows from it as well.
fn found(defect: DisplayDefect, is_it: impl Fn(&Violation) -> bool, too: impl Fn(&Violation) -> bool) {
    for seed in 1..=SEEDS {
        let (ledger, _) = run_with(seed, OPS, Some(defect));
        let judged = checks::always(&ledger).and_then(|()| checks::eventually(&ledger));
        match judged {
            Err(violation) if is_it(&violation) => return,
            Err(violation) => assert!(too(&violation), "{defect:?}, seed {seed}: {violation}"),
            Ok(()) => {}
        }
    }
    panic!("{defect:?} is not found within {SEEDS} seeds");
}

const fn nothing(_: &Violation) -> bool {
    false
}

#[test]
fn answers_get_lost() {
    found(
        DisplayDefect::AnswersLost,
        |it| matches!(it, Violation::Displaced { .. }),
        |it| matches!(it, Violation::Nobody { .. }),
    );
}

#[test]
fn the_dead_are_answered_for() {
    found(
        DisplayDefect::AnsweredFor,
        |it| matches!(it, Violation::Unjust { .. }),
        |it| matches!(it, Violation::Nobody { .. }),
    );
}

#[test]
fn who_is_refused_is_not_told() {
    found(
        DisplayDefect::Untold,
        |it| matches!(it, Violation::Untold { .. }),
        nothing,
    );
}

#[test]
fn two_sessions_of_a_name_are_told() {
    found(
        DisplayDefect::ToldBoth,
        |it| matches!(it, Violation::Elsewhere { .. }),
        |it| {
            matches!(
                it,
                Violation::ToldTwice { .. } | Violation::BegunTwice { .. } | Violation::Runs { .. }
            )
        },
    );
}

#[test]
fn guides_are_told_twice() {
    found(
        DisplayDefect::ToldTwice,
        |it| matches!(it, Violation::ToldTwice { .. }),
        |it| {
            matches!(
                it,
                Violation::BegunTwice { .. } | Violation::Untrue { .. } | Violation::Runs { .. }
            )
        },
    );
}

#[test]
fn displays_keep_no_journal() {
    found(
        DisplayDefect::NoJournal,
        |it| matches!(it, Violation::BegunTwice { .. }),
        nothing,
    );
}

#[test]
fn there_is_no_barrier() {
    found(
        DisplayDefect::NoBarrier,
        |it| matches!(it, Violation::Unprepared { .. }),
        nothing,
    );
}

#[test]
fn who_refuses_is_taken_for_prepared() {
    found(
        DisplayDefect::PreparedAnyway,
        |it| matches!(it, Violation::Unprepared { .. }),
        nothing,
    );
}

#[test]
fn guides_are_told_first() {
    found(
        DisplayDefect::GuidesFirst,
        |it| matches!(it, Violation::GuideFirst { .. }),
        |it| matches!(it, Violation::Unprepared { .. }),
    );
}

#[test]
fn nobody_waits_for_the_start() {
    found(
        DisplayDefect::NoStart,
        |it| matches!(it, Violation::Early { .. }),
        nothing,
    );
}

#[test]
fn ends_are_forgotten() {
    found(
        DisplayDefect::EndsForgotten,
        |it| matches!(it, Violation::EndedTwice { .. }),
        |it| matches!(it, Violation::Unprepared { .. }),
    );
}

#[test]
fn the_store_does_not_fence() {
    found(
        DisplayDefect::Unfenced,
        |it| matches!(it, Violation::Elsewhere { .. }),
        |it| matches!(it, Violation::ToldTwice { .. }),
    );
}

#[test]
fn what_was_refused_is_begun() {
    found(
        DisplayDefect::BegunAnyway,
        |it| matches!(it, Violation::Untrue { .. }),
        nothing,
    );
}

#[test]
fn programs_have_no_end() {
    found(
        DisplayDefect::Endless,
        |it| matches!(it, Violation::Open { .. }),
        nothing,
    );
}

#[test]
fn callers_are_not_answered() {
    found(
        DisplayDefect::Unanswered,
        |it| matches!(it, Violation::Unanswered { .. }),
        nothing,
    );
}

#[test]
fn who_is_let_in_is_cut_off() {
    found(
        DisplayDefect::CutOff,
        |it| matches!(it, Violation::Nobody { .. }),
        nothing,
    );
}

#[test]
fn what_runs_is_not_listed() {
    found(
        DisplayDefect::NothingListed,
        |it| matches!(it, Violation::Runs { .. }),
        nothing,
    );
}
