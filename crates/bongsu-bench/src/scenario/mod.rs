//! The scenarios: each sets a server up, puts it under load and gives figures, whether it is the product or the floor.
//!
//! Invariant: the same code with the same options drives both, so that a ratio compares nothing but the servers.

pub(crate) mod commands;
pub(crate) mod connect;
mod displays;
mod echo;
mod flow;
mod idle;
mod posts;
pub(crate) mod rooms;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock;
use crate::crowd::{Counted, Crowd, Guest, Watch};
use crate::dialect::Post;
use crate::error::BenchError;
use crate::options::{Options, Protocol, Scenario};
use crate::report::Goal;
use crate::tally::MARK;
use crate::target::{Server, enrol};
use flow::{Flow, Pace};

/// What one server showed in one round.
pub(crate) struct Trial {
    pub(crate) steps: Vec<Step>,
    /// Bytes of one delivered line or frame, for the floor to write as many.
    pub(crate) frame_bytes: usize,
}

/// One measurement of a trial.
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) figures: Vec<Figure>,
    /// Share of one core that the load generator used.
    pub(crate) generator_busy: f64,
}

/// One number.
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) goal: Option<Goal>,
}

impl Figure {
    pub(crate) fn new(what: &'static str, unit: &'static str, value: f64) -> Self {
        Self {
            what,
            unit,
            value,
            goal: None,
        }
    }

    pub(crate) fn aims(mut self, goal: Option<Goal>) -> Self {
        self.goal = goal;
        self
    }
}

/// Puts `server` under the load of `options`.
pub(crate) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    match options.scenario {
        Scenario::Fanout | Scenario::Rooms => rooms::trial(options, server, progress),
        Scenario::Echo => echo::trial(options, server, progress),
        Scenario::Idle => idle::trial(options, server, progress),
        Scenario::Connect => connect::trial(options, server, progress),
        Scenario::Posts => posts::trial(options, server, progress),
        Scenario::Commands => commands::trial(options, server, progress),
        Scenario::Displays => displays::trial(options, server, progress),
    }
}

/// Tells a person at a terminal how far the run is; silent otherwise.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {prefix}: {msg}");
        let bar =
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    pub(crate) fn turn(&self, text: String) {
        self.bar.set_prefix(text);
    }

    pub(crate) fn say(&self, text: String) {
        self.bar.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Lets users in, each in the room that `room_of` gives it, at most `at_once` at a time. `each` hears how many are.
///
/// Where users cannot ask to join, they become members once they are there.
fn seat(
    crowd: &mut Crowd,
    options: &Options,
    server: &Server,
    range: std::ops::Range<usize>,
    room_of: impl Fn(usize) -> Option<i64>,
    at_once: usize,
    each: impl FnMut(usize),
) -> Result<(), BenchError> {
    let joins = options.protocol.joins();
    let asks = |at| room_of(at).filter(|_| joins);
    crowd.admit(guests(options, server, range.clone(), asks)?, at_once, each)?;
    if joins {
        return Ok(());
    }
    let members: Vec<(i64, i64)> = range
        .filter_map(|at| Some((user_id(options, at), room_of(at)?)))
        .collect();
    enrol(server, &members)
}

/// Users `options.first_id` and on; `room_of` gives each its room.
fn guests(
    options: &Options,
    server: &Server,
    range: std::ops::Range<usize>,
    room_of: impl Fn(usize) -> Option<i64>,
) -> Result<Vec<Guest>, BenchError> {
    range
        .map(|at| {
            let user = user_id(options, at);
            let role = options.protocol.role();
            let token = server.signer.mint(user, role).map_err(BenchError::Token)?;
            Ok(Guest {
                user,
                token,
                room: room_of(at),
            })
        })
        .collect()
}

fn user_id(options: &Options, at: usize) -> i64 {
    options.first_id + at as i64
}

fn pace(options: &Options, in_flight: usize) -> Pace {
    Pace {
        in_flight: in_flight as u64,
        rate: options.rate,
        warmup_ns: clock::span_ns(options.warmup_seconds),
        measured_ns: clock::span_ns(options.seconds),
        messages: options.messages,
    }
}

/// Sends one message from the first connection to `fan` members and gives the bytes on the wire that it became.
fn probe(crowd: &mut Crowd, options: &Options, post: &mut Post, fan: u64) -> Result<usize, BenchError> {
    let request = post.stamped(clock::now_ns());
    let answer = first_answer(crowd, options.protocol, request, Counted::Marks, fan)?;
    Ok(answer.wire_bytes)
}

/// A message that answered a request.
struct Answer {
    text: Vec<u8>,
    /// With what frames it.
    wire_bytes: usize,
}

/// Sends `request` on the first connection, waits until `due` arrived and gives the first message there that counts.
fn first_answer(
    crowd: &mut Crowd,
    speaks: Protocol,
    request: &[u8],
    counted: Counted,
    due: u64,
) -> Result<Answer, BenchError> {
    crowd.watch(0);
    crowd.counts.counted = counted;
    crowd.counts.arrived = 0;
    crowd.counts.captured = Some(Vec::new());
    crowd.send(0, request, clock::now_ns())?;
    let mut watch = Watch::new(crowd.patience_s);
    while crowd.counts.arrived < due {
        crowd.poll(10_000_000)?;
        watch.look(crowd.counts.arrived, due, "answers to a probe")?;
    }
    let captured = crowd.counts.captured.take().unwrap_or_default();
    let counts = |text: &[u8]| match counted {
        Counted::Marks => text.contains(&MARK),
        Counted::Messages => true,
    };
    let messages = speaks.messages(&captured);
    let answer = messages.iter().find(|message| counts(message.text));
    Ok(answer.map_or_else(
        || Answer {
            text: Vec::new(),
            wire_bytes: 0,
        },
        |message| Answer {
            text: message.text.to_vec(),
            wire_bytes: message.wire_bytes,
        },
    ))
}

/// The figures of any flow: cost, throughput, latency. `unit_of_work` is a delivery or a reply.
fn figures(flow: &Flow, cost: Figure, throughput: Figure, latency: [Option<Goal>; 2]) -> Vec<Figure> {
    let micros = |ns: u64| ns as f64 / 1e3;
    let [p50, p99] = latency;
    vec![
        cost,
        throughput,
        Figure::new("latency p50", "µs", micros(flow.latency.quantile(0.5))).aims(p50),
        Figure::new("latency p99", "µs", micros(flow.latency.quantile(0.99))).aims(p99),
        Figure::new("latency p99.9", "µs", micros(flow.latency.quantile(0.999))),
        Figure::new("latency max", "µs", micros(flow.latency.max())),
        Figure::new(
            "server, of one core",
            "%",
            flow.server_cpu_ns as f64 * 100.0 / flow.wall_ns as f64,
        ),
    ]
}

/// Server CPU per arrival in microseconds.
fn cost_us(flow: &Flow) -> f64 {
    flow.server_cpu_ns as f64 / 1e3 / flow.arrived.max(1) as f64
}

/// Arrivals in a second.
fn per_second(flow: &Flow) -> f64 {
    flow.arrived as f64 * 1e9 / flow.wall_ns as f64
}

/// Share of one core that the load generator used.
fn busy(flow: &Flow) -> f64 {
    flow.generator_cpu_ns as f64 / flow.wall_ns as f64
}
