//! `bongsu tail`: what happens in a room, as one of its members hears it.
//!
//! Invariant: over any number of broken connections each message is shown once and in order, or it is said that some
//! may be missing.

use std::time::Duration;

use anyhow::{Context, bail};
use bongsu_model::Role;
use clap::Args;
use serde_json::Value;

use super::output::visible;
use super::remote::{NOBODY, block_on};
use crate::client::{Access, Api, Asked, Event, Line, Message, Protocol, Told};

const RETRY_MS_FIRST: u64 = 500;
const RETRY_MS_MAX: u64 = 10_000;

/// Show what happens in a room, as it happens.
///
/// Signs in as a user and joins the room (which makes the user a member), prints every event, and after a lost
/// connection comes back and goes on where it was. Ends with Ctrl-C.
#[derive(Args)]
#[command(after_help = "\
Examples:
  bongsu tail --room general
  bongsu tail --room general --as 2 --after 0 --json
  bongsu tail --room general --protocol socketio
  bongsu tail --room 1 --as 2 --protocol action --tcp 127.0.0.1:12345")]
pub(super) struct Tail {
    /// The room's name, number or token. By a name that no room has, joining it makes one, except over action.
    #[arg(long)]
    room: String,
    /// As whom: a user's number or handle; a token is signed with the data folder's key [default: bongsu-cli].
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// Begin after this message instead of now; 0 shows all there are.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// What is spoken: type over WebSocket or socketio with the server at --url, or action over TCP [default: action with
    /// --tcp, else type].
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// The server's TCP address [default: 127.0.0.1:12345].
    #[arg(long, value_name = "ADDR", env = "BONGSU_TCP")]
    tcp: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// How a connection ended.
enum Ended {
    /// To be made again, not sooner than this.
    Broken { wait_ms: u64 },
    /// To be left at that.
    Refused(String),
    /// Nobody reads what is printed any more.
    Unread,
}

/// What is known from one connection to the next.
struct Follower {
    tail: Tail,
    protocol: Protocol,
    /// As the server names it, once that is known; until then as it was asked for.
    room: String,
    /// The last message shown, and its history.
    last: Option<(u64, String)>,
    after: Option<u64>,
    joined: bool,
    unread: bool,
    retry_ms: u64,
}

impl Tail {
    pub(super) fn run(self) -> anyhow::Result<()> {
        block_on(async {
            tokio::select! {
                followed = self.follow() => followed,
                heard = tokio::signal::ctrl_c() => heard.context("signals cannot be heard"),
            }
        })
    }

    async fn follow(self) -> anyhow::Result<()> {
        let protocol = self.protocol.unwrap_or(match self.tcp {
            Some(_) => Protocol::Action,
            None => Protocol::Type,
        });
        let room = match protocol {
            Protocol::Action => Api::room_id(&self.access, &self.room).await?.to_string(),
            Protocol::Type | Protocol::Socketio => self.room.clone(),
        };
        let after = self.after;
        let mut follower = Follower {
            tail: self,
            protocol,
            room,
            last: None,
            after,
            joined: false,
            unread: false,
            retry_ms: RETRY_MS_FIRST,
        };
        loop {
            let wait_ms = match follower.connection().await? {
                Ended::Refused(why) => bail!("{why}"),
                Ended::Unread => return Ok(()),
                Ended::Broken { wait_ms } => wait_ms.max(follower.retry_ms),
            };
            eprintln!("bongsu: the connection ended; the next try is in {wait_ms} ms");
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            follower.retry_ms = (follower.retry_ms * 2).min(RETRY_MS_MAX);
        }
    }

    fn token(&self) -> anyhow::Result<String> {
        match &self.access.token {
            Some(token) => Ok(token.clone()),
            None => self
                .access
                .mint(self.user.as_deref().unwrap_or(NOBODY), Role::User),
        }
    }
}

impl Follower {
    /// One connection, from its beginning to its end.
    async fn connection(&mut self) -> anyhow::Result<Ended> {
        let tcp = self.tail.tcp.as_deref().unwrap_or(super::remote::TCP);
        let mut line = match Line::open(self.protocol, tcp, &self.tail.access.url).await {
            Ok(line) => line,
            Err(_) if self.joined => return Ok(Ended::Broken { wait_ms: 0 }),
            Err(fault) => return Err(fault),
        };
        match self.listen(&mut line).await {
            Ok(ended) => {
                line.close().await;
                Ok(ended)
            }
            // What breaks a connection that stood is the network's fault.
            Err(_) if self.joined => Ok(Ended::Broken { wait_ms: 0 }),
            Err(fault) => Err(fault),
        }
    }

    async fn listen(&mut self, line: &mut Line) -> anyhow::Result<Ended> {
        let seen = self
            .last
            .as_ref()
            .map(|(seq, epoch)| (self.room.as_str(), *seq, epoch.as_str()));
        line.sign_in(&self.tail.token()?, seen).await?;
        let mut ping_every = Duration::from_secs(30);
        let (mut silent, mut wait_ms) = (0, 0);
        loop {
            let Ok(told) = tokio::time::timeout(ping_every, line.next()).await else {
                // Three pings without an answer: the server or the way to it is gone.
                silent += 1;
                if silent > 3 {
                    return Ok(Ended::Broken { wait_ms });
                }
                line.ping().await?;
                continue;
            };
            silent = 0;
            let Some((told, raw)) = told? else {
                return Ok(Ended::Broken { wait_ms });
            };
            match told {
                Told::SignedIn {
                    ping_interval_ms,
                    rooms,
                } => {
                    ping_every = Duration::from_millis(ping_interval_ms.max(1_000));
                    self.signed_in(line, &rooms).await?;
                }
                Told::Refused(Asked::SignIn | Asked::Join, words)
                | Told::Over {
                    for_good: true,
                    words,
                } => return Ok(Ended::Refused(words)),
                Told::Over {
                    for_good: false,
                    words,
                } => self.show(&raw, &format!("* {}", visible(&words))),
                Told::ShuttingDown { reconnect_after_ms } => {
                    wait_ms = reconnect_after_ms;
                    self.show(&raw, "* the server is about to stop");
                }
                Told::Joined { room, seq, epoch } => {
                    self.joined = true;
                    self.room = room;
                    self.last = Some((self.after.take().unwrap_or(seq), epoch));
                }
                Told::TokenExpiring if self.tail.access.token.is_none() => {
                    line.refresh(&self.tail.token()?).await?;
                }
                Told::TokenExpiring => self.show(&raw, "* the token is about to end"),
                Told::Messages(messages) => self.messages(&messages),
                Told::Event(event) if event.room.as_ref().is_none_or(|room| self.is_here(room)) => {
                    self.show(&raw, &event_words(&event));
                }
                Told::Event(_) | Told::Nothing | Told::Accepted(_) | Told::Refused(Asked::Post, _) => {}
            }
            if self.unread {
                return Ok(Ended::Unread);
            }
        }
    }

    /// Whether something happened in the room that is followed; nothing did before it was joined.
    fn is_here(&self, room: &str) -> bool {
        self.joined && room == self.room
    }

    /// Joins the room, unless the resume took care of it.
    async fn signed_in(&mut self, line: &mut Line, rooms: &[(String, Option<bool>)]) -> anyhow::Result<()> {
        self.retry_ms = RETRY_MS_FIRST;
        let standing = rooms.iter().find(|(room, _)| *room == self.room);
        match standing {
            Some((_, recovered)) if self.joined && *recovered != Some(false) => return Ok(()),
            Some(_) if self.joined => {
                eprintln!("bongsu: the room's history cannot be resumed; messages may be missing here");
                self.last = None;
            }
            Some(_) | None => {}
        }
        self.after = self.after.or(self.last.as_ref().map(|(seq, _)| *seq));
        line.join(&self.room, self.after).await
    }

    /// Shows the messages that were not shown yet, and notes how far it is.
    fn messages(&mut self, messages: &[Message]) {
        for message in messages {
            let Some((last, _)) = &mut self.last else { continue };
            if message.room != self.room || message.seq <= *last {
                continue;
            }
            *last = message.seq;
            self.show(&message.raw.to_string(), &message_words(message));
        }
    }

    fn show(&mut self, raw: &str, words: &str) {
        if self.tail.access.json && raw.is_empty() {
            return;
        }
        self.unread |= !super::say(if self.tail.access.json { raw } else { words });
    }
}

/// `12:00:00 #41 하나: 안녕하세요`
fn message_words(message: &Message) -> String {
    let time = message.at.get(11..19).unwrap_or_default();
    let kind = match message.kind.as_str() {
        "text" => String::new(),
        kind => format!(" [{kind}]"),
    };
    let (from, content) = (visible(&message.from), visible(&message.content));
    format!("{time} #{}{kind} {from}: {content}", message.seq)
}

/// `* 두리 joined, 3 are here`, and for what has no words of its own `* game.move user_id 2, to e4`.
fn event_words(event: &Event) -> String {
    let data = &event.data;
    let word = |key: &str| {
        data.get(key).map(|value| match value {
            Value::String(text) => visible(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                visible(&value.to_string())
            }
        })
    };
    let who = ["username", "nickname", "user_id"]
        .into_iter()
        .find_map(word)
        .unwrap_or_default();
    let count = word("participants_count").map_or(String::new(), |count| format!(", {count} are here"));
    match event.kind.as_str() {
        "USER_JOINED" | "user.joined" => format!("* {who} joined{count}"),
        "USER_LEFT" | "user.left" => format!("* {who} left{count}"),
        "TYPING" | "chat.typing" if data["is_typing"] == false => format!("* {who} stopped typing"),
        "TYPING" | "chat.typing" => format!("* {who} is typing"),
        "USER_STATUS_CHANGED" | "user.status" if data["is_online"] == true => format!("* {who} is online"),
        "USER_STATUS_CHANGED" | "user.status" => format!("* {who} is offline"),
        kind => {
            let names = data
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str());
            let fields: Vec<_> = names
                .filter(|name| !matches!(*name, "room" | "chatroom_id"))
                .filter_map(|name| Some(format!("{} {}", visible(name), word(name)?)))
                .collect();
            format!("* {} {}", visible(kind), fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_and_events_are_one_line_each() {
        let message = Message {
            room: "general".to_owned(),
            seq: 41,
            at: "2026-01-01T12:34:56.789Z".to_owned(),
            kind: "image".to_owned(),
            from: "하나".to_owned(),
            content: "a\nb".to_owned(),
            raw: Value::Null,
        };
        assert_eq!(message_words(&message), "12:34:56 #41 [image] 하나: a⏎b");
        let words = |kind: &str, data: Value| {
            event_words(&Event {
                kind: kind.to_owned(),
                room: None,
                data,
            })
        };
        assert_eq!(
            words(
                "USER_JOINED",
                json!({ "chatroom_id": 1, "user_id": 2, "nickname": "두\n리", "participants_count": 3 })
            ),
            "* 두⏎리 joined, 3 are here"
        );
        assert_eq!(
            words(
                "user.left",
                json!({ "room": "general", "user_id": "b", "username": "두리" })
            ),
            "* 두리 left"
        );
        assert_eq!(
            words(
                "TYPING",
                json!({ "chatroom_id": 1, "user_id": 2, "is_typing": true })
            ),
            "* 2 is typing"
        );
        assert_eq!(
            words(
                "game.move",
                json!({ "room": "general", "to": "e4", "at": [1, 2], "user_id": "2" })
            ),
            "* game.move at [1,2], to e4, user_id 2"
        );
    }
}
