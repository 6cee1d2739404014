//! Checks of presets.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::display::{NewPreset, Preset, PresetId, Program, StopSignal};

use super::devices::id;
use super::{NOW, Shared};
use crate::{CreateRefused, Existing};

/// A preset of that name, with a program for each display that says the display's name.
pub(super) fn preset(name: &str, displays: &[&str]) -> NewPreset {
    let program = |name: &&str| (id(name), Program::new(&format!("show {name}")));
    NewPreset {
        name: name.into(),
        displays: displays.iter().map(program).collect(),
    }
}

pub(super) async fn made(store: &Shared, new: NewPreset) -> Preset {
    store.create_preset(new, NOW).await.unwrap()
}

/// A preset that must be there.
pub(super) async fn known(store: &Shared, preset: PresetId) -> Preset {
    store.preset(preset).await.unwrap().unwrap()
}

async fn delete(store: &Shared, preset: PresetId) -> Existing {
    store.delete_preset(preset).await.unwrap()
}

/// A preset is found by its id and by its name as it was made, whatever its programs say.
pub async fn presets_are_made_and_found(store: Shared) {
    let full = Program {
        shell: true,
        cwd: Some("/srv/\"쇼\" 룸".into()),
        env: [("A".into(), "\n\u{1}".into()), ("".into(), "".into())].into(),
        stop_signal: Some(StopSignal::Hup),
        grace_ms: Some(u64::MAX),
        ..Program::new("clock --round 'one \\ two' \"가\"")
    };
    let displays = BTreeMap::from([(id("wall-1"), full), (id("wall-2"), Program::new(""))]);
    let new = NewPreset {
        name: "아침 \"1\"".into(),
        displays: displays.clone(),
    };
    let first = made(&store, new.clone()).await;
    let meant = Preset {
        id: PresetId(1),
        name: Arc::clone(&new.name),
        displays,
        created_at: NOW,
        updated_at: NOW,
    };
    assert_eq!(first, meant);
    let empty = made(&store, preset("empty", &[])).await;
    assert_eq!((empty.id, empty.displays.len()), (PresetId(2), 0));
    for preset in [&first, &empty] {
        assert_eq!(known(&store, preset.id).await, *preset);
        let named = store.preset_named(Arc::clone(&preset.name)).await.unwrap();
        assert_eq!(named.as_ref(), Some(preset));
    }
    assert_eq!(store.preset(PresetId(3)).await.unwrap(), None);
    assert_eq!(store.preset_named("아침".into()).await.unwrap(), None);
    let taken = store.create_preset(new, NOW).await;
    assert!(matches!(taken, Err(CreateRefused::NameTaken)), "{taken:?}");
}

/// A preset becomes what it is told, all of it; a name that is another's is refused, and nothing is changed then.
pub async fn a_preset_is_changed_as_a_whole(store: Shared) {
    let morning = made(&store, preset("morning", &["a", "b"])).await;
    let evening = made(&store, preset("evening", &["a"])).await;
    let put = async |id, new, ms| store.put_preset(id, new, NOW.plus_ms(ms)).await;
    let changed = put(morning.id, preset("morning", &["b", "c"]), 5).await;
    let meant = Preset {
        displays: preset("", &["b", "c"]).displays,
        updated_at: NOW.plus_ms(5),
        ..morning.clone()
    };
    assert_eq!(changed.unwrap().as_ref(), Some(&meant));
    assert_eq!(known(&store, morning.id).await, meant);
    let taken = put(morning.id, preset("evening", &[]), 6).await;
    assert!(matches!(taken, Err(CreateRefused::NameTaken)), "{taken:?}");
    assert_eq!(known(&store, morning.id).await, meant);
    assert_eq!(
        known(&store, evening.id).await,
        evening,
        "others stay as they are"
    );
    put(morning.id, preset("noon", &[]), 7).await.unwrap().unwrap();
    assert_eq!(store.preset_named("morning".into()).await.unwrap(), None);
    let freed = put(evening.id, preset("morning", &["a"]), 8).await.unwrap();
    assert_eq!(freed.unwrap().name, "morning".into());
    for absent in [PresetId(0), PresetId(99)] {
        // That there is no such preset comes before everything else.
        assert_eq!(put(absent, preset("noon", &["a"]), 9).await.unwrap(), None);
    }
    assert_eq!(store.presets(None, 9).await.unwrap().len(), 2);
}

/// Case, form and spaces count.
pub async fn names_of_presets_are_told_apart_by_bytes(store: Shared) {
    let names = ["A", "a", "\u{e9}", "e\u{301}"];
    for (number, name) in (1..).zip(names) {
        assert_eq!(made(&store, preset(name, &[])).await.id, PresetId(number));
    }
    for (number, name) in (1..).zip(names) {
        let named = store.preset_named(name.into()).await.unwrap().unwrap();
        assert_eq!((named.id, &*named.name), (PresetId(number), name));
    }
    assert_eq!(store.preset_named("a ".into()).await.unwrap(), None);
}

/// Four presets may be here; a fifth may when one has gone, and changes are always allowed.
pub async fn there_are_only_so_many_presets(store: Shared) {
    for name in ["a", "b", "c", "d"] {
        made(&store, preset(name, &["x"])).await;
    }
    let create = async |name| store.create_preset(preset(name, &["x"]), NOW).await;
    let many = create("e").await;
    assert!(matches!(many, Err(CreateRefused::TooMany)), "{many:?}");
    let taken = create("a").await;
    assert!(matches!(taken, Err(CreateRefused::NameTaken)), "{taken:?}");
    let changed = store.put_preset(PresetId(4), preset("e", &["y"]), NOW).await;
    assert!(changed.unwrap().is_some());
    assert_eq!(delete(&store, PresetId(1)).await, Existing::Changed);
    assert_eq!(create("a").await.unwrap().id, PresetId(5), "refusals took no id");
}

/// An id is of one preset, also when that was the last and has gone; nothing of it comes back with the next.
pub async fn ids_of_presets_are_never_given_again(store: Shared) {
    let first = made(&store, preset("a", &["x"])).await;
    assert_eq!(delete(&store, first.id).await, Existing::Changed);
    assert_eq!(delete(&store, first.id).await, Existing::Absent);
    assert_eq!(store.preset(first.id).await.unwrap(), None);
    assert_eq!(store.preset_named("a".into()).await.unwrap(), None);
    let second = made(&store, preset("a", &["y"])).await;
    assert_eq!((first.id, second.id), (PresetId(1), PresetId(2)));
    assert_eq!(known(&store, second.id).await.displays, second.displays);
}

/// Presets are listed by their ids, page by page, each with its own displays.
pub async fn presets_are_paged(store: Shared) {
    for name in ["d", "c", "b", "a"] {
        made(&store, preset(name, &["x", name])).await;
    }
    delete(&store, PresetId(3)).await;
    let page = async |after: Option<i64>, limit| -> Vec<i64> {
        let presets = store.presets(after.map(PresetId), limit).await.unwrap();
        for it in &presets {
            let meant = preset(&it.name, &["x", &it.name]);
            assert_eq!(it.displays, meant.displays);
        }
        presets.iter().map(|it| it.id.0).collect()
    };
    assert_eq!(page(None, 2).await, [1, 2]);
    assert_eq!(page(Some(2), 2).await, [4], "after one that went");
    assert_eq!(page(Some(3), 2).await, [4], "after an id that is not there");
    assert!(page(Some(4), 2).await.is_empty());
    assert!(page(None, 0).await.is_empty());
}

/// Of several that are made at once under one name one is.
pub async fn concurrent_presets_of_one_name_are_one(store: Shared) {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.create_preset(preset("a", &["x"]), NOW).await })
        })
        .collect();
    let mut presets = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(preset) => presets.push(preset),
            Err(CreateRefused::NameTaken) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(presets.len(), 1, "{presets:?}");
    assert_eq!(store.presets(None, 9).await.unwrap(), presets);
}
