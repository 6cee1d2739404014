//! Every event of the chat on Socket.IO, said in the vocabulary of [`crate::schema`]: its own, and those of the type
//! protocol, whose objects are the same.
//!
//! Invariant: it says what `chat` takes and writes. `tests/asyncapi` holds it to both.

mod chat;
pub mod switchboard;

use bongsu_model::{Code, Reconnect};

use self::chat::{MESSAGES, SESSION};
use super::chat::code_name;
use crate::schema::{Bound, Direction, Envelope, Field, Message, Protocol, Shape, Topic, Ty};
use crate::typed::registry::calls::CALLS;
use crate::typed::registry::chat::{APPLICATIONS, MESSAGES as TYPED_MESSAGES, PEOPLE, ROOMS};
use crate::typed::registry::parts::TEXT;

/// The chat on Socket.IO, in both of its styles.
pub const PROTOCOL: Protocol = Protocol {
    name: "socketio",
    title: "Socket.IO",
    servers: &["socketio"],
    doc: "Each message here is an event with one argument, which is described; its name is the event's. A request that is \
          emitted with an acknowledgement is answered there, by the object of the reply or of the error and nothing else; \
          without one the reply is an event, with the request's `id` as `ref_id`. The reply `message` is an \
          acknowledgement alone.\n\n\
          Who has not signed in with the connect packet's `auth` (`{token, protocol?, locale?, resume?, recovery?}`), \
          nor with the handshake, signs in with `postinit_req` or `auth`, within ten seconds. Until it says something of \
          the type protocol, or `protocol: \"type\"`, a client hears `message` and `server_error` alone; then it hears \
          everything under the names of the type protocol, `chat.message` instead of `message`. With `recovery: true` \
          messages have a second argument, their offset.",
    names_in: None,
    envelope,
    topics: &[
        Topic::session(SESSION),
        Topic {
            name: "chat",
            doc: "Messages as the chat's own clients know them.",
            messages: MESSAGES,
        },
        Topic::rooms(ROOMS),
        Topic::messages(TYPED_MESSAGES),
        Topic::calls(CALLS),
        Topic::people(PEOPLE),
        Topic::applications(APPLICATIONS),
        Topic {
            name: "requests",
            doc: "Refusals.",
            messages: REFUSALS,
        },
    ],
};

const fn envelope(direction: Direction) -> &'static Envelope {
    match direction {
        Direction::Request => &ASKED,
        Direction::Reply => &ANSWERED,
        Direction::Event | Direction::Notice => &TOLD,
        Direction::Error => &REFUSED,
    }
}

const ASKED: Envelope = Envelope {
    body: None,
    body_may_lack: true,
    reference: Some("/id"),
    fields: &[Field::optional(
        "id",
        Ty::text(0, Bound::Limit("reference_bytes_max")),
        "Yours to choose; the answer carries it as `ref_id`, an error as `ref`. Of no use with an acknowledgement.",
    )],
};

const ANSWERED: Envelope = Envelope {
    body: None,
    body_may_lack: false,
    reference: Some("/ref_id"),
    fields: &[Field::optional(
        "ref_id",
        Ty::TEXT,
        "The request's `id`, if it had one.",
    )],
};

const TOLD: Envelope = Envelope {
    body: None,
    body_may_lack: false,
    reference: None,
    fields: &[],
};

const REFUSED: Envelope = Envelope {
    body: None,
    body_may_lack: false,
    reference: Some("/ref"),
    fields: &[Field::optional(
        "ref",
        Ty::TEXT,
        "The request's `id`, or the number of its acknowledgement.",
    )],
};

const CODES: [&str; Code::ALL.len()] = {
    let mut names = [""; Code::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = code_name(Code::ALL[at]);
        at += 1;
    }
    names
};

const REFUSALS: &[Message] = &[Message::error(
    "server_error",
    "A request is refused, and the session lives on; or, with `reconnect`, the server closes the connection right after \
     this.",
    &Shape::of(&[
        Field::required("code", Ty::OneOf(&CODES), "The contract."),
        TEXT,
        Field::optional(
            "retry_after_ms",
            Ty::Count,
            "When to try again, in milliseconds from now.",
        ),
        Field::optional(
            "reason",
            Ty::TEXT,
            "One word: why moderation or the check of a token said no.",
        ),
        Field::optional(
            "reconnect",
            Ty::OneOf(&[
                Reconnect::Now.name(),
                Reconnect::Later.name(),
                Reconnect::Never.name(),
            ]),
            "Only before a close. `now`: at once, and resume. `later`: after a little. `never`: not with this token.",
        ),
    ]),
)];
