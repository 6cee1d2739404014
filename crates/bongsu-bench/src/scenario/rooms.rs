//! Fan-out: one room of many members, or many rooms of a few.
//!
//! Invariant: every member, the poster included, receives every message of its room exactly once.

use super::flow::{Poster, fan_out, settle};
use super::{Figure, Progress, Step, Trial, busy, cost_us, figures, pace, per_second, probe, seat, user_id};
use crate::crowd::Crowd;
use crate::dialect::Post;
use crate::error::BenchError;
use crate::options::{Options, Scenario};
use crate::report::Goal;
use crate::target::{Server, make_rooms};

/// The figure that `--load` is a share of.
pub(crate) const MESSAGES: &str = "messages";

/// Handshakes at a time while the rooms fill.
const AT_ONCE: usize = 128;

pub(super) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    let rooms = if options.scenario == Scenario::Fanout {
        1
    } else {
        options.rooms
    };
    let all = options.members * rooms;
    let room_id = |at: usize| options.first_id + (at % rooms) as i64;
    progress.say(format!("making {rooms} rooms"));
    make_rooms(server, options.first_id, rooms as u64, options.members)?;
    let mut crowd = Crowd::new(server.users, options)?;
    let in_room = |at| Some(room_id(at));
    seat(&mut crowd, options, server, 0..all, in_room, AT_ONCE, |ready| {
        progress.say(format!("{ready} of {all} sessions are in their rooms"));
    })?;
    settle(&mut crowd, server.pid)?;
    // The first member of each room posts, or, in a single room, as many members as messages may be in flight: one
    // connection's messages are taken one after the other, which would be a limit of the load and not of the server.
    let most = options.in_flight.iter().copied().max().unwrap_or(1);
    let count = if rooms == 1 {
        most.min(options.members)
    } else {
        rooms
    };
    let mut posters: Vec<Poster> = (0..count)
        .map(|at| Poster {
            at,
            post: Post::new(
                options.protocol,
                user_id(options, at),
                room_id(at),
                options.payload_bytes,
            ),
        })
        .collect();
    let fan = options.members as u64;
    let frame_bytes = probe(&mut crowd, options, &mut posters[0].post, fan)?;
    let mut steps = Vec::new();
    for in_flight in &options.in_flight {
        let name = name(options, *in_flight);
        progress.say(format!("{name}, {fan} members"));
        let flow = fan_out(
            &mut crowd,
            server.pid,
            &mut posters,
            fan,
            &pace(options, *in_flight),
        )?;
        let cost =
            Figure::new("server CPU per delivery", "µs", cost_us(&flow)).aims(goal(options, *in_flight));
        let throughput = Figure::new("deliveries", "/s", per_second(&flow));
        let p99 = options.rate.map(|_| Goal::RatioAtMost(2.0));
        let mut figures = figures(&flow, cost, throughput, [None, p99]);
        figures.insert(2, Figure::new(MESSAGES, "/s", per_second(&flow) / fan as f64));
        steps.push(Step {
            name,
            figures,
            generator_busy: busy(&flow),
        });
        if options.rate.is_some() {
            break;
        }
    }
    Ok(Trial { steps, frame_bytes })
}

/// What a step is called.
fn name(options: &Options, in_flight: usize) -> String {
    match (options.rate, options.load) {
        (Some(rate), Some(load)) => format!("{:.0} % load, {rate:.0} msg/s", load * 100.0),
        (Some(rate), None) => format!("{rate} msg/s"),
        (None, _) => format!("{in_flight} in flight"),
    }
}

fn goal(options: &Options, in_flight: usize) -> Option<Goal> {
    if options.rate.is_some() {
        return None;
    }
    match (options.scenario, in_flight) {
        (Scenario::Rooms, _) => Some(Goal::RatioAtMost(1.2)),
        (_, 1) => Some(Goal::RatioAtMost(1.15)),
        (_, 8..) => Some(Goal::RatioAtMost(0.25)),
        (_, _) => None,
    }
}
