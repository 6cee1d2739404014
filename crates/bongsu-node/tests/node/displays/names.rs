//! Who is let in, whose name it is, and who is asked whether it is there.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_may_register_is_let_in_and_who_may_not_is_told_so() {
    let world = open_world();
    let mut screen = Screen::of(&world, NAME);
    assert_eq!(screen.beats().await, ["no beat: NOT_AUTHENTICATED"]);
    assert_eq!(
        screen.registers(&[], None).await,
        ["registered Display_01 #1 epoch 1"]
    );
    assert_eq!(screen.beats().await, ["beat, next in 30000"]);
    let view = world.node.display(&operator(), &name(NAME)).await.unwrap();
    let here = view.now.unwrap();
    assert_eq!(
        (here.uptime_ms, here.status.as_deref()),
        (Some(1_500), Some("online"))
    );

    let mut nameless = Screen::of(&world, "no name");
    let heard = nameless.registers(&[], None).await;
    assert!(heard[0].starts_with("not registered: INVALID_DATA"), "{heard:?}");

    let closed = world_of(Limits::DEFAULT, Policy::default());
    let mut stranger = Screen::of(&closed, NAME);
    assert_eq!(
        stranger.registers(&[], None).await,
        ["not registered: NOT_AUTHENTICATED"]
    );
    let mut other = Screen::of(&closed, NAME);
    let heard = other.registers(&[], Some("device:Display_02")).await;
    assert!(
        heard[0].starts_with("not registered: PERMISSION_DENIED"),
        "{heard:?}"
    );
    let mut known = Screen::of(&closed, NAME);
    let heard = known.registers(&[], Some("device:Display_01")).await;
    assert_eq!(heard, ["registered Display_01 #1 epoch 1"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_display_is_not_had_for_being_asked_from_the_right_place() {
    let world = open_world();
    for (name, kind) in [("car-1", "vehicle"), (NAME, "device")] {
        let made = NewDevice {
            id: self::name(name),
            kind: kind.into(),
        };
        world.store.create_device(made, Timestamp(1)).await.unwrap();
    }
    let mut car = Screen::of(&world, "car-1");
    let refused = ["not registered: PERMISSION_DENIED kind"];
    assert_eq!(car.registers(&[], None).await, refused);
    assert_eq!(car.registers(&[], Some("device:car-1")).await, refused);
    // What has not said what it is may be one, if it has a token.
    let mut screen = Screen::of(&world, NAME);
    assert_eq!(
        screen.registers(&[], None).await,
        ["not registered: NOT_AUTHENTICATED"]
    );
    let heard = screen.registers(&[], Some("device:Display_01")).await;
    assert_eq!(heard, ["registered Display_01 #2 epoch 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_display_is_no_user_and_a_user_no_display() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let heard = screen.talk.say(vec![sign_in("hana")]).await;
    assert!(heard[0].contains("PERMISSION_DENIED"), "{heard:?}");
    assert!(
        screen.beats().await[0].starts_with("beat"),
        "it is still registered"
    );
    let heard = screen
        .talk
        .say(vec![incoming(crate::plain::join("general"))])
        .await;
    assert!(heard[0].contains("PERMISSION_DENIED"), "{heard:?}");

    let mut user = Screen::of(&world, "Display_02");
    user.talk.say(vec![sign_in("hana")]).await;
    let heard = user.registers(&[], None).await;
    assert!(
        heard[0].starts_with("not registered: PERMISSION_DENIED"),
        "{heard:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_answers_keeps_its_name() {
    let world = open_world();
    let mut holder = Screen::guide(&world, NAME).await;
    let mut newcomer = Screen::of(&world, NAME);
    let alive = async {
        holder.told("check").await;
        world.pass(2_000).await;
        holder.answers().await
    };
    let (heard, _) = tokio::join!(newcomer.registers(&[], None), alive);
    assert_eq!(heard, ["not registered: NAME_TAKEN"]);
    assert!(holder.beats().await[0].starts_with("beat"));
    holder.goes().await;
    assert_eq!(
        newcomer.registers(&[], None).await,
        ["registered Display_01 #1 epoch 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_silent_loses_its_name_in_time() {
    let world = open_world();
    let mut holder = Screen::guide(&world, NAME).await;
    let mut newcomer = Screen::of(&world, NAME);
    let began = world.node.now();
    assert_eq!(
        newcomer.registers(&[], None).await,
        ["registered Display_01 #1 epoch 2"]
    );
    let took_ms = world.node.now().ms_since(began);
    assert!((3_000..3_100).contains(&took_ms), "{took_ms}");
    let told = holder.talk.heard().await;
    assert_eq!(told, ["check", "closed Replaced"]);
    assert!(holder.answers().await.is_empty(), "its connection is closed");
    assert!(newcomer.beats().await[0].starts_with("beat"));
    let view = world.node.display(&operator(), &name(NAME)).await.unwrap();
    assert_eq!(view.device.epoch.0, 2);
    assert!(view.now.is_some());
    holder.goes().await;
    assert!(
        newcomer.beats().await[0].starts_with("beat"),
        "who was replaced takes nothing along"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_newcomers_one_gets_the_name_and_keeps_it() {
    let world = open_world();
    let _holder = Screen::guide(&world, NAME).await;
    let (mut one, mut other) = (Screen::of(&world, NAME), Screen::of(&world, NAME));
    let (first, second) = tokio::join!(one.registers(&[], None), other.registers(&[], None));
    let registered = |heard: &[String]| heard.iter().any(|line| line.starts_with("registered"));
    assert!(registered(&first), "{first:?}");
    // The second asks the first, who does not answer here, and takes over from it in its turn.
    assert!(registered(&second), "{second:?}");
    assert_eq!(world.node.displays_count(), 1);
    let closed = |heard: Vec<String>| heard.iter().any(|line| line == "closed Replaced");
    let ends = [closed(one.talk.heard().await), closed(other.talk.heard().await)];
    assert_eq!(ends.iter().filter(|closed| **closed).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_asked_and_then_closed() {
    let world = open_world();
    let screen = Screen::guide(&world, NAME).await;
    world.pass(62_000).await;
    assert_eq!(screen.talk.heard().await, ["check"]);
    world.pass(29_000).await;
    assert_eq!(
        screen.talk.heard().await,
        ["closed Idle"],
        "no heartbeat for so long"
    );

    let mut screen = Screen::guide(&world, "Display_02").await;
    for _ in 0..18 {
        world.pass(10_000).await;
        screen.beats().await;
    }
    world.pass(2_000).await;
    assert_eq!(
        screen.talk.heard().await,
        ["closed Idle"],
        "two questions without an answer"
    );
}

#[tokio::test(start_paused = true)]
async fn who_says_too_much_is_heard_more_slowly_and_loses_nothing() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let began = world.node.now();
    for _ in 0..300 {
        assert!(screen.reports(&[1]).await.is_empty());
    }
    let took_ms = world.node.now().ms_since(began);
    assert!(
        took_ms >= 9_000,
        "20 a second after 100 at once, and it took {took_ms} ms"
    );
}

#[tokio::test(start_paused = true)]
async fn every_display_is_told_another_time_to_come_back() {
    let world = open_world();
    let mut screens = Vec::new();
    for name in ["Display_01", "Display_02", "Display_03"] {
        screens.push(Screen::guide(&world, name).await);
    }
    let node = Arc::clone(&world.node);
    let stopping = tokio::spawn(async move { node.stop(1_000).await });
    let mut times = Vec::new();
    for screen in &mut screens {
        times.push(screen.told("shutdown").await.parse::<u64>().unwrap());
    }
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 3);
    assert!(times[0] >= 1_000);
    for screen in screens {
        screen.goes().await;
    }
    stopping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_words_are_being_carried_out_is_alive() {
    let world = open_world();
    let mut holder = Screen::guide(&world, NAME).await;
    let mut newcomer = Screen::of(&world, NAME);
    // So much at once that what it says next is heard seconds later.
    let floods = async {
        for _ in 0..200 {
            holder.reports(&[1]).await;
        }
    };
    let claims = async {
        world.pass(200).await;
        newcomer.registers(&[], None).await
    };
    let ((), heard) = tokio::join!(floods, claims);
    assert_eq!(heard, ["not registered: NAME_TAKEN"]);
}
