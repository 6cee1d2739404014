//! One call's work on the server: a connection for it, its transaction, its end, and what a failure means.
//!
//! Invariant: a connection goes back to the pool without an open transaction, or not at all. Work is tried again only
//! where it is known that nothing was kept; where that is not known, the fault says so.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::PoolError;
use futures_util::future::{FutureExt as _, join, join_all, join3};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::Postgres;
use super::pool::{Pool, Pooled, Told};
use crate::{StoreFault, StoreMeter};

/// How often work is begun anew that another transaction, or the loss of a connection, has undone.
const TRIES_MAX: u32 = 6;

/// A value that goes with a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// A statement with what goes with it.
pub(super) type Said<'a> = (&'static str, &'a [Param<'a>]);

/// What a piece of work is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Reads, each statement at a moment of its own.
    Read,
    /// Reads, all at one moment.
    Snapshot,
    /// One statement that writes, which the server commits by itself.
    Once,
    /// Several, in one transaction.
    Write,
}

impl Mode {
    const fn begin(self) -> Option<&'static str> {
        match self {
            Self::Read | Self::Once => None,
            Self::Snapshot => Some("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
            Self::Write => Some("BEGIN"),
        }
    }
}

/// What went wrong between us and the server.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresFault {
    #[error("the server did not answer in time")]
    Late,
    #[error("the pool of connections: {0}")]
    Pool(&'static str),
    #[error("a statement failed and the work went on")]
    Unheard,
    #[error("a number is larger than the database can hold")]
    TooLarge,
    #[error("the system gives no random bytes")]
    NoChance,
    #[error("the task of the store has ended")]
    TaskEnded,
}

impl From<PostgresFault> for StoreFault {
    fn from(fault: PostgresFault) -> Self {
        Self::Broken(Arc::new(fault))
    }
}

/// Runs a piece of work to its end, as often as it must be begun anew: `run!(store.begin(mode)?, |conn| work)`, where
/// `work` is an expression of `conn` whose value is a `Result`; `Ok` is committed, `Err` is rolled back.
macro_rules! run {
    ($run:expr, |$conn:ident| $work:expr) => {{
        let mut run = $run;
        loop {
            let $conn = run.connect().await?;
            let answer = $work;
            if let Some(answer) = run.settle($conn, answer).await {
                break answer;
            }
        }
    }};
}
pub(super) use run;

/// Counts what is under way, and keeps out what is too much or too late.
pub(super) struct Gate {
    state: watch::Sender<GateState>,
    max: usize,
    call: Duration,
    meter: Arc<StoreMeter>,
}

struct GateState {
    stopped: bool,
    under_way: usize,
}

impl Gate {
    pub(super) fn new(max: usize, call: Duration, meter: Arc<StoreMeter>) -> Self {
        let state = GateState {
            stopped: false,
            under_way: 0,
        };
        Self {
            state: watch::channel(state).0,
            max,
            call,
            meter,
        }
    }

    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, StoreFault> {
        let mut entered = Ok(());
        self.state.send_if_modified(|state| {
            if state.stopped {
                entered = Err(StoreFault::Stopped);
            } else if state.under_way >= self.max {
                entered = Err(StoreFault::Overloaded);
            } else {
                state.under_way += 1;
            }
            false
        });
        if matches!(entered, Err(StoreFault::Overloaded)) {
            self.meter.refused_overloaded();
        }
        entered.map(|()| Pass(Arc::clone(self)))
    }

    /// How many are in.
    pub(super) fn under_way(&self) -> usize {
        self.state.borrow().under_way
    }

    /// How long a call may take.
    pub(super) const fn call(&self) -> Duration {
        self.call
    }

    /// Lets nothing in any more, and waits for what is under way.
    pub(super) async fn stop(&self) {
        self.state.send_modify(|state| state.stopped = true);
        // The sender is ours: it is there.
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| state.under_way == 0)
            .await;
    }
}

/// Something is under way as long as this is there.
pub(super) struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.state.send_if_modified(|state| {
            state.under_way -= 1;
            state.stopped && state.under_way == 0
        });
    }
}

/// A piece of work, with the time that it may take.
pub(super) struct Run {
    pool: Pool,
    mode: Mode,
    deadline: Instant,
    tries: u32,
    _pass: Option<Pass>,
}

impl Postgres {
    /// Begins a piece of work, for `run!`.
    pub(super) fn begin(&self, mode: Mode) -> Result<Run, StoreFault> {
        let pass = self.gate.enter()?;
        let run = Run::until(&self.pool, mode, Instant::now() + self.gate.call);
        Ok(Run {
            _pass: Some(pass),
            ..run
        })
    }
}

impl Run {
    /// Work that is over by a moment, apart from what the gate counts.
    pub(super) fn until(pool: &Pool, mode: Mode, deadline: Instant) -> Self {
        Self {
            pool: pool.clone(),
            mode,
            deadline,
            tries: 0,
            _pass: None,
        }
    }

    /// A connection to do it on.
    pub(super) async fn connect(&mut self) -> Result<Conn, StoreFault> {
        self.tries += 1;
        let client = match timeout_at(self.deadline, self.pool.get()).await {
            Err(_) => return Err(StoreFault::Unavailable(Arc::new(PostgresFault::Late))),
            Ok(Err(PoolError::Backend(fault))) => return Err(StoreFault::Unavailable(Arc::new(fault))),
            Ok(Err(PoolError::Closed)) => return Err(StoreFault::Stopped),
            Ok(Err(PoolError::Timeout(_))) => return Err(PostgresFault::Pool("a timeout").into()),
            Ok(Err(PoolError::NoRuntimeSpecified)) => return Err(PostgresFault::Pool("no runtime").into()),
            Ok(Err(PoolError::PostCreateHook(_))) => return Err(PostgresFault::Pool("a hook").into()),
            Ok(Ok(client)) => client,
        };
        Ok(Conn {
            client: Some(client),
            mode: self.mode,
            begun: Instant::now(),
            deadline: self.deadline,
            standing: Mutex::default(),
        })
    }

    /// Ends the transaction as the work's answer wants it; `None` if all is to be done again.
    pub(super) async fn settle<T, E: From<StoreFault>>(
        &mut self,
        mut conn: Conn,
        answer: Result<T, E>,
    ) -> Option<Result<T, E>> {
        let answer = match answer {
            Ok(value) => conn.commit().await.map(|()| value).map_err(E::from),
            Err(refused) => Err(refused),
        };
        let again = answer.is_err() && conn.standing.get_mut().undone && self.tries < TRIES_MAX;
        if again && Instant::now() < self.deadline {
            return None;
        }
        Some(answer)
    }
}

/// A connection for one piece of work. Its calls may run at once: they are sent one behind the other without waiting.
pub(super) struct Conn {
    client: Option<Pooled>,
    mode: Mode,
    begun: Instant,
    deadline: Instant,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    /// The transaction was begun, and is not over.
    open: bool,
    /// A statement failed: the transaction cannot be committed.
    failed: bool,
    /// The end was asked for: whatever is lost from now on may have been kept.
    committing: bool,
    /// The failure undid everything, and another try may succeed.
    undone: bool,
    /// The connection is of no use any more.
    lost: bool,
}

impl Conn {
    /// Reads all rows of a statement.
    pub(super) async fn all<T>(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row) -> Result<T, StoreFault>,
    ) -> Result<Vec<T>, StoreFault> {
        self.query(sql, params).await?.iter().map(read).collect()
    }

    /// Reads the first row of a statement.
    pub(super) async fn one<T>(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row) -> Result<T, StoreFault>,
    ) -> Result<Option<T>, StoreFault> {
        self.query(sql, params).await?.first().map(read).transpose()
    }

    /// Whether a statement gives a row.
    pub(super) async fn any(&self, sql: &'static str, params: &[Param<'_>]) -> Result<bool, StoreFault> {
        Ok(!self.query(sql, params).await?.is_empty())
    }

    /// Makes a statement known to the connection: from then on it is sent as soon as it is asked for, and what is joined
    /// behind it comes behind it.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<(), StoreFault> {
        match timeout_at(self.deadline, self.client()?.prepare_cached(sql)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(fault)) => Err(self.fault(fault, false)),
            Err(_) => Err(self.late(false)),
        }
    }

    /// All rows of a statement, as they come.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreFault> {
        self.within(sql, async |client: &Pooled, statement| {
            client.query(&statement, params).await
        })
        .await
    }

    /// Runs a statement that gives no rows; how many it changed.
    pub(super) async fn execute(&self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, StoreFault> {
        self.within(sql, async |client: &Pooled, statement| {
            client.execute(&statement, params).await
        })
        .await
    }

    async fn within<T>(
        &self,
        sql: &'static str,
        run: impl AsyncFnOnce(&Pooled, Statement) -> Result<T, Error>,
    ) -> Result<T, StoreFault> {
        let client = self.client()?;
        // In a box: the driver's futures are large, and many of them may be joined.
        let work = Box::pin(async {
            // Perf (bench append): the begin is not waited for. Should it fail, so does what follows.
            let (begun, done) = join(self.open(client), async {
                let statement = client.prepare_cached(sql).await?;
                run(client, statement).await
            })
            .await;
            begun.and(done)
        });
        match timeout_at(self.deadline, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(fault)) => Err(self.fault(fault, self.mode == Mode::Once)),
            Err(_) => Err(self.late(self.mode == Mode::Once)),
        }
    }

    /// Runs statements one after the other, without waiting in between; the rows of each.
    pub(super) async fn each(&self, said: &[Said<'_>]) -> Result<Vec<Vec<Row>>, StoreFault> {
        self.pipeline(said, false).await
    }

    /// As [`Conn::each`], and commits right behind them: nothing may follow.
    pub(super) async fn last(&self, said: &[Said<'_>]) -> Result<(), StoreFault> {
        self.pipeline(said, true).await.map(drop)
    }

    async fn pipeline(&self, said: &[Said<'_>], commit: bool) -> Result<Vec<Vec<Row>>, StoreFault> {
        let client = self.client()?;
        let in_doubt = self.mode == Mode::Once;
        let work = async {
            // All of them before the first is sent: one that had to wait for this would be overtaken.
            let mut prepared = Vec::with_capacity(said.len());
            for (sql, _) in said {
                prepared.push(client.prepare_cached(sql).await?);
            }
            let queries = prepared
                .iter()
                .zip(said)
                .map(|(statement, (_, params))| client.query(statement, params));
            let committing = async {
                if !commit {
                    return Ok(());
                }
                self.standing.lock().committing = true;
                client.batch_execute("COMMIT").await
            };
            let (begun, rows, committed) = join3(self.open(client), join_all(queries), committing).await;
            begun?;
            let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
            committed.map(|()| rows)
        };
        match timeout_at(self.deadline, work).await {
            Ok(Ok(rows)) => {
                if commit {
                    self.standing.lock().open = false;
                }
                Ok(rows)
            }
            Ok(Err(fault)) => Err(self.fault(fault, in_doubt)),
            Err(_) => Err(self.late(in_doubt)),
        }
    }

    fn client(&self) -> Result<&Pooled, StoreFault> {
        self.client
            .as_ref()
            .ok_or(PostgresFault::Pool("no connection").into())
    }

    /// Begins the transaction, if there is to be one and it was not begun.
    async fn open(&self, client: &Pooled) -> Result<(), Error> {
        let Some(begin) = self.mode.begin() else {
            return Ok(());
        };
        if std::mem::replace(&mut self.standing.lock().open, true) {
            return Ok(());
        }
        client.batch_execute(begin).await
    }

    /// Commits what was done, if there is a transaction.
    async fn commit(&self) -> Result<(), StoreFault> {
        let client = self.client()?;
        {
            let standing = self.standing.lock();
            if standing.failed {
                return Err(PostgresFault::Unheard.into());
            }
            if !standing.open || self.mode != Mode::Write {
                return Ok(());
            }
        }
        self.standing.lock().committing = true;
        match timeout_at(self.deadline, client.batch_execute("COMMIT")).await {
            Ok(Ok(())) => {
                self.standing.lock().open = false;
                Ok(())
            }
            Ok(Err(fault)) => Err(self.fault(fault, false)),
            Err(_) => Err(self.late(false)),
        }
    }

    /// What a failure means. With `in_doubt` it may have come after the commit.
    pub(super) fn fault(&self, fault: Error, in_doubt: bool) -> StoreFault {
        let mut standing = self.standing.lock();
        standing.failed = true;
        let in_doubt = in_doubt || standing.committing;
        // The end came all the same, and undid what was left.
        standing.open &= !standing.committing;
        let meaning = Meaning::of(&fault);
        let told = Arc::new(Told(fault));
        match meaning {
            Meaning::Undone => {
                standing.undone = true;
                StoreFault::Unavailable(told)
            }
            Meaning::Lost => {
                standing.lost = true;
                standing.undone = !in_doubt;
                if in_doubt {
                    StoreFault::InDoubt(told)
                } else {
                    StoreFault::Unavailable(told)
                }
            }
            Meaning::Unfit => {
                standing.lost = true;
                standing.undone = true;
                StoreFault::Unavailable(told)
            }
            Meaning::Busy => StoreFault::Unavailable(told),
            Meaning::Wrong => {
                // Without a word of the server's it is not known what the connection has heard.
                standing.lost |= told.0.code().is_none();
                StoreFault::Broken(told)
            }
        }
    }

    fn late(&self, in_doubt: bool) -> StoreFault {
        let mut standing = self.standing.lock();
        (standing.failed, standing.lost) = (true, true);
        let late = Arc::new(PostgresFault::Late);
        if in_doubt || standing.committing {
            StoreFault::InDoubt(late)
        } else {
            StoreFault::Unavailable(late)
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let standing = self.standing.get_mut();
        if standing.lost {
            // Those that nobody has used meanwhile have most likely gone the same way: nobody shall wait for each of them.
            if let Some(pool) = Pooled::pool(&client) {
                let meanwhile = self.begun.elapsed();
                pool.retain(|_, of| of.last_used() < meanwhile);
            }
            // Closes it: the server undoes what is open as soon as it hears of it.
            drop(Pooled::take(client));
        } else if standing.open {
            // Sent, and not waited for: whoever gets the connection next comes behind it.
            let _ = client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}

/// What a failure means for the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    /// Another transaction was in the way; all was undone.
    Undone,
    /// The connection is gone.
    Lost,
    /// The server takes no writes on this connection any more, or does not know its statements; all was undone.
    Unfit,
    /// The server had no time or no room; all was undone.
    Busy,
    /// We asked for something that cannot be.
    Wrong,
}

impl Meaning {
    fn of(fault: &Error) -> Self {
        let Some(code) = fault.code() else {
            let source = std::error::Error::source(fault);
            let by_net = source.is_some_and(|cause| cause.is::<std::io::Error>());
            return if fault.is_closed() || by_net {
                Self::Lost
            } else {
                Self::Wrong
            };
        };
        if [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(code)
        {
            return Self::Undone;
        }
        let unfit = [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            // Prepared before a column was changed, or forgotten by whoever stands in between.
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::INVALID_SQL_STATEMENT_NAME,
        ];
        if unfit.contains(code) {
            return Self::Unfit;
        }
        match (code.code(), code.code().get(..2)) {
            // The server stops, has fallen, or is not up; or it has ended a session that said nothing.
            ("57P01" | "57P02" | "57P03" | "57P05" | "25P03", _) | (_, Some("08")) => Self::Lost,
            // Cancelled, a lock not had in time, or no room.
            ("57014" | "55P03", _) | (_, Some("53")) => Self::Busy,
            _ => Self::Wrong,
        }
    }
}
