//! A server for the official protocol suites: echoes of Socket.IO at `/socket.io/` and of Engine.IO at `/engine.io/`,
//! carried by the product's own code.
//!
//! Listens on port 3000, or on the port that is named. Prints its address, and ends when its standard input does.

#![allow(clippy::print_stdout, reason = "whoever starts it reads the address")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bongsu_bus::LocalBus;
use bongsu_edge::admission::Admission;
use bongsu_edge::auth::ApiKeys;
use bongsu_edge::clock::{SystemChance, SystemClock};
use bongsu_edge::engine::{Meet, Partner, Says};
use bongsu_edge::http::{self, HttpParts, HttpService, SocketioOptions};
use bongsu_edge::meters::Meters;
use bongsu_model::media::IceServer;
use bongsu_model::{Code, Fatal, Incoming, Limits, Locale, Refusal, Slot, Timestamp, TokenHash, UserId};
use bongsu_node::ports::Moderated;
use bongsu_node::{Claims, Clock, Counters, IceServers, Node, Policy, Ports, Tokens};
use bongsu_store::Memory;
use bongsu_wire::incoming::Rules;
use bongsu_wire::socketio::connection::{
    Acknowledged, Application, Auth, Connecting, Connection, Event, Welcome,
};
use bongsu_wire::socketio::engine::{self, Heard, Version};
use bongsu_wire::socketio::packet;

/// What the suites ask for, and no deadline that they do not know of.
const LIMITS: Limits = Limits {
    engine_ping_interval_ms: 300,
    engine_ping_timeout_ms: 200,
    frame_bytes_max: 1_000_000,
    mailbox_bytes_max: 8_000_000,
    mailbox_control_bytes_max: 4_000_000,
    sign_in_ms: 3_600_000,
    ..Limits::DEFAULT
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", port)))?;
    println!("{}", listener.local_addr()?);
    runtime.spawn(async move {
        let service = service();
        http::serve(listener, service, std::future::pending()).await;
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    runtime.shutdown_background();
    Ok(())
}

fn service() -> HttpService {
    let limits = Arc::new(LIMITS);
    let ports = Ports {
        store: Arc::new(Memory::new(0)),
        bus: Arc::new(LocalBus::new()),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        tokens: Arc::new(Nobody),
        ice: Arc::new(Nobody),
        moderation: Moderated::plain(&limits),
        reviewer: None,
        limits: Arc::clone(&limits),
        policy: Policy::default(),
    };
    let parts = HttpParts {
        node: Node::start("suite".into(), ports, Arc::new(Counters::default()), 1),
        api_keys: Arc::new(ApiKeys::new(&[]).expect("no key is wrong with none")),
        admission: Admission::new(&limits),
        meters: Arc::new(Meters::new()),
        version: env!("CARGO_PKG_VERSION"),
        started_at: SystemClock.now(),
        locale: Locale::En,
        cors_origins: vec!["*".into()],
        hosts: Vec::new(),
        permessage_deflate: false,
        advertise: None,
        socketio: SocketioOptions::default(),
        device_congestion: bongsu_edge::device::Congestion::System,
    };
    let events: Meet = Arc::new(|arrived| {
        let echo = Echo {
            version: arrived.version,
            says: arrived.says,
        };
        let connection = Connection::new(arrived.version, arrived.public_id, arrived.token, echo);
        Box::new(Events(connection))
    });
    let messages: Meet = Arc::new(|arrived| Box::new(Messages(arrived.version)));
    let partners = vec![("/socket.io/".into(), events), ("/engine.io/".into(), messages)];
    HttpService::speaking(parts, partners)
}

/// Who knows no token and no relay: nobody signs in here.
struct Nobody;

impl Tokens for Nobody {
    fn member_token(&self, _: &str) -> Option<TokenHash> {
        None
    }

    fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, Refusal> {
        Err(Refusal::because(Code::InvalidToken, "malformed"))
    }
}

impl IceServers for Nobody {
    fn servers(&self, _: UserId, _: Timestamp) -> Vec<IceServer> {
        Vec::new()
    }
}

/// Says every message back.
struct Messages(Version);

impl Partner for Messages {
    fn opened(&mut self, _: &Rules<'_>, _: &mut Vec<Incoming>) {}

    fn hear(&mut self, heard: Heard<'_>, _: &Rules<'_>, out: &mut Vec<Incoming>) -> Result<(), Fatal> {
        let frame = match heard {
            Heard::Text(text) => engine::message_text(text),
            Heard::Binary(bytes) => engine::message_binary(self.0, &bytes),
            Heard::Open | Heard::Close | Heard::Ping(_) | Heard::Pong(_) | Heard::Upgrade | Heard::Noop => {
                return Ok(());
            }
        };
        out.push(Incoming::Echo(frame));
        Ok(())
    }

    fn in_frame(&self) -> bool {
        false
    }

    fn settled(&mut self, _: bool, _: bool) {}

    fn slot(&self) -> Slot {
        Slot::SocketioChat
    }
}

/// Says every event back.
struct Events(Connection<Echo>);

impl Partner for Events {
    fn opened(&mut self, rules: &Rules<'_>, out: &mut Vec<Incoming>) {
        self.0.opened(rules, out);
    }

    fn hear(&mut self, heard: Heard<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Result<(), Fatal> {
        self.0.hear(heard, rules, out)
    }

    fn in_frame(&self) -> bool {
        self.0.in_frame()
    }

    fn settled(&mut self, _: bool, _: bool) {}

    fn slot(&self) -> Slot {
        Slot::SocketioChat
    }
}

struct Echo {
    version: Version,
    says: Says,
}

/// Clients of the suites may lose the second of two frames that they read in one go, so the first has a moment for itself.
const MOMENT: Duration = Duration::from_millis(20);

impl Application for Echo {
    const NAMESPACES: &'static [&'static str] = &["/", "/custom"];
    const KEEPS_ATTACHMENTS: bool = true;

    fn connect(&mut self, asked: Connecting<'_>, _: &Rules<'_>, out: &mut Vec<Incoming>) -> Welcome {
        let auth = match asked.auth {
            Auth::Object(auth) => auth,
            Auth::No | Auth::Query(_) => "{}",
        };
        out.push(Incoming::Echo(asked.accepted()));
        let event = packet::event(asked.namespace, None, 0, "auth", &[auth]);
        let says = self.says.clone();
        tokio::spawn(async move {
            tokio::time::sleep(MOMENT).await;
            // Whoever has gone meanwhile is told nothing.
            let _ = says.say(&event);
        });
        Welcome::Connected
    }

    fn event(&mut self, event: Event<'_>, _: &Rules<'_>, out: &mut Vec<Incoming>) {
        let arguments = event.packet.arguments(usize::MAX).unwrap_or_default();
        let attachments = event.kept.len();
        let frame = match (event.name, event.ack) {
            ("message", _) => packet::event(event.namespace, None, attachments, "message-back", &arguments),
            ("message-with-ack", Some(id)) => packet::ack(event.namespace, id, attachments, &arguments),
            (_, _) => return,
        };
        out.push(Incoming::Echo(frame));
        for bytes in event.kept {
            out.push(Incoming::Echo(engine::message_binary(self.version, bytes)));
        }
    }

    fn acknowledged(&mut self, _: Acknowledged<'_>, _: &Rules<'_>, _: &mut Vec<Incoming>) {}

    fn disconnect(&mut self, _: &'static str, _: &mut Vec<Incoming>) {}
}
