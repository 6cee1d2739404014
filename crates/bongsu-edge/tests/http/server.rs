//! A node with a store in memory behind the HTTP API, and callers of every role.
//!
//! Tokens of these tests say what they are: `subject/role` or `subject/role/jti`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use bongsu_bus::LocalBus;
use bongsu_edge::admission::Admission;
use bongsu_edge::auth::MemberToken;
use bongsu_edge::auth::api_key::ApiKeyForm;
use bongsu_edge::auth::{ApiKeySetting, ApiKeys, Secret};
use bongsu_edge::http::{self, Advertised, HttpParts, HttpService, SocketioOptions};
use bongsu_edge::meters::Meters;
use bongsu_model::media::IceServer;
use bongsu_model::{Code, Limits, Locale, Refusal, Role, Timestamp, TokenHash, UserId, UserRef};
use bongsu_node::ports::{AddressRange, Moderated};
use bongsu_node::{Chance, Claims, Clock, Counters, IceServers, Node, Policy, Ports, Reviewer, Tokens};
use bongsu_store::Memory;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Answer, Line, request};

pub(crate) const NOW: i64 = 1_767_268_800_000;
pub(crate) const KEY: &str = "a key of the shop, 24 bytes or more";

pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

struct TestChance(AtomicU64);

impl Chance for TestChance {
    fn bits(&self) -> u128 {
        // Odd factors scatter a counter over all bits, and give no number twice.
        let count = u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1;
        count.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

struct TestTokens;

impl Tokens for TestTokens {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let mut parts = token.split('/');
        let (Some(subject), Some(role)) = (parts.next(), parts.next().and_then(Role::parse)) else {
            return Err(Refusal::because(Code::InvalidToken, "malformed"));
        };
        Ok(Claims {
            subject: UserRef::parse(subject),
            role,
            nickname: Some(format!("nick of {subject}").into()),
            rooms: None,
            jti: parts.next().map(Into::into),
            expires_at: now.plus_ms(3_600_000),
            refused_from: now.plus_ms(3_630_000),
        })
    }

    fn member_token(&self, token: &str) -> Option<TokenHash> {
        MemberToken::parse(token).map(|token| token.hash())
    }
}

struct NoIce;

impl IceServers for NoIce {
    fn servers(&self, _: UserId, _: Timestamp) -> Vec<IceServer> {
        Vec::new()
    }
}

/// Lets pass what does not say otherwise.
struct TestReviewer;

#[async_trait]
impl Reviewer for TestReviewer {
    async fn may_pass(&self, _: UserId, _: &bongsu_model::RoomRef, content: &str) -> bool {
        content != "refuse me"
    }
}

/// A running server; ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<Memory>,
    pub(crate) service: HttpService,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

/// What a test wants otherwise.
pub(crate) struct Wanted {
    pub(crate) limits: Limits,
    pub(crate) cors_origins: Vec<Arc<str>>,
    pub(crate) manual_store: bool,
    pub(crate) hosts: Vec<Arc<str>>,
    pub(crate) advertise: Option<Advertised>,
    /// From where displays need no token.
    pub(crate) displays_from: Option<&'static str>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            limits: Limits::DEFAULT,
            cors_origins: Vec::new(),
            manual_store: false,
            hosts: Vec::new(),
            advertise: None,
            displays_from: Some("127.0.0.0/8"),
        }
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Wanted::default()).await
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::with(Wanted {
            limits,
            ..Wanted::default()
        })
        .await
    }

    pub(crate) async fn with(wanted: Wanted) -> Self {
        let limits = Arc::new(wanted.limits);
        let store = Arc::new(if wanted.manual_store {
            Memory::manual(7, bongsu_store::StoreLimits::default())
        } else {
            Memory::new(7)
        });
        let ports = Ports {
            store: Arc::clone(&store) as Arc<dyn bongsu_store::Store>,
            bus: Arc::new(LocalBus::new()),
            clock: Arc::new(TestClock(AtomicI64::new(NOW))),
            chance: Arc::new(TestChance(AtomicU64::new(0))),
            tokens: Arc::new(TestTokens),
            ice: Arc::new(NoIce),
            moderation: Moderated::plain(&limits),
            reviewer: Some(Arc::new(TestReviewer)),
            limits: Arc::clone(&limits),
            policy: Policy {
                display_ranges: wanted
                    .displays_from
                    .and_then(AddressRange::parse)
                    .into_iter()
                    .collect(),
                ..Policy::default()
            },
        };
        let node = Node::start("test-node".into(), ports, Arc::new(Counters::default()), 2);
        node.set_catalogue(crate::car::catalogue(&limits));
        let key = ApiKeySetting {
            name: "shop".into(),
            role: Role::Service,
            key: ApiKeyForm::Plain(Secret::new(KEY)),
        };
        let meters = Arc::new(Meters::new());
        meters.follow(&node.counters);
        let service = HttpService::new(HttpParts {
            node: Arc::clone(&node),
            api_keys: Arc::new(ApiKeys::new(&[key]).unwrap()),
            admission: Admission::new(&limits),
            meters: Arc::clone(&meters),
            version: "9.8.7",
            started_at: Timestamp(NOW - 1_000),
            locale: Locale::En,
            cors_origins: wanted.cors_origins,
            hosts: wanted.hosts,
            permessage_deflate: false,
            advertise: wanted.advertise,
            socketio: SocketioOptions::default(),
            device_congestion: bongsu_edge::device::Congestion::System,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        service.listens("http", address);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = http::serve(listener, service.clone(), async move {
            // Dropped is as good as sent: the test is over.
            let _ = stopped.await;
        });
        Self {
            address,
            node,
            store,
            service,
            stop: Some(stop),
            served: tokio::spawn(serving),
        }
    }

    /// Tells the accept loop to stop.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the accept loop and all its connections have ended.
    pub(crate) async fn stopped(self) {
        self.served.await.unwrap();
    }

    pub(crate) async fn line(&self) -> Line {
        Line::open(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> Option<Answer> {
        let mut line = self.line().await;
        line.send_anyway(bytes).await;
        line.read().await
    }

    /// Waits until so many writes wait in a store that is synced by hand.
    pub(crate) async fn writes_wait(&self, count: usize) {
        while self.store.unsynced() < count {
            tokio::task::yield_now().await;
        }
    }

    /// Lets the store make durable what it is given, until this is done.
    pub(crate) async fn synced<T>(&self, until: impl Future<Output = T>) -> T {
        let syncing = async {
            loop {
                self.store.sync();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = until => done,
            () = syncing => unreachable!("it has no end"),
        }
    }

    /// One call with a token, and a JSON body if there is one.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = format!("Bearer {token}");
        let body = body.map(|body| body.to_string());
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
        ];
        let bytes = request(
            method,
            path,
            &headers[..if body.is_some() { 2 } else { 1 }],
            body.as_deref().map(str::as_bytes),
        );
        let mut line = self.line().await;
        line.send(bytes).await;
        line.read_to(method).await.expect("an answer")
    }

    /// As a back end.
    pub(crate) async fn service(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call("back-end/service", method, path, body).await
    }

    /// As the user of that number.
    pub(crate) async fn user(&self, user: i64, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(&format!("{user}/user"), method, path, body).await
    }

    /// Makes users with these numbers.
    pub(crate) async fn users(&self, users: impl IntoIterator<Item = i64>) {
        for user in users {
            let body = serde_json::json!({ "user_id": user, "nickname": format!("user {user}") });
            self.service("POST", "/api/v1/users", Some(body)).await.is(201);
        }
    }

    /// Makes a room; its number.
    pub(crate) async fn room(&self, body: Value) -> i64 {
        self.service("POST", "/api/v1/rooms", Some(body)).await.is(201)["room_id"]
            .as_i64()
            .unwrap()
    }
}
