//! The registries against the names: what a decoder knows is what a registry asks, and each variant of what the server may
//! say stands in a vector, whose message the registry then has.

use std::collections::{BTreeMap, BTreeSet};

use bongsu_model::display::{FromDisplay, ToDisplay};
use bongsu_model::{EventBody, Notice, Reply};
use bongsu_wire::action::{self, ACTIONS};
use bongsu_wire::schema::{Direction, Protocol};
use bongsu_wire::socketio;
use bongsu_wire::typed::{self, TYPES};

use crate::vectors::{folder, message_of, vectors};
use bongsu_wire::asyncapi::PROTOCOLS;

/// The names of all variants. A new one does not compile until it stands here.
macro_rules! variants {
    ($of:ident: $($name:ident),* $(,)?) => {{
        const fn all_are_named(it: &$of) {
            match it {
                $($of::$name { .. } => {})*
            }
        }
        let _ = all_are_named;
        [$(stringify!($name)),*].as_slice()
    }};
}

fn said() -> [(&'static str, &'static [&'static str]); 5] {
    [
        (
            "reply",
            variants!(Reply:
                Connected, TokenRefreshed, Pong, Joined, Left, Posted, Repeated, Marked, Page, CallCreated, CallJoined,
                CallLeft, CallEnded, MediaSet, Blocked, Unblocked,
            ),
        ),
        (
            "event",
            variants!(EventBody:
                Posted, UserJoined, UserLeft, Typing, Read, Status, CallCreated, CallJoined, CallLeft, CallHostChanged,
                CallEnded, MediaChanged, Signalled, Application, Announced,
            ),
        ),
        (
            "notice",
            variants!(Notice: TokenExpiring, Shutdown, Closed, Missed),
        ),
        (
            "switchboard",
            variants!(FromDisplay: Register, Heartbeat, Alive, Execution, Processes, Back),
        ),
        (
            "switchboard",
            variants!(ToDisplay:
                Registered, NotRegistered, Beat, NotBeat, Check, Execute, Prepare, Stop, Shutdown, Taken, Refused, Closed,
            ),
        ),
    ]
}

/// The first word of each vector's value, by the first word of its file's name.
fn valued() -> BTreeMap<String, BTreeSet<String>> {
    let mut valued: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in folder() {
        let kind = file.split('_').next().unwrap().to_owned();
        let value = text.split_once("-- value\n").unwrap().1;
        let word = value
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap()
            .to_owned();
        valued.entry(kind).or_default().insert(word);
    }
    valued
}

#[test]
fn every_variant_stands_in_a_vector() {
    let valued = valued();
    for (kind, names) in said() {
        let meant: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let lacking: Vec<_> = meant.difference(&valued[kind]).collect();
        assert!(lacking.is_empty(), "{lacking:?} is the value of no {kind}_….txt");
    }
}

/// The names of requests that are no families of names.
fn asked(protocol: &Protocol) -> BTreeSet<&'static str> {
    protocol
        .of(Direction::Request)
        .filter(|it| it.pattern.is_none())
        .map(|it| it.name)
        .collect()
}

#[test]
fn the_registries_ask_what_the_decoders_know() {
    assert_eq!(asked(&action::registry::PROTOCOL), ACTIONS.into_iter().collect());
    assert_eq!(asked(&typed::registry::PROTOCOL), TYPES.into_iter().collect());
    let events = TYPES.into_iter().chain(["postinit_req", "message"]);
    assert_eq!(asked(&socketio::registry::PROTOCOL), events.collect());
}

#[test]
fn every_message_stands_in_a_vector() {
    for protocol in PROTOCOLS {
        let mut said = BTreeSet::new();
        for it in vectors(protocol) {
            said.insert((
                it.direction,
                message_of(protocol, it.direction, &it.name).unwrap().name,
            ));
        }
        let meant: BTreeSet<_> = protocol.messages().map(|it| (it.direction, it.name)).collect();
        let lacking: Vec<_> = meant.difference(&said).collect();
        assert!(
            lacking.is_empty(),
            "no vector of the {} protocol has {lacking:?}",
            protocol.name
        );
    }
}

#[test]
fn a_registry_is_sound() {
    for protocol in PROTOCOLS {
        sound(protocol);
    }
}

fn sound(protocol: &Protocol) {
    let mut names = BTreeSet::new();
    for message in protocol.messages() {
        assert!(
            names.insert((message.direction, message.name)),
            "{} stands twice",
            message.name
        );
        assert!(
            message.summary.ends_with('.'),
            "{}: {}",
            message.name,
            message.summary
        );
        let asks = message.direction == Direction::Request;
        assert!(
            asks || (message.replies.is_empty() && message.causes.is_empty()),
            "{}",
            message.name
        );
        for name in message.replies {
            let answers = [Direction::Reply, Direction::Event, Direction::Error];
            assert!(
                answers.iter().any(|it| protocol.message(*it, name).is_some()),
                "{}: `{name}`",
                message.name
            );
        }
        for name in message.causes {
            assert!(
                protocol.message(Direction::Event, name).is_some(),
                "{}: `{name}`",
                message.name
            );
        }
    }
    // A reply that nothing asks for would never come.
    for reply in protocol.of(Direction::Reply) {
        let asked = protocol
            .of(Direction::Request)
            .any(|it| it.replies.contains(&reply.name));
        assert!(asked, "nothing is answered with `{}`", reply.name);
    }
    let mut shapes = BTreeMap::new();
    for shape in protocol.shapes() {
        let before = shapes.insert(shape.name, shape);
        assert!(before.is_none(), "two shapes are called `{}`", shape.name);
    }
}
