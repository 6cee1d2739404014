//! Connections to a Redis server: how they are made, and to which one.
//!
//! Invariant: nothing here takes longer than [`CONNECT`] for each server, and what was begun and not finished is gone.

use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::fault::{RedisFault, is_fit};
use super::settings::RedisSettings;
use super::tls;

/// How long it may take to make one connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// A connection, which ends when this is dropped.
pub(super) struct Wire {
    pub(super) commands: MultiplexedConnection,
    driver: AbortHandle,
}

impl Wire {
    /// Ends it, and with it every wait for an answer.
    pub(super) fn end(&self) {
        self.driver.abort();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.end();
    }
}

/// What becomes of a connection while it is used.
pub(super) trait Watcher: Clone + Send + Sync + 'static {
    /// The server sent something that is no answer. Must not wait.
    fn pushed(&self, what: PushInfo);

    /// The connection has ended.
    fn ended(&self);
}

/// Makes two connections to the first server that answers and is fit: one that speaks, and one that hears.
///
/// # Errors
/// What is wrong with the last that was tried.
pub(super) async fn connect(
    settings: &RedisSettings,
    name: &str,
    watcher: &impl Watcher,
) -> Result<(Wire, Wire), RedisFault> {
    let mut outcome = Err(RedisFault::Silent);
    for server in &settings.servers {
        outcome = async {
            let speaker = Box::pin(wire(settings, server, &format!("{name}.speaker"), watcher)).await?;
            let hearer = Box::pin(wire(settings, server, &format!("{name}.hearer"), watcher)).await?;
            Ok((speaker, hearer))
        }
        .await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

async fn wire(
    settings: &RedisSettings,
    server: &(String, u16),
    name: &str,
    watcher: &impl Watcher,
) -> Result<Wire, RedisFault> {
    timeout(CONNECT, async {
        let (host, port) = server;
        let socket = TcpStream::connect((host.as_str(), *port))
            .await
            .map_err(RedisFault::Unreachable)?;
        socket.set_nodelay(true).map_err(RedisFault::Unreachable)?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(ANSWER))
            .set_push_sender(pushes(watcher.clone()));
        let who = who(settings);
        let wire = if let Some(tls) = &settings.tls {
            let socket = tls::agree(tls, host, socket).await?;
            let (commands, driver) = MultiplexedConnection::new_with_config(&who, socket, config).await?;
            drive(commands, driver, watcher.clone())
        } else {
            let (commands, driver) = MultiplexedConnection::new_with_config(&who, socket, config).await?;
            drive(commands, driver, watcher.clone())
        };
        greet(&wire, name).await?;
        Ok(wire)
    })
    .await
    .unwrap_or(Err(RedisFault::Silent))
}

fn drive(
    commands: MultiplexedConnection,
    driver: impl Future<Output = ()> + Send + 'static,
    watcher: impl Watcher,
) -> Wire {
    let driver = tokio::spawn(async move {
        driver.await;
        watcher.ended();
    });
    Wire {
        commands,
        driver: driver.abort_handle(),
    }
}

fn pushes(watcher: impl Watcher) -> impl AsyncPushSender {
    move |what| {
        watcher.pushed(what);
        Ok::<_, std::convert::Infallible>(())
    }
}

fn who(settings: &RedisSettings) -> RedisConnectionInfo {
    let mut who = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name();
    if let Some(login) = &settings.login {
        if let Some(user) = &login.user {
            who = who.set_username(user.reveal());
        }
        who = who.set_password(login.password.reveal());
    }
    who
}

/// Looks whom it is that was reached, and says who is speaking.
async fn greet(wire: &Wire, name: &str) -> Result<(), RedisFault> {
    let mut commands = wire.commands.clone();
    let (server, replication): (String, String) = redis::pipe()
        .cmd("INFO")
        .arg("server")
        .cmd("INFO")
        .arg("replication")
        .query_async(&mut commands)
        .await?;
    is_fit(&format!("{server}\n{replication}"))?;
    // For whoever looks at the server; one who may not say so may do all else.
    let named: redis::RedisResult<()> = redis::cmd("CLIENT")
        .arg("SETNAME")
        .arg(name)
        .query_async(&mut commands)
        .await;
    match named {
        Err(why) if why.is_unrecoverable_error() || why.is_timeout() => Err(why.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
