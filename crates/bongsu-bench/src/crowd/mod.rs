//! The simulated users: one thread, one epoll, as little work per delivery as counting needs.
//!
//! Invariant: a connection that fails or is refused fails the run; no figure ever rests on fewer users than asked for.

mod conn;
mod poll;
mod polls;
mod streams;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use conn::Conn;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::clock;
use crate::dialect::Carrier;
use crate::dialect::frames::Frames;
use crate::error::{BenchError, Tried};
use crate::histogram::Histogram;
use crate::options::{Options, Protocol};

pub(crate) use poll::wait;

/// One delivery in so many connections is timed.
const SAMPLE_EVERY: usize = 16;

/// Notices when nothing arrives any more.
pub(crate) struct Watch {
    patience_s: f64,
    arrived: u64,
    at: u64,
}

impl Watch {
    /// Starts to wait, at most `patience_s` from one arrival to the next.
    pub(crate) fn new(patience_s: f64) -> Self {
        Self {
            patience_s,
            arrived: 0,
            at: clock::now_ns(),
        }
    }

    /// Hears that `arrived` of `due` are there.
    ///
    /// # Errors
    /// `Stalled` if something is due and the number has not changed for too long.
    pub(crate) fn look(&mut self, arrived: u64, due: u64, what: &'static str) -> Result<(), BenchError> {
        let now = clock::now_ns();
        if arrived != self.arrived || arrived == due {
            (self.arrived, self.at) = (arrived, now);
        } else if now - self.at > clock::span_ns(self.patience_s) {
            return Err(BenchError::Stalled {
                seconds: self.patience_s,
                arrived,
                due,
                what,
            });
        }
        Ok(())
    }
}

/// A user to be.
pub(crate) struct Guest {
    pub(crate) user: i64,
    pub(crate) token: String,
    pub(crate) room: Option<i64>,
}

/// What stands for an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// A mark: one delivery of a stamped message.
    Marks,
    /// The end of any message: where nothing but answers is heard.
    Messages,
}

/// What is counted on connections that are ready.
pub(crate) struct Counts {
    /// What stands for an arrival.
    pub(crate) counted: Counted,
    /// How many there were.
    pub(crate) arrived: u64,
    /// From stamp to arrival on sampled connections, or from request to reply when replies are kept.
    pub(crate) latency: Histogram,
    /// Connections that got a reply since the last look, if they are asked for.
    pub(crate) replies: Option<Vec<usize>>,
    /// What the first connection heard, if it is asked for.
    pub(crate) captured: Option<Vec<u8>>,
}

/// Which connection something happened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// A user's own, by its place.
    User(usize),
    /// A second one of a user who polls.
    Outlet(usize),
}

impl Lane {
    const OUTLET: u64 = 1 << 63;

    fn token(self) -> EventData {
        EventData::new_u64(match self {
            Self::User(at) => at as u64,
            Self::Outlet(at) => at as u64 | Self::OUTLET,
        })
    }

    fn of(token: u64) -> Self {
        if token & Self::OUTLET == 0 {
            Self::User(token as usize)
        } else {
            Self::Outlet((token & !Self::OUTLET) as usize)
        }
    }
}

/// All connections of one run.
pub(crate) struct Crowd {
    epoll: OwnedFd,
    protocol: Protocol,
    server: SocketAddr,
    per_address: usize,
    /// Nothing new for this long means that nothing will come.
    pub(crate) patience_s: f64,
    conns: Vec<Conn>,
    /// Second connections of those who poll, for what they say while a poll waits.
    outlets: Vec<Conn>,
    ready: usize,
    read: Vec<u8>,
    events: Vec<epoll::Event>,
    pub(crate) counts: Counts,
    /// From dialing to ready.
    pub(crate) handshakes: Histogram,
}

impl Crowd {
    /// Nobody yet; `options` say how many may come from one address and how long to wait for an answer.
    pub(crate) fn new(server: SocketAddr, options: &Options) -> Result<Self, BenchError> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC).tried("making an epoll")?,
            protocol: options.protocol,
            server,
            per_address: options.connections_per_address.max(1),
            patience_s: options.patience_seconds,
            conns: Vec::new(),
            outlets: Vec::new(),
            ready: 0,
            read: vec![0; 256 * 1024],
            events: Vec::with_capacity(1024),
            counts: Counts {
                counted: Counted::Marks,
                arrived: 0,
                latency: Histogram::new(),
                replies: None,
                captured: None,
            },
            handshakes: Histogram::new(),
        })
    }

    /// Connections that are ready.
    pub(crate) fn len(&self) -> usize {
        self.conns.len()
    }

    /// Connects `guests`, never more than `at_once` of them at a time, until all are ready. `each` hears how many are.
    ///
    /// # Errors
    /// `Refused` with the first refusal, `Stalled` if the server falls silent.
    pub(crate) fn admit(
        &mut self,
        guests: Vec<Guest>,
        at_once: usize,
        mut each: impl FnMut(usize),
    ) -> Result<(), BenchError> {
        let already = self.conns.len();
        let due = already + guests.len();
        let mut guests = guests.into_iter();
        let mut watch = Watch::new(self.patience_s);
        while self.ready < due {
            while self.conns.len() < due && self.conns.len() - self.ready < at_once {
                let Some(guest) = guests.next() else { break };
                self.dial(guest)?;
            }
            self.poll(100_000_000)?;
            watch.look(self.ready as u64, due as u64, "sessions")?;
            each(self.ready - already);
        }
        Ok(())
    }

    /// Looks for refusals on the connection `at` from now on.
    pub(crate) fn watch(&mut self, at: usize) {
        self.conns[at].watched = true;
    }

    /// Writes one request on the connection `at`.
    pub(crate) fn send(&mut self, at: usize, request: &[u8], now: u64) -> Result<(), BenchError> {
        let conn = &mut self.conns[at];
        conn.sent_at = now;
        if conn.polls.is_some() {
            return self.post(at, request);
        }
        conn.send(request)
    }

    fn dial(&mut self, guest: Guest) -> Result<(), BenchError> {
        let at = self.conns.len();
        let speaks = self.protocol;
        let greeting = speaks.greeting(self.server, &guest.token);
        let mut conn = Conn::dial(self.server, self.source(at), guest.user, greeting)?;
        let says = speaks.hello(guest.user);
        let says = says.or_else(|| speaks.registers(guest.user, &guest.token));
        conn.sign_in = says.or_else(|| speaks.sign_in(&guest.token));
        conn.join = guest.room.map(|room| speaks.join(guest.user, room));
        match speaks.carrier() {
            Carrier::Lines => {}
            Carrier::Frames => conn.frames = Some(Frames::default()),
            Carrier::Polls => conn.polls = Some(Box::default()),
            Carrier::Stream => conn.stream = Some(Box::default()),
        }
        conn.sampled = at.is_multiple_of(SAMPLE_EVERY);
        conn.sent_at = clock::now_ns();
        self.register(&conn, Lane::User(at))?;
        self.conns.push(conn);
        Ok(())
    }

    /// Has the epoll tell what happens on `conn`.
    fn register(&self, conn: &Conn, lane: Lane) -> Result<(), BenchError> {
        let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &conn.socket, lane.token(), wanted).tried("adding to the epoll")
    }

    fn conn(&mut self, lane: Lane) -> &mut Conn {
        match lane {
            Lane::User(at) => &mut self.conns[at],
            Lane::Outlet(at) => &mut self.outlets[at],
        }
    }

    /// 127.0.0.2, .3, … once one address has all that it may have; only loopback lends us more than one.
    fn source(&self, at: usize) -> Option<Ipv4Addr> {
        let loopback = matches!(self.server.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let nth = (at / self.per_address) as u32;
        (loopback && nth > 0).then(|| Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + nth))
    }
}
