//! Appends to the SQLite store beside bare SQLite with the same bytes, the same `synchronous` and the same batch sizes;
//! and to the PostgreSQL store, if `BONGSU_TEST_POSTGRES` is the address of a server.
//!
//! After criterion's own figures it measures both sides in turns and prints the ratio of their throughputs, since only
//! figures of the same run on the same disk can be compared. `cargo bench -p bongsu-store --bench append`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bongsu_model::records::{MemberRole, NewRoom, NewUser, Visibility};
use bongsu_model::{Limits, MessageId, MessageKind, RoomId, RoomRef, Timestamp, UserId, UserRef};
use bongsu_store::{
    Appended, Durability, NewMessage, Postgres, PostgresOptions, SignIn, Sqlite, SqliteOptions, Store,
    StoreMeter,
};
use criterion::{Criterion, Throughput, criterion_group};
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

/// The text that is posted; with its JSON around it, it makes the 300 bytes that the rest of the figures speak of.
const CONTENT: usize = 200;
const POSTERS: usize = 64;

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

struct Ours {
    runtime: Runtime,
    store: Arc<dyn Store>,
    meter: Arc<StoreMeter>,
    rooms: u64,
    content: Arc<str>,
    next: Arc<AtomicU64>,
    _place: Box<dyn Any>,
}

/// A schema of the bench's own, gone with it.
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

impl Ours {
    fn new(durability: Durability, rooms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions {
            durability,
            ..SqliteOptions::new(folder.path().join("bongsu.db"))
        };
        let store = Sqlite::open(options).unwrap();
        let meter = store.meter();
        Self::with(runtime(), Arc::new(store), meter, rooms, Box::new(folder))
    }

    fn on_postgres(address: &str, durability: Durability, rooms: u64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench_appends_{}_{number}", std::process::id());
        let mut options = PostgresOptions::new(address, &Limits::DEFAULT).unwrap();
        (options.schema, options.durability) = (Some(name.clone()), durability);
        let runtime = runtime();
        let store = runtime.block_on(Postgres::open(options)).unwrap();
        let (meter, address) = (store.meter(), address.into());
        Self::with(
            runtime,
            Arc::new(store),
            meter,
            rooms,
            Box::new(Schema { address, name }),
        )
    }

    fn with(
        runtime: Runtime,
        store: Arc<dyn Store>,
        meter: Arc<StoreMeter>,
        rooms: u64,
        place: Box<dyn Any>,
    ) -> Self {
        let members: Vec<_> = (1..=POSTERS as i64)
            .map(|id| (UserId(id), MemberRole::Member))
            .collect();
        runtime.block_on(async {
            for _ in &members {
                store.create_user(NewUser::default(), Timestamp(0)).await.unwrap();
            }
            for _ in 0..rooms {
                let members = members.clone();
                let room = NewRoom {
                    visibility: Visibility::Open,
                    members,
                    ..NewRoom::default()
                };
                store.create_room(room, Timestamp(0)).await.unwrap();
            }
        });
        let (content, next) = ("x".repeat(CONTENT).into(), Arc::new(AtomicU64::new(1)));
        Self {
            runtime,
            store,
            meter,
            rooms,
            content,
            next,
            _place: place,
        }
    }

    /// The time that `count` appends take, by as many posters, each awaiting its own before its next.
    fn run(&self, posters: usize, count: u64) -> Duration {
        let begun = now();
        self.runtime.block_on(async {
            let posters = posters.min(usize::try_from(count).unwrap());
            let tasks: Vec<_> = (0..posters as u64)
                .map(|poster| {
                    let share = count / posters as u64 + u64::from(poster < count % posters as u64);
                    let (store, content, next) =
                        (self.store.clone(), self.content.clone(), self.next.clone());
                    let room = RoomId(1 + (poster % self.rooms).cast_signed());
                    let sender = UserId(1 + poster.cast_signed());
                    tokio::spawn(async move {
                        for _ in 0..share {
                            let message =
                                message(room, sender, &content, next.fetch_add(1, Ordering::Relaxed));
                            assert!(matches!(store.append(message).await, Ok(Appended::New(_))));
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

    /// How many appends a transaction has held on average since the last call.
    fn batch(&self, before: &mut (u64, u64)) -> usize {
        let reading = self.meter.read();
        let (writes, batches) = (reading.writes - before.0, reading.batches - before.1);
        *before = (reading.writes, reading.batches);
        usize::try_from((writes + batches / 2) / batches.max(1))
            .unwrap()
            .max(1)
    }
}

/// Random bits after a moment, as real ids have; all of one length.
fn id(number: u64) -> u128 {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0x0190_0000_0000 + u128::from(number / 16)) << 80 | 7 << 76 | u128::from(random)
}

fn message(room: RoomId, sender: UserId, content: &Arc<str>, number: u64) -> NewMessage {
    NewMessage {
        id: MessageId(id(number)),
        room: RoomRef::Id(room),
        sender,
        content: Arc::clone(content),
        kind: MessageKind::Text,
        client_id: None,
        reply_to: None,
        metadata: None,
        at: Timestamp(1_700_000_000_000),
        as_member: true,
    }
}

/// What SQLite itself can do: one table of the same columns, appended to at its end, and nothing else.
struct Bare {
    conn: Connection,
    content: String,
    next: u64,
    _folder: TempDir,
}

impl Bare {
    fn new(durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conn = Connection::open(path(folder.path())).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        let synchronous = match durability {
            Durability::Power => "FULL",
            Durability::Process => "NORMAL",
        };
        conn.pragma_update(None, "synchronous", synchronous).unwrap();
        conn.execute_batch(
            "CREATE TABLE messages (place INTEGER PRIMARY KEY, id BLOB, sender INTEGER, kind INTEGER, \
             created_at INTEGER, members_version INTEGER, reply_to BLOB, client_id TEXT, metadata TEXT, content TEXT)",
        )
        .unwrap();
        Self {
            conn,
            content: "x".repeat(CONTENT),
            next: 1,
            _folder: folder,
        }
    }

    fn run(&mut self, batch: usize, count: u64) -> Duration {
        let begun = now();
        let end = self.next + count;
        while self.next < end {
            self.conn
                .prepare_cached("BEGIN IMMEDIATE")
                .unwrap()
                .execute([])
                .unwrap();
            let mut insert = self
                .conn
                .prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3, 0, ?4, 1, NULL, NULL, NULL, ?5)")
                .unwrap();
            for _ in 0..batch.min(usize::try_from(end - self.next).unwrap()) {
                let place = (1_i64 << 36) | self.next.cast_signed();
                let id = id(self.next).to_be_bytes();
                let values = params![
                    place,
                    &id[..],
                    (self.next % 64).cast_signed(),
                    1_700_000_000_000_i64,
                    self.content
                ];
                insert.execute(values).unwrap();
                self.next += 1;
            }
            drop(insert);
            self.conn.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        }
        begun.elapsed()
    }
}

fn path(folder: &Path) -> std::path::PathBuf {
    folder.join("bare.db")
}

fn appends(criterion: &mut Criterion) {
    for (name, durability) in [("power", Durability::Power), ("process", Durability::Process)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1)).sample_size(10);
        let ours = Ours::new(durability, 1);
        group.bench_function("append, 1 poster", |b| b.iter_custom(|count| ours.run(1, count)));
        group.bench_function("append, 64 posters", |b| {
            b.iter_custom(|count| ours.run(POSTERS, count))
        });
        let mut bare = Bare::new(durability);
        group.bench_function("bare SQLite, batches of 1", |b| {
            b.iter_custom(|count| bare.run(1, count))
        });
        group.bench_function("bare SQLite, batches of 64", |b| {
            b.iter_custom(|count| bare.run(POSTERS, count))
        });
        group.finish();
    }
    let Ok(address) = std::env::var("BONGSU_TEST_POSTGRES") else {
        eprintln!("PostgreSQL is left out: BONGSU_TEST_POSTGRES is the address of none");
        return;
    };
    for (name, durability) in [("power", Durability::Power), ("process", Durability::Process)] {
        let mut group = criterion.benchmark_group(format!("PostgreSQL, {name}"));
        group.throughput(Throughput::Elements(1)).sample_size(10);
        for (posters, rooms) in [(1, 1), (POSTERS, 1), (POSTERS, POSTERS as u64)] {
            let ours = Ours::on_postgres(&address, durability, rooms);
            group.bench_function(format!("append, posters: {posters}, rooms: {rooms}"), |b| {
                b.iter_custom(|count| ours.run(posters, count))
            });
            let cpu = cpu_s();
            ours.run(posters, 2_000);
            let each = (cpu_s() - cpu) * 1e6 / 2_000.0;
            eprintln!(
                "PostgreSQL, {name}, posters: {posters}, rooms: {rooms}: {each:.1} µs of our own CPU an append"
            );
        }
        group.finish();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Both sides in turns; the median of the ratios of their throughputs.
fn ratio(name: &str, durability: Durability, posters: usize, rooms: u64, count: u64) {
    const ROUNDS: usize = 9;
    let ours = Ours::new(durability, rooms);
    let mut bare = Bare::new(durability);
    let mut seen = (0, 0);
    ours.run(posters, count / 4);
    ours.batch(&mut seen);
    let (mut ratios, mut batches, mut times, mut cpus) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let cpu = cpu_s();
        let its = ours.run(posters, count);
        cpus.push((cpu_s() - cpu) * 1e6 / count as f64);
        let batch = ours.batch(&mut seen);
        let floor = bare.run(batch, count);
        ratios.push(floor.as_secs_f64() / its.as_secs_f64());
        times.push(its.as_secs_f64() * 1e6 / count as f64);
        batches.push(batch as f64);
    }
    eprintln!(
        "{name:<8} {posters:>3} posters {rooms:>4} rooms: {:.2} of bare SQLite (batches of {}), {:.1} µs an append, {:.1} µs of CPU",
        median(ratios),
        median(batches),
        median(times),
        median(cpus),
    );
}

/// What a sign-in of a known user with ten rooms costs, hops included.
fn sign_ins(count: u64) {
    let ours = Ours::new(Durability::Process, 10);
    ours.run(POSTERS, 10_000);
    let (cpu, begun) = (cpu_s(), now());
    ours.runtime.block_on(async {
        let tasks: Vec<_> = (1..=POSTERS as i64)
            .map(|user| {
                let store = ours.store.clone();
                tokio::spawn(async move {
                    for _ in 0..count / POSTERS as u64 {
                        let user = UserRef::Id(UserId(user));
                        let sign_in = SignIn {
                            user,
                            nickname: None,
                            create: true,
                            at: Timestamp(0),
                        };
                        assert_eq!(store.sign_in(sign_in).await.unwrap().unwrap().rooms.len(), 10);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    let (cpu, wall) = (each(cpu_s() - cpu), each(begun.elapsed().as_secs_f64()));
    eprintln!("sign-in, {POSTERS} at once, 10 rooms each: {wall:.1} µs, {cpu:.1} µs of CPU");
}

criterion_group!(benches, appends);

fn main() {
    // A test run of the bench only sees that it works.
    let quick = std::env::args().any(|arg| arg == "--test");
    let full = std::env::args().any(|arg| arg == "--bench") && !std::env::args().any(|arg| arg == "ratio");
    if quick || full {
        benches();
    }
    let scale = if quick { 100 } else { 1 };
    for (name, durability, single, many) in [
        ("power", Durability::Power, 400, 40_000),
        ("process", Durability::Process, 20_000, 100_000),
    ] {
        ratio(name, durability, 1, 1, single / scale);
        ratio(name, durability, POSTERS, 1, many / scale);
        ratio(name, durability, POSTERS, 64, many / scale);
    }
    sign_ins(64_000 / scale);
}
