//! Asks a back end whether a message may pass: the moderation webhook.
//!
//! Invariant: a question ends within its time, whatever the other side does; only the configured address is ever asked,
//! redirects are not followed, and contents are never logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bongsu_model::{RoomRef, UserId};
use bongsu_node::Reviewer;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::auth::Secret;

/// An answer is `{"allow":true}` and little more.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Connections that are kept for the next question, and for how long.
const KEPT_CONNECTIONS: usize = 16;
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Whom to ask, and what to make of silence.
#[derive(Clone, Debug)]
pub struct ReviewSettings {
    /// An http or https address.
    pub url: Arc<str>,
    /// Sent as `Authorization: Bearer …`, if there is one.
    pub secret: Option<Secret>,
    /// One question, from connecting to the last byte of the answer.
    pub timeout_ms: u64,
    /// Whether a message passes that nobody could be asked about: fail open. Else it is refused: fail closed.
    pub pass_unasked: bool,
    /// Questions at once; more count as silence, so that a slow back end holds a bounded number of messages.
    pub questions_max: usize,
}

/// Why the settings were not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReviewFault {
    /// Not an absolute http or https URL with a host and without credentials.
    #[error("the moderation webhook needs an absolute http or https URL without a user or a password")]
    Url,
    /// Not fit for a header.
    #[error("the moderation webhook's secret must be visible ASCII")]
    Secret,
    /// Zero.
    #[error("the moderation webhook needs a time-out and a number of questions of at least 1")]
    Zero,
    /// The system's certificates cannot be read.
    #[error("the system's certificates cannot be read")]
    Roots,
}

/// What became of a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unasked {
    Busy,
    Timeout,
    Connection,
    Status(StatusCode),
    Answer,
}

/// Asks the back end.
pub struct Webhook {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    pass_unasked: bool,
    places: Semaphore,
    /// Whether the last question got no verdict.
    silent: AtomicBool,
}

/// The question.
#[derive(Serialize)]
struct Question<'a> {
    user_id: i64,
    /// The room's number where the client named it so, else its name or token.
    room: RoomName<'a>,
    content: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RoomName<'a> {
    Id(i64),
    Name(&'a str),
    Token(String),
}

/// The answer. Fields beyond are ignored.
#[derive(Deserialize)]
struct Verdict {
    allow: bool,
}

impl Webhook {
    /// Of these settings. To be called inside of a runtime.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: &ReviewSettings) -> Result<Self, ReviewFault> {
        let url = check_url(&settings.url)?;
        if settings.timeout_ms == 0 || settings.questions_max == 0 {
            return Err(ReviewFault::Zero);
        }
        let authorization = settings.secret.as_ref().map(bearer).transpose()?;
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|_| ReviewFault::Roots)?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .pool_max_idle_per_host(KEPT_CONNECTIONS)
            .build(connector);
        Ok(Self {
            client,
            url,
            authorization,
            timeout: Duration::from_millis(settings.timeout_ms),
            pass_unasked: settings.pass_unasked,
            silent: AtomicBool::new(false),
            places: Semaphore::new(settings.questions_max.min(Semaphore::MAX_PERMITS)),
        })
    }

    async fn ask(&self, question: &Question<'_>) -> Result<bool, Unasked> {
        let _place = self.places.try_acquire().map_err(|_| Unasked::Busy)?;
        let asked = tokio::time::timeout(self.timeout, self.exchange(question)).await;
        asked.map_err(|_| Unasked::Timeout)?
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<bool, Unasked> {
        let body = serde_json::to_vec(question).expect("a question of texts and numbers");
        let mut request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("bongsu/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body)))
            .expect("a checked URL and fixed headers make a request");
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|_| Unasked::Connection)?;
        if answer.status() != StatusCode::OK {
            return Err(Unasked::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| Unasked::Answer)?.to_bytes();
        serde_json::from_slice(&body)
            .map(|verdict: Verdict| verdict.allow)
            .map_err(|_| Unasked::Answer)
    }
}

#[async_trait]
impl Reviewer for Webhook {
    async fn may_pass(&self, user: UserId, room: &RoomRef, content: &str) -> bool {
        let room = match room {
            RoomRef::Id(room) => RoomName::Id(room.0),
            RoomRef::Name(name) => RoomName::Name(name),
            RoomRef::Token(token) => RoomName::Token(token.to_string()),
        };
        match self
            .ask(&Question {
                user_id: user.0,
                room,
                content,
            })
            .await
        {
            Ok(allow) => {
                if self.silent.swap(false, Ordering::Relaxed) {
                    tracing::info!("the moderation webhook gives verdicts again");
                }
                allow
            }
            Err(why) => {
                // Once for each outage, not once for each message.
                if !self.silent.swap(true, Ordering::Relaxed) {
                    let passes = self.pass_unasked;
                    tracing::warn!(?why, passes, "the moderation webhook gives no verdict");
                }
                self.pass_unasked
            }
        }
    }
}

fn check_url(text: &str) -> Result<Uri, ReviewFault> {
    let url: Uri = text.parse().map_err(|_| ReviewFault::Url)?;
    let known = matches!(url.scheme_str(), Some("http" | "https"));
    let host = url.host().is_some_and(|host| !host.is_empty());
    // Credentials in an address end up in logs; there is a setting for them.
    let bare = url
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if known && host && bare {
        Ok(url)
    } else {
        Err(ReviewFault::Url)
    }
}

fn bearer(secret: &Secret) -> Result<HeaderValue, ReviewFault> {
    let mut value =
        HeaderValue::from_bytes(&[b"Bearer ", secret.expose()].concat()).map_err(|_| ReviewFault::Secret)?;
    value.set_sensitive(true);
    Ok(value)
}
