//! The link: a connection that speaks and hears, and one beside it that holds up a mirror to the canary.
//!
//! The server keeps back from the first what it says itself, which halves what comes in and makes "nobody listens" mean
//! nobody else. So its canary is said to the mirror, which says it on the node's own subject: there and back it takes the way
//! that words take. Invariant: whoever brings what arrived waits for nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Event, Message, StatusCode, Subscriber};
use async_trait::async_trait;
use bongsu_model::cluster::NodeRef;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::asks::Asks;
use super::connect::{NatsFault, connect, is_new_enough};
use super::settings::NatsSettings;
use crate::backplane::{Change, Inlet, Link, NotCarried, Parcel, Purpose, name};
use crate::{Reach, Subject};

/// How long a connection that is back may take to say anew what it is subscribed to.
const SETTLE: Duration = Duration::from_secs(1);
/// How often it is looked whether the connection is as was told.
const LOOK: Duration = Duration::from_secs(1);

/// A node's link to NATS.
pub struct NatsLink {
    client: Client,
    shared: Arc<Shared>,
    subscriptions: Mutex<HashMap<Subject, JoinHandle<()>>>,
    tasks: Vec<AbortHandle>,
    names: Names,
}

/// What the link shares with its tasks and with whoever is told of the connection.
struct Shared {
    inlet: Inlet,
    asks: Mutex<Asks>,
    came: Notify,
    is_down: watch::Sender<bool>,
}

/// What is said where.
struct Names {
    prefix: String,
    own: String,
    /// What answers to this start's questions begin with.
    answers: String,
    canary: String,
}

impl Names {
    fn new(prefix: &str, node: &NodeRef) -> Self {
        let own = name(prefix, &Subject::Node(Arc::clone(&node.id)));
        Self {
            prefix: prefix.to_owned(),
            answers: format!("{own}.answer.{:x}.", node.boot),
            canary: format!("{own}.canary.{:x}", node.boot),
            own,
        }
    }
}

impl NatsLink {
    pub(super) async fn open(
        settings: &NatsSettings,
        node: &NodeRef,
        inlet: Inlet,
    ) -> Result<Self, NatsFault> {
        let shared = Arc::new(Shared {
            inlet,
            asks: Mutex::new(Asks::new()),
            came: Notify::new(),
            is_down: watch::Sender::new(false),
        });
        let listener = Arc::clone(&shared);
        let client = connect(settings, node, "bus", move |event| listener.learn(event)).await?;
        is_new_enough(&client.server_info().version)?;
        let mirror = connect(settings, node, "mirror", |_| {}).await?;
        let names = Names::new(&settings.prefix, node);
        let lost = |_| NatsFault::Lost;
        let answers = client
            .subscribe(format!("{}*", names.answers))
            .await
            .map_err(lost)?;
        let canaries = mirror.subscribe(names.canary.clone()).await.map_err(lost)?;
        let tasks = [
            tokio::spawn(take_answers(answers, names.answers.len(), Arc::clone(&shared))),
            tokio::spawn(reflect(canaries, mirror.clone(), names.own.clone())),
            tokio::spawn(attend(client.clone(), mirror.clone(), Arc::clone(&shared))),
        ];
        let link = Self {
            client,
            shared,
            subscriptions: Mutex::default(),
            tasks: tasks.iter().map(JoinHandle::abort_handle).collect(),
            names,
        };
        link.flush().await;
        mirror.flush().await.map_err(|_| NatsFault::Lost)?;
        link.shared.inlet.up(false);
        Ok(link)
    }

    async fn change(&self, subject: &Subject, wanted: bool) -> Result<(), NotCarried> {
        let before = self.subscriptions.lock().remove(subject);
        match (before, wanted) {
            (Some(bringer), true) => {
                self.subscriptions.lock().insert(subject.clone(), bringer);
            }
            (Some(bringer), false) => {
                bringer.abort();
                // What is dropped with it ends the subscription, before another can be begun.
                bringer.await.ok();
            }
            (None, true) => {
                let subscriber = self.client.subscribe(name(&self.names.prefix, subject)).await;
                let subscriber = subscriber.map_err(|_| NotCarried)?;
                let bringer = bring(subscriber, self.client.clone(), self.shared.inlet.clone());
                self.subscriptions
                    .lock()
                    .insert(subject.clone(), tokio::spawn(bringer));
            }
            (None, false) => {}
        }
        Ok(())
    }

    async fn give(&self, parcel: Parcel) -> Result<(), NotCarried> {
        let Parcel {
            subject,
            bytes,
            purpose,
        } = parcel;
        let said = match purpose {
            Purpose::Say => {
                self.client
                    .publish(name(&self.names.prefix, &subject), bytes)
                    .await
            }
            Purpose::Ask(asked) => {
                let number = self.shared.asks.lock().ask(asked);
                let reply = format!("{}{number}", self.names.answers);
                let subject = name(&self.names.prefix, &subject);
                self.client.publish_with_reply(subject, reply, bytes).await
            }
            Purpose::Canary => self.client.publish(self.names.canary.clone(), bytes).await,
        };
        said.map_err(|_| NotCarried)
    }

    /// Does something that waits for the connection, unless it goes away.
    async fn while_up(&self, work: impl Future<Output = Result<(), NotCarried>>) -> Result<(), NotCarried> {
        let mut is_down = self.shared.is_down.subscribe();
        tokio::select! {
            biased;
            _ = is_down.wait_for(|is_down| *is_down) => Err(NotCarried),
            done = work => done,
        }
    }
}

#[async_trait]
impl Link for NatsLink {
    async fn want(&self, changes: &[Change]) -> Result<(), NotCarried> {
        self.while_up(async {
            for (subject, wanted) in changes {
                self.change(subject, *wanted).await?;
            }
            Ok(())
        })
        .await
    }

    async fn carry(&self, parcels: Vec<Parcel>) -> Result<(), NotCarried> {
        self.while_up(async {
            let mut outcome = Ok(());
            for parcel in parcels {
                outcome = outcome.and(self.give(parcel).await);
            }
            outcome
        })
        .await
    }

    async fn flush(&self) {
        // An error is the end of the connection: then nothing is left to wait for.
        self.client.flush().await.ok();
    }

    fn bytes_max(&self) -> usize {
        self.client.max_payload()
    }
}

impl Drop for NatsLink {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for bringer in self.subscriptions.lock().values() {
            bringer.abort();
        }
    }
}

impl Shared {
    /// The connection is lost.
    fn gone(&self) {
        self.is_down.send_replace(true);
        self.inlet.down();
        self.asks.lock().forget();
    }

    /// What becomes of the connection.
    fn learn(&self, event: Event) {
        match event {
            Event::Connected => self.came.notify_one(),
            Event::Disconnected | Event::Closed => self.gone(),
            Event::SlowConsumer(_) => self.inlet.lost(),
            Event::ServerError(why) => self.inlet.complain(why),
            Event::ClientError(why) => self.inlet.complain(why),
            Event::LameDuckMode => tracing::info!("the NATS server is about to go"),
            Event::Draining => {}
        }
    }
}

/// Says that the link is up each time that the connection is, and has subscribed again. It looks by itself, too: what becomes
/// of the connection is told on a queue that may overflow.
async fn attend(client: Client, mirror: Client, shared: Arc<Shared>) {
    let is_connected = || client.connection_state() == State::Connected;
    let connects = || client.statistics().connects.load(Ordering::Relaxed);
    let mut seen = connects();
    loop {
        timeout(LOOK, shared.came.notified()).await.ok();
        let times = connects();
        if shared.inlet.is_up() && is_connected() && times == seen {
            continue;
        }
        if shared.inlet.is_up() {
            shared.gone();
        }
        if !is_connected() {
            continue;
        }
        seen = times;
        let settled = async {
            // An error is told by the state below, and by the canary that does not come back.
            client.flush().await.ok();
            mirror.flush().await.ok();
        };
        timeout(SETTLE, settled).await.ok();
        if !is_connected() {
            continue;
        }
        if let Err(why) = is_new_enough(&client.server_info().version) {
            shared.inlet.complain(why);
            continue;
        }
        shared.is_down.send_replace(false);
        shared.inlet.up(false);
    }
}

/// Brings what one subscription is sent, and tells who asks that somebody is here.
async fn bring(mut subscriber: Subscriber, client: Client, inlet: Inlet) {
    while let Some(message) = subscriber.next().await {
        if let Some(asker) = message.reply {
            // Whoever finds no room for the answer leaves the asker without one.
            client.publish(asker, Bytes::new()).now_or_never();
        }
        inlet.bring(message.payload);
    }
}

async fn take_answers(mut answers: Subscriber, prefix: usize, shared: Arc<Shared>) {
    while let Some(Message { subject, status, .. }) = answers.next().await {
        let Some(number) = subject.get(prefix..).and_then(|number| number.parse().ok()) else {
            continue;
        };
        let reach = if status == Some(StatusCode::NO_RESPONDERS) {
            Reach::Nobody
        } else {
            Reach::Somebody
        };
        shared.asks.lock().answer(number, reach);
    }
}

/// Says each canary where the node hears it.
async fn reflect(mut canaries: Subscriber, mirror: Client, own: String) {
    while let Some(canary) = canaries.next().await {
        // One that cannot be said is lost, which is what canaries are for.
        mirror.publish(own.clone(), canary.payload).await.ok();
    }
}
