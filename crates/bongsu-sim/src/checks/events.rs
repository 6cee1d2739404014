//! Application events, and whom one has blocked: who may hear what, and in which order.

use std::collections::BTreeMap;

use super::{Facts, Violation};
use crate::history::{History, Mark, Record, Saw};
use crate::truth::Stay;

/// How long a node may not know yet that a membership ended, if it ended on the same node, and if on another one whose
/// word was lost: two exchanges of heads, and the store's late answers.
const SAME_NODE_MS: u64 = 500;
const OTHER_NODE_MS: u64 = 5_000;

/// Where an event was sent from.
struct Emission<'a> {
    /// The record.
    index: usize,
    sender: i64,
    room: i64,
    key: &'a str,
    commits: usize,
    at_ms: u64,
    node: Option<usize>,
}

struct Watch<'a> {
    history: &'a History,
    facts: Facts<'a>,
    emitted: BTreeMap<Mark, Emission<'a>>,
    /// When each text was sent first.
    sent: BTreeMap<&'a str, usize>,
    /// Which node a connection is with, and since which record.
    dialled: BTreeMap<(usize, u32), (usize, usize)>,
    /// Who hears nothing of whom: since which record, by the word of which node.
    blocked: BTreeMap<(i64, i64), (usize, usize)>,
    /// When a connection was told that it is out of a room: the record, and how much was committed.
    left: BTreeMap<(usize, u32, i64), (usize, usize)>,
    /// The last number of each sender, room and key at each receiver.
    last: BTreeMap<(usize, u32, usize, u32, i64, &'a str), u64>,
}

/// Nobody hears what it must not, and nothing is turned around.
pub(super) fn check(history: &History) -> Result<(), Violation> {
    let mut watch = Watch {
        history,
        facts: Facts::of(&history.truth),
        emitted: BTreeMap::new(),
        sent: BTreeMap::new(),
        dialled: BTreeMap::new(),
        blocked: BTreeMap::new(),
        left: BTreeMap::new(),
        last: BTreeMap::new(),
    };
    (0..history.records.len()).try_for_each(|index| watch.record(index))
}

impl<'a> Watch<'a> {
    fn record(&mut self, index: usize) -> Result<(), Violation> {
        let record = &self.history.records[index];
        let link = (record.client, record.session);
        let node = self.dialled.get(&link).map(|it| it.0);
        match &record.saw {
            Saw::Dialled { node } => {
                self.dialled.insert(link, (*node, index));
            }
            Saw::Left { room } => {
                self.left
                    .insert((record.client, record.session, *room), (index, record.commits));
            }
            Saw::Sent { content, .. } => {
                self.sent.entry(content).or_insert(index);
            }
            Saw::Blocking { user, on: false } => {
                self.blocked.remove(&(record.user, *user));
            }
            Saw::Blocked { user, on: true } => {
                let node = node.unwrap_or_default();
                self.blocked.insert((record.user, *user), (index, node));
            }
            Saw::Emitted { room, key, mark } => {
                let emission = Emission {
                    index,
                    sender: record.user,
                    room: *room,
                    key,
                    commits: record.commits,
                    at_ms: record.at_ms,
                    node,
                };
                self.emitted.insert(*mark, emission);
            }
            Saw::Message { sender, content, .. } => {
                if let Some(sent) = self.sent.get(content.as_str()) {
                    self.spared(record, *sender, *sent)?;
                }
            }
            Saw::Event {
                room,
                sender,
                key,
                mark,
            } => self.event(record, (*room, *sender), key, *mark)?,
            Saw::Connected { .. }
            | Saw::Joined { .. }
            | Saw::Leaving { .. }
            | Saw::Gone { .. }
            | Saw::Blocking { on: true, .. }
            | Saw::Blocked { on: false, .. }
            | Saw::Acknowledged { .. }
            | Saw::Refused { .. }
            | Saw::Over { .. } => {}
        }
        Ok(())
    }

    /// What was sent after the receiver was told that it is spared its sender does not come: to connections of the same
    /// node, and to those that were dialled later.
    fn spared(&self, record: &Record, sender: i64, sent: usize) -> Result<(), Violation> {
        let (client, session) = (record.client, record.session);
        let Some((since, by)) = self.blocked.get(&(record.user, sender)) else {
            return Ok(());
        };
        let (node, dialled) = self.dialled[&(client, session)];
        if sent > *since && (node == *by || dialled > *since) {
            return Err(Violation::Blocked {
                client,
                session,
                sender,
            });
        }
        Ok(())
    }

    fn event(
        &mut self,
        record: &'a Record,
        (room, sender): (i64, i64),
        key: &'a str,
        mark: Mark,
    ) -> Result<(), Violation> {
        let (client, session) = (record.client, record.session);
        let emission = self.emitted.get(&mark);
        let emission = emission.filter(|it| it.sender == sender && it.room == room && it.key == key);
        let Some(emission) = emission else {
            return Err(Violation::Unsaid {
                client,
                session,
                room,
                mark,
            });
        };
        self.spared(record, sender, emission.index)?;
        if !self.may_hear(record, room, emission) {
            return Err(Violation::Stranger {
                client,
                session,
                room,
                mark,
            });
        }
        // What crosses the backplane may overtake, and come twice.
        if emission.node == self.dialled.get(&(client, session)).map(|it| it.0) {
            let place = (client, session, mark.client, mark.session, room, key);
            let last = self.last.insert(place, mark.number).unwrap_or(0);
            if mark.number <= last {
                return Err(Violation::Backwards {
                    client,
                    session,
                    room,
                    mark,
                    last,
                });
            }
        }
        Ok(())
    }

    /// The receiver was a member at some time between the sending and the hearing, and was not told since that it is not.
    fn may_hear(&self, record: &Record, room: i64, emission: &Emission<'_>) -> bool {
        let lag_ms = if self.history.stage.nodes == 1 {
            SAME_NODE_MS
        } else {
            OTHER_NODE_MS
        };
        let told = self.left.get(&(record.client, record.session, room));
        // What waits in the lane of events is overtaken by the word that one is out, which waits in that of messages.
        let told = told.map_or(0, |told| told.1);
        let at_ms = |commit: usize| self.history.truth.at_ms.get(commit).copied().unwrap_or(0);
        let may = |stay: &Stay| {
            let in_time = |until: usize| {
                until >= told && (until >= emission.commits || at_ms(until) + lag_ms > emission.at_ms)
            };
            stay.since < record.commits && stay.until.is_none_or(in_time)
        };
        self.facts.stays(room, record.user).iter().any(may)
    }
}
