//! A polling payload that came in: the packets in it.
//!
//! Invariant: bodies are read once, in order, and nothing of them is kept; the time it takes is linear in their bytes.

use bongsu_model::Limits;

use super::records::{self, Octets};
use super::{Heard, Version, Violation, form, packets};

/// What separates the packets of a payload of version 4.
pub(super) const SEPARATOR: u8 = 0x1e;

/// In which form a payload comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text, as most clients send it.
    Text,
    /// Bytes, as clients of version 3 do when there are bytes in it, and its Java client always.
    Octets,
    /// The field `d` of a form: what a page sends that polls by scripts (JSONP).
    Form,
}

impl Kind {
    /// The form that a body of this content type has. `scripts`: the request has the parameter `j`.
    #[must_use]
    pub fn of(content_type: Option<&str>, scripts: bool) -> Self {
        let essence = content_type.map(|it| it.split(';').next().unwrap_or(it).trim());
        match essence {
            _ if scripts => Self::Form,
            Some(it) if it.eq_ignore_ascii_case("application/octet-stream") => Self::Octets,
            Some(_) | None => Self::Text,
        }
    }

    /// The most bytes that a body of this form may have before it is looked at.
    #[must_use]
    pub const fn body_bytes_max(self, limits: &Limits) -> usize {
        match self {
            Self::Text | Self::Octets => limits.frame_bytes_max,
            // `d=`, and each byte as `%xx`.
            Self::Form => limits.frame_bytes_max.saturating_mul(3).saturating_add(2),
        }
    }
}

/// The receiving side of one session's polling transport.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Payloads {
    /// This client has sent a character that is not in Latin-1, so it does not encode its texts twice.
    wide: bool,
}

impl Payloads {
    /// Of a session that has posted nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { wide: false }
    }

    /// Tells of each packet of a body, in order. After a close nothing more is told, and what follows it is not looked
    /// at.
    ///
    /// # Errors
    ///
    /// The first violation, after all packets before it.
    pub fn decode(
        &mut self,
        version: Version,
        kind: Kind,
        body: &[u8],
        limits: &Limits,
        each: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), Violation> {
        if body.len() > kind.body_bytes_max(limits) {
            return Err(Violation::TooLarge);
        }
        match kind {
            Kind::Text => self.text(version, utf8(body)?, limits, each),
            Kind::Octets => match version {
                Version::V3 => octets(body, limits, each),
                Version::V4 => Err(Violation::Octets),
            },
            Kind::Form => {
                let payload = form::payload(body, limits.frame_bytes_max)?;
                self.text(version, &payload, limits, each)
            }
        }
    }

    fn text(
        &mut self,
        version: Version,
        payload: &str,
        limits: &Limits,
        each: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), Violation> {
        if payload.is_empty() {
            return Err(Violation::Empty);
        }
        let mut count = Count::new(limits);
        match version {
            Version::V3 => {
                let mut rest = payload;
                while !rest.is_empty() {
                    let (record, after) = records::split(rest)?;
                    rest = after;
                    count.one_more()?;
                    // `0:` is a payload of no packets.
                    if !record.is_empty() && self.record(record, each)? {
                        break;
                    }
                }
            }
            Version::V4 => {
                for packet in payload.split(char::from(SEPARATOR)) {
                    count.one_more()?;
                    if hand(packets::text(version, packet)?, each) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// One text of version 3, and whether it closes. A client of Socket.IO 1 has encoded it twice.
    fn record(&mut self, record: &str, each: &mut dyn FnMut(Heard<'_>)) -> Result<bool, Violation> {
        if self.wide || record.is_ascii() {
            return Ok(hand(packets::text(Version::V3, record)?, each));
        }
        let once = records::latin_1(record);
        self.wide = once.is_none();
        let twice = once.as_deref().and_then(records::text);
        let heard = packets::text(Version::V3, twice.as_deref().unwrap_or(record))?;
        Ok(hand(heard, each))
    }
}

fn octets(body: &[u8], limits: &Limits, each: &mut dyn FnMut(Heard<'_>)) -> Result<(), Violation> {
    if body.is_empty() {
        return Err(Violation::Empty);
    }
    let mut count = Count::new(limits);
    let mut rest = body;
    while !rest.is_empty() {
        let (record, after) = records::split_octets(rest)?;
        rest = after;
        count.one_more()?;
        let last = match record {
            Octets::Text(bytes) => {
                let text = records::text(bytes).ok_or(Violation::NotUtf8)?;
                hand(packets::text(Version::V3, &text)?, each)
            }
            Octets::Binary(bytes) => hand(packets::binary(Version::V3, bytes)?, each),
        };
        if last {
            break;
        }
    }
    Ok(())
}

/// Hands out what was heard; true if it is the last.
fn hand(heard: Heard<'_>, each: &mut dyn FnMut(Heard<'_>)) -> bool {
    let last = heard == Heard::Close;
    each(heard);
    last
}

fn utf8(bytes: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(bytes).map_err(|_| Violation::NotUtf8)
}

/// How many packets a payload may still have.
struct Count(usize);

impl Count {
    const fn new(limits: &Limits) -> Self {
        Self(limits.payload_packets_max)
    }

    fn one_more(&mut self) -> Result<(), Violation> {
        self.0 = self.0.checked_sub(1).ok_or(Violation::TooManyPackets)?;
        Ok(())
    }
}
