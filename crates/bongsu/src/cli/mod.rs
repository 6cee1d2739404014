//! The command line: every command, and what each exit code means (0 done, 1 failed, 2 used wrongly).

mod asyncapi;
mod bench;
mod check;
mod command;
mod config;
mod device;
mod devices;
mod display;
mod displays;
mod explain;
mod migrate;
mod node;
mod openapi;
mod output;
mod pki;
mod preset;
mod remote;
mod room;
mod send;
mod serve;
mod shell;
mod simulate;
mod tail;
mod token;
mod tongue;
mod user;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A real-time gateway: one server in which many client protocols meet.
#[derive(Parser)]
#[command(name = "bongsu", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "\
To try it out:  bongsu serve --dev
Every flag of `serve` is also an environment variable (BONGSU_…) and a key of the --config file.
Exit codes: 0 done, 1 failed, 2 used wrongly.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
// What each is stands with its own type, where the long help is too.
enum Command {
    Serve(serve::Serve),
    Token(token::Token),
    User(user::User),
    Room(room::Room),
    Send(send::Send),
    Announce(send::Announce),
    Tail(tail::Tail),
    Device(device::Device),
    Command(command::Command),
    Display(display::Display),
    Preset(preset::Preset),
    Node(node::Node),
    /// The display's side: run programs here, as a server asks.
    Agent(Box<bongsu_agent::AgentArgs>),
    Explain(explain::Explain),
    Check(check::Check),
    /// Show the configuration of a server that was told nothing.
    Config(config::Config),
    Migrate(migrate::Migrate),
    Pki(pki::Pki),
    Openapi(openapi::OpenApi),
    Asyncapi(asyncapi::AsyncApi),
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
        Command::User(user) => user.run(),
        Command::Room(room) => room.run(),
        Command::Send(send) => send.run(),
        Command::Announce(announce) => announce.run(),
        Command::Tail(tail) => tail.run(),
        Command::Device(device) => device.run(),
        Command::Command(command) => command.run(),
        Command::Display(display) => display.run(),
        Command::Preset(preset) => preset.run(),
        Command::Node(node) => node.run(),
        // What supervises a program is this program again.
        Command::Agent(agent) => return bongsu_agent::main(&agent, &["agent", "supervise"]),
        Command::Explain(explain) => explain.run(),
        Command::Check(check) => check.run(),
        Command::Config(config) => config.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Pki(pki) => pki.run(),
        Command::Openapi(openapi) => openapi.run(),
        Command::Asyncapi(asyncapi) => {
            asyncapi.run();
            Ok(())
        }
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

/// Says something on stdout: for what a command is asked to print, and nothing else. False if nobody listens any more.
fn say(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_ok()
}
