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
/// One of so many parcels is spoilt where something is wrong.
const SPOILT: u64 = 1_000;

/// What is wrong with a hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It loses one word of so many.
    Loses,
    /// It brings one word of so many twice.
    Repeats,
    /// It brings one word of so many before the one that was said before it.
    Reorders,
    /// It brings what is not wanted.
    Overhears,
    /// It takes a node's own wish for another's.
    ReachesItself,
    /// It forgets what is wanted when it is killed, and does not say so.
    Forgets,
    /// It does not say that it is away.
    Hides,
}

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
    fault: Option<Fault>,
}

/// The broker.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

impl Hub {
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// One with which something is wrong.
    pub(crate) fn with(fault: Option<Fault>) -> Self {
        Self(Arc::new(Inner {
            fault,
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
                carried: Mutex::default(),
            })
        });
        opened.await.expect("it cannot fail")
    }

    /// Who is brought it.
    fn hearers(&self, subject: &str) -> Vec<(u64, Inlet)> {
        let links = self.0.links.lock();
        let overhears = self.0.fault == Some(Fault::Overhears);
        let wants = |(_, (_, wanted)): &(&u64, &(Inlet, Vec<String>))| {
            overhears || wanted.iter().any(|it| it == subject)
        };
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
    carried: Mutex<u64>,
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

    /// What goes wrong with the next parcels.
    fn spoil(&self, parcels: &mut Vec<Parcel>) {
        let mut carried = self.carried.lock();
        let mut index = 0;
        while index < parcels.len() {
            *carried += 1;
            if (*carried).is_multiple_of(SPOILT) {
                match self.hub.0.fault {
                    Some(Fault::Loses) => drop(parcels.remove(index)),
                    Some(Fault::Reorders) if index > 0 => parcels.swap(index - 1, index),
                    Some(Fault::Repeats) => {
                        let again = Parcel {
                            subject: parcels[index].subject.clone(),
                            bytes: parcels[index].bytes.clone(),
                            purpose: Purpose::Say,
                        };
                        parcels.insert(index, again);
                        index += 1;
                    }
                    Some(_) | None => {}
                }
            }
            index += 1;
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

    async fn carry(&self, mut parcels: Vec<Parcel>) -> Result<(), NotCarried> {
        self.spoil(&mut parcels);
        for parcel in parcels {
            self.runs().await?;
            let hearers = self.hub.hearers(&name("hub", &parcel.subject));
            let itself = self.hub.0.fault == Some(Fault::ReachesItself);
            let others = hearers
                .iter()
                .filter(|(boot, _)| itself || *boot != self.boot)
                .count();
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
            if self.0.fault != Some(Fault::Hides) {
                inlet.down();
            }
        }
    }

    async fn start(&mut self) {
        self.0.state.send_replace(State::Runs);
        for (inlet, _) in self.0.links.lock().values() {
            inlet.up(self.0.fault != Some(Fault::Forgets));
        }
    }

    async fn pause(&mut self) {
        self.0.state.send_replace(State::IsStopped);
    }

    async fn resume(&mut self) {
        self.0.state.send_replace(State::Runs);
    }
}
