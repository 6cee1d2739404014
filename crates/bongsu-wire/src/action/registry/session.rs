//! Signing in, staying signed in, and the end.

use bongsu_model::Reconnect;

use super::parts::{CODE, HISTORY, REASON, RETRY, ROOM, TEXT};
use crate::schema::{Bound, Field, Message, Shape, Ty};

const TOKEN: Field = Field::required(
    "jwt_token",
    Ty::text(1, Bound::Limit("token_bytes_max")),
    "An access token.",
);
const EXPIRY: Shape = Shape::of(&[Field::required("expires_at", Ty::Moment, "When the token ends.")]);

const RESUME_POINT: Shape = Shape::named(
    "ResumePoint",
    "How far a client has followed a room.",
    &[
        ROOM,
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
        Field::required(
            "name",
            Ty::Nullable(&Ty::TEXT),
            "Its unique name; `null` if it has none.",
        ),
        Field::required("seq", Ty::Count, "Its last message."),
        HISTORY,
        Field::optional(
            "recovered",
            Ty::Bool,
            "For a room that was to be resumed: `true` if all that was missed follows, `false` if nothing does.",
        ),
    ],
);

pub(super) const SESSION: &[Message] = &[
    Message::request(
        "CONNECT",
        "Sign in. The first request of a connection; on a live session it replaces the token.",
        &Shape::of(&[
            TOKEN,
            Field::optional(
                "locale",
                Ty::TEXT,
                "The language of texts for people: `en` or `ko`.",
            ),
            Field::optional(
                "accept_compression",
                Ty::Bool,
                "Large `data` may come compressed.",
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
    .answered(&["CONNECT_SUCCESS", "REFRESH_TOKEN_SUCCESS", "CONNECT_ERROR"])
    .heard(&["USER_STATUS_CHANGED"]),
    Message::reply(
        "CONNECT_SUCCESS",
        "Signed in. From now on one hears the events of all these rooms.",
        &Shape::of(&[
            Field::required("user_id", Ty::Integer, "Who the token says one is."),
            Field::required(
                "session_id",
                Ty::Matching("^session_[0-9a-f]{32}$"),
                "This session.",
            ),
            Field::required("server_time", Ty::Moment, "The server's clock."),
            Field::required(
                "rooms",
                Ty::array(&Ty::Object(&STANDING)),
                "The rooms one is a member of.",
            ),
            Field::required(
                "ping_interval_ms",
                Ty::Count,
                "How often to send `PING`, in milliseconds.",
            ),
        ]),
    ),
    Message::error(
        "CONNECT_ERROR",
        "Not signed in. The connection is closed.",
        &Shape::of(&[CODE, TEXT, RETRY, REASON]),
    ),
    Message::request(
        "REFRESH_TOKEN",
        "Replace the token of a live session. Its subject must stay the same.",
        &Shape::of(&[TOKEN]),
    )
    .answered(&["REFRESH_TOKEN_SUCCESS"]),
    Message::reply("REFRESH_TOKEN_SUCCESS", "The token was replaced.", &EXPIRY),
    Message::notice(
        "TOKEN_EXPIRING",
        "The token ends soon: send a new one with `REFRESH_TOKEN`.",
        &EXPIRY,
    ),
    Message::request(
        "PING",
        "Say that one is there. Due every `ping_interval_ms`.",
        &Shape::EMPTY,
    )
    .answered(&["PONG"]),
    Message::reply(
        "PONG",
        "Somebody is there. May overtake other answers.",
        &Shape::of(&[Field::required("server_time", Ty::Moment, "The server's clock.")]),
    ),
    Message::notice(
        "SERVER_SHUTDOWN",
        "The server is about to stop. All that was acknowledged is kept.",
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
            Field::required("resume", Ty::Always(true), "One may resume."),
        ]),
    ),
    Message::notice(
        "SESSION_CLOSED",
        "The server closes the connection right after this.",
        &Shape::of(&[
            CODE,
            TEXT,
            Field::required(
                "reconnect",
                Ty::OneOf(&[
                    Reconnect::Now.name(),
                    Reconnect::Later.name(),
                    Reconnect::Never.name(),
                ]),
                "`now`: at once, and resume. `later`: after a little. `never`: not with this token.",
            ),
        ]),
    ),
];
