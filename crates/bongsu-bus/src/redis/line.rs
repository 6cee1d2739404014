//! The two connections of a link while both work: one speaks, one hears.
//!
//! What comes back from the server cannot hold up what goes there, and an answer to the one is never taken for one to the
//! other. Invariant: a line that has failed once is not used again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::{PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::connect::{Watcher, Wire, connect};
use super::fault::{RedisFault, follows_nobody};
use super::settings::RedisSettings;
use crate::Reach;
use crate::backplane::{Asked, Change, Inlet, NotCarried, Parcel, Purpose, name};

/// How often it is looked whether the server still answers the one that hears, and follows no other.
const LOOK: Duration = Duration::from_secs(1);
/// So many bytes go at once, one parcel at least: what is larger may take longer than an answer may.
const BYTES_AT_ONCE: usize = 1024 * 1024;

/// The two connections, and what they were told.
pub(super) struct Line {
    prefix: String,
    speaker: Wire,
    hearer: Wire,
    /// The channels that are subscribed.
    channels: Mutex<HashSet<String>>,
    inlet: Inlet,
    failed: Arc<Notify>,
}

/// Brings what is heard, and notices the end.
#[derive(Clone)]
struct Mouthpiece {
    inlet: Inlet,
    failed: Arc<Notify>,
}

impl Watcher for Mouthpiece {
    fn pushed(&self, what: PushInfo) {
        if what.kind != PushKind::Message {
            return;
        }
        // The channel, and what was said there.
        if let Some(Value::BulkString(bytes)) = what.data.into_iter().nth(1) {
            self.inlet.bring(Bytes::from(bytes));
        }
    }

    fn ended(&self) {
        self.failed.notify_one();
    }
}

impl Line {
    /// Connects, and hears of one channel from then on: the node's own.
    pub(super) async fn open(settings: &RedisSettings, own: &str, inlet: &Inlet) -> Result<Self, RedisFault> {
        let failed = Arc::new(Notify::new());
        let mouthpiece = Mouthpiece {
            inlet: inlet.clone(),
            failed: Arc::clone(&failed),
        };
        let (speaker, hearer) = connect(settings, own, &mouthpiece).await?;
        let line = Self {
            prefix: settings.prefix.clone(),
            speaker,
            hearer,
            channels: Mutex::default(),
            inlet: inlet.clone(),
            failed,
        };
        line.subscribe(vec![own.to_owned()]).await?;
        Ok(line)
    }

    /// Waits until a connection has ended, nobody answers any more, or the server follows another.
    pub(super) async fn watch(&self) {
        while timeout(LOOK, self.failed.notified()).await.is_err() {
            let mut hearer = self.hearer.commands.clone();
            let replication: RedisResult<String> = redis::cmd("INFO")
                .arg("replication")
                .query_async(&mut hearer)
                .await;
            let looked = replication
                .map_err(RedisFault::from)
                .and_then(|it| follows_nobody(&it));
            if let Err(why) = looked {
                self.inlet.complain(why);
                return;
            }
        }
        self.inlet.complain("the connection to the Redis server is lost");
    }

    /// Ends both connections, and with them every wait for an answer.
    pub(super) fn end(&self) {
        self.speaker.end();
        self.hearer.end();
    }

    /// Hears of some subjects, and not of others any more; on return the server knows.
    pub(super) async fn want(&self, changes: &[Change]) -> Result<(), NotCarried> {
        // The last word about each counts.
        let last: BTreeMap<String, bool> = changes
            .iter()
            .map(|(subject, wanted)| (name(&self.prefix, subject), *wanted))
            .collect();
        let (mut begin, mut cease) = (Vec::new(), Vec::new());
        {
            let channels = self.channels.lock();
            for (channel, wanted) in last {
                match (wanted, channels.contains(&channel)) {
                    (true, false) => begin.push(channel),
                    (false, true) => cease.push(channel),
                    (true, true) | (false, false) => {}
                }
            }
        }
        self.unsubscribe(cease).await.map_err(|why| self.fault(why))?;
        self.subscribe(begin).await.map_err(|why| self.fault(why))
    }

    async fn subscribe(&self, channels: Vec<String>) -> RedisResult<()> {
        if channels.is_empty() {
            return Ok(());
        }
        self.hearer.commands.clone().subscribe(&channels).await?;
        self.channels.lock().extend(channels);
        Ok(())
    }

    async fn unsubscribe(&self, channels: Vec<String>) -> RedisResult<()> {
        // Without a name it would be all of them.
        if channels.is_empty() {
            return Ok(());
        }
        self.hearer.commands.clone().unsubscribe(&channels).await?;
        let mut subscribed = self.channels.lock();
        for channel in &channels {
            subscribed.remove(channel);
        }
        Ok(())
    }

    /// Publishes, in this order.
    pub(super) async fn carry(&self, parcels: Vec<Parcel>) -> Result<(), NotCarried> {
        let mut outcome = Ok(());
        let mut batch = Batch::default();
        for parcel in parcels {
            if batch.bytes + parcel.bytes.len() > BYTES_AT_ONCE {
                outcome = outcome.and(self.publish(std::mem::take(&mut batch)).await);
            }
            batch.add(&self.prefix, parcel);
        }
        outcome.and(self.publish(batch).await)
    }

    async fn publish(&self, batch: Batch) -> Result<(), NotCarried> {
        if batch.commands.is_empty() {
            return Ok(());
        }
        let mut speaker = self.speaker.commands.clone();
        let counts: RedisResult<Vec<RedisResult<usize>>> = batch.commands.query_async(&mut speaker).await;
        let counts = counts.map_err(|why| self.fault(why))?;
        let mut outcome = Ok(());
        for (count, asked) in counts.into_iter().zip(batch.asked) {
            match (count, asked) {
                (Ok(count), Some((channel, asked))) => {
                    // This node's own subscription is not another's.
                    let own = usize::from(self.channels.lock().contains(&channel));
                    asked.answer(if count > own {
                        Reach::Somebody
                    } else {
                        Reach::Nobody
                    });
                }
                (Ok(_), None) => {}
                (Err(why), _) => outcome = Err(self.fault(why)),
            }
        }
        outcome
    }

    /// Of what the server refuses only that is lost; anything else is the end of the line.
    fn fault(&self, why: RedisError) -> NotCarried {
        if why.code().is_none() {
            self.failed.notify_one();
        }
        self.inlet.complain(why);
        NotCarried
    }
}

/// What is published at once, and who wants to know how many it was sent to.
struct Batch {
    commands: redis::Pipeline,
    asked: Vec<Option<(String, Asked)>>,
    bytes: usize,
}

impl Default for Batch {
    fn default() -> Self {
        let mut commands = redis::pipe();
        commands.ignore_errors();
        Self {
            commands,
            asked: Vec::new(),
            bytes: 0,
        }
    }
}

impl Batch {
    fn add(&mut self, prefix: &str, parcel: Parcel) {
        let channel = name(prefix, &parcel.subject);
        self.bytes += parcel.bytes.len();
        self.commands.cmd("PUBLISH").arg(&channel).arg(&*parcel.bytes);
        self.asked.push(match parcel.purpose {
            Purpose::Ask(asked) => Some((channel, asked)),
            // A canary comes back as any word of this node's does.
            Purpose::Say | Purpose::Canary => None,
        });
    }
}
