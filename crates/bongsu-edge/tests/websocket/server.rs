//! A node with a store in memory behind the HTTP listener, for clients that upgrade.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use bongsu_edge::auth::ApiKeys;
use bongsu_edge::http::{self, HttpParts, HttpService, SocketioOptions};
use bongsu_edge::meters::Meters;
use bongsu_model::{Limits, Locale, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};
pub(crate) use crate::world::{PATIENCE, World, until};

/// What a test wants otherwise.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) limits: Limits,
    pub(crate) origins: Vec<Arc<str>>,
    pub(crate) hosts: Vec<Arc<str>>,
    pub(crate) deflates: bool,
}

/// A running server; ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    world: World,
    meters: Arc<Meters>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Deref for Server {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Wanted::default()).await
    }

    /// Room 1 with users 1 to 3.
    pub(crate) async fn limited(limits: Limits) -> Self {
        Box::pin(Self::with(Wanted {
            limits,
            ..Wanted::default()
        }))
        .await
    }

    pub(crate) async fn with(wanted: Wanted) -> Self {
        let world = Box::pin(World::limited(wanted.limits)).await;
        let meters = Arc::new(Meters::new());
        let service = HttpService::new(HttpParts {
            node: Arc::clone(&world.node),
            api_keys: Arc::new(ApiKeys::new(&[]).unwrap()),
            admission: Arc::clone(&world.admission),
            meters: Arc::clone(&meters),
            version: "9.8.7",
            started_at: Timestamp(0),
            locale: Locale::En,
            cors_origins: wanted.origins,
            hosts: wanted.hosts,
            permessage_deflate: wanted.deflates,
            advertise: None,
            socketio: SocketioOptions::default(),
            device_congestion: bongsu_edge::device::Congestion::System,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = http::serve(listener, service, async move {
            // Dropped is as good as sent: the test is over.
            let _ = stopped.await;
        });
        Self {
            address,
            world,
            meters,
            stop: Some(stop),
            served: tokio::spawn(serving),
        }
    }

    /// A connection of the type protocol that has said nothing yet.
    pub(crate) async fn connect(&self) -> Client {
        let mut client = Client::open(self.address).await;
        client.upgrade("/ws", None).await;
        client
    }

    /// As [`Self::connect`], with so small a receive buffer that the server soon has to wait.
    pub(crate) async fn narrow(&self) -> Client {
        let mut client = Client::narrow(self.address).await;
        client.upgrade("/ws", None).await;
        client
    }

    /// A signed-in session.
    pub(crate) async fn session(&self, user: i64) -> Client {
        let mut client = self.connect().await;
        client.sign_in(user).await;
        client
    }

    /// A connection of the action protocol that has said nothing yet.
    pub(crate) async fn action(&self) -> Client {
        let mut client = Client::open(self.address).await;
        client.upgrade("/ws", Some("bongsu.action.v1")).await;
        client
    }

    /// A request on a connection of its own.
    pub(crate) async fn ask(&self, head: impl AsRef<[u8]>) -> Answer {
        let mut client = Client::open(self.address).await;
        client.raw(head).await;
        client.http().await
    }

    /// `/status`, asked on a connection of its own.
    pub(crate) async fn status(&self) -> Value {
        let answer = self.ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// The figure of one line of `/metrics`.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = self.meters.render();
        let value = text
            .lines()
            .find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
        let value: Option<f64> = value.and_then(|it| it.parse().ok());
        value.map(|value| value as u64).unwrap_or(0)
    }

    /// Tells the listener to stop.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the listener and all its connections have ended.
    pub(crate) async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .expect("the listener ends")
            .unwrap();
    }
}
