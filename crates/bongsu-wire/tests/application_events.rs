//! What applications tell each other: which types are open to them, and what of their `data` is carried.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use bongsu_model::{Emit, Limits, Refusal, Request, Want};
use common::{asked, refused, rules};

#[test]
fn a_type_is_open_in_an_open_domain_and_well_spelled() {
    let limits = Limits::DEFAULT;
    let rules = rules(&limits);
    let long = |bytes: usize| format!("game.{}", "x".repeat(bytes - 5));
    for open in [
        "game.move",
        "app.a",
        "app.a.b-c_d.0",
        "game..",
        "app.-",
        &long(64),
    ] {
        assert!(rules.opens(open), "{open}");
    }
    for closed in [
        "",
        "game",
        "game.",
        ".game",
        ".",
        "games.move",
        "gam.e",
        "Game.move",
        "game.Move",
        "game.mo ve",
        "game.한",
        "game.mo\u{0}ve",
        "chat.message",
        "system.shutdown",
        "error",
        &long(65),
    ] {
        assert!(!rules.opens(closed), "{closed:?}");
    }
    let none = bongsu_wire::incoming::Rules {
        application_domains: &[],
        ..rules
    };
    assert!(!none.opens("game.move"));
}

fn send_event(data: &str, key: &str) -> String {
    format!(
        r#"{{"action":"SEND_EVENT","data":{{"chatroom_id":1,"type":"game.move"{key},"data":{data}}},"seq_id":"s"}}"#
    )
}

fn emitted(text: &str) -> Emit {
    let Request::Emit(emit) = asked(text).request else {
        panic!("an event of an application")
    };
    emit
}

#[test]
fn what_the_server_says_itself_is_no_data() {
    let emit = emitted(&send_event(
        r#"{ "user_id": 7, "x": { "room": 1 }, "key": null, "room": "a", "\u006bey": 2, "y": [ 1 ] }"#,
        r#","key":"k""#,
    ));
    assert_eq!(emit.key.as_deref(), Some("k"));
    assert_eq!(emit.data.as_str(), r#"{"x":{"room":1},"y":[1]}"#);
    assert_eq!(emitted(&send_event(r#"{"room":1}"#, "")).data.as_str(), "{}");
}

#[test]
fn data_and_key_hold_their_limits() {
    let max = Limits::DEFAULT.application_event_bytes_max;
    let data = |bytes: usize| format!(r#"{{"x":"{}"}}"#, "a".repeat(bytes - 8));
    for bytes in [max - 1, max] {
        emitted(&send_event(&data(bytes), ""));
    }
    let (_, refusal) = refused(&send_event(&data(max + 1), ""));
    assert_eq!(refusal, Refusal::too_large("data", max as u64));
    for bytes in [1, 63, 64] {
        emitted(&send_event("{}", &format!(r#","key":"{}""#, "k".repeat(bytes))));
    }
    for bytes in [0, 65] {
        let (_, refusal) = refused(&send_event("{}", &format!(r#","key":"{}""#, "k".repeat(bytes))));
        assert_eq!(refusal, Refusal::field("key", Want::TextOf(1, 64)));
    }
}

#[test]
fn what_other_readers_choke_on_is_refused() {
    for data in [r#"{"x":"\ud800"}"#, r#"{"x":1e999}"#, r#"{"\udc00":1}"#] {
        let (_, refusal) = refused(&send_event(data, ""));
        assert_eq!(refusal, Refusal::field("data", Want::Other), "{data}");
    }
    let (_, refusal) = refused(&send_event("{}", "").replace("game.move", "chat.message"));
    assert_eq!(refusal, Refusal::field("type", Want::Other));
}
