//! Connections: made to whichever server takes writes, set up alike, kept and given out.
//!
//! Invariant: a connection that is given out was made to a server that took writes then, and has our timeouts set.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use futures_util::future::select_ok;
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config};

use super::options::PostgresOptions;
use super::tls::{Tls, TlsError};
use crate::Durability;

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The server said no, or nothing at all.
    #[error("{server}: {fault}")]
    Server {
        /// Which.
        server: Arc<str>,
        /// What the driver says, with its causes.
        fault: Told,
    },
    /// The server did not answer in time.
    #[error("{0} does not answer")]
    Silent(Arc<str>),
}

/// A failure of the driver whose text has the causes in it: by itself the driver says little more than "db error".
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.0))]
pub struct Told(#[source] pub tokio_postgres::Error);

fn told(fault: &tokio_postgres::Error) -> String {
    match (fault.as_db_error(), std::error::Error::source(fault)) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(cause)) => format!("{fault}: {cause}"),
        (None, None) => fault.to_string(),
    }
}

pub(super) type Pool = managed::Pool<Servers>;
pub(super) type Pooled = managed::Object<Servers>;

/// The servers that have the data.
pub(super) struct Servers {
    servers: Vec<(Arc<str>, Config)>,
    tls: Tls,
    setup: String,
    connect: Duration,
}

impl Servers {
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, TlsError> {
        let shared = &options.config;
        let ports = shared.get_ports();
        let server = |(number, host): (usize, &Host)| {
            let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
            let mut config = Config::new();
            copy(shared, &mut config);
            let name = match host {
                Host::Tcp(name) => {
                    config.host(name);
                    format!("{name}:{port}")
                }
                Host::Unix(path) => {
                    config.host_path(path);
                    format!("{}:{port}", path.display())
                }
            };
            if let Some(address) = shared.get_hostaddrs().get(number) {
                config.hostaddr(*address);
            }
            config.port(port);
            config.ssl_mode(Tls::driver_mode(options.tls));
            (Arc::from(name), config)
        };
        Ok(Self {
            servers: shared.get_hosts().iter().enumerate().map(server).collect(),
            tls: Tls::new(options)?,
            setup: setup(options),
            connect: Duration::from_millis(options.connect_ms),
        })
    }

    /// A connection to the server that takes writes. All are asked at once, so that one that is gone delays nobody.
    pub(super) async fn connect(&self) -> Result<ClientWrapper, Unreachable> {
        let tries = self.servers.iter().map(|(server, config)| {
            Box::pin(async move {
                let attempt = timeout(self.connect, self.connect_to(config)).await;
                let made = attempt.map_err(|_| Unreachable::Silent(Arc::clone(server)))?;
                made.map_err(|fault| Unreachable::Server {
                    server: Arc::clone(server),
                    fault: Told(fault),
                })
            })
        });
        select_ok(tries).await.map(|(client, _)| client)
    }

    async fn connect_to(&self, config: &Config) -> Result<ClientWrapper, tokio_postgres::Error> {
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            // Whoever waits for an answer hears of it; a connection that nobody uses is simply gone.
            if let Err(fault) = connection.await {
                tracing::debug!(fault = %Told(fault), "a connection to the store has ended");
            }
        });
        let client = ClientWrapper::new(client, task);
        set_up(&client, &self.setup).await?;
        Ok(client)
    }
}

async fn set_up(client: &Client, setup: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(setup).await
}

/// Everything of an address but its hosts.
fn copy(from: &Config, to: &mut Config) {
    if let Some(user) = from.get_user() {
        to.user(user);
    }
    if let Some(password) = from.get_password() {
        to.password(password);
    }
    if let Some(name) = from.get_dbname() {
        to.dbname(name);
    }
    if let Some(options) = from.get_options() {
        to.options(options);
    }
    if let Some(name) = from.get_application_name() {
        to.application_name(name);
    }
    if let Some(limit) = from.get_connect_timeout() {
        to.connect_timeout(*limit);
    }
    to.ssl_negotiation(from.get_ssl_negotiation());
    to.channel_binding(from.get_channel_binding());
    to.target_session_attrs(from.get_target_session_attrs());
    // A server that is gone without a word is noticed by the system, too.
    to.tcp_user_timeout(*from.get_tcp_user_timeout().unwrap_or(&Duration::from_secs(10)));
    to.keepalives(true);
    to.keepalives_idle(from.get_keepalives_idle().min(Duration::from_secs(10)));
    to.keepalives_interval(from.get_keepalives_interval().unwrap_or(Duration::from_secs(3)));
    to.keepalives_retries(from.get_keepalives_retries().unwrap_or(3));
}

/// What every connection begins with.
fn setup(options: &PostgresOptions) -> String {
    let path = match &options.schema {
        Some(schema) => format!("SET search_path = {};", quoted(schema)),
        None => String::new(),
    };
    let synchronous = match options.durability {
        // Never less than the server itself would do.
        Durability::Power => {
            "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
             WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)"
        }
        Durability::Process => "SET synchronous_commit = off",
    };
    let (call, lock, idle) = (options.call_ms, options.lock_ms, options.idle_ms);
    // The keepalives are the server's: it lets go of the locks of a node that has lost its net.
    format!(
        "{path} SET statement_timeout = {call}; SET lock_timeout = {lock}; \
         SET idle_in_transaction_session_timeout = {idle}; SET default_transaction_isolation = 'read committed'; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3; \
         SET jit = off; SET standard_conforming_strings = on; {synchronous}"
    )
}

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl managed::Manager for Servers {
    type Type = ClientWrapper;
    type Error = Unreachable;

    async fn create(&self) -> Result<ClientWrapper, Unreachable> {
        self.connect().await
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> RecycleResult<Unreachable> {
        if client.is_closed() {
            return Err(RecycleError::message("the connection has ended"));
        }
        Ok(())
    }
}
