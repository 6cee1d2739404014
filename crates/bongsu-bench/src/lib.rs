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
    let mut rounds = Vec::new();
    let (mut verifications, mut syncs) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let turn = |who| format!("{} {round}/{}, {who}", options.scenario.name(), options.rounds);
        progress.turn(turn("server"));
        let server = Server::start(&options.target, keys, &options.work_dir)?;
        let ours = scenario::trial(options, &server, &progress)?;
        let token = server
            .signer
            .mint(options.first_id, Role::User)
            .map_err(BenchError::Token)?;
        if options.scenario == Scenario::Connect {
            verifications.push(scenario::connect::verification_us(
                &*server.signer,
                options.first_id,
            )?);
        }
        drop(server);
        progress.turn(turn("floor"));
        let floor = Server::start_floor(
            &options.floor,
            &floor_args(options, &ours),
            &token,
            &options.work_dir,
        )?;
        let mut theirs = scenario::trial(options, &floor, &progress)?;
        drop(floor);
        if options.scenario == Scenario::Posts {
            syncs.push(fsync::one_us(&options.work_dir, ours.frame_bytes)?);
        }
        if let Some(verification) = verifications.last() {
            add_verification(&mut theirs, *verification);
        }
        rounds.push((ours, theirs));
    }
    let mut extras = Vec::new();
    if !verifications.is_empty() {
        let what = "of which one verification".to_owned();
        extras.push(Extra {
            what,
            unit: "µs",
            floors: verifications,
        });
    }
    if !syncs.is_empty() {
        let what = "one message appended to a file and fdatasync".to_owned();
        extras.push(Extra {
            what,
            unit: "µs",
            floors: syncs,
        });
    }
    Ok(report::assemble(options, &rounds, extras))
}

/// A floor that writes lines of the length that the server wrote, and commits if the scenario is about commits.
fn floor_args(options: &Options, ours: &Trial) -> Vec<String> {
    let bytes = match options.scenario {
        Scenario::Echo => "--pong-bytes",
        Scenario::Fanout | Scenario::Rooms | Scenario::Idle | Scenario::Connect | Scenario::Posts => {
            "--frame-bytes"
        }
    };
    let mut args = vec![bytes.to_owned(), ours.frame_bytes.to_string()];
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
