//! The journal's file: lines are added at its end, and it is written anew when most of it is past.
//!
//! Invariant: what [`Journal::keep`] returned `Ok` for is on the disk. A last line that was torn by a crash is cut off;
//! any other line that cannot be read is an error, never an absent one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::ledger::Ledger;
use super::record::Record;

/// Below this a file is never written anew.
const REWRITE_BYTES_MIN: u64 = 256 * 1024;

/// Why there is no journal, or why something is not in it.
#[derive(Debug, thiserror::Error)]
pub enum JournalFault {
    /// The file cannot be read or written.
    #[error("the journal {path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has it: two that each think they are the device would each begin a command.
    #[error("the journal {0} is in use by another process")]
    InUse(PathBuf),
    /// A line that is not the last one cannot be read: what was answered is not known any more.
    #[error("line {line} of the journal {path} is damaged: the file has to be looked at by a person")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// An earlier write failed half way, and the file could not be put right.
    #[error("the journal {0} could not be written to before and is not trusted any more")]
    Broken(PathBuf),
}

/// An open journal. One process has it at a time.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    broken: bool,
}

impl Journal {
    /// Opens the journal at `path`, or makes it, and reads what is in it.
    ///
    /// # Errors
    ///
    /// A file that cannot be used, that another process has, or that is damaged.
    pub fn open(path: &Path) -> Result<(Self, Ledger), JournalFault> {
        let fault = |source| JournalFault::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalFault::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
        let (records, whole_bytes) = read(path, &file)?;
        if file.metadata().map_err(fault)?.len() > whole_bytes {
            file.set_len(whole_bytes).map_err(fault)?;
        }
        file.sync_all().map_err(fault)?;
        sync_folder(path).map_err(fault)?;
        let journal = Self {
            path: path.to_owned(),
            file,
            bytes: whole_bytes,
            broken: false,
        };
        Ok((journal, Ledger::replay(records)))
    }

    /// Adds a record. With `durable` it is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// The record is not in the journal, and the journal as before; or, if even that cannot be had, it takes nothing
    /// any more.
    pub fn keep(&mut self, record: &Record, durable: bool) -> Result<(), JournalFault> {
        if self.broken {
            return Err(JournalFault::Broken(self.path.clone()));
        }
        let line = record.line();
        let written = self.file.write_all(line.as_bytes());
        let kept = written.and_then(|()| if durable { self.file.sync_data() } else { Ok(()) });
        match kept {
            Ok(()) => {
                self.bytes += line.len() as u64;
                Ok(())
            }
            Err(source) => {
                // Half a line in the middle would be damage later on.
                let cut = self.file.set_len(self.bytes);
                let cut = cut.and_then(|()| self.file.seek(SeekFrom::End(0)));
                self.broken = cut.and_then(|_| self.file.sync_data()).is_err();
                Err(self.fault(source))
            }
        }
    }

    /// Has everything that was kept on the disk when this returns.
    ///
    /// # Errors
    ///
    /// It is not certain to be.
    pub fn sync(&self) -> Result<(), JournalFault> {
        if self.broken {
            return Err(JournalFault::Broken(self.path.clone()));
        }
        self.file.sync_data().map_err(|source| self.fault(source))
    }

    /// Whether the file holds so much that is past that it should be written anew.
    #[must_use]
    pub fn is_mostly_past(&self, ledger: &Ledger) -> bool {
        self.bytes > REWRITE_BYTES_MIN && self.bytes > 2 * ledger.bytes() as u64
    }

    /// Writes the file anew with what `ledger` holds and nothing else; it is as before, or as it should be, whatever
    /// happens.
    ///
    /// # Errors
    ///
    /// The journal is as before.
    pub fn rewrite(&mut self, ledger: &Ledger) -> Result<(), JournalFault> {
        let new = self.path.with_added_extension("new");
        let (file, bytes) = self.write_anew(&new, ledger).map_err(|source| {
            // A part of a file helps nobody; the next rewriting starts with an empty one in any case.
            let _ = std::fs::remove_file(&new);
            self.fault(source)
        })?;
        (self.file, self.bytes, self.broken) = (file, bytes, false);
        Ok(())
    }

    fn write_anew(&self, new: &Path, ledger: &Ledger) -> io::Result<(File, u64)> {
        let mut file = File::create(new)?;
        // Whoever opens the file by its name meets a lock, before and after.
        file.try_lock()?;
        let mut lines = Vec::with_capacity(ledger.bytes());
        for record in ledger.records() {
            lines.extend_from_slice(record.line().as_bytes());
        }
        file.write_all(&lines)?;
        file.sync_all()?;
        std::fs::rename(new, &self.path)?;
        sync_folder(&self.path)?;
        file.seek(SeekFrom::End(0))?;
        Ok((file, lines.len() as u64))
    }

    fn fault(&self, source: io::Error) -> JournalFault {
        JournalFault::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// All records, and how many bytes of whole lines there are.
fn read(path: &Path, file: &File) -> Result<(Vec<Record>, u64), JournalFault> {
    let fault = |source| JournalFault::Io {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::new(file);
    let (mut records, mut whole_bytes) = (Vec::new(), 0);
    let (mut line, mut number) = (Vec::new(), 0);
    let mut bad = None;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(fault)? == 0 {
            return Ok((records, whole_bytes));
        }
        number += 1;
        if let Some(line) = bad {
            let path = path.to_owned();
            return Err(JournalFault::Damaged { path, line });
        }
        let whole = line.strip_suffix(b"\n");
        match whole.and_then(|whole| Record::read(whole).ok()) {
            Some(record) => {
                records.push(record);
                whole_bytes += line.len() as u64;
            }
            // Torn, if nothing follows.
            None => bad = Some(number),
        }
    }
}

/// The name of a file is its folder's to keep.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Answer, Known};
    use bongsu_model::Timestamp;
    use bongsu_model::device::{CommandId, Object, Value};

    fn begun(id: u128) -> Record {
        Record::Begun {
            id: CommandId(id),
            deadline: Timestamp(10),
            name: "window.set".into(),
            args: Object::new(),
        }
    }

    fn ended(id: u128) -> Record {
        Record::Ended {
            id: CommandId(id),
            deadline: Timestamp(10),
            answer: Answer::ok(Value::text(&"x".repeat(100))),
        }
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        (folder, path)
    }

    #[test]
    fn a_restart_finds_what_was_kept() {
        let (_folder, path) = folder();
        let (mut journal, ledger) = Journal::open(&path).unwrap();
        assert_eq!(ledger.records(), []);
        journal.keep(&begun(1), true).unwrap();
        journal.keep(&ended(1), true).unwrap();
        journal.keep(&begun(2), true).unwrap();
        drop(journal);
        let (_journal, ledger) = Journal::open(&path).unwrap();
        assert!(matches!(ledger.look(CommandId(1)), Known::Ended(_)));
        assert_eq!(ledger.look(CommandId(2)), Known::Begun);
    }

    #[test]
    fn a_line_that_was_torn_anywhere_is_cut_off_and_written_over() {
        let (_folder, path) = folder();
        let whole = begun(1).line();
        let torn = ended(1).line();
        for cut in 0..torn.len() {
            std::fs::write(&path, format!("{whole}{}", &torn[..cut])).unwrap();
            let (mut journal, ledger) = Journal::open(&path).unwrap();
            assert_eq!(ledger.look(CommandId(1)), Known::Begun, "cut at {cut}");
            journal.keep(&begun(2), true).unwrap();
            drop(journal);
            let (_journal, ledger) = Journal::open(&path).unwrap();
            assert_eq!(ledger.begun(), 2, "cut at {cut}");
        }
    }

    #[test]
    fn damage_before_the_end_is_an_error() {
        let (_folder, path) = folder();
        let damaged = begun(1).line().replace("window", "windov");
        std::fs::write(&path, format!("{damaged}{}", ended(1).line())).unwrap();
        assert!(matches!(
            Journal::open(&path),
            Err(JournalFault::Damaged { line: 1, .. })
        ));
    }

    #[test]
    fn two_processes_do_not_share_a_journal() {
        let (_folder, path) = folder();
        let (mut journal, ledger) = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalFault::InUse(_))));
        journal.rewrite(&ledger).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalFault::InUse(_))));
    }

    #[test]
    fn what_is_past_goes_when_the_file_is_written_anew() {
        let (_folder, path) = folder();
        let (mut journal, mut ledger) = Journal::open(&path).unwrap();
        let mut id = 0;
        while !journal.is_mostly_past(&ledger) {
            for record in [begun(id), ended(id)] {
                journal.keep(&record, false).unwrap();
                ledger.note(&record);
            }
            ledger.forget(Timestamp::FAR);
            id += 1;
        }
        ledger.note(&begun(id));
        journal.rewrite(&ledger).unwrap();
        journal.keep(&ended(id), true).unwrap();
        drop(journal);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{}{}", begun(id).line(), ended(id).line())
        );
        assert!(!path.with_added_extension("new").exists());
    }
}
