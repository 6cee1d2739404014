//! A broker inside the process, to try the backplane without one.
//!
//! Invariant: it carries at once and in order, and does what a broker does when it is killed (forgets who wants what) or
//! stopped (keeps it, and what it is given, and carries nothing).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use bongsu_bus::backplane::{Change, Inlet, Link, NotCarried, Parcel, Purpose, name};
use bongsu_bus::conformance::{Broker, Cluster, May};
use bongsu_bus::{Backplane, Bus, Reach, Subject};
use bongsu_model::Limits;
use bongsu_model::cluster::NodeRef;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// More than a broker takes at once.
const BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    IsStopped,
    IsDead,
}

struct Inner {
    state: watch::Sender<State>,
    /// Every link, by its node's start, and what it is to be brought.
    links: Mutex<HashMap<u64, (Inlet, Vec<String>)>>,
    boots: Mutex<u64>,
}

/// The broker.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

impl Hub {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            state: watch::Sender::new(State::Runs),
            links: Mutex::default(),
            boots: Mutex::default(),
        }))
    }

    /// A bus over it, with these limits.
    pub(crate) async fn bus(&self, node: &str, limits: &Limits) -> Backplane<HubLink> {
        let boot = {
            let mut boots = self.0.boots.lock();
            *boots += 1;
            *boots
        };
        let node = NodeRef {
            id: node.into(),
            boot,
        };
        let opened = Backplane::open(&node, limits, async |inlet: Inlet| {
            self.0.links.lock().insert(boot, (inlet.clone(), Vec::new()));
            inlet.up(true);
            Ok::<_, Infallible>(HubLink {
                hub: self.clone(),
                boot,
            })
        });
        opened.await.expect("it cannot fail")
    }

    /// Who is brought it.
    fn hearers(&self, subject: &str) -> Vec<(u64, Inlet)> {
        let links = self.0.links.lock();
        let wants = |(_, (_, wanted)): &(&u64, &(Inlet, Vec<String>))| wanted.iter().any(|it| it == subject);
        links
            .iter()
            .filter(wants)
            .map(|(boot, (inlet, _))| (*boot, inlet.clone()))
            .collect()
    }
}

/// A node's link to it.
pub(crate) struct HubLink {
    hub: Hub,
    boot: u64,
}

impl HubLink {
    /// Waits while the broker is stopped, as for a socket that takes nothing.
    async fn runs(&self) -> Result<(), NotCarried> {
        let mut state = self.hub.0.state.subscribe();
        let state = *state
            .wait_for(|state| *state != State::IsStopped)
            .await
            .map_err(|_| NotCarried)?;
        if state == State::Runs {
            Ok(())
        } else {
            Err(NotCarried)
        }
    }
}

#[async_trait]
impl Link for HubLink {
    async fn want(&self, changes: &[Change]) -> Result<(), NotCarried> {
        self.runs().await?;
        let mut links = self.hub.0.links.lock();
        let (_, wanted) = links.get_mut(&self.boot).ok_or(NotCarried)?;
        for (subject, is_wanted) in changes {
            let subject = name("hub", subject);
            wanted.retain(|it| *it != subject);
            if *is_wanted {
                wanted.push(subject);
            }
        }
        Ok(())
    }

    async fn carry(&self, parcels: Vec<Parcel>) -> Result<(), NotCarried> {
        for parcel in parcels {
            self.runs().await?;
            let hearers = self.hub.hearers(&name("hub", &parcel.subject));
            let others = hearers.iter().filter(|(boot, _)| *boot != self.boot).count();
            if let Purpose::Ask(asked) = parcel.purpose {
                asked.answer(if others > 0 {
                    Reach::Somebody
                } else {
                    Reach::Nobody
                });
            }
            for (_, inlet) in hearers {
                inlet.bring(parcel.bytes.clone());
            }
        }
        Ok(())
    }

    async fn flush(&self) {
        // Whoever is gone keeps nothing back.
        self.runs().await.ok();
    }

    fn bytes_max(&self) -> usize {
        BYTES_MAX
    }
}

impl Drop for HubLink {
    fn drop(&mut self) {
        self.hub.0.links.lock().remove(&self.boot);
    }
}

#[async_trait]
impl Cluster for Hub {
    fn may(&self) -> May {
        May::default()
    }

    async fn node(&self, name: &str) -> Arc<dyn Bus> {
        Arc::new(self.bus(name, &Limits::DEFAULT).await)
    }

    async fn shout(&self, subject: &Subject, bytes: Bytes) {
        for (_, inlet) in self.hearers(&name("hub", subject)) {
            inlet.bring(bytes.clone());
        }
    }
}

#[async_trait]
impl Broker for Hub {
    async fn kill(&mut self) {
        self.0.state.send_replace(State::IsDead);
        for (inlet, wanted) in self.0.links.lock().values_mut() {
            wanted.clear();
            inlet.down();
        }
    }

    async fn start(&mut self) {
        self.0.state.send_replace(State::Runs);
        for (inlet, _) in self.0.links.lock().values() {
            inlet.up(true);
        }
    }

    async fn pause(&mut self) {
        self.0.state.send_replace(State::IsStopped);
    }

    async fn resume(&mut self) {
        self.0.state.send_replace(State::Runs);
    }
}
