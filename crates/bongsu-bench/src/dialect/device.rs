//! What simulated devices say and hear, as JSON or as Protobuf.
//!
//! Invariant: what is said is made by the product's own codec; of what is heard only the first bytes are looked at.

use bongsu_model::device::{CommandId, DeviceId, FromDevice, Hello, Number, Object, Status, Value, Word};
use bongsu_wire::device::Format;
use bongsu_wire::websocket::client_frame;

use super::frames::MASK;
use super::{Carrier, Heard, grpc};
use crate::options::Protocol;

/// The id of the device that the simulated user `user` is.
pub(crate) fn name(user: i64) -> String {
    user.to_string()
}

impl Protocol {
    /// The format that devices speak in, if it is devices that speak.
    pub(crate) fn device(self) -> Option<Format> {
        match self {
            Self::DeviceJson => Some(Format::Json),
            Self::DeviceProto | Self::DeviceGrpc => Some(Format::Proto),
            Self::Action
            | Self::Type
            | Self::WebSocketAction
            | Self::Socketio
            | Self::SocketioChat
            | Self::SocketioPolling
            | Self::Switchboard
            | Self::SwitchboardGuide => None,
        }
    }

    /// What a device says first.
    pub(crate) fn hello(self, user: i64) -> Option<Vec<u8>> {
        let format = self.device()?;
        let device = DeviceId::parse(&name(user)).expect("a number is an id");
        let hello = FromDevice::Hello(Box::new(Hello {
            device,
            kind: Some("vehicle".into()),
            version: None,
            capabilities: Vec::new(),
            reported: None,
            reported_version: None,
            running: Vec::new(),
            clock: None,
            token: None,
        }));
        Some(match self.carrier() {
            Carrier::Stream => grpc::said(&format.say(&hello).1),
            Carrier::Lines | Carrier::Frames | Carrier::Polls => said(format, &hello),
        })
    }
}

/// What a message means during the handshake.
pub(super) fn hear(format: Format, message: &[u8]) -> Heard {
    let begins = |json: &[u8], tag: u8| match format {
        Format::Json => memchr::memmem::find(message, json).is_some(),
        // The field of the packet, length-delimited.
        Format::Proto => message.first() == Some(&(tag << 3 | 2)),
    };
    if begins(b"\"type\":\"welcome\"", 5) {
        Heard::Connected
    } else if begins(b"\"type\":\"closing\"", 11) || begins(b"\"type\":\"error\"", 10) {
        Heard::Refused
    } else {
        Heard::Other
    }
}

/// What a device says that has nothing to say, as JSON.
pub(super) const HEARTBEAT: &str = r#"{"type":"heartbeat"}"#;

/// How a message begins that refuses something; only asked for in JSON, as Protobuf has no names.
pub(super) const REFUSAL: &[u8] = b"{\"type\":\"error\"";

/// What answers the message that begins with `message`, if that is a command, as a frame.
pub(super) fn answer(format: Format, message: &[u8]) -> Option<Vec<u8>> {
    word(format, message).map(|word| said(format, &word))
}

/// The word on a command, if the message that begins with `message` is one: it is done.
pub(crate) fn word(format: Format, message: &[u8]) -> Option<FromDevice> {
    let reply_to = match format {
        Format::Json => {
            let digits = message.strip_prefix(b"{\"msg_id\":\"")?.get(..32)?;
            CommandId::parse(std::str::from_utf8(digits).ok()?)?
        }
        Format::Proto => {
            let (_, command) = varint(message.strip_prefix(&[2 << 3 | 2])?)?;
            let id: [u8; 16] = *command.strip_prefix(&[1 << 3 | 2, 16])?.first_chunk()?;
            CommandId(u128::from_be_bytes(id))
        }
    };
    Some(FromDevice::Word(Word {
        reply_to,
        status: Status::Ok,
        result: Some(Object::new().into()),
        error: None,
        epoch: None,
    }))
}

/// How many bytes the same telemetry has as JSON and as Protobuf: what a car tells, without any framing.
pub(crate) fn telemetry_bytes() -> [usize; 2] {
    let float = |value| Number::float(value).map_or(Value::Null, Value::Number);
    let values = [
        ("speed", 63.4),
        ("battery_level", 81.5),
        ("latitude", 37.566_535),
        ("longitude", 126.977_969),
        ("altitude", 38.2),
        ("heading", 271.5),
        ("odometer", 12_345.6),
        ("temperature", 21.5),
    ];
    let values: Object = values
        .into_iter()
        .map(|(key, value)| (key.into(), float(value)))
        .collect();
    let telemetry = FromDevice::Telemetry(values);
    [Format::Json, Format::Proto].map(|format| format.say(&telemetry).1.len())
}

/// A frame of a device, masked as all that the load generator sends.
fn said(format: Format, frame: &FromDevice) -> Vec<u8> {
    let (opcode, message) = format.say(frame);
    client_frame(opcode, &message, MASK)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bongsu_model::device::{
        Command, CommandFrame, CommandState, ConnectionEpoch, IfOffline, Pace, ToDevice, Welcome,
    };
    use bongsu_model::{Limits, Locale, SessionId, Timestamp};
    use bongsu_wire::device::Heard as Read;

    use super::super::frames::unmasked;
    use super::*;

    fn command(args: Object) -> ToDevice {
        let command = Command {
            id: CommandId(0xab),
            device: DeviceId::parse("7").unwrap(),
            name: "window.set".into(),
            args,
            target: None,
            pace: Pace::Serial,
            if_offline: IfOffline::Fail,
            by: "x".into(),
            from: None,
            at: Timestamp(1),
            deadline: Timestamp(2),
            execution_ms: 1,
            state: CommandState::Routed,
            since: Timestamp(1),
            epoch: ConnectionEpoch(1),
            result: None,
            error: None,
            late: None,
            history: Vec::new(),
        };
        ToDevice::Command(CommandFrame {
            command: Arc::new(command),
            attempt: 0,
        })
    }

    /// The message in a frame of a server.
    fn message(protocol: Protocol, said: &ToDevice) -> Vec<u8> {
        let frame = protocol
            .device()
            .unwrap()
            .frames(said, ConnectionEpoch(1), Locale::En);
        protocol.messages(&frame)[0].text.to_vec()
    }

    #[test]
    fn welcomes_and_commands_are_told_apart_and_commands_are_answered() {
        for protocol in [Protocol::DeviceJson, Protocol::DeviceProto] {
            let format = protocol.device().unwrap();
            let welcome = ToDevice::Welcome(Box::new(Welcome {
                session: SessionId(1),
                epoch: ConnectionEpoch(1),
                heartbeat_ms: 15_000,
                server_time: Timestamp(1),
                clock: None,
                delta: None,
            }));
            let welcome = message(protocol, &welcome);
            assert_eq!(hear(format, &welcome), Heard::Connected);
            assert_eq!(answer(format, &welcome), None);
            let long = Object::from([("x".into(), Value::text(&"y".repeat(300)))]);
            for args in [Object::new(), long] {
                let order = message(protocol, &command(args));
                assert_eq!(hear(format, &order), Heard::Other);
                let frame = answer(format, &order).unwrap();
                let mut text = Vec::new();
                assert_eq!(unmasked(&frame, &mut text), Some(frame.len()));
                let limits = Limits::DEFAULT;
                let read = match format {
                    Format::Json => format.text(std::str::from_utf8(&text).unwrap(), &limits),
                    Format::Proto => format.binary(&text, &limits),
                };
                let Ok(Read::Said(FromDevice::Word(word))) = read else {
                    panic!("{read:?}")
                };
                assert_eq!((word.reply_to, word.status), (CommandId(0xab), Status::Ok));
            }
        }
    }
}
