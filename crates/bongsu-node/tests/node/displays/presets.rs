//! Presets behind a barrier: all start, or nobody does.

use super::*;

fn preset(displays: &[&str]) -> Preset {
    Preset {
        id: PresetId(9),
        name: "show".into(),
        displays: displays
            .iter()
            .map(|one| (name(one), Program::new("show --now")))
            .collect(),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

async fn runs_preset(world: &World, displays: &[&str], barrier: bool) -> Vec<Each> {
    let run = RunPreset {
        barrier,
        ..behind_barrier(displays)
    };
    waits(world, run, None).await
}

fn behind_barrier(displays: &[&str]) -> RunPreset {
    RunPreset {
        preset: preset(displays),
        displays: None,
        barrier: true,
        start_at: None,
        ttl_ms: None,
        key: None,
        from: None,
    }
}

/// Waits until all run.
async fn waits(world: &World, run: RunPreset, timeout_ms: Option<u64>) -> Vec<Each> {
    let wait = Wait {
        until: WaitFor::Running,
        timeout_ms,
    };
    world.node.run_preset(&operator(), run, wait).await.unwrap()
}

/// Prepares, and starts what it is told to: when it was told.
async fn obeys(world: &World, screen: &mut Screen, prepares: Doing) -> Option<Timestamp> {
    let id = screen.told_to("prepare").await;
    let heard = screen.does(prepares, Some(9), Some(id)).await;
    screen.unread.extend(heard);
    if prepares != Doing::Prepared {
        return None;
    }
    let id = screen.told_to("execute").await;
    let at = world.node.now();
    screen.does(Doing::Starting, Some(9), Some(id)).await;
    screen.does(Doing::Running, Some(9), Some(id)).await;
    Some(at)
}

#[tokio::test(start_paused = true)]
async fn behind_a_barrier_all_start_and_who_knows_none_is_told_last() {
    let world = open_world();
    let mut one = Screen::agent(&world, "Display_01").await;
    let mut two = Screen::agent(&world, "Display_02").await;
    let mut guide = Screen::guide(&world, "Display_03").await;
    let told = async {
        guide.told("execute").await;
        let at = world.node.now();
        guide.does(Doing::Running, Some(9), None).await;
        at
    };
    let slow = async {
        world.pass(1_500).await;
        obeys(&world, &mut two, Doing::Prepared).await
    };
    let names = ["Display_01", "Display_02", "Display_03"];
    let (each, first, second, last) = tokio::join!(
        runs_preset(&world, &names, true),
        obeys(&world, &mut one, Doing::Prepared),
        slow,
        told
    );
    for (display, ran) in &each {
        assert_eq!(
            ran.as_ref().unwrap().command.state,
            CommandState::InProgress,
            "{display}"
        );
    }
    let (first, second) = (first.unwrap(), second.unwrap());
    let apart_ms = first.ms_since(second).max(second.ms_since(first));
    assert!(apart_ms <= 10, "both at once, not {apart_ms} ms apart");
    assert!(last >= first && last >= second);
}

#[tokio::test(start_paused = true)]
async fn behind_a_barrier_nobody_starts_if_one_is_not_ready() {
    let world = open_world();
    let mut one = Screen::agent(&world, "Display_01").await;
    let mut two = Screen::agent(&world, "Display_02").await;
    let guide = Screen::guide(&world, "Display_03").await;
    let prepares = async {
        let id = one.told_to("prepare").await;
        one.does(Doing::Prepared, Some(9), Some(id)).await;
    };
    let names = ["Display_01", "Display_02", "Display_03"];
    let (each, (), _) = tokio::join!(
        runs_preset(&world, &names, true),
        prepares,
        obeys(&world, &mut two, Doing::Rejected)
    );
    let refused = each[0].1.as_ref().unwrap_err();
    assert_eq!(
        (refused.code, &refused.why),
        (Code::CommandRefused, &Why::Reason("barrier"))
    );
    assert_eq!(each[1].1.as_ref().unwrap().command.state, CommandState::Rejected);
    assert_eq!(each[2].1.as_ref().unwrap_err().code, Code::CommandRefused);
    world.pass(5_000).await;
    for screen in [&one, &two, &guide] {
        assert!(screen.talk.heard().await.is_empty(), "nobody is told to start");
    }
    // One that is away is as good as one that is not ready.
    let prepares = async {
        let id = one.told_to("prepare").await;
        one.does(Doing::Prepared, Some(9), Some(id)).await;
    };
    let (each, ()) = tokio::join!(runs_preset(&world, &["Display_01", "Display_09"], true), prepares);
    assert_eq!(each[1].1.as_ref().unwrap_err().code, Code::DeviceOffline);
    assert!(one.talk.heard().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn behind_a_barrier_a_caller_waits_no_longer_than_elsewhere() {
    let world = open_world();
    let mut one = Screen::agent(&world, NAME).await;
    let prepares = async {
        let id = one.told_to("prepare").await;
        world.pass(9_000).await;
        one.does(Doing::Prepared, Some(9), Some(id)).await;
    };
    let most_ms = Limits::DEFAULT.command_wait_max_ms;
    let begins = tokio::time::Instant::now();
    let asked = waits(&world, behind_barrier(&[NAME]), Some(most_ms));
    let (each, ()) = tokio::join!(asked, prepares);
    let waited_ms = begins.elapsed().as_millis();
    assert!(each[0].1.is_ok(), "{each:?}");
    assert!(waited_ms > 10_000, "it was waited for: {waited_ms}");
    assert!(waited_ms <= u128::from(most_ms) + 100, "{waited_ms}");
}

#[tokio::test(start_paused = true)]
async fn behind_a_barrier_one_that_cannot_be_told_stops_the_others() {
    let world = open_world();
    let mut one = Screen::agent(&world, "Display_01").await;
    let mut two = Screen::agent(&world, "Display_02").await;
    // So many that there is no place for another program, though there is one for preparing it.
    for _ in 0..Limits::DEFAULT.commands_open_max {
        world.pass(1_000).await;
        let (asked, id) = tokio::join!(
            asks(&world, run("Display_02", Some(7)), WaitFor::Accepted),
            two.told_to("execute")
        );
        asked.unwrap();
        two.does(Doing::Running, Some(7), Some(id)).await;
    }
    world.pass(1_000).await;
    let first = async {
        let id = one.told_to("prepare").await;
        let heard = one.does(Doing::Prepared, Some(9), Some(id)).await;
        one.unread.extend(heard);
        let told = one.told_to("execute").await;
        (told, one.told("stop").await)
    };
    let second = async {
        let id = two.told_to("prepare").await;
        two.does(Doing::Prepared, Some(9), Some(id)).await;
    };
    let names = ["Display_01", "Display_02"];
    let (each, _, ()) = tokio::join!(runs_preset(&world, &names, true), first, second);
    assert_eq!(each[0].1.as_ref().unwrap_err().why, Why::Reason("barrier"));
    assert_eq!(each[1].1.as_ref().unwrap_err().code, Code::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_be_waited_for_is_refused_before_anybody_starts() {
    let world = open_world();
    let mut one = Screen::agent(&world, "Display_01").await;
    let guide = Screen::guide(&world, "Display_02").await;
    let start_at = Some(world.node.now().plus_ms(13_000));
    let refused = Refusal::because(Code::CommandRefused, "start_at");
    let asked = RunProgram {
        start_at,
        ..run("Display_02", None)
    };
    assert_eq!(asks(&world, asked, WaitFor::Running).await, Err(refused.clone()));
    let prepares = async {
        let id = one.told_to("prepare").await;
        one.does(Doing::Prepared, Some(9), Some(id)).await;
    };
    let run = RunPreset {
        start_at,
        ..behind_barrier(&["Display_01", "Display_02"])
    };
    let (each, ()) = tokio::join!(waits(&world, run, None), prepares);
    assert_eq!(each[0].1, Err(Refusal::because(Code::CommandRefused, "barrier")));
    assert_eq!(each[1].1, Err(refused));
    world.pass(20_000).await;
    for screen in [&one, &guide] {
        let heard = screen.talk.heard().await;
        assert!(!heard.iter().any(|line| line.starts_with("execute")), "{heard:?}");
    }
}
