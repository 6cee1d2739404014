//! The files of `vectors/`: one value and its bytes each, checked both ways.
//!
//! `BONGSU_BLESS=1` writes the files from the values instead.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

#[path = "../common/mod.rs"]
mod common;
mod device;
mod server;
mod socketio;
mod spoken;
mod switchboard;
mod typed;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The sections of one file, in order.
type Sections = Vec<(&'static str, String)>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}

fn print(sections: &Sections) -> String {
    sections
        .iter()
        .map(|(name, text)| format!("-- {name}\n{}\n", text.trim_end_matches('\n')))
        .collect()
}

#[test]
fn every_value_has_its_bytes() {
    let mut meant: BTreeMap<String, String> = BTreeMap::new();
    let all = [
        spoken::vectors(),
        server::vectors(),
        device::vectors(),
        switchboard::vectors(),
    ];
    for (name, sections) in all.into_iter().flatten() {
        assert!(
            meant.insert(format!("{name}.txt"), print(&sections)).is_none(),
            "{name} stands twice"
        );
    }
    assert!(meant.len() > 150, "{}", meant.len());
    if std::env::var_os("BONGSU_BLESS").is_some() {
        for (name, text) in &meant {
            std::fs::write(folder().join(name), text).unwrap();
        }
    }
    let mut kept = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "txt") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            kept.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    for (name, text) in &meant {
        assert_eq!(kept.get(name), Some(text), "{name}");
    }
    let strays: Vec<_> = kept.keys().filter(|name| !meant.contains_key(*name)).collect();
    assert!(strays.is_empty(), "nobody means {strays:?}");
}
