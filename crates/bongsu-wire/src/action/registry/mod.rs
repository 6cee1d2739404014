//! Every message of the action protocol, said in the vocabulary of [`crate::schema`].
//!
//! Invariant: it says what `decode` takes and `encode` writes. `tests/asyncapi` holds it to both.

mod calls;
mod chat;
mod parts;
mod session;

use self::calls::CALLS;
use self::chat::{MESSAGES, PEOPLE, ROOMS};
use self::parts::{CODE, REASON, RETRY, TEXT};
use self::session::SESSION;
use crate::schema::{Bound, Direction, Envelope, Field, Message, Protocol, Shape, Topic, Ty};

/// The action protocol.
pub const PROTOCOL: Protocol = Protocol {
    name: "action",
    title: "Action protocol",
    servers: &["tcp", "websocket"],
    doc: "JSON objects, one per line from the server, however they come from the client; over WebSocket one per text \
          frame. A request says its `action`; what answers it carries its `seq_id`. `CONNECT` comes first, within ten \
          seconds. In `data` a `null` counts as absent, but for `candidate`. Whole numbers have 64 bits and no quotes. \
          Receivers ignore fields that they do not know.",
    names_in: Some("action"),
    envelope,
    topics: &[
        Topic::session(SESSION),
        Topic::rooms(ROOMS),
        Topic::messages(MESSAGES),
        Topic::calls(CALLS),
        Topic::people(PEOPLE),
        Topic {
            name: "requests",
            doc: "Several requests at once, and refusals.",
            messages: REQUESTS,
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
    reference: Some("/seq_id"),
    fields: &[
        Field::optional(
            "seq_id",
            Ty::text(0, Bound::Limit("reference_bytes_max")),
            "Yours to choose; the answer carries it.",
        ),
        Field::optional("timestamp", Ty::TEXT, "When it was sent; not interpreted."),
        Field::optional(
            "user_id",
            Ty::Integer,
            "Need not be sent. If it is not your own the request is refused.",
        ),
        Field::optional(
            "compressed",
            Ty::Bool,
            "`true`: `data` is a string, the base64 of the gzip of its JSON.",
        ),
    ],
};

const SENT: Field = Field::required("timestamp", Ty::Moment, "When it was sent.");
const COMPRESSED: Field = Field::optional(
    "compressed",
    Ty::Always(true),
    "`data` is a string, the base64 of the gzip of its JSON. Only to clients that accept compression.",
);

const ANSWERED: Envelope = Envelope {
    body: Some("data"),
    body_may_lack: false,
    reference: Some("/seq_id"),
    fields: &[
        SENT,
        Field::optional("seq_id", Ty::TEXT, "The request's own, if it had one."),
        COMPRESSED,
    ],
};

const TOLD: Envelope = Envelope {
    body: Some("data"),
    body_may_lack: false,
    reference: Some("/seq_id"),
    fields: &[
        SENT,
        Field::required(
            "seq_id",
            Ty::TEXT,
            "That of the request that caused it where it answers one, else the server's own (`broadcast_…`, `status_…`, \
             `announce_…`, `error_…`).",
        ),
        COMPRESSED,
    ],
};

const REFUSED: Envelope = Envelope {
    body: Some("data"),
    body_may_lack: false,
    reference: Some("/data/original_seq_id"),
    fields: &[
        SENT,
        Field::optional(
            "seq_id",
            Ty::TEXT,
            "The server's own (`error_…`); that of the request in a `CONNECT_ERROR`.",
        ),
    ],
};

const REQUESTS: &[Message] = &[
    Message::request(
        "BATCH_MESSAGES",
        "Several requests in one. Each is answered as if it had come alone, in order.",
        &Shape::of(&[Field::required(
            "messages",
            Ty::Array {
                of: &Ty::FREE,
                max: Bound::Limit("batch_max"),
            },
            "Whole requests, with `action`, `data` and `seq_id`; no batch among them.",
        )]),
    ),
    Message::error(
        "ERROR",
        "A request is refused, and the session lives on. Only a request before `CONNECT`, a stream that cannot be read \
         and `INVALID_TOKEN` end the connection.",
        &Shape::of(&[
            CODE,
            TEXT,
            Field::required(
                "original_seq_id",
                Ty::Nullable(&Ty::TEXT),
                "The request's own `seq_id`; `null` if it had none or could not be read.",
            ),
            Field::required(
                "original_action",
                Ty::Nullable(&Ty::TEXT),
                "The request's `action`; `null` if it had none or could not be read.",
            ),
            RETRY,
            REASON,
        ]),
    ),
];
