//! Commands: a call over HTTP, the device's answer, and the answer to the call, in one go.
//!
//! Invariant: every caller has a device of its own and waits for its answer, so that no command joins or replaces
//! another; every call is answered with 200, or the run fails.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use bongsu_model::Role;

use super::flow::{Flow, Pace, settle};
use super::{Figure, Progress, Step, Trial, busy, cost_us, figures, guests, pace, per_second};
use crate::callers::Callers;
use crate::clock;
use crate::crowd::{Crowd, Watch};
use crate::dialect::device;
use crate::error::BenchError;
use crate::options::Options;
use crate::process::CpuSample;
use crate::target::Server;

/// The figure that `--load` is a share of.
pub(crate) const COMMANDS: &str = "commands";
/// The catalogue of a server under this load: nothing but what is measured, and as often as it can be.
pub(crate) const CATALOGUE: &str = r#"[[command]]
name = "window.set"
target = "window"
ttl_ms = 20000
debounce_ms = 0
rate = "1000000/1s"
[command.args]
type = "object"
required = ["position"]
properties = { position = { enum = ["open", "closed"] } }
"#;
/// Devices that connect at a time.
pub(super) const AT_ONCE: usize = 64;

pub(super) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    let mut crowd = Crowd::new(server.users, options)?;
    let all = options.connections();
    crowd.admit(guests(options, server, 0..all, |_| None)?, AT_ONCE, |ready| {
        progress.say(format!("{ready} of {all} devices are connected"));
    })?;
    settle(&mut crowd, server.pid)?;
    // Devices and callers use the same listener.
    let host = server.users;
    let token = server.signer.mint(0, Role::Service).map_err(BenchError::Token)?;
    let mut steps = Vec::new();
    for in_flight in &options.in_flight {
        let requests = (0..*in_flight)
            .map(|at| request(host, &token, options.first_id + at as i64))
            .collect();
        let name = match (options.rate, options.load) {
            (Some(rate), Some(load)) => format!("{:.0} % load, {rate:.0} commands/s", load * 100.0),
            (Some(rate), None) => format!("{rate} commands/s"),
            (None, _) => format!("{in_flight} in flight"),
        };
        progress.say(name.clone());
        let (pid, pace, patience_s) = (server.pid, pace(options, *in_flight), options.patience_seconds);
        let flow = beside(&mut crowd, move |broken| {
            let callers = Callers::connect(host, requests, &[])?;
            drive(callers, pid, &pace, patience_s, broken)
        })?;
        let cost = Figure::new("server CPU per command", "µs", cost_us(&flow));
        let throughput = Figure::new(COMMANDS, "/s", per_second(&flow));
        let mut figures = figures(&flow, cost, throughput, [None, None]);
        let per_core = flow.arrived as f64 * 1e9 / flow.server_cpu_ns.max(1) as f64;
        figures.insert(2, Figure::new("commands per second of one core", "/s", per_core));
        steps.push(Step {
            name,
            figures,
            generator_busy: busy(&flow),
        });
        if options.rate.is_some() {
            break;
        }
    }
    Ok(Trial {
        steps,
        frame_bytes: 0,
    })
}

/// The call of one caller.
fn request(host: SocketAddr, token: &str, user: i64) -> Vec<u8> {
    let body = r#"{"name":"window.set","args":{"position":"open"},"wait":"done"}"#;
    format!(
        "POST /api/v1/devices/{}/commands HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        device::name(user),
        body.len()
    )
    .into_bytes()
}

/// Drives callers on a thread of their own while the devices answer on this one. The generator's time is that of both.
pub(super) fn beside(
    crowd: &mut Crowd,
    drive: impl FnOnce(&AtomicBool) -> Result<Flow, BenchError> + Send,
) -> Result<Flow, BenchError> {
    let (broken, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let own = clock::thread_cpu_ns();
    std::thread::scope(|scope| {
        let driving = scope.spawn(|| {
            let flow = drive(&broken);
            done.store(true, Ordering::Release);
            flow
        });
        let mut answering = Ok(());
        while answering.is_ok() && !done.load(Ordering::Acquire) {
            answering = crowd.poll(1_000_000);
        }
        broken.store(answering.is_err(), Ordering::Release);
        let flow = driving.join().expect("callers do not panic");
        // Why a device was cut says more than that its caller had no answer.
        answering?;
        flow.map(|flow| Flow {
            generator_cpu_ns: flow.generator_cpu_ns + (clock::thread_cpu_ns() - own),
            ..flow
        })
    })
}

/// Has at most so many callers as `pace` says have a call under way, until its time is over.
pub(super) fn drive(
    mut callers: Callers,
    pid: u32,
    pace: &Pace,
    patience_s: f64,
    broken: &AtomicBool,
) -> Result<Flow, BenchError> {
    let own = clock::thread_cpu_ns();
    let mut next_at = clock::now_ns();
    let warm_at = next_at
        + if pace.messages.is_some() {
            0
        } else {
            pace.warmup_ns
        };
    let mut watch = Watch::new(patience_s);
    let mut asked = 0u64;
    let mut since: Option<(u64, u64, CpuSample)> = None;
    while !broken.load(Ordering::Acquire) {
        match &since {
            None if clock::now_ns() >= warm_at => {
                callers.latency.clear();
                since = Some((clock::now_ns(), callers.answered, CpuSample::of(pid)?));
            }
            None => {}
            Some((began, answered, cpu))
                if pace.is_over(asked, asked, callers.answered, *began, clock::now_ns()) =>
            {
                let flow = Flow {
                    arrived: callers.answered - answered,
                    wall_ns: (clock::now_ns() - began).max(1),
                    server_cpu_ns: CpuSample::of(pid)?.since(cpu),
                    generator_cpu_ns: clock::thread_cpu_ns() - own,
                    latency: callers.latency.clone(),
                };
                while callers.under_way() > 0 && !broken.load(Ordering::Acquire) {
                    callers.poll(1_000_000)?;
                    watch.look(callers.answered, asked, "answers")?;
                }
                return Ok(flow);
            }
            Some(_) => {}
        }
        while pace.messages.is_none_or(|all| asked < all) && (callers.under_way() as u64) < pace.in_flight {
            // The time at which it was due: what a busy server makes others wait counts as latency.
            let due = match pace.rate {
                Some(_) if next_at <= clock::now_ns() => next_at,
                Some(_) => break,
                None => clock::now_ns(),
            };
            if !callers.call(due)? {
                break;
            }
            asked += 1;
            next_at += pace.rate.map_or(0, |rate| (1e9 / rate) as u64);
        }
        let wait_ns = pace.rate.map_or(1_000_000, |_| {
            next_at.saturating_sub(clock::now_ns()).clamp(50_000, 1_000_000)
        });
        callers.poll(wait_ns)?;
        watch.look(callers.answered, asked, "answers")?;
    }
    Err(BenchError::Stalled {
        seconds: 0.0,
        arrived: callers.answered,
        due: asked,
        what: "answers of devices that are gone",
    })
}
