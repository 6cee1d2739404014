//! A line to a server over which one user has a session, in any protocol: what is asked, and what is told.
//!
//! Invariant: whoever holds a line sees no difference between the protocols but the room's name and the raw text.

use anyhow::{Context, bail};
use bongsu_edge::action_client::{self, Greeting};
use bongsu_edge::type_client;
use serde_json::{Value, json};

use super::http::{HttpFault, locale};
use super::socketio::{self, NotGreeted, SocketIo};
use super::stream::{Said, Stream};
use super::websocket::{Came, NotOpened, WebSocket};

/// The references of our own requests.
const HELLO: &str = "hello";
const JOIN: &str = "join";
const POST: &str = "post";
const REFRESH: &str = "refresh";
const PING: &str = "ping";

/// What a session speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// The action protocol over TCP.
    Action,
    /// The type protocol over WebSocket.
    Type,
    /// The type protocol in events of Socket.IO, over WebSocket.
    Socketio,
}

/// A request of which the outcome matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    SignIn,
    Join,
    Post,
}

/// What a server tells.
#[derive(Debug)]
pub(crate) enum Told {
    SignedIn {
        ping_interval_ms: u64,
        /// Rooms by the name that the server has for them, and whether what was missed follows.
        rooms: Vec<(String, Option<bool>)>,
    },
    Joined {
        room: String,
        seq: u64,
        epoch: String,
    },
    /// A post of ours is kept.
    Accepted(Value),
    Refused(Asked, String),
    /// Messages of one room.
    Messages(Vec<Message>),
    /// The server closes the session, and whether for good.
    Over {
        for_good: bool,
        words: String,
    },
    ShuttingDown {
        reconnect_after_ms: u64,
    },
    TokenExpiring,
    /// Whatever else happens, in a room or beside all of them.
    Event(Event),
    /// Nothing that matters to anyone.
    Nothing,
}

/// A message of a room.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) room: String,
    pub(crate) seq: u64,
    /// RFC 3339, UTC.
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) from: String,
    pub(crate) content: String,
    /// As the server said it.
    pub(crate) raw: Value,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) room: Option<String>,
    pub(crate) data: Value,
}

/// A connection of one user.
pub(crate) struct Line {
    speaks: Speaks,
    signed_in: bool,
}

enum Speaks {
    Action(Stream),
    Type(Box<WebSocket>),
    Socketio(Box<SocketIo>),
}

/// A message to be posted.
pub(crate) struct Draft<'a> {
    pub(crate) content: &'a str,
    pub(crate) kind: Option<&'a str>,
    pub(crate) client_message_id: Option<&'a str>,
}

impl Line {
    /// Connects: over TCP to `tcp`, or over WebSocket to the server at `url`.
    ///
    /// # Errors
    /// In words that say what to do.
    pub(crate) async fn open(protocol: Protocol, tcp: &str, url: &str) -> anyhow::Result<Self> {
        let advise = |address: &str, flag: &str, why: String| {
            format!(
                "no server answers at {address} ({why}): start one with `bongsu serve`, or name it with {flag}"
            )
        };
        let speaks = match protocol {
            Protocol::Action => match Stream::connect(tcp).await {
                Ok(stream) => Speaks::Action(stream),
                Err(fault) => bail!(advise(tcp, "--tcp", format!("{fault:#}"))),
            },
            Protocol::Type => match WebSocket::open(url, "/ws", Some("bongsu.type.v1"), None).await {
                Ok(socket) => Speaks::Type(Box::new(socket)),
                Err(NotOpened::Http(HttpFault::Connect(fault))) => {
                    bail!(advise(url, "--url", super::api::root_cause(&fault)))
                }
                Err(fault) => return Err(fault).context(format!("no WebSocket at {url}")),
            },
            Protocol::Socketio => match SocketIo::open(url).await {
                Ok(socket) => Speaks::Socketio(Box::new(socket)),
                Err(NotGreeted::Socket(NotOpened::Http(HttpFault::Connect(fault)))) => {
                    bail!(advise(url, "--url", super::api::root_cause(&fault)))
                }
                Err(fault) => return Err(fault).context(format!("no Socket.IO at {url}")),
            },
        };
        Ok(Self {
            speaks,
            signed_in: false,
        })
    }

    /// Signs in; `seen` is a room, the last message of it that is known, and its history.
    pub(crate) async fn sign_in(
        &mut self,
        token: &str,
        seen: Option<(&str, u64, &str)>,
    ) -> anyhow::Result<()> {
        match &mut self.speaks {
            Speaks::Action(_) => {
                let resume: Vec<_> = seen
                    .into_iter()
                    .filter_map(|(room, seq, epoch)| Some((room.parse().ok()?, seq, epoch)))
                    .collect();
                let greeting = Greeting {
                    locale: locale(),
                    accept_compression: false,
                    resume: &resume,
                };
                let hello = action_client::connect_with(token, &greeting, HELLO);
                self.send_line(&hello).await
            }
            Speaks::Type(_) => {
                let resume: Vec<_> = seen.into_iter().collect();
                self.send_text(&type_client::auth(token, locale(), &resume, Some(HELLO)))
                    .await
            }
            Speaks::Socketio(socket) => {
                let mut data = json!({ "token": token });
                if let Some(locale) = locale() {
                    data["locale"] = locale.into();
                }
                if let Some((room, seq, epoch)) = seen {
                    data["resume"] = json!([{ "room": room, "seq": seq, "epoch": epoch }]);
                }
                socket.connect(data).await
            }
        }
    }

    /// Joins a room, and asks for its messages after a number. On the action protocol rooms have numbers alone.
    pub(crate) async fn join(&mut self, room: &str, after_seq: Option<u64>) -> anyhow::Result<()> {
        let mut data = self.room(room)?;
        if let Some(seq) = after_seq {
            data["after_seq"] = seq.into();
        }
        self.request("JOIN_ROOM", "room.join", &data, JOIN).await
    }

    /// Posts a message.
    pub(crate) async fn post(&mut self, room: &str, draft: &Draft<'_>) -> anyhow::Result<()> {
        let mut data = self.room(room)?;
        let (content, kind) = match self.speaks {
            Speaks::Action(_) => ("content", Some(draft.kind.unwrap_or("text"))),
            Speaks::Type(_) | Speaks::Socketio(_) => ("text", draft.kind),
        };
        data[content] = draft.content.into();
        for (name, value) in [
            ("message_type", kind),
            ("client_message_id", draft.client_message_id),
        ] {
            if let Some(value) = value {
                data[name] = value.into();
            }
        }
        self.request("SEND_MESSAGE", "chat.message", &data, POST).await
    }

    /// Signs in anew, with a token that ends later.
    pub(crate) async fn refresh(&mut self, token: &str) -> anyhow::Result<()> {
        let data = match self.speaks {
            Speaks::Action(_) => json!({ "jwt_token": token }),
            Speaks::Type(_) | Speaks::Socketio(_) => json!({ "token": token }),
        };
        self.request("REFRESH_TOKEN", "auth_update", &data, REFRESH).await
    }

    /// Shows that somebody is here.
    pub(crate) async fn ping(&mut self) -> anyhow::Result<()> {
        self.request("PING", "ping", &json!({}), PING).await
    }

    /// What the server tells next, and the text that it came in; `None` when the connection has ended. May be given up
    /// while it waits.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<(Told, String)>> {
        let told = match &mut self.speaks {
            Speaks::Action(stream) => {
                let Some(said) = stream.next().await? else {
                    return Ok(None);
                };
                (action(&said), said.text)
            }
            Speaks::Type(socket) => match socket.next().await? {
                Came::Text(text) => {
                    let told = typed(&text, self.signed_in)
                        .context("what answers there does not speak the type protocol")?;
                    if text.starts_with("{\"type\":\"ping\"") {
                        socket.say(&type_client::pong());
                    }
                    (told, text)
                }
                Came::Farewell(farewell) => {
                    let (for_good, words) = (farewell.for_good(), farewell.words());
                    (Told::Over { for_good, words }, String::new())
                }
                Came::End => return Ok(None),
            },
            Speaks::Socketio(socket) => match said(socket.next().await?, self.signed_in)? {
                Some(told) => told,
                None => return Ok(None),
            },
        };
        self.signed_in |= matches!(told.0, Told::SignedIn { .. });
        Ok(Some(told))
    }

    /// Ends the session.
    pub(crate) async fn close(self) {
        match self.speaks {
            // The end of the stream says it all.
            Speaks::Action(_) => {}
            Speaks::Type(socket) => socket.close().await,
            Speaks::Socketio(socket) => socket.close().await,
        }
    }

    fn room(&self, room: &str) -> anyhow::Result<Value> {
        Ok(match self.speaks {
            Speaks::Action(_) => {
                let id: i64 = room
                    .parse()
                    .context("rooms have numbers on the action protocol")?;
                json!({ "chatroom_id": id })
            }
            Speaks::Type(_) | Speaks::Socketio(_) => json!({ "room": room }),
        })
    }

    async fn request(
        &mut self,
        action: &str,
        kind: &str,
        data: &Value,
        reference: &str,
    ) -> anyhow::Result<()> {
        match &mut self.speaks {
            Speaks::Action(_) => {
                let line = action_client::request(action, &data.to_string(), reference);
                self.send_line(&line).await
            }
            Speaks::Type(_) => {
                self.send_text(&type_client::request(kind, &data.to_string(), Some(reference)))
                    .await
            }
            Speaks::Socketio(socket) => socket.request(kind, data, reference).await,
        }
    }

    async fn send_line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        if let Speaks::Action(stream) = &mut self.speaks {
            stream.send(line).await?;
        }
        Ok(())
    }

    async fn send_text(&mut self, text: &str) -> anyhow::Result<()> {
        if let Speaks::Type(socket) = &mut self.speaks {
            socket.say(text);
            socket.flush().await?;
        }
        Ok(())
    }
}

/// Reads what a server says on the action protocol.
fn action(said: &Said) -> Told {
    let data = &said.data;
    match said.action.as_str() {
        "CONNECT_SUCCESS" => signed_in(data, "chatroom_id"),
        "JOIN_ROOM_SUCCESS" => joined(data, "chatroom_id"),
        "CONNECT_ERROR" => Told::Refused(Asked::SignIn, refusal(data, "error_code")),
        "ERROR" => {
            let words = refusal(data, "error_code");
            let reference = data["original_seq_id"].as_str().unwrap_or(&said.seq_id);
            asked(reference).map_or_else(
                || event(&said.action, data, "chatroom_id"),
                |asked| Told::Refused(asked, words),
            )
        }
        "SESSION_CLOSED" => Told::Over {
            for_good: data["reconnect"] == "never",
            words: refusal(data, "error_code"),
        },
        "SERVER_SHUTDOWN" => shutting_down(data),
        "TOKEN_EXPIRING" => Told::TokenExpiring,
        "PONG" | "REFRESH_TOKEN_SUCCESS" => Told::Nothing,
        "NEW_MESSAGE" if said.seq_id == POST => Told::Accepted(data.clone()),
        "NEW_MESSAGE" => Told::Messages(vec![action_message(data)]),
        "BATCH_MESSAGES" => Told::Messages(entries(data).map(action_message).collect()),
        "NEW_EVENT" => application_event(data),
        _ => event(&said.action, data, "chatroom_id"),
    }
}

/// Reads what a server says over Socket.IO, with the text that it came in; `None` at the end of the connection.
fn said(heard: socketio::Heard, is_signed_in: bool) -> anyhow::Result<Option<(Told, String)>> {
    let told = match heard {
        socketio::Heard::Message(text) => {
            let told = typed(&text, is_signed_in)?;
            return Ok(Some((told, text)));
        }
        socketio::Heard::NotConnected(error) => Told::Refused(Asked::SignIn, refusal(&error, "code")),
        socketio::Heard::Refused(error) => {
            let words = refusal(&error, "code");
            let asked = error["ref"].as_str().and_then(asked);
            match (asked, error["reconnect"].as_str()) {
                (Some(asked), _) => Told::Refused(asked, words),
                (None, _) if !is_signed_in => Told::Refused(Asked::SignIn, words),
                (None, Some(advice)) => Told::Over {
                    for_good: advice == "never",
                    words,
                },
                (None, None) => event("server_error", &error, "room"),
            }
        }
        socketio::Heard::Disconnected => Told::Over {
            for_good: false,
            words: "the server has ended the session".to_owned(),
        },
        socketio::Heard::Farewell(farewell) => Told::Over {
            for_good: farewell.for_good(),
            words: farewell.words(),
        },
        socketio::Heard::End => return Ok(None),
        socketio::Heard::Nothing => Told::Nothing,
    };
    Ok(Some((told, String::new())))
}

/// Reads what a server says on the type protocol.
fn typed(text: &str, is_signed_in: bool) -> anyhow::Result<Told> {
    let heard = type_client::Heard::parse(text.as_bytes())?;
    let data = heard.object()?;
    let reference = heard.ref_id.as_deref();
    Ok(match &*heard.kind {
        "auth.ok" if reference == Some(REFRESH) => Told::Nothing,
        "auth.ok" => signed_in(&data, "room"),
        "room.joined" => joined(&data, "room"),
        "error" => {
            let words = refusal(&serde_json::from_str(text)?, "code");
            match (&heard.reconnect, reference.and_then(asked)) {
                (_, Some(asked)) => Told::Refused(asked, words),
                (_, None) if !is_signed_in => Told::Refused(Asked::SignIn, words),
                (Some(advice), None) => Told::Over {
                    for_good: advice == "never",
                    words,
                },
                (None, None) => event("error", &json!({ "message": words }), "room"),
            }
        }
        "system.shutdown" => shutting_down(&data),
        "system.token_expiring" => Told::TokenExpiring,
        "ping" | "pong" => Told::Nothing,
        "chat.ack" => Told::Accepted(data),
        "chat.message" => Told::Messages(vec![typed_message(&data, None)]),
        "room.messages" => {
            let room = data["room"].as_str();
            Told::Messages(entries(&data).map(|it| typed_message(it, room)).collect())
        }
        kind => event(kind, &data, "room"),
    })
}

fn asked(reference: &str) -> Option<Asked> {
    match reference {
        HELLO => Some(Asked::SignIn),
        JOIN => Some(Asked::Join),
        POST => Some(Asked::Post),
        _ => None,
    }
}

fn signed_in(data: &Value, room: &str) -> Told {
    let rooms = data["rooms"].as_array().into_iter().flatten();
    Told::SignedIn {
        ping_interval_ms: data["ping_interval_ms"].as_u64().unwrap_or(30_000),
        rooms: rooms
            .filter_map(|it| Some((name(it, room)?, it["recovered"].as_bool())))
            .collect(),
    }
}

fn joined(data: &Value, room: &str) -> Told {
    Told::Joined {
        room: name(data, room).unwrap_or_default(),
        seq: data["seq"].as_u64().unwrap_or_default(),
        epoch: text(data, "/epoch"),
    }
}

fn shutting_down(data: &Value) -> Told {
    Told::ShuttingDown {
        reconnect_after_ms: data["reconnect_after_ms"].as_u64().unwrap_or_default(),
    }
}

fn event(kind: &str, data: &Value, room: &str) -> Told {
    let room = name(data, room);
    Told::Event(Event {
        kind: kind.to_owned(),
        room,
        data: data.clone(),
    })
}

/// An application's own event as the type protocol has it: its fields, and who sent it.
fn application_event(data: &Value) -> Told {
    let mut fields = data["data"].as_object().cloned().unwrap_or_default();
    for (name, ours) in [("user_id", "user_id"), ("nickname", "username")] {
        fields.insert(ours.to_owned(), data[name].clone());
    }
    Told::Event(Event {
        kind: text(data, "/type"),
        room: name(data, "chatroom_id"),
        data: fields.into(),
    })
}

fn refusal(data: &Value, code: &str) -> String {
    let reason = data["reason"]
        .as_str()
        .map_or(String::new(), |reason| format!(" ({reason})"));
    let code = text(data, &format!("/{code}")).to_uppercase();
    format!("{code}{reason}: {}", text(data, "/message"))
}

fn entries(data: &Value) -> impl Iterator<Item = &Value> {
    data["messages"].as_array().into_iter().flatten()
}

fn action_message(data: &Value) -> Message {
    Message {
        room: name(data, "chatroom_id").unwrap_or_default(),
        seq: data["seq"].as_u64().unwrap_or_default(),
        at: text(data, "/created_at"),
        kind: text(data, "/message_type"),
        from: text(data, "/sender/nickname"),
        content: text(data, "/content"),
        raw: data.clone(),
    }
}

fn typed_message(data: &Value, room: Option<&str>) -> Message {
    Message {
        room: name(data, "room").or(room.map(str::to_owned)).unwrap_or_default(),
        seq: data["seq"].as_u64().unwrap_or_default(),
        at: text(data, "/ts"),
        kind: text(data, "/message_type"),
        from: text(data, "/username"),
        content: text(data, "/text"),
        raw: data.clone(),
    }
}

/// A room as the server names it: by a text, or by its number.
fn name(data: &Value, key: &str) -> Option<String> {
    match data.get(key)? {
        Value::String(name) => Some(name.clone()),
        Value::Number(id) => Some(id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text(data: &Value, pointer: &str) -> String {
    data.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
