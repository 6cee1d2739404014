//! Every message of the type protocol, said in the vocabulary of [`crate::schema`].
//!
//! Invariant: it says what `decode` takes and `encode` writes. `tests/asyncapi` holds it to both.

pub(crate) mod calls;
pub(crate) mod chat;
pub(crate) mod parts;
pub(crate) mod session;

use bongsu_model::{Code, Reconnect};

use self::calls::CALLS;
use self::chat::{APPLICATIONS, MESSAGES, PEOPLE, ROOMS};
use self::parts::TEXT;
use self::session::SESSION;
use crate::schema::{Bound, Direction, Envelope, Field, Message, Protocol, Shape, Topic, Ty};

/// The type protocol.
pub const PROTOCOL: Protocol = Protocol {
    name: "type",
    title: "Type protocol",
    servers: &["websocket"],
    doc: "One JSON object per text message. A request says its `type`, a domain and a verb; what answers it carries its `id` \
          as `ref_id`. Who has not signed in with the request to upgrade signs in with `auth`, within ten seconds. In \
          `data` a `null` counts as absent, but for `candidate`. Requests name a room by its name, its number or its \
          secret address, and a user by its handle or its number; the server names a room by its name, or by its number \
          as a string if it has none, and a user by its handle. Receivers ignore fields that they do not know.",
    names_in: Some("type"),
    envelope,
    topics: &[
        Topic::session(SESSION),
        Topic::rooms(ROOMS),
        Topic::messages(MESSAGES),
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
    body: Some("data"),
    body_may_lack: true,
    reference: Some("/id"),
    fields: &[Field::optional(
        "id",
        Ty::text(0, Bound::Limit("reference_bytes_max")),
        "Yours to choose; the answer carries it as `ref_id`.",
    )],
};

const REF_ID: Field = Field::optional("ref_id", Ty::TEXT, "The request's `id`, if it had one.");

const ANSWERED: Envelope = Envelope {
    body: Some("data"),
    body_may_lack: false,
    reference: Some("/ref_id"),
    fields: &[REF_ID],
};

const TOLD: Envelope = Envelope {
    body: Some("data"),
    body_may_lack: false,
    reference: None,
    fields: &[],
};

const REFUSED: Envelope = Envelope {
    body: None,
    body_may_lack: false,
    reference: Some("/ref_id"),
    fields: &[REF_ID],
};

const CODES: [&str; Code::ALL.len()] = {
    let mut names = [""; Code::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Code::ALL[at].lower_name();
        at += 1;
    }
    names
};

const REFUSALS: &[Message] = &[Message::error(
    "error",
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
