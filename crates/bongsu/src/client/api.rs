//! The HTTP API of a running server, for the commands that need one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use bongsu_edge::auth::{MintRequest, Role, Signer};
use bongsu_edge::clock::SystemClock;
use bongsu_node::Clock as _;
use clap::Args;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde_json::Value;

use super::http::{Http, HttpFault, check_url};

/// A server that takes longer is not well.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tokens that are made for one command need not live long.
const TOKEN_MS: u64 = 300_000;

/// Which server, and in whose name.
#[derive(Args, Clone)]
#[command(next_help_heading = "Server")]
pub(crate) struct Access {
    /// The server's HTTP address.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8000", env = "BONGSU_URL", value_parser = base)]
    pub(crate) url: String,
    /// An access token; without it (and without --api-key) one is signed with the data folder's key.
    #[arg(long, global = true, env = "BONGSU_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A key of the HTTP API instead of a token.
    #[arg(
        long,
        global = true,
        env = "BONGSU_API_KEY",
        hide_env_values = true,
        conflicts_with = "token"
    )]
    pub(crate) api_key: Option<String>,
    /// The server's data folder, for its key.
    #[arg(
        long,
        global = true,
        default_value = "bongsu-data",
        value_name = "DIR",
        env = "BONGSU_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
    /// The server's answer as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

fn base(text: &str) -> Result<String, String> {
    check_url(text).map(|()| text.trim_end_matches('/').to_owned())
}

impl Access {
    /// A token of the data folder's key.
    pub(crate) fn mint(&self, sub: &str, role: Role) -> anyhow::Result<String> {
        let signer = Signer::load(&self.data_dir).context(
            "no token can be signed: name the server's data folder with --data-dir, or give a token with --token",
        )?;
        let request = MintRequest {
            sub: sub.to_owned(),
            role,
            ttl_ms: TOKEN_MS,
            ..MintRequest::default()
        };
        Ok(signer.mint(&request, SystemClock.now()))
    }
}

/// A running server.
pub(crate) struct Api {
    base: String,
    http: Http,
    credential: (HeaderName, HeaderValue),
    /// Somebody's own token, not one that was signed for the command.
    has_token: bool,
}

impl Api {
    /// Nothing is sent yet.
    pub(crate) fn new(access: &Access) -> anyhow::Result<Self> {
        let (name, text) = match &access.api_key {
            Some(key) => (HeaderName::from_static("x-api-key"), key.clone()),
            None => {
                let token = access
                    .token
                    .clone()
                    .map_or_else(|| access.mint("bongsu-cli", Role::Service), Ok)?;
                (AUTHORIZATION, format!("Bearer {token}"))
            }
        };
        let mut value =
            HeaderValue::from_str(&text).context("the token or key holds characters that none has")?;
        value.set_sensitive(true);
        let url: Uri = access.url.parse().context("--url")?;
        Ok(Self {
            base: access.url.clone(),
            http: Http::new(&url, TIMEOUT)?,
            credential: (name, value),
            has_token: access.token.is_some(),
        })
    }

    /// One call under `/api/v1`. The answer's body; null if it has none.
    ///
    /// # Errors
    /// In words that say what to do.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url: Uri = format!("{}/api/v1{path}", self.base).parse().context("--url")?;
        let sent = self
            .http
            .send(
                method,
                &url,
                Some(self.credential.clone()),
                body.map(|body| body.to_string()),
            )
            .await;
        let (status, bytes) = match sent {
            Ok(answer) => answer,
            Err(HttpFault::Connect(fault)) => {
                let why = root_cause(&fault);
                bail!(
                    "no server answers at {} ({why}): start one with `bongsu serve`, or name it with --url",
                    self.base
                )
            }
            Err(fault) => {
                return Err(fault).with_context(|| format!("{} does not answer as it should", self.base));
            }
        };
        let body: Value = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        };
        if status.is_success() {
            return Ok(body);
        }
        let word = |key: &str| body.get(key).and_then(Value::as_str);
        let Some(code) = word("code") else {
            bail!(
                "{} answered with status {}: is it a Bongsu server?",
                self.base,
                status.as_u16()
            )
        };
        let detail = word("detail").unwrap_or_default();
        let reason = word("reason")
            .or(word("field"))
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        let advice = match (code, word("reason")) {
            ("INVALID_TOKEN", Some("signature" | "unknown_key")) => {
                "; the key of another data folder signed: name the server's own with --data-dir"
            }
            _ => "",
        };
        let command = word("command_id")
            .map(|id| format!("; `bongsu explain command {id}` tells more"))
            .unwrap_or_default();
        bail!("{code}{reason}: {detail}{advice}{command}")
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    /// Whether calls are made with a token that was given, and so perhaps a user's own.
    pub(crate) fn has_token(&self) -> bool {
        self.has_token
    }

    /// The number of the user with a handle, who is made if there is none.
    pub(crate) async fn made_user_id(&self, handle: &str) -> anyhow::Result<i64> {
        if let Ok(id) = self.user_id(handle).await {
            return Ok(id);
        }
        self.post("/users", serde_json::json!({ "handle": handle }))
            .await?;
        self.user_id(handle).await
    }

    /// The number of a room that is named by number, name or token; no server is asked about a number.
    pub(crate) async fn room_id(access: &Access, room: &str) -> anyhow::Result<i64> {
        if let Ok(id) = room.parse() {
            return Ok(id);
        }
        let found = Self::new(access)?.get(&format!("/rooms/{}", part(room))).await?;
        found
            .get("room_id")
            .and_then(Value::as_i64)
            .context("the server's answer has no room_id")
    }

    /// The number of a user who is named by number or handle.
    pub(crate) async fn user_id(&self, user: &str) -> anyhow::Result<i64> {
        if let Ok(id) = user.parse() {
            return Ok(id);
        }
        let found = self.get(&format!("/users/{}", part(user))).await?;
        found
            .get("user_id")
            .and_then(Value::as_i64)
            .context("the server's answer has no user_id")
    }
}

pub(super) fn root_cause(fault: &dyn std::error::Error) -> String {
    let mut cause = fault;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// One part of a path: what has a meaning in paths is escaped.
pub(crate) fn part(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_part_of_a_path_stays_one() {
        assert_eq!(part("general"), "general");
        assert_eq!(part("../x?y=봉"), "..%2Fx%3Fy%3D%EB%B4%89");
    }
}
