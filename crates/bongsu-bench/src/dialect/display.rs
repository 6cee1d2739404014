//! What simulated displays say and hear: who they are, and programs that begin and end in one breath.
//!
//! Invariant: what is said and heard is made and read by the product's own codec for displays.

use bongsu_model::Timestamp;
use bongsu_model::device::{Number, Object, Value};
use bongsu_model::display::{COMMAND_IDS, Doing, Execution, FromDisplay, Processes, Registration};
use bongsu_wire::socketio::client::{PONG, connect};
use bongsu_wire::socketio::switchboard::NAMESPACE;
use bongsu_wire::socketio::switchboard::client::{self, Order, Said, Saying};
use bongsu_wire::websocket::{Opcode, client_frame};

use super::frames::MASK;
use super::{Heard, device, socketio};
use crate::options::Protocol;

/// What a display knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knows {
    /// The commands' ids: it says of which it speaks, and when its program has ended.
    Ids,
    /// The guide alone: that a program has ended is seen from its reports.
    Guide,
}

impl Protocol {
    /// What a display knows, if it is displays that speak.
    pub(crate) fn display(self) -> Option<Knows> {
        match self {
            Self::Switchboard => Some(Knows::Ids),
            Self::SwitchboardGuide => Some(Knows::Guide),
            Self::Action
            | Self::Type
            | Self::WebSocketAction
            | Self::Socketio
            | Self::SocketioChat
            | Self::SocketioPolling
            | Self::DeviceJson
            | Self::DeviceProto
            | Self::DeviceGrpc => None,
        }
    }

    /// How the display of this number enters its namespace and says who it is.
    pub(crate) fn registers(self, user: i64, token: &str) -> Option<Vec<u8>> {
        let knows = self.display()?;
        let registration = Registration {
            name: device::name(user).into(),
            client: Some("bench".into()),
            version: Some("1".into()),
            capabilities: match knows {
                Knows::Ids => vec![COMMAND_IDS.into()],
                Knows::Guide => Vec::new(),
            },
            token: Some(token.into()),
            ..Registration::default()
        };
        let register = FromDisplay::Register(Box::new(registration));
        Some([framed(&connect(NAMESPACE, None)), said(&register)].concat())
    }

    /// What the display of this number answers to a whole message, if it is displays that speak.
    pub(crate) fn display_answers(self, user: i64, message: &[u8]) -> Option<Vec<u8>> {
        let knows = self.display()?;
        if socketio::is_ping(message) {
            return Some(framed(PONG));
        }
        let name = device::name(user);
        match read(message)? {
            Said::Check { timestamp } => Some(framed(&client::alive(SAYING, &name, timestamp.as_deref()))),
            Said::Execute(order) => Some(runs(knows, &order)),
            Said::Connected
            | Said::NotConnected { .. }
            | Said::Disconnected
            | Said::Registered(_)
            | Said::NotRegistered { .. }
            | Said::Beat { .. }
            | Said::NotBeat { .. }
            | Said::Prepare(_)
            | Said::Stop(_)
            | Said::Shutdown { .. }
            | Said::Ack { .. }
            | Said::Error(_)
            | Said::Other => None,
        }
    }
}

/// In which words a display says something. It has no clock: nothing goes by it.
const SAYING: Saying<'_> = Saying {
    namespace: NAMESPACE,
    ack: None,
    now: Timestamp(1_767_268_800_000),
};

/// The name of an event, or nothing.
pub(super) fn name_of(text: &[u8]) -> &[u8] {
    if text.starts_with(b"42/switchboard,") {
        super::string_after(text, b"[\"")
    } else {
        b""
    }
}

/// What a message means to who wants to be let in, or is.
pub(super) fn hear(message: &[u8]) -> Heard {
    if message.starts_with(b"0") {
        return Heard::Opened;
    }
    match read(message) {
        Some(Said::Registered(_)) => Heard::Connected,
        Some(
            Said::NotConnected { .. }
            | Said::Disconnected
            | Said::NotRegistered { .. }
            | Said::NotBeat { .. }
            | Said::Shutdown { .. }
            | Said::Error(_),
        )
        | None => Heard::Refused,
        Some(_) if message == socketio::CLOSE => Heard::Refused,
        Some(
            Said::Connected
            | Said::Beat { .. }
            | Said::Check { .. }
            | Said::Execute(_)
            | Said::Prepare(_)
            | Said::Stop(_)
            | Said::Ack { .. }
            | Said::Other,
        ) => Heard::Other,
    }
}

/// What is said, if it is understood.
fn read(message: &[u8]) -> Option<Said> {
    client::hear(std::str::from_utf8(message).ok()?, NAMESPACE).ok()
}

/// A program that starts, runs, and has ended.
fn runs(knows: Knows, order: &Order) -> Vec<u8> {
    let execution = |status, details: Object| {
        said(&FromDisplay::Execution(Box::new(Execution {
            name: order.name.clone(),
            status,
            preset: order.preset,
            command: order.command.filter(|_| knows == Knows::Ids),
            details,
        })))
    };
    let number = |name: &str, value| Object::from([(name.into(), Value::Number(Number::Int(value)))]);
    let mut frames = [
        execution(Doing::Starting, Object::new()),
        execution(Doing::Running, number("pid", 4711)),
    ]
    .concat();
    match knows {
        Knows::Ids => frames.extend(execution(Doing::Completed, number("exit_code", 0))),
        Knows::Guide => {
            let none = said(&FromDisplay::Processes(Processes {
                name: order.name.clone(),
                status: Some("active".into()),
                running: Vec::new(),
            }));
            // What two reports in a row do not list any more has ended.
            frames.extend(none.repeat(2));
        }
    }
    frames
}

fn said(what: &FromDisplay) -> Vec<u8> {
    framed(&client::say(SAYING, what))
}

fn framed(packet: &str) -> Vec<u8> {
    client_frame(Opcode::Text, packet.as_bytes(), MASK)
}

#[cfg(test)]
mod tests {
    use super::super::frames::unmasked;
    use super::*;

    const ORDER: &[u8] = b"42/switchboard,[\"execute_command\",{\"clientName\":\"7\",\"command\":\"true\",\"presetId\":9,\"commandId\":\"000000000000000000000000000000ab\",\"ttlMs\":10000,\"issuedAt\":1,\"shell\":false}]";

    /// The packets in frames of ours.
    fn packets(mut frames: &[u8]) -> Vec<String> {
        let (mut packets, mut text) = (Vec::new(), Vec::new());
        while let Some(taken) = unmasked(frames, &mut text) {
            packets.push(String::from_utf8(text.clone()).unwrap());
            frames = &frames[taken..];
        }
        assert!(frames.is_empty());
        packets
    }

    #[test]
    fn a_program_starts_runs_and_ends_in_the_words_of_its_display() {
        let ids = packets(&Protocol::Switchboard.display_answers(7, ORDER).unwrap());
        for (packet, status) in ids.iter().zip(["starting", "running", "completed"]) {
            assert!(
                packet.contains(&format!("\"status\":\"{status}\",\"presetId\":9")),
                "{packet}"
            );
            assert!(
                packet.contains("\"commandId\":\"000000000000000000000000000000ab\""),
                "{packet}"
            );
        }
        let guide = packets(&Protocol::SwitchboardGuide.display_answers(7, ORDER).unwrap());
        let names: Vec<_> = guide.iter().map(|packet| name_of(packet.as_bytes())).collect();
        assert_eq!(
            names,
            [
                &b"execution_result"[..],
                b"execution_result",
                b"process_status",
                b"process_status"
            ]
        );
        assert!(guide.iter().all(|packet| !packet.contains("commandId")));
        assert_eq!((ids.len(), guide.len()), (3, 4));
    }

    #[test]
    fn checks_and_heartbeats_of_the_transport_are_answered_and_nothing_else_is() {
        let answers = |text: &str| Protocol::Switchboard.display_answers(7, text.as_bytes());
        let check = "42/switchboard,[\"connection_check\",{\"timestamp\":1.5}]";
        let [alive] = &packets(&answers(check).unwrap())[..] else {
            panic!()
        };
        for part in [
            "connection_check_response",
            "\"clientName\":\"7\"",
            "\"received_at\":1.5",
        ] {
            assert!(alive.contains(part), "{alive}");
        }
        assert_eq!(packets(&answers("2").unwrap()), ["3"]);
        assert_eq!(
            answers("42/switchboard,[\"heartbeat_response\",{\"status\":\"ok\"}]"),
            None
        );
        assert_eq!(Protocol::DeviceJson.display_answers(7, ORDER), None);
    }

    #[test]
    fn who_is_let_in_and_who_is_not_are_told_apart() {
        for (text, heard) in [
            ("0{\"sid\":\"a\"}", Heard::Opened),
            ("40/switchboard,{\"sid\":\"a\"}", Heard::Other),
            (
                "42/switchboard,[\"registration_success\",{\"clientId\":1,\"clientName\":\"7\",\"message\":\"\"}]",
                Heard::Connected,
            ),
            (
                "42/switchboard,[\"registration_failed\",{\"reason\":\"no\",\"message\":\"no\"}]",
                Heard::Refused,
            ),
            ("44/switchboard,{\"message\":\"no\"}", Heard::Refused),
            ("41/switchboard,", Heard::Refused),
            (
                "42/switchboard,[\"server_shutdown\",{\"message\":\"\",\"reconnectAfter\":5}]",
                Heard::Refused,
            ),
            ("1", Heard::Refused),
            ("2", Heard::Other),
        ] {
            assert_eq!(hear(text.as_bytes()), heard, "{text}");
        }
    }
}
