//! The bus between processes: what every broker has in common.
//!
//! This node's ears hear first, then the broker's link is given bytes. Invariant: nothing that says waits for the broker, and
//! every queue on the way is bounded; what does not fit is counted, and what was lost on the way in is told as missed.

mod address;
#[cfg(any(feature = "nats", feature = "redis"))]
mod again;
mod inlet;
mod link;
mod meter;
mod pulse;
mod rarely;
mod scale;
mod tasks;
mod wants;

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bongsu_model::Limits;
use bongsu_model::cluster::NodeRef;
use bongsu_wire::backplane as words;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use self::inlet::Shared;
use self::meter::add;
use self::scale::Scale;
use self::tasks::Errand;
use crate::{Bus, BusFault, Ear, Health, Heard, LocalBus, Reach, Subject};

pub use self::address::{Address, NoAddress, Secret};
#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) use self::again::again;
pub use self::inlet::Inlet;
pub use self::link::{Asked, Link, NotCarried, Parcel, Purpose, name};
pub use self::meter::{BusFigure, BusMeter, BusReading};
pub use self::wants::Change;

/// A bus over a broker. Its tasks end when it is dropped.
pub struct Backplane<L> {
    local: Arc<LocalBus>,
    shared: Arc<Shared>,
    link: Arc<L>,
    queue: mpsc::Sender<Errand>,
    scale: Scale,
    own: Subject,
    answer: Duration,
    tasks: [AbortHandle; 3],
}

impl<L: Link> Backplane<L> {
    /// A bus for one start of a node, over a link that is opened with the way into the node. Must be called within a Tokio
    /// runtime. The node's own subject is wanted from the start and always, for the canary.
    ///
    /// # Errors
    /// Those of the link.
    pub async fn open<E>(
        node: &NodeRef,
        limits: &Limits,
        link: impl AsyncFnOnce(Inlet) -> Result<L, E>,
    ) -> Result<Self, E> {
        let shared = Arc::new(Shared::new(node.boot, limits.canary_ms, limits.canary_lost_ms));
        let own = Subject::Node(Arc::clone(&node.id));
        shared.wants.lock().want(own.clone(), true);
        let (queue, queued) = mpsc::channel(limits.backplane_queue_max);
        let (inbox, brought) = mpsc::channel(limits.backplane_inbox_max);
        let inlet = Inlet {
            shared: Arc::clone(&shared),
            inbox,
            scale: Arc::new(Scale::new(limits.backplane_bytes_max)),
        };
        let link = Arc::new(link(inlet).await?);
        let local = Arc::new(LocalBus::new());
        let tasks = [
            tokio::spawn(tasks::mouth(Arc::clone(&shared), Arc::clone(&link), queued)),
            tokio::spawn(tasks::ear(Arc::clone(&shared), Arc::clone(&local), brought)),
            tokio::spawn(tasks::heart(Arc::clone(&shared), own.clone(), queue.clone())),
        ];
        Ok(Self {
            local,
            shared,
            link,
            queue,
            scale: Scale::new(limits.backplane_bytes_max),
            own,
            answer: Duration::from_millis(limits.node_answer_ms),
            tasks: tasks.map(|task| task.abort_handle()),
        })
    }

    /// What it counts.
    #[must_use]
    pub fn meter(&self) -> Arc<BusMeter> {
        Arc::clone(&self.shared.meter)
    }

    /// Says each part on its subject, and asks if somebody is to be asked; whoever is said to hear it is one of those whose
    /// answers are returned.
    fn say(&self, heard: &Heard, asks: bool) -> Result<Vec<oneshot::Receiver<Reach>>, BusFault> {
        let mut answers = Vec::new();
        let mut outcome = Ok(());
        for (subject, part) in heard.parts() {
            let purpose = if asks {
                let (asked, answered) = Asked::new();
                answers.push(answered);
                Purpose::Ask(asked)
            } else {
                Purpose::Say
            };
            // All parts are said, whatever became of the one before.
            outcome = outcome.and(self.put(subject, &part, purpose));
        }
        outcome.map(|()| answers)
    }

    fn put(&self, subject: Subject, part: &Heard, purpose: Purpose) -> Result<(), BusFault> {
        let meter = &self.shared.meter;
        if !self.shared.is_up() {
            add(&meter.unreachable, 1);
            return Err(BusFault::Unreachable);
        }
        let bytes: Bytes = words::encode(part, self.shared.origin);
        let (length, max) = (bytes.len(), self.link.bytes_max().min(words::WORD_BYTES_MAX));
        if length > max {
            add(&meter.too_large, 1);
            return Err(BusFault::TooLarge { bytes: length, max });
        }
        let parcel = Parcel {
            subject,
            bytes,
            purpose,
        };
        let load = self.scale.put(length);
        if load.is_none() || self.queue.try_send(Errand::Carry(parcel, load)).is_err() {
            add(&meter.queue_full, 1);
            return Err(BusFault::Full);
        }
        add(&meter.said, 1);
        add(&meter.bytes_out, length);
        Ok(())
    }
}

#[async_trait]
impl<L: Link> Bus for Backplane<L> {
    async fn publish(&self, heard: Heard) -> Result<(), BusFault> {
        self.local.tell(heard.clone()).await;
        self.say(&heard, false).map(drop)
    }

    async fn reach(&self, heard: Heard) -> Result<Reach, BusFault> {
        self.local.tell(heard.clone()).await;
        let answers = self.say(&heard, true)?;
        Ok(timeout(self.answer, best(answers))
            .await
            .unwrap_or(Reach::Unknown))
    }

    fn want(&self, subject: Subject, wanted: bool) {
        if subject == self.own {
            return;
        }
        if self.shared.wants.lock().want(subject, wanted) {
            self.shared.for_mouth.notify_one();
        }
    }

    fn listen(&self, ear: Weak<dyn Ear>) {
        self.local.listen(ear);
    }

    fn health(&self) -> Health {
        self.shared.pulse.lock().health(self.shared.now())
    }

    async fn flush(&self) {
        let (done, gone) = oneshot::channel();
        let flush = async {
            if self.queue.send(Errand::Flush(done)).await.is_ok() {
                // An error is the end of the mouth: then nothing is left to wait for.
                gone.await.ok();
            }
        };
        timeout(self.answer, flush).await.ok();
    }
}

impl<L> Drop for Backplane<L> {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The best of the answers: somebody, before it is not known, before nobody.
async fn best(answers: Vec<oneshot::Receiver<Reach>>) -> Reach {
    let mut best = Reach::Nobody;
    for answer in answers {
        match answer.await.unwrap_or(Reach::Unknown) {
            Reach::Somebody => return Reach::Somebody,
            Reach::Unknown => best = Reach::Unknown,
            Reach::Nobody => {}
        }
    }
    best
}
