//! Judges what real clients have recorded against a dump of the store: `docs/history.md` says what a history is, and
//! what is promised.
//!
//! Invariant: it knows nothing of how the server works. Every line is read twice and none is kept: memory grows with
//! messages, commands and clients, not with deliveries.

mod commands;
mod healing;
mod line;
mod members;
mod pipelines;
mod places;
mod posts;
mod read;
mod verdict;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

pub use line::{Malformed, State};
pub use read::{Source, Unreadable};
pub use verdict::{Broken, Looked, Promise, Verdict, Violation};

use commands::Commands;
use healing::Healing;
use line::{Event, How, Line, Micros};
use members::Members;
use pipelines::Pipelines;
use places::Places;
use posts::Posts;
use verdict::At;

/// Stands for a text: two of ten million are alike once in a hundred thousand histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Mark(u64);

impl Mark {
    fn of(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// A line's place in the history: who, when, where.
#[derive(Clone, Copy)]
struct Here {
    t: Micros,
    at: At,
    client: u32,
    user: i64,
}

/// Who the clients are.
#[derive(Default)]
struct Clients {
    numbers: HashMap<String, u32>,
    users: Vec<Option<i64>>,
}

impl Clients {
    /// The number of a client; one that signs in as a user is that user's from then on.
    fn of(&mut self, line: &Line<'_>) -> Result<(u32, i64), Malformed> {
        let Some(name) = line.client.as_deref() else {
            return Ok((u32::MAX, 0));
        };
        let wrong = |what| Malformed::Client {
            client: name.to_owned(),
            what,
        };
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.users.len()).map_err(|_| wrong("one too many"))?;
                self.numbers.insert(name.to_owned(), number);
                self.users.push(None);
                number
            }
        };
        let known = &mut self.users[number as usize];
        if let Event::Connect { user: Some(user) } = line.event {
            if known.is_some_and(|known| known != user) {
                return Err(wrong("another user's than before"));
            }
            *known = Some(user);
        }
        Ok((number, known.unwrap_or(0)))
    }

    fn name(&self, client: u32) -> Option<&str> {
        let found = self.numbers.iter().find(|(_, number)| **number == client);
        found.map(|(name, _)| name.as_str())
    }
}

/// Judges a history that is spread over `sources`, in any order. All lines of one client are in one of them, in the
/// order in which they were written.
///
/// # Errors
/// Where nothing can be said: a file cannot be read, a line is none, the dump is missing, nothing was done.
pub fn judge(sources: &[&dyn Source]) -> Result<Verdict, Unreadable> {
    if sources.len() > usize::from(u16::MAX) {
        return Err(Unreadable::TooMany);
    }
    let mut verdict = Verdict::of(sources.iter().map(|source| source.name()).collect());
    let mut facts = Facts::default();
    let mut clients = Clients::default();
    each_line(sources, &mut clients, |here, event| {
        verdict.looked.lines += 1;
        facts.take(here, event, &mut verdict);
        Ok(())
    })?;
    if !facts.dumped {
        return Err(Unreadable::NoDump);
    }
    facts.posts.settle(&mut verdict);
    facts.members.settle(&mut verdict);
    facts.healing.settle();
    facts.commands.settle(&facts.healing, &mut verdict);
    verdict.looked.clients = clients.users.len() as u64;
    if verdict.looked.acknowledged == 0 && verdict.looked.commands == 0 {
        return Err(Unreadable::Nothing);
    }
    let mut walk = Walk {
        facts: &facts,
        places: Places::default(),
        pipelines: Pipelines::default(),
    };
    let mut healing = facts.healing.watch();
    each_line(sources, &mut clients, |here, event| {
        healing.take(here, &event, &facts.posts, &mut verdict);
        walk.take(here, event, &mut verdict);
        Ok(())
    })?;
    healing.settle(&clients, &mut verdict);
    Ok(verdict)
}

fn each_line(
    sources: &[&dyn Source],
    clients: &mut Clients,
    mut each: impl FnMut(Here, Event<'_>) -> Result<(), Malformed>,
) -> Result<(), Unreadable> {
    for (file, source) in sources.iter().enumerate() {
        read::lines(*source, |line, text| {
            let read = line::read(text)?;
            let (client, user) = clients.of(&read)?;
            let at = At {
                file: file as u16,
                line,
            };
            each(
                Here {
                    t: read.t,
                    at,
                    client,
                    user,
                },
                read.event,
            )
        })?;
    }
    Ok(())
}

/// What the first reading gathers: all that does not depend on what a single client has had.
#[derive(Default)]
struct Facts {
    posts: Posts,
    members: Members,
    commands: Commands,
    healing: Healing,
    dumped: bool,
}

impl Facts {
    fn take(&mut self, here: Here, event: Event<'_>, verdict: &mut Verdict) {
        match event {
            Event::Send { room, key, hash } => self.posts.sent(here, room, &key, &hash),
            Event::Ack { room, key, seq, id } => self.posts.acked(here, room, &key, (seq, &id), verdict),
            Event::Nack { key, code } => self.posts.refused(here, &key, &code, verdict),
            Event::Room { room, seq, epoch } => {
                self.posts.head(here, room, seq);
                self.posts.epoch(here, room, epoch.as_deref(), verdict);
            }
            Event::Message { said, key } => self.posts.kept(here, &said, key.as_deref()),
            Event::Join {
                room, user, epoch, ..
            } => {
                self.posts.epoch(here, room, epoch.as_deref(), verdict);
                self.members.joined(here, room, user);
            }
            Event::Recovered { room, epoch, .. } | Event::Hears { room, epoch, .. } => {
                self.posts.epoch(here, room, epoch.as_deref(), verdict);
            }
            Event::Joining { room, user } => self.members.joining(here, room, user),
            Event::Leaving { room, user } => self.members.leaving(here, room, user),
            Event::Leave { room, user } => self.members.left(here, room, user),
            Event::Member { room, user } => self.members.kept(here, room, user),
            Event::FaultBegin { what, at } => self.healing.begins(&what, at, verdict),
            Event::FaultEnd { what, at } => self.healing.ends(here, &what, at),
            Event::Dumped => self.dumped = true,
            Event::Ask { .. }
            | Event::Accepted { .. }
            | Event::Refused { .. }
            | Event::DeviceStart { .. }
            | Event::DeviceResult { .. }
            | Event::Terminal { .. }
            | Event::Command { .. } => self.commands.take(here, event, verdict),
            Event::Connect { .. }
            | Event::Close
            | Event::Rest
            | Event::Timeout { .. }
            | Event::Resume { .. }
            | Event::Gone { .. }
            | Event::Deliver { .. }
            | Event::Gap { .. } => {}
        }
    }
}

/// The second reading: each client's own way through the history.
struct Walk<'a> {
    facts: &'a Facts,
    places: Places,
    pipelines: Pipelines,
}

impl Walk<'_> {
    fn take(&mut self, here: Here, event: Event<'_>, verdict: &mut Verdict) {
        let Facts { posts, members, .. } = self.facts;
        match event {
            Event::Connect { .. } => {
                self.pipelines.ends(here);
                self.places.connected(here);
            }
            Event::Close => self.pipelines.ends(here),
            Event::Rest => self.places.rests(here, posts, members, verdict),
            Event::Joining { room, .. } => self.places.joining(here, room),
            Event::Join {
                room,
                user: None,
                seq,
                ..
            } => self.places.joins(here, room, seq, verdict),
            Event::Leave { room, user: None } => self.places.leaves(here, room),
            Event::Resume { room, after } => self.places.resumes(here, room, after, verdict),
            Event::Recovered { room, recovered, .. } => {
                self.places.hears(here, room, members, verdict);
                verdict.looked.resumed += 1;
                verdict.looked.gaps += u64::from(!recovered);
            }
            Event::Hears { room, seq, .. } => {
                self.places.hears(here, room, members, verdict);
                self.places.begins(here, room, seq);
            }
            Event::Gone { room } => self.places.gone(here, room, members, verdict),
            Event::Deliver { said, how } => {
                verdict.looked.delivered += 1;
                verdict.looked.read += u64::from(how == How::Page);
                self.places.given(here, &said, posts, verdict);
            }
            Event::Gap { room, upto } => self.places.gap(here, room, upto),
            Event::Send { room, key, .. } => self.pipelines.sent(here, room, &key, posts),
            Event::Ack { key, seq, .. } => self.pipelines.acked(here, &key, seq, verdict),
            Event::Nack { key, .. } | Event::Timeout { key } => {
                self.pipelines.unanswered(here, &key, verdict)
            }
            Event::Join { user: Some(_), .. }
            | Event::Leave { user: Some(_), .. }
            | Event::Leaving { .. }
            | Event::Ask { .. }
            | Event::Accepted { .. }
            | Event::Refused { .. }
            | Event::DeviceStart { .. }
            | Event::DeviceResult { .. }
            | Event::Terminal { .. }
            | Event::FaultBegin { .. }
            | Event::FaultEnd { .. }
            | Event::Room { .. }
            | Event::Message { .. }
            | Event::Member { .. }
            | Event::Command { .. }
            | Event::Dumped => {}
        }
    }
}
