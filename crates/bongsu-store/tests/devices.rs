//! What only a store on a file can do wrong with devices: forgetting at a reopening, damage, long trims.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bongsu_model::device::{
    AtLapse, Command, CommandId, CommandState, ConnectionEpoch, DeviceId, DeviceSession, Expects, Fence,
    IfOffline, LeaseAsk, Leased, NewCommand, NewDevice, Note, Object, OpenSession, Pace, Recorded, Reported,
    SessionOpened, ShadowPut, Wish,
};
use bongsu_model::display::{NewPreset, PresetId, Program};
use bongsu_model::{SessionId, Timestamp};
use bongsu_store::sqlite::{Finding, check};
use bongsu_store::{DeviceStore as _, PresetStore as _, Sqlite, SqliteOptions, Store as _, StoreFault};
use rusqlite::Connection;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bongsu.db");
    (folder, path)
}

fn car() -> DeviceId {
    DeviceId::parse("car").unwrap()
}

fn order(number: u128, state: CommandState) -> NewCommand {
    let command = Command {
        id: CommandId(number),
        device: car(),
        name: "door.open".into(),
        args: Object::new(),
        target: Some("door".into()),
        pace: Pace::Serial,
        if_offline: IfOffline::Queue,
        by: "ops".into(),
        from: None,
        at: NOW,
        deadline: NOW.plus_ms(5_000),
        execution_ms: 1,
        state,
        since: NOW,
        epoch: ConnectionEpoch(0),
        result: None,
        error: None,
        late: None,
        history: vec![Note {
            state,
            at: NOW,
            node: "n1".into(),
            detail: None,
        }],
    };
    NewCommand {
        command,
        key: Some((number.to_string().into(), [1; 32])),
        debounce_ms: 0,
        fence: None,
        wish: None,
        open_max: 64,
    }
}

async fn lease(store: &Sqlite, at: Timestamp) -> Fence {
    let ask = LeaseAsk {
        device: car(),
        holder: "ops".into(),
        at,
        expires_at: at.plus_ms(10),
        at_lapse: Some(AtLapse {
            name: "stop".into(),
            args: Object::new(),
        }),
    };
    match store.take_lease(ask).await.unwrap() {
        Leased::Granted(lease) => lease.fence,
        other @ (Leased::Held(_) | Leased::NoDevice) => panic!("{other:?}"),
    }
}

async fn session(store: &Sqlite) -> ConnectionEpoch {
    let session = DeviceSession {
        id: SessionId(1),
        node: "n1".into(),
        boot: 1,
        since: NOW,
    };
    let open = OpenSession {
        device: car(),
        session,
        create: false,
        expects: Expects::Any,
        kind: None,
        version: None,
        capabilities: Arc::default(),
    };
    match store.open_device_session(open, NOW).await.unwrap() {
        SessionOpened::Opened(opened) => opened.epoch,
        other @ (SessionOpened::Taken(_) | SessionOpened::NoDevice) => panic!("{other:?}"),
    }
}

/// A store with one device that has a session, a lease, an open command 1 with its wish, an ended one 2, a state, and a
/// preset.
async fn furnished(path: &Path) -> Sqlite {
    let store = Sqlite::open(SqliteOptions::new(path)).unwrap();
    for name in ["car", "bus"] {
        let (id, kind) = (DeviceId::parse(name).unwrap(), "vehicle".into());
        store.create_device(NewDevice { id, kind }, NOW).await.unwrap();
    }
    session(&store).await;
    lease(&store, NOW).await;
    let mut wishes = order(1, CommandState::Accepted);
    wishes.wish = Some(Wish {
        key: "door".into(),
        value: 1.into(),
    });
    for new in [wishes, order(2, CommandState::Failed)] {
        let answer = store.record_command(new).await.unwrap();
        assert!(matches!(answer, Recorded::New { .. }), "{answer:?}");
    }
    let preset = NewPreset {
        name: "morning".into(),
        displays: [(car(), Program::new("clock"))].into(),
    };
    store.create_preset(preset, NOW).await.unwrap();
    let mut shadow = store.shadow(car()).await.unwrap().unwrap();
    let reported = Reported {
        value: 1.into(),
        at: NOW,
    };
    shadow.reported.insert("door".into(), reported);
    shadow.version += 1;
    let put = store.put_shadow(car(), 1, shadow).await.unwrap();
    assert_eq!(put, ShadowPut::Kept);
    store
}

async fn tampered(path: &Path, sql: &str) -> Sqlite {
    furnished(path).await.stop().await;
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
    Sqlite::open(SqliteOptions::new(path)).unwrap()
}

#[tokio::test]
async fn a_reopened_store_knows_its_devices_and_their_numbers() {
    let (_folder, path) = place();
    let store = furnished(&path).await;
    let before = (
        store.device(car()).await.unwrap(),
        store.commands(car(), None, 9).await.unwrap(),
        store.shadow(car()).await.unwrap(),
        store.lease(car(), NOW).await.unwrap(),
    );
    store.stop().await;
    assert_eq!(check(&path).unwrap(), []);
    let store = Sqlite::open(SqliteOptions::new(&path)).unwrap();
    let after = (
        store.device(car()).await.unwrap(),
        store.commands(car(), None, 9).await.unwrap(),
        store.shadow(car()).await.unwrap(),
        store.lease(car(), NOW).await.unwrap(),
    );
    assert_eq!(before, after);
    assert_eq!(session(&store).await, ConnectionEpoch(2));
    assert_eq!(lease(&store, NOW.plus_ms(10)).await, Fence(2));
    let again = store
        .record_command(order(2, CommandState::Failed))
        .await
        .unwrap();
    assert!(matches!(again, Recorded::Repeat(_)), "{again:?}");
    let (node, at) = ("n1".into(), NOW);
    store.delete_device(car(), node, at).await.unwrap();
    store.stop().await;
    assert_eq!(check(&path).unwrap(), [], "what outlives a device is no damage");
}

/// Everything that one may ask of the device; the tables of the damaged records that were met, without repeats.
async fn ask_all(store: &Sqlite) -> Vec<&'static str> {
    let faults = [
        store.device(car()).await.err(),
        store.devices(None, 9).await.err(),
        store.commands(car(), None, 9).await.err(),
        store.open_commands(car()).await.err(),
        store.command(CommandId(1)).await.err(),
        store.lease(car(), NOW).await.err(),
        store.shadow(car()).await.err(),
        store.presets(None, 9).await.err(),
        store.preset(PresetId(1)).await.err(),
        store.preset_named("morning".into()).await.err(),
        store.record_command(order(9, CommandState::Accepted)).await.err(),
    ];
    let mut tables: Vec<_> = faults
        .into_iter()
        .flatten()
        .map(|fault| match fault {
            StoreFault::Damaged { table, .. } => table,
            other @ (StoreFault::Overloaded
            | StoreFault::Stopped
            | StoreFault::Broken(_)
            | StoreFault::Unavailable(_)
            | StoreFault::InDoubt(_)) => {
                panic!("{other}")
            }
        })
        .collect();
    tables.dedup();
    tables
}

/// What is done to the file, and what the store and the check must say of it: where, and what.
const DAMAGE: &[(&str, &str, &str)] = &[
    ("UPDATE devices SET node = NULL", "devices", "half a session"),
    (
        "UPDATE devices SET client = 0 WHERE id = 'car'",
        "devices",
        "client",
    ),
    ("UPDATE devices SET capabilities = '{'", "devices", "capabilities"),
    (
        "UPDATE devices SET capabilities = '[1]'",
        "devices",
        "capabilities",
    ),
    (
        "UPDATE devices SET session = x'00' WHERE id = 'car'",
        "devices",
        "session",
    ),
    (
        "DELETE FROM device_epochs WHERE device = 'car'",
        "devices",
        "epoch",
    ),
    (
        "UPDATE commands SET args = '[]' WHERE number = 1",
        "commands",
        "args",
    ),
    (
        "UPDATE commands SET args = '{' WHERE number = 1",
        "commands",
        "args",
    ),
    (
        "UPDATE commands SET args = NULL WHERE number = 1",
        "commands",
        "args",
    ),
    (
        "UPDATE commands SET pace = 'parallel:x' WHERE number = 1",
        "commands",
        "pace",
    ),
    (
        "UPDATE commands SET if_offline = 'x' WHERE number = 1",
        "commands",
        "if_offline",
    ),
    (
        "UPDATE commands SET state = 'gone' WHERE number = 1",
        "commands",
        "state",
    ),
    (
        "UPDATE commands SET epoch = -1 WHERE number = 1",
        "commands",
        "epoch",
    ),
    (
        "UPDATE commands SET result = '' WHERE number = 1",
        "commands",
        "result",
    ),
    (
        "UPDATE commands SET error = '1 2' WHERE number = 1",
        "commands",
        "error",
    ),
    (
        "UPDATE commands SET late = '[]' WHERE number = 1",
        "commands",
        "late",
    ),
    (
        "UPDATE commands SET history = '[[1]]' WHERE number = 1",
        "commands",
        "history",
    ),
    (
        "UPDATE commands SET state = 'failed' WHERE number = 1",
        "commands",
        "ends_by does not fit the state",
    ),
    ("UPDATE leases SET fence = -1", "leases", "fence"),
    ("UPDATE leases SET at_lapse_args = '1'", "leases", "at_lapse_args"),
    (
        "UPDATE leases SET at_lapse = NULL",
        "leases",
        "half a command at its lapse",
    ),
    ("UPDATE shadows SET version = -1", "shadows", "version"),
    ("UPDATE desired SET value = '{'", "desired", "value"),
    ("UPDATE desired SET at = -1, value = 'nan'", "desired", "value"),
    ("UPDATE reported SET value = ''", "reported", "value"),
    (
        "UPDATE preset_displays SET program = '[]'",
        "preset_displays",
        "program",
    ),
    (
        "UPDATE preset_displays SET program = '{\"shell\":true}'",
        "preset_displays",
        "program",
    ),
    (
        "UPDATE preset_displays SET device = ' 0'",
        "preset_displays",
        "device",
    ),
];

#[tokio::test]
async fn a_damaged_record_is_never_an_absent_one() {
    for &(sql, table, what) in DAMAGE {
        let (_folder, path) = place();
        let store = tampered(&path, sql).await;
        assert_eq!(ask_all(&store).await, [table], "{sql}");
        store.stop().await;
        let findings = check(&path).unwrap();
        assert_eq!(findings, [Finding::Unreadable { table, what }], "{sql}");
    }
}

#[tokio::test]
async fn check_finds_what_does_not_fit() {
    for (sql, finding) in [
        (
            "INSERT INTO enrolments (hash, device) VALUES (x'00', 'x')",
            Finding::NoDevice { table: "enrolments" },
        ),
        (
            "UPDATE commands SET device = 'x' WHERE number = 1",
            Finding::NoDevice { table: "commands" },
        ),
        (
            "UPDATE leases SET device = 'x'",
            Finding::NoDevice { table: "leases" },
        ),
        (
            "INSERT INTO shadows (device, version) VALUES ('x', 1)",
            Finding::NoDevice { table: "shadows" },
        ),
        (
            "UPDATE desired SET device = 'bus'",
            Finding::NoDevice { table: "desired" },
        ),
        (
            "UPDATE reported SET device = 'bus'",
            Finding::NoDevice { table: "reported" },
        ),
        ("UPDATE desired SET command = randomblob(16)", Finding::Wish),
        ("UPDATE preset_displays SET preset = 9", Finding::Displays),
        (
            "UPDATE counters SET next = 2 WHERE name = 'device'",
            Finding::Numbers { table: "devices" },
        ),
        (
            "DELETE FROM counters WHERE name = 'device'",
            Finding::Numbers { table: "devices" },
        ),
        (
            "INSERT INTO command_args (number, args) VALUES (1, '{}')",
            Finding::Arguments,
        ),
    ] {
        let (_folder, path) = place();
        tampered(&path, sql).await.stop().await;
        assert_eq!(check(&path).unwrap(), [finding], "{sql}");
    }
    let (_folder, path) = place();
    let store = tampered(&path, "UPDATE reported SET device = 'bus'").await;
    let bus = DeviceId::parse("bus").unwrap();
    let fault = store.shadow(bus).await;
    assert!(
        matches!(fault, Err(StoreFault::Damaged { table: "shadows", .. })),
        "{fault:?}"
    );
    store.stop().await;
}

#[tokio::test]
async fn a_long_trim_goes_in_pieces_to_its_end() {
    let (_folder, path) = place();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) \
                INSERT INTO commands (id, device, name, args, pace, if_offline, by, at, deadline, execution_ms, state, \
                since, epoch, history) SELECT randomblob(16), device, name, args, pace, if_offline, by, at, deadline, \
                execution_ms, state, since, epoch, history FROM commands, n WHERE number = 2";
    let store = tampered(&path, many).await;
    let before = store.meter().read().batches;
    assert_eq!(store.trim_commands(NOW).await.unwrap(), 0);
    assert_eq!(store.trim_commands(NOW.plus_ms(1)).await.unwrap(), 4_501);
    assert!(
        store.meter().read().batches - before >= 5,
        "others had their turn in between"
    );
    let left = store.commands(car(), None, 9).await.unwrap();
    assert_eq!(left.iter().map(|it| it.id.0).collect::<Vec<_>>(), [1]);
    store.stop().await;
}

#[tokio::test]
async fn long_arguments_are_kept_and_trimmed_with_their_command() {
    let (_folder, path) = place();
    let store = furnished(&path).await;
    // Around the length from which they stand apart, and the longest of all.
    let lengths = [0, 500, 501, 502, 503, 32 * 1_024];
    for (number, length) in (10..).zip(lengths) {
        let mut new = order(number, CommandState::Failed);
        new.command.args = Object::from([("v".into(), "x".repeat(length).as_str().into())]);
        let command = new.command.clone();
        store.record_command(new).await.unwrap();
        assert_eq!(store.command(CommandId(number)).await.unwrap(), Some(command));
    }
    let mut open = order(9, CommandState::Accepted);
    open.command.args = Object::from([("v".into(), "y".repeat(9_999).as_str().into())]);
    let stays = open.command.clone();
    store.record_command(open).await.unwrap();
    assert_eq!(store.trim_commands(NOW.plus_ms(1)).await.unwrap(), 7);
    assert_eq!(store.command(CommandId(9)).await.unwrap(), Some(stays));
    store.stop().await;
    assert_eq!(check(&path).unwrap(), [], "nothing is left of those that went");
    let apart = "SELECT count(*) FROM command_args";
    let left: i64 = Connection::open(&path)
        .unwrap()
        .query_row(apart, [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1);
}

#[test]
fn what_is_asked_often_is_read_by_index() {
    let (_folder, path) = place();
    Sqlite::migrate(&path).unwrap();
    let conn = Connection::open(&path).unwrap();
    for (sql, index) in [
        (
            "SELECT * FROM commands WHERE device = ?1 AND ends_by IS NOT NULL ORDER BY number",
            "open_commands",
        ),
        (
            "SELECT * FROM commands WHERE ends_by IS NOT NULL AND ends_by < ?1 ORDER BY ends_by, number LIMIT ?2",
            "commands_by_end",
        ),
        (
            "SELECT * FROM commands WHERE device = ?1 ORDER BY number DESC",
            "commands_of_device",
        ),
        (
            "SELECT hash, command FROM command_keys WHERE by = ?1 AND key = ?2 AND at >= ?3",
            "PRIMARY KEY",
        ),
        (
            "SELECT by, key FROM command_keys WHERE at < ?1 LIMIT ?2",
            "command_keys_by_age",
        ),
        (
            "SELECT * FROM leases WHERE open = 1 AND expires_at <= ?1 ORDER BY expires_at, device LIMIT ?2",
            "open_leases",
        ),
        (
            "DELETE FROM desired WHERE command = ?1 AND device = ?2",
            "desired_by_command",
        ),
        (
            "SELECT id FROM devices WHERE node = ?1 LIMIT ?3",
            "devices_of_node",
        ),
        (
            "SELECT * FROM devices WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            "devices_of_kind",
        ),
        (
            "SELECT preset FROM preset_displays WHERE device = ?1",
            "presets_of_display",
        ),
    ] {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = statement
            .raw_query()
            .mapped(|row| row.get(3))
            .map(Result::unwrap)
            .collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index), "{sql}: {plan}");
        assert!(
            !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"),
            "{sql}: {plan}"
        );
    }
}
