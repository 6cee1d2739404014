//! A command is recorded once: everything that decides of it is read behind the device's lock.
//!
//! Invariant: a caller's key is of one transaction at a time, whichever devices it is used for.

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, Lease, NewCommand, Recorded, print,
};
use futures_util::future::{join, join3, join4};

use super::commands::{self, command_columns};
use super::devices;
use super::rows::{Columns, Id, number};
use super::tx::{Conn, Param};
use super::{leases, shadows, steps};
use crate::{StoreFault, StoreLimits, command, json};

/// Old keys that are forgotten when one is kept: more than one, so that they come to an end.
const KEYS_FORGOTTEN: i64 = 16;
/// Takes a caller's key for the rest of the transaction. Two keys that are the same number wait for each other in vain,
/// and no more.
const LOCK_KEY: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, hashtext($2)))";

/// What decides of a command.
struct Found {
    /// Whether the device has a session; `None` if there is no device.
    device: Option<bool>,
    epoch: ConnectionEpoch,
    same: Option<Command>,
    /// What the caller's key stands for, and whether for the same thing.
    keyed: Option<(bool, Command)>,
    lease: Option<(Lease, bool)>,
    joinable: Option<Command>,
    /// How many are open.
    open: u64,
    superseded: Vec<Command>,
}

pub(super) async fn record(
    conn: &Conn,
    limits: &StoreLimits,
    new: &NewCommand,
) -> Result<Recorded, StoreFault> {
    let found = find(conn, limits, new).await?;
    let Some(session) = found.device else {
        return Ok(Recorded::NoDevice);
    };
    if let Some(known) = found.same {
        return Ok(Recorded::Repeat(Box::new(known)));
    }
    if let Some((same, known)) = found.keyed {
        return Ok(if same {
            Recorded::Repeat(Box::new(known))
        } else {
            Recorded::KeyReused
        });
    }
    if let Some(lease) = command::refused_by_lease(new, found.lease) {
        return Ok(Recorded::Leased(lease));
    }
    if let Some(mut joined) = found.joinable {
        command::join(&mut joined, new, limits.command_notes_max);
        steps::update(conn, &[&joined]).await?;
        keep_key(conn, limits, new, joined.id).await?;
        return Ok(Recorded::Joined(Box::new(joined)));
    }
    let stay = found.open.saturating_sub(found.superseded.len() as u64);
    if stay >= new.open_max as u64 {
        return Ok(Recorded::TooMany);
    }
    let superseded: Vec<_> = found.superseded.iter().map(|old| old.id).collect();
    let ends = found
        .superseded
        .iter()
        .map(|old| command::superseded(old, &new.command));
    steps::carry_out(conn, limits, &ends.collect::<Vec<_>>()).await?;
    let mut kept = new.command.clone();
    let routed = command::stays_routed(&mut kept, (found.epoch, session));
    let (keyed, wished, inserted) = join3(
        keep_key(conn, limits, new, kept.id),
        wish(conn, new),
        insert(conn, &kept),
    )
    .await;
    keyed.and(wished).and(inserted)?;
    Ok(Recorded::New { superseded, routed })
}

/// Reads everything at once, behind the locks.
async fn find(conn: &Conn, limits: &StoreLimits, new: &NewCommand) -> Result<Found, StoreFault> {
    let (wanted, device) = (&new.command, &new.command.device);
    conn.prepare(devices::LOCK).await?;
    if new.key.is_some() {
        conn.prepare(LOCK_KEY).await?;
    }
    let ids = [device.as_str()];
    let decides = join4(
        devices::lock(conn, device),
        lock_key(conn, new),
        known_key(conn, limits, new),
        commands::command(conn, wanted.id),
    );
    let of_device = join4(
        devices::epochs(conn, &ids),
        leases::last(conn, device),
        commands::joinable(conn, new),
        join(commands::count_open(conn, device), to_supersede(conn, wanted)),
    );
    let ((locked, key, keyed, same), (epochs, lease, joinable, (open, superseded))) =
        join(decides, of_device).await;
    let device = locked?;
    key?;
    Ok(Found {
        device,
        epoch: epochs?.into_values().next().unwrap_or_default(),
        same: same?,
        keyed: keyed?,
        lease: lease?,
        joinable: joinable?,
        open: open?,
        superseded: superseded?,
    })
}

async fn lock_key(conn: &Conn, new: &NewCommand) -> Result<(), StoreFault> {
    match &new.key {
        Some((key, _)) => conn
            .query(LOCK_KEY, &[&&*new.command.by, &&**key])
            .await
            .map(drop),
        None => Ok(()),
    }
}

async fn to_supersede(conn: &Conn, new: &Command) -> Result<Vec<Command>, StoreFault> {
    match &new.target {
        Some(target) if command::supersedes(new, CommandState::Accepted, Some(target)) => {
            commands::accepted(conn, &new.device, target).await
        }
        Some(_) | None => Ok(Vec::new()),
    }
}

async fn known_key(
    conn: &Conn,
    limits: &StoreLimits,
    new: &NewCommand,
) -> Result<Option<(bool, Command)>, StoreFault> {
    const SQL: &str = concat!(
        "SELECT ",
        command_columns!(),
        ", command_keys.hash FROM command_keys JOIN commands ON commands.id = command_keys.command \
         WHERE command_keys.by = $1 AND command_keys.key = $2 AND command_keys.at >= $3"
    );
    let Some((key, hash)) = &new.key else {
        return Ok(None);
    };
    let since = keys_since(limits, new.command.at);
    conn.one(SQL, &[&&*new.command.by, &&**key, &since], |row| {
        let kept = Columns::of("command_keys", row);
        Ok((kept.blob(20, "hash")? == &hash[..], commands::of_row(row)?))
    })
    .await
}

/// Since when keys count.
fn keys_since(limits: &StoreLimits, at: Timestamp) -> i64 {
    let kept_ms = i64::try_from(limits.command_key_kept_ms).unwrap_or(i64::MAX);
    at.0.saturating_sub(kept_ms)
}

async fn keep_key(
    conn: &Conn,
    limits: &StoreLimits,
    new: &NewCommand,
    command: CommandId,
) -> Result<(), StoreFault> {
    const FORGET: &str = "DELETE FROM command_keys WHERE (by, key) IN \
                          (SELECT by, key FROM command_keys WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
    const KEEP: &str = "INSERT INTO command_keys (by, key, hash, command, at) VALUES ($1, $2, $3, $4, $5) \
                        ON CONFLICT (by, key) DO UPDATE SET hash = excluded.hash, command = excluded.command, \
                        at = excluded.at";
    let Some((key, hash)) = &new.key else {
        return Ok(());
    };
    let at = new.command.at;
    let since = keys_since(limits, at);
    let old: [Param<'_>; 2] = [&since, &KEYS_FORGOTTEN];
    let kept: [Param<'_>; 5] = [&&*new.command.by, &&**key, &&hash[..], &Id(command.0), &at.0];
    conn.prepare(FORGET).await?;
    let (forgotten, kept) = join(conn.execute(FORGET, &old), conn.execute(KEEP, &kept)).await;
    forgotten.and(kept).map(drop)
}

async fn wish(conn: &Conn, new: &NewCommand) -> Result<(), StoreFault> {
    match &new.wish {
        Some(wish) => shadows::wish(conn, &new.command, wish).await,
        None => Ok(()),
    }
}

async fn insert(conn: &Conn, command: &Command) -> Result<(), StoreFault> {
    const SQL: &str = "INSERT INTO commands (id, device, name, args, target, pace, if_offline, by, from_address, at, \
        deadline, execution_ms, state, since, epoch, ends_by, result, error, late, history) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
    let values: [Param<'_>; 20] = [
        &Id(command.id.0),
        &command.device.as_str(),
        &&*command.name,
        &print(&command.args),
        &command.target.as_deref(),
        &commands::pace_name(command.pace),
        &command.if_offline.name(),
        &&*command.by,
        &command.from.as_deref(),
        &command.at.0,
        &command.deadline.0,
        &number(command.execution_ms)?,
        &command.state.name(),
        &command.since.0,
        &number(command.epoch.0)?,
        &commands::ends_by(command),
        &command.result.as_ref().map(ToString::to_string),
        &command.error.as_ref().map(ToString::to_string),
        &command.late.as_ref().map(json::write_late),
        &json::write_history(&command.history),
    ];
    conn.execute(SQL, &values).await.map(drop)
}
