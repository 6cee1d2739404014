//! Commands from their record to their end: how many a second the SQLite store takes, and at what cost; and the PostgreSQL
//! store, if `BONGSU_TEST_POSTGRES` is the address of a server.
//!
//! After criterion's own figures it prints what a life costs in time of the processors. Each has its whole life as a device makes it: recorded as routed, then written, received and in progress in one write
//! each, then its end. `cargo bench -p bongsu-store --bench commands`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bongsu_model::device::{
    Command, CommandId, CommandState, ConnectionEpoch, DeviceId, DeviceSession, Ends, Expects, IfOffline,
    NewCommand, NewDevice, Note, Object, OpenSession, Pace, Recorded, Step, StepKind, Stepped, Value, Wish,
};
use bongsu_model::{Limits, SessionId, Timestamp};
use bongsu_store::{DeviceStore, Durability, Postgres, PostgresOptions, Sqlite, SqliteOptions};
use criterion::{Criterion, Throughput, criterion_group};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

const DEVICES: u64 = 1_000;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

/// User and system time of this process, in seconds.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

fn device(number: u64) -> DeviceId {
    DeviceId::parse(&format!("car-{}", number % DEVICES)).unwrap()
}

/// What is asked for: short arguments, or some of a size; alone, or as callers do it, with a key and a wish.
#[derive(Clone, Copy)]
struct Kind {
    args_bytes: usize,
    full: bool,
}

const SHORT: Kind = Kind {
    args_bytes: 20,
    full: false,
};

fn order(number: u64, kind: Kind) -> NewCommand {
    // Random bits after a moment, as real ids have.
    let random = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let id = (0x0190_0000_0000 + u128::from(number / 16)) << 80 | 7 << 76 | random;
    let args: Object = [("value".into(), Value::text(&"x".repeat(kind.args_bytes)))].into();
    let command = Command {
        id: CommandId(id),
        device: device(number),
        name: "ac.set_temperature".into(),
        args: args.clone(),
        target: Some("cabin_temperature".into()),
        pace: Pace::LatestWins,
        if_offline: IfOffline::Fail,
        by: "svc_operations".into(),
        from: Some("10.0.0.1".into()),
        at: NOW,
        deadline: NOW.plus_ms(5_000),
        execution_ms: 300_000,
        state: CommandState::Routed,
        since: NOW,
        epoch: ConnectionEpoch(1),
        result: None,
        error: None,
        late: None,
        history: [CommandState::Accepted, CommandState::Routed]
            .map(|state| note(state, None))
            .into(),
    };
    NewCommand {
        key: kind.full.then(|| (format!("{id:032x}").into(), [7; 32])),
        wish: kind.full.then(|| Wish {
            key: "cabin_temperature".into(),
            value: args.into(),
        }),
        command,
        debounce_ms: 500,
        fence: None,
        open_max: 64,
    }
}

fn note(state: CommandState, detail: Option<&str>) -> Note {
    Note {
        state,
        at: NOW,
        node: "node-1".into(),
        detail: detail.map(Into::into),
    }
}

fn step(command: &Command, state: CommandState) -> Step {
    Step {
        command: command.id,
        device: command.device.clone(),
        epoch: ConnectionEpoch(1),
        note: note(
            state,
            Some("session=session_01900000000070008000000000000001 epoch=1 attempt=1"),
        ),
        kind: if state.is_terminal() {
            StepKind::Ends(Ends::default())
        } else {
            StepKind::Moves
        },
    }
}

/// A schema that is gone when this is.
struct Schema {
    address: String,
    name: String,
}

impl Drop for Schema {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA \"{}\" CASCADE", self.name);
        runtime().block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.address, NoTls).await.unwrap();
            let speaking = tokio::spawn(connection);
            client.batch_execute(&sql).await.unwrap();
            drop(client);
            speaking.await.unwrap().unwrap();
        });
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

struct Ours {
    store: Arc<dyn DeviceStore>,
    next: Arc<AtomicU64>,
    runtime: Runtime,
    /// Where the data is: gone after the store.
    _place: Box<dyn Any>,
}

impl Ours {
    fn on_sqlite(durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions {
            durability,
            ..SqliteOptions::new(folder.path().join("bongsu.db"))
        };
        Self::new(
            runtime(),
            Arc::new(Sqlite::open(options).unwrap()),
            Box::new(folder),
        )
    }

    fn on_postgres(address: &str, durability: Durability) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench_{}_{number}", std::process::id());
        let mut options = PostgresOptions::new(address, &Limits::DEFAULT).unwrap();
        (options.schema, options.durability) = (Some(name.clone()), durability);
        let runtime = runtime();
        let store = runtime.block_on(Postgres::open(options)).unwrap();
        let address = address.into();
        Self::new(runtime, Arc::new(store), Box::new(Schema { address, name }))
    }

    fn new(runtime: Runtime, store: Arc<dyn DeviceStore>, place: Box<dyn Any>) -> Self {
        runtime.block_on(async {
            for number in 0..DEVICES {
                let (id, kind) = (device(number), "vehicle".into());
                store.create_device(NewDevice { id, kind }, NOW).await.unwrap();
                store.open_device_session(session(number), NOW).await.unwrap();
            }
        });
        Self {
            store,
            next: Arc::new(AtomicU64::new(1)),
            runtime,
            _place: place,
        }
    }

    /// The time that `count` whole lives take, by as many callers, each with one command at a time.
    fn run(&self, callers: u64, count: u64, kind: Kind) -> Duration {
        let begun = now();
        self.runtime.block_on(async {
            let callers = callers.min(count);
            let tasks: Vec<_> = (0..callers)
                .map(|caller| {
                    let share = count / callers + u64::from(caller < count % callers);
                    let (store, next) = (Arc::clone(&self.store), Arc::clone(&self.next));
                    tokio::spawn(async move {
                        for _ in 0..share {
                            live(&*store, order(next.fetch_add(1, Ordering::Relaxed), kind)).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        begun.elapsed()
    }
}

fn session(number: u64) -> OpenSession {
    OpenSession {
        device: device(number),
        session: DeviceSession {
            id: SessionId(number.into()),
            node: "node-1".into(),
            boot: 1,
            since: NOW,
        },
        create: false,
        expects: Expects::Any,
        kind: None,
        version: None,
        capabilities: Arc::default(),
    }
}

/// One command from its record to its end.
async fn live(store: &dyn DeviceStore, new: NewCommand) {
    let command = new.command.clone();
    let recorded = store.record_command(new).await.unwrap();
    assert!(
        matches!(recorded, Recorded::New { routed: true, .. }),
        "{recorded:?}"
    );
    for state in [
        CommandState::Written,
        CommandState::Received,
        CommandState::InProgress,
        CommandState::Succeeded,
    ] {
        let stepped = store.step_commands(vec![step(&command, state)]).await.unwrap();
        assert!(matches!(*stepped, [Stepped::Kept(_)]), "{stepped:?}");
    }
}

const KINDS: [(&str, u64, Kind); 4] = [
    ("1 caller", 1, SHORT),
    ("64 callers", 64, SHORT),
    ("64 callers, with key and wish", 64, Kind { full: true, ..SHORT }),
    (
        "64 callers, 16 KiB of arguments",
        64,
        Kind {
            args_bytes: 16 * 1024,
            ..SHORT
        },
    ),
];

fn commands(criterion: &mut Criterion) {
    for (name, durability) in [("power", Durability::Power), ("process", Durability::Process)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1)).sample_size(10);
        for (what, callers, kind) in KINDS {
            let ours = Ours::on_sqlite(durability);
            group.bench_function(what, |b| b.iter_custom(|count| ours.run(callers, count, kind)));
        }
        group.finish();
    }
    let Ok(address) = std::env::var("BONGSU_TEST_POSTGRES") else {
        return;
    };
    for (name, durability) in [
        ("postgres, power", Durability::Power),
        ("postgres, process", Durability::Process),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1)).sample_size(10);
        for (what, callers, kind) in KINDS {
            let ours = Ours::on_postgres(&address, durability);
            group.bench_function(what, |b| b.iter_custom(|count| ours.run(callers, count, kind)));
        }
        group.finish();
    }
}

/// What a life costs on whatever machine, however busy: hops, writes and commits.
fn cost(count: u64) {
    for (what, callers, kind) in KINDS {
        let ours = Ours::on_sqlite(Durability::Process);
        ours.run(callers, count / 4, kind);
        let cpu = cpu_s();
        ours.run(callers, count, kind);
        let us = (cpu_s() - cpu) * 1e6 / count as f64;
        eprintln!("a command's life in five writes, {what}: {us:.0} µs of CPU");
    }
}

criterion_group!(benches, commands);

fn main() {
    // A test run of the bench only sees that it works.
    let quick = std::env::args().any(|arg| arg == "--test");
    if !std::env::args().any(|arg| arg == "cost") {
        benches();
    }
    cost(if quick { 100 } else { 4_000 });
}
