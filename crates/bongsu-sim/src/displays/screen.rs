//! A simulated display: what the guide asks of one, and for those that know more, what the extensions ask.
//!
//! Invariant: a display that knows commands by their ids begins none twice, whichever of its connections told it; one that
//! knows only the guide begins what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::device::{CommandId, DeviceId, Object, Value};
use bongsu_model::display::{
    BARRIER, Beat, COMMAND_IDS, Doing, Execute, Execution, FromDisplay, PresetId, Process, Processes,
    Registration, Stop, ToDisplay,
};
use bongsu_node::Clock as _;
use parking_lot::Mutex;

use super::defect::DisplayDefect;
use super::ledger::{Kind, Saw, call_of_execute};
use super::link::{Link, Scene};

/// How a display answers when it is asked whether it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    Prompt,
    /// At the edge of its time.
    Edge,
    Late,
    Never,
}

impl Manner {
    pub(super) const ALL: [Self; 4] = [Self::Prompt, Self::Edge, Self::Late, Self::Never];
}

/// What a display knows of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    Waits,
    Runs,
    Ended(Doing),
}

/// What displays of one name know together: they are one machine.
#[derive(Default)]
pub(super) struct Memory {
    commands: BTreeMap<CommandId, Known>,
    running: Vec<(CommandId, Option<PresetId>)>,
}

/// One display.
pub(super) struct Screen {
    pub(super) name: DeviceId,
    pub(super) kind: Kind,
    pub(super) manner: Manner,
    pub(super) link: Option<Arc<Link>>,
    pub(super) memory: Arc<Mutex<Memory>>,
}

pub(super) type Shown = Arc<Mutex<Screen>>;

/// Says who it is on a new link, and hears what comes until there is no more.
pub(super) async fn run(scene: Scene, shown: Shown, link: Arc<Link>) {
    link.say(FromDisplay::Register(Box::new(registration(&shown))));
    while let Some(word) = link.hears().await {
        hear(&scene, &shown, &link, word);
    }
    // Of one that has left without a word nobody is to notice.
    if !link.is_gone() {
        drop_link(&shown, &link);
    }
}

fn registration(shown: &Shown) -> Registration {
    let screen = shown.lock();
    let capabilities: &[&str] = match screen.kind {
        Kind::Guide => &[],
        Kind::Ids => &[COMMAND_IDS],
        Kind::Barrier => &[COMMAND_IDS, BARRIER],
    };
    let memory = screen.memory.lock();
    let running = memory.running.iter().map(|(command, _)| *command);
    Registration {
        name: Arc::clone(screen.name.shared()),
        capabilities: capabilities.iter().map(|one| Arc::from(*one)).collect(),
        running: running.filter(|_| screen.kind != Kind::Guide).collect(),
        ..Registration::default()
    }
}

fn drop_link(shown: &Shown, link: &Arc<Link>) {
    let mut screen = shown.lock();
    if screen.link.as_ref().is_some_and(|now| Arc::ptr_eq(now, link)) {
        screen.link = None;
    }
    link.hang_up();
}

/// Says that it is there, and what runs.
pub(super) fn beat(shown: &Shown, defect: Option<DisplayDefect>) {
    let screen = shown.lock();
    // Who is not let in yet has nothing to say: what it said now would be heard when it is old.
    let Some(link) = screen.link.as_ref().filter(|link| link.is_let_in()) else {
        return;
    };
    let name = || Arc::clone(screen.name.shared());
    let memory = screen.memory.lock();
    let running = memory.running.iter().map(|(command, preset)| Process {
        preset: *preset,
        command: (screen.kind != Kind::Guide).then_some(*command),
        pid: None,
        uptime_ms: None,
    });
    let lists = defect != Some(DisplayDefect::NothingListed);
    let running: Vec<_> = running.filter(|_| lists).collect();
    link.say(FromDisplay::Heartbeat(Beat {
        name: name(),
        status: None,
        uptime_ms: None,
        processes: Some(running.len() as u64),
    }));
    link.say(FromDisplay::Processes(Processes {
        name: name(),
        status: None,
        running,
    }));
}

fn hear(scene: &Scene, shown: &Shown, link: &Arc<Link>, word: ToDisplay) {
    match word {
        ToDisplay::Check => alive(scene, shown, link),
        ToDisplay::Execute(execute) => {
            tokio::spawn(carry_out(scene.clone(), Arc::clone(shown), *execute));
        }
        ToDisplay::Prepare(execute) => {
            tokio::spawn(prepare(scene.clone(), Arc::clone(shown), *execute));
        }
        ToDisplay::Stop(what) => stop(scene, shown, &what),
        ToDisplay::NotRegistered(_) | ToDisplay::Closed(_) => drop_link(shown, link),
        ToDisplay::Registered { .. }
        | ToDisplay::Beat { .. }
        | ToDisplay::NotBeat(_)
        | ToDisplay::Shutdown { .. }
        | ToDisplay::Taken
        | ToDisplay::Refused(_) => {}
    }
}

fn alive(scene: &Scene, shown: &Shown, link: &Arc<Link>) {
    let random = &scene.random;
    let ms = match shown.lock().manner {
        Manner::Prompt => random.within(1..150),
        Manner::Edge => random.within(2_800..3_150),
        Manner::Late => random.within(3_500..7_000),
        Manner::Never => return,
    };
    let link = Arc::clone(link);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let name = Arc::clone(link.name.shared());
        link.say(FromDisplay::Alive { name });
    });
}

async fn pause(scene: &Scene, ms: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(scene.random.within(ms))).await;
}

async fn prepare(scene: Scene, shown: Shown, execute: Execute) {
    let (call, name) = (call_of_execute(&execute), execute.name.clone());
    match scene.random.within(0..100) {
        0..6 => {
            let details = Object::from([("prepares".into(), true.into())]);
            return say(&shown, about(&execute), Doing::Rejected, details);
        }
        6..10 => return,
        10..16 => pause(&scene, 800..5_000).await,
        _ => pause(&scene, 1..200).await,
    }
    scene.saw(Saw::Prepared { name, call });
    say(&shown, about(&execute), Doing::Prepared, Object::new());
}

async fn carry_out(scene: Scene, shown: Shown, execute: Execute) {
    let (knows, memory) = {
        let screen = shown.lock();
        let knows = screen.kind != Kind::Guide && scene.defect != Some(DisplayDefect::NoJournal);
        (knows, Arc::clone(&screen.memory))
    };
    let known = memory.lock().commands.get(&execute.command).copied();
    let again = known.filter(|_| knows).map(|known| match known {
        Known::Waits => Doing::Starting,
        Known::Runs => Doing::Running,
        Known::Ended(how) => how,
    });
    if let Some(doing) = again {
        return say(&shown, about(&execute), doing, Object::new());
    }
    match scene.random.within(0..100) {
        0..5 => {
            ends(&shown, &memory, about(&execute), Doing::Rejected, Object::new());
            if scene.defect != Some(DisplayDefect::BegunAnyway) {
                return;
            }
        }
        // Nobody ever hears of it.
        5..10 => return,
        10..70 => say(&shown, about(&execute), Doing::Starting, Object::new()),
        _ => {}
    }
    memory.lock().commands.insert(execute.command, Known::Waits);
    if let Some(start) = execute.start_at
        && scene.defect != Some(DisplayDefect::NoStart)
    {
        let ms = start.ms_since(scene.clock.now());
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    pause(&scene, 0..30).await;
    let is = |known: Known| memory.lock().commands.get(&execute.command) == Some(&known);
    if !is(Known::Waits) {
        return; // It was stopped before.
    }
    if knows && scene.clock.now() >= execute.issued_at.plus_ms(execute.ttl_ms) {
        let details = Object::from([("code".into(), Value::text("expired"))]);
        return ends(&shown, &memory, about(&execute), Doing::Rejected, details);
    }
    {
        let mut memory = memory.lock();
        memory.commands.insert(execute.command, Known::Runs);
        memory.running.push((execute.command, execute.preset));
    }
    scene.saw(Saw::Began {
        name: execute.name.clone(),
        command: execute.command,
        call: call_of_execute(&execute),
        start_at: execute.start_at,
    });
    pause(&scene, 0..150).await;
    say(&shown, about(&execute), Doing::Running, Object::new());
    pause(&scene, 100..5_000).await;
    if !is(Known::Runs) {
        return; // It was stopped, and that is said.
    }
    scene.saw(Saw::Finished {
        command: execute.command,
    });
    let how = if scene.random.often(200) {
        Doing::Failed
    } else {
        Doing::Completed
    };
    ends(&shown, &memory, about(&execute), how, Object::new());
}

/// What a word is about.
#[derive(Clone, Copy)]
struct About(CommandId, Option<PresetId>);

fn about(execute: &Execute) -> About {
    About(execute.command, execute.preset)
}

fn ends(shown: &Shown, memory: &Mutex<Memory>, about: About, how: Doing, details: Object) {
    {
        let mut memory = memory.lock();
        memory.commands.insert(about.0, Known::Ended(how));
        memory.running.retain(|(command, _)| *command != about.0);
    }
    say(shown, about, how, details);
}

/// Ends what it is told to, and says so.
fn stop(scene: &Scene, shown: &Shown, stop: &Stop) {
    let memory = Arc::clone(&shown.lock().memory);
    let meant = |(command, preset): &(CommandId, Option<PresetId>)| match stop.run {
        Some(run) => *command == run,
        None => *preset == stop.preset,
    };
    let running: Vec<_> = memory.lock().running.iter().copied().filter(meant).collect();
    for (command, preset) in running {
        scene.saw(Saw::Finished { command });
        ends(
            shown,
            &memory,
            About(command, preset),
            Doing::Stopped,
            Object::new(),
        );
    }
    if let Some(run) = stop.run {
        // One that waits for its start does not begin any more, and one that comes later never does.
        let known = memory.lock().commands.get(&run).copied();
        if known.is_none_or(|known| known == Known::Waits) {
            ends(
                shown,
                &memory,
                About(run, stop.preset),
                Doing::Rejected,
                Object::new(),
            );
        }
    }
    say(
        shown,
        About(stop.command, stop.preset),
        Doing::Stopped,
        Object::new(),
    );
}

/// Says how a command is doing, on the link that there is now.
fn say(shown: &Shown, about: About, status: Doing, details: Object) {
    let screen = shown.lock();
    let Some(link) = &screen.link else { return };
    link.say(FromDisplay::Execution(Box::new(Execution {
        name: Arc::clone(screen.name.shared()),
        status,
        preset: about.1,
        command: (screen.kind != Kind::Guide).then_some(about.0),
        details,
    })));
}
