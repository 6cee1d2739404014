//! Echo: PING and PONG, one in flight per connection. What a request costs that needs no store and no room.
//!
//! Invariant: the users are in no room, so that each message which arrives is a PONG.

use super::flow::{Loop, ask_and_wait, settle};
use super::{Figure, Progress, Step, Trial, busy, cost_us, figures, first_answer, guests, pace, per_second};
use crate::crowd::{Counted, Crowd};
use crate::error::BenchError;
use crate::options::Options;
use crate::report::Goal;
use crate::target::Server;

pub(super) fn trial(options: &Options, server: &Server, progress: &Progress) -> Result<Trial, BenchError> {
    let mut crowd = Crowd::new(server.users, options)?;
    crowd.admit(
        guests(options, server, 0..options.connections(), |_| None)?,
        64,
        |_| (),
    )?;
    settle(&mut crowd, server.pid)?;
    let speaks = options.protocol;
    let ping = speaks.ping();
    let pong = first_answer(&mut crowd, speaks, &ping, Counted::Messages, 1)?;
    if speaks.name_of(&pong.text) != speaks.pong_name() {
        let line = String::from_utf8_lossy(&pong.text).into_owned();
        return Err(BenchError::Refused {
            user: options.first_id,
            line,
        });
    }
    let mut steps = Vec::new();
    for connections in &options.in_flight {
        let name = format!("{connections} connections");
        progress.say(name.clone());
        let mut pings = Loop::Pings {
            ping: &ping,
            count: *connections,
        };
        let flow = ask_and_wait(&mut crowd, server.pid, &mut pings, &pace(options, *connections))?;
        let cost =
            Figure::new("server CPU per round trip", "µs", cost_us(&flow)).aims(Some(Goal::RatioAtMost(1.3)));
        let throughput = Figure::new("round trips", "/s", per_second(&flow));
        let figures = figures(&flow, cost, throughput, [None, None]);
        steps.push(Step {
            name,
            figures,
            generator_busy: busy(&flow),
        });
    }
    Ok(Trial {
        steps,
        frame_bytes: pong.wire_bytes,
    })
}
