//! The one binary: command line, configuration, assembly.

mod cli;
mod client;
mod pki;
mod serve;
mod settings;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
