//! A client of the action protocol: connects, resumes from what it has, posts, and notes all it sees.
//!
//! Invariant: it believes only what it reads; it speaks and reads through the real codec, in whatever pieces bytes come.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_wire::action::client::{self as wire, Greeting, Heard, Value};
use tokio::sync::mpsc;

use crate::history::{Record, Saw};
use crate::line::Pipe;

/// A connection, from the client's side.
pub(crate) struct Link {
    pub(crate) bytes: mpsc::Sender<Vec<u8>>,
    pub(crate) pipe: Arc<Pipe>,
    pub(crate) node: usize,
    pub(crate) signed_in: bool,
}

/// What a client has of a room.
#[derive(Clone)]
struct Place {
    seq: u64,
    epoch: String,
}

/// What became of a post, as far as the client knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Waits,
    /// Its answer is lost, or was that the server broke: it may or may not be stored.
    Unknown,
    Acknowledged,
    Refused,
}

#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) room: i64,
    pub(crate) content: String,
    pub(crate) client_id: Option<String>,
    pub(crate) fate: Fate,
    reference: String,
}

pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) user: i64,
    pub(crate) session: u32,
    pub(crate) link: Option<Link>,
    /// An operator keeps it out.
    pub(crate) banned: bool,
    pub(crate) sent: Vec<Sent>,
    partial: Vec<u8>,
    places: BTreeMap<i64, Place>,
    /// The resume of the CONNECT under way.
    resumes: BTreeMap<i64, u64>,
    joins: BTreeMap<String, Option<u64>>,
    references: u64,
    posts: u64,
}

impl Client {
    pub(crate) fn new(index: usize, user: i64) -> Self {
        Self {
            index,
            user,
            session: 0,
            link: None,
            banned: false,
            sent: Vec::new(),
            partial: Vec::new(),
            places: BTreeMap::new(),
            resumes: BTreeMap::new(),
            joins: BTreeMap::new(),
            references: 0,
            posts: 0,
        }
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.signed_in)
    }

    /// The rooms it believes to be a member of.
    pub(crate) fn rooms(&self) -> Vec<i64> {
        self.places.keys().copied().collect()
    }

    fn reference(&mut self) -> String {
        self.references += 1;
        format!("c{}-{}", self.index, self.references)
    }

    /// Takes up a connection and signs in, resuming where it is or from nothing.
    pub(crate) fn connect(&mut self, link: Link, resume: bool) {
        self.session += 1;
        self.partial.clear();
        self.joins.clear();
        if !resume {
            self.places.clear();
        }
        self.resumes = self
            .places
            .iter()
            .map(|(room, place)| (*room, place.seq))
            .collect();
        let points: Vec<_> = self
            .places
            .iter()
            .map(|(room, place)| (*room, place.seq, place.epoch.as_str()))
            .collect();
        let greeting = Greeting {
            resume: &points,
            ..Greeting::default()
        };
        let bytes = wire::connect_with(&self.user.to_string(), &greeting, "connect");
        self.link = Some(link);
        self.say(bytes);
    }

    /// Drops the connection: posts without an answer may or may not be stored.
    pub(crate) fn drop_link(&mut self) {
        if let Some(link) = self.link.take() {
            link.pipe.cut();
        }
        for sent in self.sent.iter_mut().filter(|sent| sent.fate == Fate::Waits) {
            sent.fate = Fate::Unknown;
        }
    }

    /// Sends bytes; false if the server has not read enough of the ones before.
    pub(crate) fn say(&self, bytes: Vec<u8>) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.bytes.try_send(bytes).is_ok())
    }

    /// The bytes of a new post, and what it notes about it.
    pub(crate) fn post(&mut self, room: i64, named: bool) -> (Vec<u8>, Saw) {
        self.posts += 1;
        let content = format!("{}.{}", self.index, self.posts);
        let client_id = named.then(|| format!("id-{content}"));
        let reference = self.reference();
        let bytes = wire::post(room, &content, client_id.as_deref(), &reference);
        let saw = Saw::Sent {
            room,
            content: content.clone(),
            client_id: client_id.clone(),
        };
        self.sent.push(Sent {
            room,
            content,
            client_id,
            fate: Fate::Waits,
            reference,
        });
        (bytes, saw)
    }

    /// The bytes of one more try of a post whose answer was lost.
    pub(crate) fn retry(&mut self) -> Option<Vec<u8>> {
        let reference = self.reference();
        let sent = self
            .sent
            .iter_mut()
            .find(|sent| sent.fate == Fate::Unknown && sent.client_id.is_some())?;
        sent.fate = Fate::Waits;
        sent.reference = reference;
        Some(wire::post(
            sent.room,
            &sent.content,
            sent.client_id.as_deref(),
            &sent.reference,
        ))
    }

    pub(crate) fn join(&mut self, room: i64, after: Option<u64>) -> Vec<u8> {
        let reference = self.reference();
        let object = match after {
            Some(after) => format!(r#"{{"chatroom_id":{room},"after_seq":{after}}}"#),
            None => format!(r#"{{"chatroom_id":{room}}}"#),
        };
        let bytes = wire::request("JOIN_ROOM", &object, &reference);
        self.joins.insert(reference, after);
        bytes
    }

    pub(crate) fn leave(&mut self, room: i64) -> Vec<u8> {
        let reference = self.reference();
        wire::leave(room, &reference)
    }

    pub(crate) fn chatter(&mut self, room: i64) -> Vec<u8> {
        let reference = self.reference();
        let mut bytes = wire::request(
            "TYPING",
            &format!(r#"{{"chatroom_id":{room},"is_typing":true}}"#),
            &reference,
        );
        let seq = self.places.get(&room).map_or(0, |place| place.seq);
        bytes.extend(wire::request(
            "MARK_READ",
            &format!(r#"{{"chatroom_id":{room},"seq":{seq}}}"#),
            &reference,
        ));
        bytes
    }

    /// Reads what has come, and notes it.
    pub(crate) fn read(&mut self, at_ms: u64, records: &mut Vec<Record>) {
        let Some(link) = &self.link else { return };
        let (pieces, last) = link.pipe.read();
        let mut note = |client: &Self, commits: usize, saw: Saw| {
            let (client, user, session) = (client.index, client.user, client.session);
            records.push(Record {
                at_ms,
                commits,
                client,
                user,
                session,
                saw,
            });
        };
        let mut commits = 0;
        for (committed, bytes) in pieces {
            commits = committed;
            self.partial.extend_from_slice(&bytes);
            while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.partial.drain(..=end).collect();
                for saw in self.line(&line) {
                    note(self, commits, saw);
                }
            }
        }
        if last {
            note(
                self,
                commits,
                Saw::Over {
                    why: "by the server".to_owned(),
                },
            );
            self.drop_link();
        }
    }

    fn line(&mut self, line: &[u8]) -> Vec<Saw> {
        let heard = Heard::parse(line).expect("the server speaks the protocol");
        let object = heard.object().expect("the server speaks the protocol");
        let reference = heard.seq_id.as_deref().unwrap_or_default().to_owned();
        match &*heard.action {
            "CONNECT_SUCCESS" => vec![self.connected(&object)],
            "JOIN_ROOM_SUCCESS" => vec![self.joined(&object, &reference)],
            "LEAVE_ROOM_SUCCESS" => vec![self.left(&object)],
            "USER_LEFT" if object["user_id"] == self.user => vec![self.left(&object)],
            "NEW_MESSAGE" => self.message(&object, &reference),
            "BATCH_MESSAGES" => {
                let messages = object["messages"].as_array().cloned().unwrap_or_default();
                messages
                    .iter()
                    .flat_map(|message| self.message(message, ""))
                    .collect()
            }
            "ERROR" | "CONNECT_ERROR" => vec![self.refused(&object)],
            "SESSION_CLOSED" => vec![Saw::Over {
                why: text(&object, "error_code"),
            }],
            "USER_JOINED"
            | "USER_LEFT"
            | "TYPING"
            | "MESSAGE_READ"
            | "MARK_READ_SUCCESS"
            | "USER_STATUS_CHANGED" => Vec::new(),
            other => panic!("{other} was not expected"),
        }
    }

    fn connected(&mut self, object: &Value) -> Saw {
        if let Some(link) = &mut self.link {
            link.signed_in = true;
        }
        let mut rooms = Vec::new();
        let mut places = BTreeMap::new();
        for it in object["rooms"].as_array().into_iter().flatten() {
            let (room, seq) = (integer(it, "chatroom_id"), unsigned(it, "seq"));
            let resumed = self.resumes.get(&room).filter(|_| it["recovered"] == true);
            let has = resumed.copied().unwrap_or(seq);
            rooms.push((room, seq, has));
            places.insert(
                room,
                Place {
                    seq: has,
                    epoch: text(it, "epoch"),
                },
            );
        }
        self.places = places;
        Saw::Connected { rooms }
    }

    fn joined(&mut self, object: &Value, reference: &str) -> Saw {
        let (room, seq) = (integer(object, "chatroom_id"), unsigned(object, "seq"));
        let after = self.joins.remove(reference).flatten();
        let has = after.unwrap_or(seq).min(seq);
        self.places.entry(room).or_insert_with(|| Place {
            seq: has,
            epoch: text(object, "epoch"),
        });
        Saw::Joined { room, seq, after }
    }

    fn left(&mut self, object: &Value) -> Saw {
        let room = integer(object, "chatroom_id");
        self.places.remove(&room);
        Saw::Left { room }
    }

    fn message(&mut self, object: &Value, reference: &str) -> Vec<Saw> {
        let (room, seq) = (integer(object, "chatroom_id"), unsigned(object, "seq"));
        let (sender, content) = (integer(&object["sender"], "user_id"), text(object, "content"));
        let mut saw = Vec::new();
        // The answer to a repeat is no delivery.
        if object.get("client_message_id").is_none() {
            if let Some(place) = self.places.get_mut(&room) {
                place.seq = place.seq.max(seq);
            }
            saw.push(Saw::Message {
                room,
                seq,
                sender,
                content: content.clone(),
            });
        }
        let own = self
            .sent
            .iter_mut()
            .find(|sent| sent.reference == reference || sent.content == content);
        if let Some(sent) = own.filter(|sent| sent.fate != Fate::Acknowledged) {
            sent.fate = Fate::Acknowledged;
            saw.push(Saw::Acknowledged { room, seq, content });
        }
        saw
    }

    fn refused(&mut self, object: &Value) -> Saw {
        let (code, action) = (text(object, "error_code"), text(object, "original_action"));
        let reference = text(object, "original_seq_id");
        let broke = ["INTERNAL_ERROR", "OVERLOADED", "SHUTTING_DOWN"].contains(&code.as_str());
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.reference == reference) {
            sent.fate = if broke { Fate::Unknown } else { Fate::Refused };
        }
        Saw::Refused { code, action }
    }
}

fn integer(object: &Value, key: &str) -> i64 {
    object[key].as_i64().expect("a number")
}

fn unsigned(object: &Value, key: &str) -> u64 {
    object[key].as_u64().expect("a number that is not negative")
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}
