//! The action protocol, from the client's side.

use bongsu_wire::action::client::{self as wire, Greeting, Heard as Line, Value};

use super::{Ask, Heard, Said, Stands};
use crate::history::Mark;

/// A request as one line.
pub(super) fn say(ask: &Ask<'_>, reference: &str) -> Vec<u8> {
    match ask {
        Ask::SignIn { user, resume } => {
            let points: Vec<_> = resume
                .iter()
                .map(|(room, seq, epoch)| (*room, *seq, epoch.as_str()))
                .collect();
            let greeting = Greeting {
                resume: &points,
                ..Greeting::default()
            };
            wire::connect_with(&user.to_string(), &greeting, reference)
        }
        Ask::Post {
            room,
            text,
            client_id,
        } => wire::post(*room, text, *client_id, reference),
        Ask::Join {
            room,
            after: Some(after),
        } => {
            let object = format!(r#"{{"chatroom_id":{room},"after_seq":{after}}}"#);
            wire::request("JOIN_ROOM", &object, reference)
        }
        Ask::Join { room, after: None } => wire::join(*room, reference),
        Ask::Leave { room } => wire::leave(*room, reference),
        Ask::Typing { room } => {
            let object = format!(r#"{{"chatroom_id":{room},"is_typing":true}}"#);
            wire::request("TYPING", &object, reference)
        }
        Ask::Read { room, seq } => {
            let object = format!(r#"{{"chatroom_id":{room},"seq":{seq}}}"#);
            wire::request("MARK_READ", &object, reference)
        }
        Ask::Block { user, on } => {
            let action = if *on { "BLOCK_USER" } else { "UNBLOCK_USER" };
            wire::request(action, &format!(r#"{{"user_id":{user}}}"#), reference)
        }
        Ask::Emit { room, key, mark } => {
            let (kind, mark) = (super::typed::EVENT, mark.json());
            let object = if key.is_empty() {
                format!(r#"{{"chatroom_id":{room},"type":"{kind}","data":{mark}}}"#)
            } else {
                format!(r#"{{"chatroom_id":{room},"type":"{kind}","key":"{key}","data":{mark}}}"#)
            };
            wire::request("SEND_EVENT", &object, reference)
        }
    }
}

/// What one line, or one frame with such a line in it, says.
pub(super) fn understand(line: &[u8]) -> Vec<Said> {
    let line = Line::parse(line).expect("the server speaks the protocol");
    let object = line.object().expect("the server speaks the protocol");
    let mut reference = line.seq_id.as_deref().unwrap_or_default().to_owned();
    let room = || integer(&object, "chatroom_id");
    let heard = match &*line.action {
        "RECOVERY" => vec![Heard::Recovery {
            pid: text(&object, "pid"),
            recovered: object["recovered"] == true,
        }],
        "CONNECT_SUCCESS" => {
            let rooms = object["rooms"].as_array().into_iter().flatten();
            vec![Heard::SignedIn(rooms.map(stands).collect())]
        }
        "JOIN_ROOM_SUCCESS" => vec![Heard::Joined {
            stands: stands(&object),
        }],
        "LEAVE_ROOM_SUCCESS" => vec![Heard::Left { room: room() }],
        "USER_LEFT" => vec![Heard::Gone {
            room: room(),
            user: integer(&object, "user_id"),
        }],
        "NEW_MESSAGE" => vec![message(&object)],
        "BATCH_MESSAGES" => {
            reference.clear();
            let messages = object["messages"].as_array().into_iter().flatten();
            messages.map(message).collect()
        }
        "NEW_EVENT" => vec![Heard::Event {
            room: room(),
            sender: integer(&object, "user_id"),
            key: text(&object, "key"),
            mark: Mark::of(&object["data"]),
        }],
        action @ ("BLOCK_USER_SUCCESS" | "UNBLOCK_USER_SUCCESS") => vec![Heard::Blocked {
            user: integer(&object, "user_id"),
            on: action == "BLOCK_USER_SUCCESS",
        }],
        "ERROR" | "CONNECT_ERROR" => {
            reference = text(&object, "original_seq_id");
            vec![Heard::Refused {
                code: text(&object, "error_code"),
            }]
        }
        "SESSION_CLOSED" => vec![Heard::Over {
            why: text(&object, "error_code"),
        }],
        "USER_JOINED"
        | "TYPING"
        | "MESSAGE_READ"
        | "MARK_READ_SUCCESS"
        | "USER_STATUS_CHANGED"
        | "SERVER_SHUTDOWN" => Vec::new(),
        other => panic!("{other} was not expected"),
    };
    let said = |heard| Said {
        heard,
        reference: reference.clone(),
    };
    heard.into_iter().map(said).collect()
}

fn message(object: &Value) -> Heard {
    let (room, seq) = (integer(object, "chatroom_id"), unsigned(object, "seq"));
    // The answer to a repeat is no delivery.
    if object.get("client_message_id").is_some() {
        return Heard::Accepted { room, seq };
    }
    Heard::Message {
        room,
        seq,
        sender: integer(&object["sender"], "user_id"),
        text: text(object, "content"),
    }
}

fn stands(object: &Value) -> Stands {
    Stands {
        room: integer(object, "chatroom_id"),
        seq: unsigned(object, "seq"),
        epoch: text(object, "epoch"),
        recovered: object["recovered"].as_bool(),
    }
}

fn integer(object: &Value, key: &str) -> i64 {
    object[key].as_i64().expect("a number")
}

fn unsigned(object: &Value, key: &str) -> u64 {
    object[key].as_u64().expect("a number that is not negative")
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}
