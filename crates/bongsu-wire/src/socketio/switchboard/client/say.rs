//! What a display says, as packets.
//!
//! Invariant: what is said here is heard by the server as the same.

use bongsu_model::CommandId;
use bongsu_model::device::print;
use bongsu_model::display::{Beat, Execution, FromDisplay, PresetId, Process, Processes, Registration};

use super::super::{Kind, millis};
use super::Saying;
use crate::json::write::{Json, key};
use crate::socketio::client::event;

/// What a display says, as one packet.
#[must_use]
pub fn say(saying: Saying<'_>, said: &FromDisplay) -> String {
    match said {
        FromDisplay::Register(it) => packet(saying, Kind::Register, |json| registration(json, it)),
        FromDisplay::Heartbeat(it) => packet(saying, Kind::Heartbeat, |json| beat(json, it)),
        FromDisplay::Alive { name } => alive(saying, name, None),
        FromDisplay::Execution(it) => packet(saying, Kind::Execution, |json| execution(json, it)),
        FromDisplay::Processes(it) => packet(saying, Kind::Processes, |json| processes(json, it)),
        FromDisplay::Back { name } => packet(saying, Kind::Back, |json| json.text(NAME, name)),
    }
}

/// The answer to a check, with the text of the JSON that it had as its time.
#[must_use]
pub fn alive(saying: Saying<'_>, name: &str, received_at: Option<&str>) -> String {
    packet(saying, Kind::Alive, |json| {
        json.text(NAME, name);
        json.plain(key!("status"), "alive");
        json.values(key!("received_at"), received_at.unwrap_or("null"));
    })
}

const NAME: &str = key!("clientName");

/// One event, with the time at which it is said.
fn packet(saying: Saying<'_>, kind: Kind, fill: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::with_capacity(192);
    json.literal("{");
    fill(&mut json);
    json.values(key!("timestamp"), &millis(saying.now.0.max(0).unsigned_abs()));
    json.end_object();
    json.drop_comma();
    let data = String::from_utf8(json.into_bytes()).expect("texts were written into it, and nothing else");
    event(saying.namespace, saying.ack, kind.name(), &data)
}

fn registration(json: &mut Json, it: &Registration) {
    json.text(key!("name"), &it.name);
    optional(json, key!("clientType"), it.client.as_deref());
    optional(json, key!("ip_address"), it.address.as_deref());
    optional(json, key!("version"), it.version.as_deref());
    json.literal(concat!(key!("capabilities"), "["));
    for capability in &it.capabilities {
        json.text("", capability);
    }
    json.end_array();
    optional(json, key!("token"), it.token.as_deref());
    if !it.running.is_empty() {
        json.literal(concat!(key!("running"), "["));
        for CommandId(id) in &it.running {
            json.hex("", "", *id, 32);
        }
        json.end_array();
    }
}

fn beat(json: &mut Json, beat: &Beat) {
    json.text(NAME, &beat.name);
    optional(json, key!("status"), beat.status.as_deref());
    uptime(json, beat.uptime_ms);
    if let Some(processes) = beat.processes {
        json.unsigned(key!("process_count"), processes);
    }
}

fn execution(json: &mut Json, it: &Execution) {
    json.text(NAME, &it.name);
    json.plain(key!("status"), it.status.name());
    preset(json, key!("presetId"), it.preset);
    command(json, it.command);
    json.values(key!("details"), &print(&it.details));
}

fn processes(json: &mut Json, it: &Processes) {
    json.text(NAME, &it.name);
    optional(json, key!("status"), it.status.as_deref());
    json.unsigned(key!("running_process_count"), it.running.len() as u64);
    json.literal(concat!(key!("running_processes"), "["));
    for Process {
        preset: of,
        command: id,
        pid,
        uptime_ms,
    } in &it.running
    {
        json.literal("{");
        preset(json, key!("preset_id"), *of);
        command(json, *id);
        if let Some(pid) = pid {
            json.unsigned(key!("pid"), *pid);
        }
        uptime(json, *uptime_ms);
        json.end_object();
    }
    json.end_array();
}

fn optional(json: &mut Json, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        json.text(key, text);
    }
}

fn preset(json: &mut Json, key: &str, preset: Option<PresetId>) {
    match preset {
        Some(preset) => json.integer(key, preset.0),
        None => json.null(key),
    }
}

fn command(json: &mut Json, command: Option<CommandId>) {
    if let Some(CommandId(id)) = command {
        json.hex(key!("commandId"), "", id, 32);
    }
}

fn uptime(json: &mut Json, ms: Option<u64>) {
    if let Some(ms) = ms {
        json.values(key!("uptime"), &millis(ms));
    }
}
