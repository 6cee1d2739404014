//! `bongsu user …`: users of a running server.

use clap::{Args, Subcommand};
use hyper::Method;
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
    #[command(visible_alias = "add")]
    Create(Box<Create>),
    /// Change what is shown of a user; what is given an empty value is taken away.
    Set(Box<Set>),
    /// List users, ascending by number.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show all about one user.
    Show(Of),
    /// Show all about the user that clients are shown by a public token.
    Find {
        /// 48 hex digits.
        public_token: String,
    },
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
    /// Look after member tokens that were made.
    Tokens {
        #[command(subcommand)]
        what: Tokens,
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
    #[command(flatten)]
    profile: Profile,
}

#[derive(Args)]
struct Set {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    profile: Profile,
}

/// What is shown of a user.
#[derive(Args)]
struct Profile {
    /// Its name for people [default: the handle].
    #[arg(long)]
    nickname: Option<String>,
    /// Its name in a language: ko=하나, zh-TW=哈娜; may be given more than once.
    #[arg(long = "nick", value_name = "LANGUAGE=NAME", value_parser = nick)]
    nicks: Vec<(String, String)>,
    /// The same as --nick en=…
    #[arg(long, hide = true)]
    en: Option<String>,
    /// The same as --nick ko=…
    #[arg(long, hide = true)]
    ko: Option<String>,
    /// The same as --nick ja=…
    #[arg(long, hide = true)]
    ja: Option<String>,
    /// The address of its picture.
    #[arg(long, value_name = "ADDRESS")]
    profile_img: Option<String>,
    /// The address of its small picture.
    #[arg(long, value_name = "ADDRESS")]
    profile_thumb: Option<String>,
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

#[derive(Subcommand)]
enum Tokens {
    /// Revoke one member token, or all, and cut the sessions they opened.
    Revoke {
        #[command(flatten)]
        of: Of,
        /// The id that was told with the token.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        token_id: Option<String>,
        /// All of the user's member tokens.
        #[arg(long)]
        all: bool,
    },
}

fn nick(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(language, name)| (language.to_owned(), name.to_owned()))
        .ok_or_else(|| "a language and a name are needed, such as ko=하나".to_owned())
}

impl Profile {
    /// The fields of a body; what is empty is taken away.
    fn fields(self) -> Map<String, Value> {
        let value = |text: String| match text.as_str() {
            "" => Value::Null,
            _ => text.into(),
        };
        let object = |pairs: Vec<(String, String)>| -> Option<Value> {
            let pairs: Map<_, _> = pairs
                .into_iter()
                .map(|(name, text)| (name, value(text)))
                .collect();
            (!pairs.is_empty()).then_some(Value::Object(pairs))
        };
        let given = |name: &str, text: Option<String>| Some((name.to_owned(), text?));
        let old = [("en", self.en), ("ko", self.ko), ("ja", self.ja)];
        let mut nicks: Vec<_> = old
            .into_iter()
            .filter_map(|(name, text)| given(name, text))
            .collect();
        nicks.extend(self.nicks);
        let avatar = [
            ("profile_img", self.profile_img),
            ("profile_thumb", self.profile_thumb),
        ];
        let avatar = avatar
            .into_iter()
            .filter_map(|(name, text)| given(name, text))
            .collect();
        [
            ("nickname", self.nickname.map(value)),
            ("nick", object(nicks)),
            ("avatar", object(avatar)),
            ("region", self.region.map(value)),
            ("language", self.language.map(value)),
            ("gender", self.gender.map(value)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

impl Create {
    fn body(self) -> Value {
        let mut body = self.profile.fields();
        if let Some(id) = self.id {
            body.insert("user_id".to_owned(), id.into());
        }
        if let Some(handle) = self.handle {
            body.insert("handle".to_owned(), handle.into());
        }
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
            Self::Set(set) => set.carry_out(api, &path).await?,
            Self::Find { public_token } => {
                let user = api
                    .get(&format!("/users/by-public-token/{}", part(&public_token)))
                    .await?;
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
            Self::Token { of, ttl } => make_token(api, &path(&of.user), (&of.user, ttl)).await?,
            Self::Tokens { what } => revoke(api, &path, what).await?,
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

impl Set {
    async fn carry_out(self, api: &Api, path: &impl Fn(&str) -> String) -> anyhow::Result<(Value, String)> {
        let body = Value::Object(self.profile.fields());
        let user = api.call(Method::PATCH, &path(&self.of.user), Some(body)).await?;
        let words = fields(&user);
        Ok((user, words))
    }
}

async fn make_token(
    api: &Api,
    path: &str,
    (user, ttl): (&str, Option<u64>),
) -> anyhow::Result<(Value, String)> {
    let body = ttl.map_or(json!({}), |ms| json!({ "ttl": (ms / 1_000).max(1) }));
    let made = api.post(&format!("{path}/tokens"), body).await?;
    let text = |name| made.get(name).and_then(Value::as_str).unwrap_or_default();
    // Whoever reads the token from stdout finds nothing else there.
    eprintln!(
        "to revoke it: bongsu user tokens revoke {user} {}",
        text("token_id")
    );
    let words = text("token").to_owned();
    Ok((made, words))
}

async fn revoke(
    api: &Api,
    path: &impl Fn(&str) -> String,
    Tokens::Revoke { of, token_id, .. }: Tokens,
) -> anyhow::Result<(Value, String)> {
    let one = token_id.map_or_else(String::new, |id| format!("/{}", part(&id)));
    let answer = api.delete(&format!("{}/tokens{one}", path(&of.user))).await?;
    let count = answer.get("revoked").and_then(Value::as_u64).unwrap_or(0);
    if count == 0 && !one.is_empty() {
        anyhow::bail!("user {} has no member token of this id", of.user);
    }
    Ok((
        answer,
        format!("{count} member tokens of user {} are revoked", of.user),
    ))
}
