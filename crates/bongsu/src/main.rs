//! The one binary: command line, configuration, assembly.

mod assemble;
mod cli;
mod settings;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
