//! Commands: recorded once, moved on by steps, read and trimmed.
//!
//! Invariant: `ends_by` is NULL exactly for commands that have ended, so that the partial indexes name the open ones.

use bongsu_model::Timestamp;
use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, DeviceId, IfOffline, NewCommand, Pace, Recorded, Step,
    Stepped, print,
};
use rusqlite::{Connection, Params, Row, params};

use super::rows::{Columns, Sql as _, all, execute, named, number, one};
use super::tables::Tables;
use super::{devices, leases};
use crate::{StoreFault, command, json};

/// Bytes of arguments in a command's own row; longer ones stand apart.
const ARGS_INLINE: usize = 512;
/// Old keys that are forgotten when one is kept: more than one, so that they come to an end.
const KEYS_FORGOTTEN: u32 = 16;
/// Commands that are looked at, and may be deleted, in one transaction.
const COMMANDS_TRIMMED: u32 = 1_000;

macro_rules! select_commands {
    ($rest:literal) => {
        concat!(
            "SELECT id, device, name, coalesce(args, (SELECT args FROM command_args WHERE command_args.number = commands.number)), \
             target, pace, if_offline, by, from_address, at, deadline, execution_ms, \
             state, since, epoch, result, error, late, history, ends_by, number FROM commands ",
            $rest
        )
    };
}

fn pace_name(pace: Pace) -> String {
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

/// Reads every command.
pub(super) const ALL: &str = select_commands!("");

pub(super) fn of_row(row: &Row<'_>) -> Result<Command, StoreFault> {
    let columns = Columns::of("commands", row);
    let value = |at, what| match columns.str_if(at, what)? {
        Some(text) => json::value(text).map(Some).ok_or_else(|| columns.damaged(what)),
        None => Ok(None),
    };
    let late = columns.str_if(17, "late")?;
    let command = Command {
        id: CommandId(u128::from_be_bytes(columns.bytes(0, "id")?)),
        device: devices::id(&columns, 1)?,
        name: columns.text(2, "name")?,
        args: json::object(columns.str(3, "args")?).ok_or_else(|| columns.damaged("args"))?,
        target: columns.text_if(4, "target")?,
        pace: named(&columns, 5, "pace", pace)?,
        if_offline: named(&columns, 6, "if_offline", IfOffline::parse)?,
        by: columns.text(7, "by")?,
        from: columns.text_if(8, "from_address")?,
        at: Timestamp(columns.int(9, "at")?),
        deadline: Timestamp(columns.int(10, "deadline")?),
        execution_ms: columns.count(11, "execution_ms")?,
        state: named(&columns, 12, "state", CommandState::parse)?,
        since: Timestamp(columns.int(13, "since")?),
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

fn ends_by(command: &Command) -> Option<i64> {
    command.state.is_open().then(|| command.ends_by().0)
}

/// The column of an id.
fn bytes(command: CommandId) -> [u8; 16] {
    command.0.to_be_bytes()
}

pub(super) fn command(conn: &Connection, id: CommandId) -> Result<Option<Command>, StoreFault> {
    const SQL: &str = select_commands!("WHERE id = ?1");
    one(conn, SQL, [&bytes(id)[..]], of_row)
}

pub(super) fn of_device(
    conn: &Connection,
    device: &DeviceId,
    before: Option<CommandId>,
    limit: u32,
) -> Result<Vec<Command>, StoreFault> {
    const SQL: &str = select_commands!("WHERE device = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3");
    const NUMBER: &str = "SELECT number FROM commands WHERE id = ?1";
    let end = match before {
        None => i64::MAX,
        Some(before) => one(conn, NUMBER, [&bytes(before)[..]], |row| {
            Columns::of("commands", row).int(0, "number")
        })?
        .unwrap_or(0),
    };
    all(conn, SQL, params![device.as_str(), end, limit], of_row)
}

pub(super) fn open_of(conn: &Connection, device: &DeviceId) -> Result<Vec<Command>, StoreFault> {
    const SQL: &str = select_commands!("WHERE device = ?1 AND ends_by IS NOT NULL ORDER BY number");
    all(conn, SQL, [device.as_str()], of_row)
}

pub(super) fn overdue(conn: &Connection, at: Timestamp, limit: u32) -> Result<Vec<Command>, StoreFault> {
    const SQL: &str =
        select_commands!("WHERE ends_by IS NOT NULL AND ends_by < ?1 ORDER BY ends_by, number LIMIT ?2");
    all(conn, SQL, params![at.0, limit], of_row)
}

/// Reads rows until one is not asked for any more.
fn first<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    mut find: impl FnMut(&Row<'_>) -> Result<Search<T>, StoreFault>,
) -> Result<Option<T>, StoreFault> {
    let mut statement = conn.prepare_cached(sql).sql()?;
    let mut rows = statement.query(params).sql()?;
    while let Some(row) = rows.next().sql()? {
        match find(row)? {
            Search::Found(found) => return Ok(Some(found)),
            Search::Goes => {}
            Search::Ends => return Ok(None),
        }
    }
    Ok(None)
}

enum Search<T> {
    Found(T),
    Goes,
    Ends,
}

/// The open command that a new one is to join.
fn joinable(conn: &Connection, new: &NewCommand) -> Result<Option<Command>, StoreFault> {
    const SQL: &str = select_commands!("WHERE device = ?1 ORDER BY number DESC");
    let (wanted, device) = (&new.command, new.command.device.as_str());
    if new.debounce_ms == 0 {
        return Ok(None);
    }
    let newest = first(conn, SQL, [device], |row| {
        let columns = Columns::of("commands", row);
        if !command::is_recent(new, Timestamp(columns.int(9, "at")?)) {
            return Ok(Search::Ends);
        }
        let (name, target) = (columns.str(2, "name")?, columns.str_if(4, "target")?);
        if target.unwrap_or(name) != &**wanted.serial() {
            return Ok(Search::Goes);
        }
        of_row(row).map(Search::Found)
    })?;
    Ok(newest.filter(|it| {
        it.state.is_open() && it.name == wanted.name && it.target == wanted.target && it.args == wanted.args
    }))
}

/// How many open commands of a device a new one leaves as they are, and which it supersedes, oldest first.
fn others(conn: &Connection, new: &Command) -> Result<(usize, Vec<CommandId>), StoreFault> {
    const SQL: &str =
        "SELECT id, state, target FROM commands WHERE device = ?1 AND ends_by IS NOT NULL ORDER BY number";
    let open = all(conn, SQL, [new.device.as_str()], |row| {
        let columns = Columns::of("commands", row);
        let state = named(&columns, 1, "state", CommandState::parse)?;
        let goes = command::supersedes(new, state, columns.str_if(2, "target")?);
        let id = CommandId(u128::from_be_bytes(columns.bytes(0, "id")?));
        Ok(goes.then_some(id))
    })?;
    let count = open.len();
    let goes: Vec<_> = open.into_iter().flatten().collect();
    Ok((count - goes.len(), goes))
}

impl Tables<'_> {
    pub(super) fn record_command(&self, mut new: NewCommand) -> Result<Recorded, StoreFault> {
        let conn = self.conn;
        let device = &new.command.device;
        if !devices::exists(conn, device)? {
            return Ok(Recorded::NoDevice);
        }
        if let Some(known) = self::command(conn, new.command.id)? {
            return Ok(Recorded::Repeat(Box::new(known)));
        }
        if let Some(answer) = self.known_key(&new)? {
            return Ok(answer);
        }
        if let Some(lease) = command::refused_by_lease(&new, leases::last(conn, device)?) {
            return Ok(Recorded::Leased(lease));
        }
        if let Some(mut joined) = joinable(conn, &new)? {
            command::join(&mut joined, &new, self.limits.command_notes_max);
            self.update(&joined, false)?;
            self.keep_key(&new, joined.id)?;
            return Ok(Recorded::Joined(Box::new(joined)));
        }
        let (stay, superseded) = others(conn, &new.command)?;
        if stay >= new.open_max {
            return Ok(Recorded::TooMany);
        }
        for id in &superseded {
            if let Some(old) = self::command(conn, *id)? {
                self.step_command(command::superseded(&old, &new.command))?;
            }
        }
        self.keep_key(&new, new.command.id)?;
        if let Some(wish) = new.wish.take() {
            self.wish(&new.command, wish)?;
        }
        let last = devices::last_session(conn, device)?;
        let routed = command::stays_routed(&mut new.command, last);
        self.insert(&new.command)?;
        Ok(Recorded::New { superseded, routed })
    }

    fn known_key(&self, new: &NewCommand) -> Result<Option<Recorded>, StoreFault> {
        const SQL: &str = "SELECT hash, command FROM command_keys WHERE by = ?1 AND key = ?2 AND at >= ?3";
        let Some((key, hash)) = &new.key else {
            return Ok(None);
        };
        let values = params![&*new.command.by, &**key, self.keys_since(new.command.at)];
        let known = one(self.conn, SQL, values, |row| {
            let columns = Columns::of("command_keys", row);
            let same = columns.blob(0, "hash")? == &hash[..];
            let command = CommandId(u128::from_be_bytes(columns.bytes(1, "command")?));
            Ok((same, command))
        })?;
        let Some((same, known)) = known else {
            return Ok(None);
        };
        let known = command(self.conn, known)?;
        Ok(known.map(|known| {
            if same {
                Recorded::Repeat(Box::new(known))
            } else {
                Recorded::KeyReused
            }
        }))
    }

    /// Since when keys count.
    fn keys_since(&self, at: Timestamp) -> i64 {
        let kept_ms = i64::try_from(self.limits.command_key_kept_ms).unwrap_or(i64::MAX);
        at.0.saturating_sub(kept_ms)
    }

    fn keep_key(&self, new: &NewCommand, command: CommandId) -> Result<(), StoreFault> {
        const FORGET: &str = "DELETE FROM command_keys WHERE (by, key) IN \
                              (SELECT by, key FROM command_keys WHERE at < ?1 LIMIT ?2)";
        const KEEP: &str =
            "INSERT OR REPLACE INTO command_keys (by, key, hash, command, at) VALUES (?1, ?2, ?3, ?4, ?5)";
        let Some((key, hash)) = &new.key else {
            return Ok(());
        };
        let at = new.command.at;
        execute(self.conn, FORGET, params![self.keys_since(at), KEYS_FORGOTTEN])?;
        let values = params![&*new.command.by, &**key, &hash[..], &bytes(command)[..], at.0];
        execute(self.conn, KEEP, values).map(drop)
    }

    fn insert(&self, command: &Command) -> Result<(), StoreFault> {
        const SQL: &str = "INSERT INTO commands (id, device, name, args, target, pace, if_offline, by, from_address, at, \
            deadline, execution_ms, state, since, epoch, ends_by, result, error, late, history) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
        const ARGS: &str = "INSERT INTO command_args (number, args) VALUES (?1, ?2)";
        let args = print(&command.args);
        // Perf (bench commands): without it a step writes 16 KiB of arguments again and again.
        let apart = args.len() > ARGS_INLINE;
        let values = params![
            &bytes(command.id)[..],
            command.device.as_str(),
            &*command.name,
            (!apart).then_some(&args),
            command.target.as_deref(),
            pace_name(command.pace),
            command.if_offline.name(),
            &*command.by,
            command.from.as_deref(),
            command.at.0,
            command.deadline.0,
            number(command.execution_ms)?,
            command.state.name(),
            command.since.0,
            number(command.epoch.0)?,
            ends_by(command),
            command.result.as_ref().map(ToString::to_string),
            command.error.as_ref().map(ToString::to_string),
            command.late.as_ref().map(json::write_late),
            json::write_history(&command.history),
        ];
        execute(self.conn, SQL, values)?;
        if apart {
            let number = self.conn.last_insert_rowid();
            execute(self.conn, ARGS, params![number, args])?;
        }
        Ok(())
    }

    /// Writes what a step may change.
    fn update(&self, command: &Command, end_moved: bool) -> Result<(), StoreFault> {
        // An end that did not move is not written, so that the indexes stay as they are.
        const MOVED: &str =
            "UPDATE commands SET state = ?2, since = ?3, epoch = ?4, history = ?5 WHERE id = ?1";
        const ALL: &str = "UPDATE commands SET state = ?2, since = ?3, epoch = ?4, history = ?5, ends_by = ?6, \
                           result = ?7, error = ?8, late = ?9 WHERE id = ?1";
        let id = bytes(command.id);
        let (state, since) = (command.state.name(), command.since.0);
        let epoch = number(command.epoch.0)?;
        let history = json::write_history(&command.history);
        if !end_moved {
            return execute(self.conn, MOVED, params![&id[..], state, since, epoch, history]).map(drop);
        }
        let values = params![
            &id[..],
            state,
            since,
            epoch,
            history,
            ends_by(command),
            command.result.as_ref().map(ToString::to_string),
            command.error.as_ref().map(ToString::to_string),
            command.late.as_ref().map(json::write_late),
        ];
        execute(self.conn, ALL, values).map(drop)
    }

    pub(super) fn step_commands(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreFault> {
        steps.into_iter().map(|step| self.step_command(step)).collect()
    }

    pub(super) fn step_command(&self, step: Step) -> Result<Stepped, StoreFault> {
        let Some(mut kept) = command(self.conn, step.command)? else {
            return Ok(Stepped::Absent);
        };
        let (was_open, end) = (kept.state.is_open(), ends_by(&kept));
        let fenced = command::routes(&step) && devices::last_epoch(self.conn, &step.device)? > step.epoch;
        if fenced || !command::step(&mut kept, step, self.limits.command_notes_max) {
            return Ok(Stepped::Refused(Box::new(kept)));
        }
        self.update(&kept, !was_open || end != ends_by(&kept))?;
        if was_open && kept.state.is_terminal() {
            self.end_wish(&kept.device, kept.id)?;
        }
        Ok(Stepped::Kept(Box::new(kept)))
    }

    /// Deletes some of the commands after a number that ended before `before`; how many, and the number to go on after.
    pub(super) fn trim_commands(
        &self,
        after: i64,
        before: Timestamp,
    ) -> Result<(u64, Option<i64>), StoreFault> {
        const LAST: &str = "SELECT max(number), min(at) FROM \
                            (SELECT number, at FROM commands WHERE number > ?1 ORDER BY number LIMIT ?2)";
        const DELETE: &str =
            "DELETE FROM commands WHERE number > ?1 AND number <= ?2 AND ends_by IS NULL AND since < ?3";
        const ARGS: &str = "DELETE FROM command_args WHERE number > ?1 AND number <= ?2 \
                            AND NOT EXISTS (SELECT 1 FROM commands WHERE commands.number = command_args.number)";
        let piece = one(self.conn, LAST, params![after, COMMANDS_TRIMMED], |row| {
            let columns = Columns::of("commands", row);
            Ok((columns.int_if(0, "number")?, columns.int_if(1, "at")?))
        })?;
        let Some((Some(last), Some(first_at))) = piece else {
            return Ok((0, None));
        };
        let trimmed = execute(self.conn, DELETE, [after, last, before.0])?;
        execute(self.conn, ARGS, [after, last])?;
        // Numbers ascend with time: a piece of which all came later is followed by none that ended earlier.
        let next = (first_at < before.0).then_some(last);
        Ok((trimmed as u64, next))
    }
}
