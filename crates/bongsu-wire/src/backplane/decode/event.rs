//! An event and who hears it, where they arrive.

use std::sync::Arc;

use bongsu_model::event::{ApplicationEvent, Audience};
use bongsu_model::media::{MediaStatus, Signal};
use bongsu_model::{
    CallId, Epoch, Event, EventBody, LocalizedNick, MembersVersion, Message, MessageId, NamedRoom, Person,
    Profile, RoomId, RoomToken, Sender, Seq, SessionId, Timestamp, UserId,
};
use bongsu_proto::backplane::v1 as proto;
use proto::event::Body;

use super::super::codes::Coded;
use super::super::{LANGUAGES_MAX, NotHeard};
use super::{Result, array, bits, json, maybe, need};

/// An event.
pub(super) fn event(event: proto::Event) -> Result<Event> {
    Ok(Event {
        id: event.id,
        at: Timestamp(event.at),
        cause: maybe(event.cause),
        audience: audience(event.audience.ok_or(NotHeard::Unknown)?)?,
        actor: event.actor.map(UserId),
        body: body(event.body.ok_or(NotHeard::Unknown)?)?,
    })
}

fn audience(audience: proto::event::Audience) -> Result<Audience> {
    use proto::event::Audience as Said;
    Ok(match audience {
        Said::Room(room) => Audience::Room(RoomId(room)),
        Said::RoomExcept(it) => Audience::RoomExcept(RoomId(it.room), UserId(it.user)),
        Said::User(user) => Audience::User(UserId(user)),
        Said::Sessions(it) => {
            let session = |it: proto::UserSession| {
                let session = need(it.session, "no session")?;
                Ok((UserId(it.user), SessionId(bits(session))))
            };
            Audience::Sessions(it.sessions.into_iter().map(session).collect::<Result<_>>()?)
        }
        Said::Related(it) => Audience::Related(UserId(it.user), it.rooms.into_iter().map(RoomId).collect()),
        Said::Everyone(proto::Everyone {}) => Audience::All,
    })
}

#[rustfmt::skip] // One variant, one row.
fn body(body: Body) -> Result<EventBody> {
    Ok(match body {
        Body::Posted(it) => EventBody::Posted(Arc::new(message(it)?)),
        Body::UserJoined(it) => EventBody::UserJoined {
            room: room(it.room)?, user: person(it.user)?, participants_count: it.participants_count,
            joined_seq: Seq(it.joined_seq), version: MembersVersion(it.version),
        },
        Body::UserLeft(it) => EventBody::UserLeft {
            room: room(it.room)?, user: person(it.user)?, participants_count: it.participants_count,
            version: MembersVersion(it.version),
        },
        Body::Typing(it) => EventBody::Typing {
            room: room(it.room)?, user: person(it.user)?, is_typing: it.is_typing,
        },
        Body::Read(it) => EventBody::Read {
            room: room(it.room)?, user: person(it.user)?, seq: Seq(it.seq),
        },
        Body::Status(it) => EventBody::Status {
            user: person(it.user)?, is_online: it.is_online, last_seen: Timestamp(it.last_seen),
        },
        Body::CallCreated(it) => EventBody::CallCreated {
            call: CallId(it.call), room: room(it.room)?, name: it.name.into(), host: person(it.host)?,
            max_participants: it.max_participants,
        },
        Body::CallJoined(it) => EventBody::CallJoined {
            call: CallId(it.call), user: person(it.user)?, media: media(it.media)?, participants_count: it.participants_count,
        },
        Body::CallLeft(it) => EventBody::CallLeft {
            call: CallId(it.call), user: person(it.user)?, participants_count: it.participants_count,
            reason: Coded::of(it.reason)?,
        },
        Body::CallHostChanged(it) => EventBody::CallHostChanged {
            call: CallId(it.call), host: person(it.host)?,
        },
        Body::CallEnded(it) => EventBody::CallEnded {
            call: CallId(it.call), room: room(it.room)?, reason: Coded::of(it.reason)?,
        },
        Body::MediaChanged(it) => EventBody::MediaChanged {
            call: CallId(it.call), user: person(it.user)?, media: media(it.media)?,
        },
        Body::Signalled(it) => EventBody::Signalled {
            call: CallId(it.call), from: person(it.from)?, signal: signal(it.signal.ok_or(NotHeard::Unknown)?)?,
        },
        Body::Application(it) => EventBody::Application(Arc::new(application(it)?)),
        Body::Announced(it) => EventBody::Announced {
            title: it.title.into(), message: it.message.into(), kind: Coded::of(it.kind)?, priority: Coded::of(it.priority)?,
        },
    })
}

fn message(message: proto::Message) -> Result<Message> {
    let sender = Sender {
        user: UserId(message.user),
        handle: message.handle.into(),
        nickname: message.nickname.into(),
        profile: profile(need(message.profile, "no profile")?)?,
    };
    Ok(Message {
        id: MessageId(bits(need(message.id, "no id of a message")?)),
        room: RoomId(message.room),
        room_name: maybe(message.room_name),
        room_token: RoomToken(array(&message.room_token, "no token of a room")?),
        seq: Seq(message.seq),
        epoch: Epoch(message.epoch),
        members: MembersVersion(message.members),
        sender,
        content: message.content.into(),
        kind: Coded::of(message.kind)?,
        metadata: message.metadata.as_deref().map(json::object).transpose()?,
        reply_to: message.reply_to.map(|it| MessageId(bits(it))),
        created_at: Timestamp(message.created_at),
    })
}

fn profile(profile: proto::Profile) -> Result<Arc<Profile>> {
    Ok(Arc::new(Profile {
        public_token: profile.public_token.into(),
        nick: nick(profile.nicks)?,
        profile_img: maybe(profile.profile_img),
        profile_thumb: maybe(profile.profile_thumb),
        region: maybe(profile.region),
        language: maybe(profile.language),
        gender: maybe(profile.gender),
    }))
}

fn nick(nicks: Vec<proto::Nick>) -> Result<LocalizedNick> {
    let pairs = nicks.into_iter().map(|it| (it.language.into(), it.name.into()));
    LocalizedNick::new(pairs, LANGUAGES_MAX).map_err(|_| NotHeard::Malformed("no names by language"))
}

fn application(event: proto::Application) -> Result<ApplicationEvent> {
    Ok(ApplicationEvent {
        room: room(event.room)?,
        user: person(event.user)?,
        kind: event.kind.into(),
        key: maybe(event.key),
        data: json::object(&event.data)?,
    })
}

fn signal(signal: proto::signalled::Signal) -> Result<Signal> {
    use proto::signalled::Signal as Said;
    Ok(match signal {
        Said::Offer(text) => Signal::Offer(json::any(&text)?),
        Said::Answer(text) => Signal::Answer(json::any(&text)?),
        Said::Candidate(text) => Signal::Candidate(json::any(&text)?),
    })
}

fn room(room: Option<proto::Room>) -> Result<NamedRoom> {
    let room = need(room, "no room")?;
    Ok(NamedRoom::new(RoomId(room.id), maybe(room.name)))
}

fn person(person: Option<proto::Person>) -> Result<Arc<Person>> {
    let person = need(person, "no person")?;
    Ok(Arc::new(Person {
        id: UserId(person.id),
        handle: person.handle.into(),
        nickname: person.nickname.into(),
    }))
}

fn media(media: Option<proto::Media>) -> Result<MediaStatus> {
    let media = need(media, "no media")?;
    Ok(MediaStatus {
        audio_enabled: media.audio_enabled,
        video_enabled: media.video_enabled,
        screen_sharing: media.screen_sharing,
    })
}
