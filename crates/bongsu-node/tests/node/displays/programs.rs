//! Programs on one display: run, said to run, stopped, lost.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_program_is_run_by_the_guide() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let caller = asks(&world, run(NAME, Some(456)), WaitFor::Running);
    let display = async {
        screen.told("execute").await;
        screen.does(Doing::Starting, Some(456), None).await;
        screen.does(Doing::Running, Some(456), None).await;
    };
    let (ran, ()) = tokio::join!(caller, display);
    let ran = ran.unwrap();
    assert_eq!(ran.command.state, CommandState::InProgress);
    assert_eq!(ran.verdict(), Verdict::Done);
    let id = ran.command.id;
    let view = world
        .node
        .display(&operator(), &name(NAME))
        .await
        .unwrap()
        .now
        .unwrap();
    assert_eq!(view.processes[0].pid, Some(7));
    // It has an hour's work.
    for _ in 0..60 {
        world.pass(60_000).await;
        screen.beats().await;
        screen.answers().await;
        screen.reports(&[456]).await;
    }
    assert_eq!(state(&world, id).await, CommandState::InProgress);
    world.pass(20_000).await;
    screen.reports(&[]).await;
    assert_eq!(state(&world, id).await, CommandState::InProgress);
    world.pass(20_000).await;
    screen.reports(&[]).await;
    world.quiet().await;
    let kept = world.store.command(id).await.unwrap().unwrap();
    assert_eq!(kept.state, CommandState::Succeeded);
    assert_eq!(kept.result.unwrap().to_string(), r#"{"status":"ended"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_the_guide_was_told_it_is_never_told_again() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let (asked, told) = tokio::join!(
        asks(&world, run(NAME, Some(1)), WaitFor::Accepted),
        screen.told_to("execute")
    );
    let id = asked.unwrap().command.id;
    assert_eq!(told, id);
    world.pass(4_000).await;
    assert!(screen.talk.heard().await.is_empty(), "no retry");
    screen.goes().await;
    let mut screen = Screen::guide(&world, NAME).await;
    assert!(screen.talk.heard().await.is_empty(), "not on a new connection");
    // It was started all the same, and says so now.
    screen.does(Doing::Running, Some(1), None).await;
    world.quiet().await;
    assert_eq!(state(&world, id).await, CommandState::InProgress);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_cannot_be_started_says_why() {
    let world = open_world();
    let mut screen = Screen::agent(&world, NAME).await;
    let display = async {
        let id = screen.told_to("execute").await;
        screen.does(Doing::Failed, None, Some(id)).await;
    };
    let (ran, ()) = tokio::join!(asks(&world, run(NAME, None), WaitFor::Running), display);
    let ran = ran.unwrap();
    assert_eq!(ran.command.state, CommandState::Failed);
    let error = ran.command.error.as_ref().unwrap().to_string();
    assert_eq!(error, r#"{"pid":7,"status":"failed"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_in_the_store() {
    let world = open_world();
    let mut screen = Screen::agent(&world, NAME).await;
    let (asked, id) = tokio::join!(
        asks(&world, run(NAME, None), WaitFor::Accepted),
        screen.told_to("execute")
    );
    assert_eq!(asked.unwrap().command.id, id);
    let execution = |status| {
        FromDisplay::Execution(Box::new(Execution {
            name: NAME.into(),
            status,
            preset: None,
            command: Some(id),
            details: Object::new(),
        }))
    };
    assert_eq!(
        screen.says_awaiting(execution(Doing::Running), Some("#1")).await,
        ["taken"]
    );
    assert_eq!(
        screen
            .says_awaiting(execution(Doing::Completed), Some("#2"))
            .await,
        ["taken"]
    );
    assert_eq!(state(&world, id).await, CommandState::Succeeded);
    // It has not heard the answer, and says it again.
    assert_eq!(
        screen
            .says_awaiting(execution(Doing::Completed), Some("#3"))
            .await,
        ["taken"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_display_speaks_for_itself_alone() {
    let world = open_world();
    let mut one = Screen::agent(&world, NAME).await;
    let mut other = Screen::agent(&world, "Display_02").await;
    let (asked, id) = tokio::join!(
        asks(&world, run("Display_02", None), WaitFor::Accepted),
        other.told_to("execute")
    );
    asked.unwrap();
    one.does(Doing::Completed, None, Some(id)).await;
    world.quiet().await;
    assert!(state(&world, id).await.is_open(), "it is another's command");
    one.name = "Display_02";
    for heard in [
        one.does(Doing::Completed, None, Some(id)).await,
        one.reports(&[]).await,
        one.answers().await,
    ] {
        assert!(heard[0].contains("PERMISSION_DENIED"), "{heard:?}");
    }
    assert!(one.beats().await[0].starts_with("no beat: PERMISSION_DENIED"));
    assert!(state(&world, id).await.is_open());
}

#[tokio::test(start_paused = true)]
async fn programs_are_stopped_and_seen_to_be_gone() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let (ran, id) = tokio::join!(
        asks(&world, run(NAME, Some(5)), WaitFor::Accepted),
        screen.told_to("execute")
    );
    ran.unwrap();
    screen.does(Doing::Running, Some(5), None).await;
    let stop = of_stop(Some(5), None);
    let wait = Wait {
        until: WaitFor::Done,
        timeout_ms: None,
    };
    let display = async {
        screen.told("stop").await;
        world.pass(15_000).await;
        screen.reports(&[]).await;
    };
    let by = operator();
    let (stopped, ()) = tokio::join!(world.node.stop_programs(&by, stop, wait), display);
    assert_eq!(stopped.unwrap().command.state, CommandState::Succeeded);
    assert_eq!(state(&world, id).await, CommandState::Succeeded);
    let nothing = of_stop(None, None);
    let refused = world.node.stop_programs(&by, nothing, wait).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidData);
}

#[tokio::test(start_paused = true)]
async fn a_display_that_is_away_runs_nothing() {
    let world = open_world();
    let refused = asks(&world, run(NAME, None), WaitFor::Running).await.unwrap_err();
    assert_eq!(refused.code, Code::DeviceOffline);
    Screen::guide(&world, NAME).await.goes().await;
    let refused = asks(&world, run(NAME, None), WaitFor::Running).await.unwrap_err();
    assert_eq!(refused.code, Code::DeviceOffline);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_set_is_the_same_command_whenever_it_is_asked_for() {
    let world = open_world();
    let mut screen = Screen::agent(&world, NAME).await;
    let asked = RunProgram {
        start_at: Some(world.node.now().plus_ms(10_000)),
        key: Some("k".into()),
        ..run(NAME, None)
    };
    let first = asks(&world, asked.clone(), WaitFor::Accepted).await.unwrap();
    assert_eq!(screen.told_to("execute").await, first.command.id);
    world.pass(700).await;
    let again = asks(&world, asked, WaitFor::Accepted).await.unwrap();
    assert_eq!((again.command.id, again.repeat), (first.command.id, true));
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_its_command_is_one_by_its_preset_for_the_guide() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let (asked, id) = tokio::join!(
        asks(&world, run(NAME, Some(7)), WaitFor::Accepted),
        screen.told_to("execute")
    );
    asked.unwrap();
    screen.does(Doing::Running, Some(7), None).await;
    let stop = of_stop(None, Some(id));
    let wait = Wait {
        until: WaitFor::Accepted,
        timeout_ms: None,
    };
    let by = operator();
    let (stopped, line) = tokio::join!(world.node.stop_programs(&by, stop.clone(), wait), async {
        screen.told_to("stop").await
    });
    let stopped = stopped.unwrap().command.id;
    assert_eq!(line, stopped);
    screen.reports(&[7]).await;
    world.quiet().await;
    assert!(state(&world, stopped).await.is_open(), "it runs still");
    screen.reports(&[]).await;
    world.quiet().await;
    assert_eq!(state(&world, stopped).await, CommandState::Succeeded);
    let elsewhere = StopPrograms {
        display: name("Display_02"),
        ..stop
    };
    let refused = world.node.stop_programs(&by, elsewhere, wait).await.unwrap_err();
    assert_eq!(refused.code, Code::CommandNotFound);
}

#[tokio::test(start_paused = true)]
async fn a_display_that_is_full_can_still_be_stopped() {
    let world = open_world();
    let mut screen = Screen::agent(&world, NAME).await;
    for _ in 0..Limits::DEFAULT.commands_open_max {
        world.pass(1_000).await;
        let (asked, id) = tokio::join!(
            asks(&world, run(NAME, Some(7)), WaitFor::Accepted),
            screen.told_to("execute")
        );
        asked.unwrap();
        screen.does(Doing::Running, Some(7), Some(id)).await;
    }
    world.pass(1_000).await;
    let refused = asks(&world, run(NAME, Some(7)), WaitFor::Accepted)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    let stop = of_stop(Some(7), None);
    let wait = Wait {
        until: WaitFor::Done,
        timeout_ms: None,
    };
    let by = operator();
    let (stopped, ()) = tokio::join!(world.node.stop_programs(&by, stop, wait), async {
        let id = screen.told_to("stop").await;
        screen.does(Doing::Stopped, Some(7), Some(id)).await;
    });
    assert_eq!(stopped.unwrap().command.state, CommandState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn of_a_preset_that_the_guide_starts_again_the_older_program_is_over() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        world.pass(1_000).await;
        let (asked, id) = tokio::join!(
            asks(&world, run(NAME, Some(7)), WaitFor::Accepted),
            screen.told_to("execute")
        );
        asked.unwrap();
        screen.does(Doing::Running, Some(7), None).await;
        ids.push(id);
    }
    world.quiet().await;
    assert_eq!(state(&world, ids[0]).await, CommandState::Succeeded);
    assert_eq!(state(&world, ids[1]).await, CommandState::InProgress);
}

#[tokio::test(start_paused = true)]
async fn programs_of_an_agent_that_has_lost_its_memory_are_lost() {
    let world = open_world();
    let mut screen = Screen::agent(&world, NAME).await;
    let (asked, id) = tokio::join!(
        asks(&world, run(NAME, None), WaitFor::Accepted),
        screen.told_to("execute")
    );
    asked.unwrap();
    screen.does(Doing::Running, None, Some(id)).await;
    screen.goes().await;
    let mut screen = Screen::agent(&world, NAME).await;
    world.pass(20_000).await;
    screen.reports(&[]).await;
    assert_eq!(
        state(&world, id).await,
        CommandState::InProgress,
        "what it has to say may be on its way"
    );
    world.pass(20_000).await;
    screen.reports(&[]).await;
    world.quiet().await;
    let kept = world.store.command(id).await.unwrap().unwrap();
    assert_eq!(kept.state, CommandState::Failed);
    assert_eq!(kept.error.unwrap().to_string(), r#"{"status":"lost"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_held_can_be_stopped() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let later = RunProgram {
        start_at: Some(world.node.now().plus_ms(5_000)),
        ..run(NAME, Some(7))
    };
    let stop = of_stop(Some(7), None);
    let wait = Wait {
        until: WaitFor::Accepted,
        timeout_ms: None,
    };
    let stopping = async {
        world.pass(1_000).await;
        world.node.stop_programs(&operator(), stop, wait).await
    };
    let (ran, stopped) = tokio::join!(asks(&world, later, WaitFor::Running), stopping);
    let refused = ran.unwrap_err();
    assert_eq!(
        (refused.code, &refused.why),
        (Code::CommandRefused, &Why::Reason("stopped"))
    );
    stopped.unwrap();
    world.pass(6_000).await;
    assert!(screen.told("stop").await.len() == 32);
    assert!(screen.unread.is_empty(), "{:?}", screen.unread);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_stopped_can_be_started_at_once() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let (first, one) = tokio::join!(
        asks(&world, run(NAME, Some(7)), WaitFor::Accepted),
        screen.told_to("execute")
    );
    let stop = of_stop(Some(7), None);
    let wait = Wait {
        until: WaitFor::Accepted,
        timeout_ms: None,
    };
    let by = operator();
    let again = asks(&world, run(NAME, Some(7)), WaitFor::Accepted).await.unwrap();
    assert!(
        again.coalesced && again.command.id == one,
        "a second tap is the first"
    );
    let (stopped, _) = tokio::join!(world.node.stop_programs(&by, stop, wait), screen.told("stop"));
    stopped.unwrap();
    let (second, other) = tokio::join!(
        asks(&world, run(NAME, Some(7)), WaitFor::Accepted),
        screen.told_to("execute")
    );
    assert_eq!(
        (first.unwrap().command.id, second.unwrap().command.id),
        (one, other)
    );
    assert_ne!(one, other);
}
