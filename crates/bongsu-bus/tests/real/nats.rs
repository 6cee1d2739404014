//! The bus over NATS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bongsu_bus::backplane::name;
use bongsu_bus::conformance::{self, Broker, Cluster, May};
use bongsu_bus::nats::{self, NatsFault, NatsSettings};
use bongsu_bus::{Bus, BusFault, Cut, Heard, Subject};
use bongsu_model::cluster::NodeRef;
use bongsu_model::{Limits, UserId};
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::server::{Server, address, unique};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

struct Nats {
    settings: NatsSettings,
}

impl Nats {
    fn at(address: &str) -> Self {
        let mut settings = NatsSettings::parse(address).expect("it is an address");
        settings.prefix = unique();
        Self { settings }
    }
}

#[async_trait]
impl Cluster for Nats {
    fn may(&self) -> May {
        May::default()
    }

    async fn node(&self, name: &str) -> Arc<dyn Bus> {
        Arc::new(
            nats::open(&self.settings, &node(name), &Limits::DEFAULT)
                .await
                .expect("the server takes nodes"),
        )
    }

    async fn shout(&self, subject: &Subject, bytes: Bytes) {
        let (host, port) = &self.settings.servers[0];
        let stranger = TcpStream::connect((host.as_str(), *port)).await;
        let mut stranger = BufReader::new(stranger.expect("the server takes connections"));
        let subject = name(&self.settings.prefix, subject);
        let line = format!("CONNECT {{}}\r\nPUB {subject} {}\r\n", bytes.len());
        let said = [line.as_bytes(), &bytes, b"\r\nPING\r\n"].concat();
        stranger.write_all(&said).await.expect("the server reads");
        let mut answer = String::new();
        while !answer.ends_with("PONG\r\n") {
            let count = stranger.read_line(&mut answer).await.expect("the server answers");
            assert!(count > 0, "the server has gone: {answer}");
        }
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
async fn nats_keeps_the_contract() {
    conformance::several(&Nats::at(&address("BONGSU_TEST_NATS"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_may_be_killed() {
    let mut server = Server::start("nats", &[]);
    let cluster = Nats::at(server.told("url"));
    conformance::killed(&cluster, &mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_may_be_stopped() {
    let mut server = Server::start("nats", &[]);
    let cluster = Nats::at(server.told("url"));
    conformance::stopped(&cluster, &mut server).await;
}

/// Opens a bus and looks that it is well: somebody else is reached over it.
async fn works(address: &str) {
    let settings = NatsSettings::parse(address).expect("it is an address");
    let bus = nats::open(&settings, &node("only"), &Limits::DEFAULT)
        .await
        .expect("the server takes nodes");
    conformance::alone(&bus).await;
}

async fn refusal(address: &str) -> NatsFault {
    let settings = NatsSettings::parse(address).expect("it is an address");
    match nats::open(&settings, &node("only"), &Limits::DEFAULT).await {
        Ok(_) => panic!("it was let in with {settings:?}"),
        Err(fault) => fault,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_password_is_let_in() {
    let server = Server::start("nats", &["--password"]);
    works(server.told("url")).await;
    let wrong = server.told("url").replace(server.told("password"), "wrong");
    assert!(matches!(refusal(&wrong).await, NatsFault::NotLetIn(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_token_is_let_in() {
    let server = Server::start("nats", &["--token"]);
    works(server.told("url")).await;
    let wrong = server.told("url").replace(server.told("token"), "wrong");
    assert!(matches!(refusal(&wrong).await, NatsFault::NotLetIn(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_with_whom_the_authority_names() {
    let server = Server::start("nats", &["--tls"]);
    let (url, ca) = (server.told("url"), server.told("ca"));
    works(url).await;
    // Its authority is none of the system's.
    let (unknown, _) = url.split_once('?').expect("it names its authority");
    let fault = refusal(unknown).await;
    assert!(
        matches!(fault, NatsFault::Unreachable(_) | NatsFault::Tls(_)),
        "{fault:?}"
    );
    // And a server without TLS is none to speak to.
    let plain = Server::start("nats", &[]);
    let fault = refusal(&format!("{}?ca={ca}", plain.told("url"))).await;
    assert!(
        matches!(fault, NatsFault::Unreachable(_) | NatsFault::Tls(_)),
        "{fault:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_server_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let (_old, _) = old_server(port);
    let fault = refusal(&format!("nats://127.0.0.1:{port}")).await;
    assert!(
        matches!(&fault, NatsFault::TooOld { found } if found == "2.9.25"),
        "{fault:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_older_is_not_used() {
    let mut server = Server::start("nats", &[]);
    let cluster = Nats::at(server.told("url"));
    let bus = cluster.node("only").await;
    let (_, port) = cluster.settings.servers[0];
    server.kill().await;
    let (old, mut met) = old_server(port);
    let tries = met.wait_for(|met| *met >= 6);
    timeout(PATIENCE, tries)
        .await
        .expect("it is tried again and again")
        .expect("the old server is there");
    assert_eq!(
        bus.publish(Heard::Cut(Cut::Banned(UserId(1)))).await,
        Err(BusFault::Unreachable)
    );
    old.abort();
    old.await.expect_err("it was ended");
    server.start().await;
    let again = async {
        while bus.publish(Heard::Cut(Cut::Banned(UserId(1)))).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("the new server is used");
}

#[tokio::test]
async fn nobody_there_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let fault = refusal(&format!("nats://127.0.0.1:{port}")).await;
    assert!(matches!(fault, NatsFault::Unreachable(_)), "{fault:?}");
}

/// One that says that it is of a version before the first that is spoken to, and answers; and how many connections it was
/// offered. They end with it.
fn old_server(port: u16) -> (JoinHandle<()>, watch::Receiver<usize>) {
    let (count, met) = watch::channel(0);
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.set_reuseaddr(true).expect("it can be used again");
    socket
        .bind(([127, 0, 0, 1], port).into())
        .expect("the port is free");
    let listener = socket.listen(16).expect("it is bound");
    let serves = async move {
        let mut clients = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            count.send_modify(|count| *count += 1);
            clients.spawn(grumble(socket));
        }
    };
    (tokio::spawn(serves), met)
}

async fn grumble(socket: TcpStream) {
    let mut socket = BufReader::new(socket);
    let info =
        b"INFO {\"server_id\":\"old\",\"version\":\"2.9.25\",\"max_payload\":1048576,\"headers\":true}\r\n";
    socket.write_all(info).await.ok();
    let mut line = String::new();
    while matches!(socket.read_line(&mut line).await, Ok(1..)) {
        if line.starts_with("PING") {
            socket.write_all(b"PONG\r\n").await.ok();
        }
        line.clear();
    }
}
