//! Deadlines of connections: one look at all of them now and then, instead of a timer in each.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Limits, Locale, Notice, Timestamp};
use bongsu_node::{Mailbox, Node};
use bongsu_wire::action::Voice;
use parking_lot::Mutex;

use crate::action::dialect;
use crate::socket::{EndedBy, RanOut, Socket};

/// The open connections of one listener.
#[derive(Default)]
pub(crate) struct Sweeper {
    open: Mutex<Slab>,
}

#[derive(Default)]
struct Slab {
    watched: Vec<Option<Watched>>,
    free: Vec<usize>,
}

#[derive(Clone)]
struct Watched {
    socket: Arc<Socket>,
    mailbox: Arc<Mailbox>,
}

impl Sweeper {
    /// Watches a connection until [`Self::forget`] with the number that this returns.
    pub(crate) fn watch(&self, socket: &Arc<Socket>, mailbox: &Arc<Mailbox>) -> usize {
        let watched = Some(Watched {
            socket: Arc::clone(socket),
            mailbox: Arc::clone(mailbox),
        });
        let mut open = self.open.lock();
        if let Some(index) = open.free.pop() {
            open.watched[index] = watched;
            return index;
        }
        open.watched.push(watched);
        open.watched.len() - 1
    }

    pub(crate) fn forget(&self, index: usize) {
        let mut open = self.open.lock();
        open.watched[index] = None;
        open.free.push(index);
    }

    /// Ends every connection, once what waits for it is written.
    pub(crate) fn close_all(&self) {
        self.all().iter().for_each(|watched| watched.mailbox.close(None));
    }

    /// Ends every connection, whatever it does.
    pub(crate) fn abort_all(&self) {
        self.all().iter().for_each(|watched| watched.mailbox.abort());
    }

    fn all(&self) -> Vec<Watched> {
        self.open.lock().watched.iter().flatten().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let open = self.open.lock();
        open.watched.len() == open.free.len()
    }

    fn ran_out(&self, now: Timestamp, limits: &Limits) -> Vec<(Watched, RanOut)> {
        let open = self.open.lock();
        let watched = open.watched.iter().flatten();
        watched
            .filter_map(|it| Some((it.clone(), it.socket.ran_out(now, limits)?)))
            .collect()
    }
}

/// Looks at all connections until they and the node are gone.
pub(crate) async fn run(sweeper: Weak<Sweeper>, node: Weak<Node>, locale: Locale) {
    loop {
        let Some(every) = node.upgrade().map(|node| interval(&node.ports.limits)) else {
            return;
        };
        tokio::time::sleep(every).await;
        let (Some(sweeper), Some(node)) = (sweeper.upgrade(), node.upgrade()) else {
            return;
        };
        let now = node.ports.clock.now();
        for (watched, what) in sweeper.ran_out(now, &node.ports.limits) {
            if watched.mailbox.is_closed() {
                // It was told, and has taken its time to read it.
                watched.mailbox.abort();
                continue;
            }
            let (who, cause) = match what {
                RanOut::Linger => {
                    watched.mailbox.abort();
                    continue;
                }
                RanOut::SignIn => (EndedBy::SignInTimeout, CloseCause::SignInTimeout),
                RanOut::Frame => (EndedBy::FrameTimeout, CloseCause::FrameTimeout),
                RanOut::Idle => (EndedBy::Idle, CloseCause::Idle),
            };
            watched.socket.ended_by(who);
            let notice = Notice::Closed(Closing::new(cause));
            let voice = Voice::new(watched.socket.compresses());
            let id = u64::try_from(node.ports.chance.bits() >> 64).unwrap_or(0);
            let bytes =
                dialect(voice, &node.ports.limits).notice(&notice, locale, now, id, &node.ports.limits);
            watched.mailbox.close(Some(&bytes));
        }
    }
}

/// Often enough that no deadline is late by more than a quarter of itself, or half a second.
fn interval(limits: &Limits) -> Duration {
    let shortest = limits.sign_in_ms.min(limits.frame_ms).min(limits.idle_ms);
    Duration::from_millis((shortest / 4).clamp(20, 500))
}
