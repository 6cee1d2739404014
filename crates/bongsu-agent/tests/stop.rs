//! Programs that are stopped, with everything they started, whatever it does about it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::time::Duration;

use bongsu_agent::{How, Outcome, Report, Runner, Which};
use bongsu_model::CommandId;
use bongsu_model::display::{PresetId, StopSignal};
use common::{DEADLINE, Place, job, lives, next, number, of_preset, shell, started};
use tokio::signal::unix::{SignalKind, signal};

/// A stop of its own command.
async fn stop(runner: &mut Runner, which: Which, grace_ms: Option<u64>) -> (CommandId, u64) {
    let command = job("").command;
    let ticket = runner.stop(command, which, grace_ms, DEADLINE).await;
    assert_eq!((ticket.command, ticket.answer), (command, None));
    (command, ticket.programs)
}

fn is_end(report: &Report, command: CommandId, how: How) -> bool {
    let ended =
        |outcome: &Outcome| matches!(outcome, Outcome::Ended { how: is, stopped: true, .. } if *is == how);
    report.command == command && ended(&report.outcome)
}

#[tokio::test]
async fn a_program_is_asked_to_stop_and_its_way_of_ending_is_told() {
    // As the agent does: else a program inherits that the signal is ignored, where whoever runs the tests has it ignored.
    let _caught = signal(SignalKind::interrupt()).unwrap();
    let place = Place::new();
    let mut runner = place.runner();
    let file = place.path("ready");
    let line = format!(
        // Without a child that the signal would reach, too.
        "trap 'exit 4' INT; echo $$ > {}; while :; do :; done",
        file.display()
    );
    let mut job = of_preset(1, shell(&line));
    job.program.stop_signal = Some(StopSignal::Int);
    started(&mut runner, &job).await;
    number(&file).await;
    let (stop, programs) = stop(&mut runner, Which::Preset(PresetId(1)), None).await;
    assert_eq!(programs, 1);
    let end = next(&mut runner).await;
    assert!(is_end(&end, job.command, How::Exited(4)), "{end:?}");
    let done = next(&mut runner).await;
    assert_eq!((done.command, done.preset), (stop, Some(PresetId(1))));
    assert_eq!(done.outcome, Outcome::Stopped { programs: 1 });
    let again = runner.stop(stop, Which::All, None, DEADLINE).await;
    assert_eq!(again.answer, Some(done), "a repeat has the first answer");
}

#[tokio::test]
async fn children_that_do_not_listen_are_killed_with_it() {
    let place = Place::new();
    let mut runner = place.runner();
    let files = [
        place.path("child"),
        place.path("grandchild"),
        place.path("orphan"),
    ];
    let stubborn = |file: &std::path::Path| {
        format!(
            "trap \"\" TERM HUP; echo $$ > {}; while :; do sleep 1; done",
            file.display()
        )
    };
    let line = format!(
        "trap '' TERM; sh -c '{}' & setsid sh -c '{}' & (setsid sh -c '{}' &); while :; do sleep 1; done",
        stubborn(&files[0]),
        stubborn(&files[1]),
        stubborn(&files[2]),
    );
    let job = shell(&line);
    let pid = started(&mut runner, &job).await;
    let mut pids = vec![pid];
    for file in &files {
        pids.push(number(file).await);
    }
    assert!(pids.iter().all(|pid| lives(*pid)));
    let began = tokio::time::Instant::now();
    stop(&mut runner, Which::Run(job.command), Some(300)).await;
    assert!(is_end(&next(&mut runner).await, job.command, How::Killed(9)));
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
}

#[tokio::test]
async fn a_child_has_the_whole_time_even_if_its_parent_went_at_once() {
    let place = Place::new();
    let mut runner = place.runner();
    let (ready, saved) = (place.path("ready"), place.path("saved"));
    let line = format!(
        "sh -c 'trap \"sleep 1.5; echo 1 > {}; exit\" TERM; echo $$ > {}; while :; do sleep 0.01; done' & wait",
        saved.display(),
        ready.display()
    );
    let job = shell(&line);
    started(&mut runner, &job).await;
    let child = number(&ready).await;
    stop(&mut runner, Which::All, Some(30_000)).await;
    assert!(is_end(&next(&mut runner).await, job.command, How::Killed(15)));
    assert!(lives(child), "an end is told at once");
    assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
    assert!(!lives(child), "a stop is done when nothing is left");
    assert_eq!(
        number(&saved).await,
        1,
        "more than the time of leftovers, less than that of the stop"
    );
}

/// A program that ends at once when it is asked to, and its child, which does not.
async fn with_stubborn_child(place: &Place, runner: &mut Runner) -> (CommandId, u32) {
    let ready = place.path("ready");
    let line = format!(
        "sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' & wait",
        ready.display()
    );
    let job = of_preset(1, shell(&line));
    started(runner, &job).await;
    let child = number(&ready).await;
    stop(runner, Which::All, Some(60_000)).await;
    assert!(is_end(&next(runner).await, job.command, How::Killed(15)));
    assert!(runner.running().is_empty() && lives(child));
    (job.command, child)
}

#[tokio::test]
async fn what_a_program_has_left_may_be_given_less_time() {
    let place = Place::new();
    let mut runner = place.runner();
    let (command, child) = with_stubborn_child(&place, &mut runner).await;
    stop(&mut runner, Which::Run(command), Some(0)).await;
    for _ in 0..2 {
        assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
    }
    assert!(!lives(child));
    assert_eq!(
        runner
            .stop(job("").command, Which::All, None, DEADLINE)
            .await
            .programs,
        0
    );
}

#[tokio::test]
async fn what_a_program_has_left_is_stopped_by_the_next_agent() {
    let place = Place::new();
    let mut runner = place.runner();
    let (_, child) = with_stubborn_child(&place, &mut runner).await;
    drop(runner);
    let mut runner = place.runner();
    assert!(lives(child), "its time is not over");
    stop(&mut runner, Which::All, Some(0)).await;
    for _ in 0..2 {
        assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
    }
    assert!(!lives(child));
}

#[tokio::test]
async fn what_a_program_has_left_is_killed_if_its_supervisor_is() {
    let place = Place::new();
    let mut runner = place.runner();
    let (command, child) = with_stubborn_child(&place, &mut runner).await;
    common::kill(place.supervisor(command), rustix::process::Signal::KILL);
    assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
    assert!(!lives(child));
}

#[tokio::test]
async fn one_that_was_halted_hears_that_it_is_to_stop() {
    let place = Place::new();
    let mut runner = place.runner();
    let job = job("sleep 1000");
    let pid = started(&mut runner, &job).await;
    common::kill(pid, rustix::process::Signal::STOP);
    stop(&mut runner, Which::All, Some(60_000)).await;
    assert!(is_end(&next(&mut runner).await, job.command, How::Killed(15)));
}

#[tokio::test]
async fn a_stop_right_after_the_start_is_not_lost() {
    let place = Place::new();
    let mut runner = place.runner();
    let job = job("sleep 1000");
    runner.start(job.clone()).await;
    let (_, programs) = stop(&mut runner, Which::Run(job.command), None).await;
    assert_eq!(programs, 1);
    assert!(matches!(next(&mut runner).await.outcome, Outcome::Running { .. }));
    assert!(is_end(&next(&mut runner).await, job.command, How::Killed(15)));
    assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
}

#[tokio::test]
async fn only_what_is_meant_is_stopped() {
    let place = Place::new();
    let mut runner = place.runner();
    let jobs = [
        of_preset(1, job("sleep 1000")),
        of_preset(2, job("sleep 1000")),
        job("sleep 1000"),
    ];
    for job in &jobs {
        started(&mut runner, job).await;
    }
    stop(&mut runner, Which::Preset(PresetId(2)), None).await;
    assert!(is_end(&next(&mut runner).await, jobs[1].command, How::Killed(15)));
    assert_eq!(next(&mut runner).await.outcome, Outcome::Stopped { programs: 1 });
    assert_eq!(runner.running().len(), 2);
    let nothing = job("").command;
    let ticket = runner
        .stop(nothing, Which::Preset(PresetId(2)), None, DEADLINE)
        .await;
    assert_eq!(ticket.answer.unwrap().outcome, Outcome::Stopped { programs: 0 });
    let (all, programs) = stop(&mut runner, Which::All, None).await;
    assert_eq!(programs, 2);
    let mut ends = 0;
    loop {
        let report = next(&mut runner).await;
        if report.command == all {
            assert_eq!(report.outcome, Outcome::Stopped { programs: 2 });
            break;
        }
        ends += 1;
    }
    assert_eq!(ends, 2);
}

#[tokio::test]
async fn a_preset_that_is_being_stopped_may_be_started_anew() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.repeat_ms = 60_000;
    let mut runner = Runner::open(config).unwrap().0;
    let first = of_preset(1, job("sleep 1000"));
    let pid = started(&mut runner, &first).await;
    stop(&mut runner, Which::Preset(PresetId(1)), None).await;
    let second = of_preset(1, job("sleep 1000"));
    let reports = runner.start(second.clone()).await;
    assert_eq!(reports[0].outcome, Outcome::Starting);
    let mut new = None;
    for _ in 0..3 {
        let outcome = next(&mut runner).await.outcome;
        if let Outcome::Running { pid, .. } = outcome {
            new = Some(pid);
        } else {
            assert!(matches!(outcome, Outcome::Ended { .. } | Outcome::Stopped { .. }));
        }
    }
    assert!(!lives(pid) && new.is_some_and(lives));
    runner.close(bongsu_agent::OnExit::Stop).await;
}

#[tokio::test]
async fn a_signal_that_cannot_be_ignored_is_the_end_at_once() {
    let place = Place::new();
    let mut runner = place.runner();
    let file = place.path("ready");
    let mut job = shell(&format!(
        "trap '' TERM; echo $$ > {}; while :; do sleep 1; done",
        file.display()
    ));
    job.program.stop_signal = Some(StopSignal::Kill);
    job.program.grace_ms = Some(60_000);
    started(&mut runner, &job).await;
    number(&file).await;
    stop(&mut runner, Which::All, None).await;
    assert!(is_end(&next(&mut runner).await, job.command, How::Killed(9)));
}
