//! The house's rules as a test: each submodule owns one family of them.
//!
//! A check is a pure function from sources to findings, so that its own tests can show it failing.

mod arrows;
mod conflicts;
mod contains;
mod names;
mod openings;
mod places;
mod sizes;
mod source;
mod waits;

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(crate) use source::Source;

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) place: String,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            place: format!("{path}:{line}"),
            message: message.into(),
        }
    }

    pub(crate) fn of(place: &str, message: impl Into<String>) -> Self {
        Self {
            place: place.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) summary: String,
}

/// Runs every check over the tracked files of the repository that holds this crate.
pub(crate) fn run() -> Result<Report> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has no parent directory")?;
    let sources = tracked(root)?;
    let rust: Vec<&Source> = sources.iter().filter(|s| s.path.ends_with(".rs")).collect();
    let ratchet = std::fs::read_to_string(root.join("xtask/ratchet.txt")).context("xtask/ratchet.txt")?;

    let mut findings = arrows::check(&metadata(root)?)?;
    findings.extend(contains::check(&rust));
    findings.extend(names::check(&rust));
    findings.extend(openings::check(&rust));
    findings.extend(waits::check(&rust));
    findings.extend(places::check(&sources));
    findings.extend(conflicts::check(&sources));
    findings.extend(sizes::check(&rust, &ratchet));
    findings.sort();
    let summary = format!("{} files, {}", sources.len(), sizes::summary(&rust));
    Ok(Report { findings, summary })
}

/// Tracked files that are text and still on disk.
fn tracked(root: &Path) -> Result<Vec<Source>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    ensure!(
        listing.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&listing.stderr)
    );
    let names = String::from_utf8(listing.stdout).context("a tracked path is not UTF-8")?;
    let mut sources = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let Ok(bytes) = std::fs::read(root.join(name)) else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source::new(name, text));
        }
    }
    ensure!(!sources.is_empty(), "no tracked files: is this a git checkout?");
    Ok(sources)
}

fn metadata(root: &Path) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).context("cargo metadata is not UTF-8")
}
