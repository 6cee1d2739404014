//! The link: a line while there is one, and the task that makes a new one, for ever.
//!
//! Invariant: nothing is given to a line before the task has it, and nothing waits while there is none. A new line knows
//! nothing of what was wanted, and says so.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_model::cluster::NodeRef;
use bongsu_wire::backplane::WORD_BYTES_MAX;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::fault::RedisFault;
use super::line::Line;
use super::settings::RedisSettings;
use crate::Subject;
use crate::backplane::{Change, Inlet, Link, NotCarried, Parcel, again, name};

/// A node's link to Redis.
pub struct RedisLink {
    line: Arc<Mutex<Option<Arc<Line>>>>,
    task: AbortHandle,
}

impl RedisLink {
    /// Connects.
    ///
    /// # Errors
    /// No server can be reached, it does not let the node in, or it is not one that nodes can speak over.
    pub async fn open(settings: &RedisSettings, node: &NodeRef, inlet: Inlet) -> Result<Self, RedisFault> {
        let own = name(&settings.prefix, &Subject::Node(Arc::clone(&node.id)));
        let first = Line::open(settings, &own, &inlet).await?;
        let line = Arc::new(Mutex::new(None));
        let attends = Attends {
            settings: settings.clone(),
            own,
            seed: node.boot,
            inlet,
            line: Arc::clone(&line),
        };
        attends.has(&Arc::new(first));
        let task = tokio::spawn(attends.run()).abort_handle();
        Ok(Self { line, task })
    }

    fn line(&self) -> Result<Arc<Line>, NotCarried> {
        self.line.lock().clone().ok_or(NotCarried)
    }
}

#[async_trait]
impl Link for RedisLink {
    async fn want(&self, changes: &[Change]) -> Result<(), NotCarried> {
        self.line()?.want(changes).await
    }

    async fn carry(&self, parcels: Vec<Parcel>) -> Result<(), NotCarried> {
        self.line()?.carry(parcels).await
    }

    async fn flush(&self) {
        // What was carried was answered.
    }

    fn bytes_max(&self) -> usize {
        // The server takes 512 MB (`proto-max-bulk-len`), unless it is told to take less.
        WORD_BYTES_MAX
    }
}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(line) = self.line.lock().take() {
            line.end();
        }
    }
}

/// The task that has a line made when there is none.
struct Attends {
    settings: RedisSettings,
    own: String,
    seed: u64,
    inlet: Inlet,
    line: Arc<Mutex<Option<Arc<Line>>>>,
}

impl Attends {
    async fn run(self) {
        loop {
            let line = self.line.lock().clone();
            if let Some(line) = line {
                line.watch().await;
                self.inlet.down();
                self.line.lock().take();
                line.end();
            }
            self.has(&Arc::new(self.connect().await));
        }
    }

    async fn connect(&self) -> Line {
        let mut attempts = 0;
        loop {
            attempts += 1;
            sleep(again(attempts, self.seed)).await;
            match Line::open(&self.settings, &self.own, &self.inlet).await {
                Ok(line) => return line,
                Err(why) => self.inlet.complain(why),
            }
        }
    }

    fn has(&self, line: &Arc<Line>) {
        *self.line.lock() = Some(Arc::clone(line));
        self.inlet.up(true);
    }
}
