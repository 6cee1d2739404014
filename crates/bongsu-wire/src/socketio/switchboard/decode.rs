//! From an event to what a display says.
//!
//! Invariant: unknown fields are passed over, `null` counts as absent, and what is wrong is refused under the name of its
//! field. Moments by a display's own clock are not read: nothing goes by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bongsu_model::device::{DeviceId, Value};
use bongsu_model::display::{Beat, Doing, Execution, FromDisplay, Process, Processes, Registration};
use bongsu_model::{CommandId, Limits, Refusal, Want};

use super::{Kind, lenient};
use crate::device::value;
use crate::json::field::{Field, Given};

/// What an event of this kind says with this as its first argument. A registration without a token has `token`, with
/// which its namespace was entered.
pub(in crate::socketio) fn said(
    kind: Kind,
    data: Field<'_>,
    token: Option<&Arc<str>>,
    limits: &Limits,
) -> Result<FromDisplay, Refusal> {
    let data = data.required()?;
    Ok(match kind {
        Kind::Register => {
            let mut registration = registration(data, limits)?;
            if registration.token.is_none() {
                registration.token = token.cloned();
            }
            FromDisplay::Register(Box::new(registration))
        }
        Kind::Heartbeat => FromDisplay::Heartbeat(beat(data, limits)?),
        Kind::Alive => FromDisplay::Alive { name: name_of(data)? },
        Kind::Execution => FromDisplay::Execution(Box::new(execution(data, limits)?)),
        Kind::Processes => FromDisplay::Processes(processes(data, limits)?),
        Kind::Back => FromDisplay::Back { name: name_of(data)? },
    })
}

fn registration(data: Given<'_>, limits: &Limits) -> Result<Registration, Refusal> {
    let [name, client, address, version] =
        data.fields("", ["name", "clientType", "ip_address", "version"])?;
    let [capabilities, token, running] = data.fields("", ["capabilities", "token", "running"])?;
    let word = |it: Given<'_>| word(it, limits);
    Ok(Registration {
        name: self::name(name)?,
        client: client.optional(word)?,
        address: address.optional(word)?,
        version: version.optional(word)?,
        capabilities: each(capabilities, limits.device_capabilities_max, word)?,
        token: token
            .optional(|it| it.text_of(1, limits.token_bytes_max))?
            .map(Arc::from),
        certificate: None,
        running: each(running, limits.device_running_max, command)?,
    })
}

fn beat(data: Given<'_>, limits: &Limits) -> Result<Beat, Refusal> {
    let [name, status, uptime, processes] =
        data.fields("", ["clientName", "status", "uptime", "process_count"])?;
    Ok(Beat {
        name: self::name(name)?,
        status: status.optional(|it| word(it, limits))?,
        uptime_ms: uptime.optional(lenient::seconds)?,
        processes: processes.optional(lenient::count)?,
    })
}

fn execution(data: Given<'_>, limits: &Limits) -> Result<Execution, Refusal> {
    let [name, status, preset, command_id, details] =
        data.fields("", ["clientName", "status", "presetId", "commandId", "details"])?;
    let status = status.required()?;
    // An event is an argument of its packet, and a detail stands in both.
    let depth = limits.json_depth_max.saturating_sub(2);
    let details =
        details.optional(|it| value::read_object(it.raw, depth).map_err(|fault| it.wants(fault.want())))?;
    Ok(Execution {
        name: self::name(name)?,
        status: Doing::parse(&status.text()?).ok_or(status.wants(Want::OneOf(Doing::NAMES)))?,
        preset: lenient::preset(preset)?,
        command: command_id.optional(command)?,
        details: details.unwrap_or_default(),
    })
}

fn processes(data: Given<'_>, limits: &Limits) -> Result<Processes, Refusal> {
    let [name, status, running] = data.fields("", ["clientName", "status", "running_processes"])?;
    Ok(Processes {
        name: self::name(name)?,
        status: status.optional(|it| word(it, limits))?,
        running: each(running, limits.display_processes_max, process)?,
    })
}

fn process(given: Given<'_>) -> Result<Process, Refusal> {
    let names = [
        "running_processes.preset_id",
        "running_processes.commandId",
        "running_processes.pid",
        "running_processes.uptime",
    ];
    let [preset, command_id, pid, uptime] = given.fields("running_processes.", names)?;
    Ok(Process {
        preset: lenient::preset(preset)?,
        command: command_id.optional(command)?,
        pid: pid.optional(lenient::count)?,
        uptime_ms: uptime.optional(lenient::seconds)?,
    })
}

fn name_of(data: Given<'_>) -> Result<Arc<str>, Refusal> {
    let [name] = data.fields("", ["clientName"])?;
    self::name(name)
}

/// A display's name. Whether it is one of a device is for whoever lets it in; a longer one is none.
fn name(field: Field<'_>) -> Result<Arc<str>, Refusal> {
    lenient::text(field.required()?, 1, DeviceId::BYTES_MAX)
}

/// A word of the client's own.
fn word(given: Given<'_>, limits: &Limits) -> Result<Arc<str>, Refusal> {
    lenient::text(given, 0, limits.name_bytes_max)
}

pub(super) fn command(given: Given<'_>) -> Result<CommandId, Refusal> {
    CommandId::parse(&given.text()?).ok_or(given.wants(Want::Hex(32)))
}

/// The variables of a program's environment.
pub(super) fn environment(given: Given<'_>) -> Result<BTreeMap<Arc<str>, Arc<str>>, Refusal> {
    let object =
        value::read_object(given.raw, ENVIRONMENT_DEPTH).map_err(|fault| given.wants(fault.want()))?;
    object
        .into_iter()
        .map(|(name, it)| match it {
            Value::Text(it) => Ok((name, it)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => {
                Err(given.wants(Want::Other))
            }
        })
        .collect()
}

/// Variables are texts.
const ENVIRONMENT_DEPTH: usize = 1;

/// The entries of an array that may be absent.
fn each<T>(
    field: Field<'_>,
    max: usize,
    read: impl Fn(Given<'_>) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let entries = field.optional(|it| it.entries(max))?.unwrap_or_default();
    let name = field.name;
    entries.into_iter().map(|raw| read(Given { name, raw })).collect()
}
