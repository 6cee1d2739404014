//! What a device is told, as it stands on the wire.

use bongsu_model::device::{CommandFrame, ConnectionEpoch, ToDevice};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Code, Limits, Locale, Refusal};
use bongsu_wire::device::Format;
use bongsu_wire::device::client::What;
use bongsu_wire::websocket::Opcode;

use crate::properties::messages;
use crate::samples::command;

const EPOCH: ConnectionEpoch = ConnectionEpoch(7);

fn json(said: &ToDevice, epoch: ConnectionEpoch) -> String {
    let (messages, _) = messages(&Format::Json.frames(said, epoch, Locale::En));
    let [(Opcode::Text, text)] = &messages[..] else {
        panic!("{messages:?}");
    };
    String::from_utf8(text.clone()).unwrap()
}

#[test]
fn a_command_is_the_references_frame() {
    let args = bongsu_wire::device::value::read_object(r#"{"position":"open"}"#, 32).unwrap();
    let frame = |attempt| {
        ToDevice::Command(CommandFrame {
            command: command(0x7b, "open_window", args.clone(), 1_000, 5_000).into(),
            attempt,
        })
    };
    let id = format!("{:032x}", 0x7b);
    assert_eq!(
        json(&frame(0), EPOCH),
        format!(
            r#"{{"msg_id":"{id}","cmd":"open_window","args":{{"position":"open"}},"ttl_ms":5000,"issued_at":1000,"epoch":7}}"#
        )
    );
    assert!(json(&frame(2), EPOCH).contains(r#""attempt":2"#));
    for format in Format::ALL {
        let (messages, _) = messages(&format.frames(&frame(1), EPOCH, Locale::En));
        let told = format.told(&messages[0].1, &Limits::DEFAULT).unwrap().unwrap();
        let What::Command(order) = told.what else {
            panic!("{told:?}")
        };
        assert_eq!(
            (order.deadline().0, order.attempt, &*order.name),
            (6_000, 1, "open_window")
        );
    }
}

#[test]
fn an_end_is_a_last_message_and_a_close_frame() {
    for (cause, code, reason) in [
        (CloseCause::Replaced, 4409, Some("replaced")),
        (CloseCause::Idle, 4408, Some("idle")),
        (CloseCause::CertificateRevoked, 4401, Some("certificate_revoked")),
        (
            CloseCause::Refused(Refusal::because(Code::InvalidToken, "expired")),
            4401,
            Some("expired"),
        ),
        (
            CloseCause::Refused(Refusal::retry(Code::Overloaded, 250)),
            4503,
            None,
        ),
    ] {
        let closing = Closing::new(cause);
        for format in Format::ALL {
            let frames = format.frames(
                &ToDevice::Closing(closing.clone()),
                ConnectionEpoch(0),
                Locale::Ko,
            );
            let (messages, closed) = messages(&frames);
            assert_eq!((messages.len(), closed), (1, Some(code)), "{closing:?}");
            let told = format.told(&messages[0].1, &Limits::DEFAULT).unwrap().unwrap();
            let What::Closing(parting) = told.what else {
                panic!("{told:?}")
            };
            assert_eq!((parting.close_code, parting.reconnect), (code, closing.reconnect));
            assert_eq!(parting.problem.reason.as_deref(), reason);
            assert_eq!(parting.problem.retry_after_ms, (code == 4503).then_some(250));
        }
    }
}

#[test]
fn a_device_overhears_what_it_is_too_old_for() {
    let limits = &Limits::DEFAULT;
    assert_eq!(
        Format::Json.told(br#"{"type":"firmware.offer","epoch":7}"#, limits),
        Ok(None)
    );
    assert_eq!(Format::Proto.told(b"\xa2\x06\x00", limits), Ok(None));
    assert!(
        Format::Json
            .told(br#"{"type":"state.delta","epoch":7}"#, limits)
            .is_err()
    );
    assert!(Format::Proto.told(b"\xff", limits).is_err());
}

#[test]
fn before_there_is_a_session_no_epoch_is_said() {
    let said = ToDevice::Refused(Refusal::new(Code::NotAuthenticated));
    assert!(!json(&said, ConnectionEpoch(0)).contains("epoch"));
    assert!(json(&said, EPOCH).ends_with(r#","epoch":7}"#));
}
