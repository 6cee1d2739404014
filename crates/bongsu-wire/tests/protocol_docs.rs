//! The documents for authors of clients name every message, every field and every code that the registries have.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::path::Path;

use bongsu_model::Code;
use bongsu_wire::schema::{Direction, Field, Protocol, Shape, Topic, Ty};
use bongsu_wire::{action, device, socketio, typed};

/// Whether a word stands in a text by itself.
fn names(text: &str, word: &str) -> bool {
    let within = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(within) && !after.is_some_and(within)
    })
}

fn shape(shape: &Shape, out: &mut Vec<&'static str>) {
    shape.fields.iter().for_each(|it| field(it, out));
}

fn field(it: &Field, out: &mut Vec<&'static str>) {
    out.push(it.name);
    let mut ty = &it.ty;
    while let Ty::Array { of, .. } | Ty::Nullable(of) = ty {
        ty = of;
    }
    if let Ty::Object(inner) = ty {
        shape(inner, out);
    }
}

fn document(protocol: &str) -> String {
    let path = format!("../../docs/protocols/{protocol}.md");
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn lacking(protocol: &Protocol, codes: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let text = document(protocol.name);
    let mut words: Vec<_> = codes.collect();
    for message in protocol.messages() {
        if message.pattern.is_none() {
            words.push(message.name);
        }
        shape(message.shape, &mut words);
        message.beside.iter().for_each(|it| field(it, &mut words));
    }
    for direction in Direction::ALL {
        let envelope = (protocol.envelope)(direction);
        envelope.fields.iter().for_each(|it| field(it, &mut words));
    }
    words.sort_unstable();
    words.dedup();
    words.retain(|word| !names(&text, word));
    words
}

#[test]
fn the_document_of_the_action_protocol_names_everything() {
    let codes = Code::ALL.into_iter().map(Code::name);
    assert_eq!(lacking(&action::registry::PROTOCOL, codes), [""; 0]);
}

#[test]
fn the_document_of_the_type_protocol_names_everything() {
    let codes = Code::ALL.into_iter().map(Code::lower_name);
    assert_eq!(lacking(&typed::registry::PROTOCOL, codes), [""; 0]);
}

#[test]
fn the_document_of_socketio_names_everything_of_its_own() {
    let text = document("socketio");
    let own = |topic: &&Topic| matches!(topic.name, "session" | "chat" | "requests");
    let mut words = vec!["INVALID_PARAM", "INVALID_TOKEN", "NOT_AUTHENTICATED"];
    for topic in socketio::registry::PROTOCOL.topics.iter().filter(own) {
        for message in topic.messages {
            words.push(message.name);
            if message.name.starts_with("postinit") || ["message", "server_error"].contains(&message.name) {
                shape(message.shape, &mut words);
            }
        }
    }
    words.retain(|word| !names(&text, word));
    assert_eq!(words, [""; 0]);
}

#[test]
fn the_document_of_the_switchboard_names_everything() {
    let codes = [
        "NAME_TAKEN",
        "NOT_AUTHENTICATED",
        "INVALID_PARAM",
        "INVALID_ACTION",
    ];
    let protocol = socketio::registry::switchboard::PROTOCOL;
    assert_eq!(lacking(&protocol, codes.into_iter()), [""; 0]);
}

#[test]
fn the_document_of_devices_names_everything() {
    assert_eq!(lacking(&device::registry::PROTOCOL, std::iter::empty()), [""; 0]);
}

#[test]
fn a_word_within_another_is_no_name() {
    assert!(names("a (`room`), b", "room") && names("room_id room", "room"));
    assert!(!names("room_id, rooms, chatroom", "room"));
}
