//! The lines that a floor writes: the right action, the right content, filled up to the length asked for.
//!
//! Invariant: a line has exactly the length asked for, unless what it must hold is longer.

use crate::dialect::{action, number_after, string_after};

/// What a line asks of a floor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// CONNECT.
    Connect,
    /// JOIN_ROOM, of this room.
    Join(i64),
    /// SEND_MESSAGE, to this room.
    Send(i64),
    /// PING.
    Ping,
    /// Anything else is passed over.
    Nothing,
}

/// Reads one line.
pub(super) fn wish(line: &[u8]) -> Wish {
    let room = |wish: fn(i64) -> Wish| number_after(line, b"\"chatroom_id\":").map_or(Wish::Nothing, wish);
    match action(line) {
        b"CONNECT" => Wish::Connect,
        b"JOIN_ROOM" => room(Wish::Join),
        b"SEND_MESSAGE" => room(Wish::Send),
        b"PING" => Wish::Ping,
        _ => Wish::Nothing,
    }
}

/// The answer to CONNECT.
pub(super) const CONNECTED: &[u8] = b"{\"action\":\"CONNECT_SUCCESS\",\"data\":{\"user_id\":1000000,\"session_id\":\"session_00000000000000000000000000000000\",\"server_time\":\"2026-01-01T12:00:00.000Z\",\"rooms\":[],\"ping_interval_ms\":30000},\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"seq_id\":\"auth_001\"}\n";

/// The answer to JOIN_ROOM.
pub(super) const JOINED: &[u8] = b"{\"action\":\"JOIN_ROOM_SUCCESS\",\"data\":{\"chatroom_id\":1000000,\"participants_count\":1,\"online_participants\":[],\"seq\":0,\"epoch\":\"0000000000000000\"},\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"seq_id\":\"join_001\"}\n";

/// The answer to PING, of `bytes` bytes.
pub(super) fn pong(bytes: usize) -> Vec<u8> {
    filled(b"{\"action\":\"PONG\",\"data\":{", b"", bytes)
}

/// The event that a SEND_MESSAGE line becomes, of `bytes` bytes.
pub(super) fn new_message(line: &[u8], bytes: usize) -> Vec<u8> {
    filled(
        b"{\"action\":\"NEW_MESSAGE\",\"data\":{\"content\":\"",
        string_after(line, b"\"content\":\""),
        bytes,
    )
}

fn filled(head: &[u8], content: &[u8], bytes: usize) -> Vec<u8> {
    let quote: &[u8] = if content.is_empty() { b"" } else { b"\"" };
    let (open, close): (&[u8], &[u8]) = (b"},\"fill\":\"", b"\"}\n");
    let least = head.len() + content.len() + quote.len() + open.len() + close.len();
    let mut line = Vec::with_capacity(least.max(bytes));
    line.extend_from_slice(head);
    line.extend_from_slice(content);
    line.extend_from_slice(quote);
    line.extend_from_slice(open);
    line.resize(line.len() + bytes.saturating_sub(least), b'x');
    line.extend_from_slice(close);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{PING, Post, connect, join};

    #[test]
    fn wishes_of_the_load_generator_are_understood() {
        assert_eq!(wish(&connect("t")), Wish::Connect);
        assert_eq!(wish(&join(3, 77)), Wish::Join(77));
        assert_eq!(wish(Post::new(3, 78, 300).stamped(1)), Wish::Send(78));
        assert_eq!(wish(PING), Wish::Ping);
        assert_eq!(wish(b"{\"action\":\"JOIN_ROOM\"}\n"), Wish::Nothing);
        assert_eq!(wish(b"\n"), Wish::Nothing);
    }

    #[test]
    fn lines_have_the_length_asked_for() {
        let mut post = Post::new(3, 78, 300);
        let sent: serde_json::Value = serde_json::from_slice(post.stamped(5)).unwrap();
        for bytes in [400, 512, 4_096] {
            let line = new_message(post.stamped(5), bytes);
            assert_eq!(line.len(), bytes);
            let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(value["data"]["content"], sent["data"]["content"]);
            assert_eq!(pong(bytes).len(), bytes);
        }
        for line in [
            pong(0),
            new_message(post.stamped(5), 0),
            CONNECTED.to_vec(),
            JOINED.to_vec(),
        ] {
            serde_json::from_slice::<serde_json::Value>(&line).unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
    }
}
