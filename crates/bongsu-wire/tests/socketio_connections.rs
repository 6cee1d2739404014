//! One connection of Socket.IO: what is let in, what an application hears of it, and what ends it.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::borrow::Cow;
use std::sync::Arc;

use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Why};
use bongsu_wire::incoming::Rules;
use bongsu_wire::incoming::{Fatal, Incoming};
use bongsu_wire::socketio::connection::{
    Acknowledged, Application, Auth, Connecting, Connection, Event, Welcome,
};
use bongsu_wire::socketio::engine::{Heard, Version};

use common::{frames, rules};

/// Says what it hears.
#[derive(Default)]
struct Parrot {
    heard: Vec<String>,
}

impl Application for Parrot {
    const NAMESPACES: &'static [&'static str] = &["/", "/custom", "/closed", "/asks"];
    const KEEPS_ATTACHMENTS: bool = true;

    fn connect(&mut self, asked: Connecting<'_>, _: &Rules<'_>, out: &mut Vec<Incoming>) -> Welcome {
        let auth = match asked.auth {
            Auth::No => "nothing",
            Auth::Object(text) | Auth::Query(text) => text,
        };
        let token = asked.token.as_deref().unwrap_or("none");
        self.heard
            .push(format!("connect {} {auth} {token}", asked.namespace));
        out.push(Incoming::Echo(asked.accepted()));
        match asked.namespace {
            "/closed" => Welcome::Refused,
            "/asks" => Welcome::Asked,
            _ => Welcome::Connected,
        }
    }

    fn event(&mut self, event: Event<'_>, _: &Rules<'_>, _: &mut Vec<Incoming>) {
        let data = event.packet.data.unwrap();
        let kept: Vec<_> = event.kept.iter().map(|it| it.to_vec()).collect();
        self.heard.push(format!(
            "event {} {} {:?} {data} {kept:?}",
            event.namespace, event.name, event.ack
        ));
    }

    fn acknowledged(&mut self, ack: Acknowledged<'_>, _: &Rules<'_>, _: &mut Vec<Incoming>) {
        let data = ack.packet.data.unwrap();
        self.heard.push(format!(
            "ack {} {} {data} {}",
            ack.namespace,
            ack.id,
            ack.kept.len()
        ));
    }

    fn disconnect(&mut self, namespace: &'static str, _: &mut Vec<Incoming>) {
        self.heard.push(format!("disconnect {namespace}"));
    }
}

struct Client {
    connection: Connection<Parrot>,
    limits: Limits,
    out: Vec<Incoming>,
}

fn client(version: Version, token: Option<&str>) -> Client {
    let mut client = Client {
        connection: Connection::new(version, 0xabc, token.map(Arc::from), Parrot::default()),
        limits: Limits::DEFAULT,
        out: vec![],
    };
    client
        .connection
        .opened(&rules(&Limits::DEFAULT), &mut client.out);
    client
}

impl Client {
    fn text(&mut self, packet: &str) -> Result<(), Fatal> {
        self.connection
            .hear(Heard::Text(packet), &rules(&self.limits), &mut self.out)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        self.connection.hear(
            Heard::Binary(Cow::Borrowed(bytes)),
            &rules(&self.limits),
            &mut self.out,
        )
    }

    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.connection.application_mut().heard)
    }

    /// What it is told, as packets.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out)
            .into_iter()
            .map(|it| match it {
                Incoming::Echo(frame) => {
                    let [(0x81, text)] = &frames(&frame)[..] else {
                        panic!("one text frame")
                    };
                    String::from_utf8(text.clone()).unwrap()
                }
                Incoming::Goodbye(_) => "goodbye".into(),
                Incoming::Request(_)
                | Incoming::Refused { .. }
                | Incoming::Display { .. }
                | Incoming::SignOut => panic!("{it:?}"),
            })
            .collect()
    }
}

fn what(fatal: Result<(), Fatal>) -> Malformed {
    let Why::Malformed { what, .. } = fatal.unwrap_err().refusal.why else {
        panic!("no packet of it is named")
    };
    what
}

#[test]
fn a_namespace_is_connected_under_a_name_of_its_own() {
    let mut client = client(Version::V4, Some("secret"));
    assert!(client.told().is_empty());
    client.text("0").unwrap();
    client.text(r#"0/custom,{"token":"123"}"#).unwrap();
    assert_eq!(
        client.heard(),
        [
            "connect / nothing secret",
            r#"connect /custom {"token":"123"} none"#
        ]
    );
    let sid = |last| format!("{}{last}", "0".repeat(29));
    assert_eq!(
        client.told(),
        [
            format!(r#"40{{"sid":"{}"}}"#, sid("abc")),
            format!(r#"40/custom,{{"sid":"{}"}}"#, sid("abd"))
        ]
    );
    client.text("0/random").unwrap();
    assert_eq!(client.told(), [r#"44/random,{"message":"Invalid namespace"}"#]);
    assert_eq!(what(client.text("0")), Malformed::Packet, "it is connected");
}

#[test]
fn a_client_of_protocol_3_is_in_the_main_namespace_without_asking() {
    let mut client = client(Version::V3, Some("secret"));
    assert_eq!(client.heard(), ["connect / nothing secret"]);
    assert_eq!(client.told(), ["40"]);
    client.text("0/custom?token=a%20b,").unwrap();
    assert_eq!(
        client.heard(),
        ["connect /custom token=a%20b secret"],
        "nobody has asked before"
    );
    assert_eq!(client.told(), ["40/custom,"]);
    client.text("0").unwrap();
    assert_eq!(client.heard(), ["connect / nothing none"]);
    assert_eq!(client.told(), ["40"], "who asks again is told again");
    client.text("0/random").unwrap();
    assert_eq!(client.told(), [r#"44/random,"Invalid namespace""#]);
    client.text("1/custom").unwrap();
    assert!(client.told().is_empty());
    client.text("1").unwrap();
    assert_eq!(client.told(), ["goodbye"]);
}

#[test]
fn events_are_heard_between_connect_and_disconnect_alone() {
    let mut client = client(Version::V4, None);
    assert_eq!(what(client.text(r#"2["a"]"#)), Malformed::NotConnected);
    client.text("0/custom").unwrap();
    client.text(r#"2/custom,7["a",{"b":1}]"#).unwrap();
    client.text(r#"3/custom,8["c"]"#).unwrap();
    client.text("1/custom").unwrap();
    assert_eq!(
        client.heard(),
        [
            "connect /custom nothing none",
            r#"event /custom a Some(7) ["a",{"b":1}] []"#,
            r#"ack /custom 8 ["c"] 0"#,
            "disconnect /custom"
        ]
    );
    for late in [
        r#"2/custom,["a"]"#,
        "3/custom,1[]",
        "1/custom",
        r#"51-/custom,["a",{"_placeholder":true,"num":0}]"#,
    ] {
        assert_eq!(what(client.text(late)), Malformed::NotConnected, "{late}");
    }
    client.text("0/custom").unwrap();
    assert_eq!(client.heard().len(), 1, "it may come back");
}

#[test]
fn who_waits_for_an_answer_may_ask_again_and_who_is_refused_is_not_connected() {
    let mut client = client(Version::V4, None);
    for _ in 0..2 {
        client.text("0/asks").unwrap();
        client.text(r#"2/asks,["a"]"#).unwrap();
    }
    client.text("0/closed").unwrap();
    assert_eq!(what(client.text(r#"2/closed,["a"]"#)), Malformed::NotConnected);
}

#[test]
fn an_event_is_heard_with_its_attachments() {
    let mut client = client(Version::V4, None);
    client.text("0").unwrap();
    client.heard();
    let event = r#"["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
    client.text(&format!("52-9{event}")).unwrap();
    assert!(client.connection.in_frame());
    client.bytes(&[1, 2]).unwrap();
    assert_eq!(client.heard(), [""; 0], "one is to come");
    client.bytes(&[]).unwrap();
    assert!(!client.connection.in_frame());
    assert_eq!(
        client.heard(),
        [format!("event / a Some(9) {event} [[1, 2], []]")]
    );
    client.text(r#"61-4[{"_placeholder":true,"num":0}]"#).unwrap();
    client.bytes(&[3]).unwrap();
    assert_eq!(client.heard(), [r#"ack / 4 [{"_placeholder":true,"num":0}] 1"#]);
}

#[test]
fn what_is_awaited_is_bounded() {
    let mut client = client(Version::V4, None);
    client.limits.attachments_max = 2;
    client.limits.frame_bytes_max = 100;
    client.text("0").unwrap();
    let places = |most: usize| {
        let places: Vec<_> = (0..most)
            .map(|at| format!(r#"{{"_placeholder":true,"num":{at}}}"#))
            .collect();
        format!(r#"5{most}-["a",{}]"#, places.join(","))
    };
    client.text(&places(2)).unwrap();
    client.bytes(&[0; 60]).unwrap();
    client.bytes(&[0; 40]).unwrap();
    client.text(&places(2)).unwrap();
    client.bytes(&[0; 60]).unwrap();
    let refusal = client.bytes(&[0; 41]).unwrap_err().refusal;
    assert_eq!(refusal.code, Code::MessageTooLarge);
    assert_eq!(
        what(client.text(&places(3))),
        Malformed::Packet,
        "it awaits another"
    );
}

#[test]
fn more_attachments_than_the_limit_are_refused_before_they_come() {
    let mut client = client(Version::V4, None);
    client.limits.attachments_max = 2;
    client.text("0").unwrap();
    assert_eq!(what(client.text(r#"53-["a"]"#)), Malformed::TooManyAttachments(2));
}

#[test]
fn what_is_no_packet_ends_the_connection() {
    for wrong in [
        "",
        "abc",
        "7",
        "0abc",
        "0[]",
        "2",
        "2{}",
        "2[]",
        "2[1]",
        r#"2["connect"]"#,
        r#"2abc["a"]"#,
        "3[]",
        r#"4{"message":"no"}"#,
        r#"51-["a",{"_placeholder":true,"num":1}]"#,
        r#"5-["a"]"#,
    ] {
        let mut client = client(Version::V4, None);
        client.text("0/custom").unwrap();
        client.text("0/asks").unwrap();
        assert_eq!(what(client.text(wrong)), Malformed::Packet, "{wrong}");
    }
    let mut client = client(Version::V4, None);
    client.text("0").unwrap();
    assert_eq!(what(client.bytes(&[1])), Malformed::Packet, "nothing awaits it");
}
