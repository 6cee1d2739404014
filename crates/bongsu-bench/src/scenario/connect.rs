//! A storm of connections that sign in, so many at a time.
//!
//! Invariant: every user has been there before, so that a sign-in writes no new user.

use bongsu_model::Role;

use super::flow::{Meter, settle};
use super::{Figure, Progress, Step, Trial, busy, guests};
use crate::clock;
use crate::crowd::Crowd;
use crate::error::BenchError;
use crate::options::Options;
use crate::process::CpuSample;
use crate::report::Goal;
use crate::target::{Server, Signer};

/// The figure that the cost of a verification is added to where there is none.
pub(crate) const COST: &str = "server CPU per sign-in";

pub(super) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    let all = options.sessions;
    let at_once = options.in_flight.first().copied().unwrap_or(64);
    let mut first_visit = Crowd::new(server.users, options)?;
    first_visit.admit(guests(options, server, 0..all, |_| None)?, at_once, |ready| {
        progress.say(format!("{ready} of {all} users have been created"));
    })?;
    drop(first_visit);
    let mut crowd = Crowd::new(server.users, options)?;
    settle(&mut crowd, server.pid)?;
    let everybody = guests(options, server, 0..all, |_| None)?;
    let before = CpuSample::of(server.pid)?;
    let meter = Meter::start(server.pid, &mut crowd)?;
    crowd.admit(everybody, at_once, |ready| {
        progress.say(format!("{ready} of {all} signed in"))
    })?;
    let flow = meter.read(&crowd)?;
    // What a sign-in leaves to be done later is its cost, too.
    settle(&mut crowd, server.pid)?;
    let spent = CpuSample::of(server.pid)?.since(&before);
    let micros = |ns: u64| ns as f64 / 1e3;
    let figures = vec![
        Figure::new(COST, "µs", micros(spent) / all as f64).aims(Some(Goal::RatioAtMost(2.0))),
        Figure::new("sign-ins", "/s", all as f64 * 1e9 / flow.wall_ns as f64),
        Figure::new("handshake p50", "µs", micros(crowd.handshakes.quantile(0.5))),
        Figure::new("handshake p99", "µs", micros(crowd.handshakes.quantile(0.99))),
    ];
    let name = format!("{at_once} at a time");
    Ok(Trial {
        steps: vec![Step {
            name,
            figures,
            generator_busy: busy(&flow),
        }],
        frame_bytes: 0,
    })
}

/// CPU time of one verification in microseconds: the median of batches.
pub(crate) fn verification_us(signer: &dyn Signer, user: i64) -> Result<f64, BenchError> {
    const BATCH: u32 = 100;
    let token = signer.mint(user, Role::User).map_err(BenchError::Token)?;
    let mut batches = Vec::new();
    for _ in 0..11 {
        let began = clock::thread_cpu_ns();
        for _ in 0..BATCH {
            signer.verify_once(&token).map_err(BenchError::Token)?;
        }
        batches.push((clock::thread_cpu_ns() - began) as f64 / 1e3 / f64::from(BATCH));
    }
    Ok(crate::report::median(&batches))
}
