//! What events are called, and what ties an answer to its event.
//!
//! Invariant: the tag of an event says in which namespace it was, what it was called and, with a `#`, under which number
//! its answer is awaited; a client's own reference never looks like such a number.

use std::sync::Arc;

use bongsu_model::{Limits, Refusal, Tag};

use super::super::connection::Event;
use crate::json::field::{Field, Given};

/// Signs in.
pub(super) const SIGN_IN: &str = "postinit_req";
/// A message, both ways.
pub(super) const MESSAGE: &str = "message";
/// What the connect packet is called, which is no event.
pub(super) const CONNECT: &str = "CONNECT";

/// The longest part of a verb that is kept, in bytes.
const VERB_BYTES_MAX: usize = 64;

/// The tag of whatever is called `name` in a namespace.
pub(super) fn tag(namespace: &str, name: &str, reference: Option<Arc<str>>) -> Tag {
    let mut verb = format!("{namespace} {name}");
    verb.truncate(verb.floor_char_boundary(VERB_BYTES_MAX));
    Tag {
        reference,
        verb: Some(verb.into()),
    }
}

/// The reference of an event whose answer is awaited under a number.
pub(super) fn awaited(event: &Event<'_>) -> Option<Arc<str>> {
    event.ack.map(|number| format!("#{number}").into())
}

/// The reference by which the answer to an event finds back: the number under which it is awaited, else the `id` that is in
/// its object. Where `id` belongs to somebody else it may be anything.
pub(super) fn reference(
    event: &Event<'_>,
    data: Field<'_>,
    id_is_ours: bool,
    limits: &Limits,
) -> Result<Option<Arc<str>>, Refusal> {
    if let Some(awaited) = awaited(event) {
        return Ok(Some(awaited));
    }
    // What is no object, or has two of them, is refused by whoever reads it.
    let Some(Ok([id])) = data.present().map(|it| it.fields("", ["id"])) else {
        return Ok(None);
    };
    let id = match id.optional(|it| it.text_of(0, limits.reference_bytes_max)) {
        Ok(id) => id,
        Err(_) if !id_is_ours => None,
        Err(refusal) => return Err(refusal),
    };
    Ok(id.map(|id| {
        if id.starts_with('#') {
            format!("#{id}").into()
        } else {
            id.into()
        }
    }))
}

/// A field that is required and an object.
pub(super) fn object(data: Field<'_>) -> Result<Given<'_>, Refusal> {
    let object = data.required()?;
    object.object()?;
    Ok(object)
}
