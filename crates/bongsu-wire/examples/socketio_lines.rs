//! For the check against the parsers of Socket.IO's own clients (`make socketio-parser`): what we say and how we read,
//! as lines of JSON.
//!
//! `socketio_lines emit <seed> <rounds>` writes generated packets and payloads, whole and damaged, with our reading of
//! each; `socketio_lines read` reads lines from its input and writes our reading of each.

#[path = "socketio_lines/chance.rs"]
mod chance;
#[path = "socketio_lines/emit.rs"]
mod emit;
#[path = "socketio_lines/read.rs"]
mod read;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(|it| &**it).collect();
    let done = match *arguments {
        ["emit", seed, rounds] => match (seed.parse(), rounds.parse()) {
            (Ok(seed), Ok(rounds)) => emit(seed, rounds),
            _ => Err(io::Error::other("the seed and the rounds are numbers")),
        },
        ["read"] => read(),
        _ => Err(io::Error::other(
            "usage: socketio_lines emit <seed> <rounds> | read",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _told = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn emit(seed: u64, rounds: usize) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut chance = chance::Chance::new(seed);
    for _ in 0..rounds {
        for line in emit::round(&mut chance) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}

fn read() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let asked: serde_json::Value = serde_json::from_str(&line?)?;
        let answer =
            read::line(&asked).ok_or_else(|| io::Error::other(format!("not understood: {asked}")))?;
        writeln!(out, "{answer}")?;
    }
    out.flush()
}
