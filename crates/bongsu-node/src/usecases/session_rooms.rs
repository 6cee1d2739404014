//! Memberships that end with the member's last session.
//!
//! Invariants: nobody is taken out who is online at that moment, the grace time included; whom nobody took out when it
//! went offline, because the store failed or the process ended, is found by a check. One task at a time.
//! Who was on a node that is silent may be connected all the same: its memberships end once that node is forgotten, or has
//! said that it ends. Where the backplane is lost nothing is checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use bongsu_bus::Health;
use bongsu_model::media::LeaveReason;
use bongsu_model::records::Membership;
use bongsu_model::{RoomId, RoomRef, Timestamp, UserId};
use bongsu_store::Left;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::node::Node;
use crate::usecases::{join, leave};

/// Users who went offline that may wait; who comes on top is left to the check.
const GONE_MAX: usize = 65_536;
/// Users who went offline whose rooms are looked up by one task.
const GONE_AT_ONCE: usize = 256;
/// Memberships that the store ends together: they share a commit.
const LEAVES_AT_ONCE: usize = 64;
/// Memberships in one page of the check.
const PAGE: u32 = 512;
/// Pages of one round; the next goes on where it stopped.
const PAGES_MAX: usize = 32;

type Place = (RoomId, UserId);

/// What is yet to be done.
pub(crate) struct SessionRooms {
    gone: BTreeSet<UserId>,
    working: Option<JoinHandle<Done>>,
    next_check: Timestamp,
    /// The last membership that the check has looked at; `None` at the start of a round of all.
    checked: Option<Place>,
}

/// What a task did.
enum Done {
    /// Took out who went offline.
    Gone,
    /// Looked at memberships up to here.
    Checked(Option<Place>),
}

impl SessionRooms {
    /// The first check is a whole interval away, so that whoever was connected before a restart can come back.
    pub(crate) fn new(now: Timestamp, check_ms: u64) -> Self {
        Self {
            gone: BTreeSet::new(),
            working: None,
            next_check: now.plus_ms(check_ms),
            checked: None,
        }
    }

    /// A user has no session any more, and the grace time is over.
    pub(crate) fn went_offline(&mut self, user: UserId) {
        if self.gone.len() < GONE_MAX {
            self.gone.insert(user);
        }
    }

    /// Begins what is due, unless something is under way. The store may take its time; the caller goes on.
    pub(crate) async fn due(&mut self, node: &Arc<Node>, now: Timestamp) {
        if let Some(working) = self.working.take_if(|working| working.is_finished()) {
            match working.await {
                Ok(Done::Checked(upto)) => self.checked = upto,
                // A task that broke off has left the rest to the next round.
                Ok(Done::Gone) | Err(_) => {}
            }
        }
        if self.working.is_some() {
            return;
        }
        let node = Arc::clone(node);
        if !self.gone.is_empty() {
            let gone: Vec<_> = std::iter::from_fn(|| self.gone.pop_first())
                .take(GONE_AT_ONCE)
                .collect();
            self.working = Some(tokio::spawn(async move { take_out_gone(&node, gone).await }));
        } else if now >= self.next_check && node.ports.bus.health() == Health::Well {
            self.next_check = now.plus_ms(node.ports.limits.session_rooms_check_ms);
            let after = self.checked;
            self.working = Some(tokio::spawn(async move { check(&node, after).await }));
        }
    }
}

async fn take_out_gone(node: &Arc<Node>, gone: Vec<UserId>) -> Done {
    for user in gone {
        let Some(rooms) = node.healthy(node.ports.store.my_rooms(user).await) else {
            continue;
        };
        let bound = rooms
            .iter()
            .filter(|room| room.membership == Membership::Session)
            .map(|room| (room.room, user))
            .collect::<Vec<_>>();
        take_out(node, &bound).await;
    }
    Done::Gone
}

/// Looks at the next memberships and ends those whose user is not online; where the next round goes on.
async fn check(node: &Arc<Node>, mut after: Option<Place>) -> Done {
    for _ in 0..PAGES_MAX {
        let page = node.ports.store.session_members(after, PAGE).await;
        let Some(page) = node.healthy(page) else { break };
        take_out(node, &page).await;
        if page.len() < PAGE as usize {
            return Done::Checked(None);
        }
        after = page.last().copied();
    }
    Done::Checked(after)
}

/// Ends those of the memberships whose user is not online, and tells of it.
async fn take_out(node: &Arc<Node>, places: &[Place]) {
    let offline: Vec<Place> = {
        let presence = node.others.presence.lock();
        let offline = places.iter().filter(|(_, user)| !presence.may_be_online(*user));
        offline.copied().collect()
    };
    for places in offline.chunks(LEAVES_AT_ONCE) {
        let mut left: Vec<_> = join_all(places.iter().map(|place| end(node, *place)))
            .await
            .into_iter()
            .flatten()
            .collect();
        // In the order in which each room changed, so that nobody has to read its members again.
        left.sort_unstable_by_key(|(_, left)| (left.room.id, left.room.members_version));
        for (user, left) in left {
            // The name for the others; without the store it is the number.
            let person = match join::person(node, user).await {
                Ok(person) => person,
                Err(_) => bongsu_model::Person::numbered(user, &user.to_string()),
            };
            let now = node.ports.clock.now();
            leave::announce(node, &person, &left, LeaveReason::Disconnected, now).await;
        }
    }
}

/// Ends one membership if its user is not online now. Who signs in at this very moment hears that it is out.
async fn end(node: &Arc<Node>, (room, user): Place) -> Option<(UserId, Left)> {
    if node.others.presence.lock().may_be_online(user) {
        return None;
    }
    let left = node.ports.store.leave(RoomRef::Id(room), user).await;
    let left = node.healthy(left).flatten()?;
    left.was_member.then_some((user, left))
}
