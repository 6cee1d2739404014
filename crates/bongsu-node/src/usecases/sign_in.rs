//! A connection becomes a session.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use bongsu_bus::Subject;
use bongsu_core::machine::Machine;
use bongsu_core::policy::{self, Principal};
use bongsu_core::roster::{RosterEffect, RosterInput};
use bongsu_core::shard::{Hear, Input};
use bongsu_model::records::MyRoom;
use bongsu_model::refusal::CloseCause;
use bongsu_model::reply::{RoomStanding, SignedIn};
use bongsu_model::{
    Code, Connect, HappeningKind, NamedRoom, Refusal, Reply, ResumePoint, SessionId, Timestamp, UserId,
};
use bongsu_store::SignedIn as Found;

use crate::node::{Answer, Node};
use crate::ports::Claims;
use crate::session::{Arrival, Place, Session, Who};
use crate::usecases::vouch::Vouched;
use crate::usecases::{block, recover, status, vouch};

impl Node {
    /// Signs a connection in. `answer` takes the [`Reply::Connected`], before any event reaches the connection; what
    /// it missed follows, then it hears its rooms live.
    ///
    /// # Errors
    /// Why it is refused; the connection is to be closed.
    pub async fn sign_in(
        self: &Arc<Self>,
        arrival: Arrival,
        connect: Connect,
        answer: Answer<'_>,
    ) -> Result<Arc<Session>, Refusal> {
        let now = self.ports.clock.now();
        let limits = &self.ports.limits;
        self.lets_in()?;
        let vouched = vouch::claims(self, &connect.token, now).await?;
        let heard = self.memberships_heard.load(Ordering::Acquire);
        let blocks_heard = self.blocks_heard.load(Ordering::Acquire);
        let signed = self.find_user(&vouched.claims, now).await?;
        let user = signed.user.id;
        let who = Who::of(&signed.user);
        if arrival
            .claimed_user
            .as_ref()
            .is_some_and(|claimed| !who.person.is(claimed))
        {
            return Err(Refusal::because(Code::PermissionDenied, "user_id"));
        }
        let earlier = recover::displace(self, &connect.recovery, user).await;
        // Nothing fails from here on, so that what has begun is ended by signing out.
        let came_online = self.begin(user, now)?;
        let places = recover::recall(self, &connect.recovery, user, earlier.as_deref(), now).await;
        let session = self.open(arrival, &vouched, who, &signed.blocked, now).await;
        self.end_if_revoked(&session, &vouched, now).await;
        if self.blocks_heard.load(Ordering::Acquire) != blocks_heard {
            block::read_again(self, &session).await;
        }
        // A membership that changed after it was read and was heard before the session was open was missed; and the
        // earlier session may have been given more than there was then.
        let rooms = if places.is_none() && self.memberships_heard.load(Ordering::Acquire) == heard {
            signed.rooms
        } else {
            self.ports.store.my_rooms(user).await.unwrap_or(signed.rooms)
        };
        if self.ports.bus.spans_nodes() {
            self.others.resync.came(&session, now);
        }
        self.counters.sign_ins.bump();
        let (recovery, standings, hears) =
            recover::stand_with(self, &session, &rooms, &connect, places.as_ref());
        let behind = hears.iter().any(|hear| hear.after < hear.head);
        answer(Reply::Connected(SignedIn {
            recovery,
            ..session.standing(standings, now, limits)
        }));
        self.to_shard(
            session.shard,
            Input::Attach {
                slot: session.slot,
                rooms: hears,
            },
        )
        .await;
        if let Some(tells) = came_online {
            self.happened(HappeningKind::UserOnline, |it| it.of_user(user));
            let rooms = rooms.iter().map(|room| room.room).collect();
            status::came_online(self, &session.person, rooms, now, tells).await;
        }
        if behind {
            self.barrier(&session, None).await;
        }
        Ok(session)
    }

    /// Ends a session whose token was revoked while it was not yet there to be cut.
    async fn end_if_revoked(&self, session: &Session, vouched: &Vouched, now: Timestamp) {
        match vouch::is_revoked(self, vouched, now).await {
            Ok(false) => {}
            Ok(true) => session.end(&self.ports, CloseCause::TokenRevoked),
            Err(refusal) => session.end(&self.ports, CloseCause::Refused(refusal)),
        }
    }

    /// Counts one session more of a user, if it may have one. If the user came online here by it: whether it was online
    /// nowhere, and its relations here are to be told.
    fn begin(&self, user: UserId, now: Timestamp) -> Result<Option<bool>, Refusal> {
        let limits = &self.ports.limits;
        let mut presence = self.others.presence.lock();
        let roster = &mut presence.here;
        if roster.sessions_of(user) as usize >= limits.sessions_per_user_max {
            return Err(Refusal {
                // A connection that died unnoticed is found out when it does not ping.
                retry_after_ms: Some(limits.ping_interval_ms),
                ..Refusal::because(Code::RateLimited, "sessions")
            });
        }
        if roster.sessions_of(user) == 0 {
            self.want(Subject::User(user), true);
        }
        let mut out = Vec::new();
        roster.handle(RosterInput::Began { user }, now, &mut out);
        let came = out.contains(&RosterEffect::Online { user });
        Ok(came.then(|| !presence.others.has(user)))
    }

    async fn find_user(self: &Arc<Self>, claims: &Claims, now: Timestamp) -> Result<Found, Refusal> {
        let create = self.ports.policy.create_users;
        let Some(signed) = vouch::user(self, claims, create, now).await? else {
            return Err(Refusal::because(Code::InvalidToken, "unknown_user"));
        };
        let who = Principal {
            user: Some(signed.user.id),
            role: claims.role,
            rooms: claims.rooms.clone(),
        };
        policy::may_connect(&who, false)?;
        Ok(signed)
    }

    /// Gives the session a place on the shard with the fewest, and has it listen to memberships.
    async fn open(
        self: &Arc<Self>,
        arrival: Arrival,
        vouched: &Vouched,
        who: Who,
        blocked: &[UserId],
        now: Timestamp,
    ) -> Arc<Session> {
        let id = SessionId(self.ports.uuid(now));
        // The low bits of the id are random, so that sessions spread evenly, those of one user too.
        let shard = usize::try_from(id.0 % self.shards.len() as u128).unwrap_or(0);
        let handle = &self.shards[shard];
        let slot = handle.take_slot();
        let user = who.person.id;
        let place = Place {
            shard,
            slot,
            inbox: handle.inbox.clone(),
        };
        let session = Session::new(id, who, arrival, vouched, place, now);
        handle.fill_slot(slot, &session);
        let owner: Weak<Session> = Arc::downgrade(&session);
        session.mailbox.set_owner(owner);
        self.registry.add(&session);
        let blocked = blocked.into();
        self.to_shard(
            shard,
            Input::Open {
                slot,
                session: id,
                user,
                blocked,
            },
        )
        .await;
        session
    }
}

/// How a room stands for a session, and from where it is to be heard.
pub(super) fn stand(room: &MyRoom, resume: &[ResumePoint]) -> (RoomStanding, Hear) {
    let named = NamedRoom::new(room.room, room.name.clone());
    let point = resume.iter().find(|point| named.is(&point.room));
    // What was deleted cannot be replayed, and a place in another history means nothing in this one.
    let recovers = |point: &ResumePoint| {
        point.epoch == Some(room.epoch) && point.seq <= room.seq && point.seq.next() >= room.first_seq
    };
    let recovered = point.map(recovers);
    let after = match (point, recovered) {
        (Some(point), Some(true)) => point.seq,
        (Some(_) | None, _) => room.seq,
    };
    let standing = RoomStanding {
        room: named,
        token: room.token,
        seq: room.seq,
        epoch: room.epoch,
        recovered,
    };
    let hear = Hear {
        room: room.room,
        head: room.seq,
        epoch: room.epoch,
        version: room.members_version,
        after,
        asked: recovered == Some(true),
    };
    (standing, hear)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bongsu_model::records::Membership;
    use bongsu_model::{Epoch, MembersVersion, RoomId, RoomRef, RoomToken, Seq};

    fn room() -> MyRoom {
        MyRoom {
            room: RoomId(1),
            name: None,
            token: RoomToken([1; 24]),
            seq: Seq(10),
            first_seq: Seq(4),
            epoch: Epoch(7),
            members_version: MembersVersion(1),
            joined_seq: Seq(0),
            membership: Membership::Durable,
        }
    }

    fn resumed(seq: u64, epoch: u64) -> (Option<bool>, Seq) {
        let (standing, hear) = stand(
            &room(),
            &[ResumePoint {
                room: RoomRef::Id(RoomId(1)),
                seq: Seq(seq),
                epoch: Some(Epoch(epoch)),
            }],
        );
        (standing.recovered, hear.after)
    }

    #[test]
    fn a_resume_is_whole_or_refused() {
        assert_eq!(resumed(9, 7), (Some(true), Seq(9)));
        assert_eq!(resumed(10, 7), (Some(true), Seq(10)));
        assert_eq!(
            resumed(3, 7),
            (Some(true), Seq(3)),
            "the oldest kept message is the next"
        );
        assert_eq!(resumed(2, 7), (Some(false), Seq(10)), "message 3 is gone");
        assert_eq!(
            resumed(11, 7),
            (Some(false), Seq(10)),
            "a place that was never reached"
        );
        assert_eq!(resumed(9, 8), (Some(false), Seq(10)), "another history");
        let (standing, hear) = stand(&room(), &[]);
        assert_eq!((standing.recovered, hear.after), (None, Seq(10)));
    }
}
