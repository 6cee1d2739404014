//! The bus over Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bongsu_bus::backplane::name;
use bongsu_bus::conformance::{self, Cluster, May};
use bongsu_bus::redis::{self as over, RedisFault, RedisSettings};
use bongsu_bus::{Bus, BusFault, Cut, Ear, Heard, Reach, Subject};
use bongsu_model::cluster::NodeRef;
use bongsu_model::{Limits, UserId};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::server::{Server, address, unique};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

struct Redis {
    settings: RedisSettings,
    stranger: redis::aio::MultiplexedConnection,
}

impl Redis {
    async fn at(address: &str) -> Self {
        let mut settings = RedisSettings::parse(address).expect("it is an address");
        settings.prefix = unique();
        Self {
            stranger: stranger(address).await,
            settings,
        }
    }
}

/// A connection of somebody who is no node.
async fn stranger(address: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(address)
        .expect("it is an address")
        .get_multiplexed_async_connection()
        .await
        .expect("the server takes connections")
}

async fn tell(stranger: &redis::aio::MultiplexedConnection, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command
        .exec_async(&mut stranger.clone())
        .await
        .expect("the server does so");
}

#[async_trait]
impl Cluster for Redis {
    fn may(&self) -> May {
        May::default()
    }

    async fn node(&self, name: &str) -> Arc<dyn Bus> {
        Arc::new(
            over::open(&self.settings, &node(name), &Limits::DEFAULT)
                .await
                .expect("the server takes nodes"),
        )
    }

    async fn shout(&self, subject: &Subject, bytes: Bytes) {
        redis::cmd("PUBLISH")
            .arg(name(&self.settings.prefix, subject))
            .arg(&*bytes)
            .exec_async(&mut self.stranger.clone())
            .await
            .expect("the server is there");
    }
}

fn node(name: &str) -> NodeRef {
    let boot = uuid::Uuid::new_v4().as_u64_pair().0;
    NodeRef {
        id: name.into(),
        boot,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_the_contract() {
    conformance::several(&Redis::at(&address("BONGSU_TEST_REDIS")).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_killed() {
    let mut server = Server::start("redis", &[]);
    let cluster = Redis::at(server.told("url")).await;
    conformance::killed(&cluster, &mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_stopped() {
    let mut server = Server::start("redis", &[]);
    let cluster = Redis::at(server.told("url")).await;
    conformance::stopped(&cluster, &mut server).await;
}

/// Opens a bus and looks that it is well.
async fn works(address: &str) {
    let settings = RedisSettings::parse(address).expect("it is an address");
    let bus = over::open(&settings, &node("only"), &Limits::DEFAULT)
        .await
        .expect("the server takes nodes");
    conformance::alone(&bus).await;
}

async fn refusal(address: &str) -> RedisFault {
    let settings = RedisSettings::parse(address).expect("it is an address");
    match over::open(&settings, &node("only"), &Limits::DEFAULT).await {
        Ok(_) => panic!("it was let in with {settings:?}"),
        Err(fault) => fault,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_password_is_let_in() {
    let server = Server::start("redis", &["--password"]);
    let (url, password) = (server.told("url"), server.told("password"));
    works(url).await;
    let fault = refusal(&url.replace(password, "wrong")).await;
    assert!(matches!(fault, RedisFault::NotLetIn(_)), "{fault:?}");
    let (_, host) = url.split_once('@').expect("it names who it is");
    let fault = refusal(&format!("redis://{host}")).await;
    assert!(matches!(fault, RedisFault::NotLetIn(_)), "{fault:?}");

    // A user who may do what docs/operations/redis.md says that nodes need, and nothing else.
    let stranger = stranger(url).await;
    let may =
        "ACL SETUSER node on >geheim resetchannels &theirs.* -@all +publish +subscribe +unsubscribe +info";
    tell(&stranger, &may.split(' ').collect::<Vec<_>>()).await;
    works(&format!("redis://node:geheim@{host}?prefix=theirs")).await;
    let fault = refusal(&format!("redis://node:geheim@{host}?prefix=others")).await;
    assert!(matches!(fault, RedisFault::NotLetIn(_)), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_with_whom_the_authority_names() {
    let server = Server::start("redis", &["--tls", "--password"]);
    let (url, ca) = (server.told("url"), server.told("ca"));
    works(url).await;
    // Its authority is none of the system's.
    let (unknown, _) = url.split_once('?').expect("it names its authority");
    let fault = refusal(unknown).await;
    assert!(
        matches!(fault, RedisFault::Tls(_) | RedisFault::NoAuthority),
        "{fault:?}"
    );
    // And a server without TLS is none to speak to.
    let plain = Server::start("redis", &[]);
    let fault = refusal(&format!(
        "{}?ca={ca}",
        plain.told("url").replace("redis://", "rediss://")
    ))
    .await;
    assert!(
        matches!(fault, RedisFault::Tls(_) | RedisFault::Silent),
        "{fault:?}"
    );
    let fault = refusal("rediss://127.0.0.1:1?ca=/nowhere.pem").await;
    assert!(matches!(fault, RedisFault::Unreachable(_)), "{fault:?}");
    let fault = refusal(&url.replace(ca, "/nowhere.pem")).await;
    assert!(matches!(fault, RedisFault::File { .. }), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_server_is_refused() {
    let port = old_server().await;
    let fault = refusal(&format!("redis://127.0.0.1:{port}")).await;
    assert!(
        matches!(&fault, RedisFault::TooOld { found } if found == "6.0.16"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let fault = refusal(&format!("redis://127.0.0.1:{port}")).await;
    assert!(matches!(fault, RedisFault::Unreachable(_)), "{fault:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let fault = refusal(&format!("redis://127.0.0.1:{port}")).await;
    assert!(matches!(fault, RedisFault::Silent), "{fault:?}");
}

/// An ear that counts how often it may have missed something.
#[derive(Default)]
struct Missed {
    times: Notify,
}

#[async_trait]
impl Ear for Missed {
    async fn hear(&self, _: Heard) {}

    async fn missed(&self) {
        self.times.notify_one();
    }
}

fn missed(bus: &dyn Bus) -> Arc<Missed> {
    let missed = Arc::new(Missed::default());
    let ear: Arc<dyn Ear> = missed.clone();
    bus.listen(Arc::downgrade(&ear));
    missed
}

const WORD: Heard = Heard::Cut(Cut::Banned(UserId(1)));

/// As the server does with one who does not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_cut_off_knows() {
    let server = Server::start("redis", &[]);
    let cluster = Redis::at(server.told("url")).await;
    let bus = cluster.node("only").await;
    let other = cluster.node("other").await;
    let (missed, others) = (missed(&*bus), missed(&*other));
    for kind in ["pubsub", "normal"] {
        tell(
            &cluster.stranger,
            &["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"],
        )
        .await;
        for missed in [&missed, &others] {
            timeout(PATIENCE, missed.times.notified())
                .await
                .expect("it knows that it may have missed something");
        }
    }
    // All is as it was.
    let reach = timeout(PATIENCE, async {
        while bus.reach(WORD).await != Ok(Reach::Somebody) {
            tokio::task::yield_now().await;
        }
    });
    other.want(Subject::User(UserId(1)), true);
    reach.await.expect("the other is reached");
}

/// Nodes go where the primary is, and do not speak where it is not heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_left() {
    let (one, two) = (Server::start("redis", &[]), Server::start("redis", &[]));
    let place = |server: &Server| server.told("url").replace("redis://", "");
    let (first, second) = (place(&one), place(&two));
    let follows = async |of: &str, whom: &str| {
        let (host, port) = whom.split_once(':').expect("it has a port");
        tell(
            &stranger(&format!("redis://{of}")).await,
            &["REPLICAOF", host, port],
        )
        .await;
    };
    follows(&second, &first).await;
    let fault = refusal(&format!("redis://{second}")).await;
    assert!(matches!(fault, RedisFault::Replica), "{fault:?}");

    let settings = RedisSettings::parse(&format!("redis://{second},{first}")).expect("it is an address");
    let bus = over::open(&settings, &node("only"), &Limits::DEFAULT)
        .await
        .expect("the second is the primary");
    let missed = missed(&bus);
    // They change places.
    tell(
        &stranger(&format!("redis://{second}")).await,
        &["REPLICAOF", "NO", "ONE"],
    )
    .await;
    follows(&first, &second).await;
    timeout(PATIENCE, missed.times.notified())
        .await
        .expect("the node goes to the other");
    let there = stranger(&format!("redis://{second}")).await;
    let channels: Vec<String> = redis::cmd("PUBSUB")
        .arg("CHANNELS")
        .query_async(&mut there.clone())
        .await
        .expect("the server says");
    assert_eq!(channels, ["bongsu.node.only"]);
    // And with no primary left it says so.
    drop(one);
    follows(&second, "127.0.0.1:1").await;
    let refused = async {
        while bus.publish(WORD).await != Err(BusFault::Unreachable) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused)
        .await
        .expect("nothing is said to a replica");
}

/// One that says that it is of a version before the first that is spoken to.
async fn old_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 1_024];
                while let Ok(count @ 1..) = socket.read(&mut bytes).await {
                    let asked = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    let mut answer = "%0\r\n".repeat(asked.matches("HELLO").count());
                    answer += &"$20\r\nredis_version:6.0.16\r\n".repeat(asked.matches("INFO").count());
                    socket.write_all(answer.as_bytes()).await.ok();
                }
            });
        }
    });
    port
}
