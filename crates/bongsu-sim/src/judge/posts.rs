//! Messages: what was sent, what was acknowledged, what the store has in the end. Durable, once, in one order, honest.
//!
//! Invariant: who got no answer knows nothing, so such a message may be there or not; all else must agree.

use std::collections::{BTreeMap, HashMap};

use super::line::{Micros, Said};
use super::verdict::{At, Broken, Verdict};
use super::{Here, Mark};

/// Refusals after which a message may be there all the same: the server was not able to say.
const UNSURE: [&str; 2] = ["OVERLOADED", "SHUTTING_DOWN"];

/// A message that a client wants kept: once, however often it was sent.
pub(super) struct Sent {
    room: i64,
    user: i64,
    hash: Mark,
    pub(super) first: Micros,
    pub(super) at: At,
    /// When it was acknowledged first, as which number and message, and where that stands.
    acked: Option<(Micros, u64, Mark, At)>,
    /// Attempts of which it is not known that they changed nothing.
    unsure: u32,
    refused_at: Option<At>,
    row: Option<u64>,
}

/// A message that the store has.
struct Row {
    seq: u64,
    id: Mark,
    sender: i64,
    hash: Mark,
    key: Option<Mark>,
    at: At,
    sent: Option<u32>,
}

#[derive(Default)]
struct Room {
    rows: Vec<Row>,
    head: Option<(u64, At)>,
    epoch: Option<(Mark, At)>,
}

impl Room {
    fn row(&self, seq: u64) -> Option<&Row> {
        let found = self.rows.binary_search_by_key(&seq, |row| row.seq);
        found.ok().map(|at| &self.rows[at])
    }
}

/// How the store's message compares with what somebody says.
pub(super) enum Compared {
    Same,
    Another,
    Absent,
}

/// All messages.
#[derive(Default)]
pub(super) struct Posts {
    rooms: BTreeMap<i64, Room>,
    sent: Vec<Sent>,
    by_key: HashMap<(i64, Mark), u32>,
}

impl Posts {
    pub(super) fn sent(&mut self, here: Here, room: i64, key: &str, hash: &str) {
        let place = self
            .by_key
            .entry((here.user, Mark::of(key)))
            .or_insert(self.sent.len() as u32);
        if let Some(known) = self.sent.get_mut(*place as usize) {
            // Files are read one after the other: an earlier attempt may stand in a later file.
            if here.t < known.first {
                (known.first, known.at) = (here.t, here.at);
            }
            known.unsure += 1;
            return;
        }
        self.sent.push(Sent {
            room,
            user: here.user,
            hash: Mark::of(hash),
            first: here.t,
            at: here.at,
            acked: None,
            unsure: 1,
            refused_at: None,
            row: None,
        });
    }

    fn of(&mut self, here: Here, key: &str) -> Option<&mut Sent> {
        let place = *self.by_key.get(&(here.user, Mark::of(key)))?;
        self.sent.get_mut(place as usize)
    }

    /// What a client sent under a key.
    pub(super) fn by_key(&self, user: i64, key: &str) -> Option<&Sent> {
        let place = *self.by_key.get(&(user, Mark::of(key)))?;
        self.sent.get(place as usize)
    }

    pub(super) fn acked(
        &mut self,
        here: Here,
        room: i64,
        key: &str,
        (seq, id): (u64, &str),
        verdict: &mut Verdict,
    ) {
        let id = Mark::of(id);
        let Some(sent) = self.of(here, key).filter(|sent| sent.room == room) else {
            return verdict.found_about(Broken::Unasked, &[here.at], Some(key));
        };
        match sent.acked {
            None => {
                sent.acked = Some((here.t, seq, id, here.at));
                verdict.looked.acknowledged += 1;
            }
            Some((_, first, first_id, at)) if (first, first_id) != (seq, id) => {
                verdict.found(
                    Broken::AckedTwice {
                        room,
                        first,
                        then: seq,
                    },
                    &[here.at, at],
                );
            }
            Some((t, first, first_id, _)) if here.t < t => {
                sent.acked = Some((here.t, first, first_id, here.at));
            }
            Some(_) => {}
        }
    }

    pub(super) fn refused(&mut self, here: Here, key: &str, code: &str, verdict: &mut Verdict) {
        let code = code.to_ascii_uppercase();
        if code.is_empty() || code == "INTERNAL_ERROR" {
            verdict.found(Broken::NoCause { code: code.clone() }, &[here.at]);
        }
        let Some(sent) = self.of(here, key) else {
            return verdict.found_about(Broken::Unasked, &[here.at], Some(key));
        };
        if !UNSURE.contains(&code.as_str()) {
            sent.unsure = sent.unsure.saturating_sub(1);
            sent.refused_at = Some(here.at);
        }
    }

    pub(super) fn head(&mut self, here: Here, room: i64, seq: u64) {
        self.rooms.entry(room).or_default().head = Some((seq, here.at));
    }

    pub(super) fn epoch(&mut self, here: Here, room: i64, epoch: Option<&str>, verdict: &mut Verdict) {
        let Some(epoch) = epoch.map(Mark::of) else { return };
        let known = &mut self.rooms.entry(room).or_default().epoch;
        match *known {
            None => *known = Some((epoch, here.at)),
            Some((first, at)) if first != epoch => {
                verdict.found(Broken::AnotherHistory { room }, &[here.at, at]);
            }
            Some(_) => {}
        }
    }

    pub(super) fn kept(&mut self, here: Here, said: &Said<'_>, key: Option<&str>) {
        self.rooms.entry(said.room).or_default().rows.push(Row {
            seq: said.seq,
            id: Mark::of(&said.id),
            sender: said.sender,
            hash: Mark::of(&said.hash),
            key: key.map(Mark::of),
            at: here.at,
            sent: None,
        });
    }

    /// Compares all of it, once everything has been read.
    pub(super) fn settle(&mut self, verdict: &mut Verdict) {
        verdict.looked.sent = self.sent.len() as u64;
        // What was sent, by what it says: a content stands for its key, see docs/history.md.
        let mut by_hash: HashMap<(i64, i64, Mark), u32> = HashMap::new();
        for (place, sent) in self.sent.iter().enumerate() {
            by_hash.insert((sent.room, sent.user, sent.hash), place as u32);
        }
        for (number, room) in &mut self.rooms {
            verdict.looked.messages += room.rows.len() as u64;
            room.rows.sort_by_key(|row| row.seq);
            numbered(*number, room, verdict);
            for at in 0..room.rows.len() {
                let row = &room.rows[at];
                let (seq, sender) = (row.seq, row.sender);
                let by_key = row.key.and_then(|key| self.by_key.get(&(sender, key)));
                let Some(place) = by_key
                    .or_else(|| by_hash.get(&(*number, sender, row.hash)))
                    .copied()
                else {
                    verdict.found(
                        Broken::NobodySent {
                            room: *number,
                            seq,
                            sender,
                        },
                        &[row.at],
                    );
                    continue;
                };
                let sent = &mut self.sent[place as usize];
                if let Some(first) = sent.row {
                    let broken = Broken::StoredTwice {
                        room: *number,
                        sender,
                        first,
                        then: seq,
                    };
                    verdict.found(broken, &[row.at, sent.at]);
                } else {
                    sent.row = Some(seq);
                }
                room.rows[at].sent = Some(place);
            }
        }
        self.compare(verdict);
        self.in_order(verdict);
    }

    /// What was acknowledged is there, and what was refused is not.
    fn compare(&self, verdict: &mut Verdict) {
        for sent in &self.sent {
            let room = sent.room;
            if let Some((_, seq, id, at)) = sent.acked {
                match self.row(room, seq) {
                    None => verdict.found(Broken::AckedAndGone { room, seq }, &[at, sent.at]),
                    Some(row) if (row.id, row.sender, row.hash) != (id, sent.user, sent.hash) => {
                        verdict.found(Broken::AckedAndChanged { room, seq }, &[at, row.at]);
                    }
                    Some(_) => {}
                }
            } else if let (0, Some(seq), Some(at)) = (sent.unsure, sent.row, sent.refused_at) {
                verdict.found(Broken::RefusedAndKept { room, seq }, &[at, sent.at]);
            }
        }
    }

    /// What was acknowledged before another was sent comes before it.
    fn in_order(&self, verdict: &mut Verdict) {
        let mut by_room: BTreeMap<i64, Vec<&Sent>> = BTreeMap::new();
        for sent in self.sent.iter().filter(|sent| sent.row.is_some()) {
            by_room.entry(sent.room).or_default().push(sent);
        }
        for (room, mut sent) in by_room {
            let mut acks: Vec<_> = sent.iter().filter_map(|it| it.acked).collect();
            acks.sort_by_key(|ack| ack.0);
            sent.sort_by_key(|it| it.first);
            let mut acks = acks.into_iter().peekable();
            let mut highest: Option<(u64, At)> = None;
            for it in sent {
                while let Some((_, seq, _, at)) = acks.next_if(|ack| ack.0 < it.first) {
                    if highest.is_none_or(|(high, _)| seq > high) {
                        highest = Some((seq, at));
                    }
                }
                if let (Some((first, at)), Some(then)) = (highest, it.row)
                    && then <= first
                {
                    verdict.found(Broken::Overtaken { room, first, then }, &[it.at, at]);
                }
            }
        }
    }

    fn row(&self, room: i64, seq: u64) -> Option<&Row> {
        self.rooms.get(&room)?.row(seq)
    }

    /// What the store has in the place of something that came.
    pub(super) fn compared(&self, said: &Said<'_>) -> Compared {
        match self.row(said.room, said.seq) {
            None => Compared::Absent,
            Some(row)
                if (row.id, row.sender, row.hash)
                    == (Mark::of(&said.id), said.sender, Mark::of(&said.hash)) =>
            {
                Compared::Same
            }
            Some(_) => Compared::Another,
        }
    }

    /// When a message was sent first.
    pub(super) fn sent_at(&self, room: i64, seq: u64) -> Option<Micros> {
        let place = self.row(room, seq)?.sent?;
        self.sent.get(place as usize).map(|sent| sent.first)
    }

    /// The room's last number in the store.
    pub(super) fn last(&self, room: i64) -> u64 {
        let rows = self.rooms.get(&room).map(|room| &room.rows);
        rows.and_then(|rows| rows.last()).map_or(0, |row| row.seq)
    }
}

/// The store's numbers of one room: 1, 2, 3, … up to its head.
fn numbered(number: i64, room: &Room, verdict: &mut Verdict) {
    let mut before = 0;
    for row in &room.rows {
        if row.seq != before + 1 {
            let broken = Broken::Hole {
                room: number,
                before,
                found: row.seq,
            };
            verdict.found(broken, &[row.at]);
        }
        before = row.seq;
    }
    if let Some((head, at)) = room.head
        && head != before
    {
        verdict.found(
            Broken::Head {
                room: number,
                last: before,
                head,
            },
            &[at],
        );
    }
}
