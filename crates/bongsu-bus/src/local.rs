//! The bus of one process: a call.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use parking_lot::RwLock;

use crate::{Bus, BusFault, Ear, Health, Heard, Reach, Subject};

/// Reaches the ears of this process, in order, each once, before `publish` returns.
#[derive(Default)]
pub struct LocalBus {
    ears: RwLock<Arc<[Weak<dyn Ear>]>>,
}

impl LocalBus {
    /// A bus that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those who listen.
    pub(crate) fn ears(&self) -> impl Iterator<Item = Arc<dyn Ear>> + use<> {
        let ears = Arc::clone(&self.ears.read());
        (0..ears.len()).filter_map(move |index| ears[index].upgrade())
    }

    pub(crate) async fn tell(&self, heard: Heard) {
        for ear in self.ears() {
            ear.hear(heard.clone()).await;
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, heard: Heard) -> Result<(), BusFault> {
        self.tell(heard).await;
        Ok(())
    }

    async fn reach(&self, heard: Heard) -> Result<Reach, BusFault> {
        self.tell(heard).await;
        Ok(Reach::Nobody)
    }

    /// A process hears all it says.
    fn want(&self, _subject: Subject, _wanted: bool) {}

    fn listen(&self, ear: Weak<dyn Ear>) {
        let mut ears = self.ears.write();
        *ears = ears
            .iter()
            .filter(|ear| ear.strong_count() > 0)
            .cloned()
            .chain([ear])
            .collect();
    }

    /// A call cannot fail.
    fn health(&self) -> Health {
        Health::Well
    }

    fn spans_nodes(&self) -> bool {
        false
    }
}
