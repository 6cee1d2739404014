//! A protocol of plain lines, and short ways to ask for things.

use bongsu_model::display::ToDisplay;
use bongsu_model::{
    Emit, Encode, Event, EventBody, Fatal, Message, MessageKind, Notice, Post, RawJson, Refusal, Reply,
    Request, RoomRef, Seq, Slot, Tag, UserRef, Why,
};
use bongsu_node::{Dialect, Setting};
use bytes::Bytes;

/// One line for everything.
pub(crate) struct Plain;

struct PlainEvents;

impl Encode for PlainEvents {
    fn slot(&self) -> Slot {
        Slot::ActionLine
    }

    fn encode(&self, event: &Event) -> Bytes {
        line(&self::event(&event.body))
    }
}

impl Dialect for Plain {
    fn protocol(&self) -> &'static str {
        "plain"
    }

    fn events(&self) -> &dyn Encode {
        &PlainEvents
    }

    fn reply(&self, _tag: &Tag, reply: &Reply, _with: Setting<'_>) -> Option<Bytes> {
        Some(line(&self::reply(reply)))
    }

    fn refusal(&self, _tag: &Tag, refusal: &Refusal, _with: Setting<'_>) -> Bytes {
        line(&self::refusal(refusal))
    }

    fn notice(&self, notice: &Notice, _with: Setting<'_>) -> Bytes {
        line(&match notice {
            Notice::Closed(closing) => format!("closed {:?} {}", closing.cause, closing.reconnect.name()),
            Notice::Missed(page) => {
                let missed = page.messages.iter().map(|message| message_line(message));
                format!("missed {}", missed.collect::<Vec<_>>().join(", "))
            }
            Notice::TokenExpiring { .. } | Notice::Shutdown { .. } => format!("{notice:?}"),
        })
    }

    fn display(&self, tag: &Tag, said: &ToDisplay, _with: Setting<'_>) -> Option<Bytes> {
        // Where nobody awaits an answer it is none.
        let awaited = tag.reference.is_some() || *said != ToDisplay::Taken;
        awaited.then(|| line(&self::display(said)))
    }

    fn broken_off(&self, fatal: &Fatal, _signed_in: bool, _with: Setting<'_>) -> Bytes {
        line(&self::refusal(&fatal.refusal))
    }

    fn ping(&self, _with: Setting<'_>) -> Option<Bytes> {
        None
    }
}

struct LoudEvents;

impl Encode for LoudEvents {
    fn slot(&self) -> Slot {
        Slot::ActionFrame
    }

    fn encode(&self, event: &Event) -> Bytes {
        line(&format!("! {}", self::event(&event.body)))
    }
}

/// As [`Plain`], but who is refused may try again; and for the loud one of them events are marked.
pub(crate) struct Forgiving {
    pub(crate) loud: bool,
}

impl Dialect for Forgiving {
    fn protocol(&self) -> &'static str {
        "forgiving"
    }

    fn events(&self) -> &dyn Encode {
        if self.loud { &LoudEvents } else { &PlainEvents }
    }

    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes> {
        Plain.reply(tag, reply, with)
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        Plain.refusal(tag, refusal, with)
    }

    fn forgives(&self, _: &Tag, _: &Refusal) -> bool {
        true
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        Plain.notice(notice, with)
    }

    fn broken_off(&self, fatal: &Fatal, signed_in: bool, with: Setting<'_>) -> Bytes {
        Plain.broken_off(fatal, signed_in, with)
    }

    fn ping(&self, with: Setting<'_>) -> Option<Bytes> {
        Plain.ping(with)
    }
}

/// What a display is told.
fn display(said: &ToDisplay) -> String {
    match said {
        ToDisplay::Registered {
            client, name, epoch, ..
        } => format!("registered {name} #{client} epoch {epoch}"),
        ToDisplay::NotRegistered(why) => format!("not registered: {}", refusal(why)),
        ToDisplay::Beat { next_ms } => format!("beat, next in {next_ms}"),
        ToDisplay::NotBeat(why) => format!("no beat: {}", refusal(why)),
        ToDisplay::Check => "check".to_owned(),
        ToDisplay::Execute(run) => format!("execute {} {}", run.command, run.program.line),
        ToDisplay::Prepare(run) => format!("prepare {} {}", run.command, run.program.line),
        ToDisplay::Stop(stop) => format!("stop {} {:?}", stop.command, stop.preset),
        ToDisplay::Shutdown { reconnect_after_ms } => format!("shutdown {reconnect_after_ms}"),
        ToDisplay::Taken => "taken".to_owned(),
        ToDisplay::Refused(why) => refusal(why),
        ToDisplay::Closed(closing) => format!("closed {:?}", closing.cause),
    }
}

fn line(text: &str) -> Bytes {
    Bytes::from(format!("{text}\n"))
}

fn message_line(message: &Message) -> String {
    format!("#{} {}", message.seq.0, message.content)
}

fn event(body: &EventBody) -> String {
    match body {
        EventBody::Posted(message) => message_line(message),
        EventBody::UserJoined {
            room,
            user,
            participants_count,
            ..
        } => format!("user.joined {room} {} of {participants_count}", user.handle),
        EventBody::UserLeft {
            room,
            user,
            participants_count,
            ..
        } => format!("user.left {room} {} of {participants_count}", user.handle),
        EventBody::Status { user, is_online, .. } => {
            format!(
                "{} is {}",
                user.handle,
                if *is_online { "online" } else { "offline" }
            )
        }
        EventBody::Application(event) => {
            format!(
                "{} {} {} {}",
                event.kind,
                event.room,
                event.user.handle,
                event.data.as_str()
            )
        }
        EventBody::CallCreated { .. } => "call created".into(),
        EventBody::CallJoined { user, .. } => format!("call joined {}", user.handle),
        EventBody::CallLeft { user, reason, .. } => format!("call left {} {}", user.handle, reason.name()),
        EventBody::CallEnded { .. } => "call ended".into(),
        EventBody::Typing { .. }
        | EventBody::Read { .. }
        | EventBody::CallHostChanged { .. }
        | EventBody::MediaChanged { .. }
        | EventBody::Signalled { .. }
        | EventBody::Announced { .. } => format!("{body:?}"),
    }
}

/// What was asked for was done.
pub(crate) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Connected(signed_in) => {
            let rooms = signed_in.rooms.iter().map(|it| {
                let recovered = it
                    .recovered
                    .map_or(String::new(), |it| format!(" recovered={it}"));
                format!(" {}#{}{recovered}", it.room, it.seq.0)
            });
            format!("hello {}{}", signed_in.user.handle, rooms.collect::<String>())
        }
        Reply::Joined {
            room,
            participants_count,
            online,
            seq,
            recovered,
            ..
        } => {
            let online: Vec<&str> = online.iter().map(|person| &*person.handle).collect();
            let recovered = recovered.map_or(String::new(), |it| format!(" recovered={it}"));
            format!(
                "joined {room}#{} of {participants_count} online {}{recovered}",
                seq.0,
                online.join(",")
            )
        }
        Reply::Left { room } => format!("left {room}"),
        Reply::Posted { message, .. } => format!("posted {}", message_line(message)),
        Reply::Blocked { user } => format!("blocked {}", user.handle),
        Reply::CallCreated { .. } => "made the call".into(),
        Reply::TokenRefreshed(_)
        | Reply::Pong { .. }
        | Reply::Repeated { .. }
        | Reply::Marked { .. }
        | Reply::Page(_)
        | Reply::CallEnded { .. }
        | Reply::MediaSet { .. }
        | Reply::CallJoined { .. }
        | Reply::CallLeft { .. }
        | Reply::Unblocked { .. } => format!("{reply:?}"),
    }
}

/// What was asked for is refused.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    let mut text = refusal.code.name().to_owned();
    match &refusal.why {
        Why::Code => {}
        Why::Field { name, want } => text += &format!(" {name} {want:?}"),
        Why::Reason(reason) => text += &format!(" {reason}"),
        Why::Malformed { .. }
        | Why::TooLarge { .. }
        | Why::Incident(_)
        | Why::Command(_)
        | Why::Holder(_)
        | Why::Argument { .. } => {
            text += &format!(" {:?}", refusal.why);
        }
    }
    if let Some(ms) = refusal.retry_after_ms {
        text += &format!(" retry after {ms}");
    }
    text
}

pub(crate) fn join(room: &str) -> Request {
    Request::Join {
        room: RoomRef::parse(room),
        after: None,
    }
}

pub(crate) fn join_after(room: &str, seq: u64) -> Request {
    Request::Join {
        room: RoomRef::parse(room),
        after: Some(Seq(seq)),
    }
}

pub(crate) fn leave(room: &str) -> Request {
    Request::Leave {
        room: RoomRef::parse(room),
    }
}

pub(crate) fn post(room: &str, text: &str) -> Request {
    Request::Post(Post {
        room: RoomRef::parse(room),
        content: text.into(),
        kind: MessageKind::Text,
        client_id: None,
        reply_to: None,
        metadata: None,
    })
}

pub(crate) fn emit(room: &str, kind: &str, key: Option<&str>, data: &str) -> Request {
    Request::Emit(Emit {
        room: RoomRef::parse(room),
        kind: kind.into(),
        key: key.map(Into::into),
        data: RawJson::from_validated(Bytes::copy_from_slice(data.as_bytes())),
    })
}

pub(crate) fn block(user: &str) -> Request {
    Request::Block {
        user: UserRef::parse(user),
    }
}
