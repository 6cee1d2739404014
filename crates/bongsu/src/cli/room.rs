//! `bongsu room …`: rooms of a running server.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::output::{fields, table};
use super::remote::{Remote, pages};
use crate::client::{Access, Api, part};

/// Make, list and look into rooms of a running server.
#[derive(Args)]
pub(super) struct Room {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    access: Access,
}

#[derive(Subcommand)]
enum What {
    /// Make a room.
    Create(Box<Create>),
    /// List rooms, ascending by number.
    List {
        /// Only those of this user (number or handle).
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show all about one room.
    Show(Of),
    /// List a room's members.
    Members {
        #[command(flatten)]
        of: Of,
        /// How many at most.
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Make a user a member.
    Add(Pair),
    /// End a membership.
    Remove(Pair),
    /// Show messages: the newest, or those after or before one.
    Messages {
        #[command(flatten)]
        of: Of,
        /// The oldest after this number.
        #[arg(long, value_name = "SEQ")]
        after: Option<u64>,
        /// The newest before this number.
        #[arg(long, value_name = "SEQ", conflicts_with = "after")]
        before: Option<u64>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

#[derive(Args)]
struct Of {
    /// The room's number, name or token.
    room: String,
}

#[derive(Args)]
struct Pair {
    /// The room's number, name or token.
    room: String,
    /// The user's number or handle.
    user: String,
}

#[derive(Args)]
struct Create {
    /// Its number [default: the next free one].
    #[arg(long)]
    id: Option<i64>,
    /// Its name: a-z 0-9 _ -, not a number.
    #[arg(long)]
    name: Option<String>,
    /// group, direct or broadcast [default: group].
    #[arg(long)]
    kind: Option<String>,
    /// open or closed [default: closed].
    #[arg(long)]
    visibility: Option<String>,
    /// durable or session [default: durable].
    #[arg(long)]
    membership: Option<String>,
    /// How many members it takes.
    #[arg(long)]
    max_members: Option<u32>,
    /// A first member, by number; may be given more than once.
    #[arg(long = "member", value_name = "USER")]
    members: Vec<i64>,
    /// A first member who may add and remove others.
    #[arg(long = "owner", value_name = "USER")]
    owners: Vec<i64>,
}

impl Create {
    fn body(self) -> Value {
        let mut body = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("room_id", self.id.map(Value::from));
        put("name", self.name.map(Value::from));
        put("kind", self.kind.map(Value::from));
        put("visibility", self.visibility.map(Value::from));
        put("membership", self.membership.map(Value::from));
        put("max_members", self.max_members.map(Value::from));
        let owners = self
            .owners
            .into_iter()
            .map(|user| json!({ "user_id": user, "role": "owner" }));
        let members: Vec<Value> = self.members.into_iter().map(Value::from).chain(owners).collect();
        put("members", (!members.is_empty()).then_some(Value::Array(members)));
        Value::Object(body)
    }
}

impl Room {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let remote = Remote::new(self.access);
        remote.run(async |api| self.what.carry_out(api).await)
    }
}

impl What {
    async fn carry_out(self, api: &Api) -> anyhow::Result<(Value, String)> {
        const ROOM: [&str; 8] = [
            "room_id",
            "name",
            "kind",
            "visibility",
            "membership",
            "members_count",
            "seq",
            "token",
        ];
        let path = |room: &str| format!("/rooms/{}", part(room));
        let member = |pair: &Pair| format!("{}/members/{}", path(&pair.room), part(&pair.user));
        let (answer, words) = match self {
            Self::Create(create) => {
                let room = api.post("/rooms", create.body()).await?;
                let words = fields(&room);
                (room, words)
            }
            Self::List { user, limit } => {
                let of = match user {
                    Some(user) => format!("/rooms?user_id={}", api.user_id(&user).await?),
                    None => "/rooms".to_owned(),
                };
                let rooms = pages(api, &of, "rooms", limit).await?;
                let words = table(&rooms, &ROOM);
                (Value::Array(rooms), words)
            }
            Self::Show(of) => {
                let room = api.get(&path(&of.room)).await?;
                let words = fields(&room);
                (room, words)
            }
            Self::Members { of, limit } => {
                let members = pages(api, &format!("{}/members", path(&of.room)), "members", limit).await?;
                let words = table(&members, &["user_id", "nickname", "role", "read_seq"]);
                (Value::Array(members), words)
            }
            Self::Add(pair) => {
                let answer = api.call(Method::PUT, &member(&pair), None).await?;
                (
                    answer,
                    format!("user {} is a member of room {}", pair.user, pair.room),
                )
            }
            Self::Remove(pair) => {
                let answer = api.delete(&member(&pair)).await?;
                (
                    answer,
                    format!("user {} is no member of room {}", pair.user, pair.room),
                )
            }
            Self::Messages {
                of,
                after,
                before,
                limit,
            } => messages(api, &path(&of.room), (after, before), limit).await?,
        };
        Ok((answer, words))
    }
}

async fn messages(
    api: &Api,
    path: &str,
    (after, before): (Option<u64>, Option<u64>),
    limit: u32,
) -> anyhow::Result<(Value, String)> {
    let after = after.map(|seq| format!("&after_seq={seq}"));
    let before = before.map(|seq| format!("&before_seq={seq}"));
    let bound = after.or(before).unwrap_or_default();
    let page = api.get(&format!("{path}/messages?limit={limit}{bound}")).await?;
    let messages = page.get("messages").and_then(Value::as_array).cloned();
    let columns = ["seq", "created_at", "sender.nickname", "content"];
    let words = table(&messages.unwrap_or_default(), &columns);
    Ok((page, words))
}
