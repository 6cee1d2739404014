//! What a server of Engine.IO goes by in one session, as its first packet says.
//!
//! Invariant: what stands in it is bounded, and its id is fit for a URL.

use std::time::Duration;

use bongsu_wire::socketio::client::Value;

/// An id may have so many bytes.
const SID_BYTES_MAX: usize = 256;
/// A server that pings less often than this is not waited for any longer.
const PING_MS_MAX: u64 = 600_000;
/// What a server takes that does not say: the usual.
const PAYLOAD_BYTES: usize = 1_000_000;
/// A server that takes less than this takes nothing of use.
const PAYLOAD_BYTES_MIN: usize = 1_024;

/// What a server goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The session's name, as a URL has it.
    pub(super) sid: String,
    /// Whether polling may be changed for a WebSocket.
    pub(super) upgrades: bool,
    /// Without a ping for so long, the server is gone.
    pub(super) silence: Duration,
    /// The most bytes that may be said at once.
    pub(super) payload_bytes_max: usize,
}

/// The first packet does not say what it must.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the first packet has no {0} of use")]
pub struct NoTerms(&'static str);

impl Terms {
    /// Reads the text of an open packet.
    pub(super) fn parse(text: &str) -> Result<Self, NoTerms> {
        let terms: Value = text.parse().map_err(|_| NoTerms("object"))?;
        let ms = |name: &'static str| {
            let ms = terms.get(name).and_then(Value::as_u64);
            ms.filter(|ms| (1..=PING_MS_MAX).contains(ms))
                .ok_or(NoTerms(name))
        };
        let sid = terms.get("sid").and_then(Value::as_str);
        let sid = sid.filter(|sid| (1..=SID_BYTES_MAX).contains(&sid.len()));
        let upgrades = terms.get("upgrades").and_then(Value::as_array);
        let payload = match terms.get("maxPayload").and_then(Value::as_u64) {
            // Some say 0 for no limit.
            None | Some(0) => PAYLOAD_BYTES,
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX).min(PAYLOAD_BYTES),
        };
        Ok(Self {
            sid: escaped(sid.ok_or(NoTerms("sid"))?),
            upgrades: upgrades.is_some_and(|all| all.iter().any(|it| it == "websocket")),
            silence: Duration::from_millis(ms("pingInterval")? + ms("pingTimeout")?),
            payload_bytes_max: Some(payload)
                .filter(|bytes| *bytes >= PAYLOAD_BYTES_MIN)
                .ok_or(NoTerms("maxPayload"))?,
        })
    }
}

/// A text as a URL's query has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read() {
        let text = r#"{"sid":"a_-9+/","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":4096,"x":1}"#;
        let terms = Terms::parse(text).unwrap();
        assert_eq!(terms.sid, "a_-9%2B%2F");
        assert!(terms.upgrades);
        assert_eq!(terms.silence, Duration::from_secs(45));
        assert_eq!(terms.payload_bytes_max, 4_096);
        let least = r#"{"sid":"a","pingInterval":1,"pingTimeout":1}"#;
        let least = Terms::parse(least).unwrap();
        assert!(!least.upgrades);
        assert_eq!(least.payload_bytes_max, PAYLOAD_BYTES);
    }

    #[test]
    fn what_is_missing_or_of_no_use_is_named() {
        let long = "a".repeat(SID_BYTES_MAX + 1);
        for (text, name) in [
            ("".to_owned(), "object"),
            ("[]".to_owned(), "sid"),
            (
                format!(r#"{{"sid":"{long}","pingInterval":1,"pingTimeout":1}}"#),
                "sid",
            ),
            (r#"{"sid":"a","pingTimeout":1}"#.to_owned(), "pingInterval"),
            (
                r#"{"sid":"a","pingInterval":1,"pingTimeout":600001}"#.to_owned(),
                "pingTimeout",
            ),
            (
                r#"{"sid":"a","pingInterval":1,"pingTimeout":1,"maxPayload":1023}"#.to_owned(),
                "maxPayload",
            ),
        ] {
            assert_eq!(Terms::parse(&text), Err(NoTerms(name)), "{text}");
        }
    }
}
