//! The store on a PostgreSQL server, for any number of nodes at once: appends go in groups, everything else in a
//! transaction of its own.
//!
//! Invariant: what a write has answered is committed (with [`crate::Durability::Power`]: and on the server's disk), and
//! every read on every node that begins after that answer sees it: all reads are of the server that takes writes. No
//! call waits longer than [`PostgresOptions::call_ms`].

mod append;
mod commands;
mod device_store;
mod devices;
mod lanes;
mod leases;
mod messages;
mod migrate;
mod options;
mod pool;
mod preset_store;
mod presets;
mod record;
mod renames;
mod rest;
mod rooms;
mod rows;
mod sessions;
mod shadows;
mod steps;
mod store;
mod tls;
mod tx;
mod users;

use std::sync::Arc;

use deadpool::Runtime;
use tokio::sync::mpsc;

use crate::{StoreLimits, StoreMeter};
use lanes::{Lanes, Size};
use pool::{Pool, Servers};
use tx::Gate;

pub use migrate::{Migrated, SCHEMA_VERSION};
pub use options::{AddressError, PostgresOptions, TlsMode};
pub use pool::{Told, Unreachable};
pub use tls::TlsError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// TLS cannot be set up as asked for.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No server can be reached that takes writes.
    #[error("cannot connect: {0}")]
    Unreachable(#[from] Unreachable),
    /// A newer version changed the database, and says that this one may not use it any more.
    #[error("the database has schema {found}, which is newer than {known}, and does not work with it")]
    Newer {
        /// The database's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The database has tables of another program.
    #[error("the database has tables of another program; give this one a database or a schema of its own")]
    NotOurs,
    /// The server is too old.
    #[error("the server is PostgreSQL {found}; it must be {oldest} at least")]
    OldServer {
        /// Its version.
        found: i32,
        /// The oldest that will do.
        oldest: i32,
    },
    /// The database does not keep UTF-8.
    #[error("the database keeps {0}; it must keep UTF8")]
    Encoding(String),
    /// The server failed.
    #[error("the database cannot be set up: {0}")]
    Sql(Told),
    /// The pool of connections cannot be made.
    #[error("no pool of connections can be made: {0}")]
    Pool(#[from] deadpool::managed::BuildError),
}

/// The store on a server. Dropping it ends its work; [`crate::Store::stop`] waits until what waits is done.
pub struct Postgres {
    /// For everything but appends.
    pool: Pool,
    gate: Arc<Gate>,
    /// Where steps of commands wait for their group.
    steps: mpsc::Sender<steps::Job>,
    /// For appends.
    lanes: Lanes,
    lanes_pool: Pool,
    lanes_gate: Arc<Gate>,
    meter: Arc<StoreMeter>,
    limits: StoreLimits,
}

impl Postgres {
    /// Connects to the server, brings the database to this version's schema, and begins to work.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says which of the many ways it was.
    pub async fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        // Boxed: it is far larger than what comes after it.
        Box::pin(Self::migrate(&options)).await?;
        let (rest, lanes_pool) = (
            pool(&options, options.connections)?,
            pool(&options, options.lanes)?,
        );
        let meter = Arc::new(StoreMeter::default());
        let (steps, jobs) = mpsc::channel(options.queue_max.max(1));
        let writer = steps::Writer {
            pool: rest.clone(),
            limits: options.limits.clone(),
            meter: Arc::clone(&meter),
            batch_max: options.batch_max,
        };
        tokio::spawn(writer.run(jobs));
        let gate = || Arc::new(Gate::new(options.queue_max, options.call(), Arc::clone(&meter)));
        let lanes_gate = gate();
        let size = Size {
            queue_max: options.queue_max,
            batch_max: options.batch_max,
            lanes: options.lanes,
            call: options.call(),
        };
        let lanes = Lanes::begin(
            lanes_pool.clone(),
            &size,
            Arc::clone(&lanes_gate),
            Arc::clone(&meter),
        );
        Ok(Self {
            pool: rest,
            steps,
            gate: gate(),
            lanes,
            lanes_pool,
            lanes_gate,
            meter,
            limits: options.limits,
        })
    }

    /// Brings a database to this version's schema, beside those who use it.
    ///
    /// # Errors
    ///
    /// As [`Postgres::open`].
    pub async fn migrate(options: &PostgresOptions) -> Result<Migrated, OpenError> {
        let mut client = Servers::new(options)?.connect().await?;
        migrate::migrate(&mut client, options).await
    }

    /// What the store counts about itself.
    #[must_use]
    pub fn meter(&self) -> Arc<StoreMeter> {
        Arc::clone(&self.meter)
    }

    /// How many appends wait or are under way now.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.lanes_gate.under_way()
    }
}

fn pool(options: &PostgresOptions, size: usize) -> Result<Pool, OpenError> {
    let pool = Pool::builder(Servers::new(options)?)
        .max_size(size.max(1))
        .runtime(Runtime::Tokio1)
        .build()?;
    Ok(pool)
}
