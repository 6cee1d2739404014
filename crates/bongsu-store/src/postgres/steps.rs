//! Steps of commands: those of callers at the same time share a transaction, and each statement does all of them.
//!
//! Invariant: a step is answered when the transaction that has it is committed; the steps of one call are in the same
//! one, in their order. One group is under way at a time, and while it is the next one gathers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bongsu_model::device::{Command, CommandId, DeviceId, Step, Stepped};
use futures_util::future::join3;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};

use super::commands::{self, ends_by};
use super::pool::Pool;
use super::rows::{Id, number};
use super::tx::{Conn, Mode, Param, Pass, PostgresFault, Run, run};
use super::{devices, shadows};
use crate::{StoreFault, StoreLimits, StoreMeter, command, json};

/// The steps of one call.
pub(super) struct Job {
    pub(super) steps: Vec<Step>,
    /// By then it is answered.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Vec<Stepped>, StoreFault>>,
    /// Whether anybody waits for the answer or not: a store that stops waits until it is written.
    pub(super) _pass: Pass,
}

/// Whoever writes steps.
pub(super) struct Writer {
    pub(super) pool: Pool,
    pub(super) limits: StoreLimits,
    pub(super) meter: Arc<StoreMeter>,
    /// Steps in one transaction, but for those of one call, which stay together.
    pub(super) batch_max: usize,
}

impl Writer {
    /// Writes until nobody can ask any more.
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.recv().await {
            let (mut count, mut group) = (first.steps.len(), vec![first]);
            while count < self.batch_max
                && let Ok(next) = jobs.try_recv()
            {
                count += next.steps.len();
                group.push(next);
            }
            self.write(group).await;
        }
    }

    async fn write(&self, group: Vec<Job>) {
        let now = Instant::now();
        let (group, late): (Vec<_>, Vec<_>) = group.into_iter().partition(|job| job.deadline > now);
        for job in late {
            tell(job, Err(StoreFault::Unavailable(Arc::new(PostgresFault::Late))));
        }
        let Some(deadline) = group.iter().map(|job| job.deadline).min() else {
            return;
        };
        let steps: Vec<&Step> = group.iter().flat_map(|job| &job.steps).collect();
        match self.keep(&steps, deadline.saturating_duration_since(now)).await {
            Ok(stepped) => {
                let mut stepped = stepped.into_iter();
                for job in group {
                    let own = stepped.by_ref().take(job.steps.len()).collect();
                    tell(job, Ok(own));
                }
            }
            // One damaged record is no matter of the others.
            Err(StoreFault::Damaged { .. }) if group.len() > 1 => {
                for job in group {
                    let steps: Vec<&Step> = job.steps.iter().collect();
                    let left = job.deadline.saturating_duration_since(Instant::now());
                    let answer = self.keep(&steps, left).await;
                    tell(job, answer);
                }
            }
            Err(fault) => {
                for job in group {
                    tell(job, Err(fault.clone()));
                }
            }
        }
    }

    async fn keep(&self, steps: &[&Step], left: Duration) -> Result<Vec<Stepped>, StoreFault> {
        let begun = Instant::now();
        let kept = run!(Run::until(&self.pool, Mode::Write, begun + left), |conn| {
            carry_out_all(&conn, &self.limits, steps).await
        });
        match &kept {
            Ok(_) => {
                let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.meter.committed(steps.len(), 0, 0, us);
            }
            Err(_) => self.meter.commit_failed(),
        }
        kept
    }
}

fn tell(job: Job, answer: Result<Vec<Stepped>, StoreFault>) {
    // Whoever asked may have gone away.
    let _ = job.answer.send(answer);
}

/// A command on its way through the steps of a transaction.
struct Moving {
    command: Command,
    was_open: bool,
    changed: bool,
}

/// Carries steps out, one after the other, as [`carry_out_all`] does.
pub(super) async fn carry_out(
    conn: &Conn,
    limits: &StoreLimits,
    steps: &[Step],
) -> Result<Vec<Stepped>, StoreFault> {
    carry_out_all(conn, limits, &steps.iter().collect::<Vec<_>>()).await
}

/// Carries steps out, one after the other: their devices and commands are taken and read at once, and written at once.
async fn carry_out_all(
    conn: &Conn,
    limits: &StoreLimits,
    steps: &[&Step],
) -> Result<Vec<Stepped>, StoreFault> {
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let own: BTreeSet<&DeviceId> = steps.iter().map(|step| &step.device).collect();
    let names: Vec<&str> = own.iter().map(|id| id.as_str()).collect();
    let ids: BTreeSet<CommandId> = steps.iter().map(|step| step.command).collect();
    let ids: Vec<Id> = ids.into_iter().map(|id| Id(id.0)).collect();
    conn.prepare(devices::LOCK_ALL).await?;
    let (locked, kept, epochs) = join3(
        devices::lock_all(conn, &own),
        commands::lock(conn, &ids),
        devices::epochs(conn, &names),
    )
    .await;
    locked?;
    let epochs = epochs?;
    let moving = |command: Command| {
        let was_open = command.state.is_open();
        let changed = false;
        (
            command.id,
            Moving {
                command,
                was_open,
                changed,
            },
        )
    };
    let mut kept: BTreeMap<CommandId, Moving> = kept?.into_iter().map(moving).collect();
    let stepped = steps.iter().map(|step| {
        let Some(it) = kept.get_mut(&step.command) else {
            return Stepped::Absent;
        };
        let last = epochs.get(&step.device).copied().unwrap_or_default();
        let fenced = command::routes(step) && last > step.epoch;
        if fenced || !command::step(&mut it.command, Step::clone(step), limits.command_notes_max) {
            return Stepped::Refused(Box::new(it.command.clone()));
        }
        it.changed = true;
        Stepped::Kept(Box::new(it.command.clone()))
    });
    let stepped = stepped.collect();
    let changed: Vec<&Moving> = kept.values().filter(|it| it.changed).collect();
    write(conn, &changed).await?;
    Ok(stepped)
}

async fn write(conn: &Conn, changed: &[&Moving]) -> Result<(), StoreFault> {
    if changed.is_empty() {
        return Ok(());
    }
    let commands: Vec<&Command> = changed.iter().map(|it| &it.command).collect();
    update(conn, &commands).await?;
    let ended = changed
        .iter()
        .filter(|it| it.was_open && it.command.state.is_terminal());
    let ended: Vec<_> = ended.map(|it| (&it.command.device, it.command.id)).collect();
    if ended.is_empty() {
        return Ok(());
    }
    shadows::end_wishes(conn, &ended).await
}

/// Writes what a step may change.
pub(super) async fn update(conn: &Conn, commands: &[&Command]) -> Result<(), StoreFault> {
    // An end that did not move is written as it was, so that the indexes stay as they are.
    const SQL: &str = "UPDATE commands SET state = new.state, since = new.since, epoch = new.epoch, history = new.history, \
                       ends_by = new.ends_by, result = new.result, error = new.error, late = new.late \
                       FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], \
                       $7::text[], $8::text[], $9::text[]) \
                       AS new (id, state, since, epoch, history, ends_by, result, error, late) \
                       WHERE commands.id = new.id";
    let of = |part: fn(&Command) -> Option<String>| -> Vec<Option<String>> {
        commands.iter().map(|it| part(it)).collect()
    };
    let ids: Vec<Id> = commands.iter().map(|it| Id(it.id.0)).collect();
    let states: Vec<&str> = commands.iter().map(|it| it.state.name()).collect();
    let since: Vec<i64> = commands.iter().map(|it| it.since.0).collect();
    let epochs: Vec<i64> = commands
        .iter()
        .map(|it| number(it.epoch.0))
        .collect::<Result<_, _>>()?;
    let histories: Vec<String> = commands
        .iter()
        .map(|it| json::write_history(&it.history))
        .collect();
    let ends: Vec<Option<i64>> = commands.iter().map(|it| ends_by(it)).collect();
    let results = of(|it| it.result.as_ref().map(ToString::to_string));
    let errors = of(|it| it.error.as_ref().map(ToString::to_string));
    let late = of(|it| it.late.as_ref().map(json::write_late));
    let values: [Param<'_>; 9] = [
        &ids, &states, &since, &epochs, &histories, &ends, &results, &errors, &late,
    ];
    conn.execute(SQL, &values).await.map(drop)
}
