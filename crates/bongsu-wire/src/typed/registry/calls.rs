//! Video rooms, and the signalling between their participants. The names of fields are the action protocol's.

use bongsu_model::media::{EndReason, LeaveReason};

use super::parts::{ROOM, USER, WHICH_ROOM, WHICH_USER};
use crate::schema::{Bound, Field, Message, Rule, Shape, Ty};

const PRESENT: Field = Field::required("participants_count", Ty::Count, "Participants now.");
const CALL: Field = Field::required("video_room_id", Ty::Integer, "The video room.");
const ROOM_ID: Field = Field::required("chatroom_id", Ty::Integer, "The room's number.");
const NICKNAME: Field = Field::required("nickname", Ty::TEXT, "The user's name for people.");
const MEDIA: Field = Field::required("media_status", Ty::Object(&MEDIA_STATUS), "What one sends.");
const MEDIA_STATUS: Shape = Shape::named(
    "MediaStatus",
    "Which of its media a participant sends.",
    &[
        Field::required("audio_enabled", Ty::Bool, "The microphone is on."),
        Field::required("video_enabled", Ty::Bool, "The camera is on."),
        Field::optional("screen_sharing", Ty::Bool, "The screen is shared."),
    ],
);
const OF_CALL: Shape = Shape::of(&[CALL]);

const CREATED: Shape = Shape::of(&[
    CALL,
    ROOM,
    ROOM_ID,
    Field::required("video_room_name", Ty::TEXT, "Its name."),
    Field::required("host_user_id", Ty::TEXT, "Who may end it."),
    Field::required("max_participants", Ty::Count, "How many may be in it."),
]);
const ENDED: Shape = Shape::of(&[
    CALL,
    ROOM,
    ROOM_ID,
    Field::required(
        "reason",
        Ty::OneOf(&[
            EndReason::EndedByHost.name(),
            EndReason::Empty.name(),
            EndReason::EndedByOperator.name(),
        ]),
        "Why.",
    ),
]);

const DESCRIPTION: Shape = Shape::named(
    "SessionDescription",
    "As WebRTC has it; relayed unread.",
    &[
        Field::required("type", Ty::TEXT, "`offer` or `answer`."),
        Field::required("sdp", Ty::TEXT, "The description."),
    ],
)
.open();

const TARGET: Field = Field::required(
    "target_user_id",
    WHICH_USER,
    "The participant who is to hear it: its handle or its number.",
);
const FROM: Field = Field::required(
    "from_user_id",
    Ty::TEXT,
    "The handle of the participant whose it is.",
);
const SDP: Field = Field::required("sdp", Ty::Object(&DESCRIPTION), "");
const CANDIDATE: Field = Field::required(
    "candidate",
    Ty::Nullable(&Ty::Free {
        max: Bound::Limit("signal_bytes_max"),
    }),
    "An ICE candidate as WebRTC has it, relayed unread; `null`: there are no more.",
);

const DESCRIBE: Shape = Shape::of(&[CALL, TARGET, SDP]);
const DESCRIBED: Shape = Shape::of(&[CALL, FROM, SDP]);
const MEDIA_REQUEST: Shape = Shape::of(&[CALL, MEDIA]);

pub(crate) const CALLS: &[Message] = &[
    Message::request(
        "call.create",
        "Make a video room in a room, and be its host and first participant.",
        &Shape::of(&[
            Field::optional(
                "room",
                WHICH_ROOM,
                "The room: its name, its number, or its secret address.",
            ),
            Field::optional("chatroom_id", WHICH_ROOM, "The same under another name."),
            Field::required(
                "video_room_name",
                Ty::text(1, Bound::Limit("name_bytes_max")),
                "Its name for people.",
            ),
            Field::required(
                "max_participants",
                Ty::Between {
                    min: 2,
                    max: Bound::Limit("call_participants_max"),
                },
                "How many may be in it.",
            ),
        ])
        .ruled(&[
            Rule::SomeOf(&["room", "chatroom_id"]),
            Rule::OneAtMost(&["room", "chatroom_id"]),
        ]),
    )
    .answered(&["call.created"])
    .heard(&["call.created"]),
    Message::reply("call.created", "The video room is made.", &CREATED),
    Message::event(
        "call.created",
        "A video room was made. All members hear it, and so does who made it.",
        &CREATED,
    ),
    Message::request("call.join", "Join a call.", &MEDIA_REQUEST)
        .answered(&["call.joined"])
        .heard(&["call.participant_joined"]),
    Message::reply(
        "call.joined",
        "One is in the call.",
        &Shape::of(&[
            CALL,
            Field::required(
                "participants",
                Ty::array(&Ty::Object(&Shape::named(
                    "Participant",
                    "One who is in a call.",
                    &[USER, NICKNAME, MEDIA],
                ))),
                "Who was there already.",
            ),
            Field::required(
                "ice_servers",
                Ty::array(&Ty::Object(&Shape::named(
                    "IceServer",
                    "A STUN or TURN server, as WebRTC wants it.",
                    &[
                        Field::required("urls", Ty::array(&Ty::TEXT), "Its addresses."),
                        Field::optional("username", Ty::TEXT, "For this user, for a while."),
                        Field::optional("credential", Ty::TEXT, "Goes with `username`."),
                    ],
                ))),
                "Servers for this user.",
            ),
        ]),
    ),
    Message::event(
        "call.participant_joined",
        "Someone joined the call. Who joined hears it, too.",
        &Shape::of(&[CALL, USER, NICKNAME, MEDIA, PRESENT]),
    ),
    Message::request("call.leave", "Leave a call.", &OF_CALL)
        .answered(&["call.left"])
        .heard(&["call.participant_left", "call.host_changed", "call.ended"]),
    Message::reply("call.left", "One is out of the call.", &OF_CALL),
    Message::event(
        "call.participant_left",
        "Someone is out of the call.",
        &Shape::of(&[
            CALL,
            USER,
            NICKNAME,
            PRESENT,
            Field::required(
                "reason",
                Ty::OneOf(&[
                    LeaveReason::Left.name(),
                    LeaveReason::Moved.name(),
                    LeaveReason::Disconnected.name(),
                    LeaveReason::Removed.name(),
                ]),
                "Why. `moved`: to another session of the same user; the session that it moved from hears it alone.",
            ),
        ]),
    ),
    Message::event(
        "call.host_changed",
        "The host left; who was there longest took over.",
        &Shape::of(&[
            CALL,
            Field::required("host_user_id", Ty::TEXT, "The handle of the new host."),
            NICKNAME,
        ]),
    ),
    Message::request("call.end", "End a call. Only its host may.", &OF_CALL)
        .answered(&["call.ended"])
        .heard(&["call.ended"]),
    Message::reply("call.ended", "The call is over.", &ENDED),
    Message::event("call.ended", "The call is over.", &ENDED),
    Message::request("call.offer", "Offer a session to another participant.", &DESCRIBE)
        .heard(&["call.offer"]),
    Message::event("call.offer", "Another participant offers a session.", &DESCRIBED),
    Message::request(
        "call.answer",
        "Answer the offer of another participant.",
        &DESCRIBE,
    )
    .heard(&["call.answer"]),
    Message::event(
        "call.answer",
        "Another participant answers one's offer.",
        &DESCRIBED,
    ),
    Message::request(
        "call.candidate",
        "Tell another participant of a candidate.",
        &Shape::of(&[CALL, TARGET, CANDIDATE]),
    )
    .heard(&["call.candidate"]),
    Message::event(
        "call.candidate",
        "Another participant has a candidate.",
        &Shape::of(&[CALL, FROM, CANDIDATE]),
    ),
    Message::request("call.media", "Say what one sends from now on.", &MEDIA_REQUEST)
        .answered(&["call.media.ok"])
        .heard(&["call.media_changed"]),
    Message::reply("call.media.ok", "The media are switched.", &OF_CALL),
    Message::event(
        "call.media_changed",
        "A participant sends something else now. All participants hear it.",
        &Shape::of(&[CALL, USER, NICKNAME, MEDIA]),
    ),
];
