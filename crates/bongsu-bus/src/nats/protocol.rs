//! The client's side of NATS's protocol, as bytes: what a server says is read, what it is told is written.
//!
//! Without sockets. Invariant: what arrives is looked at as if a stranger had sent it, and never makes this wait for more
//! than [`LINE_MAX`] of a line or [`PAYLOAD_MAX`] of what a line announces.

use std::io::Write as _;

use bytes::{Buf as _, Bytes, BytesMut};
use serde::Deserialize;

/// The longest line that a server says; what it says of itself is the longest, for it lists its whole cluster.
const LINE_MAX: usize = 64 * 1024;
/// The largest payload, headers included, that a server can be told to carry.
const PAYLOAD_MAX: usize = 64 * 1024 * 1024;

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct ServerSelf {
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) max_payload: usize,
    #[serde(default)]
    pub(super) tls_required: bool,
    /// Whether it is about to go.
    #[serde(default, rename = "ldm")]
    pub(super) is_going: bool,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Something for a subscription.
    Message(Message),
    /// Something about itself.
    Itself(Box<ServerSelf>),
    /// It asks whether this side is there.
    Ping,
    /// It is there.
    Pong,
    /// All is well with what it was told.
    Fine,
    /// Something is wrong.
    Error(String),
}

/// Something for a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Which.
    pub(super) subscription: u64,
    /// Where it was said.
    pub(super) subject: String,
    /// Where an answer is waited for.
    pub(super) reply: Option<String>,
    /// Whether it is the server itself, which says that nobody wants to hear.
    pub(super) is_nobody: bool,
    pub(super) payload: Bytes,
}

/// What arrived is not what a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotNats {
    #[error("the server says a line that is too long")]
    LongLine,
    #[error("the server says what is no line of NATS")]
    NoLine,
    #[error("the server announces more bytes than may be")]
    LongPayload,
    #[error("what the server says does not end where it should")]
    NoEnd,
}

/// Takes one thing that the server has said off the front of what was read; `None` if it is not all there.
pub(super) fn read(buffer: &mut BytesMut) -> Result<Option<Said>, NotNats> {
    let Some(end) = memchr::memchr(b'\n', &buffer[..buffer.len().min(LINE_MAX)]) else {
        return if buffer.len() >= LINE_MAX {
            Err(NotNats::LongLine)
        } else {
            Ok(None)
        };
    };
    let line = std::str::from_utf8(&buffer[..end]).map_err(|_| NotNats::NoLine)?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim_matches([' ', '\t']);
    let said = match verb.to_ascii_uppercase().as_str() {
        "MSG" => return message(buffer, end + 1, false),
        "HMSG" => return message(buffer, end + 1, true),
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "+OK" => Said::Fine,
        "-ERR" => Said::Error(rest.trim_matches('\'').to_owned()),
        "INFO" => Said::Itself(serde_json::from_str(rest).map_err(|_| NotNats::NoLine)?),
        _ => return Err(NotNats::NoLine),
    };
    buffer.advance(end + 1);
    Ok(Some(said))
}

/// `MSG subject sid [reply] size`, or `HMSG subject sid [reply] size-of-headers size`, and what it announces.
fn message(buffer: &mut BytesMut, begin: usize, has_headers: bool) -> Result<Option<Said>, NotNats> {
    let line = std::str::from_utf8(&buffer[..begin]).map_err(|_| NotNats::NoLine)?;
    let mut words = line.split_ascii_whitespace().skip(1);
    let mut word = || words.next().ok_or(NotNats::NoLine);
    let size = |word: &str| word.parse::<usize>().map_err(|_| NotNats::NoLine);
    let (subject, subscription) = (word()?.to_owned(), word()?.parse().map_err(|_| NotNats::NoLine)?);
    let rest: Vec<&str> = words.collect();
    let (reply, sizes) = match (rest.len(), has_headers) {
        (1, false) | (2, true) => (None, &rest[..]),
        (2, false) | (3, true) => (Some(rest[0].to_owned()), &rest[1..]),
        _ => return Err(NotNats::NoLine),
    };
    let (headers, total) = match sizes {
        [total] => (0, size(total)?),
        [headers, total] => (size(headers)?, size(total)?),
        _ => return Err(NotNats::NoLine),
    };
    if total > PAYLOAD_MAX {
        return Err(NotNats::LongPayload);
    }
    if headers > total {
        return Err(NotNats::NoLine);
    }
    let end = begin + total;
    if buffer.len() < end + 2 {
        return Ok(None);
    }
    if &buffer[end..end + 2] != b"\r\n" {
        return Err(NotNats::NoEnd);
    }
    let message = Message {
        subscription,
        subject,
        reply,
        is_nobody: is_nobody(&buffer[begin..begin + headers]),
        // Copied, so that a small word that waits does not keep all that was read with it.
        payload: Bytes::copy_from_slice(&buffer[begin + headers..end]),
    };
    buffer.advance(end + 2);
    Ok(Some(Said::Message(message)))
}

/// Whether headers begin with the status that nobody listens: `NATS/1.0 503`.
fn is_nobody(headers: &[u8]) -> bool {
    let status = headers.strip_prefix(b"NATS/1.0 503");
    status.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit))
}

/// Says something, with where an answer is waited for.
pub(super) fn publish(buffer: &mut BytesMut, subject: &str, reply: Option<&str>, payload: &[u8]) {
    line(
        buffer,
        format_args!(
            "PUB {subject} {}{}{}",
            reply.unwrap_or(""),
            if reply.is_some() { " " } else { "" },
            payload.len()
        ),
    );
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(b"\r\n");
}

/// Begins a subscription.
pub(super) fn subscribe(buffer: &mut BytesMut, subject: &str, subscription: u64) {
    line(buffer, format_args!("SUB {subject} {subscription}"));
}

/// Ends a subscription.
pub(super) fn unsubscribe(buffer: &mut BytesMut, subscription: u64) {
    line(buffer, format_args!("UNSUB {subscription}"));
}

/// A line. None of what is written into it holds a line's end or a space of its own.
pub(super) fn line(buffer: &mut BytesMut, line: std::fmt::Arguments<'_>) {
    use bytes::BufMut as _;
    let mut writer = buffer.writer();
    writer.write_fmt(line).expect("memory takes what is written");
    buffer.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Result<Vec<Said>, NotNats> {
        let mut buffer = BytesMut::from(text);
        let mut said = Vec::new();
        while let Some(one) = read(&mut buffer)? {
            said.push(one);
        }
        Ok(said)
    }

    fn text() -> (&'static [u8], Vec<Said>) {
        let text: &[u8] = b"INFO {\"version\":\"2.10.27\",\"max_payload\":1048576,\"tls_required\":true,\"else\":[1]}\r\n\
            +OK\r\nPING\r\nPONG\r\n-ERR 'Authorization Violation'\r\n\
            MSG a.b 7 5\r\nhe\r\no\r\nMSG a.b 7 c.d 0\r\n\r\n\
            HMSG a.b 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG a 2 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\nmsg\tx 3\t1\r\n!\r\n";
        let message =
            |subscription, subject: &str, reply: Option<&str>, is_nobody, payload: &'static [u8]| {
                Said::Message(Message {
                    subscription,
                    subject: subject.to_owned(),
                    reply: reply.map(str::to_owned),
                    is_nobody,
                    payload: Bytes::from_static(payload),
                })
            };
        let server = ServerSelf {
            version: "2.10.27".to_owned(),
            max_payload: 1_048_576,
            tls_required: true,
            is_going: false,
        };
        let said = vec![
            Said::Itself(Box::new(server)),
            Said::Fine,
            Said::Ping,
            Said::Pong,
            Said::Error("Authorization Violation".to_owned()),
            message(7, "a.b", None, false, b"he\r\no"),
            message(7, "a.b", Some("c.d"), false, b""),
            message(1, "a.b", None, true, b""),
            message(2, "a", Some("r"), false, b"hi"),
            message(3, "x", None, false, b"!"),
        ];
        (text, said)
    }

    #[test]
    fn what_a_server_says_is_read_however_it_is_cut() {
        let (text, said) = text();
        assert_eq!(all(text), Ok(said.clone()));
        let (mut buffer, mut read_so_far) = (BytesMut::new(), Vec::new());
        for byte in text {
            buffer.extend_from_slice(&[*byte]);
            if let Some(one) = read(&mut buffer).expect("it is NATS") {
                read_so_far.push(one);
            }
        }
        assert_eq!(read_so_far, said);
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_no_server_says_is_refused() {
        let long = vec![b'x'; LINE_MAX];
        let wrong: [(&[u8], NotNats); 13] = [
            (b"HTTP/1.1 200 OK\r\n", NotNats::NoLine),
            (b"\r\n", NotNats::NoLine),
            (b"INFO {\r\n", NotNats::NoLine),
            (b"\xff\r\n", NotNats::NoLine),
            (b"MSG a 1\r\n", NotNats::NoLine),
            (b"MSG a x 1\r\n", NotNats::NoLine),
            (b"MSG a 1 b c 1\r\n", NotNats::NoLine),
            (b"MSG a 1 -1\r\n", NotNats::NoLine),
            (b"HMSG a 1 5\r\n", NotNats::NoLine),
            (b"HMSG a 1 6 5\r\n", NotNats::NoLine),
            (b"MSG a 1 99999999999\r\n", NotNats::LongPayload),
            (b"MSG a 1 1\r\nxxx", NotNats::NoEnd),
            (&long, NotNats::LongLine),
        ];
        for (text, why) in wrong {
            assert_eq!(all(text), Err(why), "{}", text.escape_ascii());
        }
        assert_eq!(all(&long[1..]), Ok(vec![]), "it may still end");
    }

    #[test]
    fn what_is_said_is_a_line() {
        let mut buffer = BytesMut::new();
        publish(&mut buffer, "a.b", None, b"hi");
        publish(&mut buffer, "a", Some("r.1"), b"");
        subscribe(&mut buffer, "a.*", 5);
        unsubscribe(&mut buffer, 5);
        assert_eq!(
            &buffer[..],
            b"PUB a.b 2\r\nhi\r\nPUB a r.1 0\r\n\r\nSUB a.* 5\r\nUNSUB 5\r\n"
        );
    }

    #[test]
    fn only_its_own_status_is_nobody() {
        assert!(is_nobody(b"NATS/1.0 503\r\n\r\n"));
        assert!(is_nobody(b"NATS/1.0 503 No Responders\r\n\r\n"));
        assert!(!is_nobody(b"NATS/1.0 5033\r\n\r\n"));
        assert!(!is_nobody(b"NATS/1.0 408\r\n\r\n"));
        assert!(!is_nobody(b"NATS/1.0\r\na: 503\r\n\r\n"));
        assert!(!is_nobody(b""));
    }
}
