//! The two ways to keep a server busy: so many messages in flight, or one request in flight per connection.
//!
//! Invariant: when either returns, everything that was asked for has arrived exactly once.

use crate::clock;
use crate::crowd::{Crowd, Watch};
use crate::dialect::Post;
use crate::error::BenchError;
use crate::histogram::Histogram;
use crate::process::CpuSample;

/// How hard and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Messages that may be on their way at once.
    pub(crate) in_flight: u64,
    /// Messages a second; with none, the next one is sent as soon as `in_flight` allows.
    pub(crate) rate: Option<f64>,
    /// Time before the measurement begins.
    pub(crate) warmup_ns: u64,
    /// Time that is measured.
    pub(crate) measured_ns: u64,
    /// Ends after this many messages instead, measured from the first one on.
    pub(crate) messages: Option<u64>,
}

/// What was measured.
#[derive(Clone)]
pub(crate) struct Flow {
    /// Deliveries or replies.
    pub(crate) arrived: u64,
    pub(crate) wall_ns: u64,
    pub(crate) server_cpu_ns: u64,
    pub(crate) generator_cpu_ns: u64,
    pub(crate) latency: Histogram,
}

/// One poster: its connection and its message.
pub(crate) struct Poster {
    pub(crate) at: usize,
    pub(crate) post: Post,
}

/// Readings at the start of a measurement.
pub(crate) struct Meter {
    pid: u32,
    server: CpuSample,
    own: u64,
    at: u64,
    arrived: u64,
}

impl Meter {
    /// Starts to measure `pid` and the calling thread.
    pub(crate) fn start(pid: u32, crowd: &mut Crowd) -> Result<Self, BenchError> {
        crowd.counts.latency.clear();
        let server = CpuSample::of(pid)?;
        Ok(Self {
            pid,
            server,
            own: clock::thread_cpu_ns(),
            at: clock::now_ns(),
            arrived: crowd.counts.arrived,
        })
    }

    /// What was used since.
    pub(crate) fn read(&self, crowd: &Crowd) -> Result<Flow, BenchError> {
        Ok(Flow {
            arrived: crowd.counts.arrived - self.arrived,
            wall_ns: (clock::now_ns() - self.at).max(1),
            server_cpu_ns: CpuSample::of(self.pid)?.since(&self.server),
            generator_cpu_ns: clock::thread_cpu_ns() - self.own,
            latency: crowd.counts.latency.clone(),
        })
    }
}

/// Posts in turn by all `posters`, each message for `fan` connections, as `pace` says.
///
/// # Errors
/// `Stalled` if deliveries stay away, `Repeated` if there are too many.
pub(crate) fn fan_out(
    crowd: &mut Crowd,
    pid: u32,
    posters: &mut [Poster],
    fan: u64,
    pace: &Pace,
) -> Result<Flow, BenchError> {
    for poster in posters.iter() {
        crowd.watch(poster.at);
    }
    crowd.counts.arrived = 0;
    let (mut posted, mut turn) = (0u64, 0usize);
    let mut watch = Watch::new(crowd.patience_s);
    let began = clock::now_ns();
    let mut next_at = began;
    let warm_at = if pace.messages.is_some() {
        began
    } else {
        began + pace.warmup_ns
    };
    let mut meter: Option<Meter> = None;
    let flow = loop {
        let now = clock::now_ns();
        match &meter {
            None if now >= warm_at => meter = Some(Meter::start(pid, crowd)?),
            None => {}
            Some(meter) if pace.is_over(posted * fan, posted, crowd.counts.arrived, meter.at, now) => {
                break meter.read(crowd)?;
            }
            Some(_) => {}
        }
        while pace.messages.is_none_or(|all| posted < all) {
            let stamp = match pace.rate {
                // The time at which it was due: what a busy server makes others wait counts as latency.
                Some(_) if next_at <= clock::now_ns() => next_at,
                None if posted * fan < crowd.counts.arrived + (pace.in_flight - 1) * fan + 1 => {
                    clock::now_ns()
                }
                Some(_) | None => break,
            };
            let poster = &mut posters[turn];
            crowd.send(poster.at, poster.post.stamped(stamp), stamp)?;
            posted += 1;
            turn = (turn + 1) % posters.len();
            next_at += pace.rate.map_or(0, |rate| (1e9 / rate) as u64);
        }
        let until_next = pace.rate.map_or(1_000_000, |_| {
            next_at.saturating_sub(clock::now_ns()).min(1_000_000)
        });
        crowd.poll(until_next)?;
        watch.look(crowd.counts.arrived, posted * fan, "deliveries")?;
    };
    while crowd.counts.arrived < posted * fan {
        crowd.poll(1_000_000)?;
        watch.look(crowd.counts.arrived, posted * fan, "deliveries")?;
    }
    settle(crowd, pid)?;
    exactly(crowd.counts.arrived, posted * fan)?;
    Ok(flow)
}

/// What each connection asks for as soon as it has its answer.
pub(crate) enum Loop<'a> {
    /// The same ping, on so many connections.
    Pings { ping: &'a [u8], count: usize },
    /// Its own message.
    Posts(&'a mut [Post]),
}

impl Loop<'_> {
    fn ask(&mut self, crowd: &mut Crowd, at: usize) -> Result<(), BenchError> {
        let now = clock::now_ns();
        match self {
            Self::Pings { ping, .. } => crowd.send(at, ping, now),
            Self::Posts(posts) => crowd.send(at, posts[at].stamped(now), now),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Pings { count, .. } => *count,
            Self::Posts(posts) => posts.len(),
        }
    }
}

/// Keeps one request in flight on every connection; `pace.in_flight` and `pace.rate` do not apply.
///
/// # Errors
/// `Stalled` if answers stay away, `Repeated` if there are too many.
pub(crate) fn ask_and_wait(
    crowd: &mut Crowd,
    pid: u32,
    requests: &mut Loop,
    pace: &Pace,
) -> Result<Flow, BenchError> {
    crowd.counts.arrived = 0;
    crowd.counts.replies = Some(Vec::new());
    let mut asked = 0u64;
    for at in 0..requests.len() {
        crowd.watch(at);
        requests.ask(crowd, at)?;
        asked += 1;
    }
    let mut watch = Watch::new(crowd.patience_s);
    let began = clock::now_ns();
    let warm_at = if pace.messages.is_some() {
        began
    } else {
        began + pace.warmup_ns
    };
    let mut meter: Option<Meter> = None;
    let flow = loop {
        let now = clock::now_ns();
        match &meter {
            None if now >= warm_at => meter = Some(Meter::start(pid, crowd)?),
            None => {}
            Some(meter) if pace.is_over(asked, asked, crowd.counts.arrived, meter.at, now) => {
                break meter.read(crowd)?;
            }
            Some(_) => {}
        }
        crowd.poll(1_000_000)?;
        let mut replies = crowd.counts.replies.take().unwrap_or_default();
        for at in replies.drain(..) {
            if pace.messages.is_none_or(|all| asked < all) {
                requests.ask(crowd, at)?;
                asked += 1;
            }
        }
        crowd.counts.replies = Some(replies);
        watch.look(crowd.counts.arrived, asked, "answers")?;
    };
    while crowd.counts.arrived < asked {
        crowd.poll(1_000_000)?;
        watch.look(crowd.counts.arrived, asked, "answers")?;
    }
    settle(crowd, pid)?;
    crowd.counts.replies = None;
    exactly(crowd.counts.arrived, asked)?;
    Ok(flow)
}

/// Waits until the server has nothing left to do: four slices of 25 ms with less than 2 ms of work each, or 10 s.
pub(crate) fn settle(crowd: &mut Crowd, pid: u32) -> Result<(), BenchError> {
    const SLICE_NS: u64 = 25_000_000;
    let give_up = clock::in_seconds(10.0);
    let (mut quiet, mut before) = (0, CpuSample::of(pid)?);
    while quiet < 4 && clock::now_ns() < give_up {
        let until = clock::now_ns() + SLICE_NS;
        while clock::now_ns() < until {
            crowd.poll(until.saturating_sub(clock::now_ns()))?;
        }
        let after = CpuSample::of(pid)?;
        quiet = if after.since(&before) < 2_000_000 {
            quiet + 1
        } else {
            0
        };
        before = after;
    }
    Ok(())
}

impl Pace {
    /// Whether the measurement that began at `began` is done.
    pub(super) fn is_over(&self, due: u64, sent: u64, arrived: u64, began: u64, now: u64) -> bool {
        match self.messages {
            Some(all) => sent >= all && arrived >= due,
            None => now >= began + self.measured_ns,
        }
    }
}

fn exactly(arrived: u64, due: u64) -> Result<(), BenchError> {
    if arrived > due {
        Err(BenchError::Repeated { arrived, due })
    } else {
        Ok(())
    }
}
