//! The bus of one process: a call.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use parking_lot::RwLock;

use crate::{Bus, BusFault, Ear, Heard};

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
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, heard: Heard) -> Result<(), BusFault> {
        let ears = Arc::clone(&self.ears.read());
        for ear in ears.iter().filter_map(Weak::upgrade) {
            ear.hear(heard.clone()).await;
        }
        Ok(())
    }

    fn listen(&self, ear: Weak<dyn Ear>) {
        let mut ears = self.ears.write();
        *ears = ears
            .iter()
            .filter(|ear| ear.strong_count() > 0)
            .cloned()
            .chain([ear])
            .collect();
    }
}
