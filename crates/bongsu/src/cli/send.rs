//! `bongsu send` and `bongsu announce`: words into a room, or to everyone.

use std::time::Duration;

use anyhow::{Context, bail};
use bongsu_model::Role;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::remote::{NOBODY, Remote, TCP, block_on};
use crate::client::{Access, Api, Asked, Draft, Line, Protocol, Told, part};

/// A server that is there and well answers sooner.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How a message gets to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Way {
    /// The HTTP API.
    Http,
    /// The type protocol over WebSocket, at --url.
    Type,
    /// The type protocol in events of Socket.IO, at --url.
    Socketio,
    /// The action protocol over TCP, at --tcp.
    Action,
}

/// Post a message in a room of a running server.
///
/// Over type, socketio and action it is posted as users do: signed in, and joined to the room, which makes the user a member.
#[derive(Args)]
#[command(after_help = "\
Examples:
  bongsu send --room general --as 1 \"hello\"
  bongsu send --room general --protocol type \"hello\"
  bongsu send --room 1 --as 2 --protocol action --tcp 127.0.0.1:12345 \"hello\"")]
pub(super) struct Send {
    /// The room's number, name or token.
    #[arg(long)]
    room: String,
    /// In whose name (number or handle); a given --token may speak for itself [default: bongsu-cli].
    #[arg(long = "as", value_name = "USER")]
    sender: Option<String>,
    /// How it gets there.
    #[arg(long, value_enum, default_value_t = Way::Http)]
    protocol: Way,
    /// The server's TCP address, for action.
    #[arg(long, value_name = "ADDR", default_value = TCP, env = "BONGSU_TCP")]
    tcp: String,
    /// text, image, file, audio, video, location or custom [default: text].
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The caller's own id for the message: a second one with it is not stored again.
    #[arg(long, value_name = "ID")]
    client_message_id: Option<String>,
    /// The message.
    text: String,
    #[command(flatten)]
    access: Access,
}

impl Send {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let protocol = match self.protocol {
            Way::Http => return self.over_http(),
            Way::Type => Protocol::Type,
            Way::Socketio => Protocol::Socketio,
            Way::Action => Protocol::Action,
        };
        if self.access.api_key.is_some() {
            bail!("--api-key is a key of the HTTP API: use --protocol http, or --token");
        }
        let accepted = block_on(async {
            let posted = tokio::time::timeout(ANSWER_WITHIN, self.over(protocol)).await;
            posted.with_context(|| format!("no answer within {} s", ANSWER_WITHIN.as_secs()))?
        })?;
        super::say(&if self.access.json {
            accepted.to_string()
        } else {
            words(&accepted, &self.room)
        });
        Ok(())
    }

    fn over_http(self) -> anyhow::Result<()> {
        Remote::new(self.access).run(async |api| {
            let mut body = json!({ "content": self.text });
            if let Some(sender) = &self.sender {
                body["sender_id"] = api.user_id(sender).await?.into();
            } else if !api.has_token() {
                body["sender_id"] = api.made_user_id(NOBODY).await?.into();
            }
            if let Some(kind) = self.kind {
                body["message_type"] = kind.into();
            }
            if let Some(id) = self.client_message_id {
                body["client_message_id"] = id.into();
            }
            let posted = api
                .post(&format!("/rooms/{}/messages", part(&self.room)), body)
                .await?;
            let words = words(&posted, &self.room);
            Ok((posted, words))
        })
    }

    /// Posts it in a session, and gives what the server acknowledged.
    async fn over(&self, protocol: Protocol) -> anyhow::Result<Value> {
        let room = match protocol {
            Protocol::Action => Api::room_id(&self.access, &self.room).await?.to_string(),
            Protocol::Type | Protocol::Socketio => self.room.clone(),
        };
        let token = match &self.access.token {
            Some(token) => token.clone(),
            None => {
                let sender = self.sender.as_deref().unwrap_or(NOBODY);
                self.access.mint(sender, Role::User)?
            }
        };
        let mut line = Line::open(protocol, &self.tcp, &self.access.url).await?;
        line.sign_in(&token, None).await?;
        let draft = Draft {
            content: &self.text,
            kind: self.kind.as_deref(),
            client_message_id: self.client_message_id.as_deref(),
        };
        let accepted = loop {
            let Some((told, _)) = line.next().await? else {
                bail!("the server closed the connection before it acknowledged the message");
            };
            match told {
                Told::SignedIn { .. } => line.join(&room, None).await?,
                Told::Joined { .. } => line.post(&room, &draft).await?,
                Told::Accepted(accepted) => break accepted,
                Told::Refused(Asked::SignIn | Asked::Join | Asked::Post, words)
                | Told::Over { words, .. } => {
                    bail!("{words}")
                }
                Told::Messages(_)
                | Told::ShuttingDown { .. }
                | Told::TokenExpiring
                | Told::Event(_)
                | Told::Nothing => {}
            }
        };
        line.close().await;
        Ok(accepted)
    }
}

/// What was acknowledged: the same two fields on every way.
fn words(accepted: &Value, room: &str) -> String {
    let seq = accepted.get("seq").and_then(Value::as_u64).unwrap_or_default();
    let id = accepted
        .get("message_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    format!("message {seq} of room {room}, id {id}")
}

/// Tell something to every live session.
#[derive(Args)]
pub(super) struct Announce {
    /// The headline.
    #[arg(long)]
    title: String,
    /// maintenance, notice, update or emergency.
    #[arg(long = "type", value_name = "TYPE", default_value = "notice")]
    kind: String,
    /// low, normal or high.
    #[arg(long, default_value = "normal")]
    priority: String,
    /// The text.
    message: String,
    #[command(flatten)]
    access: Access,
}

impl Announce {
    pub(super) fn run(self) -> anyhow::Result<()> {
        Remote::new(self.access).run(async |api| {
            let body =
                json!({ "title": self.title, "message": self.message, "type": self.kind, "priority": self.priority });
            let announced = api.post("/announcements", body).await?;
            let count = announced.get("delivered_to").and_then(Value::as_u64).unwrap_or_default();
            Ok((announced, format!("delivered to {count} sessions")))
        })
    }
}
