//! The link: a connection that speaks and hears, and one beside it that holds up a mirror to the canary.
//!
//! The server keeps back from the first what it says itself, which halves what comes in and makes "nobody listens" mean
//! nobody else. So its canary is said to the mirror, which says it on the node's own subject: there and back it takes the way
//! that words take. Invariant: what a connection was subscribed to ends with it; the next is told anew what is wanted.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bongsu_model::cluster::NodeRef;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::asks::Asks;
use super::dial::{Dialler, NatsFault};
use super::line::{Listener, keep};
use super::outbox::Outbox;
use super::protocol::{self, Message, ServerSelf};
use super::settings::NatsSettings;
use crate::backplane::{Change, Inlet, Link, NotCarried, Parcel, Purpose, name};
use crate::{Reach, Subject};

/// The subscription to answers; those to subjects have higher numbers.
const ANSWERS: u64 = 1;
/// How long a connection that has begun may take to subscribe.
const SETTLE: Duration = Duration::from_secs(1);
/// What a server takes that does not say.
const PAYLOAD_MAX: usize = 1024 * 1024;

/// A node's link to NATS.
pub struct NatsLink {
    node: Arc<Node>,
    outbox: Arc<Outbox>,
    tasks: [AbortHandle; 2],
}

/// The node's side of the connection that speaks and hears.
struct Node {
    inlet: Inlet,
    prefix: String,
    /// What answers to this start's questions are said on begins with this.
    answers: String,
    canary: String,
    asks: Mutex<Asks>,
    subscriptions: Mutex<Subscriptions>,
    is_down: watch::Sender<bool>,
    bytes_max: AtomicUsize,
}

struct Subscriptions {
    numbers: HashMap<Subject, u64>,
    last: u64,
}

/// The other connection's: says on the node's own subject what it hears.
struct Mirror {
    own: String,
    canary: String,
}

impl NatsLink {
    pub(super) async fn open(
        settings: &NatsSettings,
        node: &NodeRef,
        inlet: Inlet,
    ) -> Result<Self, NatsFault> {
        let own = name(&settings.prefix, &Subject::Node(Arc::clone(&node.id)));
        let canary = format!("{own}.canary.{:x}", node.boot);
        let answers = format!("{own}.answer.{:x}.", node.boot);
        let mirror = Mirror {
            own,
            canary: canary.clone(),
        };
        let (reflects, _) = begin(settings, node, "mirror", Arc::new(mirror)).await?;
        let node_side = Arc::new(Node {
            inlet,
            prefix: settings.prefix.clone(),
            answers,
            canary,
            asks: Mutex::new(Asks::new()),
            subscriptions: Mutex::new(Subscriptions {
                numbers: HashMap::new(),
                last: ANSWERS,
            }),
            is_down: watch::Sender::new(true),
            bytes_max: AtomicUsize::new(PAYLOAD_MAX),
        });
        let listener: Arc<dyn Listener> = node_side.clone();
        match begin(settings, node, "bus", listener).await {
            Ok((serves, outbox)) => Ok(Self {
                node: node_side,
                outbox,
                tasks: [reflects.abort_handle(), serves.abort_handle()],
            }),
            Err(why) => {
                reflects.abort();
                Err(why)
            }
        }
    }

    async fn change(&self, subject: &Subject, wanted: bool) {
        let number = {
            let mut subscriptions = self.node.subscriptions.lock();
            match (subscriptions.numbers.get(subject).copied(), wanted) {
                (Some(_), true) | (None, false) => return,
                (Some(number), false) => {
                    subscriptions.numbers.remove(subject);
                    number
                }
                (None, true) => {
                    subscriptions.last += 1;
                    let number = subscriptions.last;
                    subscriptions.numbers.insert(subject.clone(), number);
                    number
                }
            }
        };
        let put = self.outbox.put(|bytes| {
            if wanted {
                protocol::subscribe(bytes, &name(&self.node.prefix, subject), number);
            } else {
                protocol::unsubscribe(bytes, number);
            }
        });
        put.await;
    }

    async fn give(&self, parcel: Parcel) {
        let Parcel {
            subject,
            bytes: payload,
            purpose,
        } = parcel;
        let subject = name(&self.node.prefix, &subject);
        let (subject, reply) = match purpose {
            Purpose::Say => (subject, None),
            Purpose::Ask(asked) => {
                let number = self.node.asks.lock().ask(asked);
                (subject, Some(format!("{}{number}", self.node.answers)))
            }
            Purpose::Canary => (self.node.canary.clone(), None),
        };
        self.outbox
            .put(|bytes| protocol::publish(bytes, &subject, reply.as_deref(), &payload))
            .await;
    }

    /// Does something that waits for the connection, unless it ends.
    async fn while_up(&self, work: impl Future<Output = ()>) -> Result<(), NotCarried> {
        let mut is_down = self.node.is_down.subscribe();
        tokio::select! {
            biased;
            _ = is_down.wait_for(|is_down| *is_down) => Err(NotCarried),
            () = work => Ok(()),
        }
    }
}

/// A connection that has begun, and is kept from now on.
async fn begin(
    settings: &NatsSettings,
    node: &NodeRef,
    role: &str,
    listener: Arc<dyn Listener>,
) -> Result<(JoinHandle<()>, Arc<Outbox>), NatsFault> {
    let dialler = Dialler::new(settings, format!("bongsu {} {role}", node.id));
    // No two nodes begin with the same server.
    let turn = usize::try_from(node.boot % 1_024).unwrap_or(0);
    let dialled = dialler.dial(turn).await?;
    let outbox = Arc::new(Outbox::default());
    listener.begins(&dialled.server, &outbox);
    let keeps = keep(dialled, dialler, Arc::clone(&outbox), listener, node.boot);
    let task = tokio::spawn(keeps);
    // So that it has subscribed before others are told that this node is there; if it is lost at once, it will later.
    timeout(SETTLE, outbox.is_written()).await.ok();
    Ok((task, outbox))
}

#[async_trait]
impl Link for NatsLink {
    async fn want(&self, changes: &[Change]) -> Result<(), NotCarried> {
        self.while_up(async {
            for (subject, wanted) in changes {
                self.change(subject, *wanted).await;
            }
        })
        .await
    }

    async fn carry(&self, parcels: Vec<Parcel>) -> Result<(), NotCarried> {
        self.while_up(async {
            for parcel in parcels {
                self.give(parcel).await;
            }
        })
        .await
    }

    async fn flush(&self) {
        // What is not written when the connection ends is lost: nothing is left to wait for.
        self.while_up(self.outbox.is_written()).await.ok();
    }

    fn bytes_max(&self) -> usize {
        self.node.bytes_max.load(Ordering::Relaxed)
    }
}

impl Drop for NatsLink {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Listener for Node {
    fn begins(&self, server: &ServerSelf, outbox: &Outbox) {
        self.learns(server);
        self.subscriptions.lock().numbers.clear();
        outbox.offer(|bytes| protocol::subscribe(bytes, &format!("{}*", self.answers), ANSWERS));
        self.is_down.send_replace(false);
        self.inlet.up(true);
    }

    fn hears(&self, message: Message, outbox: &Outbox) {
        if message.subscription == ANSWERS {
            let number = message.subject.strip_prefix(&self.answers);
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                let reach = if message.is_nobody {
                    Reach::Nobody
                } else {
                    Reach::Somebody
                };
                self.asks.lock().answer(number, reach);
            }
            return;
        }
        if let Some(asker) = &message.reply {
            // Where there is no room for the answer the asker is left without one.
            outbox.offer(|bytes| protocol::publish(bytes, asker, None, &[]));
        }
        self.inlet.bring(message.payload);
    }

    fn learns(&self, server: &ServerSelf) {
        if server.max_payload > 0 {
            self.bytes_max.store(server.max_payload, Ordering::Relaxed);
        }
        if server.is_going {
            tracing::info!("the NATS server is about to go");
        }
    }

    fn ends(&self) {
        self.is_down.send_replace(true);
        self.inlet.down();
        self.asks.lock().forget();
    }

    fn complains(&self, why: &dyn Display) {
        self.inlet.complain(why);
    }
}

impl Listener for Mirror {
    fn begins(&self, _: &ServerSelf, outbox: &Outbox) {
        outbox.offer(|bytes| protocol::subscribe(bytes, &self.canary, ANSWERS));
    }

    fn hears(&self, message: Message, outbox: &Outbox) {
        // One that finds no room is lost, which is what canaries are for.
        outbox.offer(|bytes| protocol::publish(bytes, &self.own, None, &message.payload));
    }

    fn learns(&self, _: &ServerSelf) {}

    /// That nothing comes back is known by the canary.
    fn ends(&self) {}

    fn complains(&self, why: &dyn Display) {
        tracing::debug!(%why, "the canary's connection to NATS");
    }
}
