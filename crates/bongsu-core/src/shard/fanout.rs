//! Fan-out: what waits for a room goes to each of its members as one run, in slices.
//!
//! Invariant: a run is never mixed of lanes and never has more than one excluded user, so that its bytes are the same
//! for everyone. Rooms take turns by slices, so that a big one does not hold up the others.

use std::sync::Arc;

use bongsu_model::event::Lane;
use bongsu_model::{Audience, Outbound, RoomId, Run, Seq, Timestamp, UserId};

use super::room::{Place, Room, Running};
use super::session::{Occupant, Sessions};
use super::{Effect, Shard, SlotNo};

/// Events in one run: enough that a write is worth its call, little enough to fit any mailbox.
const RUN_EVENTS_MAX: usize = 128;
/// Text in one run, in bytes; at this size a longer run saves nothing more.
const RUN_BYTES_MAX: usize = 64 * 1024;

/// Work that is served in slices.
#[derive(Debug)]
pub(super) enum Job {
    /// A room with events waiting.
    Room(RoomId),
    /// One event for these sessions, from this one on.
    List {
        run: Arc<Run>,
        actor: Option<UserId>,
        to: Vec<Occupant>,
        at: usize,
    },
    /// Somebody waits for the work before this, and for what waited for these rooms then.
    Mark {
        slot: SlotNo,
        ticket: u64,
        rooms: Vec<(RoomId, u64)>,
    },
}

impl Shard {
    /// Whether there is work for [`Shard::step`].
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Serves one slice of the oldest job; whether there is more to do.
    pub fn step(&mut self, out: &mut Vec<Effect>) -> bool {
        match self.jobs.pop_front() {
            None => return false,
            Some(Job::Room(room)) => self.step_room(room, out),
            Some(Job::List { run, actor, to, at }) => self.step_list(run, actor, to, at, out),
            Some(Job::Mark { slot, ticket, rooms }) => self.step_mark(slot, ticket, rooms, out),
        }
        self.has_work()
    }

    /// Puts a mark behind all work there is, for a session that wants to know when it has been given its part.
    pub(super) fn mark(&mut self, slot: SlotNo, ticket: u64) {
        let rooms = self.sessions.get(slot).map_or(&[][..], |session| &session.rooms);
        let rooms = rooms
            .iter()
            .filter_map(|id| Some((*id, self.rooms.get(id).filter(|room| room.active)?.enqueued)))
            .collect();
        self.jobs.push_back(Job::Mark { slot, ticket, rooms });
    }

    /// A room that is served in slices goes behind the mark again and again, so the mark follows it.
    fn step_mark(&mut self, slot: SlotNo, ticket: u64, rooms: Vec<(RoomId, u64)>, out: &mut Vec<Effect>) {
        let waits = rooms.iter().any(|(id, enqueued)| {
            self.rooms
                .get(id)
                .is_some_and(|room| room.active && room.fanned < *enqueued)
        });
        if waits {
            self.jobs.push_back(Job::Mark { slot, ticket, rooms });
        } else {
            self.wait_until_level(slot, ticket, None, out);
        }
    }

    /// Puts an event without a place in the order behind what waits for a room.
    pub(super) fn enqueue(&mut self, room_id: RoomId, outbound: Arc<Outbound>) {
        if let Some(room) = self.rooms.get_mut(&room_id) {
            room.enqueue(outbound);
            self.activate(room_id);
        }
    }

    pub(super) fn activate(&mut self, room_id: RoomId) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        if !room.active && (room.running.is_some() || !room.waiting.is_empty()) {
            room.active = true;
            self.jobs.push_back(Job::Room(room_id));
        }
    }

    pub(super) fn list_job(&mut self, slots: &[SlotNo], outbound: Arc<Outbound>) {
        let to = slots
            .iter()
            .filter_map(|slot| self.sessions.occupant(*slot))
            .collect();
        self.occupants_job(to, outbound);
    }

    pub(super) fn occupants_job(&mut self, to: Vec<Occupant>, outbound: Arc<Outbound>) {
        if !to.is_empty() {
            let event = outbound.event();
            let actor = if event.body.honours_blocks() {
                event.actor
            } else {
                None
            };
            self.jobs.push_back(Job::List {
                run: Run::new(vec![outbound]),
                actor,
                to,
                at: 0,
            });
        }
    }

    fn step_list(
        &mut self,
        run: Arc<Run>,
        actor: Option<UserId>,
        to: Vec<Occupant>,
        at: usize,
        out: &mut Vec<Effect>,
    ) {
        let end = (at + self.limits.fanout_slice).min(to.len());
        for &occupant in &to[at..end] {
            let slot = occupant.slot;
            let wants = self
                .sessions
                .still(occupant)
                .is_some_and(|session| !session.has_blocked(actor));
            if wants && self.sessions.is_open(slot) {
                out.push(Effect::Deliver {
                    slot,
                    run: Arc::clone(&run),
                });
            }
        }
        if end < to.len() {
            self.jobs.push_back(Job::List {
                run,
                actor,
                to,
                at: end,
            });
        }
    }

    fn step_room(&mut self, room_id: RoomId, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        let Some(mut running) = room.running.take().or_else(|| next_run(room)) else {
            room.active = false;
            return;
        };
        let end = (running.at + self.limits.fanout_slice).min(room.places().len());
        let before = out.len();
        for index in running.at..end {
            let place = room.places()[index];
            serve(&self.sessions, place, &running, out);
        }
        running.served += u32::try_from(out.len() - before).unwrap_or(u32::MAX);
        running.at = end;
        if end < room.places().len() {
            room.running = Some(running);
            self.jobs.push_back(Job::Room(room_id));
            return;
        }
        room.done = running.upto;
        room.fanned += running.run.events().len() as u64;
        let oldest = running
            .run
            .events()
            .first()
            .map_or(Timestamp(0), |event| event.event().at);
        out.push(Effect::Fanned {
            oldest,
            sessions: running.served,
        });
        if room.waiting.is_empty() {
            room.active = false;
        } else {
            self.jobs.push_back(Job::Room(room_id));
        }
        self.pass_barriers_at(room_id, out);
    }
}

/// Takes the longest run that may share its bytes from what waits.
fn next_run(room: &mut Room) -> Option<Running> {
    let first = room.waiting.pop_front()?;
    let (lane, except) = (first.event().body.lane(), excluded(&first));
    let mut upto = first.message().map_or(room.done, |message| message.seq);
    let mut bytes = size(&first);
    let mut events = vec![first];
    while let Some(next) = room.waiting.front() {
        let fits = lane == Lane::Message
            && next.event().body.lane() == Lane::Message
            && excluded(next) == except
            && events.len() < RUN_EVENTS_MAX
            && bytes + size(next) <= RUN_BYTES_MAX;
        if !fits {
            break;
        }
        let Some(next) = room.waiting.pop_front() else {
            break;
        };
        bytes += size(&next);
        upto = next.message().map_or(upto, |message| message.seq);
        events.push(next);
    }
    Some(Running {
        run: Run::new(events),
        except,
        at: 0,
        upto,
        served: 0,
    })
}

fn excluded(outbound: &Outbound) -> Option<UserId> {
    match outbound.event().audience {
        Audience::RoomExcept(_, user) => Some(user),
        Audience::Room(_)
        | Audience::User(_)
        | Audience::Sessions(_)
        | Audience::Related(..)
        | Audience::All => None,
    }
}

fn size(outbound: &Outbound) -> usize {
    outbound.message().map_or(0, |message| {
        message.content.len()
            + message
                .metadata
                .as_ref()
                .map_or(0, |metadata| metadata.as_bytes().len())
    })
}

/// Gives a run to one place: whole if it may, else what of it the place lacks and its user wants to hear.
fn serve(sessions: &Sessions, place: Place, running: &Running, out: &mut Vec<Effect>) {
    let Some(session) = sessions.get(place.slot) else {
        return;
    };
    if running.except == Some(session.user) || place.doubted || !sessions.is_open(place.slot) {
        return;
    }
    let plain = session.blocked.is_none() && !place.behind && place.has <= before_first(running);
    if plain {
        out.push(Effect::Deliver {
            slot: place.slot,
            run: Arc::clone(&running.run),
        });
        return;
    }
    let wanted: Vec<_> = running
        .run
        .events()
        .iter()
        .filter(|outbound| {
            let event = outbound.event();
            let lacked = outbound
                .message()
                .is_none_or(|message| !place.behind && message.seq > place.has);
            lacked && !(event.body.honours_blocks() && session.has_blocked(event.actor))
        })
        .cloned()
        .collect();
    if wanted.len() == running.run.events().len() {
        out.push(Effect::Deliver {
            slot: place.slot,
            run: Arc::clone(&running.run),
        });
    } else if !wanted.is_empty() {
        out.push(Effect::Deliver {
            slot: place.slot,
            run: Run::new(wanted),
        });
    }
}

/// The message before the first of a run; a run without messages is lacked by everyone.
fn before_first(running: &Running) -> Seq {
    let first = running
        .run
        .events()
        .iter()
        .find_map(|outbound| outbound.message());
    first.map_or(Seq(u64::MAX), |message| Seq(message.seq.0 - 1))
}
