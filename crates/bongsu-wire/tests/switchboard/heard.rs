//! What displays say: as the guide's clients write it, as lenient readers take it, and what is refused.

use std::sync::Arc;

use bongsu_model::device::Value;
use bongsu_model::display::{
    Beat, Doing, Execution, FromDisplay, PresetId, Process, Processes, Registration,
};
use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, CommandId, Limits, Refusal, Tag, Want, Why};
use bongsu_wire::incoming::Incoming;
use bongsu_wire::socketio::chat::Chat;
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};

use super::common::{rules, text_frame};

struct Client {
    connection: Connection<Chat>,
    limits: Limits,
}

fn client(version: Version, token: Option<&str>) -> (Client, Vec<Incoming>) {
    let mut connection = Connection::new(version, 0xabc, token.map(Arc::from), Chat::new());
    let (limits, mut out) = (Limits::DEFAULT, vec![]);
    connection.opened(&rules(&limits), &mut out);
    (Client { connection, limits }, out)
}

/// One that is connected to `/`.
fn guest() -> Client {
    let (mut client, _) = client(Version::V4, None);
    echoed(client.says("0"));
    client
}

impl Client {
    fn says(&mut self, packet: &str) -> Vec<Incoming> {
        let mut out = vec![];
        self.connection
            .hear(Heard::Text(packet), &rules(&self.limits), &mut out)
            .unwrap();
        out
    }

    fn display(&mut self, packet: &str) -> (Tag, FromDisplay) {
        match <[Incoming; 1]>::try_from(self.says(packet)) {
            Ok([Incoming::Display { tag, said }]) => (tag, said),
            other => panic!("{packet}: {other:?}"),
        }
    }

    fn refused(&mut self, packet: &str) -> (Tag, Refusal) {
        match <[Incoming; 1]>::try_from(self.says(packet)) {
            Ok([Incoming::Refused { tag, refusal }]) => (tag, refusal),
            other => panic!("{packet}: {other:?}"),
        }
    }

    fn registers(&mut self, packet: &str) -> Registration {
        let FromDisplay::Register(registration) = self.display(packet).1 else {
            panic!("{packet} registers")
        };
        *registration
    }

    fn signs_out(&mut self, packet: &str) -> bool {
        match &self.says(packet)[..] {
            [] => false,
            [Incoming::SignOut] => true,
            other => panic!("{packet}: {other:?}"),
        }
    }
}

fn echoed(out: Vec<Incoming>) -> String {
    match <[Incoming; 1]>::try_from(out) {
        Ok([Incoming::Echo(frame)]) => String::from_utf8(text_frame(&frame)).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn said(data: &str, event: &str) -> FromDisplay {
    guest().display(&format!("2[\"{event}\",{data}]")).1
}

fn refusal(data: &str, event: &str) -> Refusal {
    guest().refused(&format!("2[\"{event}\",{data}]")).1
}

#[test]
fn the_guides_own_events_are_understood() {
    let registration = r#"{"name":"Display_01","clientType":"python","ip_address":"192.168.1.101","version":"2.0","capabilities":["unreal_engine","file_transfer"],"timestamp":1704110400.5}"#;
    assert_eq!(
        said(registration, "register_client"),
        FromDisplay::Register(Box::new(Registration {
            name: "Display_01".into(),
            client: Some("python".into()),
            address: Some("192.168.1.101".into()),
            version: Some("2.0".into()),
            capabilities: vec!["unreal_engine".into(), "file_transfer".into()],
            token: None,
            certificate: None,
            running: vec![],
        }))
    );
    let beat = r#"{"clientName":"Display_01","ip_address":"192.168.1.101","timestamp":1704110400.5,"status":"online","uptime":12.25,"process_count":1}"#;
    assert_eq!(
        said(beat, "heartbeat"),
        FromDisplay::Heartbeat(Beat {
            name: "Display_01".into(),
            status: Some("online".into()),
            uptime_ms: Some(12_250),
            processes: Some(1),
        })
    );
    let alive = r#"{"clientName":"Display_01","timestamp":1.5,"status":"alive","received_at":1.25}"#;
    let name = || "Display_01".into();
    assert_eq!(
        said(alive, "connection_check_response"),
        FromDisplay::Alive { name: name() }
    );
    let back = r#"{"clientName":"Display_01","timestamp":1.5}"#;
    assert_eq!(
        said(back, "reconnection_success"),
        FromDisplay::Back { name: name() }
    );
    let running = r#"{"clientName":"Display_01","status":"running","presetId":456,"timestamp":1.5,"details":{"pid":7,"command":"x","start_time":1.5}}"#;
    let FromDisplay::Execution(execution) = said(running, "execution_result") else {
        panic!("{running}")
    };
    assert_eq!(
        (execution.status, execution.preset, execution.command),
        (Doing::Running, Some(PresetId(456)), None)
    );
    assert_eq!(execution.details.get("pid"), Some(&Value::from(7)));
    assert_eq!(execution.details.get("command"), Some(&Value::from("x")));
    let processes = r#"{"clientName":"Display_01","running_process_count":1,"running_processes":[{"preset_id":456,"pid":7,"uptime":1.5}],"status":"running","timestamp":1.5}"#;
    assert_eq!(
        said(processes, "process_status"),
        FromDisplay::Processes(Processes {
            name: name(),
            status: Some("running".into()),
            running: vec![Process {
                preset: Some(PresetId(456)),
                command: None,
                pid: Some(7),
                uptime_ms: Some(1_500),
            }],
        })
    );
}

#[test]
fn extensions_are_taken() {
    let id = format!("{:032x}", 0xab);
    let registration = guest().registers(&format!(
        r#"2["register_client",{{"name":"d","token":"t","running":["{id}"],"capabilities":["command_ids","barrier"],"more":1}}]"#
    ));
    assert_eq!(
        (registration.token.as_deref(), registration.running),
        (Some("t"), vec![CommandId(0xab)])
    );
    let execution = said(
        &format!(r#"{{"clientName":"d","status":"prepared","commandId":"{id}"}}"#),
        "execution_result",
    );
    let expected = Execution {
        name: "d".into(),
        status: Doing::Prepared,
        preset: None,
        command: Some(CommandId(0xab)),
        details: bongsu_model::device::Object::new(),
    };
    assert_eq!(execution, FromDisplay::Execution(Box::new(expected)));
    let processes = said(
        &format!(r#"{{"clientName":"d","running_processes":[{{"commandId":"{id}"}}]}}"#),
        "process_status",
    );
    let FromDisplay::Processes(processes) = processes else {
        panic!()
    };
    assert_eq!(processes.running[0].command, Some(CommandId(0xab)));
}

#[test]
fn values_are_taken_as_clients_write_them() {
    for preset in ["456", "456.0", "\"456\"", "null"] {
        let data = format!(r#"{{"clientName":7,"status":"failed","presetId":{preset},"details":null}}"#);
        let FromDisplay::Execution(execution) = said(&data, "execution_result") else {
            panic!("{data}")
        };
        let expected = (preset != "null").then_some(PresetId(456));
        assert_eq!((execution.preset, &*execution.name), (expected, "7"), "{data}");
    }
    let FromDisplay::Heartbeat(beat) = said(
        r#"{"clientName":"d","status":null,"uptime":"3","process_count":"2.0"}"#,
        "heartbeat",
    ) else {
        panic!()
    };
    assert_eq!(
        (beat.status, beat.uptime_ms, beat.processes),
        (None, Some(3_000), Some(2))
    );
}

/// An event, what is wrong with it, and how it is refused.
type Wrong = (&'static str, String, &'static str, Want);

fn many(entry: &str, n: usize) -> String {
    format!("[{}]", vec![entry; n].join(","))
}

fn wrong_registrations() -> Vec<Wrong> {
    let name_max = Limits::DEFAULT.name_bytes_max;
    let long = |n| "x".repeat(n);
    vec![
        ("register_client", "null".to_owned(), "data", Want::Present),
        ("register_client", "[]".to_owned(), "data", Want::Object),
        ("register_client", "{}".to_owned(), "name", Want::Present),
        (
            "register_client",
            r#"{"name":""}"#.to_owned(),
            "name",
            Want::TextOf(1, 128),
        ),
        (
            "register_client",
            format!(r#"{{"name":"{}"}}"#, long(129)),
            "name",
            Want::TextOf(1, 128),
        ),
        ("register_client", r#"{"name":{}}"#.to_owned(), "name", Want::Text),
        (
            "register_client",
            r#"{"name":"a","name":"b"}"#.to_owned(),
            "name",
            Want::Once,
        ),
        (
            "register_client",
            format!(r#"{{"name":"a","version":"{}"}}"#, long(name_max + 1)),
            "version",
            Want::TextOf(0, name_max),
        ),
        (
            "register_client",
            format!(r#"{{"name":"a","capabilities":{}}}"#, many("\"x\"", 65)),
            "capabilities",
            Want::ArrayOf(64),
        ),
        (
            "register_client",
            format!(r#"{{"name":"a","running":{}}}"#, many("\"x\"", 65)),
            "running",
            Want::ArrayOf(64),
        ),
        (
            "register_client",
            r#"{"name":"a","running":["x"]}"#.to_owned(),
            "running",
            Want::Hex(32),
        ),
        (
            "register_client",
            r#"{"name":"a","token":""}"#.to_owned(),
            "token",
            Want::TextOf(1, 16 * 1024),
        ),
    ]
}

fn wrong_words() -> Vec<Wrong> {
    vec![
        ("heartbeat", "{}".to_owned(), "clientName", Want::Present),
        (
            "heartbeat",
            r#"{"clientName":"a","uptime":"x"}"#.to_owned(),
            "uptime",
            Want::Other,
        ),
        (
            "heartbeat",
            r#"{"clientName":"a","process_count":-1}"#.to_owned(),
            "process_count",
            Want::Between(0, i64::MAX),
        ),
        (
            "connection_check_response",
            "{}".to_owned(),
            "clientName",
            Want::Present,
        ),
        (
            "reconnection_success",
            "{}".to_owned(),
            "clientName",
            Want::Present,
        ),
        (
            "execution_result",
            r#"{"clientName":"a"}"#.to_owned(),
            "status",
            Want::Present,
        ),
        (
            "execution_result",
            r#"{"clientName":"a","status":"odd"}"#.to_owned(),
            "status",
            Want::OneOf(Doing::NAMES),
        ),
        (
            "execution_result",
            r#"{"clientName":"a","status":"running","presetId":"x"}"#.to_owned(),
            "presetId",
            Want::Integer,
        ),
        (
            "execution_result",
            r#"{"clientName":"a","status":"running","details":[]}"#.to_owned(),
            "details",
            Want::Object,
        ),
        (
            "process_status",
            format!(r#"{{"clientName":"a","running_processes":{}}}"#, many("{}", 257)),
            "running_processes",
            Want::ArrayOf(256),
        ),
        (
            "process_status",
            r#"{"clientName":"a","running_processes":[{"pid":-1}]}"#.to_owned(),
            "running_processes.pid",
            Want::Between(0, i64::MAX),
        ),
    ]
}

#[test]
fn what_is_wrong_is_refused_by_the_name_of_its_field() {
    for (event, data, name, want) in [wrong_registrations(), wrong_words()].concat() {
        assert_eq!(
            refusal(&data, event),
            Refusal::field(name, want),
            "{event} {data:.80}"
        );
    }
}

#[test]
fn the_most_of_everything_is_taken() {
    let id = format!("\"{:032x}\"", 1);
    let registration = guest().registers(&format!(
        r#"2["register_client",{{"name":"{}","capabilities":{},"running":{}}}]"#,
        "n".repeat(128),
        many("\"x\"", 64),
        many(&id, 64)
    ));
    assert_eq!(
        (registration.capabilities.len(), registration.running.len()),
        (64, 64)
    );
    let data = format!(r#"{{"clientName":"a","running_processes":{}}}"#, many("{}", 256));
    let FromDisplay::Processes(processes) = said(&data, "process_status") else {
        panic!()
    };
    assert_eq!(processes.running.len(), 256);
}

#[test]
fn the_tag_says_where_it_was_said_and_what_is_awaited() {
    let mut client = guest();
    echoed(client.says("0/switchboard,"));
    let (tag, _) = client.display(r#"2/switchboard,7["reconnection_success",{"clientName":"d"}]"#);
    assert_eq!(
        (tag.verb.as_deref(), tag.reference.as_deref()),
        (Some("/switchboard reconnection_success"), Some("#7"))
    );
    let (tag, _) = client.display(r#"2["reconnection_success",{"clientName":"d","id":"x"}]"#);
    assert_eq!(
        (tag.verb.as_deref(), tag.reference),
        (Some("/ reconnection_success"), None)
    );
}

#[test]
fn in_its_own_namespace_there_are_displays_alone() {
    let mut client = guest();
    echoed(client.says("0/switchboard,"));
    echoed(client.says("0/chat,"));
    for event in ["postinit_req", "message", "room.join", "game.move"] {
        let (_, refusal) = client.refused(&format!(r#"2/switchboard,["{event}",{{"token":"t"}}]"#));
        assert_eq!(refusal, Refusal::new(Code::InvalidAction), "{event}");
    }
    let (_, refusal) = client.refused(r#"2/chat,["register_client",{"name":"d"}]"#);
    assert_eq!(refusal.code, Code::InvalidAction, "and none in that of chats");
}

#[test]
fn attachments_are_refused() {
    let mut client = guest();
    assert!(
        client
            .says(r#"51-["heartbeat",{"clientName":{"_placeholder":true,"num":0}}]"#)
            .is_empty()
    );
    let mut out = vec![];
    let limits = Limits::DEFAULT;
    client
        .connection
        .hear(Heard::Binary((&[1][..]).into()), &rules(&limits), &mut out)
        .unwrap();
    let [Incoming::Refused { refusal, .. }] = &out[..] else {
        panic!("{out:?}")
    };
    assert!(matches!(
        refusal.why,
        Why::Malformed {
            what: Malformed::Attachments,
            ..
        }
    ));
}

#[test]
fn who_leaves_where_it_registered_signs_out() {
    let mut client = guest();
    echoed(client.says("0/switchboard,"));
    assert!(!client.signs_out("1/switchboard,"), "nobody was registered there");
    echoed(client.says("0/switchboard,"));
    client.refused(r#"2/switchboard,["register_client",{}]"#);
    assert!(!client.signs_out("1/switchboard,"), "nor tried to be");
    echoed(client.says("0/switchboard,"));
    client.registers(r#"2/switchboard,["register_client",{"name":"d"}]"#);
    client.registers(r#"2["register_client",{"name":"d"}]"#);
    assert!(client.signs_out("1/switchboard,"));
    assert!(client.signs_out("1"));
    echoed(client.says("0"));
    assert!(!client.signs_out("1"));
}

const REGISTERS: &str = r#"2/switchboard,["register_client",{"name":"d"}]"#;

#[test]
fn a_token_of_the_connect_is_the_registrations_and_signs_nobody_in() {
    for (version, handshake, connect, token) in [
        (Version::V4, None, r#"0/switchboard,{"token":"own"}"#, Some("own")),
        (
            Version::V4,
            Some("first"),
            r#"0/switchboard,{"token":"own"}"#,
            Some("own"),
        ),
        (Version::V4, Some("first"), "0/switchboard,", Some("first")),
        (Version::V4, None, r#"0/switchboard,{"token":null,"x":1}"#, None),
        (Version::V4, None, "0/switchboard,", None),
        (Version::V3, None, "0/switchboard?token=o%77n,", Some("own")),
        (Version::V3, None, "0/switchboard,", None),
    ] {
        let (mut client, _) = client(version, handshake);
        let said = echoed(client.says(connect));
        assert!(said.starts_with("40/switchboard"), "{said}");
        let token_of = |client: &mut Client| client.registers(REGISTERS).token;
        assert_eq!(token_of(&mut client).as_deref(), token, "{connect}");
        assert_eq!(
            token_of(&mut client).as_deref(),
            token,
            "{connect}: so often as it tries"
        );
        let own = client.registers(r#"2/switchboard,["register_client",{"name":"d","token":"said"}]"#);
        assert_eq!(own.token.as_deref(), Some("said"));
        // Nobody else gets it, whoever comes after.
        echoed(client.says("0/chat,"));
        if version == Version::V4 {
            echoed(client.says("0"));
        }
        assert_eq!(
            client.registers(r#"2["register_client",{"name":"d"}]"#).token,
            None
        );
        assert_eq!(token_of(&mut client).as_deref(), token);
        client.says("1/switchboard,");
        echoed(client.says("0/switchboard,"));
        assert_eq!(token_of(&mut client), None, "it is forgotten with the namespace");
    }
}

#[test]
fn a_token_that_is_none_is_refused() {
    for (version, connect) in [
        (Version::V4, r#"0/switchboard,{"token":""}"#),
        (Version::V4, r#"0/switchboard,{"token":7}"#),
        (Version::V3, "0/switchboard?token=,"),
    ] {
        let (mut client, _) = client(version, None);
        let (tag, refusal) = client.refused(connect);
        assert_eq!(tag.verb.as_deref(), Some("/switchboard CONNECT"));
        assert!(
            matches!(refusal.why, Why::Field { name: "token", .. }),
            "{connect}"
        );
    }
}
