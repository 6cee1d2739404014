//! The envelope: `action`, `data`, `seq_id`, `user_id`, `compressed`, borrowed from the frame.
//!
//! Invariant: whatever is wrong, the answer carries as much of `seq_id` and `action` as could be read.

use std::borrow::Cow;
use std::sync::Arc;

use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Limits, Refusal, Tag, UserId, UserRef, Want, Why};

use super::gzip::{self, Unpackable};
use crate::json::carry;
use crate::json::field::{self, Field, Given, Unreadable};

/// The longest part of an unknown action that is quoted back, in bytes.
const VERB_BYTES_MAX: usize = 64;

/// The text of an object and where it stands in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    at: u64,
    unpacked: bool,
}

impl<'a> Source<'a> {
    /// A frame.
    pub(super) const fn stream(text: &'a str, at: u64) -> Self {
        Self {
            text,
            at,
            unpacked: false,
        }
    }

    /// What a frame held in compressed form; faults in it are placed at the frame.
    const fn unpacked(text: &'a str, at: u64) -> Self {
        Self {
            text,
            at,
            unpacked: true,
        }
    }

    /// A part of this text.
    pub(super) fn part(self, text: &'a str) -> Self {
        Self {
            text,
            at: self.place(text.as_ptr() as usize - self.text.as_ptr() as usize),
            ..self
        }
    }

    /// Whether it came compressed.
    pub(super) const fn is_unpacked(self) -> bool {
        self.unpacked
    }

    fn place(self, index: usize) -> u64 {
        if self.unpacked {
            self.at
        } else {
            self.at + index as u64
        }
    }

    fn malformed(self, index: usize, what: Malformed) -> Refusal {
        let why = Why::Malformed {
            offset: self.place(index),
            what,
        };
        Refusal {
            code: Code::InvalidData,
            why,
            retry_after_ms: None,
        }
    }
}

/// What could not be understood, and to whom it must be said.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) tag: Tag,
    pub(super) refusal: Refusal,
}

/// A request before its `data` is understood.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) tag: Tag,
    pub(super) action: Cow<'a, str>,
    pub(super) claimed_user: Option<UserRef>,
    pub(super) compressed: bool,
    data: Option<&'a str>,
}

/// Reads an envelope.
pub(super) fn open<'a>(source: Source<'a>, limits: &Limits) -> Result<Envelope<'a>, Refused> {
    let names = ["action", "data", "timestamp", "seq_id", "user_id", "compressed"];
    let fields = field::read(source.text, "", names).map_err(|unreadable| {
        let refusal = match unreadable {
            Unreadable::Twice(_, at) => source.malformed(at, Malformed::DuplicateKey),
            Unreadable::NotJson(at) => source.malformed(at, Malformed::NotJson),
        };
        Refused {
            tag: Tag::default(),
            refusal,
        }
    })?;
    let [action, payload, timestamp, seq_id, user_id, compressed] = fields;
    let mut tag = Tag::default();
    match read(action, seq_id, timestamp, user_id, compressed, limits, &mut tag) {
        Ok((action, claimed_user, compressed)) => Ok(Envelope {
            tag,
            action,
            claimed_user,
            compressed,
            data: payload.present().map(|it| it.raw),
        }),
        Err(refusal) => Err(Refused { tag, refusal }),
    }
}

type Head<'a> = (Cow<'a, str>, Option<UserRef>, bool);

/// Reads all but `data`. Both parts of the tag are tried before anything is refused.
fn read<'a>(
    action: Field<'a>,
    seq_id: Field<'a>,
    timestamp: Field<'a>,
    user_id: Field<'a>,
    compressed: Field<'a>,
    limits: &Limits,
    tag: &mut Tag,
) -> Result<Head<'a>, Refusal> {
    let action = action.required().and_then(Given::text);
    if let Ok(action) = &action {
        tag.verb = Some(cut(action, VERB_BYTES_MAX).into());
    }
    let reference = seq_id.optional(|it| it.text_of(0, limits.reference_bytes_max))?;
    tag.reference = reference.map(Arc::from);
    let action = action?;
    timestamp.optional(Given::text)?;
    let user = user_id
        .optional(Given::integer)?
        .map(|id| UserRef::Id(UserId(id)));
    let compressed = compressed.optional(Given::bool)?.unwrap_or(false);
    Ok((action, user, compressed))
}

/// The longest beginning of whole characters that has at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

impl<'a> Envelope<'a> {
    /// The text of the `data` object. Unpacks it into `unpacked` if it is compressed, which takes from `budget`.
    pub(super) fn object<'b>(
        &self,
        source: Source<'a>,
        unpacked: &'b mut String,
        budget: &mut usize,
        limits: &Limits,
    ) -> Result<Source<'b>, Refusal>
    where
        'a: 'b,
    {
        let raw = self.data.unwrap_or("{}");
        if !self.compressed {
            let text = Given { name: "data", raw }.object()?;
            // Where there is no `data` its place is the envelope's.
            let at = if self.data.is_some() {
                source.part(raw).at
            } else {
                source.at
            };
            return Ok(Source { text, at, ..source });
        }
        let wants = |want| Refusal::field("data", want);
        let packed = field::text(raw).ok_or(wants(Want::Gzip))?;
        *unpacked = gzip::unpack(&packed, *budget).map_err(|unpackable| match unpackable {
            Unpackable::NotGzip => wants(Want::Gzip),
            Unpackable::TooLarge => Refusal::too_large("data", limits.decompressed_bytes_max as u64),
        })?;
        *budget -= unpacked.len();
        let json: &serde_json::value::RawValue =
            serde_json::from_str(unpacked).map_err(|_| wants(Want::Object))?;
        let text = Given {
            name: "data",
            raw: json.get(),
        }
        .object()?;
        let inside = Source::unpacked(text, source.at);
        // As deep as if it stood in its envelope uncompressed.
        if carry::depth(text) >= limits.json_depth_max {
            return Err(inside.malformed(0, Malformed::TooDeep));
        }
        Ok(inside)
    }
}
