//! Where an answer goes: what its request's tag says.

use bongsu_model::Tag;

/// The answer to a sign-in.
pub(super) const SIGNED_IN: &str = "postinit_res";
/// Whatever fails.
pub(super) const ERROR: &str = "server_error";

/// Where an answer goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::socketio) enum Back<'a> {
    /// To the event's own acknowledgement.
    Ack(u64),
    /// As an event that says which request it answers, if that had a reference.
    Event(Option<&'a str>),
}

/// What a tag says.
#[derive(Clone, Copy, Debug)]
pub(in crate::socketio) struct Asked<'a> {
    /// Where it was; `None` if nothing was understood of it.
    pub(in crate::socketio) namespace: Option<&'a str>,
    /// What it was called; "" if nothing was understood of it.
    pub(in crate::socketio) name: &'a str,
    pub(in crate::socketio) back: Back<'a>,
}

pub(in crate::socketio) fn asked(tag: &Tag) -> Asked<'_> {
    let (namespace, name) = match tag.verb.as_deref().and_then(|it| it.split_once(' ')) {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, ""),
    };
    let back = match tag.reference.as_deref() {
        Some(reference) => match reference.strip_prefix('#') {
            Some(number) if !number.starts_with('#') => {
                number.parse().map_or(Back::Event(Some(number)), Back::Ack)
            }
            Some(own) => Back::Event(Some(own)),
            None => Back::Event(Some(reference)),
        },
        None => Back::Event(None),
    };
    Asked {
        namespace,
        name,
        back,
    }
}
