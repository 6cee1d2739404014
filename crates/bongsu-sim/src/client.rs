//! A client of either protocol: connects, resumes from what it has, posts, and notes all it sees.
//!
//! Invariant: it believes only what it reads; it speaks and reads through the real codec, in whatever pieces bytes come.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::again::Memory;
use crate::history::{Entered, Mark, Record, Saw};
use crate::line::Pipe;
use crate::random::Random;
use crate::tongue::{Ask, Ear, Heard, Point, Said, Stands, Tongue};

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
    pub(crate) tongue: Tongue,
    pub(crate) session: u32,
    pub(crate) link: Option<Link>,
    /// An operator keeps it out.
    pub(crate) banned: bool,
    pub(crate) sent: Vec<Sent>,
    /// What it remembers of its session, to take it up again.
    pub(crate) memory: Memory,
    /// Whether the session under way is an earlier one.
    recovered: bool,
    ear: Ear,
    /// Answers to pings that came, over all connections.
    pongs: u64,
    random: Random,
    places: BTreeMap<i64, Place>,
    /// The resume of the sign-in under way.
    resumes: BTreeMap<i64, u64>,
    joins: BTreeMap<String, Option<u64>>,
    /// Whom it has blocked or not; `None` while it is not sure.
    blocks: BTreeMap<i64, Option<bool>>,
    references: u64,
    posts: u64,
    events: u64,
}

impl Client {
    pub(crate) fn new(index: usize, user: i64, tongue: Tongue, random: Random) -> Self {
        Self {
            index,
            user,
            tongue,
            session: 0,
            link: None,
            banned: false,
            sent: Vec::new(),
            memory: Memory::default(),
            recovered: false,
            ear: Ear::new(tongue),
            pongs: 0,
            random,
            places: BTreeMap::new(),
            resumes: BTreeMap::new(),
            joins: BTreeMap::new(),
            blocks: BTreeMap::new(),
            references: 0,
            posts: 0,
            events: 0,
        }
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.signed_in)
    }

    /// The rooms it believes to be a member of.
    pub(crate) fn rooms(&self) -> Vec<i64> {
        self.places.keys().copied().collect()
    }

    /// Pings that were answered.
    pub(crate) fn pongs(&self) -> u64 {
        self.pongs + self.ear.pongs
    }

    fn reference(&mut self) -> String {
        self.references += 1;
        format!("c{}-{}", self.index, self.references)
    }

    /// Takes up a connection and signs in, resuming where it is or from nothing.
    pub(crate) fn connect(&mut self, link: Link, resume: bool, again: bool) {
        self.session += 1;
        self.pongs += self.ear.pongs;
        self.ear = Ear::new(self.tongue);
        self.joins.clear();
        self.recovered = false;
        self.memory.given = None;
        if !resume {
            self.places.clear();
            self.memory.pid = None;
        }
        self.resumes = self
            .places
            .iter()
            .map(|(room, place)| (*room, place.seq))
            .collect();
        let points = |it: &Self| -> Vec<Point> {
            let points = it.places.iter();
            points
                .map(|(room, place)| (*room, place.seq, place.epoch.clone()))
                .collect()
        };
        // One that takes its session up again leaves it to the server how far it was.
        let points = if again { Vec::new() } else { points(self) };
        let ask = Ask::SignIn {
            user: self.user,
            resume: &points,
        };
        let bytes = self.tongue.say(&ask, "connect", &self.random);
        self.link = Some(link);
        self.say(bytes);
    }

    /// Drops the connection: what has no answer may or may not have been done.
    pub(crate) fn drop_link(&mut self) {
        if let Some(link) = self.link.take() {
            link.pipe.cut();
        }
        for sent in self.sent.iter_mut().filter(|sent| sent.fate == Fate::Waits) {
            sent.fate = Fate::Unknown;
        }
    }

    /// Sends bytes, if the server has read enough of the ones before; those of frames come in two pieces now and then.
    pub(crate) fn say(&self, mut bytes: Vec<u8>) {
        let Some(link) = &self.link else { return };
        // What was broken off before its first byte is not to be cut.
        let framed = self.tongue != Tongue::Lines && !bytes.is_empty();
        if framed && link.bytes.capacity() > 1 && self.random.often(100) {
            let cut = usize::try_from(self.random.within(0..bytes.len() as u64)).unwrap_or(0);
            let rest = bytes.split_off(cut);
            // Both fit; a server that is gone is noticed when it is read.
            let _ = link.bytes.try_send(bytes);
            bytes = rest;
        }
        let _ = link.bytes.try_send(bytes);
    }

    fn ask(&mut self, ask: &Ask<'_>) -> Vec<u8> {
        let reference = self.reference();
        self.tongue.say(ask, &reference, &self.random)
    }

    /// The bytes of a new post, and what it notes about it.
    pub(crate) fn post(&mut self, room: i64, named: bool) -> (Vec<u8>, Saw) {
        self.posts += 1;
        let content = format!("{}.{}", self.index, self.posts);
        let client_id = named.then(|| format!("id-{content}"));
        let reference = self.reference();
        let ask = Ask::Post {
            room,
            text: &content,
            client_id: client_id.as_deref(),
        };
        let bytes = self.tongue.say(&ask, &reference, &self.random);
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
        let ask = Ask::Post {
            room: sent.room,
            text: &sent.content,
            client_id: sent.client_id.as_deref(),
        };
        Some(self.tongue.say(&ask, &sent.reference, &self.random))
    }

    pub(crate) fn join(&mut self, room: i64, after: Option<u64>) -> Vec<u8> {
        let reference = self.reference();
        let bytes = self
            .tongue
            .say(&Ask::Join { room, after }, &reference, &self.random);
        self.joins.insert(reference, after);
        bytes
    }

    pub(crate) fn leave(&mut self, room: i64) -> Vec<u8> {
        self.ask(&Ask::Leave { room })
    }

    pub(crate) fn chatter(&mut self, room: i64) -> Vec<u8> {
        let reference = self.reference();
        let seq = self.places.get(&room).map_or(0, |place| place.seq);
        let mut bytes = self.tongue.say(&Ask::Typing { room }, &reference, &self.random);
        bytes.extend(
            self.tongue
                .say(&Ask::Read { room, seq }, &reference, &self.random),
        );
        bytes
    }

    /// The bytes of an application event, and what it notes about it.
    pub(crate) fn emit(&mut self, room: i64, key: &str) -> (Vec<u8>, Saw) {
        self.events += 1;
        let mark = Mark {
            client: self.index,
            session: self.session,
            number: self.events,
        };
        let key = key.to_owned();
        let bytes = self.ask(&Ask::Emit {
            room,
            key: &key,
            mark,
        });
        (bytes, Saw::Emitted { room, key, mark })
    }

    /// Blocks a user, or does not any more; nothing if it does not know what became of the last time.
    pub(crate) fn block(&mut self, user: i64) -> Option<(Vec<u8>, Saw)> {
        let known = self.blocks.entry(user).or_insert(Some(false));
        let on = !known.take()?;
        Some((self.ask(&Ask::Block { user, on }), Saw::Blocking { user, on }))
    }

    /// The bytes with which it ends the conversation by the rules, if its protocol has any.
    pub(crate) fn goodbye(&self) -> Option<Vec<u8>> {
        self.tongue.goodbye(&self.random)
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
            for said in self.ear.hear(&bytes) {
                for saw in self.heard(said) {
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

    fn heard(&mut self, said: Said) -> Vec<Saw> {
        let Said { heard, reference } = said;
        match heard {
            Heard::Recovery { pid, recovered } => {
                self.memory.given = Some(pid);
                self.recovered = recovered;
                // What it asked for by name it has either of all rooms or of none.
                self.resumes.retain(|_, _| recovered);
                Vec::new()
            }
            Heard::SignedIn(rooms) => vec![self.connected(rooms)],
            Heard::Joined { stands } => vec![self.joined(stands, &reference)],
            Heard::Left { room } => vec![self.left(room)],
            Heard::Gone { room, user } if user == self.user => vec![self.left(room)],
            Heard::Gone { room, user } => vec![Saw::Gone { room, user }],
            Heard::Message {
                room,
                seq,
                sender,
                text,
            } => self.message((room, seq), sender, text, &reference),
            Heard::Accepted { room, seq } => self.accepted(room, seq, |sent| sent.reference == reference),
            Heard::Blocked { user, on } => {
                self.blocks.insert(user, Some(on));
                vec![Saw::Blocked { user, on }]
            }
            Heard::Event {
                room,
                sender,
                key,
                mark,
            } => vec![Saw::Event {
                room,
                sender,
                key,
                mark,
            }],
            Heard::Refused { code } => vec![self.refused(code, reference)],
            Heard::Over { why } => vec![Saw::Over { why }],
        }
    }

    fn connected(&mut self, rooms: Vec<Stands>) -> Saw {
        if let Some(link) = &mut self.link {
            link.signed_in = true;
        }
        self.places.clear();
        let mut entered = Vec::new();
        for Stands {
            room,
            seq,
            epoch,
            recovered,
        } in rooms
        {
            let asked = self.resumes.get(&room);
            if self.recovered && asked.is_none() {
                // It did not know that it was a member; where the room goes on is seen when it does.
                continue;
            }
            let has = asked.filter(|_| recovered == Some(true)).copied().unwrap_or(seq);
            entered.push(Entered {
                room,
                seq,
                has,
                asked: asked.is_some(),
                recovered,
            });
            self.places.insert(room, Place { seq: has, epoch });
        }
        let again = self.recovered;
        self.memory.pid = self.memory.given.take().or(self.memory.pid.take());
        Saw::Connected {
            rooms: entered,
            again,
        }
    }

    fn joined(&mut self, stands: Stands, reference: &str) -> Saw {
        let Stands {
            room,
            seq,
            epoch,
            recovered,
        } = stands;
        let after = self.joins.remove(reference).flatten();
        let after = after.filter(|_| recovered != Some(false));
        let has = after.unwrap_or(seq).min(seq);
        self.places
            .entry(room)
            .or_insert_with(|| Place { seq: has, epoch });
        Saw::Joined { room, seq, after }
    }

    fn left(&mut self, room: i64) -> Saw {
        self.places.remove(&room);
        Saw::Left { room }
    }

    fn message(
        &mut self,
        (room, seq): (i64, u64),
        sender: i64,
        content: String,
        reference: &str,
    ) -> Vec<Saw> {
        self.memory.saw(room, seq);
        if let Some(place) = self.places.get_mut(&room) {
            place.seq = place.seq.max(seq);
        } else if self.memory.pid.is_some() {
            // A membership that it was not told of; when it comes back it has been given this much.
            let epoch = String::new();
            self.places.insert(room, Place { seq, epoch });
        }
        let own = |sent: &Sent| sent.reference == reference || sent.content == content;
        let answers = self.tongue.answers_by_events();
        let accepted = answers.then(|| self.accepted(room, seq, own));
        let mut saw = vec![Saw::Message {
            room,
            seq,
            sender,
            content,
        }];
        saw.extend(accepted.into_iter().flatten());
        saw
    }

    fn accepted(&mut self, room: i64, seq: u64, own: impl Fn(&Sent) -> bool) -> Vec<Saw> {
        let sent = self.sent.iter_mut().find(|sent| own(sent));
        let sent = sent.filter(|sent| sent.fate != Fate::Acknowledged);
        let saw = sent.map(|sent| {
            sent.fate = Fate::Acknowledged;
            let content = sent.content.clone();
            Saw::Acknowledged { room, seq, content }
        });
        saw.into_iter().collect()
    }

    fn refused(&mut self, code: String, reference: String) -> Saw {
        let broke = ["INTERNAL_ERROR", "OVERLOADED", "SHUTTING_DOWN"].contains(&code.as_str());
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.reference == reference) {
            sent.fate = if broke { Fate::Unknown } else { Fate::Refused };
        }
        Saw::Refused { code, reference }
    }
}
