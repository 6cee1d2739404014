//! What displays are told.

use bongsu_model::display::{Execute, PresetId, Program, Stop, StopSignal, ToDisplay};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Closing, Code, CommandId, ConnectionEpoch, DeviceId, Locale, Refusal, Tag, Timestamp, Want,
};
use bongsu_wire::socketio::chat::{ChatVoice, Manner};

use super::common::{CLOSE, TEXT, frames};

const NOW: Timestamp = Timestamp(1_704_110_400_123);

fn tag(verb: &str, reference: Option<&str>) -> Tag {
    Tag {
        reference: reference.map(Into::into),
        verb: Some(verb.into()),
    }
}

fn packets(bytes: &[u8]) -> Vec<String> {
    let texts = frames(bytes).into_iter().map(|(kind, payload)| match kind {
        TEXT => String::from_utf8(payload).unwrap(),
        CLOSE => "close".to_owned(),
        other => panic!("{other:#x}"),
    });
    texts.collect()
}

fn told(tag: &Tag, said: &ToDisplay, locale: Locale) -> Vec<String> {
    let voice = ChatVoice::new(Manner::FIRST);
    voice
        .display(tag, said, locale, NOW)
        .map_or(vec![], |bytes| packets(&bytes))
}

fn refused(tag: &Tag, refusal: &Refusal) -> Vec<String> {
    packets(&ChatVoice::new(Manner::FIRST).refusal(tag, refusal, Locale::En, NOW))
}

fn name() -> DeviceId {
    DeviceId::parse("Display_01").unwrap()
}

fn registered() -> ToDisplay {
    ToDisplay::Registered {
        client: 123,
        name: name(),
        epoch: ConnectionEpoch(5),
        heartbeat_ms: 30_000,
    }
}

#[test]
fn a_registration_is_answered_in_the_guides_words() {
    let tag = tag("/ register_client", None);
    assert_eq!(
        told(&tag, &registered(), Locale::Ko),
        [
            r#"42["registration_success",{"clientId":123,"clientName":"Display_01","message":"클라이언트 등록이 완료되었습니다.","epoch":5,"heartbeatMs":30000,"serverTime":1704110400123}]"#
        ]
    );
    let taken = ToDisplay::NotRegistered(Refusal::new(Code::NameTaken));
    assert_eq!(
        told(&tag, &taken, Locale::Ko),
        [
            r#"42["registration_failed",{"reason":"이미 존재하는 클라이언트 이름입니다.","message":"클라이언트 등록에 실패했습니다.","code":"NAME_TAKEN"}]"#
        ]
    );
}

#[test]
fn what_is_awaited_is_answered_beside_the_event() {
    let awaited = tag("/switchboard register_client", Some("#7"));
    let said = told(&awaited, &registered(), Locale::En);
    assert_eq!(said[0], r#"43/switchboard,7[{"ok":true}]"#);
    assert!(
        said[1].starts_with(r#"42/switchboard,["registration_success",{"#),
        "{said:?}"
    );
    let said = told(
        &awaited,
        &ToDisplay::NotRegistered(Refusal::retry(Code::Overloaded, 1_500)),
        Locale::En,
    );
    assert!(
        said[0].starts_with(r#"43/switchboard,7[{"error":{"code":"OVERLOADED","message":""#),
        "{said:?}"
    );
    assert!(
        said[1].ends_with(r#""code":"OVERLOADED","retryAfterMs":1500}]"#),
        "{said:?}"
    );
    let beat = tag("/ heartbeat", Some("#8"));
    let said = told(&beat, &ToDisplay::Beat { next_ms: 30_000 }, Locale::En);
    assert_eq!(said[0], r#"438[{"ok":true}]"#);
    let result = tag("/ execution_result", Some("#9"));
    assert_eq!(
        told(&result, &ToDisplay::Taken, Locale::En),
        [r#"439[{"ok":true}]"#]
    );
    let refusal = ToDisplay::Refused(Refusal::field("presetId", Want::Integer));
    let said = told(&result, &refusal, Locale::En);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with(r#"439[{"error":{"code":"INVALID_PARAM","message":"`presetId`"#),
        "{said:?}"
    );
    let result = tag("/ execution_result", None);
    assert!(told(&result, &ToDisplay::Taken, Locale::En).is_empty());
    let said = told(&result, &refusal, Locale::En);
    assert!(
        said[0].starts_with(r#"42["server_error",{"code":"INVALID_PARAM","#),
        "{said:?}"
    );
}

#[test]
fn a_heartbeat_is_answered() {
    let tag = tag("/ heartbeat", None);
    assert_eq!(
        told(&tag, &ToDisplay::Beat { next_ms: 30_000 }, Locale::Ko),
        [
            r#"42["heartbeat_response",{"status":"ok","timestamp":"2024-01-01T12:00:00.123Z","message":"하트비트 수신 완료","nextHeartbeatIn":30000}]"#
        ]
    );
    let said = told(
        &tag,
        &ToDisplay::NotBeat(Refusal::new(Code::NotAuthenticated)),
        Locale::Ko,
    );
    assert!(
        said[0].starts_with(r#"42["heartbeat_response",{"status":"error","timestamp":"2024-01-01T12:00:00.123Z","message":"하트비트 처리 중 오류 발생"#),
        "{said:?}"
    );
    assert!(
        said[0].ends_with(r#""shouldReconnect":true,"code":"NOT_AUTHENTICATED"}]"#),
        "{said:?}"
    );
}

#[test]
fn what_cannot_be_taken_at_all_is_answered_by_what_its_client_waits_for() {
    let wrong = Refusal::field("name", Want::Present);
    let said = refused(&tag("/ register_client", None), &wrong);
    assert!(
        said[0].starts_with(r#"42["registration_failed",{"reason":"The name must be 1 to 128 of"#),
        "{said:?}"
    );
    let said = refused(&tag("/ heartbeat", None), &wrong);
    assert!(
        said[0].contains(r#""status":"error""#) && said[0].contains(r#""shouldReconnect":false"#),
        "{said:?}"
    );
    let said = refused(&tag("/ heartbeat", None), &Refusal::new(Code::NotAuthenticated));
    assert!(said[0].contains(r#""shouldReconnect":true"#), "{said:?}");
    let said = refused(
        &tag("/switchboard message", Some("#3")),
        &Refusal::new(Code::InvalidAction),
    );
    assert!(
        said[0].starts_with(r#"43/switchboard,3[{"error":{"code":"INVALID_ACTION","#),
        "{said:?}"
    );
    let said = refused(&tag("/ process_status", None), &wrong);
    assert!(said[0].starts_with(r#"42["server_error",{"#), "{said:?}");
}

#[test]
fn what_is_said_unasked_answers_no_number() {
    let tag = tag("/switchboard register_client", Some("#7"));
    let run = Execute {
        command: CommandId(0xab),
        name: name(),
        preset: Some(PresetId(456)),
        program: Program::new(r"D:\UnrealEngine\MyProject.exe -fullscreen"),
        issued_at: Timestamp(1_704_110_400_007),
        ttl_ms: 10_000,
        start_at: None,
    };
    assert_eq!(
        told(&tag, &ToDisplay::Execute(Box::new(run.clone())), Locale::En),
        [
            r#"42/switchboard,["execute_command",{"clientName":"Display_01","command":"D:\\UnrealEngine\\MyProject.exe -fullscreen","presetId":456,"commandId":"000000000000000000000000000000ab","ttlMs":10000,"issuedAt":1704110400007,"shell":false}]"#
        ]
    );
    let full = Execute {
        preset: None,
        program: Program {
            line: "x".into(),
            shell: true,
            cwd: Some("/srv".into()),
            env: [("A\"".into(), "1\n".into()), ("B".into(), "".into())].into(),
            stop_signal: Some(StopSignal::Int),
            grace_ms: Some(5),
        },
        start_at: Some(Timestamp(1_704_110_401_000)),
        ..run
    };
    assert_eq!(
        told(&tag, &ToDisplay::Prepare(Box::new(full)), Locale::En),
        [
            r#"42/switchboard,["prepare_command",{"clientName":"Display_01","command":"x","presetId":null,"commandId":"000000000000000000000000000000ab","ttlMs":10000,"issuedAt":1704110400007,"shell":true,"cwd":"/srv","env":{"A\"":"1\n","B":""},"stopSignal":"INT","graceMs":5,"when":1704110401000}]"#
        ]
    );
    let stop = ToDisplay::Stop(Stop {
        command: CommandId(0xac),
        name: name(),
        preset: Some(PresetId(456)),
        run: Some(CommandId(0xab)),
        grace_ms: Some(2_000),
    });
    assert_eq!(
        told(&tag, &stop, Locale::En),
        [
            r#"42/switchboard,["stop_command",{"clientName":"Display_01","presetId":456,"commandId":"000000000000000000000000000000ac","runId":"000000000000000000000000000000ab","graceMs":2000}]"#
        ]
    );
    assert_eq!(
        told(&tag, &ToDisplay::Check, Locale::En),
        [r#"42/switchboard,["connection_check",{"timestamp":1704110400.123}]"#]
    );
    let said = told(
        &tag,
        &ToDisplay::Shutdown {
            reconnect_after_ms: 4_321,
        },
        Locale::En,
    );
    assert!(said[0].ends_with(r#""reconnectAfter":4321}]"#), "{said:?}");
}

#[test]
fn who_is_not_to_come_back_is_told_to_stay_away_where_it_is() {
    let closed = |verb: &str, cause| {
        told(
            &tag(verb, Some("#7")),
            &ToDisplay::Closed(Closing::new(cause)),
            Locale::En,
        )
    };
    let said = closed("/switchboard register_client", CloseCause::Replaced);
    assert!(
        said[0].starts_with(r#"42/switchboard,["server_error",{"code":"#),
        "{said:?}"
    );
    assert_eq!(said[1..], ["41/switchboard,".to_owned(), "close".to_owned()]);
    let said = closed("/ register_client", CloseCause::Replaced);
    assert_eq!(said[1..], ["41".to_owned(), "close".to_owned()]);
    let said = closed("/ register_client", CloseCause::Idle);
    assert!(
        said.len() == 1 && said[0].contains(r#""reconnect":"now""#),
        "{said:?}"
    );
}
