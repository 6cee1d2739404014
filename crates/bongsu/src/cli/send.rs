//! `bongsu send` and `bongsu announce`: words into a room, or to everyone.

use clap::Args;
use serde_json::{Value, json};

use super::remote::Remote;
use crate::client::{Access, part};

/// Post a message in a room of a running server.
#[derive(Args)]
pub(super) struct Send {
    /// The room's number, name or token.
    #[arg(long)]
    room: String,
    /// In whose name (number or handle); a given --token may speak for itself.
    #[arg(long = "as", value_name = "USER", required_unless_present = "token")]
    sender: Option<String>,
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
        Remote::new(self.access).run(async |api| {
            let mut body = json!({ "content": self.text });
            if let Some(sender) = &self.sender {
                body["sender_id"] = api.user_id(sender).await?.into();
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
            let seq = posted.get("seq").and_then(Value::as_u64).unwrap_or_default();
            Ok((posted, format!("message {seq} of room {}", self.room)))
        })
    }
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
