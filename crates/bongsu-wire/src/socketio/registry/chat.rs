//! What the chat's own clients say and hear, and what concerns the session whatever its style.

use super::super::chat::{KINDS, PLACE_BYTES_MAX};
use crate::schema::{Bound, Field, Message, Shape, Ty};
use crate::typed::registry::chat::{CLIENT_ID, MESSAGE_ID, SEQ};
use crate::typed::registry::parts::{HISTORY, ROOM_ID, WHICH_ROOM};
use crate::typed::registry::session::{
    ACCESS_TOKEN, AUTH, AUTH_OK, PONGED, RESUME_POINT, SHUTDOWN, TOKEN_EXPIRING,
};

const TOKEN: Field = Field::required("token", ACCESS_TOKEN, "A member token or another access token.");
const ROOM_TOKEN: Field = Field::required("token", Ty::Hex(48), "The room's secret address.");
const PUBLIC_TOKEN: Field = Field::required(
    "token",
    Ty::Hex(48),
    "By which others know the member; it signs nobody in.",
);
const NICK: Field = Field::required(
    "nick",
    Ty::FREE,
    "The name for people by language; in `en`, `ko` and `ja` the nickname if there is none.",
);
const AVATAR: Field = Field::required(
    "avatar",
    Ty::Object(&Shape::named(
        "Avatar",
        "Pictures, where there are any.",
        &[
            Field::optional("profile_img", Ty::TEXT, "The address of the picture."),
            Field::optional("profile_thumb", Ty::TEXT, "The address of the small picture."),
        ],
    )),
    "",
);
const REGION: Field = Field::optional("region", Ty::TEXT, "Where the member lives.");
const LANGUAGE: Field = Field::optional("language", Ty::TEXT, "The member's language.");
const GENDER: Field = Field::optional("gender", Ty::TEXT, "The member's gender.");

const PLACE: Ty = Ty::text(0, Bound::Of(PLACE_BYTES_MAX as u64));

const USER: Shape = Shape::named(
    "User",
    "Oneself.",
    &[
        PUBLIC_TOKEN,
        Field::required("user_id", Ty::Integer, "The user's number."),
        Field::required("handle", Ty::TEXT, "The user's handle."),
        Field::required("nickname", Ty::TEXT, "The user's name for people."),
        NICK,
        AVATAR,
        REGION,
        LANGUAGE,
        GENDER,
    ],
);

const SENDER: Shape = Shape::named(
    "Sender",
    "A member whose message it is.",
    &[PUBLIC_TOKEN, NICK, AVATAR, REGION, LANGUAGE, GENDER],
);

const CHAT_ROOM: Shape = Shape::named(
    "ChatRoom",
    "A room one is a member of.",
    &[
        ROOM_ID,
        Field::optional("name", Ty::TEXT, "Its name, if it has one."),
        ROOM_TOKEN,
        Field::required("seq", Ty::Count, "Its last message."),
        HISTORY,
        Field::optional(
            "recovered",
            Ty::Bool,
            "For a room that was to be resumed: `true` if all that was missed follows, `false` if nothing does.",
        ),
    ],
);

const TO: Shape = Shape::named(
    "To",
    "Whom it is for: a room by its token.",
    &[Field::required("type", Ty::OneOf(&["ROOM"]), ""), ROOM_TOKEN],
);
const TO_NAMED: Shape = Shape::named(
    "ToNamed",
    "Whom it is for: a room by its name or its number.",
    &[
        Field::required("type", Ty::OneOf(&["ROOM"]), ""),
        Field::required(
            "room",
            WHICH_ROOM,
            "The room's name, its number, or its secret address.",
        ),
    ],
);

pub(super) const SESSION: &[Message] = &[
    Message::request(
        "postinit_req",
        "Sign in, or replace the token of a live session. With `recovery`, or with a `pid` that is kept from before, the \
         server remembers how far one is.",
        &Shape::of(&[
            TOKEN,
            Field::optional("locale", Ty::TEXT, "The language of texts for people: `en` or `ko`."),
            Field::optional(
                "resume",
                Ty::Array {
                    of: &Ty::Object(&RESUME_POINT),
                    max: Bound::Limit("resume_rooms_max"),
                },
                "Rooms to go on with where one was.",
            ),
            Field::optional("recovery", Ty::Bool, "Keep the place of this session after its end."),
            Field::optional("pid", PLACE, "The place of an earlier session."),
            Field::optional("offset", PLACE, "That of the last message that came there."),
        ]),
    )
    .answered(&["postinit_res"])
    .heard(&["user.status"]),
    Message::reply(
        "postinit_res",
        "Signed in, or the token was replaced. One hears the messages of all these rooms.",
        &Shape::of(&[
            Field::required("success", Ty::Always(true), ""),
            Field::required("user", Ty::Object(&USER), ""),
            Field::required(
                "rooms",
                Ty::array(&Ty::Object(&CHAT_ROOM)),
                "The rooms one is a member of.",
            ),
            Field::required(
                "session_id",
                Ty::Matching("^session_[0-9a-f]{32}$"),
                "This session.",
            ),
            Field::required("expires_at", Ty::Moment, "When the token ends."),
            Field::optional("pid", Ty::TEXT, "The place of this session, if it asked for one."),
            Field::optional(
                "recovered",
                Ty::Bool,
                "With `pid`: whether all that was missed follows, of every room.",
            ),
        ]),
    ),
    AUTH,
    AUTH_OK,
    Message::request(
        "auth_update",
        "Replace the token of a live session. Its subject must stay the same.",
        &Shape::of(&[TOKEN]),
    )
    .answered(&["auth.ok"]),
    TOKEN_EXPIRING,
    Message::request(
        "ping",
        "Ask whether anybody is there. Not needed: below, Engine.IO asks.",
        &Shape::EMPTY,
    )
    .answered(&["pong"]),
    PONGED,
    Message::request("pong", "Say that one is there; nothing answers it.", &Shape::EMPTY),
    SHUTDOWN,
];

pub(super) const MESSAGES: &[Message] = &[
    Message::request(
        "message",
        "Write a message. With a `client_message_id` it may be sent again without being kept twice.",
        &Shape::of(&[
            Field::required("to", Ty::Either(&[Ty::Object(&TO), Ty::Object(&TO_NAMED)]), ""),
            Field::optional("type", Ty::OneOf(&KINDS), "What `content` is; `TEXT` if absent."),
            Field::required(
                "content",
                Ty::text(1, Bound::Limit("content_bytes_max")),
                "In Unicode NFC; no control characters but newline and tab.",
            ),
            Field::optional(
                "client_message_id",
                CLIENT_ID,
                "Your own name for the message: a second one with it is answered with the first's number.",
            ),
        ]),
    )
    .answered(&["message"])
    .heard(&["message", "chat.message"]),
    Message::reply(
        "message",
        "The message is kept, now or before under the same `client_message_id`. Only where an acknowledgement is awaited.",
        &Shape::of(&[MESSAGE_ID, SEQ]),
    ),
    Message::event(
        "message",
        "A message is kept, in any room that one is a member of. All members hear it in `seq` order, the sender's sessions \
         included.",
        &Shape::of(&[
            MESSAGE_ID,
            Field::required("type", Ty::OneOf(&KINDS), "What `content` is."),
            Field::required("from", Ty::Object(&SENDER), ""),
            Field::required("to", Ty::Object(&TO), ""),
            Field::required("content", Ty::TEXT, "The text, or what `type` says."),
            Field::required(
                "sent_time",
                Ty::Integer,
                "When it was kept, in milliseconds since 1970.",
            ),
            SEQ,
        ]),
    ),
];
