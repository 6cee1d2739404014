//! How a server hears of the other nodes: over a broker, if it is told one.

use std::sync::Arc;

use anyhow::{Context, bail};
use bongsu_bus::nats::{self, NatsSettings};
use bongsu_bus::redis::{self, RedisSettings};
use bongsu_bus::{Backplane, Bus, Link, LocalBus};
use bongsu_edge::clock::SystemChance;
use bongsu_model::cluster::NodeRef;
use bongsu_node::Chance as _;

use super::meter;
use super::stored::Follow;
use crate::settings::Settings;

/// The brokers that there are, by what their addresses begin with.
enum Broker {
    Nats(NatsSettings),
    Redis(RedisSettings),
}

fn broker(address: &str) -> Result<Broker, String> {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("nats" | "tls") => NatsSettings::parse(address)
            .map(Broker::Nats)
            .map_err(|wrong| wrong.to_string()),
        Some("redis" | "rediss") => RedisSettings::parse(address)
            .map(Broker::Redis)
            .map_err(|wrong| wrong.to_string()),
        Some(_) | None => {
            Err("an address that begins with nats://, tls://, redis:// or rediss:// is needed".to_owned())
        }
    }
}

/// Whether a text is the address of a broker; else what would be right.
pub(crate) fn check(address: &str) -> Result<(), String> {
    broker(address).map(drop)
}

/// Opens the bus, and what shows its figures.
pub(super) async fn open(settings: &Settings, id: &Arc<str>) -> anyhow::Result<(Arc<dyn Bus>, Follow)> {
    let cluster = &settings.cluster;
    let Some(address) = &cluster.bus else {
        if cluster.store.is_some() {
            tracing::warn!(
                "no backplane is set: if another node shares this store, neither hears of the other"
            );
        }
        return Ok((Arc::new(LocalBus::new()), Box::new(|_| {})));
    };
    if cluster.store.is_none() {
        bail!("a backplane is for several nodes, and these need one store: name it with --store or [store]");
    }
    let node = NodeRef {
        id: Arc::clone(id),
        boot: u64::try_from(SystemChance.bits() & u128::from(u64::MAX)).unwrap_or(0),
    };
    match broker(address.expose()).map_err(anyhow::Error::msg)? {
        Broker::Nats(nats) => {
            let bus = nats::open(&nats, &node, &settings.limits).await;
            let bus = bus.context("the backplane cannot be reached")?;
            Ok(shown(bus))
        }
        Broker::Redis(redis) => {
            let bus = redis::open(&redis, &node, &settings.limits).await;
            let bus = bus.context("the backplane cannot be reached")?;
            Ok(shown(bus))
        }
    }
}

/// A bus, and what shows its figures.
fn shown<L: Link>(bus: Backplane<L>) -> (Arc<dyn Bus>, Follow) {
    let meter = bus.meter();
    (
        Arc::new(bus),
        Box::new(move |meters| meter::follow_bus(meters, &meter)),
    )
}
