//! What a program writes, in files that take the place of each other.
//!
//! Invariant: one stream has at most `files` files of `bytes_max` bytes; a disk that takes nothing costs what was written
//! and never the program's time.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::os::files;

/// The two streams of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// The name of its file that is written to.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Out => "stdout.log",
            Self::Err => "stderr.log",
        }
    }
}

/// Its files in a folder: the oldest first, the one that is written to last.
pub(crate) fn files_of(folder: &Path, stream: Stream) -> Vec<PathBuf> {
    let current = folder.join(stream.name());
    let mut found = Vec::new();
    for age in 1.. {
        let older = aged(&current, age);
        if !older.exists() {
            break;
        }
        found.push(older);
    }
    found.reverse();
    found.push(current);
    found
}

/// A stream's files, written to.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    bytes_max: u64,
    files: u32,
    file: Option<File>,
    written: u64,
    dropped: bool,
}

impl Log {
    /// A stream's files in a folder.
    pub(crate) fn new(folder: &Path, stream: Stream, bytes_max: u64, files: u32) -> Self {
        Self {
            path: folder.join(stream.name()),
            bytes_max: bytes_max.max(1),
            files: files.max(1),
            file: None,
            written: 0,
            dropped: false,
        }
    }

    /// Writes, or drops what cannot be written. Says the first fault, and nothing more until a write succeeds.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), io::Error> {
        while !bytes.is_empty() {
            let room = usize::try_from(self.bytes_max - self.written).unwrap_or(usize::MAX);
            if room == 0 {
                self.file = None;
                self.rotate();
                self.written = 0;
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let done = self.put(now);
            // What was not written counts as written: a full disk is not tried byte by byte.
            self.written += now.len() as u64;
            bytes = later;
            match done {
                Ok(()) => self.dropped = false,
                Err(fault) if !self.dropped => {
                    self.dropped = true;
                    return Err(fault);
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(files::create(&self.path)?);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// A name that cannot be had is met again by whoever opens the next file.
    fn rotate(&self) {
        for age in (1..self.files).rev() {
            let younger = if age == 1 {
                self.path.clone()
            } else {
                aged(&self.path, age - 1)
            };
            let _ = fs::rename(younger, aged(&self.path, age));
        }
    }
}

fn aged(path: &Path, age: u32) -> PathBuf {
    path.with_added_extension(age.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(folder: &Path) -> Vec<String> {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        files_of(folder, Stream::Out).into_iter().map(read).collect()
    }

    #[test]
    fn the_youngest_bytes_are_kept_in_so_many_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path(), Stream::Out, 4, 3);
        log.write(b"abcd").unwrap();
        assert_eq!(all(folder.path()), ["abcd"]);
        log.write(b"e").unwrap();
        assert_eq!(all(folder.path()), ["abcd", "e"]);
        log.write(b"fghijklmnop").unwrap();
        assert_eq!(all(folder.path()), ["efgh", "ijkl", "mnop"]);
        log.write(b"q").unwrap();
        assert_eq!(all(folder.path()), ["ijkl", "mnop", "q"]);
    }

    #[test]
    fn one_file_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path(), Stream::Out, 4, 1);
        log.write(b"abcdefg").unwrap();
        assert_eq!(all(folder.path()), ["efg"]);
    }

    #[test]
    fn what_cannot_be_written_is_said_once_and_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let mut log = Log::new(&gone, Stream::Out, 4, 2);
        assert!(log.write(b"abc").is_err());
        assert!(log.write(b"def").is_ok());
        fs::create_dir(&gone).unwrap();
        log.write(b"gh").unwrap();
        assert!(all(&gone).concat().ends_with("gh"));
    }
}
