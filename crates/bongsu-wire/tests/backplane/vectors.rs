//! The files of `vectors/backplane/`: one word and its bytes each, checked both ways.
//!
//! `BONGSU_BLESS=1` writes the files from the values instead.

#[path = "../vectors/values.rs"]
#[allow(dead_code, reason = "replies and refusals are for clients")]
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bongsu_model::cluster::{
    NodeBeat, NodeFigures, NodeRef, NodeSaid, NodeState, PresenceMoved, PresencePage,
};
use bongsu_model::device::{CommandState, DeviceSaid, Number, Object, Value};
use bongsu_model::display::{DisplayNow, PresetId, Process};
use bongsu_model::event::Audience;
use bongsu_model::records::RoomHead;
use bongsu_model::{
    CommandId, ConnectionEpoch, Cut, DeviceId, Epoch, Event, EventBody, Happening, HappeningKind, Heard,
    MembersVersion, Outbound, RoomId, Seq, SessionId, TokenHash, UserId,
};
use bongsu_wire::backplane::{Word, decode, encode, encode_canary, origin};

use crate::variants;
use values::NOW;

const ORIGIN: u64 = 0x0123_4567_89ab_cdef;
const COMMAND: CommandId = CommandId(0x0190_0000_0000_7000_8000_0000_0000_0029);
const SESSION: SessionId = SessionId(0x0190_0000_0000_7000_8000_0000_0000_0001);
const HEAD: RoomHead = RoomHead {
    room: RoomId(1),
    seq: Seq(41),
    epoch: Epoch(0xff),
    members_version: MembersVersion(9),
};

/// What stands behind the name of its variant, what it is, and the word.
type Said = (String, &'static str, Heard);

fn event(cause: Option<&str>, actor: Option<UserId>, audience: Audience, body: EventBody) -> Heard {
    Heard::Event(Outbound::new(Event {
        id: 0x00ab_cdef_0123_4567,
        at: NOW,
        cause: cause.map(Into::into),
        audience,
        actor,
        body,
    }))
}

/// The events that clients are told of; and one for each audience.
fn events() -> Vec<Said> {
    let hana = Some(UserId(123));
    let room = || Audience::Room(RoomId(1));
    let told = values::events().into_iter();
    let mut said: Vec<Said> = told
        .map(|(name, about, cause, body)| (format!("event_{name}"), about, event(cause, hana, room(), body)))
        .collect();
    let sessions = [(UserId(123), SESSION), (UserId(-1), SessionId(u128::MAX))];
    for (name, about, audience) in [
        (
            "room_except",
            "To all of a room but one.",
            Audience::RoomExcept(RoomId(-3), UserId(124)),
        ),
        ("user", "To one user.", Audience::User(UserId(124))),
        (
            "sessions",
            "To two sessions.",
            Audience::Sessions(sessions.into()),
        ),
        (
            "related",
            "To whoever shares a room.",
            Audience::Related(UserId(123), [RoomId(1), RoomId(2)].into()),
        ),
        ("all", "To everyone.", Audience::All),
    ] {
        let body = EventBody::Typing {
            room: bongsu_model::NamedRoom::new(RoomId(1), None),
            user: bongsu_model::Person::numbered(UserId(123), "하나"),
            is_typing: false,
        };
        said.push((
            format!("event_typing_to_{name}"),
            about,
            event(None, None, audience, body),
        ));
    }
    said
}

#[rustfmt::skip] // One row, one value.
fn rooms() -> Vec<Said> {
    let tokens = [TokenHash([0x0b; 32]), TokenHash([0xb0; 32])].into();
    let said = [
        ("heads", "Two rooms, one of them still empty.", Heard::Heads([HEAD, RoomHead { room: RoomId(2), seq: Seq(0), epoch: Epoch(u64::MAX), members_version: MembersVersion(1) }].into())),
        ("heads_none", "No room was active.", Heard::Heads([].into())),
        ("blocks", "A user has blocked three.", Heard::Blocks(UserId(123), [UserId(-5), UserId(7), UserId(i64::MAX)].into())),
        ("blocks_none", "A user has blocked nobody any more.", Heard::Blocks(UserId(123), [].into())),
        ("members", "A room was made.", Heard::Members(HEAD, [(UserId(123), Seq(0)), (UserId(124), Seq(41))].into())),
        ("cut_banned", "A user was banned.", Heard::Cut(Cut::Banned(UserId(123)))),
        ("cut_disconnected", "A user may come back.", Heard::Cut(Cut::Disconnected(UserId(123)))),
        ("cut_session", "One session ends.", Heard::Cut(Cut::Session(SESSION))),
        ("cut_revoked", "A token was revoked.", Heard::Cut(Cut::Revoked("8d1f".into()))),
        ("cut_member_tokens", "Member tokens were revoked.", Heard::Cut(Cut::MemberTokens { user: UserId(123), tokens })),
    ];
    said.map(|(name, about, heard)| (name.into(), about, heard)).into()
}

fn car() -> DeviceId {
    DeviceId::parse("car-1234").unwrap()
}

/// A value of every kind.
fn values_of_all_kinds() -> Object {
    let number = |it| Value::Number(it);
    let inner = Object::from([
        ("null".into(), Value::Null),
        ("empty".into(), Object::new().into()),
    ]);
    Object::from([
        (
            "doors".into(),
            Value::List([true.into(), "닫힘".into(), inner.into()].into()),
        ),
        ("least".into(), i64::MIN.into()),
        ("most".into(), number(Number::Uint(u64::MAX))),
        ("speed".into(), number(Number::Float(63.4))),
        ("whole".into(), number(Number::Float(1.0))),
        ("zero".into(), number(Number::Float(-0.0))),
    ])
}

fn display_now() -> DisplayNow {
    let process = Process {
        preset: Some(PresetId(5)),
        command: Some(COMMAND),
        pid: Some(4_711),
        uptime_ms: Some(60_000),
    };
    let unknown = Process {
        preset: None,
        command: None,
        pid: None,
        uptime_ms: None,
    };
    DisplayNow {
        status: Some("online".into()),
        uptime_ms: Some(86_400_000),
        beat_at: NOW,
        process_count: 2,
        processes: vec![process, unknown],
        address: Some("192.0.2.7".into()),
        client_type: Some("python".into()),
    }
}

#[rustfmt::skip] // One row, one value.
fn devices() -> Vec<Said> {
    let (device, epoch, node) = (car(), ConnectionEpoch(7), || Arc::from("node-1"));
    let said = [
        ("opened", "A session has begun.", DeviceSaid::Opened { device: device.clone(), epoch }),
        ("offered", "A command waits.", DeviceSaid::Offered { device: device.clone(), command: COMMAND, from: node() }),
        ("taken", "A command was taken on.", DeviceSaid::Taken { command: COMMAND, to: node() }),
        ("cancel", "A command is taken back.", DeviceSaid::Cancel { device: device.clone(), command: COMMAND, by: "operator".into() }),
        ("moved", "A command is further.", DeviceSaid::Moved { device: device.clone(), command: COMMAND, state: CommandState::TimedOut, to: node() }),
        ("desired", "Another state is desired.", DeviceSaid::Desired { device: device.clone(), version: 12 }),
        ("telemetry", "Values of every kind.", DeviceSaid::Telemetry { device: device.clone(), values: values_of_all_kinds().into(), at: NOW }),
        ("probe", "Is it there?", DeviceSaid::Probe { device: device.clone(), epoch, from: node() }),
        ("alive", "It is.", DeviceSaid::Alive { device: device.clone(), epoch, to: node() }),
        ("disconnect", "Its session is to end.", DeviceSaid::Disconnect { device: device.clone() }),
        ("changed", "Another state is kept.", DeviceSaid::Changed { device: device.clone(), version: Some(12) }),
        ("changed_somehow", "Another state is kept, and whoever says so does not know which.", DeviceSaid::Changed { device: device.clone(), version: None }),
        ("ask_telemetry", "What has it measured?", DeviceSaid::AskTelemetry { device: device.clone(), from: node() }),
        ("measured", "This, at two moments.", DeviceSaid::Measured { device: device.clone(), values: Arc::new([("fuel".into(), (41.into(), NOW)), ("speed".into(), (Value::text("fast"), bongsu_model::Timestamp(NOW.0 - 1)))].into()), at: NOW, to: node() }),
        ("ask_displays", "What do they say of themselves?", DeviceSaid::AskDisplays { displays: [device.clone(), DeviceId::parse("Display_01").unwrap()].into(), from: node(), to: "node-2".into() }),
        ("shown", "A display with two programs.", DeviceSaid::Shown { device: device.clone(), now: Some(Arc::new(display_now())), to: node() }),
        ("shown_away", "It is not there.", DeviceSaid::Shown { device, now: None, to: node() }),
    ];
    said.map(|(name, about, said)| (format!("device_{name}"), about, Heard::Device(said.into()))).into()
}

#[rustfmt::skip] // One row, one value.
fn nodes() -> Vec<Said> {
    let name = |name: &str| Arc::from(name);
    let node = NodeRef { id: name("node-1"), boot: ORIGIN };
    let figures = NodeFigures { connections: 1_000, sessions: 900, devices: 50, rooms: 70, calls: 3, cpu_milli: 250, memory_bytes: 123_456_789 };
    let beat = NodeBeat {
        node: node.clone(), state: NodeState::Draining, address: Some(name("wss://node-1.example.com:8443")), tag: Some(name("a7")),
        version: name("1.2.3"), started_at: NOW, figures, presence: 17, users: 800, watches: true,
    };
    let bare = NodeBeat { address: None, tag: None, figures: NodeFigures::default(), state: NodeState::Serving, watches: false, ..beat.clone() };
    let status = Event {
        id: 1, at: NOW, cause: None, audience: Audience::Related(UserId(123), [RoomId(1)].into()), actor: None,
        body: EventBody::Status { user: bongsu_model::Person::numbered(UserId(123), "하나"), is_online: true, last_seen: NOW },
    };
    let moved = PresenceMoved { node: node.clone(), number: 18, user: UserId(123), is_here: true, status: Some(status.into()) };
    let gone = PresenceMoved { is_here: false, status: None, ..moved.clone() };
    let users = [UserId(-1), UserId(0), UserId(123)].into();
    let said = [
        ("beat", "A node with everything lives.", NodeSaid::Beat(beat.into())),
        ("beat_bare", "A node without clients lives.", NodeSaid::Beat(bare.into())),
        ("moved", "A user came.", NodeSaid::Moved(moved)),
        ("moved_gone", "A user without relations went.", NodeSaid::Moved(gone)),
        ("ask_users", "Who is there?", NodeSaid::AskUsers { to: name("node-1"), from: name("node-2") }),
        ("users", "These are.", NodeSaid::Users(PresencePage { node, number: 18, to: name("node-2"), page: 1, pages: 2, users })),
        ("drain", "It shall take nobody.", NodeSaid::Drain { to: name("node-1"), on: true, timeout_ms: Some(20_000), by: name("operator") }),
        ("shed", "Some shall go.", NodeSaid::Shed { to: name("node-1"), sessions: 100, per_s: 10, by: name("operator") }),
    ];
    said.map(|(name, about, said)| (format!("node_{name}"), about, Heard::Node(said.into()))).into()
}

/// News with everything, and of every kind.
fn happenings() -> Vec<Said> {
    let full = Happening::new(HappeningKind::Command(CommandState::Failed), NOW)
        .on_node(&"node-1".into())
        .of_device(&car())
        .of_command(COMMAND)
        .of_preset(PresetId(5))
        .of_user(UserId(123))
        .with("by", "operator");
    let mut said = vec![(
        "happening".into(),
        "News of everything.",
        Heard::Happening(full.into()),
    )];
    for kind in HappeningKind::ALL {
        let name = format!("happening_{}", kind.name().replace('.', "_"));
        said.push((
            name,
            "News of this kind.",
            Heard::Happening(Happening::new(*kind, NOW).into()),
        ));
    }
    said
}

/// Everything that has a vector.
pub(crate) fn said() -> Vec<Said> {
    [events(), rooms(), devices(), nodes(), happenings()].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn print(about: &str, value: &str, bytes: &[u8]) -> String {
    format!(
        "-- about\n{about}\n-- value\n{value}\n-- backplane\n{}\n",
        hex(bytes)
    )
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/backplane")
}

fn kept() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|it| it.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    files.map(read).collect()
}

#[test]
fn every_word_has_its_bytes() {
    let mut meant = BTreeMap::new();
    for (name, about, heard) in said() {
        assert!(name.starts_with(variants::name(&heard)), "{name}");
        let bytes = encode(&heard, ORIGIN);
        assert_eq!(origin(&bytes), Some(ORIGIN), "{name}");
        assert_eq!(decode(&bytes), Ok(Word::Heard(heard.clone())), "{name}");
        let twice = meant.insert(
            format!("{name}.txt"),
            print(about, &format!("{heard:#?}"), &bytes),
        );
        assert!(twice.is_none(), "{name} stands twice");
    }
    let bytes = encode_canary(ORIGIN, 300);
    assert_eq!(decode(&bytes), Ok(Word::Canary(300)));
    meant.insert("canary.txt".into(), print("Does it come back?", "300", &bytes));
    if std::env::var_os("BONGSU_BLESS").is_some() {
        for (name, text) in &meant {
            std::fs::write(folder().join(name), text).unwrap();
        }
    }
    let kept = kept();
    for (name, text) in &meant {
        assert_eq!(kept.get(name), Some(text), "{name}");
    }
    let strays: Vec<_> = kept.keys().filter(|name| !meant.contains_key(*name)).collect();
    assert!(strays.is_empty(), "nobody means {strays:?}");
}

#[test]
fn everything_that_can_be_said_has_a_vector() {
    let said = said();
    assert_eq!(
        variants::missing(said.iter().map(|(_, _, heard)| heard)),
        Vec::<&str>::new()
    );
}
