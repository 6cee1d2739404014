//! The one thread that writes: it takes whatever waits, runs it in one transaction, commits, and only then answers.
//!
//! Invariant: no write is answered with success before the commit that carries it. When a commit fails, all of its
//! writes fail and the cache is dropped; when it failed such that nobody knows what the disk holds, no write is taken
//! any more until the store is opened anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::cache::Cache;
use super::queue::Queue;
use super::rows::{Sql as _, execute};
use super::tables::Tables;
use crate::{AppendRefused, Appended, NewMessage, StoreFault, StoreLimits, StoreMeter};

/// Pages in the log after which they are copied into the file.
const CHECKPOINT_PAGES: i64 = 1_000;
/// Writes and commits between two looks at how long the log is.
const CHECKPOINT_LOOK: usize = 100;

/// How many statements a write is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// One that changes something, which SQLite undoes by itself if it fails.
    Single,
    /// Several: they run in a savepoint.
    Several,
}

/// What a write came to, held back until the commit.
pub(super) struct Settled {
    /// False undoes it.
    pub(super) keep: bool,
    /// Tells the caller; a fault is that of the commit.
    pub(super) answer: Box<dyn FnOnce(Result<(), StoreFault>) + Send>,
}

type Op = Box<dyn FnOnce(Result<&mut Tables<'_>, StoreFault>) -> Option<Settled> + Send>;

pub(super) enum Job {
    Append(NewMessage, oneshot::Sender<Result<Appended, AppendRefused>>),
    Op(Shape, Op),
}

impl Job {
    pub(super) fn op<T, E>(
        shape: Shape,
        tell: oneshot::Sender<Result<T, E>>,
        run: impl FnOnce(&mut Tables<'_>) -> Result<T, E> + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let op: Op = Box::new(move |tables| match tables {
            Ok(tables) => {
                let answer = run(tables);
                let keep = answer.is_ok();
                let answer = Box::new(move |commit: Result<(), StoreFault>| {
                    // Who asked may be gone; what it asked for is kept all the same.
                    let _ = tell.send(commit.map_err(E::from).and(answer));
                });
                Some(Settled { keep, answer })
            }
            Err(fault) => {
                let _ = tell.send(Err(fault.into()));
                None
            }
        });
        Self::Op(shape, op)
    }

    fn refuse(self, fault: &StoreFault) {
        match self {
            Self::Append(_, tell) => {
                let _ = tell.send(Err(fault.clone().into()));
            }
            Self::Op(_, op) => {
                let _ = op(Err(fault.clone()));
            }
        }
    }
}

enum Answer {
    Append(
        oneshot::Sender<Result<Appended, AppendRefused>>,
        Result<Appended, AppendRefused>,
    ),
    Op(Box<dyn FnOnce(Result<(), StoreFault>) + Send>),
}

pub(super) struct Writer {
    pub(super) queue: Arc<Queue<Job>>,
    pub(super) meter: Arc<StoreMeter>,
    pub(super) batch_max: usize,
    pub(super) limits: StoreLimits,
}

impl Writer {
    /// Runs until the queue is closed and empty.
    pub(super) fn run(self, conn: &Connection) {
        let mut tables = Tables {
            conn,
            cache: Cache::new(),
            limits: self.limits.clone(),
        };
        let mut batch = VecDeque::new();
        let mut answers = Vec::new();
        let mut unlooked = 0;
        let mut broken: Option<StoreFault> = None;
        while self.queue.take(self.batch_max, &mut batch) {
            if let Some(fault) = &broken {
                batch.drain(..).for_each(|job| job.refuse(fault));
                continue;
            }
            match self.commit(&mut tables, &mut batch, &mut answers) {
                Ok(writes) => unlooked += 1 + writes,
                Err(fault) => broken = self.fail(&mut tables, &mut batch, &mut answers, fault),
            }
            if unlooked >= CHECKPOINT_LOOK && broken.is_none() {
                checkpoint(conn);
                unlooked = 0;
            }
        }
    }

    /// Runs a batch in one transaction and answers it; how many writes it held.
    fn commit(
        &self,
        tables: &mut Tables<'_>,
        batch: &mut VecDeque<Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<usize, StoreFault> {
        execute(tables.conn, "BEGIN IMMEDIATE", [])?;
        while let Some(job) = batch.pop_front() {
            run_job(tables, job, answers)?;
            // Some failures (disk full, I/O) make SQLite give up the whole transaction by itself.
            if tables.conn.is_autocommit() {
                return Err(gave_up(answers));
            }
        }
        let us = timed_commit(tables.conn)?;
        tables.cache.age();
        let writes = answers.len();
        self.meter
            .committed(writes, count(answers, true), count(answers, false), us);
        for answer in answers.drain(..) {
            match answer {
                Answer::Append(tell, answer) => {
                    let _ = tell.send(answer);
                }
                Answer::Op(tell) => tell(Ok(())),
            }
        }
        Ok(writes)
    }

    /// Fails a whole batch; what to answer from now on if the store is broken for good.
    fn fail(
        &self,
        tables: &mut Tables<'_>,
        batch: &mut VecDeque<Job>,
        answers: &mut Vec<Answer>,
        fault: StoreFault,
    ) -> Option<StoreFault> {
        self.meter.commit_failed();
        tables.cache = Cache::new();
        let rolled_back = tables.conn.is_autocommit() || execute(tables.conn, "ROLLBACK", []).is_ok();
        for answer in answers.drain(..) {
            match answer {
                Answer::Append(tell, _) => {
                    let _ = tell.send(Err(fault.clone().into()));
                }
                Answer::Op(tell) => tell(Err(fault.clone())),
            }
        }
        batch.drain(..).for_each(|job| job.refuse(&fault));
        if rolled_back && passes(&fault) {
            tracing::warn!(%fault, "a batch of writes was not kept");
            return None;
        }
        tracing::error!(%fault, "the store takes no more writes until it is opened anew");
        Some(fault)
    }
}

fn count(answers: &[Answer], new: bool) -> usize {
    let is = |answer: &&Answer| match answer {
        Answer::Append(_, Ok(Appended::New(_))) => new,
        Answer::Append(_, Ok(Appended::Repeat(_))) => !new,
        Answer::Append(_, Err(_)) | Answer::Op(_) => false,
    };
    answers.iter().filter(is).count()
}

/// Why SQLite gave up the transaction: the last job's failure, or, where that cannot be seen, the worst.
fn gave_up(answers: &[Answer]) -> StoreFault {
    if let Some(Answer::Append(_, Err(AppendRefused::Fault(fault)))) = answers.last() {
        return fault.clone();
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    StoreFault::Broken(Arc::new(rusqlite::Error::SqliteFailure(code, None)))
}

/// Runs one job; an error is one of the transaction, not of the job.
fn run_job(tables: &mut Tables<'_>, job: Job, answers: &mut Vec<Answer>) -> Result<(), StoreFault> {
    match job {
        Job::Append(new, tell) => {
            let answer = tables.append(new);
            answers.push(Answer::Append(tell, answer));
        }
        Job::Op(Shape::Single, op) => {
            if let Some(settled) = op(Ok(tables)) {
                answers.push(Answer::Op(settled.answer));
            }
        }
        Job::Op(Shape::Several, op) => {
            if let Err(fault) = execute(tables.conn, "SAVEPOINT job", []) {
                op(Err(fault.clone()));
                return Err(fault);
            }
            let Some(settled) = op(Ok(tables)) else {
                return Ok(());
            };
            answers.push(Answer::Op(settled.answer));
            if tables.conn.is_autocommit() {
                return Ok(());
            }
            if !settled.keep {
                execute(tables.conn, "ROLLBACK TO job", [])?;
            }
            execute(tables.conn, "RELEASE job", [])?;
        }
    }
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "how long the disk takes is what is measured; no decision hangs on it"
)]
fn timed_commit(conn: &Connection) -> Result<u64, StoreFault> {
    let begun = Instant::now();
    conn.prepare_cached("COMMIT")
        .and_then(|mut commit| commit.execute([]))
        .sql()?;
    Ok(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// Whether a failed transaction left the file as it was, so that the next one may be tried.
///
/// After a failed write or fsync the kernel may have dropped the pages it could not write: what the log holds is
/// unknown, and only recovery at the next start finds out.
fn passes(fault: &StoreFault) -> bool {
    let StoreFault::Broken(source) = fault else {
        return false;
    };
    let Some(rusqlite::Error::SqliteFailure(code, _)) = source.downcast_ref::<rusqlite::Error>() else {
        return false;
    };
    matches!(
        code.code,
        ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::ConstraintViolation
    )
}

/// Copies the log into the file if it has grown long. It runs after the answers, so that no writer waits for it, and never
/// fails a write: what could not be copied stays in the log.
fn checkpoint(conn: &Connection) {
    if let Err(fault) = checkpoint_if_long(conn) {
        tracing::warn!(%fault, "the log could not be copied into the file; it will be tried again");
    }
}

fn checkpoint_if_long(conn: &Connection) -> rusqlite::Result<()> {
    let uncopied = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
    let waiting = conn
        .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
        .query_row([], uncopied)?;
    if waiting >= CHECKPOINT_PAGES {
        conn.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
            .query_row([], |_| Ok(()))?;
    }
    Ok(())
}
