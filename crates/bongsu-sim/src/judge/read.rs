//! Where lines come from: files, or texts in tests.
//!
//! Invariant: one line at a time is in memory, and none is longer than [`LINE_BYTES_MAX`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use thiserror::Error;

use super::line::Malformed;

/// No line is longer.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Why a history could not be judged.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// A file cannot be read.
    #[error("{name}: {error}")]
    Io {
        /// Which.
        name: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A line is none of a history.
    #[error("{name}:{line}: {error}")]
    Line {
        /// In which file.
        name: String,
        /// Which.
        line: u32,
        /// What is wrong.
        #[source]
        error: Malformed,
    },
    /// The dump is missing, or ends early.
    #[error("there is no whole dump of the store: no line of the kind \"dumped\"")]
    NoDump,
    /// Nothing was done, so nothing is proven.
    #[error("nothing was acknowledged and no command was accepted: there is nothing to check")]
    Nothing,
    /// More files than can be told apart.
    #[error("more than {} files", u16::MAX)]
    TooMany,
}

/// A part of a history, read twice.
pub trait Source {
    /// How it is called in reports.
    fn name(&self) -> String;
    /// Opens it at its beginning.
    ///
    /// # Errors
    /// Whatever the file has.
    fn open(&self) -> io::Result<Box<dyn BufRead + '_>>;
}

impl Source for PathBuf {
    fn name(&self) -> String {
        self.display().to_string()
    }

    fn open(&self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(BufReader::with_capacity(1 << 18, File::open(self)?)))
    }
}

/// A text that is a part of a history: its name, and its lines.
impl Source for (String, String) {
    fn name(&self) -> String {
        self.0.clone()
    }

    fn open(&self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(self.1.as_bytes()))
    }
}

/// Gives every line of `source` that is not empty to `each`, with its number.
pub(super) fn lines(
    source: &dyn Source,
    mut each: impl FnMut(u32, &str) -> Result<(), Malformed>,
) -> Result<(), Unreadable> {
    let broken = |error| Unreadable::Io {
        name: source.name(),
        error,
    };
    let mut reader = source.open().map_err(broken)?;
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let read = reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_line(&mut text)
            .map_err(broken)?;
        if read == 0 {
            break;
        }
        let one = text.trim_end();
        if !one.is_empty() {
            each(line, one).map_err(|error| Unreadable::Line {
                name: source.name(),
                line,
                error,
            })?;
        }
    }
    Ok(())
}
