//! A node with a store in memory behind the HTTP listener, on a clock that tests move forward.
//!
//! Tokens of these tests say what they are: `subject/role`, or `subject/role/end in milliseconds of the clock`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bongsu_bus::LocalBus;
use bongsu_edge::admission::Admission;
use bongsu_edge::auth::{ApiKeys, MemberToken};
use bongsu_edge::clock::SystemClock;
use bongsu_edge::device::Congestion;
use bongsu_edge::http::{self, HttpParts, HttpService, SocketioOptions};
use bongsu_edge::meters::Meters;
use bongsu_model::device::Object;
use bongsu_model::media::IceServer;
use bongsu_model::{Code, DeviceId, Limits, Locale, Refusal, Role, Timestamp, TokenHash, UserId, UserRef};
use bongsu_node::devices::catalogue::Catalogue;
use bongsu_node::devices::{Ran, RunCommand, Wait, WaitFor};
use bongsu_node::ports::Moderated;
use bongsu_node::usecases::operate::Operator;
use bongsu_node::{Chance, Claims, Clock, Counters, IceServers, Node, Policy, Ports, Tokens};
use bongsu_store::{Memory, Store};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far longer than anything takes: who waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The real time, and what tests put on top.
#[derive(Default)]
pub(crate) struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }
}

struct CountedChance(AtomicU64);

impl Chance for CountedChance {
    fn bits(&self) -> u128 {
        // An odd factor scatters a counter over all bits, and gives no number twice.
        let count = u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1;
        count.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

struct PlainTokens;

impl Tokens for PlainTokens {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let mut parts = token.split('/');
        let (Some(subject), Some(role)) = (parts.next(), parts.next().and_then(Role::parse)) else {
            return Err(Refusal::because(Code::InvalidToken, "malformed"));
        };
        let end = parts.next().and_then(|end| end.parse().ok());
        let end = end.map_or(now.plus_ms(36_000_000), Timestamp);
        if end <= now {
            return Err(Refusal::because(Code::InvalidToken, "expired"));
        }
        Ok(Claims {
            subject: UserRef::parse(subject),
            role,
            nickname: None,
            rooms: None,
            jti: None,
            expires_at: end,
            refused_from: end,
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

/// A running server; ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) node: Arc<Node>,
    pub(crate) clock: Arc<MovedClock>,
    admission: Arc<Admission>,
    meters: Arc<Meters>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::limited(Limits::default()).await
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        let limits = Arc::new(limits);
        let clock = Arc::new(MovedClock::default());
        let ports = Ports {
            store: Arc::new(Memory::new(7)) as Arc<dyn Store>,
            bus: Arc::new(LocalBus::new()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            chance: Arc::new(CountedChance(AtomicU64::new(0))),
            tokens: Arc::new(PlainTokens),
            ice: Arc::new(NoIce),
            moderation: Moderated::plain(&limits),
            reviewer: None,
            limits: Arc::clone(&limits),
            policy: Policy::default(),
        };
        let node = Node::start("test-node".into(), ports, Arc::new(Counters::default()), 2);
        node.set_catalogue(Catalogue::new(Vec::new(), true, &limits).unwrap());
        let admission = Admission::new(&limits);
        let meters = Arc::new(Meters::new());
        meters.follow(&node.counters);
        let service = HttpService::new(HttpParts {
            node: Arc::clone(&node),
            api_keys: Arc::new(ApiKeys::new(&[]).unwrap()),
            admission: Arc::clone(&admission),
            meters: Arc::clone(&meters),
            version: "9.8.7",
            started_at: Timestamp(0),
            locale: Locale::En,
            cors_origins: vec!["https://allowed.example".into()],
            hosts: Vec::new(),
            permessage_deflate: true,
            advertise: None,
            socketio: SocketioOptions::default(),
            device_congestion: Congestion::Bbr,
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
            node,
            clock,
            admission,
            meters,
            stop: Some(stop),
            served: tokio::spawn(serving),
        }
    }

    /// Lets time pass.
    pub(crate) fn pass_ms(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn operator() -> Operator {
        Operator::api_key("ops".into(), Role::Admin)
    }

    /// Has a device do something, and waits until it has.
    pub(crate) async fn run(
        &self,
        device: &str,
        name: &str,
        ttl_ms: u64,
        until: WaitFor,
    ) -> Result<Ran, Refusal> {
        let run = RunCommand {
            device: DeviceId::parse(device).unwrap(),
            name: name.into(),
            args: Object::from([("position".into(), "open".into())]),
            ttl_ms: Some(ttl_ms),
            key: None,
            if_offline: None,
            fence: None,
            from: None,
        };
        let wait = Wait {
            until,
            timeout_ms: Some(20_000),
        };
        self.node.run_command(&Self::operator(), run, wait).await
    }

    /// Whether a device has a session here.
    pub(crate) fn is_online(&self, device: &str) -> bool {
        self.node
            .device_session(&DeviceId::parse(device).unwrap())
            .is_some()
    }

    /// An answer of HTTP, as its status and what it says.
    pub(crate) async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: bongsu.test\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer))
            .await
            .expect("an answer in time")
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
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

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        let look = async {
            while !holds(self) {
                looks.tick().await;
            }
        };
        let held = tokio::time::timeout(PATIENCE, look).await;
        assert!(held.is_ok(), "never: {what}");
    }

    /// Waits until nobody is connected and nothing is kept of those who were.
    pub(crate) async fn until_empty(&self) {
        self.until("all devices and connections are gone", |it| {
            it.node.devices_count() == 0
                && it.admission.counts().0 == 0
                && it.metric(r#"bongsu_connections{protocol="device"}"#) == 0
        })
        .await;
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
