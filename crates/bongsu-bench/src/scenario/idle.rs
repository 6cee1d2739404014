//! Idle sessions: signed in, each a member of one room (but devices and displays), silent. What one of them keeps in memory.
//!
//! Invariant: memory is compared between two quiet moments, the first of them after a tenth of the sessions, so that
//! what a server allocates once (threads, caches) is not counted as a session's.

use bongsu_model::Role;

use super::flow::{Meter, settle};
use super::{Figure, Progress, Step, Trial, busy, seat};
use crate::clock;
use crate::crowd::Crowd;
use crate::error::BenchError;
use crate::options::Options;
use crate::process::resident_bytes;
use crate::report::Goal;
use crate::target::{Server, make_rooms};

pub(super) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    let (all, members) = (options.sessions, options.members);
    let has_rooms = options.protocol.role() == Role::User;
    let room_of = |at: usize| has_rooms.then(|| options.first_id + (at / members) as i64);
    if has_rooms {
        make_rooms(server, options.first_id, all.div_ceil(members) as u64, members)?;
    }
    let mut crowd = Crowd::new(server.users, options)?;
    let first = all / 10;
    let at_once = options.in_flight.first().copied().unwrap_or(64);
    seat(&mut crowd, options, server, 0..first, room_of, at_once, |_| ())?;
    settle(&mut crowd, server.pid)?;
    let before = resident_bytes(server.pid)?;
    seat(
        &mut crowd,
        options,
        server,
        first..all,
        room_of,
        at_once,
        |ready| {
            progress.say(format!("{} of {all} sessions", first + ready));
        },
    )?;
    settle(&mut crowd, server.pid)?;
    let after = resident_bytes(server.pid)?;
    progress.say(format!("{all} sessions are idle"));
    let meter = Meter::start(server.pid, &mut crowd)?;
    let until = clock::in_seconds(if options.messages.is_some() {
        0.1
    } else {
        options.seconds
    });
    while clock::now_ns() < until {
        crowd.poll(until.saturating_sub(clock::now_ns()))?;
    }
    let flow = meter.read(&crowd)?;
    let each = after.saturating_sub(before) as f64 / (crowd.len() - first) as f64;
    let figures = vec![
        Figure::new("resident memory per session", "B", each).aims(Some(Goal::AtMost(2_560.0))),
        Figure::new(
            "server CPU while idle",
            "ms/s",
            flow.server_cpu_ns as f64 * 1e3 / flow.wall_ns as f64,
        ),
    ];
    let name = format!("{all} sessions");
    Ok(Trial {
        steps: vec![Step {
            name,
            figures,
            generator_busy: busy(&flow),
        }],
        frame_bytes: 0,
    })
}
