//! What a supervisor has to write down: that its program runs, and how it ended.
//!
//! Invariant: a disk that takes nothing keeps the supervisor from nothing; what could not be written is written when it can
//! be, unless the folder was taken away.

use std::io;

use super::folder::{Ending, Folder, Started};
use super::say;

/// What could not be written is tried again after so many milliseconds, and then after twice as many …
const AGAIN_MS: u64 = 100;
/// … up to so many.
const AGAIN_MS_MAX: u64 = 5_000;

/// What is to be written of one program. All times are milliseconds of one clock.
pub(super) struct Notes<'a> {
    folder: &'a Folder,
    started: Option<Started>,
    end: Option<Ending>,
    /// When it is tried again, and how long that was waited for.
    again: Option<(u64, u64)>,
}

impl<'a> Notes<'a> {
    pub(super) const fn new(folder: &'a Folder) -> Self {
        Self {
            folder,
            started: None,
            end: None,
            again: None,
        }
    }

    /// The program runs.
    pub(super) fn started(&mut self, started: Started, now: u64) {
        self.started = Some(started);
        self.write(now);
    }

    /// The program is over.
    pub(super) fn ended(&mut self, end: Ending, now: u64) {
        self.end = Some(end);
        self.write(now);
    }

    /// Tries again what is due by now.
    pub(super) fn due(&mut self, now: u64) {
        if self.again.is_some_and(|(at, _)| at <= now) {
            self.write(now);
        }
    }

    /// When [`Self::due`] is to be called; `None` if all is written.
    pub(super) fn next(&self) -> Option<u64> {
        self.again.map(|(at, _)| at)
    }

    fn write(&mut self, now: u64) {
        if let Err(fault) = self.try_write() {
            let (first, ms) = match self.again {
                None => (true, AGAIN_MS),
                Some((_, ms)) => (false, (ms * 2).min(AGAIN_MS_MAX)),
            };
            if first {
                say(&format!("it cannot be written down how the program is: {fault}"));
            }
            if self.folder.path().exists() {
                self.again = Some((now.saturating_add(ms), ms));
                return;
            }
        }
        self.again = None;
    }

    fn try_write(&mut self) -> io::Result<()> {
        if let Some(end) = &self.end {
            self.folder.say_end(end)?;
            self.end = None;
        }
        if let Some(started) = &self.started {
            self.folder.say_started(started)?;
            self.started = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Code;

    #[test]
    fn what_cannot_be_written_is_written_later() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path().to_owned());
        std::fs::create_dir(folder.file("end.new")).unwrap();
        let mut notes = Notes::new(&folder);
        let end = Ending::not_started(Code::System, "no");
        notes.ended(end.clone(), 1_000);
        assert_eq!(notes.next(), Some(1_100));
        notes.due(1_099);
        assert_eq!(notes.next(), Some(1_100));
        let mut at = Vec::new();
        for _ in 0..8 {
            let next = notes.next().unwrap();
            notes.due(next);
            at.push(notes.next().unwrap() - next);
        }
        assert_eq!(at, [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        assert_eq!(folder.end().unwrap(), None);
        std::fs::remove_dir(folder.file("end.new")).unwrap();
        notes.due(u64::MAX);
        assert_eq!((notes.next(), folder.end().unwrap()), (None, Some(end)));
    }

    #[test]
    fn a_folder_that_was_taken_away_is_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path().join("gone"));
        let mut notes = Notes::new(&folder);
        notes.ended(Ending::Lost { reboot: false }, 0);
        assert_eq!(notes.next(), None);
    }
}
