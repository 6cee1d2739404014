//! Commands: read, and trimmed.
//!
//! Invariant: `ends_by` is NULL exactly for commands that have ended, so that the partial indexes name the open ones.

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, DeviceId, IfOffline, NewCommand, Pace,
};
use tokio_postgres::Row;

use super::devices;
use super::rows::{Columns, Id};
use super::tx::Conn;
use crate::{StoreFault, json};

/// Commands that are looked at, and may be deleted, in one transaction.
const COMMANDS_TRIMMED: i64 = 1_000;

macro_rules! command_columns {
    () => {
        "commands.id, commands.device, commands.name, commands.args, commands.target, commands.pace, \
         commands.if_offline, commands.by, commands.from_address, commands.at, commands.deadline, \
         commands.execution_ms, commands.state, commands.since, commands.epoch, commands.result, commands.error, \
         commands.late, commands.history, commands.ends_by"
    };
}
pub(super) use command_columns;

macro_rules! select_commands {
    ($rest:literal) => {
        concat!("SELECT ", command_columns!(), " FROM commands ", $rest)
    };
}

pub(super) fn pace_name(pace: Pace) -> String {
    match pace {
        Pace::LatestWins => "latest-wins".into(),
        Pace::Serial => "serial".into(),
        Pace::Parallel(most) => format!("parallel:{most}"),
        Pace::Exclusive => "exclusive".into(),
    }
}

fn pace(name: &str) -> Option<Pace> {
    match name {
        "latest-wins" => Some(Pace::LatestWins),
        "serial" => Some(Pace::Serial),
        "exclusive" => Some(Pace::Exclusive),
        other => other.strip_prefix("parallel:")?.parse().ok().map(Pace::Parallel),
    }
}

/// A command, read from the columns in their order.
pub(super) fn of_row(row: &Row) -> Result<Command, StoreFault> {
    let columns = Columns::of("commands", row);
    let value = |at, what| match columns.str_if(at, what)? {
        Some(text) => json::value(text).map(Some).ok_or_else(|| columns.damaged(what)),
        None => Ok(None),
    };
    let late = columns.str_if(17, "late")?;
    let command = Command {
        id: CommandId(columns.id(0, "id")?),
        device: devices::id(&columns, 1)?,
        name: columns.text(2, "name")?,
        args: json::object(columns.str(3, "args")?).ok_or_else(|| columns.damaged("args"))?,
        target: columns.text_if(4, "target")?,
        pace: columns.named(5, "pace", pace)?,
        if_offline: columns.named(6, "if_offline", IfOffline::parse)?,
        by: columns.text(7, "by")?,
        from: columns.text_if(8, "from_address")?,
        at: columns.time(9, "at")?,
        deadline: columns.time(10, "deadline")?,
        execution_ms: columns.count(11, "execution_ms")?,
        state: columns.named(12, "state", CommandState::parse)?,
        since: columns.time(13, "since")?,
        epoch: ConnectionEpoch(columns.count(14, "epoch")?),
        result: value(15, "result")?,
        error: value(16, "error")?,
        late: late
            .map(|text| json::late(text).ok_or_else(|| columns.damaged("late")))
            .transpose()?,
        history: json::history(columns.str(18, "history")?).ok_or_else(|| columns.damaged("history"))?,
    };
    // An end that the indexes do not know of, or a command that they hide.
    if columns.int_if(19, "ends_by")?.is_some() != command.state.is_open() {
        return Err(columns.damaged("ends_by does not fit the state"));
    }
    Ok(command)
}

/// The column of when a command must have ended.
pub(super) fn ends_by(command: &Command) -> Option<i64> {
    command.state.is_open().then(|| command.ends_by().0)
}

pub(super) async fn command(conn: &Conn, id: CommandId) -> Result<Option<Command>, StoreFault> {
    const SQL: &str = select_commands!("WHERE id = $1");
    conn.one(SQL, &[&Id(id.0)], of_row).await
}

pub(super) async fn of_device(
    conn: &Conn,
    device: &DeviceId,
    before: Option<CommandId>,
    limit: u32,
) -> Result<Vec<Command>, StoreFault> {
    const NEWEST: &str = select_commands!("WHERE device = $1 ORDER BY number DESC LIMIT $2");
    const BEFORE: &str = select_commands!(
        "WHERE device = $1 AND number < (SELECT number FROM commands WHERE id = $3) ORDER BY number DESC LIMIT $2"
    );
    let (id, limit) = (device.as_str(), i64::from(limit));
    match before {
        None => conn.all(NEWEST, &[&id, &limit], of_row).await,
        Some(before) => conn.all(BEFORE, &[&id, &limit, &Id(before.0)], of_row).await,
    }
}

pub(super) async fn open_of(conn: &Conn, device: &DeviceId) -> Result<Vec<Command>, StoreFault> {
    const SQL: &str = select_commands!("WHERE device = $1 AND ends_by IS NOT NULL ORDER BY number");
    conn.all(SQL, &[&device.as_str()], of_row).await
}

pub(super) async fn overdue(conn: &Conn, at: Timestamp, limit: u32) -> Result<Vec<Command>, StoreFault> {
    const SQL: &str =
        select_commands!("WHERE ends_by IS NOT NULL AND ends_by < $1 ORDER BY ends_by, number LIMIT $2");
    conn.all(SQL, &[&at.0, &i64::from(limit)], of_row).await
}

/// Some commands, which are ours from then on, in the order of their ids.
pub(super) async fn lock(conn: &Conn, ids: &[Id]) -> Result<Vec<Command>, StoreFault> {
    const SQL: &str = select_commands!("WHERE id = ANY($1) ORDER BY id FOR UPDATE");
    conn.all(SQL, &[&ids], of_row).await
}

/// The open command that a new one is to join.
pub(super) async fn joinable(conn: &Conn, new: &NewCommand) -> Result<Option<Command>, StoreFault> {
    // The newest that is open, unless a newer one of the same serial key has ended: that one is young, and so few rows are
    // looked at.
    const SQL: &str = select_commands!(
        "WHERE number = (SELECT number FROM commands AS newest WHERE device = $1 AND ends_by IS NOT NULL AND at > $3 \
         AND coalesce(target, name) = $2 ORDER BY number DESC LIMIT 1) \
         AND NOT EXISTS (SELECT 1 FROM commands AS later WHERE later.device = $1 AND later.number > commands.number \
         AND coalesce(later.target, later.name) = $2)"
    );
    let wanted = &new.command;
    if new.debounce_ms == 0 {
        return Ok(None);
    }
    let debounce_ms = i64::try_from(new.debounce_ms).unwrap_or(i64::MAX);
    let since = wanted.at.0.saturating_sub(debounce_ms);
    let newest = conn
        .one(
            SQL,
            &[&wanted.device.as_str(), &&**wanted.serial(), &since],
            of_row,
        )
        .await?;
    Ok(newest.filter(|it| {
        it.state.is_open() && it.name == wanted.name && it.target == wanted.target && it.args == wanted.args
    }))
}

/// How many open commands a device has.
pub(super) async fn count_open(conn: &Conn, device: &DeviceId) -> Result<u64, StoreFault> {
    const SQL: &str = "SELECT count(*) FROM commands WHERE device = $1 AND ends_by IS NOT NULL";
    let count = conn
        .one(SQL, &[&device.as_str()], |row| {
            Columns::of("commands", row).count(0, "count")
        })
        .await?;
    Ok(count.unwrap_or(0))
}

/// The commands of a device with that target that no node has, oldest first.
pub(super) async fn accepted(
    conn: &Conn,
    device: &DeviceId,
    target: &str,
) -> Result<Vec<Command>, StoreFault> {
    const SQL: &str = select_commands!(
        "WHERE device = $1 AND ends_by IS NOT NULL AND state = 'accepted' AND target = $2 ORDER BY number"
    );
    conn.all(SQL, &[&device.as_str(), &target], of_row).await
}

/// Deletes some of the commands after a number that ended before `before`; how many, and the number to go on after.
pub(super) async fn trim(
    conn: &Conn,
    after: i64,
    before: Timestamp,
) -> Result<(u64, Option<i64>), StoreFault> {
    const LAST: &str = "SELECT max(number), min(at) FROM \
                        (SELECT number, at FROM commands WHERE number > $1 ORDER BY number LIMIT $2) AS piece";
    // Whoever has one of them has something to say of it: it goes the next time.
    const DELETE: &str = "DELETE FROM commands WHERE number IN (SELECT number FROM commands \
                          WHERE number > $1 AND number <= $2 AND ends_by IS NULL AND since < $3 FOR UPDATE SKIP LOCKED)";
    let piece = conn
        .one(LAST, &[&after, &COMMANDS_TRIMMED], |row| {
            let columns = Columns::of("commands", row);
            Ok((columns.int_if(0, "number")?, columns.int_if(1, "at")?))
        })
        .await?;
    let Some((Some(last), Some(first_at))) = piece else {
        return Ok((0, None));
    };
    let trimmed = conn.execute(DELETE, &[&after, &last, &before.0]).await?;
    // Numbers ascend with time: a piece of which all came later is followed by none that ended earlier.
    let next = (first_at < before.0).then_some(last);
    Ok((trimmed, next))
}
