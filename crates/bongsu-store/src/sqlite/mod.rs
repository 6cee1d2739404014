//! The store on a SQLite file: one writer with group commit, a few readers, each on a thread of its own.
//!
//! Invariant: what a write has answered is committed (with [`Durability::Power`]: and synced), and every read that begins
//! after that answer sees it. One process at a time has the file open.

mod append;
mod cache;
mod check;
mod check_devices;
mod commands;
mod device_store;
mod devices;
mod folder;
mod history;
mod leases;
mod migrate;
mod preset_store;
mod presets;
mod queue;
mod reads;
mod renames;
mod room_writes;
mod rows;
mod shadows;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod trails;
mod user_writes;
mod writer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use bongsu_model::Limits;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{oneshot, watch};

use crate::{StoreFault, StoreLimits, StoreMeter};
use queue::Queue;
use rows::SqliteFault;
use tables::Tables;
use writer::{Job, Shape, Writer};

pub use check::{Finding, check};
pub use migrate::{Migrated, SCHEMA_VERSION};

/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS_KEPT: usize = 256;

/// What an acknowledged write survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// The loss of power: each commit is synced to the disk.
    #[default]
    Power,
    /// The end of the process, however it ends, but not of the machine.
    Process,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file; its folder is made if it is missing, and locked.
    pub path: PathBuf,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Writes, and apart from them reads, that may wait; more are [`StoreFault::Overloaded`].
    pub queue_max: usize,
    /// Writes in one transaction.
    pub batch_max: usize,
    /// Connections that read, each with a thread.
    pub readers: usize,
    /// What the store itself refuses.
    pub limits: StoreLimits,
}

impl SqliteOptions {
    /// The defaults for a file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_limits(path, &Limits::DEFAULT)
    }

    /// The defaults for a file, with the limits in force.
    #[must_use]
    pub fn with_limits(path: impl Into<PathBuf>, limits: &Limits) -> Self {
        Self {
            path: path.into(),
            durability: Durability::default(),
            queue_max: limits.store_queue_max,
            batch_max: limits.store_batch_max,
            readers: 2,
            limits: StoreLimits::from(limits),
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file cannot be made or read.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has the folder open.
    #[error("{} is in use by another process{}", path.display(), pid.map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has it, if it said so.
        pid: Option<u32>,
    },
    /// A newer version wrote the file.
    #[error("the file has schema {found}, which is newer than {known}, the newest that this version knows")]
    Newer {
        /// The file's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It is a SQLite file of another program.
    #[error("the file belongs to another program")]
    NotOurs,
    /// SQLite failed.
    #[error("cannot open the file: {0}")]
    Sql(#[from] rusqlite::Error),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A read, run on one of the readers.
type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// The store on a SQLite file. Dropping it ends its threads after what waits is done; [`crate::Store::stop`] waits for that.
pub struct Sqlite {
    writer: Arc<Queue<Job>>,
    readers: Arc<Queue<ReadJob>>,
    meter: Arc<StoreMeter>,
    /// How many threads still run.
    alive: watch::Receiver<usize>,
}

/// Ends with its thread, however that ends: whoever still waits for it hears so.
struct Alive<T> {
    queue: Arc<Queue<T>>,
    lock: Option<Arc<folder::Lock>>,
    tell: Arc<watch::Sender<usize>>,
}

impl<T> Drop for Alive<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.queue.abandon();
        }
        self.lock = None;
        self.tell.send_modify(|alive| *alive -= 1);
    }
}

impl Sqlite {
    /// Opens the file, or makes it; brings it to this version's schema; locks its folder.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says which of the many ways it was.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let lock = Arc::new(folder::prepare(&options.path)?);
        let mut main = connect(&options.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // The mode is kept in the file; it must be set before readers come.
        main.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = match options.durability {
            Durability::Power => "FULL",
            Durability::Process => "NORMAL",
        };
        main.pragma_update(None, "synchronous", synchronous)?;
        // The writer copies the log itself, after its answers; this is the net below it.
        main.pragma_update(None, "wal_autocheckpoint", 16_000)?;
        main.pragma_update(None, "journal_size_limit", 64 << 20)?;
        main.pragma_update(None, "cache_size", -32_768)?;
        migrate::migrate(&mut main)?;
        let threads = options.readers.max(1) + 1;
        let (tell, alive) = watch::channel(threads);
        let tell = Arc::new(tell);
        let store = Self {
            writer: Arc::new(Queue::new(options.queue_max)),
            readers: Arc::new(Queue::new(options.queue_max)),
            meter: Arc::default(),
            alive,
        };
        for _ in 1..threads {
            let conn = connect(&options.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let queue = Arc::clone(&store.readers);
            let alive = Alive {
                queue: Arc::clone(&queue),
                lock: Some(Arc::clone(&lock)),
                tell: Arc::clone(&tell),
            };
            spawn("store-read", move || {
                let _alive = alive;
                read_all(conn, &queue);
            })?;
        }
        let alive = Alive {
            queue: Arc::clone(&store.writer),
            lock: Some(lock),
            tell,
        };
        let writer = Writer {
            queue: Arc::clone(&store.writer),
            meter: Arc::clone(&store.meter),
            batch_max: options.batch_max.max(1),
            limits: options.limits,
        };
        spawn("store-write", move || {
            let _alive = alive;
            let conn = main;
            writer.run(&conn);
        })?;
        Ok(store)
    }

    /// Brings a file to this version's schema and closes it again.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`]: also if a server has the folder open.
    pub fn migrate(path: &Path) -> Result<Migrated, OpenError> {
        let _lock = folder::prepare(path)?;
        let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        migrate::migrate(&mut conn)
    }

    /// What the store counts about itself.
    #[must_use]
    pub fn meter(&self) -> Arc<StoreMeter> {
        Arc::clone(&self.meter)
    }

    /// How many writes wait now.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.writer.len()
    }

    async fn write<T, E>(
        &self,
        shape: Shape,
        run: impl FnOnce(&mut Tables<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreFault> + Send + 'static,
    {
        let (tell, answer) = oneshot::channel();
        self.push(Job::op(shape, tell, run))?;
        answer
            .await
            .unwrap_or_else(|_| Err(StoreFault::from(SqliteFault::ThreadEnded).into()))
    }

    fn push(&self, job: Job) -> Result<(), StoreFault> {
        self.writer.push(job).inspect_err(|fault| self.count(fault))
    }

    fn count(&self, fault: &StoreFault) {
        if matches!(fault, StoreFault::Overloaded) {
            self.meter.refused_overloaded();
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (tell, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |conn| {
            // A caller that has gone needs no answer, and no read.
            if !tell.is_closed() {
                let _ = tell.send(read(conn));
            }
        });
        self.readers.push(job).inspect_err(|fault| self.count(fault))?;
        answer
            .await
            .unwrap_or_else(|_| Err(SqliteFault::ThreadEnded.into()))
    }

    /// Waits until only `threads` of its threads run.
    async fn wait_for_end(&self, threads: usize) {
        // An error means that all senders are gone: then all threads are too.
        let _ = self.alive.clone().wait_for(|alive| *alive <= threads).await;
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.readers.close();
        self.writer.close();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
    thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map(drop)
        .map_err(OpenError::Thread)
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, OpenError> {
    // Each connection belongs to one thread, so SQLite needs no lock of its own around it.
    let conn = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Perf (bench connect): without it a prepared statement is parsed and planned again whenever a bound value changes
    // that might decide between indexes, which ours never does.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

fn read_all(conn: Connection, queue: &Queue<ReadJob>) {
    let mut taken = VecDeque::new();
    // One at a time, so that no read waits behind another while a reader is free.
    while queue.take(1, &mut taken) {
        for job in taken.drain(..) {
            job(&conn);
        }
    }
}
