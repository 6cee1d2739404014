//! Displays: from the call that has a display run a program to its word that the program runs, and one preset over all.
//!
//! Invariant: a program ends as soon as it runs, so that nothing piles up; every call is answered by what it waits for, or
//! the run fails.

use std::net::SocketAddr;

use bongsu_model::Role;

use super::commands::{AT_ONCE, beside, drive};
use super::flow::{Flow, settle};
use super::{Figure, Progress, Step, Trial, busy, figures, guests, pace, per_second, user_id};
use crate::callers::Callers;
use crate::crowd::Crowd;
use crate::dialect::{device, number_after};
use crate::error::BenchError;
use crate::http::Http;
use crate::options::Options;
use crate::target::Server;

/// What the programs of one display are waited for.
const RUNS: &[&[u8]] = &[b"\"state\":\"in_progress\"", b"\"state\":\"succeeded\""];
/// What those of a preset are waited for.
const ALL_RUN: &[&[u8]] = &[b"\"ok\":true"];
/// The preset of a floor, which keeps none.
const FLOOR_PRESET: i64 = 1;

/// What is called for in one step.
struct Calls {
    name: String,
    requests: Vec<Vec<u8>>,
    good: &'static [&'static [u8]],
    /// Calls under way.
    in_flight: usize,
    /// Programs that one call runs.
    programs: usize,
}

pub(super) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    let mut crowd = Crowd::new(server.users, options)?;
    let all = options.connections();
    crowd.admit(guests(options, server, 0..all, |_| None)?, AT_ONCE, |ready| {
        progress.say(format!("{ready} of {all} displays are registered"));
    })?;
    settle(&mut crowd, server.pid)?;
    // Displays and callers use the same listener.
    let host = server.users;
    let token = server.signer.mint(0, Role::Service).map_err(BenchError::Token)?;
    let body = r#"{"command":"true","wait":"running"}"#;
    let execute = |at| {
        let display = device::name(user_id(options, at));
        request(host, &token, &format!("displays/{display}"), body)
    };
    let mut steps = Vec::new();
    for in_flight in &options.in_flight {
        let calls = Calls {
            name: match in_flight {
                1 => "one program at a time".to_owned(),
                all => format!("{all} programs at once"),
            },
            requests: (0..all).map(execute).collect(),
            good: RUNS,
            in_flight: *in_flight,
            programs: 1,
        };
        steps.push(step(options, server, &mut crowd, progress, calls)?);
    }
    let preset = make_preset(options, server, &token)?;
    let calls = Calls {
        name: format!("one preset over {all} displays"),
        requests: vec![request(
            host,
            &token,
            &format!("presets/{preset}"),
            r#"{"wait":"running"}"#,
        )],
        good: ALL_RUN,
        in_flight: 1,
        programs: all,
    };
    steps.push(step(options, server, &mut crowd, progress, calls)?);
    Ok(Trial {
        steps,
        frame_bytes: 0,
    })
}

fn step(
    options: &Options,
    server: &Server,
    crowd: &mut Crowd,
    progress: &Progress,
    calls: Calls,
) -> Result<Step, BenchError> {
    progress.say(calls.name.clone());
    let (host, pid, patience_s) = (server.users, server.pid, options.patience_seconds);
    let pace = pace(options, calls.in_flight);
    let (requests, good) = (calls.requests, calls.good);
    let flow = beside(crowd, move |broken| {
        let callers = Callers::connect(host, requests, good)?;
        drive(callers, pid, &pace, patience_s, broken)
    })?;
    // What the last programs leave to be kept is not the next step's.
    settle(crowd, pid)?;
    let flow = Flow {
        arrived: flow.arrived * calls.programs as u64,
        ..flow
    };
    let each_us = flow.server_cpu_ns as f64 / 1e3 / flow.arrived.max(1) as f64;
    let per_core = flow.arrived as f64 * 1e9 / flow.server_cpu_ns.max(1) as f64;
    let cost = Figure::new("server CPU per program", "µs", each_us);
    let throughput = Figure::new("programs", "/s", per_second(&flow));
    let mut figures = figures(&flow, cost, throughput, [None, None]);
    figures.insert(2, Figure::new("programs per second of one core", "/s", per_core));
    Ok(Step {
        name: calls.name,
        figures,
        generator_busy: busy(&flow),
    })
}

/// The call of one caller.
fn request(host: SocketAddr, token: &str, what: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /api/v1/{what}/execute HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Makes the preset that runs a program on every display, and gives its number.
///
/// # Errors
/// `Http` if that is refused.
fn make_preset(options: &Options, server: &Server, token: &str) -> Result<i64, BenchError> {
    // A floor has no presets.
    let Some(http) = server.http else {
        return Ok(FLOOR_PRESET);
    };
    let displays = (0..options.connections()).map(|at| {
        let display = device::name(user_id(options, at));
        format!("\"{display}\":\"true\"")
    });
    let displays = displays.collect::<Vec<_>>().join(",");
    // A server that ran before keeps those of earlier runs.
    let name = format!("bench of {} {}", options.first_id, crate::clock::now_ns());
    let body = format!("{{\"name\":\"{name}\",\"displays\":{{{displays}}}}}");
    let (method, path) = ("POST", "/api/v1/presets");
    let (status, body) = Http::open(http, token)?.ask(method, path, &body)?;
    let id = number_after(body.as_bytes(), b"\"preset_id\":").filter(|_| status == 201);
    id.ok_or(BenchError::Http {
        method,
        path: path.to_owned(),
        status,
        body,
    })
}
