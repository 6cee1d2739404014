//! Displays without sockets: who is let in, whose name it is, what runs where, and what callers hear of it.

use std::sync::Arc;

use bongsu_model::device::{CommandState, NewDevice, Object, Value};
use bongsu_model::display::{
    BARRIER, Beat, COMMAND_IDS, Doing, Execution, FromDisplay, Preset, PresetId, Process, Processes, Program,
    Registration,
};
use bongsu_model::{Code, CommandId, DeviceId, Incoming, Limits, Refusal, Role, Tag, Timestamp, Why};
use bongsu_node::Policy;
use bongsu_node::devices::{Ran, Verdict, Wait, WaitFor};
use bongsu_node::displays::{Each, RunPreset, RunProgram, StopPrograms};
use bongsu_node::ports::AddressRange;
use bongsu_node::usecases::operate::Operator;
use bongsu_store::DeviceStore as _;

use crate::plain::Plain;
use crate::world::{Talk, World, incoming, sign_in, world_of};

const NAME: &str = "Display_01";

fn open_world() -> World {
    let policy = Policy {
        display_ranges: [AddressRange::parse("127.0.0.0/8").unwrap()].into(),
        ..Policy::default()
    };
    world_of(Limits::DEFAULT, policy)
}

fn name(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

fn operator() -> Operator {
    Operator::api_key("ops".into(), Role::Service)
}

/// A display's connection.
struct Screen {
    talk: Talk,
    name: &'static str,
    /// What it was told while it spoke itself.
    unread: Vec<String>,
}

impl Screen {
    fn of(world: &World, name: &'static str) -> Self {
        Self {
            talk: world.talk(&Plain),
            name,
            unread: Vec::new(),
        }
    }

    /// One that knows no more than the guide, registered.
    async fn guide(world: &World, name: &'static str) -> Self {
        let mut screen = Self::of(world, name);
        let heard = screen.registers(&[], None).await;
        assert!(heard[0].starts_with("registered"), "{heard:?}");
        screen
    }

    /// One that knows commands by their ids, and barriers.
    async fn agent(world: &World, name: &'static str) -> Self {
        let mut screen = Self::of(world, name);
        let heard = screen.registers(&[COMMAND_IDS, BARRIER], None).await;
        assert!(heard[0].starts_with("registered"), "{heard:?}");
        screen
    }

    async fn registers(&mut self, can: &[&str], token: Option<&str>) -> Vec<String> {
        let registration = Registration {
            name: self.name.into(),
            capabilities: can.iter().map(|one| Arc::from(*one)).collect(),
            token: token.map(Into::into),
            ..Registration::default()
        };
        let mut heard = self.says(FromDisplay::Register(Box::new(registration))).await;
        heard.retain(|line| line != "taken");
        heard
    }

    async fn says(&mut self, said: FromDisplay) -> Vec<String> {
        self.says_awaiting(said, None).await
    }

    async fn says_awaiting(&mut self, said: FromDisplay, ack: Option<&str>) -> Vec<String> {
        let tag = Tag {
            reference: ack.map(Into::into),
            verb: Some("/ display".into()),
        };
        self.talk.say(vec![Incoming::Display { tag, said }]).await
    }

    async fn does(&mut self, doing: Doing, preset: Option<i64>, command: Option<CommandId>) -> Vec<String> {
        let execution = Execution {
            name: self.name.into(),
            status: doing,
            preset: preset.map(PresetId),
            command,
            details: Object::from([("pid".into(), Value::from(7))]),
        };
        self.says(FromDisplay::Execution(Box::new(execution))).await
    }

    async fn reports(&mut self, presets: &[i64]) -> Vec<String> {
        let running = presets.iter().map(|preset| Process {
            preset: Some(PresetId(*preset)),
            command: None,
            pid: Some(7),
            uptime_ms: None,
        });
        let processes = Processes {
            name: self.name.into(),
            status: Some("running".into()),
            running: running.collect(),
        };
        self.says(FromDisplay::Processes(processes)).await
    }

    async fn beats(&mut self) -> Vec<String> {
        let beat = Beat {
            name: self.name.into(),
            status: Some("online".into()),
            uptime_ms: Some(1_500),
            processes: Some(0),
        };
        self.says(FromDisplay::Heartbeat(beat)).await
    }

    async fn answers(&mut self) -> Vec<String> {
        let name = self.name.into();
        self.says(FromDisplay::Alive { name }).await
    }

    /// Waits until it is told something that begins so: the word after it, if there is one.
    async fn told(&mut self, what: &str) -> String {
        for _ in 0..20_000 {
            self.unread.extend(self.talk.heard().await);
            let found = self.unread.iter().position(|line| line.starts_with(what));
            if let Some(at) = found {
                let line = self.unread.remove(at);
                let rest = line[what.len()..].split_whitespace().next();
                return rest.unwrap_or_default().to_owned();
            }
        }
        panic!("it is not told {what}");
    }

    async fn told_to(&mut self, what: &str) -> CommandId {
        CommandId::parse(&self.told(what).await).unwrap()
    }

    async fn goes(mut self) {
        self.talk.conversation.end().await;
    }
}

fn run(display: &str, preset: Option<i64>) -> RunProgram {
    RunProgram {
        display: name(display),
        program: Program::new("clock --round"),
        preset: preset.map(PresetId),
        ttl_ms: None,
        start_at: None,
        key: None,
        from: None,
    }
}

async fn asks(world: &World, run: RunProgram, until: WaitFor) -> Result<Ran, Refusal> {
    let wait = Wait {
        until,
        timeout_ms: None,
    };
    world.node.run_program(&operator(), run, wait).await
}

async fn state(world: &World, command: CommandId) -> CommandState {
    world.store.command(command).await.unwrap().unwrap().state
}

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
    let here = view.here.unwrap();
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
    assert_eq!(view.here.unwrap().display.device.epoch.0, 2);
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
        .here
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
    screen.reports(&[]).await;
    assert_eq!(state(&world, id).await, CommandState::InProgress);
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
    let stop = StopPrograms {
        display: name(NAME),
        preset: Some(PresetId(5)),
        run: None,
        grace_ms: None,
        key: None,
        from: None,
    };
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
    let nothing = StopPrograms {
        display: name(NAME),
        preset: None,
        run: None,
        grace_ms: None,
        key: None,
        from: None,
    };
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
async fn a_stop_by_its_command_is_one_by_its_preset_for_the_guide() {
    let world = open_world();
    let mut screen = Screen::guide(&world, NAME).await;
    let (asked, id) = tokio::join!(
        asks(&world, run(NAME, Some(7)), WaitFor::Accepted),
        screen.told_to("execute")
    );
    asked.unwrap();
    screen.does(Doing::Running, Some(7), None).await;
    let stop = StopPrograms {
        display: name(NAME),
        preset: None,
        run: Some(id),
        grace_ms: None,
        key: None,
        from: None,
    };
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
    let stop = StopPrograms {
        display: name(NAME),
        preset: Some(PresetId(7)),
        run: None,
        grace_ms: None,
        key: None,
        from: None,
    };
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
    let stop = StopPrograms {
        display: name(NAME),
        preset: Some(PresetId(7)),
        run: None,
        grace_ms: None,
        key: None,
        from: None,
    };
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
    let stop = StopPrograms {
        display: name(NAME),
        preset: Some(PresetId(7)),
        run: None,
        grace_ms: None,
        key: None,
        from: None,
    };
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
