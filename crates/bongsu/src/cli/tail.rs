//! `bongsu tail`: what happens in a room, as one of its members hears it.
//!
//! Invariant: over any number of broken connections each message is shown once and in order, or it is said that some
//! may be missing.

use std::time::Duration;

use anyhow::{Context, bail};
use bongsu_edge::action_client::{self as wire, Greeting};
use bongsu_model::Role;
use clap::Args;
use serde_json::{Value, json};

use super::output::visible;
use super::remote::block_on;
use crate::client::{Access, Api, Said, Stream, locale, part};

const RETRY_MS_FIRST: u64 = 500;
const RETRY_MS_MAX: u64 = 10_000;
/// The references of our own requests.
const HELLO: &str = "tail-connect";
const JOIN: &str = "tail-join";

/// Show what happens in a room, as it happens.
///
/// Signs in as a user over TCP and joins the room (which makes the user a member), prints every event, and after a lost
/// connection comes back and goes on where it was. Ends with Ctrl-C.
#[derive(Args)]
pub(super) struct Tail {
    /// The room's number (a name or token is looked up over HTTP).
    #[arg(long)]
    room: String,
    /// As whom: a user's number or handle; a token is signed with the data folder's key.
    #[arg(long = "as", value_name = "USER", required_unless_present = "token")]
    user: Option<String>,
    /// Begin after this message instead of now; 0 shows all there are.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// The server's TCP address.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:12345",
        env = "BONGSU_TCP"
    )]
    tcp: String,
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
    room: i64,
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
        let room = match self.room.parse() {
            Ok(room) => room,
            Err(_) => {
                let found = Api::new(&self.access)?
                    .get(&format!("/rooms/{}", part(&self.room)))
                    .await?;
                found
                    .get("room_id")
                    .and_then(Value::as_i64)
                    .context("the server's answer has no room_id")?
            }
        };
        let after = self.after;
        let mut follower = Follower {
            tail: self,
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
        match (&self.access.token, &self.user) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(user)) => self.access.mint(user, Role::User),
            (None, None) => bail!("--as USER is needed"),
        }
    }
}

impl Follower {
    /// One connection, from its beginning to its end.
    async fn connection(&mut self) -> anyhow::Result<Ended> {
        let mut stream = match Stream::connect(&self.tail.tcp).await {
            Ok(stream) => stream,
            Err(_) if self.joined => return Ok(Ended::Broken { wait_ms: 0 }),
            Err(fault) => bail!(
                "no server answers at {} ({fault:#}): start one with `bongsu serve`, or name it with --tcp",
                self.tail.tcp
            ),
        };
        let token = self.tail.token()?;
        let resume: Vec<_> = self
            .last
            .iter()
            .map(|(seq, epoch)| (self.room, *seq, epoch.as_str()))
            .collect();
        let greeting = Greeting {
            locale: locale(),
            accept_compression: false,
            resume: &resume,
        };
        let hello = wire::connect_with(&token, &greeting, HELLO);
        match self.listen(&mut stream, &hello).await {
            Ok(ended) => Ok(ended),
            // What breaks a connection that stood is the network's fault.
            Err(_) if self.joined => Ok(Ended::Broken { wait_ms: 0 }),
            Err(fault) => Err(fault),
        }
    }

    async fn listen(&mut self, stream: &mut Stream, hello: &[u8]) -> anyhow::Result<Ended> {
        stream.send(hello).await?;
        let mut ping_every = Duration::from_secs(30);
        let mut silent = 0;
        let mut wait_ms = 0;
        loop {
            let Ok(said) = tokio::time::timeout(ping_every, stream.next()).await else {
                // Three pings without an answer: the server or the way to it is gone.
                silent += 1;
                if silent > 3 {
                    return Ok(Ended::Broken { wait_ms });
                }
                stream.send(&wire::ping("tail-ping")).await?;
                continue;
            };
            silent = 0;
            let Some(said) = said? else {
                return Ok(Ended::Broken { wait_ms });
            };
            let number = |key: &str| said.data.get(key).and_then(Value::as_u64);
            match said.action.as_str() {
                "CONNECT_SUCCESS" => {
                    ping_every =
                        Duration::from_millis(number("ping_interval_ms").unwrap_or(30_000).max(1_000));
                    self.signed_in(stream, &said).await?;
                }
                "CONNECT_ERROR" => return Ok(refused(&said)),
                "ERROR" if said.seq_id == JOIN || said.data["original_seq_id"] == JOIN => {
                    return Ok(refused(&said));
                }
                "SESSION_CLOSED" if said.data["reconnect"] == "never" => return Ok(refused(&said)),
                "SERVER_SHUTDOWN" => {
                    wait_ms = number("reconnect_after_ms").unwrap_or(0);
                    self.show(&said);
                }
                "JOIN_ROOM_SUCCESS" => {
                    self.joined = true;
                    let at = self.after.take().or(number("seq")).unwrap_or(0);
                    let epoch = said.data["epoch"].as_str().unwrap_or_default().to_owned();
                    self.last = Some((at, epoch));
                }
                "TOKEN_EXPIRING" if self.tail.access.token.is_none() => {
                    let fresh = json!({ "jwt_token": self.tail.token()? }).to_string();
                    stream
                        .send(&wire::request("REFRESH_TOKEN", &fresh, "tail-refresh"))
                        .await?;
                }
                "PONG" | "REFRESH_TOKEN_SUCCESS" => {}
                _ => self.heard(&said),
            }
            if self.unread {
                return Ok(Ended::Unread);
            }
        }
    }

    /// Joins the room, unless the resume took care of it.
    async fn signed_in(&mut self, stream: &mut Stream, said: &Said) -> std::io::Result<()> {
        self.retry_ms = RETRY_MS_FIRST;
        let rooms = said.data["rooms"].as_array();
        let standing = rooms.and_then(|rooms| rooms.iter().find(|room| room["chatroom_id"] == self.room));
        match standing {
            Some(standing) if self.joined && standing["recovered"] != false => return Ok(()),
            Some(_) if self.joined => {
                eprintln!("bongsu: the room's history cannot be resumed; messages may be missing here");
                self.last = None;
            }
            Some(_) | None => {}
        }
        let after = self.after.or(self.last.as_ref().map(|(seq, _)| *seq));
        self.after = after;
        let data = match after {
            Some(seq) => json!({ "chatroom_id": self.room, "after_seq": seq }),
            None => json!({ "chatroom_id": self.room }),
        };
        stream
            .send(&wire::request("JOIN_ROOM", &data.to_string(), JOIN))
            .await
    }

    /// Shows what concerns the room, and notes how far it is.
    fn heard(&mut self, said: &Said) {
        if said
            .data
            .get("chatroom_id")
            .is_some_and(|room| *room != self.room)
        {
            return;
        }
        let messages = match said.action.as_str() {
            "NEW_MESSAGE" => std::slice::from_ref(&said.data),
            "BATCH_MESSAGES" => said.data["messages"].as_array().map_or(&[][..], Vec::as_slice),
            _ => return self.show(said),
        };
        for message in messages {
            let seq = message["seq"].as_u64().unwrap_or(0);
            let Some((last, _)) = &mut self.last else { continue };
            if seq <= *last {
                continue;
            }
            *last = seq;
            self.unread |= !super::say(&if self.tail.access.json {
                message.to_string()
            } else {
                message_words(message)
            });
        }
    }

    fn show(&mut self, said: &Said) {
        self.unread |= !super::say(&if self.tail.access.json {
            said.text.clone()
        } else {
            event_words(said)
        });
    }
}

fn refused(said: &Said) -> Ended {
    let word = |key: &str| said.data[key].as_str().unwrap_or_default().to_owned();
    Ended::Refused(format!("{}: {}", word("error_code"), word("message")))
}

/// `12:00:00 #41 하나: 안녕하세요`
fn message_words(message: &Value) -> String {
    let text = |pointer: &str| {
        message
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let time = text("/created_at").get(11..19).unwrap_or_default();
    let kind = match text("/message_type") {
        "text" => String::new(),
        kind => format!(" [{kind}]"),
    };
    format!(
        "{time} #{}{kind} {}: {}",
        message["seq"],
        visible(text("/sender/nickname")),
        visible(text("/content"))
    )
}

/// `* USER_JOINED user_id 2, nickname 두리`
fn event_words(said: &Said) -> String {
    let fields = said
        .data
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.as_str() != "chatroom_id");
    let fields = fields.map(|(key, value)| match value {
        Value::String(text) => format!("{key} {}", visible(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{key} {}", visible(&value.to_string()))
        }
    });
    format!("* {} {}", said.action, fields.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_events_are_one_line_each() {
        let message = json!({
            "seq": 41, "sender": { "nickname": "하나" }, "content": "a\nb", "message_type": "image",
            "created_at": "2026-01-01T12:34:56.789Z"
        });
        assert_eq!(message_words(&message), "12:34:56 #41 [image] 하나: a⏎b");
        let said = Said {
            action: "TYPING".to_owned(),
            seq_id: String::new(),
            data: json!({ "chatroom_id": 1, "user_id": 2 }),
            text: String::new(),
        };
        assert_eq!(event_words(&said), "* TYPING user_id 2");
    }
}
