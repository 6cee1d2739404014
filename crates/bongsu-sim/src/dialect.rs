//! How simulated nodes speak: the three wire formats of the clients, and the defects that are planted into them.
//!
//! The product's own dialects belong to its sockets, which a simulation does not have. Invariant: nothing is said here;
//! every word is the codec's.

use std::sync::Arc;

use bongsu_model::refusal::CloseCause;
use bongsu_model::reply::SignedIn;
use bongsu_model::{
    Closing, Code, Encode, Epoch, Fatal, HistoryPage, MembersVersion, Message, MessageId, MessageKind,
    Notice, Profile, Refusal, Reply, RoomId, RoomToken, Sender, Seq, Tag, Timestamp, UserId,
};
use bongsu_node::{Dialect, Setting};
use bongsu_wire::action::{ActionEvents, ActionFrames, Voice, text_frame};
use bongsu_wire::close::{close_code, closing_frame};
use bongsu_wire::typed::{TypeEvents, TypeVoice};
use bytes::Bytes;

use crate::defect::Defect;
use crate::tongue::Tongue;

/// The dialect that a client is spoken to in.
pub(crate) fn of(tongue: Tongue, defect: Option<Defect>) -> &'static dyn Dialect {
    match (tongue, defect) {
        (Tongue::Lines, _) => &Lines,
        (Tongue::ActionFrames, _) => &Frames,
        (Tongue::TypeFrames, Some(Defect::WrongSeq)) => &Typed(Some(Defect::WrongSeq)),
        (Tongue::TypeFrames, Some(Defect::PartOfAResume)) => &Typed(Some(Defect::PartOfAResume)),
        (Tongue::TypeFrames, Some(Defect::ResumeRefused)) => &Typed(Some(Defect::ResumeRefused)),
        (Tongue::TypeFrames, Some(Defect::AcknowledgedAnyway)) => &Typed(Some(Defect::AcknowledgedAnyway)),
        (Tongue::TypeFrames, _) => &Typed(None),
    }
}

const VOICE: Voice = Voice::new(false);
const TYPE_VOICE: TypeVoice = TypeVoice::new(None);
static LINES: ActionEvents = ActionEvents::plain();
static FRAMES: ActionFrames = ActionFrames::plain();
static TYPED: TypeEvents = TypeEvents::plain();

/// The action protocol on a byte stream.
struct Lines;

impl Dialect for Lines {
    fn protocol(&self) -> &'static str {
        "action"
    }

    fn events(&self) -> &dyn Encode {
        &LINES
    }

    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes> {
        VOICE.reply(tag, reply, with.now, with.limits)
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        VOICE.refusal(tag, refusal, with.locale, with.now, with.id)
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        VOICE.notice(notice, with.locale, with.now, with.id, with.limits)
    }

    fn broken_off(&self, fatal: &Fatal, _: bool, with: Setting<'_>) -> Bytes {
        self.notice(&closed(&fatal.refusal), with)
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

/// The action protocol in WebSocket frames.
struct Frames;

impl Dialect for Frames {
    fn protocol(&self) -> &'static str {
        "websocket-action"
    }

    fn events(&self) -> &dyn Encode {
        &FRAMES
    }

    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes> {
        Lines.reply(tag, reply, with).map(|line| text_frame(&line))
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        text_frame(&Lines.refusal(tag, refusal, with))
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        let said = text_frame(&Lines.notice(notice, with));
        match notice {
            Notice::Closed(closing) => {
                let close = closing_frame(close_code(&closing.cause), closing.reconnect);
                Bytes::from([said, close].concat())
            }
            Notice::TokenExpiring { .. } | Notice::Shutdown { .. } | Notice::Missed(_) => said,
        }
    }

    fn broken_off(&self, fatal: &Fatal, _: bool, with: Setting<'_>) -> Bytes {
        self.notice(&closed(&fatal.refusal), with)
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

/// The type protocol in WebSocket frames, with a defect if one is planted.
struct Typed(Option<Defect>);

impl Dialect for Typed {
    fn protocol(&self) -> &'static str {
        "websocket-type"
    }

    fn events(&self) -> &dyn Encode {
        &TYPED
    }

    fn reply(&self, tag: &Tag, reply: &Reply, _: Setting<'_>) -> Option<Bytes> {
        Some(TYPE_VOICE.reply(tag, &self.spoilt(reply)))
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        let broke = matches!(refusal.code, Code::InternalError | Code::Overloaded);
        let posted = tag.verb.as_deref() == Some("chat.message");
        if self.0 == Some(Defect::AcknowledgedAnyway) && broke && posted {
            let message = Arc::new(nothing(with.now));
            let reply = Reply::Posted {
                message,
                client_id: None,
            };
            return TYPE_VOICE.reply(tag, &reply);
        }
        TYPE_VOICE.refusal(tag, refusal, with.locale)
    }

    fn turned_away(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        TYPE_VOICE.last_words(tag, refusal, None, with.locale)
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        let say = |notice: &Notice| TYPE_VOICE.notice(notice, with.locale);
        match notice {
            Notice::Missed(page) if self.0 == Some(Defect::PartOfAResume) => {
                let messages = page.messages.iter().skip(1).cloned().collect();
                say(&Notice::Missed(HistoryPage {
                    messages,
                    ..page.clone()
                }))
            }
            Notice::Missed(_)
            | Notice::TokenExpiring { .. }
            | Notice::Shutdown { .. }
            | Notice::Closed(_) => say(notice),
        }
    }

    fn broken_off(&self, fatal: &Fatal, _: bool, with: Setting<'_>) -> Bytes {
        TYPE_VOICE.last_words(&Tag::default(), &fatal.refusal, fatal.close_code, with.locale)
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

impl Typed {
    /// The answer as a defective server gives it.
    fn spoilt(&self, reply: &Reply) -> Reply {
        match (self.0, reply) {
            (Some(Defect::WrongSeq), Reply::Posted { message, client_id }) => Reply::Posted {
                message: Arc::new(Message {
                    seq: Seq(message.seq.0 + 1),
                    ..Message::clone(message)
                }),
                client_id: client_id.clone(),
            },
            (Some(Defect::ResumeRefused), Reply::Connected(standing)) => {
                let mut standing: SignedIn = standing.clone();
                for room in &mut standing.rooms {
                    room.recovered = room.recovered.map(|_| false);
                }
                Reply::Connected(standing)
            }
            _ => reply.clone(),
        }
    }
}

/// What a server acknowledges that has kept nothing.
fn nothing(at: Timestamp) -> Message {
    Message {
        id: MessageId(0),
        room: RoomId(1),
        room_name: None,
        room_token: RoomToken([7; 24]),
        seq: Seq(1),
        epoch: Epoch(0),
        members: MembersVersion(0),
        sender: Sender {
            user: UserId(0),
            handle: "".into(),
            nickname: "".into(),
            profile: Arc::new(Profile::bare("")),
        },
        content: "".into(),
        kind: MessageKind::Text,
        metadata: None,
        reply_to: None,
        created_at: at,
    }
}

fn closed(refusal: &Refusal) -> Notice {
    Notice::Closed(Closing::new(CloseCause::Refused(refusal.clone())))
}
