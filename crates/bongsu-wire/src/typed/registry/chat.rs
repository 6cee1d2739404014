//! Rooms, what is written in them, the people who are there, and what their applications tell each other.

use bongsu_model::event::{AnnouncementKind, Priority};
use bongsu_model::{ClientMessageId, MessageKind};

use super::parts::{ASKED_ROOM, HISTORY, ROOM, ROOM_ID, USER, USERNAME, WHICH_USER};
use crate::incoming::KEY_BYTES_MAX;
use crate::schema::{Bound, Field, Message, Rule, Shape, Ty};

const MEMBERS: Field = Field::required("participants_count", Ty::Count, "Members now.");
pub(crate) const MESSAGE_ID: Field = Field::required("message_id", Ty::Hex(32), "The message.");
pub(crate) const SEQ: Field = Field::required(
    "seq",
    Ty::Count,
    "Its number in the room: 1, 2, 3, … without a hole.",
);
const TS: Field = Field::required("ts", Ty::Moment, "When it was kept.");
const REPLY_TO: Field = Field::optional("reply_to", Ty::Hex(32), "The message that it answers.");
pub(crate) const CLIENT_ID: Ty = Ty::text(1, Bound::Of(ClientMessageId::BYTES_MAX as u64));
const KEY: Ty = Ty::text(1, Bound::Of(KEY_BYTES_MAX as u64));

const MESSAGE: Shape = Shape::named(
    "Message",
    "A message that is kept.",
    &[
        ROOM,
        Field::required("text", Ty::TEXT, "The text, or what `message_type` says."),
        TS,
        SEQ,
        MESSAGE_ID,
        USER,
        USERNAME,
        Field::optional("profile_img", Ty::TEXT, "The address of the sender's picture."),
        Field::required("message_type", Ty::OneOf(&MessageKind::NAMES), "What `text` is."),
        Field::optional("metadata", Ty::FREE, "As the sender gave it."),
        REPLY_TO,
    ],
);
const PAGE: Shape = Shape::named(
    "Page",
    "Messages of one room, in order.",
    &[
        ROOM,
        Field::required("messages", Ty::array(&Ty::Object(&MESSAGE)), "By rising `seq`."),
        Field::required("has_more", Ty::Bool, "There are more beyond these."),
        Field::required("epoch", Ty::Hex(16), "The history that they belong to."),
    ],
);
const ASKED_OF_ROOM: Shape = Shape::of(&[ASKED_ROOM]);
const OF_USER: Shape = Shape::of(&[USER]);
const ASKED_OF_USER: Shape = Shape::of(&[Field::required(
    "user_id",
    WHICH_USER,
    "The user: its handle or its number.",
)]);
const MEMBERSHIP: Shape = Shape::of(&[ROOM, USER, USERNAME, MEMBERS]);

pub(crate) const ROOMS: &[Message] = &[
    Message::request(
        "room.join",
        "Become a member of a room. A name that no room has makes one, where the server allows that.",
        &Shape::of(&[
            ASKED_ROOM,
            Field::optional(
                "after_seq",
                Ty::Count,
                "Send the messages after this one before anything live.",
            ),
        ]),
    )
    .answered(&["room.joined"])
    .heard(&["user.joined"]),
    Message::reply(
        "room.joined",
        "One is a member.",
        &Shape::of(&[
            ROOM,
            ROOM_ID,
            MEMBERS,
            Field::required(
                "online",
                Ty::array(&Ty::Object(&Shape::named(
                    "OnlineMember",
                    "A member who is there.",
                    &[USER, USERNAME],
                ))),
                "Members with a live session.",
            ),
            Field::required("seq", Ty::Count, "The room's last message."),
            HISTORY,
            Field::optional(
                "recovered",
                Ty::Bool,
                "Only if `after_seq` was given: whether all that came after it follows. If not, nothing does.",
            ),
        ]),
    ),
    Message::event(
        "user.joined",
        "Someone became a member: once per user, not per session.",
        &MEMBERSHIP,
    ),
    Message::request("room.leave", "Be no member any more.", &ASKED_OF_ROOM)
        .answered(&["room.left"])
        .heard(&["user.left"]),
    Message::reply("room.left", "One is no member any more.", &Shape::of(&[ROOM])),
    Message::event(
        "user.left",
        "Someone is no member any more. The leaver hears it, too.",
        &MEMBERSHIP,
    ),
];

pub(crate) const MESSAGES: &[Message] = &[
    Message::request(
        "chat.message",
        "Write a message. With a `client_message_id` it may be sent again without being kept twice.",
        &Shape::of(&[
            ASKED_ROOM,
            Field::required(
                "text",
                Ty::text(1, Bound::Limit("content_bytes_max")),
                "In Unicode NFC; no control characters but newline and tab.",
            ),
            Field::optional(
                "message_type",
                Ty::OneOf(&MessageKind::NAMES),
                "What `text` is; `text` if absent.",
            ),
            Field::optional(
                "client_message_id",
                CLIENT_ID,
                "Your own name for the message: a second one with it is answered with the first's `chat.ack`.",
            ),
            REPLY_TO,
            Field::optional(
                "metadata",
                Ty::Free {
                    max: Bound::Limit("metadata_bytes_max"),
                },
                "Anything of your own; carried as it is.",
            ),
        ]),
    )
    .answered(&["chat.ack"])
    .heard(&["chat.message"]),
    Message::reply(
        "chat.ack",
        "The message is kept, now or before under the same `client_message_id`.",
        &Shape::of(&[
            ROOM,
            SEQ,
            MESSAGE_ID,
            TS,
            Field::optional("client_message_id", CLIENT_ID, "As it was given."),
        ]),
    ),
    Message::event(
        "chat.message",
        "A message is kept. All members hear it in `seq` order, the sender's sessions included.",
        &MESSAGE,
    ),
    Message::request(
        "chat.typing",
        "Say that one types, or stopped typing.",
        &Shape::of(&[
            ASKED_ROOM,
            Field::optional("is_typing", Ty::Bool, "Whether one types; `true` if absent."),
        ]),
    )
    .heard(&["chat.typing"]),
    Message::event(
        "chat.typing",
        "Someone types, or stopped typing.",
        &Shape::of(&[
            ROOM,
            USER,
            USERNAME,
            Field::required("is_typing", Ty::Bool, "Whether the user types."),
        ]),
    ),
    Message::request(
        "chat.read",
        "Say how far one has read.",
        &Shape::of(&[
            ASKED_ROOM,
            Field::required("seq", Ty::Count, "The last message read."),
        ]),
    )
    .answered(&["chat.read.ok"])
    .heard(&["chat.read"]),
    Message::reply(
        "chat.read.ok",
        "The mark is kept.",
        &Shape::of(&[ROOM, Field::required("seq", Ty::Count, "Where the mark is.")]),
    ),
    Message::event(
        "chat.read",
        "Someone has read up to a message.",
        &Shape::of(&[
            ROOM,
            USER,
            Field::required("seq", Ty::Count, "The last message read."),
        ]),
    ),
    Message::request(
        "room.history",
        "Read a page of history: after a message, before one, or the latest.",
        &Shape::of(&[
            ASKED_ROOM,
            Field::optional("after_seq", Ty::Count, "The messages after this one."),
            Field::optional("before_seq", Ty::Count, "The messages before this one."),
            Field::optional(
                "limit",
                Ty::Between {
                    min: 1,
                    max: Bound::Limit("history_page_max"),
                },
                "How many at most; as many as are allowed if absent.",
            ),
        ])
        .ruled(&[Rule::OneAtMost(&["after_seq", "before_seq"])]),
    )
    .answered(&["room.messages"]),
    Message::reply("room.messages", "A page of history.", &PAGE),
    Message::notice(
        "room.messages",
        "What one has missed of a room, before anything live of it.",
        &PAGE,
    ),
];

pub(crate) const PEOPLE: &[Message] = &[
    Message::request("user.block", "Hear nothing of a user any more.", &ASKED_OF_USER)
        .answered(&["user.block.ok"]),
    Message::reply("user.block.ok", "The user is blocked.", &OF_USER),
    Message::request("user.unblock", "Hear a user again.", &ASKED_OF_USER).answered(&["user.unblock.ok"]),
    Message::reply("user.unblock.ok", "The user is not blocked any more.", &OF_USER),
    Message::event(
        "user.status",
        "Someone with whom one shares a room came online or went offline.",
        &Shape::of(&[
            USER,
            Field::required("is_online", Ty::Bool, "Whether the user has a live session."),
            Field::required(
                "last_seen",
                Ty::Moment,
                "When the last session ended; now, while there is one.",
            ),
        ]),
    ),
    Message::event(
        "system.announcement",
        "An operator speaks to everyone.",
        &Shape::of(&[
            Field::required("title", Ty::TEXT, "A headline."),
            Field::required("message", Ty::TEXT, "A text, as the operator wrote it."),
            Field::required("type", Ty::OneOf(&AnnouncementKind::NAMES), "What it is about."),
            Field::required("priority", Ty::OneOf(&Priority::NAMES), "How urgent it is."),
        ]),
    ),
];

/// What people call the types of applications, and how they are spelled.
const APPLICATION: &str = "application event";
const APPLICATION_TYPE: &str = r"^[a-z0-9_-]+\.[a-z0-9_.-]+$";

pub(crate) const APPLICATIONS: &[Message] = &[
    Message::request(
        APPLICATION,
        "Tell the room's members who are there what only your application understands. Any type of 64 bytes at most, \
         `domain.rest`, in a domain that is open to applications (`game` and `app` if the server was told nothing). \
         `data` has 8 KiB at most (`application_event_bytes_max`); it is kept nowhere.",
        &Shape::of(&[
            ASKED_ROOM,
            Field::optional(
                "key",
                KEY,
                "Of one sender, type and key only the latest waits for a slow receiver.",
            ),
            Field::optional(
                "user_id",
                WHICH_USER,
                "Need not be sent. If it is not your own the request is refused.",
            ),
        ])
        .open(),
    )
    .spelled(APPLICATION_TYPE)
    .heard(&[APPLICATION]),
    Message::event(
        APPLICATION,
        "A member's application says something; the same type, and `data` as the sender gave it. The sender hears it, \
         too.",
        &Shape::of(&[
            ROOM,
            Field::optional("key", KEY, "What it replaces while it waits."),
            USER,
        ])
        .open(),
    )
    .spelled(APPLICATION_TYPE),
];
