//! Which programs there are, by their folders.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::DataArgs;
use crate::os::process::since_boot_ms;
use crate::report::{How, Outcome};
use crate::supervise::folder::{Claim, Folder, all};

/// Which programs are listed.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Only those that run
    #[arg(long)]
    running: bool,
}

/// The state of a program whose folder cannot be read.
const UNREADABLE: &str = "unreadable";

pub(super) fn list(args: &ListArgs, out: &mut impl Write) -> io::Result<ExitCode> {
    writeln!(
        out,
        "{:<32}  {:>8}  {:>8}  {:<24}  LINE",
        "COMMAND", "PRESET", "PID", "STATE"
    )?;
    for (command, folder) in all(&args.data.folder())? {
        // What a program's folder does not say is not said; the others are listed all the same.
        let spec = match folder.spec() {
            Ok(Some(spec)) => spec,
            Ok(None) => continue,
            Err(_) => {
                if !args.running {
                    writeln!(out, "{command}  {:>8}  {:>8}  {:<24}  -", "-", "-", UNREADABLE)?;
                }
                continue;
            }
        };
        let runs = matches!(folder.end(), Ok(None));
        if args.running && !runs {
            continue;
        }
        let preset = spec
            .preset
            .map_or_else(|| "-".to_owned(), |preset| preset.to_string());
        let pid = folder.started().ok().flatten().filter(|_| runs);
        let pid = pid.map_or_else(|| "-".to_owned(), |started| started.program.pid.to_string());
        let line = spec.line.escape_debug();
        writeln!(
            out,
            "{command}  {preset:>8}  {pid:>8}  {:<24}  {line}",
            state(&folder).unwrap_or_else(|_| UNREADABLE.to_owned())
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn state(folder: &Folder) -> io::Result<String> {
    let Some(end) = folder.end()? else {
        let lives = matches!(folder.claimed()?, Some(Claim::Supervisor(supervisor)) if supervisor.lives());
        return Ok(match folder.started()? {
            _ if !lives => "lost".to_owned(),
            None => "starting".to_owned(),
            Some(started) => format!(
                "running {}",
                span(since_boot_ms().saturating_sub(started.boot_ms))
            ),
        });
    };
    Ok(match end.outcome() {
        Outcome::Ended {
            how,
            stopped,
            lasted_ms,
        } => {
            let how = match how {
                How::Exited(code) => format!("exit {code}"),
                How::Killed(signal) => format!("signal {signal}"),
                How::Lost(why) => return Ok(format!("lost: {}", why.name())),
            };
            let stopped = if stopped { "stopped, " } else { "" };
            format!("{stopped}{how} ({})", span(lasted_ms))
        }
        Outcome::NotStarted { code, .. } | Outcome::Rejected { code, .. } => {
            format!("not started: {}", code.name())
        }
        Outcome::Starting | Outcome::Running { .. } | Outcome::Stopped { .. } => "unknown".to_owned(),
    })
}

/// A span of time for people: its two largest units.
fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_two_largest_units() {
        let spans = [0, 999, 59_000, 60_000, 3_661_000, 90_000_000].map(span);
        assert_eq!(spans, ["0ms", "999ms", "59s", "1m0s", "1h1m", "1d1h"]);
    }
}
