//! What applications tell each other: which types are open to them, and what of their `data` is carried.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use bongsu_model::{Asked, Code, Emit, Limits, Refusal, Request, RoomRef, Tag, UserId, UserRef, Want};
use bongsu_wire::typed::message;
use common::{asked, only, refused, rules};

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

fn typed(text: &str) -> Result<Asked, (Tag, Refusal)> {
    let mut out = Vec::new();
    message(text, &rules(&Limits::DEFAULT), &mut out);
    only(out)
}

fn game_move(data: &str) -> String {
    format!(r#"{{"type":"game.move","data":{data},"id":"s"}}"#)
}

#[test]
fn on_the_type_protocol_data_holds_it_all() {
    let text = game_move(
        r#"{ "\u0075ser_id": "hana", "x": { "room": 1 }, "room": "a", "key": "k", "y": [ 1 ], "metadata": null }"#,
    );
    let asked = typed(&text).unwrap();
    assert_eq!(asked.claimed_user, Some(UserRef::Handle("hana".into())));
    let Request::Emit(emit) = asked.request else {
        panic!("an event of an application")
    };
    assert_eq!(emit.room, RoomRef::Name("a".into()));
    assert_eq!((&*emit.kind, emit.key.as_deref()), ("game.move", Some("k")));
    assert_eq!(emit.data.as_str(), r#"{"x":{"room":1},"y":[1],"metadata":null}"#);
}

#[test]
fn whoever_it_claims_to_come_from_is_read() {
    for (claimed, user) in [
        ("7", UserRef::Id(UserId(7))),
        ("\"7\"", UserRef::Id(UserId(7))),
        ("\"hana\"", UserRef::Handle("hana".into())),
    ] {
        let text = game_move(&format!(r#"{{"room":"a","user_id":{claimed}}}"#));
        assert_eq!(typed(&text).unwrap().claimed_user, Some(user), "{claimed}");
    }
    for nobody in [r#"{"room":"a"}"#, r#"{"room":"a","user_id":null}"#] {
        assert_eq!(typed(&game_move(nobody)).unwrap().claimed_user, None);
    }
    for claimed in ["{}", "true", "\"\"", "[7]"] {
        let (_, refusal) = typed(&game_move(&format!(r#"{{"room":"a","user_id":{claimed}}}"#))).unwrap_err();
        assert_eq!(
            refusal,
            Refusal::field("user_id", Want::TextOf(1, 255)),
            "{claimed}"
        );
    }
}

#[test]
fn data_holds_its_limit_as_it_was_sent() {
    let max = Limits::DEFAULT.application_event_bytes_max;
    let data = |bytes: usize| format!(r#"{{"room":"a", "x":"{}"}}"#, "a".repeat(bytes - 20));
    assert_eq!(data(100).len(), 100);
    for bytes in [max - 1, max] {
        typed(&game_move(&data(bytes))).unwrap();
    }
    let (tag, refusal) = typed(&game_move(&data(max + 1))).unwrap_err();
    assert_eq!(refusal, Refusal::too_large("data", max as u64));
    assert_eq!(
        (tag.reference.as_deref(), tag.verb.as_deref()),
        (Some("s"), Some("game.move"))
    );
}

#[test]
fn an_event_names_its_room_and_is_fit_to_be_carried() {
    for (data, refusal) in [
        ("{}", Refusal::field("room", Want::Present)),
        (r#"{"room":"a","room":"a"}"#, Refusal::field("room", Want::Once)),
        (
            r#"{"room":"a","key":""}"#,
            Refusal::field("key", Want::TextOf(1, 64)),
        ),
        (
            r#"{"room":"a","x":"\ud800"}"#,
            Refusal::field("data", Want::Other),
        ),
        (r#"{"room":"a","x":1e999}"#, Refusal::field("data", Want::Other)),
    ] {
        assert_eq!(typed(&game_move(data)).unwrap_err().1, refusal, "{data}");
    }
    let closed = game_move(r#"{"room":"a"}"#).replace("game.move", "games.move");
    assert_eq!(typed(&closed).unwrap_err().1, Refusal::new(Code::InvalidAction));
}
