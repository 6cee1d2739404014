//! Callers of the HTTP API, without HTTP: they ask a node, wait, hang up, and ask again.
//!
//! Invariant: each question is answered, or its caller is known to have hung up.

use std::sync::Arc;

use bongsu_model::device::{AtLapse, CommandId, DeviceId, IfOffline, Object, Pace};
use bongsu_model::{Code, Limits, Role};
use bongsu_node::Node;
use bongsu_node::devices::catalogue::{Catalogue, Entry};
use bongsu_node::devices::{RunCommand, Wait, WaitFor};
use bongsu_node::usecases::operate::Operator;

use super::conn::Scene;
use super::ledger::Saw;
use crate::random::Random;

/// What devices can do, and so many of it have a target.
pub(super) const NAMES: [&str; 5] = ["window.set", "roof.set", "seat.move", "horn", "reboot"];
/// Callers by name.
pub(super) const PEOPLE: [&str; 3] = ["kim", "lee", "park"];

/// What a caller asks for, so that it can ask again.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) by: &'static str,
    pub(super) run: RunCommand,
    pub(super) wait: Wait,
}

/// The commands of this world.
pub(super) fn catalogue(limits: &Limits) -> Catalogue {
    let entry = |(name, target, pace, if_offline): (&str, Option<&str>, Pace, IfOffline)| Entry {
        target: target.map(Into::into),
        pace,
        if_offline,
        execution_ms: 4_000,
        debounce_ms: 300,
        ..Entry::plain(name.into(), limits)
    };
    let entries = [
        (NAMES[0], Some("window"), Pace::LatestWins, IfOffline::Queue),
        (NAMES[1], Some("roof"), Pace::LatestWins, IfOffline::Queue),
        (NAMES[2], Some("seat"), Pace::Serial, IfOffline::Fail),
        (NAMES[3], None, Pace::Parallel(2), IfOffline::Fail),
        (NAMES[4], None, Pace::Exclusive, IfOffline::Queue),
    ];
    Catalogue::new(entries.map(entry).into(), false, limits).expect("nothing is wrong with these")
}

/// A question from chance.
pub(super) fn question(random: &Random, device: DeviceId, number: usize) -> Question {
    let pick = |count: usize| usize::try_from(random.within(0..count as u64)).unwrap_or(0);
    let position = if random.often(500) { "open" } else { "closed" };
    let ttl_ms = if random.often(300) {
        random.within(50..600)
    } else {
        random.within(600..5_000)
    };
    let until = [WaitFor::Accepted, WaitFor::Received, WaitFor::Done][pick(3)];
    Question {
        by: PEOPLE[pick(PEOPLE.len())],
        run: RunCommand {
            device,
            name: NAMES[pick(NAMES.len())].into(),
            args: Object::from([("position".into(), position.into())]),
            ttl_ms: Some(ttl_ms),
            key: random.often(500).then(|| format!("key-{number}").into()),
            if_offline: None,
            fence: None,
            from: None,
        },
        wait: Wait {
            until,
            timeout_ms: random.often(300).then(|| random.within(100..2_000)),
        },
    }
}

pub(super) fn operator(by: &str) -> Operator {
    Operator::api_key(by.into(), Role::Admin)
}

/// Asks a node, and writes down what it answers.
pub(super) async fn ask(scene: Scene, node: Arc<Node>, caller: usize, question: Question) {
    let Question { by, run, wait } = question;
    match node.run_command(&operator(by), run, wait).await {
        Ok(ran) => {
            let command = &ran.command;
            if ran.coalesced {
                scene.ledger.lock().count("joined");
            }
            if ran.repeat {
                scene.ledger.lock().count("repeated");
            }
            scene.saw(Saw::Answered {
                caller,
                command: command.id,
                name: Arc::clone(&command.name),
                state: command.state,
            });
        }
        Err(refusal) => {
            let code = refusal.code.name();
            scene.ledger.lock().count(code);
            scene.saw(Saw::Refused { caller, code });
        }
    }
}

/// Takes a command back.
pub(super) async fn cancel(node: Arc<Node>, command: CommandId) {
    // Whether it succeeds is not the question; what follows from it is.
    let _ = node.cancel_command(&operator(PEOPLE[0]), command).await;
}

/// What is sent when a lease lapses; each question has a number of its own, so that it shows which of them was.
fn at_lapse(number: u64) -> AtLapse {
    let number = i64::try_from(number >> 1).unwrap_or(0);
    AtLapse {
        name: NAMES[4].into(),
        args: Object::from([(LAPSE.into(), number.into())]),
    }
}

/// The argument of what is sent when a lease lapses.
const LAPSE: &str = "lapse";

/// Takes a device for an operator, or gives it back.
pub(super) async fn lease(
    scene: Scene,
    node: Arc<Node>,
    (by, device): (&'static str, DeviceId),
    ttl_ms: Option<u64>,
) {
    match ttl_ms {
        Some(_) => {
            let then = Some(at_lapse(scene.random.next()));
            match node.take_lease(&operator(by), &device, ttl_ms, then).await {
                Ok(lease) => scene.saw(Saw::Leased(lease)),
                Err(refusal) if refusal.code == Code::DeviceLeased => {}
                Err(_) => {
                    scene.ledger.lock().lease_doubts.insert(device);
                }
            }
        }
        None => {
            // From here on it may be given back, whatever the answer.
            scene.saw(Saw::Released {
                device: device.clone(),
                holder: by.into(),
            });
            let _ = node.release_lease(&operator(by), &device).await;
        }
    }
}
