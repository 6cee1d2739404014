//! An event and who hears it, as the contract has them.
//!
//! Invariant: JSON that is carried unread is passed on, not copied.

use bongsu_model::event::{ApplicationEvent, Audience};
use bongsu_model::media::{MediaStatus, Signal};
use bongsu_model::{Event, EventBody, LocalizedNick, Message, NamedRoom, Person, Profile};
use bongsu_proto::backplane::v1 as proto;
use bytes::Bytes;
use proto::event::Body;

use super::super::codes::Coded;
use super::{id, maybe, text};

/// An event.
pub(super) fn event(event: &Event) -> proto::Event {
    proto::Event {
        id: event.id,
        at: event.at.0,
        cause: maybe(event.cause.as_ref()),
        actor: event.actor.map(|it| it.0),
        audience: Some(audience(&event.audience)),
        body: Some(body(&event.body)),
    }
}

fn audience(audience: &Audience) -> proto::event::Audience {
    use proto::event::Audience as Said;
    match audience {
        Audience::Room(room) => Said::Room(room.0),
        Audience::RoomExcept(room, user) => Said::RoomExcept(proto::RoomExcept {
            room: room.0,
            user: user.0,
        }),
        Audience::User(user) => Said::User(user.0),
        Audience::Sessions(sessions) => {
            let session =
                |(user, session): &(bongsu_model::UserId, bongsu_model::SessionId)| proto::UserSession {
                    user: user.0,
                    session: Some(id(session.0)),
                };
            Said::Sessions(proto::Sessions {
                sessions: sessions.iter().map(session).collect(),
            })
        }
        Audience::Related(user, rooms) => Said::Related(proto::Related {
            user: user.0,
            rooms: rooms.iter().map(|it| it.0).collect(),
        }),
        Audience::All => Said::Everyone(proto::Everyone {}),
    }
}

#[rustfmt::skip] // One variant, one row.
fn body(body: &EventBody) -> Body {
    match body {
        EventBody::Posted(it) => Body::Posted(message(it)),
        EventBody::UserJoined { room: at, user, participants_count, joined_seq, version } => Body::UserJoined(proto::UserJoined {
            room: room(at), user: person(user), participants_count: *participants_count, joined_seq: joined_seq.0, version: version.0,
        }),
        EventBody::UserLeft { room: at, user, participants_count, version } => Body::UserLeft(proto::UserLeft {
            room: room(at), user: person(user), participants_count: *participants_count, version: version.0,
        }),
        EventBody::Typing { room: at, user, is_typing } => Body::Typing(proto::Typing {
            room: room(at), user: person(user), is_typing: *is_typing,
        }),
        EventBody::Read { room: at, user, seq } => Body::Read(proto::Read {
            room: room(at), user: person(user), seq: seq.0,
        }),
        EventBody::Status { user, is_online, last_seen } => Body::Status(proto::Status {
            user: person(user), is_online: *is_online, last_seen: last_seen.0,
        }),
        EventBody::CallCreated { call, room: at, name, host, max_participants } => Body::CallCreated(proto::CallCreated {
            call: call.0, room: room(at), name: text(name), host: person(host), max_participants: *max_participants,
        }),
        EventBody::CallJoined { call, user, media: sent, participants_count } => Body::CallJoined(proto::CallJoined {
            call: call.0, user: person(user), media: media(*sent), participants_count: *participants_count,
        }),
        EventBody::CallLeft { call, user, participants_count, reason } => Body::CallLeft(proto::CallLeft {
            call: call.0, user: person(user), participants_count: *participants_count, reason: reason.code(),
        }),
        EventBody::CallHostChanged { call, host } => Body::CallHostChanged(proto::CallHostChanged {
            call: call.0, host: person(host),
        }),
        EventBody::CallEnded { call, room: at, reason } => Body::CallEnded(proto::CallEnded {
            call: call.0, room: room(at), reason: reason.code(),
        }),
        EventBody::MediaChanged { call, user, media: sent } => Body::MediaChanged(proto::MediaChanged {
            call: call.0, user: person(user), media: media(*sent),
        }),
        EventBody::Signalled { call, from, signal: it } => Body::Signalled(proto::Signalled {
            call: call.0, from: person(from), signal: Some(signal(it)),
        }),
        EventBody::Application(it) => Body::Application(application(it)),
        EventBody::Announced { title, message, kind, priority } => Body::Announced(proto::Announced {
            title: text(title), message: text(message), kind: kind.code(), priority: priority.code(),
        }),
    }
}

fn message(message: &Message) -> proto::Message {
    let sender = &message.sender;
    proto::Message {
        id: Some(id(message.id.0)),
        room: message.room.0,
        room_name: maybe(message.room_name.as_ref()),
        room_token: Bytes::copy_from_slice(&message.room_token.0),
        seq: message.seq.0,
        epoch: message.epoch.0,
        members: message.members.0,
        user: sender.user.0,
        handle: text(&sender.handle),
        nickname: text(&sender.nickname),
        profile: Some(profile(&sender.profile)),
        content: text(&message.content),
        kind: message.kind.code(),
        metadata: message.metadata.as_ref().map(|it| it.as_bytes().clone()),
        reply_to: message.reply_to.map(|it| id(it.0)),
        created_at: message.created_at.0,
    }
}

fn profile(profile: &Profile) -> proto::Profile {
    proto::Profile {
        public_token: text(&profile.public_token),
        nicks: nicks(&profile.nick),
        profile_img: maybe(profile.profile_img.as_ref()),
        profile_thumb: maybe(profile.profile_thumb.as_ref()),
        region: maybe(profile.region.as_ref()),
        language: maybe(profile.language.as_ref()),
        gender: maybe(profile.gender.as_ref()),
    }
}

fn nicks(nick: &LocalizedNick) -> Vec<proto::Nick> {
    let nick = nick.iter().map(|(language, name)| proto::Nick {
        language: text(language),
        name: text(name),
    });
    nick.collect()
}

fn application(event: &ApplicationEvent) -> proto::Application {
    proto::Application {
        room: room(&event.room),
        user: person(&event.user),
        kind: text(&event.kind),
        key: maybe(event.key.as_ref()),
        data: event.data.as_bytes().clone(),
    }
}

fn signal(signal: &Signal) -> proto::signalled::Signal {
    use proto::signalled::Signal as Said;
    match signal {
        Signal::Offer(json) => Said::Offer(json.as_bytes().clone()),
        Signal::Answer(json) => Said::Answer(json.as_bytes().clone()),
        Signal::Candidate(json) => Said::Candidate(json.as_bytes().clone()),
    }
}

fn room(room: &NamedRoom) -> Option<proto::Room> {
    Some(proto::Room {
        id: room.id.0,
        name: maybe(room.name.as_ref()),
    })
}

fn person(person: &Person) -> Option<proto::Person> {
    Some(proto::Person {
        id: person.id.0,
        handle: text(&person.handle),
        nickname: text(&person.nickname),
    })
}

const fn media(media: MediaStatus) -> Option<proto::Media> {
    Some(proto::Media {
        audio_enabled: media.audio_enabled,
        video_enabled: media.video_enabled,
        screen_sharing: media.screen_sharing,
    })
}
