//! Socket.IO over a WebSocket, with the type protocol in its events.
//!
//! Invariant: whatever comes is given on as a message of the type protocol, or as what ends a session; what is neither
//! (binary events, acknowledgements) is never asked for.

use std::time::Duration;

use anyhow::Context;
use bongsu_edge::socketio_client::{self, Heard as Packet};
use serde_json::Value;

use super::websocket::{Came, Farewell, NotOpened, WebSocket};

/// A WebSocket at once, without polling first.
const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
/// A server that speaks it says so sooner.
const GREETING_WITHIN: Duration = Duration::from_secs(10);

/// An open connection of Socket.IO.
pub(crate) struct SocketIo(WebSocket);

/// What comes over it.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The text of a message of the type protocol.
    Message(String),
    /// The namespace refuses us.
    NotConnected(Value),
    /// A request of this reference, or none, is refused.
    Refused(Value),
    /// Nothing follows in this session, and perhaps on this connection.
    Disconnected,
    /// The connection is closed.
    Farewell(Farewell),
    End,
    /// Nothing that matters to anyone.
    Nothing,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotGreeted {
    #[error(transparent)]
    Socket(#[from] NotOpened),
    #[error("what answers there does not speak Socket.IO: is it a Bongsu server with socketio.enabled?")]
    NotSpoken,
}

impl SocketIo {
    /// Connects to the server at `base`.
    ///
    /// # Errors
    /// In words that say what to do.
    pub(crate) async fn open(base: &str) -> Result<Self, NotGreeted> {
        let mut socket = WebSocket::open(base, PATH, None, None).await?;
        let greeting = tokio::time::timeout(GREETING_WITHIN, socket.next()).await;
        match greeting {
            Ok(Ok(Came::Text(text))) if is_opening(&text) => Ok(Self(socket)),
            Ok(_) | Err(_) => Err(NotGreeted::NotSpoken),
        }
    }

    /// Enters the namespace `/` with a token; the rest of `data` is as the type protocol's `auth` has it.
    pub(crate) async fn connect(&mut self, mut data: Value) -> anyhow::Result<()> {
        data["protocol"] = "type".into();
        self.send(&socketio_client::connect("/", Some(&data))).await
    }

    /// Sends a request of the type protocol as an event.
    pub(crate) async fn request(&mut self, kind: &str, data: &Value, reference: &str) -> anyhow::Result<()> {
        let mut data = data.clone();
        data["id"] = reference.into();
        let event = socketio_client::event("/", None, kind, &data.to_string());
        self.send(&event).await
    }

    /// What comes next. May be given up while it waits.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Heard> {
        Ok(match self.0.next().await? {
            Came::Text(text) => {
                let heard = hear(&text).context("what answers there does not speak Socket.IO")?;
                if text == "2" {
                    self.0.say(socketio_client::PONG);
                }
                heard
            }
            Came::Farewell(farewell) => Heard::Farewell(farewell),
            Came::End => Heard::End,
        })
    }

    /// Leaves the namespace, and closes.
    pub(crate) async fn close(mut self) {
        self.0.say(&socketio_client::disconnect("/"));
        self.0.close().await;
    }

    async fn send(&mut self, packet: &str) -> anyhow::Result<()> {
        self.0.say(packet);
        Ok(self.0.flush().await?)
    }
}

/// Whether a server opens with its terms, as Engine.IO has it.
fn is_opening(text: &str) -> bool {
    let Ok(Packet::Open(terms)) = Packet::parse(text) else {
        return false;
    };
    serde_json::from_str::<Value>(terms)
        .is_ok_and(|terms| terms["sid"].is_string() && terms["pingInterval"].is_u64())
}

/// Reads one packet.
fn hear(text: &str) -> anyhow::Result<Heard> {
    Ok(match Packet::parse(text)? {
        Packet::Event {
            namespace: "/",
            name,
            data,
            offset: _,
        } => event(name, data)?,
        Packet::NotConnected { namespace: "/", why } => {
            let refused: Value = serde_json::from_str(why)?;
            let data = &refused["data"];
            // Whoever refuses without a code has at least words.
            Heard::NotConnected(if data.is_object() { data.clone() } else { refused })
        }
        Packet::Disconnected { namespace: "/" } | Packet::Closed => Heard::Disconnected,
        // What belongs to another namespace is not for us: none was entered. Answers by number were never asked for.
        Packet::Event { .. }
        | Packet::NotConnected { .. }
        | Packet::Disconnected { .. }
        | Packet::Connected { .. }
        | Packet::Ack { .. }
        | Packet::Open(_)
        | Packet::Ping
        | Packet::Nothing => Heard::Nothing,
    })
}

/// An event, as the message of the type protocol that it stands for.
fn event(name: String, data: &str) -> anyhow::Result<Heard> {
    let object: Value = serde_json::from_str(data)?;
    if name == "server_error" {
        return Ok(Heard::Refused(object));
    }
    let name = Value::from(name);
    let reference = match object.get("ref_id") {
        Some(reference) => format!(r#","ref_id":{reference}"#),
        None => String::new(),
    };
    Ok(Heard::Message(format!(
        r#"{{"type":{name},"data":{data}{reference}}}"#
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(packet: &str) -> Value {
        let Heard::Message(text) = hear(packet).unwrap() else {
            panic!("{packet} is a message")
        };
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn events_are_messages_of_the_type_protocol() {
        assert_eq!(
            message(r#"42["chat.message",{"room":"general","text":"안녕","seq":1}]"#),
            json!({ "type": "chat.message", "data": { "room": "general", "text": "안녕", "seq": 1 } })
        );
        assert_eq!(
            message(r#"42["room.joined",{"room":"general","ref_id":"join"}]"#),
            json!({ "type": "room.joined", "ref_id": "join", "data": { "room": "general", "ref_id": "join" } })
        );
        // With an offset behind it, and one that wants to be acknowledged.
        assert_eq!(message(r#"42["a",{"b":1},"1-2"]"#)["data"]["b"], 1);
        assert_eq!(message(r#"4217["a",{"b":1}]"#)["type"], "a");
        assert_eq!(message(r#"42["a\"b"]"#)["type"], "a\"b");
    }

    #[test]
    fn refusals_and_ends_are_told_apart() {
        let refused = hear(r#"42["server_error",{"code":"ROOM_NOT_FOUND","ref":"join"}]"#).unwrap();
        assert!(matches!(refused, Heard::Refused(error) if error["ref"] == "join"));
        let refused = hear(r#"44{"message":"no","data":{"code":"INVALID_TOKEN"}}"#).unwrap();
        assert!(matches!(refused, Heard::NotConnected(error) if error["code"] == "INVALID_TOKEN"));
        let refused = hear(r#"44{"message":"no"}"#).unwrap();
        assert!(matches!(refused, Heard::NotConnected(error) if error["message"] == "no"));
        for end in ["1", "41"] {
            assert!(matches!(hear(end).unwrap(), Heard::Disconnected), "{end}");
        }
        for nothing in ["2", "3", "6", r#"40{"sid":"x"}"#, "431[]", r#"42/chat,["a"]"#] {
            assert!(matches!(hear(nothing).unwrap(), Heard::Nothing), "{nothing}");
        }
    }

    #[test]
    fn what_is_no_packet_is_a_mistake() {
        for bad in [
            "", "x", "4", "49", "42", "42{}", "42[]", "42[1]", "44", "안녕", "4안",
        ] {
            assert!(hear(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_opens_with_its_terms() {
        let terms =
            r#"{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}"#;
        assert!(is_opening(&format!("0{terms}")));
        for bad in ["", "0", "0{}", terms, "40", "hello"] {
            assert!(!is_opening(bad), "{bad}");
        }
    }
}
