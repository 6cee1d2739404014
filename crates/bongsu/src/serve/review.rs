//! The reviewer behind a URL: asked about each message that passed moderation.
//!
//! Invariant: who asks gets an answer within the reviewer's time; without one the setting decides.

use std::time::Duration;

use async_trait::async_trait;
use bongsu_model::{RoomRef, UserId};
use bongsu_node::Reviewer;
use hyper::{Method, Uri};
use serde_json::{Value, json};

use crate::client::{Http, HttpFault};
use crate::settings::ReviewSettings;

pub(super) struct Webhook {
    http: Http,
    url: Uri,
    fail_open: bool,
}

/// Why a reviewer's answer is none.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Http(#[from] HttpFault),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is not a JSON object with `allow` true or false")]
    Shape,
}

impl Webhook {
    pub(super) fn new(settings: &ReviewSettings) -> anyhow::Result<Self> {
        let url: Uri = settings.url.parse()?;
        let http = Http::new(&url, Duration::from_millis(settings.timeout_ms))?;
        Ok(Self { http, url, fail_open: settings.fail_open })
    }

    async fn ask(&self, question: Value) -> Result<bool, NoAnswer> {
        let (status, body) = self.http.send(Method::POST, &self.url, None, Some(question.to_string())).await?;
        if !status.is_success() {
            return Err(NoAnswer::Status(status.as_u16()));
        }
        let answer: Value = serde_json::from_slice(&body).map_err(|_| NoAnswer::Shape)?;
        answer.get("allow").and_then(Value::as_bool).ok_or(NoAnswer::Shape)
    }
}

#[async_trait]
impl Reviewer for Webhook {
    async fn may_pass(&self, user: UserId, room: &RoomRef, content: &str) -> bool {
        let room = match room {
            RoomRef::Id(id) => json!(id.0),
            RoomRef::Name(name) => json!(&**name),
            RoomRef::Token(token) => json!(token.to_string()),
        };
        match self.ask(json!({ "user_id": user.0, "room": room, "content": content })).await {
            Ok(allowed) => allowed,
            Err(fault) => {
                tracing::warn!(%fault, passes = self.fail_open, "the reviewer has not answered");
                self.fail_open
            }
        }
    }
}
