//! What the load generator says and hears on the action protocol.
//!
//! Requests are built once and reused; of the answers only the action's name is ever looked at.

use crate::tally::{MARK, STAMP_DIGITS, write_stamp};

const TIMESTAMP: &str = "2026-01-01T12:00:00.000Z";

/// The PING of a client.
pub(crate) const PING: &[u8] =
    b"{\"action\":\"PING\",\"data\":{},\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"seq_id\":\"ping_001\"}\n";

/// The CONNECT line for a token.
pub(crate) fn connect(token: &str) -> Vec<u8> {
    format!(
        "{{\"action\":\"CONNECT\",\"data\":{{\"jwt_token\":\"{token}\"}},\"timestamp\":\"{TIMESTAMP}\",\"seq_id\":\"auth_001\"}}\n"
    )
    .into_bytes()
}

/// The JOIN_ROOM line for a room.
pub(crate) fn join(user: i64, room: i64) -> Vec<u8> {
    format!(
        "{{\"action\":\"JOIN_ROOM\",\"data\":{{\"chatroom_id\":{room}}},\"timestamp\":\"{TIMESTAMP}\",\"seq_id\":\"join_001\",\"user_id\":{user}}}\n"
    )
    .into_bytes()
}

/// One SEND_MESSAGE line that is stamped anew each time it is sent.
pub(crate) struct Post {
    line: Vec<u8>,
    stamp_at: usize,
}

impl Post {
    /// A message of `user` to `room` whose content has `payload_bytes` bytes, but never fewer than the stamp needs.
    pub(crate) fn new(user: i64, room: i64, payload_bytes: usize) -> Self {
        let mut content = "0".repeat(STAMP_DIGITS);
        content.push(char::from(MARK));
        // Letters and blanks alone: nothing that a moderation pipeline would take for a link or a script.
        let filler = "the beacon on the hill is lit and the next one sees it ";
        content.extend(
            filler
                .chars()
                .cycle()
                .take(payload_bytes.saturating_sub(content.len())),
        );
        let head = format!("{{\"action\":\"SEND_MESSAGE\",\"data\":{{\"chatroom_id\":{room},\"content\":\"");
        let stamp_at = head.len();
        let line = format!(
            "{head}{content}\",\"message_type\":\"text\"}},\"timestamp\":\"{TIMESTAMP}\",\"seq_id\":\"msg_001\",\"user_id\":{user}}}\n"
        );
        Self {
            line: line.into_bytes(),
            stamp_at,
        }
    }

    /// The line, stamped with `ns`.
    pub(crate) fn stamped(&mut self, ns: u64) -> &[u8] {
        write_stamp(&mut self.line, self.stamp_at, ns);
        &self.line
    }
}

/// What a line from the server means to the load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The session stands.
    Connected,
    /// The room is joined.
    Joined,
    /// A request was refused or the session is being closed.
    Refused,
    /// Anything else: an event that the load generator does not wait for.
    Other,
}

/// Reads the action's name of one line.
pub(crate) fn hear(line: &[u8]) -> Heard {
    match action(line) {
        b"CONNECT_SUCCESS" => Heard::Connected,
        b"JOIN_ROOM_SUCCESS" => Heard::Joined,
        b"ERROR" | b"CONNECT_ERROR" | b"SESSION_CLOSED" | b"SERVER_SHUTDOWN" => Heard::Refused,
        _ => Heard::Other,
    }
}

/// The action's name in a line, or nothing.
pub(crate) fn action(line: &[u8]) -> &[u8] {
    string_after(line, b"\"action\":\"")
}

/// The string that follows `key` up to the next quotation mark, or nothing.
pub(crate) fn string_after<'a>(line: &'a [u8], key: &[u8]) -> &'a [u8] {
    let Some(found) = memchr::memmem::find(line, key) else {
        return b"";
    };
    let rest = &line[found + key.len()..];
    memchr::memchr(b'"', rest).map_or(&rest[..0], |end| &rest[..end])
}

/// The number that follows `key`, or none.
pub(crate) fn number_after(line: &[u8], key: &[u8]) -> Option<i64> {
    let rest = &line[memchr::memmem::find(line, key)? + key.len()..];
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'-')
        .unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use bongsu_model::{
        Code, Limits, Locale, Refusal, Reply, Request, RoomId, RoomRef, Tag, Timestamp, UserId, UserRef,
    };
    use bongsu_wire::action::{ActionCodec, Voice};
    use bongsu_wire::incoming::{Incoming, Rules};

    use super::*;

    #[test]
    fn the_product_understands_every_request() {
        let (mut codec, mut incoming) = (ActionCodec::new(), Vec::new());
        let lines = [
            &connect("a.b.c")[..],
            &join(7, 9),
            Post::new(7, 9, 300).stamped(1),
            PING,
        ]
        .concat();
        let rules = Rules {
            limits: &Limits::DEFAULT,
            application_domains: &[],
        };
        codec.handle_bytes(&lines, &rules, &mut incoming).unwrap();
        let asked: Vec<_> = incoming
            .into_iter()
            .map(|one| match one {
                Incoming::Request(asked) => (asked.claimed_user, asked.request),
                other => panic!("{other:?}"),
            })
            .collect();
        let us = Some(UserRef::Id(UserId(7)));
        match &asked[..] {
            [
                (None, Request::Connect(_)),
                (a, Request::Join { room, .. }),
                (b, Request::Post(post)),
                (None, Request::Ping),
            ] => {
                assert!(*a == us && *b == us);
                assert_eq!([room, &post.room], [&RoomRef::Id(RoomId(9)); 2]);
                assert_eq!(post.content.len(), 300);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_product_is_understood() {
        let (voice, tag, now) = (Voice::default(), Tag::default(), Timestamp(0));
        let pong = voice.reply(&tag, &Reply::Pong { server_time: now }, now, &Limits::DEFAULT);
        assert_eq!(action(&pong.unwrap()), b"PONG");
        let asked = |verb: &str| Tag {
            reference: None,
            verb: Some(verb.into()),
        };
        for verb in ["CONNECT", "JOIN_ROOM"] {
            let refusal = Refusal::new(Code::InvalidToken);
            let line = voice.refusal(&asked(verb), &refusal, Locale::default(), now, 1);
            assert_eq!(hear(&line), Heard::Refused, "{verb}");
        }
    }

    #[test]
    fn requests_are_objects_on_one_line() {
        let lines = [
            connect("a.b.c"),
            join(7, 9),
            Post::new(7, 9, 300).stamped(1).to_vec(),
            PING.to_vec(),
        ];
        for line in lines {
            assert_eq!(memchr::memchr(b'\n', &line), Some(line.len() - 1));
            let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(value["action"].as_str().unwrap().as_bytes(), action(&line));
        }
    }

    #[test]
    fn content_has_the_size_asked_for_and_one_mark() {
        for size in [20, 21, 300, 4096] {
            let mut post = Post::new(1, 2, size);
            let value: serde_json::Value = serde_json::from_slice(post.stamped(42)).unwrap();
            let content = value["data"]["content"].as_str().unwrap();
            assert_eq!(content.len(), size);
            assert!(content.starts_with("0000000000000000042^"), "{content}");
            assert_eq!(crate::tally::count(post.stamped(43), MARK), 1);
        }
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(
            hear(b"{\"action\":\"CONNECT_SUCCESS\",\"data\":{}}"),
            Heard::Connected
        );
        assert_eq!(hear(b"{\"action\":\"JOIN_ROOM_SUCCESS\"}"), Heard::Joined);
        assert_eq!(hear(b"{\"action\":\"ERROR\",\"data\":{}}"), Heard::Refused);
        assert_eq!(hear(b"{\"action\":\"USER_JOINED\"}"), Heard::Other);
        assert_eq!(hear(b"{\"action\":\"PONG"), Heard::Other);
        assert_eq!(
            number_after(b"{\"chatroom_id\":-12,", b"\"chatroom_id\":"),
            Some(-12)
        );
        assert_eq!(number_after(b"{\"chatroom_id\":x", b"\"chatroom_id\":"), None);
    }
}
