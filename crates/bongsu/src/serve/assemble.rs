//! From settings to a running server: the store, the keys, the node, the listeners.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bongsu_bus::Bus;
use bongsu_edge::admission::Admission;
use bongsu_edge::auth::{ApiKeys, Signer, TurnMint, Verifier};
use bongsu_edge::clock::{SystemChance, SystemClock};
use bongsu_edge::http::review::Webhook;
use bongsu_edge::http::{self, Door, HttpParts, HttpService};
use bongsu_edge::meters::Meters;
use bongsu_edge::tcp::{self, TcpService};
use bongsu_node::ports::AddressRange;
use bongsu_node::ports::Moderated;
use bongsu_node::{Clock as _, Counters, Node, Policy, Ports, Reviewer, Tokens};
use bongsu_store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::secure::{self, Bound, Secured};
use super::{backplane, demo, files, first, stored};
use crate::settings::Settings;

/// A server whose listeners accept.
pub(super) struct Running {
    pub(super) node: Arc<Node>,
    pub(super) tokens: Arc<Verifier>,
    pub(super) tcp: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) secured: Secured,
    pub(super) api: HttpService,
    listeners: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    drain_ms: u64,
}

/// Starts all that the settings ask for.
pub(super) async fn start(settings: &Settings) -> anyhow::Result<Running> {
    let server = &settings.server;
    if server.dev {
        demo::only_at_home(server)?;
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %server.data_dir.display(),
        durability = ?server.durability,
        "starting"
    );
    let catalogue = settings.devices.load(&settings.limits, server.dev)?;
    files::raise(settings.limits.connections_max);
    // Addresses come first, so that a slip in one leaves nothing behind.
    let tcp = bind("--tcp", server.tcp)?;
    let http = bind("--http", server.http)?;
    let secured = secure::bind_all(settings)?;
    let folder = &server.data_dir;
    let fresh = !folder.join(stored::DATABASE).exists() && settings.cluster.store.is_none();
    let (store, follow) = stored::open(settings).await?;
    let signer = match &settings.cluster.signing_key {
        Some(file) => Signer::load_file(file.clone()).context("the key of [cluster] cannot be used")?,
        None => Signer::load_or_create(folder).context("the key in the data folder cannot be used")?,
    };
    let node_id = first::node_id(server)?;
    if fresh {
        first::tell(folder);
    }
    let tokens = Verifier::load(settings.tokens.clone(), Some(&signer), &settings.limits)?;
    tokio::spawn(Arc::clone(&tokens).keep_fresh());
    let (bus, follow_bus) = backplane::open(settings, &node_id).await?;
    let ports = ports(settings, store, bus, &tokens)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let shards = server.shards.unwrap_or(cores);
    let node = Node::start(node_id, ports, Arc::new(Counters::default()), shards);
    node.set_catalogue(catalogue);
    let loaded = node.load_revocations().await;
    loaded.map_err(|refusal| anyhow::anyhow!("revocations cannot be read: {refusal:?}"))?;
    let forgotten = node.forget_device_sessions().await;
    forgotten.map_err(|refusal| anyhow::anyhow!("sessions of devices cannot be forgotten: {refusal:?}"))?;
    if server.dev {
        let addresses = (tcp.local_addr()?, http.local_addr()?);
        demo::furnish(&node, &signer, addresses, server).await?;
    }
    let meters = Arc::new(Meters::new());
    meters.follow(&node.counters);
    follow(&meters);
    follow_bus(&meters);
    listen(settings, node, tokens, meters, (tcp, http, secured))
}

fn ports(
    settings: &Settings,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    tokens: &Arc<Verifier>,
) -> anyhow::Result<Ports> {
    let reviewer = settings.review.as_ref().map(Webhook::new).transpose()?;
    Ok(Ports {
        store,
        bus,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        tokens: Arc::clone(tokens) as Arc<dyn Tokens>,
        ice: Arc::new(TurnMint::new(&settings.ice)?),
        moderation: Moderated::new(settings.content.pipeline()?),
        reviewer: reviewer.map(|webhook| Arc::new(webhook) as Arc<dyn Reviewer>),
        limits: Arc::new(settings.limits.clone()),
        policy: Policy {
            create_rooms_by_id: settings.policy.create_rooms_by_id || settings.server.dev,
            display_ranges: display_ranges(settings),
            ..settings.policy.clone()
        },
    })
}

/// From where displays need nothing: a demo's from this machine, too.
fn display_ranges(settings: &Settings) -> Arc<[AddressRange]> {
    let home = ["127.0.0.0/8", "::1"].into_iter().filter_map(AddressRange::parse);
    let home = home.filter(|_| settings.server.dev);
    settings
        .policy
        .display_ranges
        .iter()
        .copied()
        .chain(home)
        .collect()
}

/// Lets clients in.
fn listen(
    settings: &Settings,
    node: Arc<Node>,
    tokens: Arc<Verifier>,
    meters: Arc<Meters>,
    (tcp, http, secured): (TcpListener, TcpListener, Option<Bound>),
) -> anyhow::Result<Running> {
    let server = &settings.server;
    let admission = Admission::new(&settings.limits);
    let (tcp_address, http_address) = (tcp.local_addr()?, http.local_addr()?);
    let api = HttpService::new(HttpParts {
        node: Arc::clone(&node),
        api_keys: Arc::new(ApiKeys::new(&settings.api_keys)?),
        admission: Arc::clone(&admission),
        meters: Arc::clone(&meters),
        version: env!("CARGO_PKG_VERSION"),
        started_at: SystemClock.now(),
        locale: server.locale,
        cors_origins: server.cors_origins.clone(),
        hosts: server.hosts.clone(),
        permessage_deflate: server.permessage_deflate,
        advertise: server.advertise.clone(),
        socketio: settings.socketio.clone(),
        device_congestion: settings.devices.congestion,
    });
    api.listens("tcp", tcp_address);
    api.listens("http", http_address);
    let (stop, stopped) = watch::channel(false);
    let service = || TcpService {
        node: Arc::clone(&node),
        admission: Arc::clone(&admission),
        meters: Arc::clone(&meters),
        locale: server.locale,
    };
    let mut doors = vec![Door::plain(http)];
    let mut listeners = vec![tokio::spawn(tcp::serve(tcp, service(), stopped.clone()))];
    let (secured, tcps) = match secured {
        Some(bound) => bound.in_force(settings, &meters, &api, &mut doors)?,
        None => Default::default(),
    };
    listeners.extend(tcps.map(|(listener, gate)| {
        let serving = tcp::serve_tls(listener, gate, service(), stopped.clone());
        tokio::spawn(serving)
    }));
    let mut http_stopped = stopped;
    let until = async move {
        // The sender is gone only when the server is.
        let _ = http_stopped.wait_for(|stopped| *stopped).await;
    };
    listeners.push(tokio::spawn(http::serve_doors(doors, api.clone(), until)));
    Ok(Running {
        node,
        tokens,
        tcp: tcp_address,
        http: http_address,
        secured,
        api,
        listeners,
        stop,
        drain_ms: settings.limits.drain_ms,
    })
}

pub(super) fn bind(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    tcp::bind(address).map_err(|fault| {
        let known = [
            (
                ErrorKind::AddrInUse,
                "another process listens there; name another address (port 0 takes a free one)",
            ),
            (
                ErrorKind::AddrNotAvailable,
                "this machine does not have that address",
            ),
            (
                ErrorKind::PermissionDenied,
                "ports below 1024 want more rights; name a higher one",
            ),
        ];
        let known = known.into_iter().find(|(kind, _)| *kind == fault.kind());
        let why = known.map_or_else(|| fault.to_string(), |(_, advice)| advice.to_owned());
        anyhow::anyhow!("{flag} {address} cannot be bound: {why}")
    })
}

impl Running {
    /// The one line on stdout.
    pub(super) fn ready_line(&self) -> String {
        // Written out, because people read it and its order is documented; no part needs escaping.
        let (node, http, tcp, pid) = (&self.node.id, self.http, self.tcp, std::process::id());
        let secured = [("https", self.secured.https), ("tcps", self.secured.tcps)];
        let secured: String = secured
            .into_iter()
            .filter_map(|(name, address)| Some(format!(r#","{name}":"{}""#, address?)))
            .collect();
        format!(r#"{{"ready":true,"node_id":"{node}","http":"{http}","tcp":"{tcp}"{secured},"pid":{pid}}}"#)
    }

    /// Tells everyone, gives them time, and ends.
    pub(super) async fn stop(self) {
        self.node.stop(self.drain_ms).await;
        // Who listens is told; who has ended already needs no telling.
        let _ = self.stop.send(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
    }
}
