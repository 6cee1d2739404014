//! The type protocol, from the client's side: rooms by their names, users by their handles.

use bongsu_wire::typed::client::{self as wire, Heard as Message, Value};

use super::{Ask, Heard, Said, Stands};
use crate::history::Mark;

/// The one type of application event.
pub(super) const EVENT: &str = "game.move";
/// The names that rooms have, by number; the others have none.
const NAMES: [(i64, &str); 3] = [(2, "harbour"), (4, "fleeting"), (5, "sudden")];

/// What a room is called, if anything.
pub(crate) fn name(room: i64) -> Option<&'static str> {
    NAMES.iter().find(|it| it.0 == room).map(|it| it.1)
}

/// What the type protocol calls a room.
fn called(room: i64) -> String {
    name(room).map_or_else(|| room.to_string(), str::to_owned)
}

/// The room that the type protocol calls so.
fn room(object: &Value) -> i64 {
    let called = text(object, "room");
    let named = NAMES.iter().find(|it| it.1 == called).map(|it| it.0);
    named.unwrap_or_else(|| called.parse().expect("a room of this world"))
}

/// A request as the text of one message.
pub(super) fn say(ask: &Ask<'_>, reference: &str) -> String {
    let id = Some(reference);
    match ask {
        Ask::SignIn { user, resume } => {
            let names: Vec<_> = resume.iter().map(|(room, ..)| called(*room)).collect();
            let points = names.iter().zip(*resume);
            let points: Vec<_> = points
                .map(|(name, (_, seq, epoch))| (name.as_str(), *seq, epoch.as_str()))
                .collect();
            wire::auth(&user.to_string(), None, &points, id)
        }
        Ask::Post {
            room,
            text,
            client_id,
        } => wire::post(&called(*room), text, *client_id, id),
        Ask::Join {
            room,
            after: Some(after),
        } => {
            let object = format!(r#"{{"room":"{}","after_seq":{after}}}"#, called(*room));
            wire::request("room.join", &object, id)
        }
        Ask::Join { room, after: None } => wire::join(&called(*room), id),
        Ask::Leave { room } => wire::leave(&called(*room), id),
        Ask::Typing { room } => {
            let object = format!(r#"{{"room":"{}"}}"#, called(*room));
            wire::request("chat.typing", &object, id)
        }
        Ask::Read { room, seq } => {
            let object = format!(r#"{{"room":"{}","seq":{seq}}}"#, called(*room));
            wire::request("chat.read", &object, id)
        }
        Ask::Block { user, on } => {
            let kind = if *on { "user.block" } else { "user.unblock" };
            wire::request(kind, &format!(r#"{{"user_id":"{user}"}}"#), id)
        }
        Ask::Emit { room, key, mark } => {
            let (room, mark) = (called(*room), mark.json());
            let mark = &mark[1..];
            let object = if key.is_empty() {
                format!(r#"{{"room":"{room}",{mark}"#)
            } else {
                format!(r#"{{"room":"{room}","key":"{key}",{mark}"#)
            };
            wire::request(EVENT, &object, id)
        }
    }
}

/// What one message says.
pub(super) fn understand(text_of: &[u8]) -> Vec<Said> {
    let message = Message::parse(text_of).expect("the server speaks the protocol");
    let object = message.object().expect("the server speaks the protocol");
    let reference = message.ref_id.as_deref().unwrap_or_default().to_owned();
    let heard = match &*message.kind {
        "auth.ok" => {
            let rooms = object["rooms"].as_array().into_iter().flatten();
            vec![Heard::SignedIn(rooms.map(stands).collect())]
        }
        "room.joined" => vec![Heard::Joined {
            stands: stands(&object),
        }],
        "room.left" => vec![Heard::Left { room: room(&object) }],
        "user.left" => vec![Heard::Gone {
            room: room(&object),
            user: user(&object),
        }],
        "chat.message" => vec![delivered(&object)],
        "room.messages" => {
            let messages = object["messages"].as_array().into_iter().flatten();
            messages.map(delivered).collect()
        }
        "chat.ack" => vec![Heard::Accepted {
            room: room(&object),
            seq: unsigned(&object, "seq"),
        }],
        EVENT => vec![Heard::Event {
            room: room(&object),
            sender: user(&object),
            key: text(&object, "key"),
            mark: Mark::of(&object),
        }],
        kind @ ("user.block.ok" | "user.unblock.ok") => vec![Heard::Blocked {
            user: user(&object),
            on: kind == "user.block.ok",
        }],
        "error" => error(&message),
        "user.joined" | "chat.typing" | "chat.read" | "chat.read.ok" | "user.status" => Vec::new(),
        other => panic!("{other} was not expected"),
    };
    let said = |heard| Said {
        heard,
        reference: reference.clone(),
    };
    heard.into_iter().map(said).collect()
}

/// A refusal; or the last words, after which the connection is closed.
fn error(message: &Message<'_>) -> Vec<Heard> {
    let code = message.code.as_deref().unwrap_or_default().to_ascii_uppercase();
    vec![if message.reconnect.is_some() && message.ref_id.is_none() {
        Heard::Over { why: code }
    } else {
        Heard::Refused { code }
    }]
}

fn delivered(object: &Value) -> Heard {
    Heard::Message {
        room: room(object),
        seq: unsigned(object, "seq"),
        sender: user(object),
        text: text(object, "text"),
    }
}

fn stands(object: &Value) -> Stands {
    let room = room(object);
    assert_eq!(object["room_id"], room, "a room has one number");
    Stands {
        room,
        seq: unsigned(object, "seq"),
        epoch: text(object, "epoch"),
        recovered: object["recovered"].as_bool(),
    }
}

fn user(object: &Value) -> i64 {
    text(object, "user_id").parse().expect("handles here are numbers")
}

fn unsigned(object: &Value, key: &str) -> u64 {
    object[key].as_u64().expect("a number that is not negative")
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}
