//! The command line: every command, and what each exit code means (0 done, 1 failed, 2 used wrongly).

mod bench;
mod serve;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A real-time gateway: one server in which many client protocols meet.
#[derive(Parser)]
#[command(name = "bongsu", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Make an access token, signed by a data folder's key; the server need not run.
    Token(token::Token),
    /// Measure a server, beside a floor in the same run.
    Bench(bench::Bench),
    /// The floor that the bench measures against.
    #[command(hide = true, disable_help_flag = true)]
    BenchFloor {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Reads the command line and carries it out.
pub(crate) fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Token(token) => token.run(),
        Command::Bench(bench) => bench.run(),
        Command::BenchFloor { args } => bongsu_bench::floor::main(args).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bongsu: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says something on stdout: for what a command is asked to print, and nothing else.
#[allow(clippy::print_stdout, reason = "the one way to stdout")]
fn say(text: &str) {
    println!("{text}");
}
