//! Rooms, what is written in them, and the people who are there.

use bongsu_model::event::{AnnouncementKind, Priority};
use bongsu_model::{ClientMessageId, MessageKind};

use super::parts::{HISTORY, NICKNAME, ROOM, USER};
use crate::incoming::KEY_BYTES_MAX;
use crate::schema::{Bound, Field, Message, Rule, Shape, Ty};

const MESSAGE_ID: Field = Field::required("message_id", Ty::Hex(32), "The message.");
const SEQ: Field = Field::required(
    "seq",
    Ty::Count,
    "Its number in the room: 1, 2, 3, … without a hole.",
);
const WRITTEN_BY: Field = Field::required("sender", Ty::Object(&SENDER), "");
const CONTENT: Field = Field::required("content", Ty::TEXT, "The text, or what `message_type` says.");
const KIND: Field = Field::required(
    "message_type",
    Ty::OneOf(&MessageKind::NAMES),
    "What `content` is.",
);
const METADATA: Field = Field::optional("metadata", Ty::FREE, "As the sender gave it.");
const REPLY_TO: Field = Field::optional("reply_to", Ty::Hex(32), "The message that it answers.");
const CREATED_AT: Field = Field::required("created_at", Ty::Moment, "When it was kept.");
const SENDER: Shape = Shape::named(
    "Sender",
    "Who wrote a message.",
    &[
        USER,
        NICKNAME,
        Field::optional("profile_img", Ty::TEXT, "The address of a picture."),
    ],
);
const MESSAGE: Shape = Shape::named(
    "Message",
    "A message that is kept.",
    &[
        MESSAGE_ID, ROOM, SEQ, WRITTEN_BY, CONTENT, KIND, METADATA, REPLY_TO, CREATED_AT,
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
const MEMBERS: Field = Field::required("participants_count", Ty::Count, "Members now.");
const OF_ROOM: Shape = Shape::of(&[ROOM]);
const OF_USER: Shape = Shape::of(&[USER]);
const MEMBERSHIP: Shape = Shape::of(&[ROOM, USER, NICKNAME, MEMBERS]);

const APPLICATION_TYPE: Ty = Ty::Matching(r"^[a-z0-9_-]+\.[a-z0-9_.-]+$");
const APPLICATION_KEY: Ty = Ty::text(1, Bound::Of(KEY_BYTES_MAX as u64));

const REPEATED: Shape = Shape::of(&[
    MESSAGE_ID,
    ROOM,
    SEQ,
    WRITTEN_BY,
    CONTENT,
    KIND,
    METADATA,
    REPLY_TO,
    Field::required(
        "client_message_id",
        Ty::text(1, Bound::Of(ClientMessageId::BYTES_MAX as u64)),
        "The client's own name for the message.",
    ),
    CREATED_AT,
]);

pub(super) const ROOMS: &[Message] = &[
    Message::request(
        "JOIN_ROOM",
        "Become a member of a room.",
        &Shape::of(&[
            ROOM,
            Field::optional(
                "after_seq",
                Ty::Count,
                "Send the messages after this one before anything live.",
            ),
        ]),
    )
    .answered(&["JOIN_ROOM_SUCCESS"])
    .heard(&["USER_JOINED"]),
    Message::reply(
        "JOIN_ROOM_SUCCESS",
        "One is a member.",
        &Shape::of(&[
            ROOM,
            MEMBERS,
            Field::required(
                "online_participants",
                Ty::array(&Ty::Object(&Shape::named(
                    "OnlineMember",
                    "A member who is there.",
                    &[
                        USER,
                        NICKNAME,
                        Field::required("is_online", Ty::Always(true), "Always."),
                    ],
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
    Message::event("USER_JOINED", "Someone became a member.", &MEMBERSHIP),
    Message::request("LEAVE_ROOM", "Be no member any more.", &OF_ROOM)
        .answered(&["LEAVE_ROOM_SUCCESS"])
        .heard(&["USER_LEFT"]),
    Message::reply("LEAVE_ROOM_SUCCESS", "One is no member any more.", &OF_ROOM),
    Message::event(
        "USER_LEFT",
        "Someone is no member any more. The leaver hears it, too.",
        &MEMBERSHIP,
    ),
];

pub(super) const MESSAGES: &[Message] = &[
    Message::request(
        "SEND_MESSAGE",
        "Write a message. With a `client_message_id` it may be sent again without being kept twice.",
        &Shape::of(&[
            ROOM,
            Field::required(
                "content",
                Ty::text(1, Bound::Limit("content_bytes_max")),
                "In Unicode NFC; no control characters but newline and tab.",
            ),
            KIND,
            Field::optional(
                "client_message_id",
                Ty::text(1, Bound::Of(ClientMessageId::BYTES_MAX as u64)),
                "Your own name for the message: a second one with it is answered with the first.",
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
    .answered(&["NEW_MESSAGE"])
    .heard(&["NEW_MESSAGE"]),
    Message::event(
        "NEW_MESSAGE",
        "A message is kept. All members hear it in `seq` order; with one's own `seq_id` it is the answer.",
        &MESSAGE,
    ),
    Message::reply(
        "NEW_MESSAGE",
        "The message was kept before under the same `client_message_id`; this is the one. Nobody else hears it.",
        &REPEATED,
    ),
    Message::request(
        "TYPING",
        "Say that one types, or stopped typing.",
        &Shape::of(&[ROOM, Field::required("is_typing", Ty::Bool, "Whether one types.")]),
    )
    .heard(&["TYPING"]),
    Message::event(
        "TYPING",
        "Someone types, or stopped typing.",
        &Shape::of(&[
            ROOM,
            USER,
            Field::required("is_typing", Ty::Bool, "Whether the user types."),
        ]),
    ),
    Message::request(
        "MARK_READ",
        "Say how far one has read.",
        &Shape::of(&[ROOM, Field::required("seq", Ty::Count, "The last message read.")]),
    )
    .answered(&["MARK_READ_SUCCESS"])
    .heard(&["MESSAGE_READ"]),
    Message::reply(
        "MARK_READ_SUCCESS",
        "The mark is kept.",
        &Shape::of(&[ROOM, Field::required("seq", Ty::Count, "Where the mark is.")]),
    ),
    Message::event(
        "MESSAGE_READ",
        "Someone has read up to a message.",
        &Shape::of(&[
            ROOM,
            USER,
            Field::required("seq", Ty::Count, "The last message read."),
        ]),
    ),
    Message::request(
        "SEND_EVENT",
        "Tell the room's members who are there what only your application understands. It is kept nowhere.",
        &Shape::of(&[
            ROOM,
            Field::required(
                "type",
                APPLICATION_TYPE,
                "Its name, `domain.rest`, of 64 bytes at most, in a domain that is open to applications.",
            ),
            Field::optional(
                "key",
                APPLICATION_KEY,
                "Of one sender, type and key only the latest waits for a slow receiver.",
            ),
            Field::required(
                "data",
                Ty::Free {
                    max: Bound::Limit("application_event_bytes_max"),
                },
                "Anything of your own. The keys `room`, `key` and `user_id` are left out.",
            ),
        ]),
    )
    .heard(&["NEW_EVENT"]),
    Message::event(
        "NEW_EVENT",
        "A member's application says something. The sender hears it, too.",
        &Shape::of(&[
            ROOM,
            Field::required("type", APPLICATION_TYPE, "Its name."),
            USER,
            NICKNAME,
            Field::optional("key", APPLICATION_KEY, "What it replaces while it waits."),
            Field::required("data", Ty::FREE, "As the sender gave it."),
        ]),
    ),
    Message::request(
        "GET_MESSAGES",
        "Read a page of history: after a message, before one, or the latest.",
        &Shape::of(&[
            ROOM,
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
    .answered(&["BATCH_MESSAGES"]),
    Message::reply("BATCH_MESSAGES", "A page of history.", &PAGE),
    Message::notice(
        "BATCH_MESSAGES",
        "What one has missed of a room, before anything live of it.",
        &PAGE,
    ),
];

pub(super) const PEOPLE: &[Message] = &[
    Message::request("BLOCK_USER", "Hear nothing of a user any more.", &OF_USER)
        .answered(&["BLOCK_USER_SUCCESS"]),
    Message::reply("BLOCK_USER_SUCCESS", "The user is blocked.", &OF_USER),
    Message::request("UNBLOCK_USER", "Hear a user again.", &OF_USER).answered(&["UNBLOCK_USER_SUCCESS"]),
    Message::reply(
        "UNBLOCK_USER_SUCCESS",
        "The user is not blocked any more.",
        &OF_USER,
    ),
    Message::event(
        "USER_STATUS_CHANGED",
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
        "SERVER_ANNOUNCEMENT",
        "An operator speaks to everyone.",
        &Shape::of(&[
            Field::required("title", Ty::TEXT, "A headline."),
            Field::required("message", Ty::TEXT, "A text, as the operator wrote it."),
            Field::required("type", Ty::OneOf(&AnnouncementKind::NAMES), "What it is about."),
            Field::required("priority", Ty::OneOf(&Priority::NAMES), "How urgent it is."),
        ]),
    ),
];
