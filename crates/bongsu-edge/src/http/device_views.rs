//! What the API shows of devices, their commands, states, leases and of the catalogue: the documented shapes.
//!
//! Invariant: moments are RFC 3339 in UTC, numbers of milliseconds end in `_ms`; JSON of devices is shown as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::Timestamp;
use bongsu_model::device::{Command, Device, Late, Lease, Note, Pace, Value};
use bongsu_node::devices::catalogue::{Catalogue, Entry, Short};
use bongsu_node::devices::{DeviceView as Seen, Latest, Presence, Ran, StateView as Kept};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalogue::{members, to_json};

/// Whether a device is connected, in a word.
pub(super) const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unknown => "unknown",
    }
}

type Json = serde_json::Value;
type JsonObject = serde_json::Map<String, Json>;

fn owned(text: &Option<Arc<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

fn moment(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A device.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "device_id": "car-1234", "kind": "vehicle", "version": "2.1.0", "capabilities": ["window.set"], "online": true, "presence": "online",
    "epoch": 7,
    "session": { "session_id": "session_0193e5a8c4f37a1c9d2b6e8f01234567", "node": "seoul-1", "since": "2026-01-01T12:00:00.000Z" },
    "created_at": "2026-01-01T12:00:00.000Z"
}))]
pub(super) struct DeviceView {
    device_id: String,
    /// What it is: `vehicle`, `display`, …
    kind: String,
    /// Its software's version, as it said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// What it can do, as it said last.
    capabilities: Vec<String>,
    /// Whether it is connected, as far as this node knows: not if it is `offline`.
    online: bool,
    /// `online`; `offline`; `unknown` while nothing is heard of the node that holds it, or held it just now.
    #[schema(value_type = String)]
    presence: &'static str,
    /// Rises with every session of it.
    epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<DeviceSessionView>,
    /// When its last session ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    created_at: String,
}

/// The session of a device.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceSessionView {
    session_id: String,
    /// The node that holds it.
    node: String,
    since: String,
    /// Where it comes from; only on the node that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl DeviceView {
    /// A device that has just been made.
    pub(super) fn made(device: &Device) -> Self {
        let session = device.session.as_ref().map(|session| DeviceSessionView {
            session_id: session.id.to_string(),
            node: session.node.to_string(),
            since: session.since.to_string(),
            address: None,
        });
        Self {
            device_id: device.id.to_string(),
            kind: device.kind.to_string(),
            version: owned(&device.version),
            capabilities: device.capabilities.iter().map(ToString::to_string).collect(),
            online: false,
            presence: presence(Presence::Offline),
            epoch: device.epoch.0,
            session,
            last_seen: moment(device.last_seen),
            created_at: device.created_at.to_string(),
        }
    }

    pub(super) fn of(seen: &Seen, node: &str) -> Self {
        let here = seen.session.as_ref().map(|session| DeviceSessionView {
            session_id: session.id.to_string(),
            node: node.to_owned(),
            since: session.since.to_string(),
            address: session.address.map(|address| address.to_canonical().to_string()),
        });
        let kept = Self::made(&seen.device);
        Self {
            online: seen.is_online(),
            presence: presence(seen.presence),
            session: here.or(kept.session),
            ..kept
        }
    }
}

/// A command, with everything that happened to it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "command_id": "0193e5a8c4f37a1c9d2b6e8f01234567", "device_id": "car-1234", "name": "window.set",
    "args": { "position": "open" }, "target": "window", "policy": "latest-wins", "if_offline": "fail", "by": "shop",
    "from": "192.0.2.7", "created_at": "2026-01-01T12:00:00.000Z", "deadline": "2026-01-01T12:00:05.000Z", "execution_ms": 30000,
    "state": "succeeded", "since": "2026-01-01T12:00:00.090Z", "epoch": 7, "result": { "position": "open" },
    "history": [{ "state": "accepted", "at": "2026-01-01T12:00:00.000Z", "node": "seoul-1", "detail": "by=shop" }]
}))]
pub(super) struct CommandView {
    /// 32 hex digits.
    command_id: String,
    device_id: String,
    name: String,
    #[schema(value_type = Object)]
    args: JsonObject,
    /// The key of the target state that it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// `latest-wins`, `serial`, `parallel(n)` or `exclusive`.
    policy: String,
    /// `fail` or `queue`.
    #[schema(value_type = String)]
    if_offline: &'static str,
    /// Who asked: a token's subject, or a key's name.
    by: String,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// When it was accepted.
    created_at: String,
    /// From then on it is neither sent nor started.
    deadline: String,
    /// How long the device may take once it has it.
    execution_ms: u64,
    /// `accepted`, `routed`, `written`, `received`, `in_progress`; or an end: `succeeded`, `failed`, `rejected`, `timed_out`,
    /// `expired`, `superseded`, `cancelled`, `offline`.
    #[schema(value_type = String)]
    state: &'static str,
    /// Since when it is there.
    since: String,
    /// The connection epoch of the device's session that spoke of it last; 0 before.
    epoch: u64,
    /// What the device answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Json>,
    /// Why the device did not do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Json>,
    /// What the device said after the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_result: Option<LateView>,
    /// What happened, the oldest first.
    history: Vec<NoteView>,
}

/// What a device said of a command that had ended already.
#[derive(Serialize, ToSchema)]
pub(super) struct LateView {
    at: String,
    /// What it would have been.
    #[schema(value_type = String)]
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Json>,
}

/// Something that happened to a command.
#[derive(Serialize, ToSchema)]
pub(super) struct NoteView {
    /// Where it was from then on.
    #[schema(value_type = String)]
    state: &'static str,
    at: String,
    /// On which node.
    node: String,
    /// More, as words such as `session=… epoch=7 attempt=2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl CommandView {
    pub(super) fn of(command: &Command) -> Self {
        Self {
            command_id: command.id.to_string(),
            device_id: command.device.to_string(),
            name: command.name.to_string(),
            args: members(&command.args),
            target: owned(&command.target),
            policy: policy(command.pace),
            if_offline: command.if_offline.name(),
            by: command.by.to_string(),
            from: owned(&command.from),
            created_at: command.at.to_string(),
            deadline: command.deadline.to_string(),
            execution_ms: command.execution_ms,
            state: command.state.name(),
            since: command.since.to_string(),
            epoch: command.epoch.0,
            result: command.result.as_ref().map(to_json),
            error: command.error.as_ref().map(to_json),
            late_result: command.late.as_ref().map(LateView::of),
            history: command.history.iter().map(NoteView::of).collect(),
        }
    }
}

impl LateView {
    fn of(late: &Late) -> Self {
        Self {
            at: late.at.to_string(),
            state: late.state.name(),
            result: late.result.as_ref().map(to_json),
            error: late.error.as_ref().map(to_json),
        }
    }
}

impl NoteView {
    fn of(note: &Note) -> Self {
        Self {
            state: note.state.name(),
            at: note.at.to_string(),
            node: note.node.to_string(),
            detail: owned(&note.detail),
        }
    }
}

fn policy(pace: Pace) -> String {
    match pace {
        Pace::LatestWins => "latest-wins".to_owned(),
        Pace::Serial => "serial".to_owned(),
        Pace::Parallel(n) => format!("parallel({n})"),
        Pace::Exclusive => "exclusive".to_owned(),
    }
}

/// What became of a command, as far as its caller waited.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "command_id": "0193e5a8c4f37a1c9d2b6e8f01234567", "device_id": "car-1234", "name": "window.set", "state": "succeeded",
    "result": { "position": "open" }
}))]
pub(super) struct RanView {
    /// 32 hex digits.
    command_id: String,
    device_id: String,
    name: String,
    /// Where it is, or how it ended.
    #[schema(value_type = String)]
    state: &'static str,
    /// What the device answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Json>,
    /// Why the device did not do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Json>,
    /// Present and true where it joined the same command of a moment ago.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    coalesced: bool,
}

impl RanView {
    pub(super) fn of(ran: &Ran) -> Self {
        let command = &ran.command;
        Self {
            command_id: command.id.to_string(),
            device_id: command.device.to_string(),
            name: command.name.to_string(),
            state: command.state.name(),
            result: command.result.as_ref().map(to_json),
            error: command.error.as_ref().map(to_json),
            coalesced: ran.coalesced,
        }
    }
}

/// The state of a device: what it should be, what it says it is, and the difference.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "device_id": "car-1234", "version": 12, "desired": { "window": { "position": "open" } },
    "reported": { "window": { "position": "closed" } }, "delta": { "window": { "position": "open" } }, "reported_version": 11,
    "metadata": {
        "desired": { "window": { "at": "2026-01-01T12:00:00.000Z", "by": "shop", "expires_at": "2026-01-01T12:00:05.000Z" } },
        "reported": { "window": { "at": "2026-01-01T11:00:00.000Z" } }
    }
}))]
pub(super) struct StateView {
    device_id: String,
    /// Rises with each change of either; the `ETag`.
    version: u64,
    /// What it should be.
    #[schema(value_type = Object)]
    desired: JsonObject,
    /// What it says it is.
    #[schema(value_type = Object)]
    reported: JsonObject,
    /// What it should be where that is not what it says it is.
    #[schema(value_type = Object)]
    delta: JsonObject,
    /// The version that the device says it has taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    reported_version: Option<u64>,
    metadata: StateMetadata,
}

/// When and by whom the keys of a state were written.
#[derive(Serialize, ToSchema)]
pub(super) struct StateMetadata {
    desired: BTreeMap<String, DesiredMetadata>,
    reported: BTreeMap<String, ReportedMetadata>,
}

/// When and by whom a key was wished for.
#[derive(Serialize, ToSchema)]
pub(super) struct DesiredMetadata {
    at: String,
    by: String,
    /// From then on it is not wished for any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// The open command that brings it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<String>,
}

/// Since when a key is reported as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct ReportedMetadata {
    at: String,
}

impl StateView {
    pub(super) fn of(device: &str, kept: &Kept) -> Self {
        let shadow = &kept.shadow;
        let desired = shadow.desired.iter();
        let reported = shadow.reported.iter();
        Self {
            device_id: device.to_owned(),
            version: shadow.version,
            desired: values(desired.clone().map(|(key, it)| (key, &it.value))),
            reported: values(reported.clone().map(|(key, it)| (key, &it.value))),
            delta: members(&kept.delta),
            reported_version: shadow.reported_version,
            metadata: StateMetadata {
                desired: desired
                    .map(|(key, it)| {
                        let about = DesiredMetadata {
                            at: it.at.to_string(),
                            by: it.by.to_string(),
                            expires_at: moment(it.expires_at),
                            command_id: it.command.map(|id| id.to_string()),
                        };
                        (key.to_string(), about)
                    })
                    .collect(),
                reported: reported
                    .map(|(key, it)| {
                        (
                            key.to_string(),
                            ReportedMetadata {
                                at: it.at.to_string(),
                            },
                        )
                    })
                    .collect(),
            },
        }
    }
}

fn values<'a>(entries: impl Iterator<Item = (&'a Arc<str>, &'a Value)>) -> JsonObject {
    entries
        .map(|(key, value)| (key.to_string(), to_json(value)))
        .collect()
}

/// The latest that a device measured.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "device_id": "car-1234", "at": "2026-01-01T12:00:00.000Z",
    "values": { "speed": { "value": 42, "at": "2026-01-01T12:00:00.000Z" } }
}))]
pub(super) struct TelemetryView {
    device_id: String,
    /// When the last of it was heard; absent if nothing was, since this node started.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// The latest value of each key.
    values: BTreeMap<String, MeasuredView>,
    /// Whether the node that holds the device says so. If it does not answer, or it is not known which node held it last, there
    /// may be more, and newer values.
    complete: bool,
}

/// The latest value of a key.
#[derive(Serialize, ToSchema)]
pub(super) struct MeasuredView {
    value: Json,
    /// When it was heard.
    at: String,
}

impl TelemetryView {
    pub(super) fn of(device: &str, latest: &Latest) -> Self {
        let values = latest.values.iter().map(|(key, (value, at))| {
            let measured = MeasuredView {
                value: to_json(value),
                at: at.to_string(),
            };
            (key.to_string(), measured)
        });
        Self {
            device_id: device.to_owned(),
            at: (latest.at.0 > 0).then(|| latest.at.to_string()),
            values: values.collect(),
            complete: latest.is_whole,
        }
    }
}

/// A control lease.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "device_id": "car-1234", "holder": "shop", "fence": 3, "since": "2026-01-01T12:00:00.000Z",
    "expires_at": "2026-01-01T12:00:30.000Z", "at_lapse": { "name": "horn.honk", "args": { "times": 1 } }
}))]
pub(super) struct LeaseView {
    device_id: String,
    /// Who has the device: a token's subject, or a key's name.
    holder: String,
    /// Rises with every lease of the device; a renewal keeps it.
    fence: u64,
    since: String,
    /// When it lapses.
    expires_at: String,
    /// The command that is sent then.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_lapse: Option<AtLapseView>,
}

/// A command that is sent when a lease lapses.
#[derive(Serialize, ToSchema)]
pub(super) struct AtLapseView {
    name: String,
    #[schema(value_type = Object)]
    args: JsonObject,
}

impl LeaseView {
    pub(super) fn of(lease: &Lease) -> Self {
        Self {
            device_id: lease.device.to_string(),
            holder: lease.holder.to_string(),
            fence: lease.fence.0,
            since: lease.since.to_string(),
            expires_at: lease.expires_at.to_string(),
            at_lapse: lease.at_lapse.as_ref().map(|it| AtLapseView {
                name: it.name.to_string(),
                args: members(&it.args),
            }),
        }
    }
}

/// The commands there are.
#[derive(Serialize, ToSchema)]
pub(super) struct CatalogueView {
    /// Whether commands pass that are not in it.
    allow_unlisted: bool,
    /// Ascending by name.
    commands: Vec<EntryView>,
}

/// A command of the catalogue.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "name": "window.set", "target": "window",
    "short": [{ "part": "window", "action": "open", "args": { "position": "open" } }],
    "ttl_ms": 3000, "execution_ms": 30000, "debounce_ms": 500, "policy": "latest-wins", "if_offline": "fail",
    "rate": { "count": 10, "per_ms": 1000 }, "roles": ["service", "admin"], "safety": "normal",
    "args": { "type": "object", "required": ["position"] }
}))]
pub(super) struct EntryView {
    name: String,
    /// The key of the target state that it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    short: Vec<ShortView>,
    /// For how long it may be sent where the caller does not say; absent for the server's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    execution_ms: u64,
    debounce_ms: u64,
    /// `latest-wins`, `serial`, `parallel(n)` or `exclusive`.
    policy: String,
    /// `fail` or `queue`.
    #[schema(value_type = String)]
    if_offline: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<RateView>,
    /// Who may send it.
    #[schema(value_type = Vec<String>)]
    roles: Vec<&'static str>,
    /// `normal`, or `critical`: that is always refused.
    #[schema(value_type = String)]
    safety: &'static str,
    /// The JSON Schema of its arguments.
    args: Json,
}

/// A short form of a command.
#[derive(Serialize, ToSchema)]
pub(super) struct ShortView {
    part: String,
    action: String,
    #[schema(value_type = Object)]
    args: JsonObject,
}

/// So many in so many milliseconds.
#[derive(Serialize, ToSchema)]
pub(super) struct RateView {
    count: u32,
    per_ms: u64,
}

impl CatalogueView {
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        Self {
            allow_unlisted: catalogue.allows_unlisted(),
            commands: catalogue.entries().map(|entry| EntryView::of(entry)).collect(),
        }
    }
}

impl EntryView {
    fn of(entry: &Entry) -> Self {
        Self {
            name: entry.name.to_string(),
            target: owned(&entry.target),
            short: entry.short.iter().map(ShortView::of).collect(),
            ttl_ms: entry.ttl_ms,
            execution_ms: entry.execution_ms,
            debounce_ms: entry.debounce_ms,
            policy: policy(entry.pace),
            if_offline: entry.if_offline.name(),
            rate: entry.rate.map(|rate| {
                let (count, per_ms) = rate.parts();
                RateView { count, per_ms }
            }),
            roles: entry.roles.iter().map(|role| role.name()).collect(),
            safety: entry.safety.name(),
            args: to_json(&entry.schema),
        }
    }
}

impl ShortView {
    fn of(short: &Short) -> Self {
        Self {
            part: short.part.to_string(),
            action: short.action.to_string(),
            args: members(&short.args),
        }
    }
}
