//! From one text message to a request: the table of types, and the types that applications use among themselves.

mod application;
mod calls;
mod chat;
mod names;
mod session;

use self::application::Meant;
use bongsu_model::{Asked, Code, Refusal, Request};

pub(super) use self::names::{ROOM_BYTES_MAX, USER_BYTES_MAX};
use super::envelope::{self, Envelope};
use crate::incoming::{Incoming, Rules};

/// Every type that a client may send but those of applications.
pub const TYPES: [&str; 20] = [
    "auth",
    "auth_update",
    "ping",
    "pong",
    "room.join",
    "room.leave",
    "room.history",
    "chat.message",
    "chat.typing",
    "chat.read",
    "user.block",
    "user.unblock",
    "call.create",
    "call.join",
    "call.leave",
    "call.end",
    "call.offer",
    "call.answer",
    "call.candidate",
    "call.media",
];

/// Adds what one text message asks to `out`: one request, or one refusal with as much of its tag as could be read.
pub fn message(text: &str, rules: &Rules<'_>, out: &mut Vec<Incoming>) {
    let incoming = match envelope::open(text, rules.limits) {
        Ok(envelope) => match asked(&envelope, rules) {
            Ok(Meant {
                request,
                claimed_user,
            }) => Incoming::Request(Asked {
                tag: envelope.tag,
                claimed_user,
                request,
            }),
            Err(refusal) => Incoming::Refused {
                tag: envelope.tag,
                refusal,
            },
        },
        Err(envelope::Refused { tag, refusal }) => Incoming::Refused { tag, refusal },
    };
    out.push(incoming);
}

fn asked(envelope: &Envelope<'_>, rules: &Rules<'_>) -> Result<Meant, Refusal> {
    if TYPES.contains(&&*envelope.kind) {
        let claimed_user = envelope.user_id.optional(names::given_user)?;
        return request(envelope, rules).map(|request| Meant {
            request,
            claimed_user,
        });
    }
    if rules.opens(&envelope.kind) {
        let mut meant = application::emit(&envelope.kind, envelope.object()?, rules.limits)?;
        let claimed_user = envelope.user_id.optional(names::given_user)?;
        meant.claimed_user = meant.claimed_user.or(claimed_user);
        return Ok(meant);
    }
    Err(Refusal::new(Code::InvalidAction))
}

/// The table of types.
fn request(envelope: &Envelope<'_>, rules: &Rules<'_>) -> Result<Request, Refusal> {
    let limits = rules.limits;
    let object = envelope.object()?;
    match &*envelope.kind {
        "auth" => session::auth(object, limits),
        "auth_update" => session::auth_update(envelope.token, object, limits),
        "ping" => session::ping(object),
        "pong" => session::pong(object),
        "room.join" => chat::join(object),
        "room.leave" => chat::leave(object),
        "room.history" => chat::history(object, limits),
        "chat.message" => chat::post(object, limits),
        "chat.typing" => chat::typing(object),
        "chat.read" => chat::mark_read(object),
        "user.block" => chat::block(object),
        "user.unblock" => chat::unblock(object),
        "call.create" => calls::create(object, limits),
        "call.join" => calls::join(object),
        "call.leave" => calls::leave(object),
        "call.end" => calls::end(object),
        "call.offer" => calls::offer(object, limits),
        "call.answer" => calls::answer(object, limits),
        "call.candidate" => calls::candidate(object, limits),
        "call.media" => calls::set_media(object),
        _ => Err(Refusal::new(Code::InvalidAction)),
    }
}
