//! Displays without sockets: who is let in, whose name it is, what runs where, and what callers hear of it.

mod names;
mod presets;
mod programs;

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

fn of_stop(preset: Option<i64>, run: Option<CommandId>) -> StopPrograms {
    StopPrograms {
        display: name(NAME),
        preset: preset.map(PresetId),
        run,
        grace_ms: None,
        key: None,
        from: None,
    }
}
