//! `bongsu serve`: flags and environment over the file, then the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use bongsu_edge::http::Advertised;
use bongsu_model::Locale;
use bongsu_store::Durability;
use clap::Args;
use clap::builder::BoolishValueParser;

use crate::settings::{self, Address, ClusterSettings, LogFormat, ServerSettings, Settings, Tcps};
use crate::telemetry;

/// Run the server.
///
/// When every listener accepts, one line of JSON is printed on stdout, and nothing else ever is; the log goes to stderr.
/// SIGTERM and SIGINT stop it in good order (a second one at once), SIGHUP makes it read keys, certificates, moderation
/// lists and the catalogue of commands again.
#[derive(Args)]
pub(super) struct Serve {
    /// A TOML file with settings; `bongsu config default` prints one.
    #[arg(long, value_name = "FILE", env = "BONGSU_CONFIG")]
    config: Option<PathBuf>,
    /// Where everything is kept; made if it is missing [default: bongsu-data].
    #[arg(long, value_name = "DIR", env = "BONGSU_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// HTTP: the API, probes, metrics; port 0 takes a free one [default: 127.0.0.1:8000].
    #[arg(long, value_name = "ADDR", env = "BONGSU_HTTP")]
    http: Option<SocketAddr>,
    /// TCP: the action protocol [default: 127.0.0.1:12345].
    #[arg(long, value_name = "ADDR", env = "BONGSU_TCP")]
    tcp: Option<SocketAddr>,
    /// HTTP with TLS; the certificate is in the --config file, in its section tls.
    #[arg(long, value_name = "ADDR", env = "BONGSU_HTTPS")]
    https: Option<SocketAddr>,
    /// TCP with TLS, or off [default: port 12346 beside --tcp, if there is a certificate].
    #[arg(long, value_name = "ADDR", env = "BONGSU_TCPS", value_parser = Tcps::parse)]
    tcps: Option<Tcps>,
    /// Where clients are told to connect (/status), such as `https://ws-1.example:8443` [default: as the HTTP listener is
    /// reached].
    #[arg(long, value_name = "URL", env = "BONGSU_ADVERTISE", value_parser = Advertised::parse)]
    advertise: Option<Advertised>,
    /// The commands that devices can be sent; `bongsu config catalogue` prints an example [default: none].
    #[arg(long, value_name = "FILE", env = "BONGSU_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// Demo users, rooms and a device, for trying out; listens on loopback only.
    #[arg(long, env = "BONGSU_DEV", value_parser = BoolishValueParser::new())]
    dev: bool,
    /// The node's name [default: a random one, kept in the data folder].
    #[arg(long, value_name = "NAME", env = "BONGSU_NODE_ID", value_parser = settings::node_id)]
    node_id: Option<Arc<str>>,
    /// The language of texts until a client names its own: en or ko [default: ko].
    #[arg(long, env = "BONGSU_LOCALE", value_parser = settings::locale)]
    locale: Option<Locale>,
    /// What an acknowledged message survives: power (its loss) or process (a crash of the server) [default: power].
    #[arg(long, env = "BONGSU_DURABILITY", value_parser = settings::durability)]
    durability: Option<Durability>,
    /// A PostgreSQL server that several nodes share, as postgres://user:password@host/database [default: SQLite in the data
    /// folder].
    #[arg(long, value_name = "URL", env = "BONGSU_STORE", hide_env_values = true, value_parser = settings::store_address)]
    store: Option<Address>,
    /// A broker by which nodes hear of each other: nats://, redis:// or kafka:// [default: none; there is one node].
    #[arg(long, value_name = "URL", env = "BONGSU_BUS", hide_env_values = true, value_parser = settings::bus_address)]
    bus: Option<Address>,
    /// The key that signs tokens, the same on all nodes [default: the data folder's own].
    #[arg(long, value_name = "FILE", env = "BONGSU_SIGNING_KEY")]
    signing_key: Option<PathBuf>,
    /// What is logged: a level, or levels by part such as info,bongsu_store=debug [default: info].
    #[arg(long, value_name = "FILTER", env = "BONGSU_LOG", value_parser = settings::log_filter)]
    log: Option<String>,
    /// How the log looks: text or json [default: text].
    #[arg(long, value_name = "FORMAT", env = "BONGSU_LOG_FORMAT", value_parser = LogFormat::parse)]
    log_format: Option<LogFormat>,
    /// How long calls, commands and requests may take to end when the server stops or drains, such as 30s [default: 30s].
    #[arg(long, value_name = "TIME", env = "BONGSU_DRAIN_TIMEOUT", value_parser = super::token::duration_ms)]
    drain_timeout: Option<u64>,
    /// Shards that sessions are spread over [default: one per core].
    #[arg(long, value_name = "N", env = "BONGSU_SHARDS", value_parser = clap::value_parser!(u8).range(1..=64))]
    shards: Option<u8>,
    /// Threads that work [default: one per core].
    #[arg(long, value_name = "N", env = "BONGSU_THREADS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.clone();
        let mut settings = Settings::load(config.as_deref())?;
        settings.devices.given.clone_from(&self.catalogue);
        self.share(&mut settings.cluster);
        settings.limits.drain_ms = self.drain_timeout.unwrap_or(settings.limits.drain_ms);
        self.put_over(&mut settings.server);
        telemetry::start(&settings.server.log, settings.server.log_format)?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = settings.server.threads {
            runtime.worker_threads(threads);
        }
        let runtime = runtime
            .enable_all()
            .build()
            .context("the threads cannot be started")?;
        runtime.block_on(Box::pin(crate::serve::serve(settings, config, super::say)))
    }

    fn share(&self, cluster: &mut ClusterSettings) {
        cluster.store = self.store.clone().or(cluster.store.take());
        cluster.bus = self.bus.clone().or(cluster.bus.take());
        cluster.signing_key = self.signing_key.clone().or(cluster.signing_key.take());
    }

    fn put_over(self, server: &mut ServerSettings) {
        fn set<T>(setting: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *setting = given;
            }
        }
        set(&mut server.data_dir, self.data_dir);
        set(&mut server.http, self.http);
        set(&mut server.tcp, self.tcp);
        set(&mut server.tcps, self.tcps);
        server.https = self.https.or(server.https);
        set(&mut server.locale, self.locale);
        set(&mut server.durability, self.durability);
        set(&mut server.log, self.log);
        set(&mut server.log_format, self.log_format);
        server.advertise = self.advertise.or(server.advertise.take());
        server.dev |= self.dev;
        server.node_id = self.node_id.or(server.node_id.take());
        server.shards = self.shards.map(usize::from).or(server.shards);
        server.threads = self.threads.map(usize::from).or(server.threads);
    }
}
