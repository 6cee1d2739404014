//! The shard: the sessions given to it, which rooms each of them hears, and in what order.
//!
//! Owns delivery order and nothing else does. Invariants: a session hears a room's messages in `seq` order, each once,
//! without a hole; what it cannot be given now it gets from the store before anything newer; nobody hears a message
//! from outside its membership.

mod catchup;
mod fanout;
mod order;
mod room;
mod session;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bongsu_model::records::RoomHead;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{
    Audience, Epoch, Event, EventBody, HistoryPage, Limits, MembersVersion, Outbound, RoomId, Run, Seq,
    SessionId, Timestamp, UserId,
};

use fanout::Job;
use order::Told;
use room::Room;
use session::Sessions;

/// A session's place on its shard, given by the shard's host and used again after the session has closed.
pub type SlotNo = u32;

/// A room that a session is to hear.
#[derive(Clone, Debug)]
pub struct Hear {
    /// The room.
    pub room: RoomId,
    /// Its last message at the moment the membership was read.
    pub head: Seq,
    /// The history that `head` belongs to.
    pub epoch: Epoch,
    /// The membership version at the same moment.
    pub version: MembersVersion,
    /// The session has everything up to here: what comes after it is replayed, then the room is heard live.
    pub after: Seq,
    /// The session asked for what comes after `after`, though it may have been given it before.
    pub asked: bool,
}

/// What happens to a shard.
#[derive(Debug)]
pub enum Input {
    /// A session begins. It hears nothing until it is attached, but memberships that end meanwhile are noticed.
    Open {
        /// Free until now.
        slot: SlotNo,
        /// The session.
        session: SessionId,
        /// Whose.
        user: UserId,
        /// Whom the user has blocked, ascending.
        blocked: Arc<[UserId]>,
    },
    /// The session hears these rooms from now on, besides those it hears already.
    Attach {
        /// The session's slot.
        slot: SlotNo,
        /// Which rooms.
        rooms: Vec<Hear>,
    },
    /// The memberships of a session's user, read again to find those that nobody told of.
    Found {
        /// The session's slot.
        slot: SlotNo,
        /// The session: the slot may be another's by now.
        session: SessionId,
        /// All rooms of its user, each from where the user joined.
        rooms: Vec<Hear>,
    },
    /// The session is over; its slot is free.
    Close {
        /// The session's slot.
        slot: SlotNo,
    },
    /// Something was announced. May repeat, come out of order, or never come.
    Announced(Arc<Outbound>),
    /// How far rooms are, by the word of another node or of the store.
    Heads(Arc<[RoomHead]>),
    /// The answer to [`Effect::Backfill`]; `None` if the store could not say.
    Backfilled {
        /// The room.
        room: RoomId,
        /// What was missing.
        page: Option<HistoryPage>,
    },
    /// The answer to [`Effect::Replay`]; `None` if the store could not say.
    Replayed {
        /// The session's slot when it was asked.
        slot: SlotNo,
        /// The session: the slot may be another's by now.
        session: SessionId,
        /// The room.
        room: RoomId,
        /// After which message it was asked.
        after: Seq,
        /// What the session missed.
        page: Option<HistoryPage>,
    },
    /// Who is a member, and since which message: the answer to [`Effect::Reload`], or told of a new room.
    Members {
        /// The room and its head at the moment of reading.
        head: RoomHead,
        /// Ascending by user.
        members: Vec<(UserId, Seq)>,
    },
    /// The store could not answer [`Effect::Reload`].
    MembersUnknown {
        /// The room.
        room: RoomId,
    },
    /// Whom a user has blocked has changed.
    Blocks {
        /// The user.
        user: UserId,
        /// All whom it has blocked now, ascending.
        blocked: Arc<[UserId]>,
    },
    /// A run did not fit the session's mailbox: nothing of it waits there.
    Full {
        /// The session's slot.
        slot: SlotNo,
        /// What did not fit.
        run: Arc<Run>,
    },
    /// A page did not fit the session's mailbox: nothing of it waits there.
    Unfit {
        /// The session's slot.
        slot: SlotNo,
        /// The page's room.
        room: RoomId,
        /// The last message before the page.
        after: Seq,
    },
    /// The session's mailbox has more waiting than is good for another page.
    Congested {
        /// The session's slot.
        slot: SlotNo,
    },
    /// The session's mailbox is empty again.
    Drained {
        /// The session's slot.
        slot: SlotNo,
        /// The session: the slot may be another's by now.
        session: SessionId,
    },
    /// Answer with [`Effect::Passed`] when the session has been given everything up to a place.
    Barrier {
        /// The session's slot.
        slot: SlotNo,
        /// What the answer carries.
        ticket: u64,
        /// A message it must have been given; else all that was announced before, and it is level with all its rooms.
        upto: Option<(RoomId, Seq)>,
    },
}

/// What a shard wants done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Give a run of events to a session. If it does not fit: [`Input::Full`].
    Deliver {
        /// To whom.
        slot: SlotNo,
        /// What.
        run: Arc<Run>,
    },
    /// Give a session a page that it missed. If its mailbox is not empty then: [`Input::Congested`]; if the page does not
    /// fit it: [`Input::Unfit`].
    Missed {
        /// To whom.
        slot: SlotNo,
        /// The last message before the page.
        after: Seq,
        /// What.
        page: HistoryPage,
    },
    /// Read what a room has after a message: [`Input::Backfilled`].
    Backfill {
        /// The room.
        room: RoomId,
        /// The last message that is there.
        after: Seq,
    },
    /// Read what a session missed: [`Input::Replayed`].
    Replay {
        /// For whom.
        slot: SlotNo,
        /// The session, to be given back.
        session: SessionId,
        /// The room.
        room: RoomId,
        /// The last message it has.
        after: Seq,
    },
    /// Read a room's members: [`Input::Members`].
    Reload {
        /// The room.
        room: RoomId,
    },
    /// Read a room's head: [`Input::Heads`]. Asked after [`Effect::Interest`], so that nothing falls between.
    CheckHead {
        /// The room.
        room: RoomId,
    },
    /// From now on announcements of this room are wanted here, or not any more.
    Interest {
        /// The room.
        room: RoomId,
        /// Whether they are wanted.
        wanted: bool,
    },
    /// The barrier is passed, or its session is over.
    Passed {
        /// As asked.
        ticket: u64,
    },
    /// A run has been given to every member here.
    Fanned {
        /// When its oldest event happened.
        oldest: Timestamp,
        /// To how many sessions it went.
        sessions: u32,
    },
    /// The session cannot be kept whole: close it, so that it resumes.
    Close {
        /// Whose.
        slot: SlotNo,
        /// Why.
        cause: CloseCause,
    },
}

/// One shard of a node.
#[derive(Debug)]
pub struct Shard {
    limits: Limits,
    sessions: Sessions,
    rooms: HashMap<RoomId, Room>,
    jobs: VecDeque<Job>,
    holes: BTreeSet<(Timestamp, RoomId)>,
    /// Rooms whose membership changes wait for one between.
    early: BTreeSet<(Timestamp, RoomId)>,
    barriers: Vec<catchup::Barrier>,
}

impl Shard {
    /// A shard without sessions.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: Sessions::default(),
            rooms: HashMap::new(),
            jobs: VecDeque::new(),
            holes: BTreeSet::new(),
            early: BTreeSet::new(),
            barriers: Vec::new(),
        }
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, input: Input, now: Timestamp, out: &mut Vec<Effect>) {
        match input {
            Input::Open {
                slot,
                session,
                user,
                blocked,
            } => self.sessions.open(slot, session, user, blocked),
            Input::Attach { slot, rooms } => self.attach(slot, rooms, Told::ToBegin, out),
            Input::Found { slot, session, rooms } => {
                // Until it is attached, a session may yet be told more of where it is to begin.
                if self.sessions.is_open(slot) && self.sessions.slot_of(session) == Some(slot) {
                    self.attach(slot, rooms, Told::Found, out);
                }
            }
            Input::Close { slot } => self.close(slot, out),
            Input::Announced(outbound) => self.announced(outbound, now, out),
            Input::Heads(heads) => heads.iter().for_each(|head| self.head(*head, now, out)),
            Input::Backfilled { room, page } => self.backfilled(room, page, now, out),
            Input::Replayed {
                slot,
                session,
                room,
                after,
                page,
            } => {
                self.replayed(slot, session, (room, after), page, out);
            }
            Input::Members { head, members } => self.members(head, &members, now, out),
            Input::MembersUnknown { room } => self.members_unknown(room, now),
            Input::Blocks { user, blocked } => self.blocks(user, &blocked),
            Input::Full { slot, run } => self.full(slot, &run),
            Input::Unfit { slot, room, after } => self.unfit(slot, room, after),
            Input::Congested { slot } => self.sessions.pause(slot),
            Input::Drained { slot, session } => self.drained(slot, session, out),
            Input::Barrier { slot, ticket, upto } => self.barrier(slot, ticket, upto, out),
        }
    }

    /// When [`Shard::handle_deadline`] wants to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let first = |waiting: &BTreeSet<(Timestamp, RoomId)>| waiting.first().map(|(at, _)| *at);
        first(&self.holes).into_iter().chain(first(&self.early)).min()
    }

    /// Does what has become due: holes that did not close by themselves are read from the store, and membership changes
    /// wait no longer for one between.
    pub fn handle_deadline(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        while let Some(&(at, room)) = self.early.first().filter(|(at, _)| *at <= now) {
            self.early.remove(&(at, room));
            self.early_due(room);
        }
        while let Some(&(at, room)) = self.holes.first().filter(|(at, _)| *at <= now) {
            self.holes.remove(&(at, room));
            self.hole_due(room, now, out);
        }
    }

    /// How many sessions are open here.
    #[must_use]
    pub fn sessions_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether a session has been attached and hears a room.
    #[must_use]
    pub fn hears(&self, slot: SlotNo, room: RoomId) -> bool {
        let session = self.sessions.get(slot);
        self.sessions.is_open(slot) && session.is_some_and(|session| session.rooms.contains(&room))
    }

    /// How many rooms have a member here.
    #[must_use]
    pub fn rooms_count(&self) -> usize {
        self.rooms.len()
    }

    fn announced(&mut self, outbound: Arc<Outbound>, now: Timestamp, out: &mut Vec<Effect>) {
        let event: &Event = outbound.event();
        match &event.body {
            EventBody::Posted(message) => {
                let room = message.room;
                self.posted(room, outbound, now, out);
            }
            EventBody::UserJoined {
                room,
                user,
                joined_seq,
                version,
                ..
            } => {
                let change = order::Change {
                    room: room.id,
                    user: user.id,
                    joined_seq: Some(*joined_seq),
                    version: *version,
                };
                self.membership(change, outbound, now, out);
            }
            EventBody::UserLeft {
                room, user, version, ..
            } => {
                let change = order::Change {
                    room: room.id,
                    user: user.id,
                    joined_seq: None,
                    version: *version,
                };
                self.membership(change, outbound, now, out);
            }
            EventBody::Typing { .. }
            | EventBody::Read { .. }
            | EventBody::Status { .. }
            | EventBody::CallCreated { .. }
            | EventBody::CallJoined { .. }
            | EventBody::CallLeft { .. }
            | EventBody::CallHostChanged { .. }
            | EventBody::CallEnded { .. }
            | EventBody::MediaChanged { .. }
            | EventBody::Signalled { .. }
            | EventBody::Application(_)
            | EventBody::Announced { .. } => self.unordered(outbound),
        }
    }

    /// An event without a place in a room's order: to its audience as it comes.
    fn unordered(&mut self, outbound: Arc<Outbound>) {
        match &outbound.event().audience {
            Audience::Room(room) | Audience::RoomExcept(room, _) => {
                let room = *room;
                self.enqueue(room, outbound);
            }
            Audience::User(user) => {
                let slots = self.sessions.of(*user).to_vec();
                self.list_job(&slots, outbound);
            }
            Audience::Sessions(sessions) => {
                let slots: Vec<_> = sessions
                    .iter()
                    .filter_map(|(_, session)| self.sessions.slot_of(*session))
                    .collect();
                self.list_job(&slots, outbound);
            }
            Audience::Related(user, rooms) => {
                let slots = self.related(*user, rooms);
                self.list_job(&slots, outbound);
            }
            Audience::All => {
                let everyone = self.sessions.all();
                self.occupants_job(everyone, outbound);
            }
        }
    }

    /// The sessions that share a room with a user, each once, in the order of the rooms and their members.
    fn related(&mut self, user: UserId, rooms: &[RoomId]) -> Vec<SlotNo> {
        let mut slots = Vec::new();
        let stamp = self.sessions.next_stamp();
        for room in rooms.iter().filter_map(|room| self.rooms.get(room)) {
            for slot in room.slots() {
                if self.sessions.user(slot) != Some(user) && self.sessions.stamp(slot, stamp) {
                    slots.push(slot);
                }
            }
        }
        slots
    }

    fn blocks(&mut self, user: UserId, blocked: &Arc<[UserId]>) {
        self.sessions.set_blocked(user, blocked);
    }
}

#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
