//! Devices and those who command them, without sockets: what is written when, and what the callers hear.

use std::sync::Arc;

use bongsu_core::catalogue::{AnyArgs, Catalogue, Entry};
use bongsu_model::device::{
    AtLapse, Command, CommandFrame, CommandState, FromDevice, Hello, IfOffline, NewDevice, Object, Pace,
    Status, ToDevice, Word,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Code, CommandId, ConnectionEpoch, DeviceId, Limits, Refusal, Role, TokenHash, Value, Why,
};
use bongsu_node::devices::{
    DesiredChange, DeviceClaim, DeviceSession, Pacing, Ran, RunCommand, Verdict, Wait, WaitFor,
};
use bongsu_node::usecases::operate::Operator;
use bongsu_store::DeviceStore as _;

use crate::world::{World, world, world_by_hand};

pub(crate) fn catalogue() -> Catalogue {
    let limits = Limits::DEFAULT;
    let entry = |name: &str, target: Option<&str>, pace| Entry {
        target: target.map(Into::into),
        pace,
        args: Arc::new(AnyArgs),
        debounce_ms: 500,
        ..Entry::plain(name.into(), &limits)
    };
    let mut entries = vec![
        entry("window.set", Some("window"), Pace::LatestWins),
        entry("door.set", Some("door"), Pace::LatestWins),
        entry("horn.sound", None, Pace::Serial),
    ];
    entries[1].if_offline = IfOffline::Queue;
    let mut lights = entry("lights.flash", None, Pace::Serial);
    lights.roles = vec![Role::Service];
    entries.push(lights);
    Catalogue::new(entries, false, &limits).unwrap()
}

pub(crate) fn car_world() -> World {
    let world = world();
    world.node.set_catalogue(catalogue());
    world
}

pub(crate) fn car() -> DeviceId {
    DeviceId::parse("car-1").unwrap()
}

fn operator(name: &str) -> Operator {
    Operator::api_key(name.into(), Role::Service)
}

fn hello() -> Hello {
    Hello {
        device: car(),
        kind: Some("vehicle".into()),
        version: None,
        capabilities: Vec::new(),
        reported: None,
        reported_version: None,
        running: Vec::new(),
        clock: None,
        token: Some("device:car-1".into()),
    }
}

/// A device as its connection has it.
pub(crate) struct Car(pub(crate) Arc<DeviceSession>);

impl Car {
    pub(crate) async fn comes(world: &World) -> Self {
        Self::comes_with(world, hello()).await.unwrap()
    }

    async fn comes_with(world: &World, hello: Hello) -> Result<Self, Refusal> {
        let claim = DeviceClaim::default();
        Ok(Self(world.node.device_hello(claim, hello, Pacing::Kernel).await?))
    }

    /// What is written to it now.
    pub(crate) fn frame(&self) -> Option<ToDevice> {
        let outgoing = self.0.take()?;
        self.0.wrote(outgoing.ticket);
        Some(outgoing.frame)
    }

    /// The next command that is written to it, whatever comes before.
    pub(crate) async fn command(&self) -> CommandFrame {
        loop {
            self.0.wakes().await;
            match self.frame() {
                Some(ToDevice::Command(frame)) => return frame,
                Some(ToDevice::Closing(closing)) => panic!("{closing:?}"),
                Some(_) | None => {}
            }
        }
    }

    pub(crate) async fn says(&self, command: CommandId, status: Status) -> Result<(), Refusal> {
        self.says_as(command, status, None).await
    }

    async fn says_as(
        &self,
        command: CommandId,
        status: Status,
        epoch: Option<ConnectionEpoch>,
    ) -> Result<(), Refusal> {
        let word = Word {
            reply_to: command,
            status,
            result: Some(Value::text("done")),
            error: None,
            epoch,
        };
        self.0.hear(FromDevice::Word(word)).await
    }

    pub(crate) async fn goes(self) {
        self.0.gone().await;
    }
}

pub(crate) fn run(name: &str, position: &str) -> RunCommand {
    RunCommand {
        device: car(),
        name: name.into(),
        args: Object::from([("position".into(), position.into())]),
        ttl_ms: None,
        key: None,
        if_offline: None,
        fence: None,
        from: None,
    }
}

async fn ask_as(world: &World, by: &str, run: RunCommand, until: WaitFor) -> Result<Ran, Refusal> {
    let wait = Wait {
        until,
        timeout_ms: None,
    };
    world.node.run_command(&operator(by), run, wait).await
}

pub(crate) async fn ask(world: &World, run: RunCommand, until: WaitFor) -> Result<Ran, Refusal> {
    ask_as(world, "back-end", run, until).await
}

pub(crate) async fn kept(world: &World, id: CommandId) -> Command {
    world.store.command(id).await.unwrap().unwrap()
}

fn code_of(verdict: &Verdict) -> Option<Code> {
    match verdict {
        Verdict::Refused(refusal) => Some(refusal.code),
        Verdict::Done | Verdict::UnderWay => None,
    }
}

fn states(command: &Command) -> Vec<&'static str> {
    command.history.iter().map(|note| note.state.name()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_in_the_same_call() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let device = async {
        let frame = car.command().await;
        assert_eq!((&*frame.command.name, frame.attempt), ("window.set", 0));
        assert_eq!(frame.command.epoch, car.0.epoch);
        let id = frame.command.id;
        car.says(id, Status::Received).await.unwrap();
        car.says(id, Status::Ok).await.unwrap();
    };
    let (ran, ()) = tokio::join!(ask(&world, run("window.set", "open"), WaitFor::Done), device);
    let ran = ran.unwrap();
    assert_eq!(ran.verdict(), Verdict::Done);
    assert_eq!(ran.command.state, CommandState::Succeeded);
    assert_eq!(ran.command.result, Some("done".into()));
    let kept = kept(&world, ran.command.id).await;
    assert_eq!(
        states(&kept),
        ["accepted", "routed", "written", "received", "succeeded"]
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_connected_nowhere_is_offline_at_once() {
    let world = car_world();
    let before = world.node.now();
    let never = ask(&world, run("window.set", "open"), WaitFor::Done).await;
    assert_eq!(never.unwrap_err().code, Code::DeviceOffline);
    let car = Car::comes(&world).await;
    car.goes().await;
    let refusal = ask(&world, run("window.set", "open"), WaitFor::Done)
        .await
        .unwrap_err();
    assert_eq!(refusal.code, Code::DeviceOffline);
    let Why::Command(id) = refusal.why else {
        panic!("{refusal:?}")
    };
    assert_eq!(kept(&world, *id).await.state, CommandState::Offline);
    assert!(
        world.node.now().ms_since(before) < 10,
        "nobody waits for a time-out"
    );
}

#[tokio::test(start_paused = true)]
async fn the_newer_session_wins_and_what_it_did_not_hear_it_hears() {
    let world = car_world();
    let first = Car::comes(&world).await;
    let asked = ask(&world, run("window.set", "open"), WaitFor::Accepted);
    let (ran, sent) = tokio::join!(asked, first.command());
    let id = ran.unwrap().command.id;
    assert_eq!(sent.command.id, id);
    // It never says that it has it; its link is dead, and it comes back on another.
    let second = Car::comes(&world).await;
    assert!(second.0.epoch > first.0.epoch);
    assert_eq!(first.0.ending().unwrap().cause, CloseCause::Replaced);
    assert!(matches!(first.frame(), Some(ToDevice::Closing(_))));
    let again = second.command().await;
    assert_eq!((again.command.id, again.attempt), (id, 1));
    // The zombie says nothing any more.
    first.says(id, Status::Failed).await.unwrap();
    first.goes().await;
    second.says(id, Status::Ok).await.unwrap();
    world.quiet().await;
    assert_eq!(kept(&world, id).await.state, CommandState::Succeeded);
    let known = world.store.device(car()).await.unwrap().unwrap();
    assert_eq!(
        known.session.unwrap().id,
        second.0.id,
        "the zombie's end is not its successor's"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_its_deadline() {
    let world = car_world();
    let car = Car::comes(&world).await;
    while car.frame().is_some() {}
    let mut run = run("window.set", "open");
    run.ttl_ms = Some(1_000);
    let ran = ask(&world, run, WaitFor::Accepted).await.unwrap();
    // The socket takes nothing for a while.
    world.pass(1_000).await;
    assert_eq!(car.frame(), None);
    world.pass(100).await;
    assert_eq!(kept(&world, ran.command.id).await.state, CommandState::Expired);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_and_not_answered_timed_out() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let (ran, sent) = tokio::join!(
        ask(&world, run("window.set", "open"), WaitFor::Done),
        car.command()
    );
    let ran = ran.unwrap();
    assert_eq!(code_of(&ran.verdict()), Some(Code::CommandTimeout));
    assert_eq!(ran.command.state, CommandState::TimedOut);
    // What it says now is kept beside the end.
    car.says(sent.command.id, Status::Ok).await.unwrap();
    world.quiet().await;
    let kept = kept(&world, ran.command.id).await;
    assert_eq!(kept.state, CommandState::TimedOut);
    assert_eq!(kept.late.unwrap().state, CommandState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn the_same_again_at_once_is_the_same_command() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let ran = ask(&world, run("window.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    let again = ask_as(&world, "other", run("window.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    assert!(again.coalesced && !ran.coalesced);
    assert_eq!(again.command.id, ran.command.id);
    let other = ask(&world, run("door.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    assert_ne!(
        other.command.id, ran.command.id,
        "another target is another command"
    );
    let sent = [car.command().await.command.id, car.command().await.command.id];
    assert_eq!(sent, [ran.command.id, other.command.id]);
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_command() {
    let world = car_world();
    let _car = Car::comes(&world).await;
    let keyed = |position| RunCommand {
        key: Some("tap-1".into()),
        ..run("window.set", position)
    };
    let first = ask(&world, keyed("open"), WaitFor::Accepted).await.unwrap();
    world.pass(2_000).await;
    let again = ask(&world, keyed("open"), WaitFor::Accepted).await.unwrap();
    assert!(again.repeat);
    assert_eq!(again.command.id, first.command.id);
    let refusal = ask(&world, keyed("closed"), WaitFor::Accepted).await.unwrap_err();
    assert_eq!(refusal, Refusal::because(Code::InvalidData, "idempotency_key"));
    let other = ask_as(&world, "other", keyed("closed"), WaitFor::Accepted)
        .await
        .unwrap();
    assert!(!other.repeat, "a key is its caller's own");
}

#[tokio::test(start_paused = true)]
async fn a_word_of_another_epoch_is_refused() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let (ran, sent) = tokio::join!(
        ask(&world, run("window.set", "open"), WaitFor::Accepted),
        car.command()
    );
    let old = Some(ConnectionEpoch(car.0.epoch.0 - 1));
    let refusal = car.says_as(sent.command.id, Status::Ok, old).await.unwrap_err();
    assert_eq!(refusal, Refusal::because(Code::PermissionDenied, "epoch"));
    world.quiet().await;
    assert!(kept(&world, ran.unwrap().command.id).await.state.is_open());
}

#[tokio::test(start_paused = true)]
async fn no_device_speaks_of_another_devices_command() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let other = Hello {
        device: DeviceId::parse("car-2").unwrap(),
        token: Some("device:car-2".into()),
        ..hello()
    };
    let other = Car::comes_with(&world, other).await.unwrap();
    let (ran, sent) = tokio::join!(
        ask(&world, run("window.set", "open"), WaitFor::Accepted),
        car.command()
    );
    other.says(sent.command.id, Status::Ok).await.unwrap();
    world.quiet().await;
    let id = ran.unwrap().command.id;
    assert_eq!(kept(&world, id).await.state, CommandState::Written);
    car.says(id, Status::Ok).await.unwrap();
    other.says(id, Status::Failed).await.unwrap();
    world.quiet().await;
    let kept = kept(&world, id).await;
    assert_eq!((kept.state, kept.late), (CommandState::Succeeded, None));
}

#[tokio::test(start_paused = true)]
async fn what_may_wait_waits_for_its_device_and_the_newest_wins() {
    let world = car_world();
    Car::comes(&world).await.goes().await;
    let open = ask(&world, run("door.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    world.pass(1_000).await;
    let shut = ask(&world, run("door.set", "closed"), WaitFor::Accepted)
        .await
        .unwrap();
    assert_eq!(open.command.state, CommandState::Accepted);
    assert_eq!(
        kept(&world, open.command.id).await.state,
        CommandState::Superseded
    );
    let car = Car::comes(&world).await;
    let sent = car.command().await;
    assert_eq!(sent.command.id, shut.command.id);
    world.quiet().await;
    assert_eq!(car.frame(), None);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_owns_ends_by_what_is_known_of_it() {
    let mut world = car_world();
    let car = Car::comes(&world).await;
    let (written, _) = tokio::join!(
        ask(&world, run("window.set", "open"), WaitFor::Accepted),
        car.command()
    );
    drop(car);
    Car::comes(&world).await.goes().await;
    let waits = ask(&world, run("door.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    // The node dies, and its device does not come back.
    world.restart();
    world.pass(10_000).await;
    assert_eq!(
        kept(&world, written.unwrap().command.id).await.state,
        CommandState::TimedOut,
        "it may have been carried out"
    );
    assert_eq!(kept(&world, waits.command.id).await.state, CommandState::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_command_can_be_taken_back() {
    let world = car_world();
    Car::comes(&world).await.goes().await;
    let by = operator("back-end");
    let waits = ask(&world, run("door.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    let taken = world.node.cancel_command(&by, waits.command.id).await.unwrap();
    assert_eq!(taken.state, CommandState::Cancelled);
    let car = Car::comes(&world).await;
    while car.frame().is_some() {}
    let here = ask(&world, run("window.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    world.quiet().await;
    let taken = world.node.cancel_command(&by, here.command.id).await.unwrap();
    assert_eq!(taken.state, CommandState::Cancelled);
    assert_eq!(car.frame(), None, "what was taken back is not written");
    let unknown = world.node.cancel_command(&by, CommandId(1)).await.unwrap_err();
    assert_eq!(unknown.code, Code::CommandNotFound);
}

#[tokio::test(start_paused = true)]
async fn one_operator_has_the_device_and_its_last_word_is_sent() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let (one, two) = (operator("one"), operator("two"));
    let stop = AtLapse {
        name: "horn.sound".into(),
        args: Object::new(),
    };
    let lease = world
        .node
        .take_lease(&one, &car.0.device, Some(2_000), Some(stop))
        .await
        .unwrap();
    let held = world
        .node
        .take_lease(&two, &car.0.device, None, None)
        .await
        .unwrap_err();
    assert_eq!(
        (held.code, held.why),
        (Code::DeviceLeased, Why::Holder("one".into()))
    );
    let refusal = ask_as(&world, "two", run("window.set", "open"), WaitFor::Accepted)
        .await
        .unwrap_err();
    assert_eq!(refusal.code, Code::DeviceLeased);
    ask_as(&world, "one", run("window.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    assert_eq!(&*car.command().await.command.name, "window.set");
    // Nobody renews it.
    world.pass(4_000).await;
    let mut names = Vec::new();
    while let Some(frame) = car.frame() {
        if let ToDevice::Command(frame) = frame {
            names.push(Arc::clone(&frame.command.name));
        }
    }
    assert!(names.iter().any(|name| &**name == "horn.sound"), "{names:?}");
    let next = world
        .node
        .take_lease(&two, &car.0.device, None, None)
        .await
        .unwrap();
    assert!(next.fence > lease.fence);
}

#[tokio::test(start_paused = true)]
async fn what_a_device_should_be_it_is_told_now_or_when_it_comes() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let Some(ToDevice::Welcome(welcome)) = car.frame() else {
        panic!("no welcome")
    };
    assert_eq!(welcome.delta, None);
    let by = operator("back-end");
    let wish = |level: i64, if_match| DesiredChange {
        value: Object::from([("climate".into(), level.into())]),
        is_patch: true,
        ttl_ms: std::collections::BTreeMap::new(),
        if_match,
    };
    let view = world
        .node
        .set_desired(&by, &car.0.device, &wish(21, None))
        .await
        .unwrap();
    let Some(ToDevice::Delta { version, state }) = car.frame() else {
        panic!("no delta")
    };
    assert_eq!((version, &state), (view.shadow.version, &view.delta));
    let stale = world
        .node
        .set_desired(&by, &car.0.device, &wish(22, Some(version - 1)))
        .await;
    assert_eq!(
        stale.unwrap_err(),
        bongsu_node::devices::StateRefused::Stale(version)
    );
    car.goes().await;
    let again = Car::comes(&world).await;
    let Some(ToDevice::Welcome(welcome)) = again.frame() else {
        panic!("no welcome")
    };
    assert_eq!(welcome.delta, Some((version, state.clone())));
    let reported = FromDevice::Reported {
        version: Some(version),
        state,
    };
    again.0.hear(reported).await.unwrap();
    let view = world.node.state(&by, &again.0.device).await.unwrap();
    assert!(view.delta.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_is_over_is_not_shown_and_what_is_shown_can_be_changed() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let by = operator("back-end");
    let wish = |if_match| DesiredChange {
        value: Object::from([("climate".into(), 21.into())]),
        is_patch: true,
        ttl_ms: [("climate".into(), 1_000)].into(),
        if_match,
    };
    let device = &car.0.device;
    world.node.set_desired(&by, device, &wish(None)).await.unwrap();
    world.pass(1_000).await;
    let shown = world.node.state(&by, device).await.unwrap();
    assert!(shown.shadow.desired.is_empty() && shown.delta.is_empty());
    let again = wish(Some(shown.shadow.version));
    let changed = world.node.set_desired(&by, device, &again).await.unwrap();
    assert!(changed.shadow.version > shown.shadow.version);
    assert_eq!(changed.shadow.desired.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_no_device_or_another_one_is_not_let_in() {
    let world = car_world();
    let code = |result: Result<Car, Refusal>| result.err().map(|refusal| refusal.code);
    let with = |token: Option<&str>| Hello {
        token: token.map(Into::into),
        ..hello()
    };
    let comes = |token| Car::comes_with(&world, with(token));
    assert_eq!(code(comes(None).await), Some(Code::NotAuthenticated));
    assert_eq!(
        code(comes(Some("device:car-2")).await),
        Some(Code::PermissionDenied)
    );
    assert_eq!(code(comes(Some("car-1")).await), Some(Code::PermissionDenied));
    assert_eq!(code(comes(Some("member:7")).await), Some(Code::InvalidToken));
    let by = operator("back-end");
    let new = NewDevice {
        id: car(),
        kind: "vehicle".into(),
    };
    world.node.create_device(&by, new).await.unwrap();
    world
        .node
        .enrol_device(&by, &car(), TokenHash([7; 32]))
        .await
        .unwrap();
    assert_eq!(code(comes(Some("member:7")).await), None);
    world.node.revoke_enrolments(&by, &car()).await.unwrap();
    assert_eq!(code(comes(Some("member:7")).await), Some(Code::InvalidToken));
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_was_taken_back_or_overtaken_is_not_told() {
    let world = car_world();
    let car = Car::comes(&world).await;
    assert!(matches!(car.frame(), Some(ToDevice::Welcome(_))));
    let by = operator("back-end");
    let wish = |value: Value| DesiredChange {
        value: Object::from([("window".into(), value)]),
        is_patch: true,
        ttl_ms: std::collections::BTreeMap::new(),
        if_match: None,
    };
    let set = async |value| world.node.set_desired(&by, &car.0.device, &wish(value)).await;
    set("open".into()).await.unwrap();
    set(Value::Null).await.unwrap();
    assert_eq!(car.frame(), None, "nobody wishes it any more");
    set("open".into()).await.unwrap();
    let ran = ask(&world, run("window.set", "closed"), WaitFor::Accepted)
        .await
        .unwrap();
    world.quiet().await;
    let Some(ToDevice::Command(frame)) = car.frame() else {
        panic!("the command did not take the wish's place");
    };
    assert_eq!(frame.command.id, ran.command.id);
    assert_eq!(car.frame(), None);
    car.says(ran.command.id, Status::Ok).await.unwrap();
    world.quiet().await;
    assert_eq!(kept(&world, ran.command.id).await.state, CommandState::Succeeded);
    car.goes().await;
    let again = Car::comes(&world).await;
    let Some(ToDevice::Welcome(welcome)) = again.frame() else {
        panic!("no welcome")
    };
    assert_eq!(welcome.delta, None, "what is done is not wished again");
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_waits_too_long_is_not_told() {
    let world = car_world();
    let car = Car::comes(&world).await;
    assert!(matches!(car.frame(), Some(ToDevice::Welcome(_))));
    let change = DesiredChange {
        value: Object::from([
            ("window".into(), "open".into()),
            ("climate".into(), 21_i64.into()),
        ]),
        is_patch: true,
        ttl_ms: [("window".into(), 1_000)].into(),
        if_match: None,
    };
    let by = operator("back-end");
    world.node.set_desired(&by, &car.0.device, &change).await.unwrap();
    world.pass(1_000).await;
    assert_eq!(car.frame(), None, "it is made anew first");
    car.0.wakes().await;
    let Some(ToDevice::Delta { state, .. }) = car.frame() else {
        panic!("no delta")
    };
    assert_eq!(state, Object::from([("climate".into(), 21_i64.into())]));
}

#[tokio::test(start_paused = true)]
async fn the_last_word_of_a_lease_goes_before_the_next_lease() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let last = AtLapse {
        name: "lights.flash".into(),
        args: Object::new(),
    };
    world
        .node
        .take_lease(&operator("one"), &car.0.device, Some(1_050), Some(last))
        .await
        .unwrap();
    world.pass(1_051).await;
    world
        .node
        .take_lease(&operator("two"), &car.0.device, None, None)
        .await
        .unwrap();
    assert_eq!(&*car.command().await.command.name, "lights.flash");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_nothing_undelivered() {
    let world = world_by_hand();
    world.node.set_catalogue(catalogue());
    let car = Box::pin(world.synced(Car::comes(&world))).await;
    {
        let mut asks = std::pin::pin!(ask(&world, run("window.set", "open"), WaitFor::Done));
        tokio::select! {
            biased;
            _ = &mut asks => panic!("nobody has answered"),
            () = world.quiet() => {}
        }
    }
    // It is kept only now.
    let frame = world.synced(car.command()).await;
    assert_eq!(&*frame.command.name, "window.set");
}

#[tokio::test(start_paused = true)]
async fn what_is_wished_for_now_takes_back_what_waits_for_the_same() {
    let world = car_world();
    Car::comes(&world).await.goes().await;
    let open = ask(&world, run("door.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    let shut = DesiredChange {
        value: Object::from([("door".into(), "closed".into())]),
        is_patch: true,
        ttl_ms: std::collections::BTreeMap::new(),
        if_match: None,
    };
    world
        .node
        .set_desired(&operator("two"), &car(), &shut)
        .await
        .unwrap();
    let taken = kept(&world, open.command.id).await;
    assert_eq!(taken.state, CommandState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_device_takes_back_what_others_wanted_of_it() {
    let world = car_world();
    Car::comes(&world).await.goes().await;
    let one = ask_as(&world, "one", run("door.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    let by = operator("two");
    world.node.take_lease(&by, &car(), None, None).await.unwrap();
    assert_eq!(kept(&world, one.command.id).await.state, CommandState::Cancelled);
    let two = ask_as(&world, "two", run("door.set", "open"), WaitFor::Accepted)
        .await
        .unwrap();
    world.node.take_lease(&by, &car(), None, None).await.unwrap();
    assert!(kept(&world, two.command.id).await.state.is_open());
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_is_answered_wherever_the_device_is() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let keyed = || RunCommand {
        key: Some("tap-1".into()),
        ..run("window.set", "open")
    };
    let device = async {
        let id = car.command().await.command.id;
        car.says(id, Status::Ok).await.unwrap();
    };
    let (first, ()) = tokio::join!(ask(&world, keyed(), WaitFor::Done), device);
    car.goes().await;
    let again = ask(&world, keyed(), WaitFor::Done).await.unwrap();
    assert!(again.repeat);
    assert_eq!(again.command.id, first.unwrap().command.id);
    assert_eq!(again.verdict(), Verdict::Done);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_too_large_ends_nobodys_session() {
    let world = car_world();
    let car = Car::comes(&world).await;
    let large = Value::text(&"x".repeat(Limits::DEFAULT.state_bytes_max));
    let refused = Car::comes_with(
        &world,
        Hello {
            reported: Some(Object::from([("log".into(), large)])),
            ..hello()
        },
    )
    .await;
    assert_eq!(
        refused.err().map(|refusal| refusal.code),
        Some(Code::MessageTooLarge)
    );
    assert_eq!(car.0.ending(), None);
    let known = world.store.device(car.0.device.clone()).await.unwrap().unwrap();
    assert_eq!(known.epoch, car.0.epoch);
}
