//! Who is online: those with a session here, and those of whom other nodes say so.
//!
//! Invariant: whether somebody's relations are told here is decided under one lock with the change itself, so that of two
//! changes at once exactly one tells.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bongsu_core::cluster::{Cluster, ClusterRules, News};
use bongsu_core::roster::Roster;
use bongsu_model::cluster::{Heard, NodeRef, NodeSaid, PresenceMoved, PresencePage};
use bongsu_model::{Event, Outbound, Timestamp, UserId};

use crate::node::Node;
use crate::usecases::status;

/// Users whose relations are told at once of what no other node had words for.
const UNSAID_AT_ONCE: usize = 64;
/// Users who may wait for that; who comes on top is told of when it next comes or goes.
const UNSAID_MAX: usize = 200_000;

/// Who is online.
pub(crate) struct Presence {
    pub(crate) here: Roster,
    pub(crate) others: Cluster,
    me: NodeRef,
    /// The number of the last word about who is here.
    number: u64,
    /// Words that are yet to leave, in their order.
    words: VecDeque<PresenceMoved>,
}

/// Users whose relations are to be told what no other node has said, and what.
#[derive(Default)]
pub(super) struct Unsaid {
    users: BTreeMap<UserId, bool>,
    busy: bool,
}

impl Presence {
    pub(super) fn new(me: NodeRef, rules: ClusterRules, grace_ms: u64, now: Timestamp) -> Self {
        Self {
            here: Roster::new(grace_ms),
            others: Cluster::new(rules, me.clone(), now),
            me,
            number: 0,
            words: VecDeque::new(),
        }
    }

    /// Whether a user counts as online: here, with the grace time, or on a node that is heard.
    pub(crate) fn is_online(&self, user: UserId) -> bool {
        self.here.is_online(user) || self.others.has(user)
    }

    /// Whether a user may be online: on a node that is silent nobody counts, and yet they may all be there.
    pub(crate) fn may_be_online(&self, user: UserId) -> bool {
        self.is_online(user) || self.others.may_have(user)
    }

    /// The number of the last word about who is here, and how many are.
    pub(super) fn said(&self) -> (u64, u64) {
        (self.number, self.here.online_count() as u64)
    }

    /// Says that a user came here or went, unless it is otherwise by now. Whether it was said.
    pub(crate) fn says(&mut self, user: UserId, is_here: bool, status: Option<Arc<Event>>) -> bool {
        if self.here.is_online(user) != is_here {
            return false;
        }
        self.number += 1;
        self.words.push_back(PresenceMoved {
            node: self.me.clone(),
            number: self.number,
            user,
            is_here,
            status,
        });
        true
    }

    /// Who is here, for one who missed a word.
    fn pages(&self, to: &Arc<str>, page_max: usize) -> Vec<PresencePage> {
        let users: Vec<UserId> = self.here.online().collect();
        let mut parts: Vec<Arc<[UserId]>> = users.chunks(page_max.max(1)).map(Arc::from).collect();
        if parts.is_empty() {
            parts.push(Arc::from([]));
        }
        let pages = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        (0..)
            .zip(parts)
            .map(|(page, users)| PresencePage {
                node: self.me.clone(),
                number: self.number,
                to: Arc::clone(to),
                page,
                pages,
                users,
            })
            .collect()
    }
}

impl Node {
    /// Whether a user has a live session anywhere, as far as is known; the grace time counts.
    #[must_use]
    pub fn is_online(&self, user: UserId) -> bool {
        self.others.presence.lock().is_online(user)
    }

    /// Has the words about presence leave that have not left yet.
    pub(crate) async fn tell_presence(&self) {
        let _turn = self.others.turn.lock().await;
        loop {
            let word = self.others.presence.lock().words.pop_front();
            let Some(word) = word else { return };
            self.publish(Heard::Node(Arc::new(NodeSaid::Moved(word)))).await;
        }
    }

    /// Says who is here, to one who missed a word about it.
    pub(super) async fn tell_users(&self, to: &Arc<str>) {
        let pages = {
            let presence = self.others.presence.lock();
            presence.pages(to, self.ports.limits.presence_page_max)
        };
        for page in pages {
            self.publish(Heard::Node(Arc::new(NodeSaid::Users(page)))).await;
        }
    }

    /// Tells those who are related to a user here that it came online somewhere, or is nowhere any more.
    pub(super) async fn tell_related(&self, user: UserId, is_online: bool, news: News) {
        match news {
            News::Words(event) => self.route(Outbound::new((*event).clone())).await,
            News::Unrelated => {}
            News::Unknown => {
                let mut unsaid = self.others.unsaid.lock();
                if unsaid.users.len() < UNSAID_MAX {
                    unsaid.users.insert(user, is_online);
                }
            }
        }
    }

    /// Finds the words for what no other node had said, unless that is under way.
    pub(crate) fn tell_unsaid(self: &Arc<Self>) {
        {
            let mut unsaid = self.others.unsaid.lock();
            if unsaid.busy || unsaid.users.is_empty() {
                return;
            }
            unsaid.busy = true;
        }
        let node = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(some) = node.next_unsaid() {
                let tell = some.into_iter().map(|(user, is_online)| {
                    let node = &node;
                    async move {
                        // It may have changed again; then somebody else tells.
                        if node.is_online(user) == is_online {
                            status::found(node, user, is_online).await;
                        }
                    }
                });
                futures_util::future::join_all(tell).await;
            }
        });
    }

    fn next_unsaid(&self) -> Option<Vec<(UserId, bool)>> {
        let mut unsaid = self.others.unsaid.lock();
        let some: Vec<_> = std::iter::from_fn(|| unsaid.users.pop_first())
            .take(UNSAID_AT_ONCE)
            .collect();
        unsaid.busy = !some.is_empty();
        unsaid.busy.then_some(some)
    }
}
