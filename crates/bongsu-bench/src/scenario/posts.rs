//! Durable posts: every poster is alone in its room and sends the next message when the last one came back.
//!
//! Invariant: a message comes back only after its commit, so that posts per second are durable posts per second.

use super::flow::{Loop, ask_and_wait, settle};
use super::{Figure, Progress, Step, Trial, busy, cost_us, figures, pace, per_second, probe, seat, user_id};
use crate::crowd::Crowd;
use crate::dialect::Post;
use crate::error::BenchError;
use crate::options::Options;
use crate::report::Goal;
use crate::target::{Server, make_rooms};

pub(super) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    let all = options.connections();
    make_rooms(server, options.first_id, all as u64, 1)?;
    let room_id = |at: usize| options.first_id + at as i64;
    let mut crowd = Crowd::new(server.users, options)?;
    let in_room = |at| Some(room_id(at));
    seat(&mut crowd, options, server, 0..all, in_room, 64, |_| ())?;
    settle(&mut crowd, server.pid)?;
    let mut posts: Vec<Post> = (0..all)
        .map(|at| {
            Post::new(
                options.protocol,
                user_id(options, at),
                room_id(at),
                options.payload_bytes,
            )
        })
        .collect();
    let frame_bytes = probe(&mut crowd, options, &mut posts[0], 1)?;
    let mut steps = Vec::new();
    for posters in &options.in_flight {
        let name = format!("{posters} posters");
        progress.say(name.clone());
        let mut asked = Loop::Posts(&mut posts[..*posters]);
        let flow = ask_and_wait(&mut crowd, server.pid, &mut asked, &pace(options, *posters))?;
        let alone = *posters == 1;
        let cost = Figure::new("server CPU per post", "µs", cost_us(&flow));
        let throughput = Figure::new("durable posts", "/s", per_second(&flow))
            .aims((!alone).then_some(Goal::RatioAtLeast(0.7)));
        // One fsync and not two: clearly below twice the wait of a bare commit.
        let p50 = alone.then_some(Goal::RatioAtMost(1.5));
        let figures = figures(&flow, cost, throughput, [p50, None]);
        steps.push(Step {
            name,
            figures,
            generator_busy: busy(&flow),
        });
    }
    Ok(Trial { steps, frame_bytes })
}
