//! From one text message to a request: the table of types, and the types that applications use among themselves.

mod application;
mod calls;
mod chat;
mod names;
mod session;

pub(crate) use self::application::Meant;
use bongsu_model::{Asked, Code, Refusal, Request};

pub(crate) use self::names::given_room;
pub(super) use self::names::{ROOM_BYTES_MAX, USER_BYTES_MAX};
pub(crate) use self::session::resume;
use super::envelope;
use crate::incoming::{Incoming, Rules};
use crate::json::field::{Field, Given};

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
        Ok(envelope) => match meant(&envelope.spoken(), rules) {
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

/// A request of this protocol, whatever stands around it: its type, its `data`, and what may stand beside that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoken<'a> {
    pub(crate) kind: &'a str,
    /// Its name is `data`.
    pub(crate) data: Field<'a>,
    /// The token beside `data`, for `auth_update`.
    pub(crate) token: Field<'a>,
    /// Whom it claims to come from.
    pub(crate) user_id: Field<'a>,
}

impl<'a> Spoken<'a> {
    /// A request that is nothing but its type and its `data`.
    pub(crate) const fn plain(kind: &'a str, data: Field<'a>) -> Self {
        const fn absent<'a>(name: &'static str) -> Field<'a> {
            Field { name, raw: None }
        }
        Self {
            kind,
            data,
            token: absent("token"),
            user_id: absent("user_id"),
        }
    }

    /// The text of the `data` object; that of an empty one where there is none.
    fn object(&self) -> Result<Given<'a>, Refusal> {
        let raw = self.data.present().map_or("{}", |it| it.raw);
        let object = Given { name: "data", raw };
        object.object()?;
        Ok(object)
    }
}

/// What a request means, and from whom it claims to come.
pub(crate) fn meant(spoken: &Spoken<'_>, rules: &Rules<'_>) -> Result<Meant, Refusal> {
    if TYPES.contains(&spoken.kind) {
        let claimed_user = spoken.user_id.optional(names::given_user)?;
        return request(spoken, rules).map(|request| Meant {
            request,
            claimed_user,
        });
    }
    if rules.opens(spoken.kind) {
        let mut meant = application::emit(spoken.kind, spoken.object()?, rules.limits)?;
        let claimed_user = spoken.user_id.optional(names::given_user)?;
        meant.claimed_user = meant.claimed_user.or(claimed_user);
        return Ok(meant);
    }
    Err(Refusal::new(Code::InvalidAction))
}

/// The table of types.
fn request(spoken: &Spoken<'_>, rules: &Rules<'_>) -> Result<Request, Refusal> {
    let limits = rules.limits;
    let object = spoken.object()?;
    match spoken.kind {
        "auth" => session::auth(object, limits),
        "auth_update" => session::auth_update(spoken.token, object, limits),
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
