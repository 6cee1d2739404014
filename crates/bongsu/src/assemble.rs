//! From settings to a running server: the store, the keys, the node, the listeners.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bongsu_bus::LocalBus;
use bongsu_edge::admission::Admission;
use bongsu_edge::auth::{IceSettings, Signer, TokenSettings, TurnMint, Verifier};
use bongsu_edge::clock::{SystemChance, SystemClock};
use bongsu_edge::tcp::{self, TcpService};
use bongsu_node::ports::Moderated;
use bongsu_node::{Counters, Node, Policy, Ports};
use bongsu_store::{Sqlite, SqliteOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::settings::Settings;

/// A server whose listeners accept.
pub(crate) struct Running {
    pub(crate) node: Arc<Node>,
    pub(crate) tcp: SocketAddr,
    listeners: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    drain_ms: u64,
}

/// Starts all that the settings ask for.
pub(crate) async fn start(settings: &Settings) -> anyhow::Result<Running> {
    let limits = Arc::new(settings.limits.clone());
    let signer = Signer::load_or_create(&settings.data_dir).context("the signing key cannot be used")?;
    let tokens = Verifier::load(TokenSettings::default(), Some(&signer), &limits)?;
    let path = settings.data_dir.join("bongsu.sqlite");
    let store = Sqlite::open(SqliteOptions::with_limits(path, &limits)).context("the store cannot be opened")?;
    let ports = Ports {
        store: Arc::new(store),
        bus: Arc::new(LocalBus::new()),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        tokens,
        ice: Arc::new(TurnMint::new(&IceSettings::default())?),
        moderation: Moderated::plain(&limits),
        reviewer: None,
        limits: Arc::clone(&limits),
        policy: Policy { create_rooms_by_id: settings.dev, ..Policy::default() },
    };
    let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let node = Node::start("node".into(), ports, Arc::new(Counters::default()), shards);
    node.load_revocations().await?;
    let admission = Admission::new(&limits);
    let (stop, stopped) = watch::channel(false);
    let listener = tcp::bind(settings.tcp).with_context(|| format!("--tcp {} cannot be bound", settings.tcp))?;
    let tcp = listener.local_addr()?;
    let service = TcpService { node: Arc::clone(&node), admission, locale: settings.locale };
    let listeners = vec![tokio::spawn(tcp::serve(listener, service, stopped))];
    Ok(Running { node, tcp, listeners, stop, drain_ms: limits.drain_ms })
}

impl Running {
    /// Tells everyone, gives them time, and ends.
    pub(crate) async fn stop(self) {
        self.node.stop(self.drain_ms).await;
        // Who listens is told; who has ended already needs no telling.
        let _ = self.stop.send(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
    }
}
