//! The load generator and the floors it measures against.
//!
//! Invariant: a figure never stands alone. In every round the same simulated users drive first the server, then a
//! floor of our own that writes the same bytes to as many sockets, then servers of others if that is asked for, and
//! what counts is the ratio.

mod callers;
mod clock;
mod crowd;
mod dialect;
mod error;
pub mod floor;
mod fsync;
mod histogram;
mod http;
mod options;
mod peer;
mod process;
mod report;
mod scenario;
mod tally;
mod target;

pub use error::{BenchError, Fault};
pub use options::{Options, Protocol, Scenario};
pub use peer::Peer;
pub use report::{Beside, Goal, PeerCell, Report, Row};
pub use target::{Keys, Program, Signer, Target};

use bongsu_model::Role;
use report::{Extra, Round};
use scenario::{Progress, Trial};
use target::Server;

/// Files that a process needs besides its connections.
const SPARE_FILES: u64 = 256;

/// Measures what `options` ask for; `keys` sign the simulated users' tokens.
///
/// Server and floor take turns, round by round, so that the noise of the machine falls on both. Progress is shown on
/// stderr if that is a terminal; nothing is written to stdout.
///
/// # Errors
/// Whatever kept the run from giving honest figures: a session that was refused, a delivery that did not arrive or
/// arrived twice, too few open files, a server that does not come up.
pub fn run(options: &Options, keys: &dyn Keys) -> Result<Report, BenchError> {
    options.check()?;
    process::need_files(options.sockets() as u64 + SPARE_FILES)?;
    let progress = Progress::new();
    let (options, saturation) = paced(options, keys, &progress)?;
    let mut rounds = Vec::new();
    let (mut verifications, mut syncs) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let what = format!("{} {round}/{}", options.scenario.name(), options.rounds);
        let (one, verification) = one_round(&options, keys, &what, &progress)?;
        verifications.extend(verification);
        if options.scenario == Scenario::Posts {
            syncs.push(fsync::one_us(&options.work_dir, one.server.frame_bytes)?);
        }
        rounds.push(one);
    }
    let extras = [
        ("of which one verification", verifications),
        ("one message appended to a file and fdatasync", syncs),
    ];
    let extras = extras
        .into_iter()
        .filter(|(_, floors)| !floors.is_empty())
        .map(|(what, floors)| Extra {
            what: what.to_owned(),
            unit: "µs",
            floors,
        });
    let mut report = report::assemble(&options, &rounds, extras.collect());
    report.notes.extend(saturation);
    Ok(report)
}

/// Server, floor and peers, one after the other, and for sign-ins what a verification takes.
fn one_round(
    options: &Options,
    keys: &dyn Keys,
    what: &str,
    progress: &Progress,
) -> Result<(Round, Option<f64>), BenchError> {
    progress.turn(format!("{what}, server"));
    let server = Server::start(options, keys)?;
    let ours = scenario::trial(options, &server, progress)?;
    let token = server
        .signer
        .mint(options.first_id, Role::User)
        .map_err(BenchError::Token)?;
    let verification = match options.scenario {
        Scenario::Connect => Some(scenario::connect::verification_us(
            &*server.signer,
            options.first_id,
        )?),
        Scenario::Fanout
        | Scenario::Rooms
        | Scenario::Echo
        | Scenario::Idle
        | Scenario::Posts
        | Scenario::Commands
        | Scenario::Displays => None,
    };
    drop(server);
    progress.turn(format!("{what}, floor"));
    let floor = Server::start_floor(
        &options.floor,
        &floor_args(options, &ours),
        &token,
        &options.work_dir,
    )?;
    let mut theirs = scenario::trial(&speaking(options, options.protocol.floor()), &floor, progress)?;
    drop(floor);
    if let Some(verification) = verification {
        add_verification(&mut theirs, verification);
    }
    let mut peers = Vec::new();
    for peer in &options.peers {
        progress.turn(format!("{what}, {}", peer.name));
        let sizes = sizes(options, &ours);
        let server = Server::start_floor(&peer.program, &sizes, &token, &options.work_dir)?;
        let trial = scenario::trial(&speaking(options, peer.protocol), &server, progress)?;
        peers.push((server.version.clone().unwrap_or_default(), trial));
    }
    let round = Round {
        server: ours,
        floor: theirs,
        peers,
    };
    Ok((round, verification))
}

fn speaking(options: &Options, protocol: Protocol) -> Options {
    Options {
        protocol,
        ..options.clone()
    }
}

/// The options with `load` turned into a rate, and what it is a share of.
///
/// Half of what a server gets through means nothing to another that gets through less: all are given the same rate,
/// the share of what the slowest can do.
fn paced(
    options: &Options,
    keys: &dyn Keys,
    progress: &Progress,
) -> Result<(Options, Option<String>), BenchError> {
    let mut paced = options.clone();
    let Some(load) = options.load else {
        return Ok((paced, None));
    };
    let most = options.in_flight.iter().copied().max().unwrap_or(1);
    let saturated = Options {
        load: None,
        in_flight: vec![most],
        ..options.clone()
    };
    let (round, _) = one_round(&saturated, keys, "saturation", progress)?;
    let rate = |trial: &Trial| {
        let figures = trial.steps.iter().flat_map(|step| &step.figures);
        let mut rates = figures.filter(|figure| {
            [scenario::rooms::MESSAGES, scenario::commands::COMMANDS].contains(&figure.what)
        });
        rates.next().map_or(0.0, |figure| figure.value)
    };
    let (ours, floor) = (rate(&round.server), rate(&round.floor));
    let mut slowest = ours.min(floor);
    let mut note = format!(
        "load is a share of what the slowest one got through with {most} in flight: {ours:.0}/s the server, {floor:.0}/s the floor"
    );
    for (peer, (_, trial)) in options.peers.iter().zip(&round.peers) {
        let theirs = rate(trial);
        slowest = slowest.min(theirs);
        note.push_str(&format!(", {theirs:.0}/s {}", peer.name));
    }
    paced.rate = Some(load * slowest);
    Ok((paced, Some(note)))
}

/// A floor that speaks as the server does, writes as many bytes, and commits if the scenario is about commits.
fn floor_args(options: &Options, ours: &Trial) -> Vec<String> {
    let mut args = vec![
        "--protocol".to_owned(),
        options.protocol.floor().name().to_owned(),
    ];
    args.extend(sizes(options, ours));
    if options.scenario == Scenario::Posts {
        args.push("--durable".to_owned());
    }
    args
}

/// How long what the server said was, for others to say as much.
fn sizes(options: &Options, ours: &Trial) -> [String; 2] {
    let bytes = match options.scenario {
        Scenario::Echo => "--pong-bytes",
        Scenario::Fanout
        | Scenario::Rooms
        | Scenario::Idle
        | Scenario::Connect
        | Scenario::Posts
        | Scenario::Commands
        | Scenario::Displays => "--frame-bytes",
    };
    [bytes.to_owned(), ours.frame_bytes.to_string()]
}

/// The floor of a sign-in is a bare accept and one verification, and the floor server verifies nothing.
fn add_verification(floor: &mut Trial, verification_us: f64) {
    for step in &mut floor.steps {
        for figure in step
            .figures
            .iter_mut()
            .filter(|figure| figure.what == scenario::connect::COST)
        {
            figure.value += verification_us;
        }
    }
}
