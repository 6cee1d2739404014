//! The envelope: `type`, `data`, `id`, a `user_id` that must not be a lie, and the `token` that `auth_update` may have
//! there; borrowed from the message.
//!
//! Invariant: whatever is wrong, the answer carries as much of `id` and `type` as could be read.

use std::borrow::Cow;
use std::sync::Arc;

use bongsu_model::refusal::Malformed;
use bongsu_model::{Limits, Refusal, Tag};

use super::decode::Spoken;
use crate::json::field::{self, Field, Given, Unreadable};
use crate::json::message;

/// The longest part of an unknown type that is kept, in bytes.
const VERB_BYTES_MAX: usize = 64;

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
    kind: Cow<'a, str>,
    token: Field<'a>,
    /// Whom the message claims to come from; never trusted.
    user_id: Field<'a>,
    data: Field<'a>,
}

/// Reads an envelope.
pub(super) fn open<'a>(text: &'a str, limits: &Limits) -> Result<Envelope<'a>, Refused> {
    let untagged = |refusal| Refused {
        tag: Tag::default(),
        refusal,
    };
    message::check(text, limits).map_err(untagged)?;
    let [kind, data, id, token, user_id] = field::read(text, "", ["type", "data", "id", "token", "user_id"])
        .map_err(|unreadable| {
            untagged(match unreadable {
                Unreadable::Twice(_, at) => message::malformed(at, Malformed::DuplicateKey),
                Unreadable::NotJson(at) => message::malformed(at, Malformed::NotJson),
            })
        })?;
    let mut tag = Tag::default();
    match head(kind, id, limits, &mut tag) {
        Ok(kind) => Ok(Envelope {
            tag,
            kind,
            token,
            user_id,
            data,
        }),
        Err(refusal) => Err(Refused { tag, refusal }),
    }
}

/// Both parts of the tag are tried before anything is refused.
fn head<'a>(kind: Field<'a>, id: Field<'a>, limits: &Limits, tag: &mut Tag) -> Result<Cow<'a, str>, Refusal> {
    let kind = kind.required().and_then(Given::text);
    if let Ok(kind) = &kind {
        tag.verb = Some(kind[..kind.floor_char_boundary(VERB_BYTES_MAX)].into());
    }
    let reference = id.optional(|it| it.text_of(0, limits.reference_bytes_max))?;
    tag.reference = reference.map(Arc::from);
    kind
}

impl Envelope<'_> {
    /// The request that stands in it.
    pub(super) fn spoken(&self) -> Spoken<'_> {
        Spoken {
            kind: &self.kind,
            data: self.data,
            token: self.token,
            user_id: self.user_id,
        }
    }
}
