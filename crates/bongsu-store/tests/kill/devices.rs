//! Kills a process that renames devices, takes sessions over and makes presets, again and again.
//!
//! Invariant: after each kill the file is sound and is as after the last step that was acknowledged, or the one after it, whole;
//! no epoch and no id that was acknowledged is given again.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use bongsu_model::device::{
    ConnectionEpoch, DeviceId, DeviceSession, Enrolment, Expects, NewDevice, OpenSession, Reported,
    SessionOpened, ShadowPut,
};
use bongsu_model::display::{NewPreset, PresetId, Program};
use bongsu_model::{SessionId, Timestamp, TokenHash};
use bongsu_store::{DeviceStore as _, PresetStore as _, Sqlite, Store as _};

use super::{NOW, block_on, open, say, start};

const ROUNDS: u64 = 12;
/// Two that swap their ids, and one that is taken over.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// What the child said, by what it did.
#[derive(Default)]
struct Acked {
    swaps: i64,
    epoch: u64,
    preset: i64,
}

impl Acked {
    fn note(&mut self, line: &str) {
        let (what, number) = line.split_once(' ').unwrap();
        let number: i64 = number.parse().unwrap();
        match what {
            "swap" => {
                assert_eq!(number, self.swaps + 1);
                self.swaps = number;
            }
            "epoch" => {
                let epoch = number.cast_unsigned();
                assert!(epoch > self.epoch, "epoch {epoch} was given twice");
                self.epoch = epoch;
            }
            "preset" => {
                assert!(number > self.preset, "preset {number} was given twice");
                self.preset = number;
            }
            other => panic!("{other}"),
        }
    }
}

fn id(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn preset(name: &str, displays: &[&str]) -> NewPreset {
    let program = |name: &&str| (id(name), Program::new(name));
    NewPreset {
        name: name.into(),
        displays: displays.iter().map(program).collect(),
    }
}

/// Each device has what tells it from the others: a token, a state, and what the preset says of it.
async fn furnish(store: &Sqlite) {
    for (number, name) in (1..).zip(NAMES) {
        let kind = "display".into();
        let made = store.create_device(NewDevice { id: id(name), kind }, NOW).await;
        assert_eq!(made.unwrap().client, i64::from(number));
        let enrolment = Enrolment {
            hash: TokenHash([number; 32]),
            device: id(name),
            expires_at: None,
        };
        store.add_enrolment(enrolment, NOW).await.unwrap();
        let mut shadow = store.shadow(id(name)).await.unwrap().unwrap();
        let value = i64::from(number).into();
        shadow.reported.insert("me".into(), Reported { value, at: NOW });
        shadow.version = 1;
        let put = store.put_shadow(id(name), 0, shadow).await.unwrap();
        assert_eq!(put, ShadowPut::Kept);
    }
    let first = store
        .create_preset(preset("both", &["a", "b"]), Timestamp(0))
        .await;
    assert_eq!(first.unwrap().id, PresetId(1));
}

/// How many swaps there were: when the preset was changed last.
async fn swaps(store: &Sqlite) -> i64 {
    store.preset(PresetId(1)).await.unwrap().unwrap().updated_at.0
}

/// Does its work until it is killed, and says on its stdout what was acknowledged.
pub(super) fn child(path: &Path, power: bool) {
    block_on(async {
        let store = Arc::new(open(path, power));
        let swapping = tokio::spawn(swap_for_ever(Arc::clone(&store)));
        let taking = tokio::spawn(take_over_for_ever(Arc::clone(&store)));
        let making = tokio::spawn(make_presets_for_ever(store));
        for task in [swapping, taking, making] {
            task.await.unwrap();
        }
    });
}

async fn swap_for_ever(store: Arc<Sqlite>) {
    let before = swaps(&store).await;
    for number in before + 1.. {
        let swap = vec![(id("a"), id("b")), (id("b"), id("a"))];
        store.rename_devices(swap, Timestamp(number)).await.unwrap();
        say(&format!("swap {number}"));
    }
}

async fn take_over_for_ever(store: Arc<Sqlite>) {
    let mut held = store.device(id("c")).await.unwrap().unwrap().epoch;
    loop {
        let session = DeviceSession {
            id: SessionId(1),
            node: "n".into(),
            boot: 1,
            since: NOW,
        };
        let open = OpenSession {
            device: id("c"),
            session,
            create: false,
            expects: Expects::Held(held),
            kind: None,
            version: None,
            capabilities: Arc::default(),
        };
        held = match store.open_device_session(open, NOW).await.unwrap() {
            SessionOpened::Opened(opened) => opened.epoch,
            other @ (SessionOpened::Taken(_) | SessionOpened::NoDevice) => panic!("{other:?}"),
        };
        say(&format!("epoch {held}"));
    }
}

async fn make_presets_for_ever(store: Arc<Sqlite>) {
    loop {
        // The last round's may be there still.
        if let Some(left) = store.preset_named("next".into()).await.unwrap() {
            store.delete_preset(left.id).await.unwrap();
        }
        let made = store.create_preset(preset("next", &["c"]), NOW).await;
        say(&format!("preset {}", made.unwrap().id));
    }
}

pub(super) fn nothing_is_half_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bongsu.db");
    let mut acked = Acked::default();
    block_on(async {
        let store = open(&path, true);
        furnish(&store).await;
        store.stop().await;
    });
    for round in 0..ROUNDS {
        let mut child = start("--devices", &path, round % 2 == 0);
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // Each round dies at another point.
        for _ in 0..10 + round * 7 {
            line.clear();
            assert!(
                said.read_line(&mut line).unwrap() > 0,
                "the child ended by itself"
            );
            acked.note(line.trim_end());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        for line in rest.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            acked.note(line.trim_end());
        }
        acked.swaps = verify(&path, &acked);
    }
    assert!(acked.swaps > 50, "only {} were acknowledged", acked.swaps);
}

/// Looks for what was acknowledged; how many swaps there were.
fn verify(path: &Path, acked: &Acked) -> i64 {
    assert_eq!(bongsu_store::sqlite::check(path).unwrap(), []);
    block_on(async {
        let store = open(path, true);
        let swaps = swaps(&store).await;
        assert!((acked.swaps..=acked.swaps + 1).contains(&swaps), "{swaps}");
        let both = store.preset(PresetId(1)).await.unwrap().unwrap().displays;
        let places = if swaps % 2 == 0 { NAMES } else { ["b", "a", "c"] };
        for (number, (was, is)) in (1_u8..).zip(NAMES.into_iter().zip(places)) {
            let known = store.device(id(is)).await.unwrap().unwrap();
            assert_eq!(known.client, i64::from(number));
            let let_in = store.enrolment(TokenHash([number; 32]), NOW).await;
            assert_eq!(let_in.unwrap(), Some(id(is)));
            let shadow = store.shadow(id(is)).await.unwrap().unwrap();
            assert_eq!(shadow.reported["me"].value, i64::from(number).into());
            if is != "c" {
                assert_eq!(&*both[&id(is)].line, was);
            }
        }
        let taken = store.device(id("c")).await.unwrap().unwrap();
        assert!(taken.epoch >= ConnectionEpoch(acked.epoch));
        assert_eq!(store.devices(None, 9).await.unwrap().len(), NAMES.len());
        assert!(store.presets(None, 9).await.unwrap().len() <= 2);
        store.stop().await;
        swaps
    })
}
