//! Reads scripts, runs them, writes what came of them; checks what must hold after every line.

use std::fmt::Write;
use std::sync::Arc;

use bongsu_model::media::{LeaveReason, MediaStatus, Signal};
use bongsu_model::{
    Audience, CallId, EventBody, Limits, NamedRoom, Person, RawJson, RoomId, SessionId, Timestamp, UserId,
    Why,
};

use super::super::*;
use crate::machine::Machine;

pub(super) fn run(text: &str) -> String {
    let limits = Limits {
        calls_per_room_max: 2,
        ..Limits::DEFAULT
    };
    let mut calls = Calls::new(CallLimits::from(&limits));
    let mut now = Timestamp(1_000_000);
    let mut log = String::new();
    for line in text.lines().map(str::trim) {
        writeln!(log, "{line}").unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let mut out = Vec::new();
        let mut asked = false;
        match words[0] {
            "show" => show(&calls, &mut log),
            "wait" => {
                let until = now.plus_ms(words[1].parse().unwrap());
                while let Some(due) = calls.next_deadline().filter(|due| *due <= until) {
                    calls.handle_deadline(due, &mut out);
                    assert!(
                        calls.next_deadline().is_none_or(|next| next > due),
                        "what was due is done"
                    );
                }
                now = until;
            }
            _ => {
                let input = input(&words);
                asked = !matches!(
                    input,
                    CallInput::SessionEnded { .. } | CallInput::LeftRoom { .. } | CallInput::Banned { .. }
                );
                calls.handle(input, now, &mut out);
            }
        }
        answered_once_and_first(asked, &out);
        calls.assert_sound();
        for effect in &out {
            writeln!(log, "  {}", effect_text(effect)).unwrap();
        }
    }
    log
}

fn answered_once_and_first(asked: bool, out: &[CallEffect]) {
    for (place, effect) in out.iter().enumerate() {
        match effect {
            CallEffect::Event(_) => assert!(!asked || place > 0),
            CallEffect::Answer(_) => assert!(asked && place == 0),
            CallEffect::Refuse(_) => assert!(asked && out.len() == 1),
        }
    }
    assert!(!asked || !out.is_empty());
}

fn input(words: &[&str]) -> CallInput {
    let option = |name: &str| {
        words
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    let number = |name: &str, default: usize| option(name).map_or(default, |text| text.parse().unwrap());
    let cause: Option<Arc<str>> = option("seq").map(Into::into);
    let call = CallId(words[1].parse().unwrap_or(0));
    let (user, session) = words
        .get(2)
        .and_then(|word| word.split_once('@'))
        .unwrap_or(("0", "0"));
    let user = UserId(user.parse().unwrap());
    let session = SessionId(session.parse().unwrap());
    let person = Person::numbered(user, &format!("user {user}"));
    let room = RoomId(number("room", 1) as i64);
    match words[0] {
        "create" => CallInput::Create {
            new: NewCall {
                call,
                room: NamedRoom::new(room, None),
                name: "n".repeat(number("name", 4)).into(),
                host: person,
                session,
                max_participants: number("max", 4) as u32,
            },
            cause,
        },
        "join" => CallInput::Join {
            call,
            user: person,
            session,
            media: media(words[3]),
            cause,
        },
        "leave" => CallInput::Leave { call, user, session },
        "end" if words[2] == "operator" => CallInput::End {
            call,
            by: Ender::Operator,
        },
        "end" => CallInput::End {
            call,
            by: Ender::User(UserId(words[2].parse().unwrap())),
        },
        "signal" => CallInput::Signal {
            call,
            from: user,
            session,
            target: UserId(number("to", 0) as i64),
            signal: Signal::Offer(RawJson::from_validated(vec![b'1'; number("bytes", 1)].into())),
            cause,
        },
        "media" => CallInput::SetMedia {
            call,
            user,
            session,
            media: media(words[3]),
            cause,
        },
        _ => happened(words),
    }
}

/// What nobody asked for.
fn happened(words: &[&str]) -> CallInput {
    let number = words[1].parse().unwrap();
    let user = UserId(number);
    match words[0] {
        "drop" => CallInput::SessionEnded {
            session: SessionId(number as u128),
        },
        "gone" => {
            let reason = if words[2] == "left" {
                LeaveReason::Left
            } else {
                LeaveReason::Removed
            };
            CallInput::LeftRoom {
                room: RoomId(1),
                user,
                reason,
            }
        }
        "banned" => CallInput::Banned { user },
        verb => panic!("{verb} is no verb"),
    }
}

fn media(letters: &str) -> MediaStatus {
    MediaStatus {
        audio_enabled: letters.contains('a'),
        video_enabled: letters.contains('v'),
        screen_sharing: letters.contains('s').then_some(true),
    }
}

fn letters(media: MediaStatus) -> String {
    let letters: String = [
        (media.audio_enabled, 'a'),
        (media.video_enabled, 'v'),
        (media.screen_sharing == Some(true), 's'),
    ]
    .into_iter()
    .filter_map(|(on, letter)| on.then_some(letter))
    .collect();
    if letters.is_empty() { "-".into() } else { letters }
}

fn show(calls: &Calls, log: &mut String) {
    if calls.is_empty() {
        writeln!(log, "  no calls").unwrap();
    }
    for call in calls.after(None, usize::MAX) {
        let peers = call.peers().iter().map(|peer| {
            let session = peer
                .session()
                .map_or("kept".into(), |session| session.0.to_string());
            format!(
                " {}@{session}{}",
                peer.user(),
                if peer.user() == call.host() { "*" } else { "" }
            )
        });
        writeln!(log, "  call {}:{}", call.id(), peers.collect::<String>()).unwrap();
    }
}

fn effect_text(effect: &CallEffect) -> String {
    match effect {
        CallEffect::Answer(CallAnswer::Done) => "answer done".into(),
        CallEffect::Answer(CallAnswer::Created { .. }) => "answer created".into(),
        CallEffect::Answer(CallAnswer::Ended { .. }) => "answer ended".into(),
        CallEffect::Answer(CallAnswer::MediaSet { .. }) => "answer media".into(),
        CallEffect::Answer(CallAnswer::Left { .. }) => "answer left".into(),
        CallEffect::Answer(CallAnswer::Joined { participants, .. }) => {
            let there: Vec<_> = participants
                .iter()
                .map(|one| format!("{} {}", one.user.id, letters(one.media)))
                .collect();
            format!(
                "answer joined, there: {}",
                if there.is_empty() {
                    "nobody".into()
                } else {
                    there.join(", ")
                }
            )
        }
        CallEffect::Refuse(refusal) if refusal.why == Why::Code => format!("refuse {}", refusal.code.name()),
        CallEffect::Refuse(refusal) => format!("refuse {} {:?}", refusal.code.name(), refusal.why),
        CallEffect::Event(event) => {
            let cause = event
                .cause
                .as_ref()
                .map_or(String::new(), |cause| format!(" [{cause}]"));
            format!(
                "{} ← {}{cause}",
                audience_text(&event.audience),
                body_text(&event.body)
            )
        }
    }
}

fn audience_text(audience: &Audience) -> String {
    match audience {
        Audience::Room(room) => format!("room {room}"),
        Audience::Sessions(sessions) => sessions
            .iter()
            .map(|(_, session)| session.0.to_string())
            .collect::<Vec<_>>()
            .join(" "),
        Audience::RoomExcept(..) | Audience::User(_) | Audience::Related(..) | Audience::All => {
            panic!("calls do not speak to {audience:?}")
        }
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else there is, calls must not say it"
)]
fn body_text(body: &EventBody) -> String {
    match body {
        EventBody::CallCreated {
            host,
            max_participants,
            ..
        } => format!("created by {}, at most {max_participants}", host.id),
        EventBody::CallJoined {
            user,
            media,
            participants_count,
            ..
        } => {
            format!("joined {} {}, {participants_count} in", user.id, letters(*media))
        }
        EventBody::CallLeft {
            user,
            participants_count,
            reason,
            ..
        } => {
            format!("left {} ({}), {participants_count} in", user.id, reason.name())
        }
        EventBody::CallHostChanged { host, .. } => format!("host {}", host.id),
        EventBody::CallEnded { reason, .. } => format!("ended ({})", reason.name()),
        EventBody::MediaChanged { user, media, .. } => format!("media {} {}", user.id, letters(*media)),
        EventBody::Signalled {
            from,
            signal: Signal::Offer(_),
            ..
        } => format!("offer from {}", from.id),
        other => panic!("calls do not say {other:?}"),
    }
}
