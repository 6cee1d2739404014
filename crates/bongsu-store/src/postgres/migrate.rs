//! The steps from an empty database to the schema of this version.
//!
//! Invariant: each step runs in one transaction with the new version, under a lock that one opener has at a time; a
//! database is never between two versions. One that a newer version has changed is used if that version says that this
//! one may; otherwise, and if it is another program's, it is left as it is.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Error;

use super::OpenError;
use super::options::PostgresOptions;
use super::pool::quoted;

/// A step to the next version.
struct Step {
    sql: &'static str,
    /// The oldest version that works with what the step has made: steps only add, so that this stays as it is until a
    /// step must take something away.
    compatible_from: i32,
}

/// Step n brings version n to n + 1. Steps are only ever added.
const STEPS: [Step; 1] = [Step {
    sql: include_str!("schema.sql"),
    compatible_from: 1,
}];

/// The schema that this version reads and writes.
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// The oldest server that has all that the schema uses.
const SERVER_MIN: i32 = 130_000;

/// `BONG`: tells our locks from those of other programs.
const LOCK: i32 = 0x424f_4e47;

/// From which schema to which a database was brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// Before; 0 is an empty one.
    pub from: u32,
    /// After: [`SCHEMA_VERSION`], or a later one that works with this version.
    pub to: u32,
}

/// Brings the database to the schema of this version.
pub(super) async fn migrate(
    client: &mut ClientWrapper,
    options: &PostgresOptions,
) -> Result<Migrated, OpenError> {
    check_server(client).await?;
    let from = step(client, options, None).await?;
    let mut to = from;
    while to < SCHEMA_VERSION {
        to = step(client, options, Some(to)).await?;
    }
    Ok(Migrated { from, to })
}

async fn check_server(client: &ClientWrapper) -> Result<(), OpenError> {
    const SQL: &str =
        "SELECT current_setting('server_version_num')::int4, current_setting('server_encoding')";
    let row = client.query_one(SQL, &[]).await?;
    let (version, encoding): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if version < SERVER_MIN {
        return Err(OpenError::OldServer {
            found: version / 10_000,
            oldest: SERVER_MIN / 10_000,
        });
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    Ok(())
}

/// Looks which version the database has; with `after`, also takes the step after that one, if nobody else has.
async fn step(
    client: &mut ClientWrapper,
    options: &PostgresOptions,
    after: Option<u32>,
) -> Result<u32, OpenError> {
    let change = client.transaction().await?;
    // Others may be at it, and a step over many rows takes its time.
    change
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await?;
    let schema = options.schema.as_deref();
    change
        .execute(
            "SELECT pg_advisory_xact_lock($1, hashtext(coalesce($2, current_schema())))",
            &[&LOCK, &schema],
        )
        .await?;
    if let Some(schema) = schema {
        let known = change
            .query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])
            .await?;
        if known.is_none() {
            change
                .batch_execute(&format!("CREATE SCHEMA {}", quoted(schema)))
                .await?;
        }
    }
    let known = version(&change).await?;
    let Some(next) = after.filter(|after| *after == known) else {
        change.commit().await?;
        return Ok(known);
    };
    let Some(step) = STEPS.get(next as usize) else {
        return Ok(known);
    };
    change.batch_execute(step.sql).await?;
    let next = next + 1;
    let written = i32::try_from(next).unwrap_or(i32::MAX);
    change
        .execute(
            "INSERT INTO bongsu_schema (version, compatible_from) VALUES ($1, $2) \
             ON CONFLICT (only_row) DO UPDATE SET version = $1, compatible_from = $2",
            &[&written, &step.compatible_from],
        )
        .await?;
    change.commit().await?;
    tracing::info!(version = next, "the database has a new schema");
    Ok(next)
}

/// The version of the database, after it is known that this one may use it.
async fn version(change: &deadpool_postgres::Transaction<'_>) -> Result<u32, OpenError> {
    const TABLES: &str = "SELECT count(*) FILTER (WHERE relname = 'bongsu_schema'), \
                          count(*) FILTER (WHERE relname IN ('users', 'rooms', 'messages', 'devices')) \
                          FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace(quote_ident(current_schema()))";
    const MAKE: &str = "CREATE TABLE bongsu_schema (only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row), \
                        version INTEGER NOT NULL, compatible_from INTEGER NOT NULL)";
    let row = change.query_one(TABLES, &[]).await?;
    let (ours, others): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if ours == 0 {
        if others > 0 {
            return Err(OpenError::NotOurs);
        }
        change.batch_execute(MAKE).await?;
        return Ok(0);
    }
    let row = change
        .query_opt("SELECT version, compatible_from FROM bongsu_schema", &[])
        .await?;
    let Some(row) = row else {
        return Ok(0);
    };
    let (found, compatible_from): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
    let found = u32::try_from(found).map_err(|_| OpenError::NotOurs)?;
    let known = SCHEMA_VERSION;
    if found > known && i64::from(compatible_from) > i64::from(known) {
        return Err(OpenError::Newer { found, known });
    }
    Ok(found)
}

impl From<Error> for OpenError {
    fn from(fault: Error) -> Self {
        Self::Sql(super::pool::Told(fault))
    }
}
