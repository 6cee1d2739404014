//! Signing in, staying signed in, and the end.

use super::parts::{ASKED_ROOM, HISTORY, ROOM, ROOM_ID, TEXT, USER, USERNAME};
use crate::schema::{Bound, Field, Message, Shape, Ty};

pub(crate) const ACCESS_TOKEN: Ty = Ty::text(1, Bound::Limit("token_bytes_max"));
const SERVER_TIME: Field = Field::required("server_time", Ty::Moment, "The server's clock.");
const EXPIRES_AT: Field = Field::required("expires_at", Ty::Moment, "When the token ends.");

pub(crate) const RESUME_POINT: Shape = Shape::named(
    "ResumePoint",
    "How far a client has followed a room.",
    &[
        ASKED_ROOM,
        Field::required("seq", Ty::Count, "The last message it has."),
        Field::required(
            "epoch",
            Ty::TEXT,
            "The `epoch` that came with it. If it is not the room's own nothing is recovered.",
        ),
    ],
);

const STANDING: Shape = Shape::named(
    "RoomStanding",
    "A room one is a member of.",
    &[
        ROOM,
        ROOM_ID,
        Field::required("seq", Ty::Count, "Its last message."),
        HISTORY,
        Field::optional(
            "recovered",
            Ty::Bool,
            "For a room that was to be resumed: `true` if all that was missed follows, `false` if nothing does.",
        ),
    ],
);

/// Signs in.
pub(crate) const AUTH: Message = Message::request(
    "auth",
    "Sign in: the first request of a connection whose request to upgrade brought no token.",
    &Shape::of(&[
        Field::required("token", ACCESS_TOKEN, "An access token."),
        Field::optional(
            "locale",
            Ty::TEXT,
            "The language of texts for people: `en` or `ko`.",
        ),
        Field::optional(
            "resume",
            Ty::Array {
                of: &Ty::Object(&RESUME_POINT),
                max: Bound::Limit("resume_rooms_max"),
            },
            "Rooms to go on with where one was.",
        ),
    ]),
)
.answered(&["auth.ok"])
.heard(&["user.status"]);

/// The answer to it.
pub(crate) const AUTH_OK: Message = Message::reply(
    "auth.ok",
    "Signed in, or the token was replaced. One hears the events of all these rooms.",
    &Shape::of(&[
        USER,
        USERNAME,
        Field::required(
            "session_id",
            Ty::Matching("^session_[0-9a-f]{32}$"),
            "This session.",
        ),
        SERVER_TIME,
        Field::required(
            "rooms",
            Ty::array(&Ty::Object(&STANDING)),
            "The rooms one is a member of.",
        ),
        Field::required(
            "ping_interval_ms",
            Ty::Count,
            "How often to send `ping`, in milliseconds.",
        ),
        EXPIRES_AT,
    ]),
);

/// The token ends soon.
pub(crate) const TOKEN_EXPIRING: Message = Message::notice(
    "system.token_expiring",
    "The token ends soon: send a new one with `auth_update`.",
    &Shape::of(&[EXPIRES_AT]),
);

/// Somebody is there.
pub(crate) const PONGED: Message = Message::reply(
    "pong",
    "Somebody is there. May overtake other answers.",
    &Shape::of(&[SERVER_TIME]),
);

/// The server stops.
pub(crate) const SHUTDOWN: Message = Message::notice(
    "system.shutdown",
    "The server is about to stop. All that was acknowledged is kept: reconnect and resume.",
    &Shape::of(&[
        TEXT,
        Field::required(
            "reconnect_after_ms",
            Ty::Count,
            "When to reconnect, in milliseconds; differs between sessions on purpose.",
        ),
        Field::optional(
            "address",
            Ty::TEXT,
            "Where: scheme, host and port of another node that takes clients; absent: as before.",
        ),
    ]),
);

pub(super) const SESSION: &[Message] = &[
    AUTH,
    AUTH_OK,
    Message::request(
        "auth_update",
        "Replace the token of a live session. Its subject must stay the same. The token stands in `data` or beside it, \
         not in both.",
        &Shape::of(&[Field::optional("token", ACCESS_TOKEN, "An access token.")]),
    )
    .beside(&[Field::optional("token", ACCESS_TOKEN, "An access token, if `data` has none.")])
    .answered(&["auth.ok"]),
    TOKEN_EXPIRING,
    Message::request(
        "ping",
        "Say that one is there. Due every `ping_interval_ms` by who says nothing else.",
        &Shape::EMPTY,
    )
    .answered(&["pong"]),
    PONGED,
    Message::notice(
        "ping",
        "The server asks whether one is there: answer with `pong`, or with the pong of the WebSocket.",
        &Shape::EMPTY,
    ),
    Message::request("pong", "The answer to the server's `ping`.", &Shape::EMPTY),
    SHUTDOWN,
];
