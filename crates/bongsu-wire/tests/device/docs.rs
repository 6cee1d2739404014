//! The document for authors of devices names every field that is said, and its figures are so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bongsu_model::Limits;
use bongsu_model::device::FromDevice;
use bongsu_wire::device::{Format, value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document() -> String {
    std::fs::read_to_string(root().join("docs/protocols/device.md")).unwrap()
}

/// The names of all fields of all frames in the vectors, and their types, statuses and reasons.
fn said() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("vectors")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !(name.starts_with("device_said") || name.starts_with("device_told")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let json = text
            .split_once("-- device_json\n")
            .unwrap()
            .1
            .lines()
            .next()
            .unwrap();
        for (key, value) in value::read_object(json, 32).unwrap() {
            if ["type", "status", "reason"].contains(&&*key) {
                words.insert(value.as_text().unwrap().to_owned());
            }
            words.insert(key.to_string());
        }
    }
    words
}

#[test]
fn the_document_names_what_is_said() {
    let document = document();
    let words = said();
    assert!(words.len() > 40, "{words:?}");
    let missing: Vec<_> = words.iter().filter(|word| !document.contains(&***word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_figures_of_the_document_are_so() {
    let bytes = |values: &str| {
        let said = FromDevice::Telemetry(value::read_object(values, 32).unwrap());
        Format::ALL.map(|format| format.say(&said).1.len())
    };
    let [json, packet] = bytes(r#"{"speed":100,"battery_level":85}"#);
    let [json_all, packet_all] = bytes(
        r#"{"speed":63.5,"battery_level":85,"latitude":37.566535,"longitude":126.977969,"altitude":38.2,"heading":272,"odometer":18234.7,"temperature":21.5}"#,
    );
    let sentence = format!(
        "as a packet take {packet} bytes where JSON takes {json}; all eight fields {packet_all} where JSON takes {json_all};"
    );
    let document = document();
    assert!(document.contains(&sentence), "{sentence}");
    let limits = Limits::DEFAULT;
    for figure in [
        format!("at most {} KiB", limits.frame_bytes_max / 1024),
        format!("at most {} deep", limits.json_depth_max),
        format!("{} names", limits.device_capabilities_max),
        format!("at most {} keys", limits.telemetry_keys_max),
        format!(
            "{} messages a second, {} at once",
            limits.device_frames_per_s, limits.device_frames_burst
        ),
        format!(r#""heartbeat_ms": {}"#, limits.device_heartbeat_ms),
        format!("({} s if it has none)", limits.command_execution_ms / 1_000),
    ] {
        assert!(document.contains(&figure), "{figure}");
    }
}
