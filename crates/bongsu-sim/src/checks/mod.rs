//! What must hold at every moment, and what must hold once everything is healthy again.
//!
//! The model behind them is dull on purpose: it knows nothing of nodes, shards or pages.

use std::collections::{BTreeMap, BTreeSet};

mod events;
mod memberships;

pub(crate) use memberships::count;

use crate::history::{Entered, History, Mark, Record, Saw};
use crate::truth::{Commit, Stay, Truth};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A session got a message that is not the next one.
    #[error("client {client}/{session}, room {room}: {seq} came where {next} was due")]
    Order {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
        /// What came.
        seq: u64,
        /// What was due.
        next: u64,
    },
    /// A session got a message of a time when its user was no member.
    #[error("client {client}/{session}, room {room}: {seq} is none of its business")]
    Private {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
        /// What came.
        seq: u64,
    },
    /// Something was delivered or acknowledged that was not durable, or differs from what is.
    #[error("client {client}/{session}, room {room}: {seq} was not durable so")]
    Durable {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
        /// What came.
        seq: u64,
    },
    /// A session is not level with its room in the end.
    #[error("client {client}/{session}, room {room}: has {has} of {head} in the end")]
    Level {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
        /// The last message it has.
        has: u64,
        /// The room's last message.
        head: u64,
    },
    /// What was acknowledged is not in the store, or at another place.
    #[error("{content:?} was acknowledged as {seq} of room {room} and is not there")]
    Lost {
        /// Where.
        room: i64,
        /// Its place.
        seq: u64,
        /// The text.
        content: String,
    },
    /// A post with a client id is in the store more than once.
    #[error("{content:?} is stored {times} times")]
    Twice {
        /// The text.
        content: String,
        /// How often.
        times: usize,
    },
    /// A room's numbers have a hole or a repeat.
    #[error("room {room}: {seq} stands at place {place}")]
    Hole {
        /// Which.
        room: i64,
        /// The number found.
        seq: u64,
        /// The number due.
        place: u64,
    },
    /// A user is connected though an operator keeps it out.
    #[error("client {client} is connected though it is kept out")]
    Lingers {
        /// The client.
        client: usize,
    },
    /// Something came from a user whom the receiver had blocked before it was sent.
    #[error("client {client}/{session} heard of user {sender}, whom it has blocked")]
    Blocked {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// The one who was blocked.
        sender: i64,
    },
    /// An application event came to one who was no member.
    #[error("client {client}/{session}, room {room}: {mark:?} is none of its business")]
    Stranger {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
        /// Which event.
        mark: Mark,
    },
    /// An application event came that nobody sent so.
    #[error("client {client}/{session}, room {room}: nobody sent {mark:?} so")]
    Unsaid {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
        /// Which event.
        mark: Mark,
    },
    /// Application events of one sender and key came in another order than they were sent in.
    #[error("client {client}/{session}, room {room}: {mark:?} came after event {last}")]
    Backwards {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
        /// Which event.
        mark: Mark,
        /// The number of the one before.
        last: u64,
    },
    /// A room was not resumed though nothing was lost.
    #[error("client {client}/{session}, room {room}: not resumed though nothing was lost")]
    Unrecovered {
        /// The client.
        client: usize,
        /// Its connection.
        session: u32,
        /// Where.
        room: i64,
    },
    /// A membership of sessions ended though its user was there, or may still come back.
    #[error("room {room}: user {user} was taken out at {at_ms} though it was there shortly before")]
    Early {
        /// Where.
        room: i64,
        /// Whose.
        user: i64,
        /// When.
        at_ms: u64,
    },
    /// A membership of sessions outlived its user's last session by far.
    #[error("room {room}: user {user} is long gone and still a member")]
    Remains {
        /// Where.
        room: i64,
        /// Whose.
        user: i64,
    },
    /// A member was not told once that another's membership ended.
    #[error("client {client}, room {room}: was told {times} times that user {user} left")]
    Farewell {
        /// Who should have been told.
        client: usize,
        /// Where.
        room: i64,
        /// Whose membership ended.
        user: i64,
        /// How often it was told.
        times: usize,
    },
    /// A post was not answered though everything was healthy.
    #[error("{content:?} was not answered")]
    Unanswered {
        /// The text.
        content: String,
    },
}

/// Where one session is in one room.
#[derive(Clone, Copy, Default)]
struct Place {
    next: u64,
    /// It asked for what comes from here on, which has not begun to come.
    rewind: Option<u64>,
}

type Places = BTreeMap<(usize, u32, i64), Place>;
/// Who asked to be spared whom, ever: what comes of such a sender may be missing.
type Spared = BTreeSet<(i64, i64)>;

/// The truth by what is asked of it.
struct Facts<'a> {
    stays: BTreeMap<(i64, i64), Vec<Stay>>,
    /// When each message was committed, by whom, and what it says.
    posts: BTreeMap<(i64, u64), (usize, i64, &'a str)>,
}

impl<'a> Facts<'a> {
    fn of(truth: &'a Truth) -> Self {
        let mut facts = Self {
            stays: BTreeMap::new(),
            posts: BTreeMap::new(),
        };
        for (index, commit) in truth.commits.iter().enumerate() {
            match commit {
                Commit::Joined { room, user, .. } => {
                    facts
                        .stays
                        .entry((*room, *user))
                        .or_insert_with(|| truth.stays(*room, *user));
                }
                Commit::Left { .. } => {}
                Commit::Posted {
                    room,
                    seq,
                    sender,
                    content,
                } => {
                    facts.posts.insert((*room, *seq), (index, *sender, content));
                }
            }
        }
        facts
    }

    /// The first message from a place on that its reader must be given, at most `upto`.
    fn due(&self, spared: &Spared, (room, user): (i64, i64), mut next: u64, upto: u64) -> u64 {
        let sender = |seq| self.posts.get(&(room, seq)).map(|(_, sender, _)| *sender);
        while next < upto && sender(next).is_some_and(|sender| spared.contains(&(user, sender))) {
            next += 1;
        }
        next
    }

    fn stays(&self, room: i64, user: i64) -> &[Stay] {
        self.stays.get(&(room, user)).map_or(&[], Vec::as_slice)
    }
}

/// What must hold at every moment: order, privacy, durability.
///
/// # Errors
/// The first violation.
pub fn always(history: &History) -> Result<(), Violation> {
    walk(history)?;
    events::check(history)?;
    memberships::not_early(history)
}

/// What must hold in the end: everyone level, everything acknowledged kept once, no holes, everything answered.
///
/// # Errors
/// The first violation.
pub fn eventually(history: &History) -> Result<(), Violation> {
    let places = walk(history)?;
    level(history, &places)?;
    stored(history)?;
    memberships::ended(history)?;
    if let Some(client) = history.lingering.first() {
        return Err(Violation::Lingers { client: *client });
    }
    match history.unanswered.first() {
        Some(content) => Err(Violation::Unanswered {
            content: content.clone(),
        }),
        None => Ok(()),
    }
}

fn walk(history: &History) -> Result<Places, Violation> {
    let facts = Facts::of(&history.truth);
    let mut places = Places::new();
    let mut spared = Spared::new();
    let mut taken_up = BTreeSet::new();
    for record in &history.records {
        let key = |room| (record.client, record.session, room);
        match &record.saw {
            Saw::Connected { rooms, again } => {
                if *again {
                    taken_up.insert((record.client, record.session));
                }
                enter(history, record, rooms, &mut places)?;
            }
            Saw::Joined { room, seq, after } => {
                let place = places.entry(key(*room)).or_default();
                let from = after
                    .map(|after| after.min(*seq))
                    .or((place.next == 0).then_some(*seq));
                place.rewind = from.map(|from| from + 1);
            }
            Saw::Left { room } => {
                places.remove(&key(*room));
            }
            Saw::Message {
                room,
                seq,
                sender,
                content,
            } => {
                durable(&facts, record, (*room, *seq, content), *sender)?;
                private(&facts, record, *room, *seq)?;
                // A session that goes on may do so in a room that its client did not know of.
                let unknown = Place {
                    next: if taken_up.contains(&(record.client, record.session)) {
                        *seq
                    } else {
                        0
                    },
                    rewind: None,
                };
                let place = places.entry(key(*room)).or_insert(unknown);
                ordered(&facts, &spared, record, place, (*room, *seq))?;
            }
            Saw::Acknowledged { room, seq, content } => {
                durable(&facts, record, (*room, *seq, content), record.user)?;
            }
            Saw::Blocking { user, .. } => {
                spared.insert((record.user, *user));
            }
            Saw::Dialled { .. }
            | Saw::Sent { .. }
            | Saw::Leaving { .. }
            | Saw::Gone { .. }
            | Saw::Blocked { .. }
            | Saw::Emitted { .. }
            | Saw::Event { .. }
            | Saw::Refused { .. }
            | Saw::Over { .. } => {}
        }
    }
    Ok(places)
}

/// Where a session is in its rooms when it has signed in.
fn enter(
    history: &History,
    record: &Record,
    rooms: &[Entered],
    places: &mut Places,
) -> Result<(), Violation> {
    let Record { client, session, .. } = *record;
    for it in rooms {
        let room = it.room;
        if it.asked && it.recovered != Some(true) && !history.stage.retains {
            return Err(Violation::Unrecovered {
                client,
                session,
                room,
            });
        }
        let place = Place {
            next: it.has + 1,
            rewind: None,
        };
        places.insert((client, session, room), place);
    }
    Ok(())
}

/// The next one; or the first of what was asked for; or the first after the user became a member (again).
fn ordered(
    facts: &Facts<'_>,
    spared: &Spared,
    record: &Record,
    place: &mut Place,
    (room, seq): (i64, u64),
) -> Result<(), Violation> {
    let reader = (room, record.user);
    let is_due = |from| from <= seq && facts.due(spared, reader, from, seq) == seq;
    let rewound = place.rewind.is_some_and(is_due);
    let began = |stay: &Stay| stay.since < record.commits && is_due(stay.joined + 1);
    let entered = seq > place.next && facts.stays(room, record.user).iter().any(began);
    if !is_due(place.next) && !rewound && !entered {
        let Record { client, session, .. } = *record;
        return Err(Violation::Order {
            client,
            session,
            room,
            seq,
            next: place.next,
        });
    }
    if rewound {
        place.rewind = None;
    }
    place.next = seq + 1;
    Ok(())
}

/// A user may have what was posted before the end of any of its memberships that had begun.
fn private(facts: &Facts<'_>, record: &Record, room: i64, seq: u64) -> Result<(), Violation> {
    let may = |stay: &Stay| stay.since < record.commits && stay.left.is_none_or(|left| seq <= left);
    let Record { client, session, .. } = *record;
    if facts.stays(room, record.user).iter().any(may) {
        Ok(())
    } else {
        Err(Violation::Private {
            client,
            session,
            room,
            seq,
        })
    }
}

/// What anybody is told was committed before, just so.
fn durable(
    facts: &Facts<'_>,
    record: &Record,
    (room, seq, content): (i64, u64, &str),
    sender: i64,
) -> Result<(), Violation> {
    let known = facts.posts.get(&(room, seq));
    let so =
        known.is_some_and(|(index, by, text)| *index < record.commits && *by == sender && *text == content);
    let Record { client, session, .. } = *record;
    if so {
        Ok(())
    } else {
        Err(Violation::Durable {
            client,
            session,
            room,
            seq,
        })
    }
}

fn level(history: &History, places: &Places) -> Result<(), Violation> {
    let facts = Facts::of(&history.truth);
    let asked = history.records.iter().filter_map(|record| {
        if let Saw::Blocking { user, .. } = &record.saw {
            Some((record.user, *user))
        } else {
            None
        }
    });
    let spared: Spared = asked.collect();
    for standing in &history.standing {
        for (room, _) in &history.stored {
            let stays = facts.stays(*room, standing.user);
            let Some(stay) = stays.last().filter(|stay| stay.left.is_none()) else {
                continue;
            };
            let head = history.truth.head(*room);
            let place = places.get(&(standing.client, standing.session, *room));
            let next = place.map_or(0, |place| place.next.max(place.rewind.unwrap_or(0)));
            // Who has seen nothing of a room since it joined has what was there then.
            let next = next.max(stay.joined + 1);
            let has = facts.due(&spared, (*room, standing.user), next, head + 1) - 1;
            if has < head {
                let (client, session) = (standing.client, standing.session);
                return Err(Violation::Level {
                    client,
                    session,
                    room: *room,
                    has,
                    head,
                });
            }
        }
    }
    Ok(())
}

fn stored(history: &History) -> Result<(), Violation> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for (room, messages) in &history.stored {
        let first = messages.first().map_or(1, |(seq, _)| *seq);
        for (place, (seq, content)) in (first..).zip(messages) {
            if *seq != place {
                return Err(Violation::Hole {
                    room: *room,
                    seq: *seq,
                    place,
                });
            }
            *times.entry(content).or_default() += 1;
        }
    }
    for record in &history.records {
        match &record.saw {
            Saw::Acknowledged { room, seq, content } => {
                let messages = history
                    .stored
                    .iter()
                    .find(|(r, _)| r == room)
                    .map(|(_, messages)| messages);
                let there = messages.is_some_and(|all| {
                    // What retention has deleted was there, as the truth says.
                    let deleted = all.first().is_none_or(|(first, _)| seq < first);
                    deleted || all.iter().any(|(s, text)| s == seq && text == content)
                });
                if !there {
                    return Err(Violation::Lost {
                        room: *room,
                        seq: *seq,
                        content: content.clone(),
                    });
                }
            }
            Saw::Sent {
                content,
                client_id: Some(_),
                ..
            } => {
                let times = times.get(content.as_str()).copied().unwrap_or(0);
                if times > 1 {
                    return Err(Violation::Twice {
                        content: content.clone(),
                        times,
                    });
                }
            }
            Saw::Dialled { .. }
            | Saw::Connected { .. }
            | Saw::Joined { .. }
            | Saw::Left { .. }
            | Saw::Leaving { .. }
            | Saw::Gone { .. }
            | Saw::Message { .. }
            | Saw::Sent { client_id: None, .. }
            | Saw::Blocking { .. }
            | Saw::Blocked { .. }
            | Saw::Emitted { .. }
            | Saw::Event { .. }
            | Saw::Refused { .. }
            | Saw::Over { .. } => {}
        }
    }
    unsolicited(history)
}

/// Nothing is in the store that nobody sent, and what was sent once without a name is there once at most.
fn unsolicited(history: &History) -> Result<(), Violation> {
    let sent: BTreeSet<&str> = history
        .records
        .iter()
        .filter_map(|record| {
            if let Saw::Sent { content, .. } = &record.saw {
                Some(content.as_str())
            } else {
                None
            }
        })
        .collect();
    let mut seen = BTreeSet::new();
    for content in history
        .stored
        .iter()
        .flat_map(|(_, messages)| messages)
        .map(|(_, content)| content.as_str())
    {
        if !sent.contains(content) || !seen.insert(content) {
            return Err(Violation::Twice {
                content: content.to_owned(),
                times: usize::from(sent.contains(content)) * 2,
            });
        }
    }
    Ok(())
}
