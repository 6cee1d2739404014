//! Bare group commit: whatever was read in one turn of the loop is one SQLite transaction.
//!
//! Invariant: when `all` returns, the rows are on the disk (WAL, `synchronous=FULL`).

use std::path::Path;

use rusqlite::Connection;

use crate::error::BenchError;

/// The floor's store.
pub(super) struct Commit {
    store: Connection,
    seq: i64,
}

impl Commit {
    pub(super) fn open(path: &Path) -> Result<Self, BenchError> {
        let store = Connection::open(path)?;
        store.pragma_update(None, "journal_mode", "WAL")?;
        store.pragma_update(None, "synchronous", "FULL")?;
        store.execute_batch(
            "CREATE TABLE messages (room INTEGER NOT NULL, seq INTEGER NOT NULL, line BLOB NOT NULL, PRIMARY KEY (room, seq)) WITHOUT ROWID",
        )?;
        Ok(Self { store, seq: 0 })
    }

    /// Commits `lines` of their rooms together.
    pub(super) fn all<'a>(&mut self, lines: impl Iterator<Item = (i64, &'a [u8])>) -> Result<(), BenchError> {
        let batch = self.store.transaction()?;
        {
            let mut insert =
                batch.prepare_cached("INSERT INTO messages (room, seq, line) VALUES (?1, ?2, ?3)")?;
            for (room, line) in lines {
                self.seq += 1;
                insert.execute((room, self.seq, line))?;
            }
        }
        Ok(batch.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_there_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("floor.sqlite");
        let mut commit = Commit::open(&path).unwrap();
        commit
            .all([(1, &b"a"[..]), (1, b"b"), (2, b"c")].into_iter())
            .unwrap();
        commit.all([(1, &b"d"[..])].into_iter()).unwrap();
        let other = Connection::open(&path).unwrap();
        let rows: i64 = other
            .query_row("SELECT count(*) FROM messages WHERE room = 1", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(rows, 3);
        let synchronous: i64 = commit
            .store
            .query_row("PRAGMA synchronous", [], |row| row.get(0))
            .unwrap();
        assert_eq!(synchronous, 2, "FULL");
    }
}
