//! A packet out of its text.
//!
//! Invariant: numbers are plain and as short as they can be, so a packet has one text; what a type does not have is
//! refused, not skipped.

use std::fmt;

use bongsu_model::Limits;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::placeholders::placeholders;
use super::{Event, Kind, Packet, Violation};
use crate::json::{carry, field};

/// The longest namespace, in bytes, without its query.
pub const NAMESPACE_BYTES_MAX: usize = 255;

/// The largest id that every client can hold.
pub const ID_MAX: u64 = (1 << 53) - 1;

/// Names that mean something to the clients' own libraries.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Reads a packet. If it has attachments, they are the next messages of bytes.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn decode<'a>(text: &'a str, limits: &Limits) -> Result<Packet<'a>, Violation> {
    let first = *text.as_bytes().first().ok_or(Violation::Empty)?;
    let (kind, with_attachments) = match first {
        b'0' => (Kind::Connect, false),
        b'1' => (Kind::Disconnect, false),
        b'2' => (Kind::Event, false),
        b'3' => (Kind::Ack, false),
        b'4' => (Kind::ConnectError, false),
        b'5' => (Kind::Event, true),
        b'6' => (Kind::Ack, true),
        unknown => return Err(Violation::UnknownType(unknown)),
    };
    let mut rest = &text[1..];
    let mut attachments = 0;
    if with_attachments {
        (attachments, rest) = split_attachments(rest, limits.attachments_max)?;
    }
    let (namespace, query, rest) = split_namespace(rest)?;
    let (id, rest) = split_id(rest)?;
    let has_id = match kind {
        Kind::Event => id.is_some(),
        Kind::Ack => true,
        Kind::Connect | Kind::Disconnect | Kind::ConnectError => false,
    };
    if id.is_some() != has_id {
        return Err(Violation::BadId);
    }
    let data = Some(rest).filter(|it| !it.is_empty());
    let event = judge(kind, data, limits)?;
    if attachments > 0 {
        placeholders(data.unwrap_or_default(), attachments)?;
    }
    Ok(Packet {
        kind,
        attachments,
        namespace,
        query,
        id,
        data,
        event,
    })
}

fn split_attachments(text: &str, max: usize) -> Result<(usize, &str), Violation> {
    let (number, rest) = split_number(text);
    let rest = rest.strip_prefix('-').ok_or(Violation::BadAttachments)?;
    match number {
        Number::Plain(0) | Number::None | Number::Padded => Err(Violation::BadAttachments),
        Number::Plain(number) => match usize::try_from(number) {
            Ok(number) if number <= max => Ok((number, rest)),
            Ok(_) | Err(_) => Err(Violation::TooManyAttachments),
        },
        Number::Huge => Err(Violation::TooManyAttachments),
    }
}

/// The namespace, its query and what follows.
fn split_namespace(text: &str) -> Result<(&str, Option<&str>, &str), Violation> {
    if !text.starts_with('/') {
        return Ok(("/", None, text));
    }
    let (whole, rest) = text.split_once(',').unwrap_or((text, ""));
    let (namespace, query) = match whole.split_once('?') {
        Some((namespace, query)) => (namespace, Some(query)),
        None => (whole, None),
    };
    if namespace.len() > NAMESPACE_BYTES_MAX {
        return Err(Violation::NamespaceTooLong);
    }
    Ok((namespace, query, rest))
}

fn split_id(text: &str) -> Result<(Option<u64>, &str), Violation> {
    match split_number(text) {
        (Number::None, rest) => Ok((None, rest)),
        (Number::Plain(id), rest) if id <= ID_MAX => Ok((Some(id), rest)),
        (Number::Plain(_) | Number::Padded | Number::Huge, _) => Err(Violation::BadId),
    }
}

/// What the digits at the start of a text are.
#[derive(Clone, Copy)]
enum Number {
    None,
    Plain(u64),
    /// With zeros in front.
    Padded,
    /// Beyond 64 bits.
    Huge,
}

fn split_number(text: &str) -> (Number, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    let number = match digits.as_bytes() {
        [] => Number::None,
        [b'0', _, ..] => Number::Padded,
        [_, ..] => digits.parse().map_or(Number::Huge, Number::Plain),
    };
    (number, rest)
}

/// Whether this is what a packet of this type has; the event of an event.
fn judge<'a>(kind: Kind, data: Option<&'a str>, limits: &Limits) -> Result<Option<Event<'a>>, Violation> {
    if data.is_some_and(|it| carry::deeper_than(it, limits.json_depth_max).is_some()) {
        return Err(Violation::TooDeep);
    }
    match (kind, data) {
        (Kind::Connect | Kind::Disconnect, None) => Ok(None),
        (Kind::Connect, Some(data)) => json(data, b"{").map(|()| None),
        (Kind::Ack, Some(data)) => json(data, b"[").map(|()| None),
        (Kind::ConnectError, Some(data)) => json(data, b"{\"").map(|()| None),
        (Kind::Event, Some(data)) => event(data).map(Some),
        (Kind::Disconnect, Some(_)) | (Kind::Event | Kind::Ack | Kind::ConnectError, None) => {
            Err(Violation::BadData)
        }
    }
}

/// Whether it is JSON that begins with one of these.
fn json(data: &str, begins: &[u8]) -> Result<(), Violation> {
    if !data.bytes().next().is_some_and(|first| begins.contains(&first)) {
        return Err(Violation::BadData);
    }
    serde_json::from_str::<IgnoredAny>(data)
        .map(|_| ())
        .map_err(|_| Violation::BadData)
}

fn event(data: &str) -> Result<Event<'_>, Violation> {
    if !data.starts_with('[') {
        return Err(Violation::BadData);
    }
    let mut source = serde_json::Deserializer::from_str(data);
    let said = source
        .deserialize_seq(Arguments)
        .and_then(|said| source.end().map(|()| said))
        .map_err(|_| Violation::BadData)?;
    let name = said.name.and_then(field::text).ok_or(Violation::BadEventName)?;
    if RESERVED.contains(&&*name) {
        return Err(Violation::ReservedEvent);
    }
    Ok(Event {
        name,
        argument: said.argument,
        arguments: said.arguments,
    })
}

struct Said<'a> {
    name: Option<&'a str>,
    argument: Option<&'a str>,
    arguments: usize,
}

/// Reads an event's array once.
struct Arguments;

impl<'a> Visitor<'a> for Arguments {
    type Value = Said<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut next = || Ok(seq.next_element::<&RawValue>()?.map(RawValue::get));
        let mut said = Said {
            name: next()?,
            argument: None,
            arguments: 0,
        };
        if said.name.is_some() {
            said.argument = next()?;
        }
        if said.argument.is_some() {
            said.arguments = 1;
            while seq.next_element::<IgnoredAny>()?.is_some() {
                said.arguments += 1;
            }
        }
        Ok(said)
    }
}
