//! A bus between nodes of one process: each has an end of it, and hears of the others what it wants.
//!
//! Invariant: what is said is in order for each who hears it, and later than `publish` for all but the speaker.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bongsu_bus::{Bus, BusFault, Ear, Health, Heard, LocalBus, Reach, Subject};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Words that may wait to be heard.
const WAITING_MAX: usize = 4_096;

/// What all ends share.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Mutex<Vec<Other>>>);

/// An end, as the others know it.
struct Other {
    number: usize,
    wants: Arc<Mutex<BTreeSet<Subject>>>,
    says: mpsc::Sender<Heard>,
}

/// One node's end.
pub(crate) struct SharedBus {
    number: usize,
    hub: Hub,
    own: Arc<LocalBus>,
    wants: Arc<Mutex<BTreeSet<Subject>>>,
    is_cut: AtomicBool,
}

impl Hub {
    /// An end for a node of this name.
    pub(crate) fn end(&self, node: &str) -> Arc<SharedBus> {
        let (says, mut said) = mpsc::channel(WAITING_MAX);
        let own = Arc::new(LocalBus::new());
        let wants = Arc::new(Mutex::new(BTreeSet::from([
            Subject::All,
            Subject::Node(node.into()),
        ])));
        let ears = Arc::clone(&own);
        tokio::spawn(async move {
            while let Some(heard) = said.recv().await {
                ears.publish(heard).await.unwrap();
            }
        });
        let mut others = self.0.lock();
        let number = others.len();
        others.push(Other {
            number,
            wants: Arc::clone(&wants),
            says,
        });
        Arc::new(SharedBus {
            number,
            hub: self.clone(),
            own,
            wants,
            is_cut: AtomicBool::new(false),
        })
    }
}

impl SharedBus {
    /// From now on nothing is said to others or brought of them, or all is again.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
        if is_cut {
            self.wants.lock().clear();
        }
    }

    fn say(&self, heard: &Heard) -> bool {
        let mut reached = false;
        for (subject, part) in heard.parts() {
            for other in self.hub.0.lock().iter().filter(|it| it.number != self.number) {
                if other.wants.lock().contains(&subject) {
                    // A bus may lose what is too much.
                    reached |= other.says.try_send(part.clone()).is_ok();
                }
            }
        }
        reached
    }
}

#[async_trait]
impl Bus for SharedBus {
    async fn publish(&self, heard: Heard) -> Result<(), BusFault> {
        self.own.publish(heard.clone()).await?;
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(BusFault::Unreachable);
        }
        self.say(&heard);
        Ok(())
    }

    async fn reach(&self, heard: Heard) -> Result<Reach, BusFault> {
        self.own.publish(heard.clone()).await?;
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(BusFault::Unreachable);
        }
        Ok(if self.say(&heard) {
            Reach::Somebody
        } else {
            Reach::Nobody
        })
    }

    fn want(&self, subject: Subject, wanted: bool) {
        let mut wants = self.wants.lock();
        if wanted {
            wants.insert(subject);
        } else {
            wants.remove(&subject);
        }
    }

    fn listen(&self, ear: Weak<dyn Ear>) {
        self.own.listen(ear);
    }

    fn health(&self) -> Health {
        if self.is_cut.load(Ordering::SeqCst) {
            Health::Silent { for_ms: 3_000 }
        } else {
            Health::Well
        }
    }
}
