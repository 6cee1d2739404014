//! The display agent as a program of its own.

use std::process::ExitCode;

use bongsu_agent::cli::{Local, answer};
use clap::Parser;

/// Runs programs on a display, as a server asks
#[derive(Parser)]
#[command(name = "bongsu-agent", version)]
struct Line {
    #[command(subcommand)]
    asked: Local,
}

fn main() -> ExitCode {
    let line = Line::parse();
    match answer(&line.asked, &mut std::io::stdout().lock()) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("bongsu-agent: {fault}");
            ExitCode::FAILURE
        }
    }
}
