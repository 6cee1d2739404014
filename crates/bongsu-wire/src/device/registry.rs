//! Every message of the device protocol in JSON, said in the vocabulary of [`crate::schema`].
//!
//! Invariant: it says what `device/json` takes and writes. `tests/asyncapi` holds it to the vectors of both.

use bongsu_model::device::{DeviceId, Status};
use bongsu_model::{Code, Reconnect};

use crate::schema::{Bound, Direction, Envelope, Field, Message, Protocol, Shape, Topic, Ty};

/// Devices on WebSocket, in JSON.
pub const PROTOCOL: Protocol = Protocol {
    name: "device",
    title: "Devices (WebSocket)",
    servers: &["device"],
    doc: "A device keeps one connection, takes commands, and says how it is. The first message is its `hello`, within ten \
          seconds; the answer is `welcome`, or `closing`. A command and a word on one have no `type`: `command` and `word` are \
          what they are called here. All that is said in a session carries its `epoch`.\n\n\
          A device does each command at most once, and never one that is late: how is in `docs/protocols/device.md`. The same \
          frames in Protobuf, over WebSocket and gRPC, are in `proto/bongsu/v1/device.proto`.",
    names_in: None,
    envelope: |_: Direction| &BARE,
    topics: &[
        Topic {
            name: "session",
            doc: "Coming, staying, and the end.",
            messages: SESSION,
        },
        Topic {
            name: "commands",
            doc: "Commands, and what a device says of them.",
            messages: COMMANDS,
        },
        Topic {
            name: "state",
            doc: "What a device measures, how it is and how it should be.",
            messages: STATE,
        },
    ],
};

const BARE: Envelope = Envelope {
    body: None,
    body_may_lack: false,
    reference: None,
    fields: &[],
};

const fn kind(names: &'static [&'static str]) -> Field {
    Field::required("type", Ty::OneOf(names), "")
}

const NAME: Ty = Ty::text(1, Bound::Limit("name_bytes_max"));
const ID: Ty = Ty::Hex(32);
const EPOCH: Field = Field::required("epoch", Ty::Count, "The session's.");
const EPOCH_IF_ANY: Field = Field::optional("epoch", Ty::Count, "The session's, if there is one.");
const CLOCK: Field = Field::optional(
    "clock",
    Ty::Integer,
    "What the device's own clock shows, in milliseconds.",
);
const SERVER_TIME: Field = Field::required(
    "server_time",
    Ty::Integer,
    "The gateway's time, in milliseconds since 1970.",
);
const EXPIRES_AT: Field = Field::required("expires_at", Ty::Integer, "When, in milliseconds since 1970.");
const MESSAGE: Field = Field::required("message", Ty::TEXT, "For people.");
const REASON: Field = Field::optional("reason", Ty::TEXT, "One word more than the code.");
const RETRY: Field = Field::optional(
    "retry_after_ms",
    Ty::Count,
    "When to try again, in milliseconds from now.",
);
const TOKEN: Ty = Ty::text(1, Bound::Limit("token_bytes_max"));

const CODES: [&str; Code::ALL.len()] = {
    let mut names = [""; Code::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Code::ALL[at].name();
        at += 1;
    }
    names
};
const CODE: Field = Field::required("code", Ty::OneOf(&CODES), "The contract.");

const SESSION: &[Message] = &[
    Message::request(
        "hello",
        "Say who one is: the first that a device says, and once.",
        &Shape::of(&[
            kind(&["hello"]),
            Field::required(
                "device_id",
                Ty::text(1, Bound::Of(DeviceId::BYTES_MAX as u64)),
                "The device: of `A-Z a-z 0-9 . _ : -`.",
            ),
            Field::optional("kind", NAME, "What it is: `vehicle`."),
            Field::optional("version", NAME, "Its software's version."),
            Field::optional(
                "capabilities",
                Ty::Array {
                    of: &NAME,
                    max: Bound::Limit("device_capabilities_max"),
                },
                "What it can do.",
            ),
            Field::optional("reported", Ty::FREE, "How it is, whole."),
            Field::optional(
                "reported_version",
                Ty::Count,
                "The desired version that it has taken in.",
            ),
            Field::optional(
                "running",
                Ty::Array {
                    of: &ID,
                    max: Bound::Limit("device_running_max"),
                },
                "The commands that it has taken and not ended.",
            ),
            CLOCK,
            Field::optional("token", TOKEN, "An access token or an enrolment token."),
        ]),
    )
    .answered(&["welcome"]),
    Message::reply(
        "welcome",
        "The session has begun.",
        &Shape::of(&[
            kind(&["welcome"]),
            Field::required(
                "session_id",
                Ty::Matching("^session_[0-9a-f]{32}$"),
                "The session.",
            ),
            Field::required(
                "heartbeat_ms",
                Ty::Count,
                "How often to send a heartbeat, in milliseconds.",
            ),
            SERVER_TIME,
            CLOCK,
            Field::optional(
                "delta",
                Ty::Object(&DELTA),
                "What should be and is not, if anything.",
            ),
            EPOCH,
        ]),
    ),
    Message::request(
        "heartbeat",
        "Say that one is there, every `heartbeat_ms`.",
        &Shape::of(&[kind(&["heartbeat"]), CLOCK]),
    )
    .answered(&["heartbeat"]),
    Message::reply(
        "heartbeat",
        "The answer.",
        &Shape::of(&[kind(&["heartbeat"]), SERVER_TIME, CLOCK, EPOCH]),
    ),
    Message::notice(
        "token_expiring",
        "The token ends soon.",
        &Shape::of(&[kind(&["token_expiring"]), EXPIRES_AT, EPOCH]),
    ),
    Message::request(
        "auth_update",
        "Replace the token. Its device must stay the same.",
        &Shape::of(&[
            kind(&["auth_update"]),
            Field::required("token", TOKEN, "The new one."),
        ]),
    )
    .answered(&["auth_updated"]),
    Message::reply(
        "auth_updated",
        "The new token is in force.",
        &Shape::of(&[kind(&["auth_updated"]), EXPIRES_AT, EPOCH]),
    ),
    Message::error(
        "error",
        "A message was not understood or not allowed; the session goes on.",
        &Shape::of(&[
            kind(&["error"]),
            CODE,
            MESSAGE,
            Field::optional("field", Ty::TEXT, "The field that is missing or wrong."),
            REASON,
            RETRY,
            EPOCH_IF_ANY,
        ]),
    ),
    Message::notice(
        "closing",
        "The session ends; the close frame follows.",
        &Shape::of(&[
            kind(&["closing"]),
            Field::required(
                "close_code",
                Ty::Between {
                    min: 1_000,
                    max: Bound::Of(4_999),
                },
                "What the WebSocket is closed with.",
            ),
            CODE,
            MESSAGE,
            Field::required(
                "reconnect",
                Ty::OneOf(&[
                    Reconnect::Now.name(),
                    Reconnect::Later.name(),
                    Reconnect::Never.name(),
                ]),
                "What to do next.",
            ),
            REASON,
            RETRY,
            EPOCH_IF_ANY,
        ]),
    ),
];

const COMMANDS: &[Message] = &[
    Message::notice(
        "command",
        "Do this. To be answered with `word`.",
        &Shape::of(&[
            Field::required("msg_id", ID, "The command; the same in every repeat."),
            Field::required("cmd", Ty::TEXT, "What to do."),
            Field::required("args", Ty::FREE, "With what."),
            Field::required(
                "ttl_ms",
                Ty::Count,
                "How long after `issued_at` it may still be started, in milliseconds.",
            ),
            Field::required(
                "issued_at",
                Ty::Integer,
                "When it was accepted, in milliseconds since 1970 by the gateway's clock.",
            ),
            Field::optional(
                "attempt",
                Ty::Count,
                "How many times it was sent before, if it was.",
            ),
            EPOCH,
        ]),
    ),
    Message::request(
        "word",
        "Say how a command is doing, or how it ended.",
        &Shape::of(&[
            Field::required("reply_to", ID, "The command's `msg_id`."),
            Field::required("status", Ty::OneOf(Status::NAMES), ""),
            Field::optional("result", Ty::Anything, "With `ok`: any JSON."),
            Field::optional(
                "error",
                Ty::Anything,
                "With `failed` and `rejected`: any JSON; `expired` if it was late.",
            ),
            EPOCH_IF_ANY,
        ]),
    ),
];

const STATE: &[Message] = &[
    Message::request(
        "telemetry",
        "Say what one measures. The latest value of each key is kept.",
        &Shape::of(&[
            kind(&["telemetry"]),
            Field::required("data", Ty::FREE, "Values by their names, at most 256."),
        ]),
    ),
    Message::request(
        "state.reported",
        "Say what of one's state has changed.",
        &Shape::of(&[
            kind(&["state.reported"]),
            Field::optional("version", Ty::Count, "The desired version that it has taken in."),
            Field::required(
                "state",
                Ty::FREE,
                "The keys that changed, `null` for those that are gone.",
            ),
        ]),
    ),
    Message::notice(
        "state.delta",
        "Become this, where it differs from how one is.",
        &Shape::of(&[
            kind(&["state.delta"]),
            Field::required(
                "version",
                Ty::Count,
                "What has a lower one than the last is dropped.",
            ),
            Field::required(
                "state",
                Ty::FREE,
                "The difference, `null` for what should not be.",
            ),
            EPOCH,
        ]),
    ),
];

const DELTA: Shape = Shape::named(
    "Delta",
    "What should be and is not.",
    &[
        Field::required("version", Ty::Count, "Of the desired state."),
        Field::required(
            "state",
            Ty::FREE,
            "The difference, `null` for what should not be.",
        ),
    ],
);
