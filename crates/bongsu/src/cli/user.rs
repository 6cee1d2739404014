//! `bongsu user …`: users of a running server.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::output::{fields, table};
use super::remote::{Remote, pages};
use super::token::duration_ms;
use crate::client::{Access, Api, part};

/// Make, list and look after users of a running server.
#[derive(Args)]
pub(super) struct User {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    access: Access,
}

#[derive(Subcommand)]
enum What {
    /// Make a user.
    Create(Box<Create>),
    /// List users, ascending by number.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show all about one user.
    Show(Of),
    /// Keep a user out, and cut its live sessions.
    Ban {
        #[command(flatten)]
        of: Of,
        /// For the audit; never shown to the user.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a user in again.
    Unban(Of),
    /// Close a user's live sessions; it may come back.
    Disconnect(Of),
    /// Make a member token of 48 hex digits; it is shown this once. (For JWTs: `bongsu token`.)
    Token {
        #[command(flatten)]
        of: Of,
        /// How long it lives: 15m, 1h, 7d [default: until it is revoked].
        #[arg(long, value_parser = duration_ms)]
        ttl: Option<u64>,
    },
    /// Block OTHER for USER: USER hears nothing of OTHER any more.
    Block(Pair),
    /// End a block.
    Unblock(Pair),
}

#[derive(Args)]
struct Of {
    /// The user's number or handle.
    user: String,
}

#[derive(Args)]
struct Pair {
    /// The user's number or handle.
    user: String,
    /// The other one's.
    other: String,
}

#[derive(Args)]
struct Create {
    /// Its number [default: the next free one].
    #[arg(long)]
    id: Option<i64>,
    /// Its handle [default: the number].
    #[arg(long)]
    handle: Option<String>,
    /// Its name for people [default: the handle].
    #[arg(long)]
    nickname: Option<String>,
    /// Its name in English.
    #[arg(long)]
    en: Option<String>,
    /// Its name in Korean.
    #[arg(long)]
    ko: Option<String>,
    /// Its name in Japanese.
    #[arg(long)]
    ja: Option<String>,
    /// The address of its picture.
    #[arg(long)]
    profile_img: Option<String>,
    /// Its region, as the application writes it.
    #[arg(long)]
    region: Option<String>,
    /// Its language, likewise.
    #[arg(long)]
    language: Option<String>,
    /// Its gender, likewise.
    #[arg(long)]
    gender: Option<String>,
}

impl Create {
    fn body(self) -> Value {
        let mut body = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("user_id", self.id.map(Value::from));
        put("handle", self.handle.map(Value::from));
        put("nickname", self.nickname.map(Value::from));
        let nick: Map<_, _> = [("en", self.en), ("ko", self.ko), ("ja", self.ja)]
            .into_iter()
            .filter_map(|(language, name)| Some((language.to_owned(), Value::from(name?))))
            .collect();
        put("nick", (!nick.is_empty()).then_some(Value::Object(nick)));
        put(
            "avatar",
            self.profile_img.map(|address| json!({ "profile_img": address })),
        );
        put("region", self.region.map(Value::from));
        put("language", self.language.map(Value::from));
        put("gender", self.gender.map(Value::from));
        Value::Object(body)
    }
}

impl User {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let remote = Remote::new(self.access);
        remote.run(async |api| self.what.carry_out(api).await)
    }
}

impl What {
    async fn carry_out(self, api: &Api) -> anyhow::Result<(Value, String)> {
        let path = |user: &str| format!("/users/{}", part(user));
        let block = |pair: &Pair| format!("{}/blocks/{}", path(&pair.user), part(&pair.other));
        let (answer, words) = match self {
            Self::Create(create) => {
                let user = api.post("/users", create.body()).await?;
                let words = fields(&user);
                (user, words)
            }
            Self::List { limit } => {
                let users = pages(api, "/users", "users", limit).await?;
                let words = table(&users, &["user_id", "handle", "nickname", "ban.at", "last_seen"]);
                (Value::Array(users), words)
            }
            Self::Show(of) => {
                let user = api.get(&path(&of.user)).await?;
                let words = fields(&user);
                (user, words)
            }
            Self::Ban { of, reason } => {
                let answer = api
                    .post(&format!("{}/ban", path(&of.user)), json!({ "reason": reason }))
                    .await?;
                (answer, format!("user {} is kept out", of.user))
            }
            Self::Unban(of) => (
                api.delete(&format!("{}/ban", path(&of.user))).await?,
                format!("user {} may come in again", of.user),
            ),
            Self::Disconnect(of) => {
                let answer = api
                    .post(&format!("{}/disconnect", path(&of.user)), json!({}))
                    .await?;
                (answer, format!("the sessions of user {} are closed", of.user))
            }
            Self::Token { of, ttl } => {
                let body = ttl.map_or(json!({}), |ms| json!({ "ttl": (ms / 1_000).max(1) }));
                let made = api.post(&format!("{}/tokens", path(&of.user)), body).await?;
                let words = made
                    .get("token")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                (made, words)
            }
            Self::Block(pair) => (
                api.post(&block(&pair), json!({})).await?,
                format!("user {} blocks {}", pair.user, pair.other),
            ),
            Self::Unblock(pair) => (
                api.delete(&block(&pair)).await?,
                format!("user {} no longer blocks {}", pair.user, pair.other),
            ),
        };
        Ok((answer, words))
    }
}
