//! The display agent as a program of its own.

use std::process::ExitCode;

use bongsu_agent::AgentArgs;
use clap::Parser;

/// Runs programs on a display, as a server asks
#[derive(Parser)]
#[command(name = "bongsu-agent", version)]
struct Line {
    #[command(flatten)]
    agent: AgentArgs,
}

fn main() -> ExitCode {
    bongsu_agent::main(&Line::parse().agent, &["supervise"])
}
