//! What displays say on Socket.IO and are told: one value and its packet, or its packets.

use std::sync::Arc;

use bongsu_model::display::{Execute, PresetId, Program, Stop, StopSignal, ToDisplay};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Closing, Code, CommandId, ConnectionEpoch, DeviceId, Locale, Refusal, Tag, Timestamp, Want,
};
use bongsu_wire::incoming::Incoming;
use bongsu_wire::socketio::chat::{ChatVoice, Manner};
use bongsu_wire::socketio::client::event;
use bongsu_wire::socketio::switchboard::client::hear;

use super::Sections;
use super::socketio::{heard, packets};
use super::values::NOW;

const RUN: CommandId = CommandId(0x0190_0000_0000_7000_8000_0000_0000_0029);
const STOP: CommandId = CommandId(0x0190_0000_0000_7000_8000_0000_0000_002a);

pub(crate) fn vectors() -> Vec<(String, Sections)> {
    let mut vectors = Vec::new();
    for (name, about, kind, data) in said() {
        let packet = event("/", None, kind, data);
        let Ok([Incoming::Display { said, .. }]) = <[Incoming; 1]>::try_from(heard(&packet)) else {
            panic!("{packet} is one thing that a display says")
        };
        vectors.push((
            format!("switchboard_request_{name}"),
            sections(about, &said, packet),
        ));
    }
    for (name, about, kind, data) in wrong() {
        let packet = event("/", Some(7), kind, data);
        let Ok([Incoming::Refused { refusal, .. }]) = <[Incoming; 1]>::try_from(heard(&packet)) else {
            panic!("{packet} is refused")
        };
        vectors.push((
            format!("switchboard_refused_{name}"),
            sections(about, &refusal, packet),
        ));
    }
    for (name, about, value) in replies().into_iter().chain(notices()) {
        vectors.push((
            format!("switchboard_{name}"),
            told(about, &value, Locale::En, None),
        ));
    }
    for (name, about, value) in [taken(), not_taken()] {
        vectors.push((
            format!("switchboard_{name}"),
            told(about, &value, Locale::En, Some("#7")),
        ));
    }
    for (name, about, value) in with_texts() {
        for (locale, spelled) in [(Locale::En, "en"), (Locale::Ko, "ko")] {
            vectors.push((
                format!("switchboard_{name}_{spelled}"),
                told(about, &value, locale, None),
            ));
        }
    }
    vectors
}

fn sections(about: &str, value: &impl std::fmt::Debug, packet: String) -> Sections {
    vec![
        ("about", about.into()),
        ("value", format!("{value:#?}")),
        ("switchboard", packet),
    ]
}

fn told(about: &str, said: &ToDisplay, locale: Locale, reference: Option<&str>) -> Sections {
    let tag = Tag {
        reference: reference.map(Into::into),
        verb: Some("/ register_client".into()),
    };
    let frames = ChatVoice::new(Manner::FIRST)
        .display(&tag, said, locale, NOW)
        .unwrap();
    let (lines, close) = packets(&frames);
    for packet in lines.lines() {
        assert!(hear(packet, "/").is_ok(), "{packet}");
    }
    let spelled = match locale {
        Locale::En => "en",
        Locale::Ko => "ko",
    };
    let mut sections = vec![
        ("about", about.into()),
        ("context", format!("locale {spelled}\nnow {NOW}")),
        ("value", format!("{said:#?}")),
        ("switchboard", lines),
    ];
    sections.extend(close.map(|close| ("close", close)));
    sections
}

type Said = (&'static str, &'static str, &'static str, &'static str);
type Told = (&'static str, &'static str, ToDisplay);

fn said() -> Vec<Said> {
    [sessions(), programs()].concat()
}

fn sessions() -> Vec<Said> {
    vec![
        (
            "register",
            "A display of the guide says who it is.",
            "register_client",
            r#"{"name":"Display_01","clientType":"python","ip_address":"192.168.1.101","version":"2.0","capabilities":["unreal_engine","file_transfer"],"timestamp":1704110400.1234567}"#,
        ),
        (
            "register_full",
            "A display that knows the extensions comes back, with a program that runs.",
            "register_client",
            r#"{"name":"Display_01","clientType":"bongsu-agent","version":"0.1.0","capabilities":["command_ids","barrier"],"token":"abc","running":["01900000000070008000000000000029"]}"#,
        ),
        (
            "register_least",
            "A name is enough.",
            "register_client",
            r#"{"name":"Display_01"}"#,
        ),
        (
            "heartbeat",
            "A display is there.",
            "heartbeat",
            r#"{"clientName":"Display_01","ip_address":"192.168.1.101","timestamp":1704110400.1234567,"status":"online","uptime":12.25,"process_count":1}"#,
        ),
        (
            "heartbeat_least",
            "A display is there, and says nothing else.",
            "heartbeat",
            r#"{"clientName":"Display_01"}"#,
        ),
        (
            "alive",
            "The answer to a check.",
            "connection_check_response",
            r#"{"clientName":"Display_01","timestamp":1704110400.1234567,"status":"alive","received_at":1704110400.1}"#,
        ),
        (
            "alive_least",
            "The answer to a check, and nothing else.",
            "connection_check_response",
            r#"{"clientName":"Display_01"}"#,
        ),
        (
            "back",
            "A display has come back.",
            "reconnection_success",
            r#"{"clientName":"Display_01","timestamp":1704110400.1234567}"#,
        ),
        (
            "back_least",
            "A display has come back, and does not say when.",
            "reconnection_success",
            r#"{"clientName":"Display_01"}"#,
        ),
    ]
}

fn programs() -> Vec<Said> {
    vec![
        (
            "starting",
            "A program is about to be started.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"starting","presetId":456,"timestamp":1704110400.1234567,"details":{}}"#,
        ),
        (
            "running",
            "A program runs.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"running","presetId":456,"timestamp":1704110400.1234567,"details":{"pid":4711,"command":"D:\\UnrealEngine\\MyProject.exe -fullscreen","start_time":1704110400.1}}"#,
        ),
        (
            "failed",
            "A program could not be started.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"failed","presetId":456,"details":{"error":"지정된 파일을 찾을 수 없습니다"}}"#,
        ),
        (
            "completed",
            "A program of a command has ended as it should.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"completed","presetId":null,"commandId":"01900000000070008000000000000029","details":{"exit_code":0}}"#,
        ),
        (
            "stopped",
            "What a command had stopped is gone.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"stopped","commandId":"0190000000007000800000000000002a","details":{"stopped":1}}"#,
        ),
        (
            "rejected",
            "A command came too late.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"rejected","commandId":"01900000000070008000000000000029","details":{"code":"expired"}}"#,
        ),
        (
            "prepared",
            "A program could be run.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"prepared","commandId":"01900000000070008000000000000029","details":null}"#,
        ),
        (
            "progress_least",
            "A program runs; of which preset or command is not said.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"running"}"#,
        ),
        (
            "processes",
            "Two programs run.",
            "process_status",
            r#"{"clientName":"Display_01","running_process_count":2,"running_processes":[{"preset_id":456,"pid":4711,"uptime":12.25},{"preset_id":null,"commandId":"01900000000070008000000000000029"},{}],"status":"running","timestamp":1704110400.1234567}"#,
        ),
        (
            "processes_none",
            "Nothing runs.",
            "process_status",
            r#"{"clientName":"Display_01"}"#,
        ),
    ]
}

/// What is not understood; the connection goes on.
fn wrong() -> Vec<Said> {
    vec![
        (
            "no_name",
            "A registration without a name.",
            "register_client",
            r#"{"clientType":"python"}"#,
        ),
        (
            "no_client_name",
            "A heartbeat of nobody.",
            "heartbeat",
            r#"{"status":"online"}"#,
        ),
        (
            "status",
            "No such status.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"crashed"}"#,
        ),
        (
            "preset",
            "A preset that is no number.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"running","presetId":"lobby"}"#,
        ),
        (
            "command",
            "A command that is none.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"running","commandId":"29"}"#,
        ),
        (
            "details",
            "Details that are no object.",
            "execution_result",
            r#"{"clientName":"Display_01","status":"failed","details":"file not found"}"#,
        ),
        (
            "pid",
            "A number of a program that is none.",
            "process_status",
            r#"{"clientName":"Display_01","running_processes":[{"pid":-1}]}"#,
        ),
        ("no_object", "A heartbeat that says nothing.", "heartbeat", "null"),
    ]
}

fn display() -> DeviceId {
    DeviceId::parse("Display_01").unwrap()
}

fn execute() -> Execute {
    Execute {
        command: RUN,
        name: display(),
        preset: Some(PresetId(456)),
        program: Program {
            shell: true,
            ..Program::new("D:\\UnrealEngine\\MyProject.exe -fullscreen")
        },
        issued_at: Timestamp(NOW.0 - 7),
        ttl_ms: 10_000,
        start_at: None,
    }
}

fn full() -> Execute {
    Execute {
        preset: None,
        program: Program {
            line: "/opt/show/play --title \"쇼 룸\"".into(),
            shell: false,
            cwd: Some("/opt/show".into()),
            env: [("DISPLAY", ":0"), ("LANG", "ko_KR.UTF-8")]
                .map(|(name, value)| (Arc::from(name), Arc::from(value)))
                .into(),
            stop_signal: Some(StopSignal::Int),
            grace_ms: Some(2_000),
        },
        start_at: Some(NOW.plus_ms(500)),
        ..execute()
    }
}

fn replies() -> Vec<Told> {
    vec![
        (
            "reply_registered",
            "A display is let in.",
            ToDisplay::Registered {
                client: 123,
                name: display(),
                epoch: ConnectionEpoch(7),
                heartbeat_ms: 30_000,
            },
        ),
        (
            "reply_beat",
            "The answer to a heartbeat.",
            ToDisplay::Beat { next_ms: 30_000 },
        ),
    ]
}

fn notices() -> Vec<Told> {
    let stop = Stop {
        command: STOP,
        name: display(),
        preset: Some(PresetId(456)),
        run: None,
        grace_ms: None,
    };
    let one = Stop {
        preset: None,
        run: Some(RUN),
        grace_ms: Some(2_000),
        ..stop.clone()
    };
    vec![
        ("notice_check", "Is it there?", ToDisplay::Check),
        (
            "notice_execute",
            "Run a program of a preset.",
            ToDisplay::Execute(Box::new(execute())),
        ),
        (
            "notice_execute_full",
            "Run a program in half a second, and all that can be said of it.",
            ToDisplay::Execute(Box::new(full())),
        ),
        (
            "notice_prepare",
            "Could it be run?",
            ToDisplay::Prepare(Box::new(execute())),
        ),
        (
            "notice_prepare_full",
            "Could it be run, with all that can be said of it?",
            ToDisplay::Prepare(Box::new(full())),
        ),
        (
            "notice_stop",
            "Stop the programs of a preset.",
            ToDisplay::Stop(stop),
        ),
        ("notice_stop_one", "Stop one program.", ToDisplay::Stop(one)),
    ]
}

fn taken() -> Told {
    (
        "reply_taken",
        "What a display said with an acknowledgement was taken.",
        ToDisplay::Taken,
    )
}

fn not_taken() -> Told {
    (
        "refusal_not_taken",
        "What a display said with an acknowledgement was refused.",
        ToDisplay::Refused(Refusal::retry(Code::RateLimited, 50)),
    )
}

fn with_texts() -> Vec<Told> {
    let closed = |cause| ToDisplay::Closed(Closing::new(cause));
    vec![
        (
            "notice_shutdown",
            "The server stops.",
            ToDisplay::Shutdown {
                reconnect_after_ms: 4_321,
            },
        ),
        (
            "refusal_name_taken",
            "A live client has the name.",
            ToDisplay::NotRegistered(Refusal::new(Code::NameTaken)),
        ),
        (
            "refusal_register_later",
            "Not now.",
            ToDisplay::NotRegistered(Refusal::retry(Code::Overloaded, 1_500)),
        ),
        (
            "refusal_beat",
            "A heartbeat of one who is not registered.",
            ToDisplay::NotBeat(Refusal::new(Code::NotAuthenticated)),
        ),
        (
            "refusal_field",
            "A field was wrong.",
            ToDisplay::Refused(Refusal::field("presetId", Want::Integer)),
        ),
        (
            "refusal_rate",
            "Too much at once.",
            ToDisplay::Refused(Refusal::retry(Code::RateLimited, 50)),
        ),
        (
            "notice_closed_replaced",
            "Another client has taken the name, as this one did not answer.",
            closed(CloseCause::Replaced),
        ),
        (
            "notice_closed_idle",
            "Three heartbeats were missed.",
            closed(CloseCause::Idle),
        ),
        (
            "notice_closed_expired",
            "The token has ended.",
            closed(CloseCause::Refused(Refusal::because(
                Code::InvalidToken,
                "expired",
            ))),
        ),
    ]
}
