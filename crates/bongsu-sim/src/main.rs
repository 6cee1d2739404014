//! `bongsu-sim check`: reads what real clients have recorded and says whether the promises were kept.
//!
//! Invariant: 0 means that everything was looked at and nothing was found, 1 that something was found, 2 that nothing
//! can be said.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use bongsu_sim::judge::{Source, judge};

const USAGE: &str = "usage: bongsu-sim check [--json] FILE...";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_none_or(|verb| verb != "check") {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let (flags, files): (Vec<_>, Vec<_>) = words.partition(|word| word.to_string_lossy().starts_with("--"));
    if files.is_empty() || flags.iter().any(|flag| flag != "--json") {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
    let sources: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
    let verdict = match judge(&sources) {
        Ok(verdict) => verdict,
        Err(error) => {
            eprintln!("bongsu-sim: {error}");
            return ExitCode::from(2);
        }
    };
    let told = if flags.is_empty() {
        verdict.to_string()
    } else {
        format!("{}\n", verdict.to_json())
    };
    // A reader that goes away early changes nothing of what was found.
    let _gone = std::io::stdout().lock().write_all(told.as_bytes());
    if verdict.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
