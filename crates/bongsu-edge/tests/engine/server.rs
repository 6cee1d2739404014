//! A node with a store in memory behind the HTTP listener, with the chat on Socket.IO.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use bongsu_edge::auth::api_key::ApiKeyForm;
use bongsu_edge::auth::{ApiKeySetting, ApiKeys, Secret};
use bongsu_edge::http::{self, Advertised, HttpParts, HttpService, SocketioOptions};
use bongsu_edge::meters::Meters;
use bongsu_model::{Limits, Locale, Role, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Http, Polled, Socket, Version};
pub(crate) use crate::world::{PATIENCE, World};

/// What a test wants otherwise.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) limits: Limits,
    pub(crate) origins: Vec<Arc<str>>,
    pub(crate) sticky_cookie: Option<Arc<str>>,
    pub(crate) advertise: Option<Advertised>,
    /// Requests for sessions of other nodes are not carried there.
    pub(crate) keeps_requests: bool,
}

/// An operator's key.
pub(crate) const KEY: &str = "a key of the operators, 24 bytes or more";

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

    pub(crate) async fn limited(limits: Limits) -> Self {
        Box::pin(Self::with(Wanted {
            limits,
            ..Wanted::default()
        }))
        .await
    }

    /// Room 1 with users 1 to 3.
    pub(crate) async fn with(wanted: Wanted) -> Self {
        let world = Box::pin(World::limited(wanted.limits.clone())).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(world, listener, wanted)
    }

    /// In front of this world.
    pub(crate) fn on(world: World, listener: TcpListener, wanted: Wanted) -> Self {
        let key = ApiKeySetting {
            name: "ops".into(),
            role: Role::Admin,
            key: ApiKeyForm::Plain(Secret::new(KEY)),
        };
        let address = listener.local_addr().unwrap();
        let meters = Arc::new(Meters::new());
        let service = HttpService::new(HttpParts {
            node: Arc::clone(&world.node),
            api_keys: Arc::new(ApiKeys::new(&[key]).unwrap()),
            admission: Arc::clone(&world.admission),
            meters: Arc::clone(&meters),
            version: "9.8.7",
            started_at: Timestamp(0),
            locale: Locale::En,
            cors_origins: wanted.origins,
            hosts: Vec::new(),
            permessage_deflate: false,
            advertise: wanted.advertise,
            socketio: SocketioOptions {
                sticky_cookie: wanted.sticky_cookie,
                forward: !wanted.keeps_requests,
                ..SocketioOptions::default()
            },
            device_congestion: bongsu_edge::device::Congestion::System,
        });
        service.listens("http", address);
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

    /// A connection of HTTP.
    pub(crate) async fn http(&self) -> Http {
        Http::open(self.address).await
    }

    /// A session that is polled for, connected to nothing.
    pub(crate) async fn polled(&self, version: Version) -> Polled {
        Polled::open(self.address, version, "").await
    }

    /// A session that is polled for, signed in.
    pub(crate) async fn session(&self, version: Version, user: i64) -> Polled {
        let mut polled = self.polled(version).await;
        polled.sign_in(user).await;
        polled
    }

    /// A session that began on a WebSocket, of which nothing was read.
    pub(crate) async fn socket(&self, version: Version) -> Socket {
        let target = format!("/socket.io/?EIO={}&transport=websocket", version.number());
        Socket::open(self.address, &target).await
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
