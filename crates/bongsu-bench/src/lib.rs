//! The load generator and the floors it measures against.
//!
//! Invariant: a figure never stands alone. In every round the same simulated users drive first the server, then a
//! floor of our own that writes the same bytes to as many sockets, and what counts is the ratio.

mod clock;
mod crowd;
mod dialect;
mod error;
pub mod floor;
mod fsync;
mod histogram;
mod http;
mod options;
mod process;
mod report;
mod scenario;
mod tally;
mod target;

pub use error::{BenchError, Fault};
pub use options::{Options, Protocol, Scenario};
pub use report::{Goal, Report, Row};
pub use target::{Keys, Program, Signer, Target};

use bongsu_model::Role;
use report::Extra;
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
    process::need_files(options.connections() as u64 + SPARE_FILES)?;
    let progress = Progress::new();
    let (options, saturation) = paced(options, keys, &progress)?;
    let mut rounds = Vec::new();
    let (mut verifications, mut syncs) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let what = format!("{} {round}/{}", options.scenario.name(), options.rounds);
        let (pair, verification) = one_round(&options, keys, &what, &progress)?;
        verifications.extend(verification);
        if options.scenario == Scenario::Posts {
            syncs.push(fsync::one_us(&options.work_dir, pair.0.frame_bytes)?);
        }
        rounds.push(pair);
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

/// Server and floor, one after the other, and for sign-ins what a verification takes.
fn one_round(
    options: &Options,
    keys: &dyn Keys,
    what: &str,
    progress: &Progress,
) -> Result<((Trial, Trial), Option<f64>), BenchError> {
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
        Scenario::Fanout | Scenario::Rooms | Scenario::Echo | Scenario::Idle | Scenario::Posts => None,
    };
    drop(server);
    progress.turn(format!("{what}, floor"));
    let floor = Server::start_floor(
        &options.floor,
        &floor_args(options, &ours),
        &token,
        &options.work_dir,
    )?;
    let mut theirs = scenario::trial(options, &floor, progress)?;
    drop(floor);
    if let Some(verification) = verification {
        add_verification(&mut theirs, verification);
    }
    Ok(((ours, theirs), verification))
}

/// The options with `load` turned into a rate, and what it is a share of.
///
/// Half of what a server gets through means nothing to another that gets through less: both are given the same rate,
/// the share of what the slower one can do.
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
    let (pair, _) = one_round(&saturated, keys, "saturation", progress)?;
    let rate = |trial: &Trial| {
        let figures = trial.steps.iter().flat_map(|step| &step.figures);
        let mut rates = figures.filter(|figure| figure.what == scenario::rooms::MESSAGES);
        rates.next().map_or(0.0, |figure| figure.value)
    };
    let (ours, floor) = (rate(&pair.0), rate(&pair.1));
    paced.rate = Some(load * ours.min(floor));
    let note = format!(
        "load is a share of what the slower one got through with {most} in flight: {ours:.0} msg/s the server, {floor:.0} msg/s the floor"
    );
    Ok((paced, Some(note)))
}

/// A floor that speaks as the server does, writes as many bytes, and commits if the scenario is about commits.
fn floor_args(options: &Options, ours: &Trial) -> Vec<String> {
    let bytes = match options.scenario {
        Scenario::Echo => "--pong-bytes",
        Scenario::Fanout | Scenario::Rooms | Scenario::Idle | Scenario::Connect | Scenario::Posts => {
            "--frame-bytes"
        }
    };
    let mut args = vec![
        "--protocol".to_owned(),
        options.protocol.name().to_owned(),
        bytes.to_owned(),
        ours.frame_bytes.to_string(),
    ];
    if options.scenario == Scenario::Posts {
        args.push("--durable".to_owned());
    }
    args
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
