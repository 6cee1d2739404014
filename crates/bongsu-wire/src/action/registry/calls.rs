//! Video rooms, and the signalling between their participants.

use bongsu_model::media::{EndReason, LeaveReason};

use super::parts::{NICKNAME, ROOM, USER};
use crate::schema::{Bound, Field, Message, Shape, Ty};

const PRESENT: Field = Field::required("participants_count", Ty::Count, "Participants now.");
const CALL: Field = Field::required("video_room_id", Ty::Integer, "The video room.");
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

const CALL_CREATED: Shape = Shape::of(&[
    CALL,
    Field::required("chatroom_id", Ty::Integer, "The room whose members may join."),
    Field::required("video_room_name", Ty::TEXT, "Its name."),
    Field::required("host_user_id", Ty::Integer, "Who may end it."),
    Field::required("max_participants", Ty::Count, "How many may be in it."),
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
    Ty::Integer,
    "The participant who is to hear it.",
);
const FROM: Field = Field::required("from_user_id", Ty::Integer, "The participant whose it is.");
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

pub(super) const CALLS: &[Message] = &[
    Message::request(
        "CREATE_VIDEO_ROOM",
        "Make a video room in a room, and be its host and first participant.",
        &Shape::of(&[
            ROOM,
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
        ]),
    )
    .answered(&["VIDEO_ROOM_CREATED"])
    .heard(&["VIDEO_ROOM_CREATED"]),
    Message::event(
        "VIDEO_ROOM_CREATED",
        "A video room was made. All members hear it; with one's own `seq_id` it is the answer.",
        &CALL_CREATED,
    ),
    Message::request("JOIN_VIDEO_ROOM", "Join a call.", &MEDIA_REQUEST)
        .answered(&["JOIN_VIDEO_ROOM_SUCCESS"])
        .heard(&["VIDEO_PARTICIPANT_JOINED"]),
    Message::reply(
        "JOIN_VIDEO_ROOM_SUCCESS",
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
        "VIDEO_PARTICIPANT_JOINED",
        "Someone joined the call. Who joined hears it, too.",
        &Shape::of(&[CALL, USER, NICKNAME, MEDIA, PRESENT]),
    ),
    Message::request("LEAVE_VIDEO_ROOM", "Leave a call.", &OF_CALL)
        .answered(&["LEAVE_VIDEO_ROOM_SUCCESS"])
        .heard(&["VIDEO_PARTICIPANT_LEFT", "VIDEO_HOST_CHANGED", "VIDEO_ROOM_ENDED"]),
    Message::reply("LEAVE_VIDEO_ROOM_SUCCESS", "One is out of the call.", &OF_CALL),
    Message::event(
        "VIDEO_PARTICIPANT_LEFT",
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
        "VIDEO_HOST_CHANGED",
        "The host left; who was there longest took over.",
        &Shape::of(&[
            CALL,
            Field::required("host_user_id", Ty::Integer, "The new host."),
            NICKNAME,
        ]),
    ),
    Message::request("END_VIDEO_ROOM", "End a call. Only its host may.", &OF_CALL)
        .heard(&["VIDEO_ROOM_ENDED"]),
    Message::event(
        "VIDEO_ROOM_ENDED",
        "The call is over.",
        &Shape::of(&[
            CALL,
            ROOM,
            Field::required(
                "reason",
                Ty::OneOf(&[
                    EndReason::EndedByHost.name(),
                    EndReason::Empty.name(),
                    EndReason::EndedByOperator.name(),
                ]),
                "Why.",
            ),
        ]),
    ),
    Message::request("SDP_OFFER", "Offer a session to another participant.", &DESCRIBE).heard(&["SDP_OFFER"]),
    Message::event("SDP_OFFER", "Another participant offers a session.", &DESCRIBED),
    Message::request(
        "SDP_ANSWER",
        "Answer the offer of another participant.",
        &DESCRIBE,
    )
    .heard(&["SDP_ANSWER"]),
    Message::event(
        "SDP_ANSWER",
        "Another participant answers one's offer.",
        &DESCRIBED,
    ),
    Message::request(
        "ICE_CANDIDATE",
        "Tell another participant of a candidate.",
        &Shape::of(&[CALL, TARGET, CANDIDATE]),
    )
    .heard(&["ICE_CANDIDATE"]),
    Message::event(
        "ICE_CANDIDATE",
        "Another participant has a candidate.",
        &Shape::of(&[CALL, FROM, CANDIDATE]),
    ),
    Message::request(
        "MEDIA_STATUS_CHANGE",
        "Say what one sends from now on.",
        &MEDIA_REQUEST,
    )
    .answered(&["PARTICIPANT_MEDIA_CHANGED"])
    .heard(&["PARTICIPANT_MEDIA_CHANGED"]),
    Message::event(
        "PARTICIPANT_MEDIA_CHANGED",
        "A participant sends something else now. All participants hear it; with one's own `seq_id` it is the answer.",
        &Shape::of(&[CALL, USER, NICKNAME, MEDIA]),
    ),
];
