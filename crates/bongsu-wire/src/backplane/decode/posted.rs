//! A message to its room, read straight from its bytes: it is most of what nodes say, and each of its texts is copied once.
//!
//! Invariant: what is read here is what the compiled reader reads. Whatever is not as this version writes it is left to that
//! one: what another version says, and everything that is wrong.

use std::sync::Arc;

use bongsu_model::event::Audience;
use bongsu_model::{
    Epoch, Event, EventBody, LocalizedNick, MembersVersion, Message, MessageId, Profile, RoomId, RoomToken,
    Sender, Seq, Timestamp, UserId,
};

use super::super::LANGUAGES_MAX;
use super::super::codes::Coded;
use super::json;

/// The event, if the bytes of a `Said` are a message to its room, as this version writes it.
// Perf: benches/backplane.rs, `message_300/decode`.
pub(super) fn event(said: &[u8]) -> Option<Event> {
    let mut it = Fields(said);
    let event = it.bytes(1)??;
    it.end()?;
    let mut it = Fields(event);
    let event = Event {
        id: it.fixed(1)?,
        at: Timestamp(it.signed(2)?),
        cause: it.shared(3)?,
        actor: it.maybe(4)?.map(|it| UserId(it.cast_signed())),
        audience: Audience::Room(RoomId(it.maybe(5)??.cast_signed())),
        body: EventBody::Posted(Arc::new(message(it.bytes(16)??)?)),
    };
    it.end()?;
    Some(event)
}

fn message(message: &[u8]) -> Option<Message> {
    let mut it = Fields(message);
    let message = Message {
        id: MessageId(id(it.bytes(1)??)?),
        room: RoomId(it.signed(2)?),
        room_name: it.shared(3)?,
        room_token: RoomToken(it.bytes(4)??.try_into().ok()?),
        seq: Seq(it.number(5)?),
        epoch: Epoch(it.fixed(6)?),
        members: MembersVersion(it.number(7)?),
        sender: Sender {
            user: UserId(it.signed(8)?),
            handle: it.text(9)?.into(),
            nickname: it.text(10)?.into(),
            profile: Arc::new(profile(it.bytes(11)??)?),
        },
        content: it.text(12)?.into(),
        kind: Coded::of(i32::try_from(it.number(13)?).ok()?).ok()?,
        metadata: match it.bytes(14)? {
            Some(text) => Some(json::object(text).ok()?),
            None => None,
        },
        reply_to: match it.bytes(15)? {
            Some(bytes) => Some(MessageId(id(bytes)?)),
            None => None,
        },
        created_at: Timestamp(it.signed(16)?),
    };
    it.end()?;
    Some(message)
}

fn profile(profile: &[u8]) -> Option<Profile> {
    let mut it = Fields(profile);
    let profile = Profile {
        public_token: it.text(1)?.into(),
        nick: nick(&mut it)?,
        profile_img: it.shared(3)?,
        profile_thumb: it.shared(4)?,
        region: it.shared(5)?,
        language: it.shared(6)?,
        gender: it.shared(7)?,
    };
    it.end()?;
    Some(profile)
}

fn nick(profile: &mut Fields<'_>) -> Option<LocalizedNick> {
    let mut pairs = Vec::new();
    while let Some(nick) = profile.bytes(2)? {
        let mut it = Fields(nick);
        pairs.push((it.text(1)?.into(), it.text(2)?.into()));
        it.end()?;
    }
    LocalizedNick::new(pairs, LANGUAGES_MAX).ok()
}

fn id(id: &[u8]) -> Option<u128> {
    let mut it = Fields(id);
    let (high, low) = (it.fixed(1)?, it.fixed(2)?);
    it.end()?;
    Some((u128::from(high) << 64) | u128::from(low))
}

/// The fields of a message that are not read yet. They are asked for in ascending order; one that does not come next is
/// absent, so whatever is in another order, twice, or not known is left over at the end. `None` is always: not here.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Nothing is left over.
    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// Whether the field comes next; if so, its key is read.
    fn comes(&mut self, number: u8, wire_type: u8) -> bool {
        let key = (u16::from(number) << 3) | u16::from(wire_type);
        let short = key.to_le_bytes()[0];
        let rest = if key < 0x80 {
            self.0.strip_prefix(&[short])
        } else {
            self.0.strip_prefix(&[short | 0x80, (key >> 7).to_le_bytes()[0]])
        };
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                return (shift < 63 || byte <= 1).then_some(value);
            }
        }
        None
    }

    fn maybe(&mut self, number: u8) -> Option<Option<u64>> {
        if self.comes(number, 0) {
            self.varint().map(Some)
        } else {
            Some(None)
        }
    }

    fn number(&mut self, number: u8) -> Option<u64> {
        self.maybe(number).map(Option::unwrap_or_default)
    }

    fn signed(&mut self, number: u8) -> Option<i64> {
        self.number(number).map(u64::cast_signed)
    }

    fn fixed(&mut self, number: u8) -> Option<u64> {
        if !self.comes(number, 1) {
            return Some(0);
        }
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn bytes(&mut self, number: u8) -> Option<Option<&'a [u8]>> {
        if !self.comes(number, 2) {
            return Some(None);
        }
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(bytes))
    }

    fn text(&mut self, number: u8) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(number)?.unwrap_or_default()).ok()
    }

    fn shared(&mut self, number: u8) -> Option<Option<Arc<str>>> {
        match self.bytes(number)? {
            Some(bytes) => Some(Some(std::str::from_utf8(bytes).ok()?.into())),
            None => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Word, encode};
    use super::super::any;
    use super::*;
    use bongsu_model::{Heard, MessageKind, Outbound, RawJson};
    use prost::Message as _;

    /// A message with everything, or with nothing that may be absent.
    fn posted(is_full: bool) -> Event {
        let text = |text: &str| is_full.then(|| Arc::from(text));
        let nicks = [("en".into(), "Hana".into()), ("ko".into(), "하나".into())];
        let nicks = if is_full { nicks.to_vec() } else { vec![] };
        let profile = Profile {
            public_token: "5a".into(),
            nick: LocalizedNick::new(nicks, 16).unwrap(),
            profile_img: text("i"),
            profile_thumb: text("t"),
            region: text("KR"),
            language: text("ko"),
            gender: text(""),
        };
        let message = Message {
            id: MessageId(u128::MAX - 5),
            room: RoomId(if is_full { -3 } else { 0 }),
            room_name: text("general"),
            room_token: RoomToken([7; 24]),
            seq: Seq(if is_full { u64::MAX } else { 0 }),
            epoch: Epoch(9),
            members: MembersVersion(300),
            sender: Sender {
                user: UserId(123),
                handle: "hana".into(),
                nickname: "하나".into(),
                profile: profile.into(),
            },
            content: if is_full { "안녕" } else { "" }.into(),
            kind: MessageKind::Custom,
            metadata: is_full.then(|| RawJson::from_validated("{\"a\":1}".into())),
            reply_to: is_full.then_some(MessageId(1)),
            created_at: Timestamp(1_704_110_400_100),
        };
        Event {
            id: 42,
            at: Timestamp(-1),
            cause: text("s1"),
            audience: Audience::Room(RoomId(0)),
            actor: is_full.then_some(UserId(0)),
            body: EventBody::Posted(message.into()),
        }
    }

    fn bytes(event: &Event) -> Vec<u8> {
        encode::said(&Heard::Event(Outbound::new(event.clone()))).encode_to_vec()
    }

    #[test]
    fn what_this_version_says_is_read_here() {
        for is_full in [false, true] {
            let posted = posted(is_full);
            assert_eq!(event(&bytes(&posted)), Some(posted));
        }
    }

    #[test]
    fn both_readers_read_the_same() {
        let (mut here, mut left) = (0, 0);
        for good in [false, true].map(|is_full| bytes(&posted(is_full))) {
            for at in 0..good.len() {
                for byte in 0..=u8::MAX {
                    let mut bytes = good.clone();
                    bytes[at] = byte;
                    let Some(read) = event(&bytes) else {
                        left += 1;
                        continue;
                    };
                    here += 1;
                    let read = Word::Heard(Heard::Event(Outbound::new(read)));
                    assert_eq!(any(&bytes), Ok(read), "{at} {byte}");
                }
                assert_eq!(event(&good[..at]), None, "cut off at {at}");
            }
        }
        assert!(here > 10_000 && left > 10_000, "{here} {left}");
    }

    #[test]
    fn what_another_version_says_is_left() {
        let good = bytes(&posted(true));
        // A field that is not known, beside the event.
        assert_eq!(event(&[&good[..], &[0xc2, 0x3e, 0]].concat()), None);
        // The event twice: its parts would have to be put together.
        assert_eq!(event(&[&good[..], &good[..]].concat()), None);
        let mut to_user = posted(true);
        to_user.audience = Audience::User(UserId(1));
        assert_eq!(event(&bytes(&to_user)), None);
    }
}
