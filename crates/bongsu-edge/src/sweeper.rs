//! Deadlines of connections: one look at all of them now and then, instead of a timer in each.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bongsu_model::event::Lane;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Limits, Locale, Notice, Timestamp};
use bongsu_node::{Mailbox, Node, Setting};
use parking_lot::Mutex;

use crate::dialect;
use crate::pulse::{EndedBy, Lives, RanOut};

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
    lives: Arc<dyn Lives>,
    mailbox: Arc<Mailbox>,
}

impl Sweeper {
    /// Watches a connection until [`Self::forget`] with the number that this returns.
    pub(crate) fn watch(&self, lives: Arc<dyn Lives>, mailbox: Arc<Mailbox>) -> usize {
        let watched = Some(Watched { lives, mailbox });
        let mut open = self.open.lock();
        if let Some(index) = open.free.pop() {
            open.watched[index] = watched;
            return index;
        }
        open.watched.push(watched);
        open.watched.len() - 1
    }

    /// Watches a connection elsewhere from now on: it has changed its transport.
    pub(crate) fn follow(&self, index: usize, lives: Arc<dyn Lives>, mailbox: Arc<Mailbox>) {
        self.open.lock().watched[index] = Some(Watched { lives, mailbox });
    }

    pub(crate) fn forget(&self, index: usize) {
        let mut open = self.open.lock();
        open.watched[index] = None;
        open.free.push(index);
    }

    /// Ends every connection, once what waits for it is written; who was not told yet is told that the server stops.
    fn close_all(&self, with: Setting<'_>) {
        let notice = Notice::Closed(Closing::new(CloseCause::ShuttingDown));
        for watched in self.all() {
            if !watched.mailbox.is_closed() {
                let last = dialect::of(watched.lives.pulse().slot(), with.limits).notice(&notice, with);
                watched.mailbox.close(Some(&last));
            }
        }
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
            .filter_map(|it| {
                let ran_out = it.lives.ran_out(now, limits)?;
                Some((it.clone(), ran_out))
            })
            .collect()
    }
}

/// How long connections may take to end when their listener stops …
const STOP_MS: u64 = 2_500;
/// … and how long it waits in all.
const ABORT_MS: u64 = 3_000;

/// Ends the connections that there still are, and waits until they are gone.
pub(crate) async fn end_all(sweeper: &Sweeper, node: &Node, locale: Locale) {
    let told_at = node.now();
    while !sweeper.is_empty() {
        match node.now().ms_since(told_at) {
            0..STOP_MS => sweeper.close_all(dialect::setting(locale, node.now(), &node.ports.limits)),
            STOP_MS..ABORT_MS => sweeper.abort_all(),
            ABORT_MS.. => return,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
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
            let with = dialect::setting(locale, now, &node.ports.limits);
            let speaks = dialect::of(watched.lives.pulse().slot(), &node.ports.limits);
            if what == RanOut::Ping {
                let pulse = watched.lives.pulse();
                let ping = pulse.own_ping().or_else(|| speaks.ping(with));
                if let Some(ping) = ping {
                    // Whose control lane is full does not read, and will be found idle.
                    watched.mailbox.push(Lane::Control, &ping);
                }
                continue;
            }
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
                RanOut::Ping => continue,
                RanOut::SignIn => (EndedBy::SignInTimeout, CloseCause::SignInTimeout),
                RanOut::Frame => (EndedBy::FrameTimeout, CloseCause::FrameTimeout),
                RanOut::Idle => (EndedBy::Idle, CloseCause::Idle),
            };
            watched.lives.pulse().ended_by(who);
            let notice = Notice::Closed(Closing::new(cause));
            watched.mailbox.close(Some(&speaks.notice(&notice, with)));
        }
    }
}

/// Often enough that no deadline is late by more than a quarter of itself, or half a second.
fn interval(limits: &Limits) -> Duration {
    let shortest = limits.sign_in_ms.min(limits.frame_ms).min(limits.idle_ms);
    let shortest = shortest
        .min(limits.ping_interval_ms)
        .min(limits.engine_ping_interval_ms)
        .min(limits.engine_ping_timeout_ms);
    Duration::from_millis((shortest / 4).clamp(20, 500))
}
