//! Socket.IO over Engine.IO 4 as the load generator speaks it: the few packets that it sends and tells apart.
//!
//! Invariant: every request wants an acknowledgement and all have the same ack id, so that one prefix is an answer.

use super::Heard;

/// What every acknowledgement of a request begins with …
const ANSWER: &[u8] = b"437[";
/// … and that of a refused one.
pub(super) const REFUSAL: &[u8] = b"437[{\"code\"";
/// The answer to the server's heartbeat.
pub(super) const PONG: &str = "3";

/// The end of the session.
pub(crate) const CLOSE: &[u8] = b"1";

/// The CONNECT packet of the namespace `/`, which signs in; `style` is how events are to be named.
pub(super) fn sign_in(token: &str, style: &str) -> String {
    format!("40{{\"token\":\"{token}\",\"protocol\":\"{style}\"}}")
}

/// One event with an acknowledgement; `data` is an object.
pub(super) fn request(event: &str, data: &str) -> String {
    format!("427[\"{event}\",{data}]")
}

/// The name of an event, `ack` for an acknowledgement, or nothing.
pub(super) fn name_of(text: &[u8]) -> &[u8] {
    if text.starts_with(REFUSAL) {
        b"error"
    } else if text.starts_with(ANSWER) {
        b"ack"
    } else if text.starts_with(b"42") {
        super::string_after(text, b"[\"")
    } else {
        b""
    }
}

/// Reads what an Engine.IO packet is.
pub(super) fn hear(text: &[u8]) -> Heard {
    match (text, name_of(text)) {
        ([b'0', ..], _) => Heard::Opened,
        // The end of the session, of the namespace, or a namespace that is refused.
        ([b'1', ..] | [b'4', b'1' | b'4', ..], _) | (_, b"error" | b"server_error" | b"system.shutdown") => {
            Heard::Refused
        }
        (_, b"auth.ok" | b"postinit_res") => Heard::Connected,
        (_, b"ack") => Heard::Joined,
        (_, _) => Heard::Other,
    }
}

/// Whether these are the first bytes of a heartbeat.
pub(super) fn is_ping(text: &[u8]) -> bool {
    text.starts_with(b"2")
}

/// The session's id in the packet that opens an Engine.IO session.
pub(crate) fn sid(open: &[u8]) -> Option<&str> {
    let sid = super::string_after(open.strip_prefix(b"0")?, b"\"sid\":\"");
    std::str::from_utf8(sid).ok().filter(|sid| !sid.is_empty())
}
