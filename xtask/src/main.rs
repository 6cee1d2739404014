//! Checks of the house that the compiler cannot make.
//!
//! `cargo xtask tidy` reads the tracked files and the workspace's metadata; it changes nothing.
#![allow(clippy::print_stdout, reason = "a command line tool prints its findings")]

mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    match asked.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => report(tidy::run()),
        _ => {
            eprintln!("usage: cargo xtask tidy");
            ExitCode::from(2)
        }
    }
}

fn report(outcome: anyhow::Result<tidy::Report>) -> ExitCode {
    match outcome {
        Ok(report) if report.findings.is_empty() => {
            println!("tidy: {}", report.summary);
            ExitCode::SUCCESS
        }
        Ok(report) => {
            for finding in &report.findings {
                println!("{finding}");
            }
            println!("tidy: {} findings; {}", report.findings.len(), report.summary);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error:#}");
            ExitCode::FAILURE
        }
    }
}
