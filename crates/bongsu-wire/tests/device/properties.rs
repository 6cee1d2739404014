//! What holds of every frame, in both formats.

use bongsu_model::device::ConnectionEpoch;
use bongsu_model::{Limits, Locale};
use bongsu_wire::device::client::Told;
use bongsu_wire::device::{Format, Heard};
use bongsu_wire::websocket::{Decoder, Heard as Frame, MessageLimits, Opcode, Role};
use proptest::prelude::*;

use crate::samples;

const EPOCH: ConnectionEpoch = ConnectionEpoch(7);

/// What was said in a message of this kind.
fn hear(format: Format, opcode: Opcode, bytes: &[u8]) -> Heard {
    match opcode {
        Opcode::Text => format
            .text(std::str::from_utf8(bytes).unwrap(), &Limits::DEFAULT)
            .unwrap(),
        Opcode::Binary => format.binary(bytes, &Limits::DEFAULT).unwrap(),
        other @ (Opcode::Close | Opcode::Ping | Opcode::Pong) => panic!("{other:?}"),
    }
}

/// The messages that frames of a server are, and whether a close came last.
pub(crate) fn messages(frames: &[u8]) -> (Vec<(Opcode, Vec<u8>)>, Option<u16>) {
    let limits = MessageLimits {
        message_bytes_max: 1 << 24,
        fragments_max: 1,
    };
    let (mut messages, mut closed) = (Vec::new(), None);
    let _ = Decoder::new(Role::Client, false).push(&mut frames.to_vec(), &limits, &mut |heard| match heard {
        Frame::Text(text) => messages.push((Opcode::Text, text.as_bytes().to_vec())),
        Frame::Binary(bytes) => messages.push((Opcode::Binary, bytes.to_vec())),
        Frame::Close(close) => closed = close.map(|it| it.code),
        other @ (Frame::Ping(_) | Frame::Pong(_)) => panic!("{other:?}"),
    });
    (messages, closed)
}

fn told(format: Format, said: &bongsu_model::device::ToDevice) -> Told {
    let (messages, _) = messages(&format.frames(said, EPOCH, Locale::Ko));
    assert_eq!(messages.len(), 1);
    format
        .told(&messages[0].1, &Limits::DEFAULT)
        .unwrap()
        .expect("this device knows it")
}

proptest! {
    #[test]
    fn a_device_is_heard_as_it_spoke(said in samples::said()) {
        for format in Format::ALL {
            let (opcode, bytes) = format.say(&said);
            prop_assert_eq!(hear(format, opcode, &bytes), Heard::Said(said.clone()));
        }
    }

    #[test]
    fn a_device_is_told_the_same_in_both_formats(said in samples::told()) {
        let [json, proto] = Format::ALL.map(|format| told(format, &said));
        prop_assert_eq!(json.epoch, EPOCH);
        prop_assert_eq!(json, proto);
    }

    #[test]
    fn whatever_a_message_holds_it_is_heard_or_refused(text in ".{0,200}", bytes in any::<Vec<u8>>()) {
        for format in Format::ALL {
            let _ = format.text(&text, &Limits::DEFAULT);
            let _ = format.binary(&bytes, &Limits::DEFAULT);
            let _ = format.told(&bytes, &Limits::DEFAULT);
            let _ = format.told(text.as_bytes(), &Limits::DEFAULT);
        }
    }
}
