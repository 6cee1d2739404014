//! From one text message to what a device says.
//!
//! Invariant: unknown fields are ignored, `null` counts as absent, a known field that stands twice is refused.

use std::sync::Arc;

use bongsu_model::device::{CommandId, ConnectionEpoch, FromDevice, Hello, Object, Status, Value, Word};
use bongsu_model::refusal::Malformed;
use bongsu_model::{Code, Fatal, Limits, Refusal, Timestamp, Want};

use super::super::{Heard, check, value};
use crate::json::field::{self, Field, Given, Unreadable};
use crate::json::message::{self, malformed};

/// Reads one text message of a device.
///
/// # Errors
///
/// What is over the limit of a frame. All else that is wrong is refused, and the session goes on.
pub fn hear(text: &str, limits: &Limits) -> Result<Heard, Fatal> {
    check::frame_bytes(text.len(), limits)?;
    Ok(message(text, limits).into())
}

fn message(text: &str, limits: &Limits) -> Result<FromDevice, Refusal> {
    message::check(text, limits)?;
    let [kind, reply_to] = open(text, ["type", "reply_to"])?;
    let Some(kind) = kind.present() else {
        return match reply_to.present() {
            Some(reply_to) => word(reply_to, text, limits),
            None => Err(kind.wants(Want::Present)),
        };
    };
    match &*kind.text()? {
        "hello" => hello(text, limits).map(|hello| FromDevice::Hello(Box::new(hello))),
        "heartbeat" => {
            let [clock] = open(text, ["clock"])?;
            Ok(FromDevice::Heartbeat {
                clock: clock.optional(moment)?,
            })
        }
        "telemetry" => {
            let [data] = open(text, ["data"])?;
            let data = object(data.required()?, limits)?;
            check::telemetry(data, limits).map(FromDevice::Telemetry)
        }
        "state.reported" => {
            let [version, state] = open(text, ["version", "state"])?;
            Ok(FromDevice::Reported {
                version: version.optional(Given::count)?,
                state: object(state.required()?, limits)?,
            })
        }
        "auth_update" => {
            let [token] = open(text, ["token"])?;
            let token = token.required()?.text_of(1, limits.token_bytes_max)?;
            Ok(FromDevice::AuthUpdate { token: token.into() })
        }
        _ => Err(Refusal::new(Code::InvalidAction)),
    }
}

/// The fields of the frame.
pub(super) fn open<'a, const N: usize>(
    text: &'a str,
    names: [&'static str; N],
) -> Result<[Field<'a>; N], Refusal> {
    field::read(text, "", names).map_err(|unreadable| match unreadable {
        Unreadable::Twice(_, at) => malformed(at, Malformed::DuplicateKey),
        Unreadable::NotJson(at) => malformed(at, Malformed::NotJson),
    })
}

fn word(reply_to: Given<'_>, text: &str, limits: &Limits) -> Result<FromDevice, Refusal> {
    let [status, result, error, epoch] = open(text, ["status", "result", "error", "epoch"])?;
    let status = status.required()?;
    let known = status.text().ok().and_then(|name| Status::parse(&name));
    Ok(FromDevice::Word(Word {
        reply_to: command(reply_to)?,
        status: known.ok_or(status.wants(Want::OneOf(Status::NAMES)))?,
        result: result.optional(|it| any(it, limits))?,
        error: error.optional(|it| any(it, limits))?,
        epoch: epoch.optional(Given::count)?.map(ConnectionEpoch),
    }))
}

fn hello(text: &str, limits: &Limits) -> Result<Hello, Refusal> {
    let [device, kind, version, capabilities] = open(text, ["device_id", "kind", "version", "capabilities"])?;
    let [reported, reported_version, running, clock, token] = open(
        text,
        ["reported", "reported_version", "running", "clock", "token"],
    )?;
    let name = |it: Given<'_>| it.text_of(1, limits.name_bytes_max).map(Arc::from);
    Ok(Hello {
        device: check::device_id(&device.required()?.text()?)?,
        kind: kind.optional(name)?,
        version: version.optional(name)?,
        capabilities: each(capabilities, limits.device_capabilities_max, name)?,
        reported: reported.optional(|it| object(it, limits))?,
        reported_version: reported_version.optional(Given::count)?,
        running: each(running, limits.device_running_max, command)?,
        clock: clock.optional(moment)?,
        token: token
            .optional(|it| it.text_of(1, limits.token_bytes_max))?
            .map(Arc::from),
    })
}

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

pub(super) fn command(given: Given<'_>) -> Result<CommandId, Refusal> {
    CommandId::parse(&given.text()?).ok_or(given.wants(Want::Hex(32)))
}

/// Milliseconds since 1970, or by whatever clock a device has.
pub(super) fn moment(given: Given<'_>) -> Result<Timestamp, Refusal> {
    given.integer().map(Timestamp)
}

fn any(given: Given<'_>, limits: &Limits) -> Result<Value, Refusal> {
    value::read(given.raw, check::value_depth(limits)).map_err(|fault| given.wants(fault.want()))
}

pub(super) fn object(given: Given<'_>, limits: &Limits) -> Result<Object, Refusal> {
    value::read_object(given.raw, check::value_depth(limits)).map_err(|fault| given.wants(fault.want()))
}
