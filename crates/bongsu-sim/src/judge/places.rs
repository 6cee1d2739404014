//! Where each client is in each room: everything comes once, in order, without a hole, and to members alone.
//!
//! Invariant: a client's place moves by one with each message; only a join, a greeting or a gap that was told moves it
//! otherwise.

use std::collections::BTreeMap;

use super::Here;
use super::line::{Micros, Said};
use super::members::Members;
use super::posts::{Compared, Posts};
use super::verdict::{At, Broken, Verdict};

/// A client's place in a room.
#[derive(Clone, Copy)]
enum Place {
    /// It is to hear what comes after this number.
    After(u64, At),
    /// It may hear some of what comes before this number, and all that comes after it.
    About(u64, At),
    /// It has asked to join. `afresh`: it cannot be a member already.
    Joining { afresh: bool },
    /// It has asked to join, and was given these, from the first to the last, before it was answered.
    Early(u64, u64, At),
    /// It asked to join and was not answered: it may be a member from any moment on.
    Unsure,
    /// It has left, since when.
    Out(Micros, At),
}

/// The places of all clients.
#[derive(Default)]
pub(super) struct Places(BTreeMap<(u32, i64), Place>);

impl Places {
    /// A request to join that was not answered never will be.
    pub(super) fn connected(&mut self, here: Here) {
        let of_client = (here.client, i64::MIN)..=(here.client, i64::MAX);
        for (_, place) in self.0.range_mut(of_client) {
            if matches!(place, Place::Joining { .. } | Place::Early(..)) {
                *place = Place::Unsure;
            }
        }
    }

    pub(super) fn joining(&mut self, here: Here, room: i64) {
        let place = self
            .0
            .entry((here.client, room))
            .or_insert(Place::Joining { afresh: true });
        let unsure = matches!(place, Place::Unsure | Place::Joining { afresh: false });
        *place = Place::Joining { afresh: !unsure };
    }

    /// A client has joined. If it was a member already, what is on its way to it is no part of the answer; what overtook
    /// the answer is.
    pub(super) fn joins(&mut self, here: Here, room: i64, seq: u64, verdict: &mut Verdict) {
        let place = self.0.entry((here.client, room)).or_insert(Place::Unsure);
        *place = match *place {
            Place::Joining { afresh: false } => Place::About(seq, here.at),
            Place::Early(first, last, at) => {
                if first > seq + 1 {
                    let lines = [at, here.at];
                    verdict.found(
                        Broken::Skipped {
                            room,
                            had: seq,
                            found: first,
                        },
                        &lines,
                    );
                }
                Place::After(last, at)
            }
            Place::Joining { afresh: true }
            | Place::After(..)
            | Place::About(..)
            | Place::Unsure
            | Place::Out(..) => Place::After(seq, here.at),
        };
    }

    /// A client hears a room from a number on.
    pub(super) fn begins(&mut self, here: Here, room: i64, seq: u64) {
        self.0.insert((here.client, room), Place::After(seq, here.at));
    }

    pub(super) fn leaves(&mut self, here: Here, room: i64) {
        self.0.insert((here.client, room), Place::Out(here.t, here.at));
    }

    /// A client comes back with a number, which must be that of what it had last.
    pub(super) fn resumes(&mut self, here: Here, room: i64, said: u64, verdict: &mut Verdict) {
        if let Some(Place::After(had, at)) = self.0.insert((here.client, room), Place::After(said, here.at))
            && had != said
        {
            verdict.found(Broken::AnotherPlace { room, had, said }, &[here.at, at]);
        }
    }

    /// A client is let hear a room, and must be a member.
    pub(super) fn hears(&self, here: Here, room: i64, members: &Members, verdict: &mut Verdict) {
        if let Some(at) = members.surely_out(room, here.user, here.t) {
            let broken = Broken::StillMember {
                room,
                user: here.user,
            };
            verdict.found(broken, &[here.at, at]);
        }
    }

    /// A client is not let hear a room that it asked for, and must be no member.
    pub(super) fn gone(&mut self, here: Here, room: i64, members: &Members, verdict: &mut Verdict) {
        self.0.insert((here.client, room), Place::Out(here.t, here.at));
        if let Some(at) = members.surely_in(room, here.user, here.t) {
            let broken = Broken::ShutOut {
                room,
                user: here.user,
            };
            verdict.found(broken, &[here.at, at]);
        }
    }

    /// A client is told that there is something that it will not get.
    pub(super) fn gap(&mut self, here: Here, room: i64, upto: Option<u64>) {
        if let Some(Place::After(had, at)) = self.0.get_mut(&(here.client, room))
            && let Some(upto) = upto
        {
            (*had, *at) = ((*had).max(upto), here.at);
        }
    }

    /// Something came.
    pub(super) fn given(&mut self, here: Here, said: &Said<'_>, posts: &Posts, verdict: &mut Verdict) {
        let (room, seq) = (said.room, said.seq);
        match posts.compared(said) {
            Compared::Same => {}
            Compared::Another => verdict.found(Broken::DeliveredAndChanged { room, seq }, &[here.at]),
            Compared::Absent => verdict.found(Broken::DeliveredAndGone { room, seq }, &[here.at]),
        }
        let leaked = Broken::Leaked {
            room,
            user: here.user,
            seq,
        };
        let Some(place) = self.0.get_mut(&(here.client, room)) else {
            return verdict.found(leaked, &[here.at]);
        };
        let (had, at) = match *place {
            Place::Unsure | Place::Joining { afresh: false } => return,
            Place::Joining { afresh: true } => {
                *place = Place::Early(seq, seq, here.at);
                return;
            }
            Place::Out(left, at) => {
                // What was on its way when it left may still come; what was sent after that may not.
                if posts.sent_at(room, seq).is_some_and(|sent| sent > left) {
                    verdict.found(leaked, &[here.at, at]);
                }
                return;
            }
            Place::About(had, at) => (had.min(seq.saturating_sub(1)), at),
            Place::Early(_, had, at) | Place::After(had, at) => (had, at),
        };
        if seq <= had {
            return verdict.found(
                Broken::Repeated {
                    room,
                    had,
                    found: seq,
                },
                &[here.at, at],
            );
        }
        if seq != had + 1 {
            verdict.found(
                Broken::Skipped {
                    room,
                    had,
                    found: seq,
                },
                &[here.at, at],
            );
        }
        *place = if let Place::Early(first, ..) = *place {
            Place::Early(first, seq, here.at)
        } else {
            Place::After(seq, here.at)
        };
    }

    /// All is calm: nothing is on its way any more, so whoever hears a room must have all of it.
    pub(super) fn rests(&self, here: Here, posts: &Posts, members: &Members, verdict: &mut Verdict) {
        let of_client = (here.client, i64::MIN)..=(here.client, i64::MAX);
        for ((_, room), place) in self.0.range(of_client) {
            let head = posts.last(*room);
            if let Place::After(had, at) | Place::About(had, at) = *place
                && had != head
                && !members.may_leave(*room, here.user)
            {
                let broken = Broken::Unfinished {
                    room: *room,
                    had,
                    head,
                };
                verdict.found(broken, &[here.at, at]);
            }
        }
    }
}
