//! The device's end of the JSON frames.
//!
//! Invariant: what is said here is heard by [`super::hear`] as the same.

use std::sync::Arc;

use bongsu_model::device::{CommandId, ConnectionEpoch, FromDevice, Hello, Welcome, Word, print};
use bongsu_model::refusal::Malformed;
use bongsu_model::{Limits, Refusal, SessionId, Timestamp, Want};

use super::super::client::{Order, Parting, Problem, Told, What, reconnect};
use super::decode::{command, moment, object, open};
use crate::json::field::{Field, Given};
use crate::json::message::{self, malformed};
use crate::json::write::{Json, key};

/// What a device says, as the text of one message.
#[must_use]
pub fn say(said: &FromDevice) -> String {
    let mut json = Json::with_capacity(160);
    json.literal("{");
    match said {
        FromDevice::Hello(it) => hello(&mut json, it),
        FromDevice::Word(it) => word(&mut json, it),
        FromDevice::Heartbeat { clock } => {
            json.plain(key!("type"), "heartbeat");
            if let Some(clock) = clock {
                json.integer(key!("clock"), clock.0);
            }
        }
        FromDevice::Telemetry(values) => {
            json.plain(key!("type"), "telemetry");
            json.values(key!("data"), &print(values));
        }
        FromDevice::Reported { version, state } => {
            json.plain(key!("type"), "state.reported");
            if let Some(version) = version {
                json.unsigned(key!("version"), *version);
            }
            json.values(key!("state"), &print(state));
        }
        FromDevice::AuthUpdate { token } => {
            json.plain(key!("type"), "auth_update");
            json.text(key!("token"), token);
        }
    }
    json.drop_comma();
    json.literal("}");
    String::from_utf8(json.into_bytes()).expect("texts were written into it, and nothing else")
}

fn hello(json: &mut Json, hello: &Hello) {
    json.plain(key!("type"), "hello");
    json.plain(key!("device_id"), hello.device.as_str());
    if let Some(kind) = &hello.kind {
        json.text(key!("kind"), kind);
    }
    if let Some(version) = &hello.version {
        json.text(key!("version"), version);
    }
    json.literal(concat!(key!("capabilities"), "["));
    for capability in &hello.capabilities {
        json.text("", capability);
    }
    json.end_array();
    if let Some(reported) = &hello.reported {
        json.values(key!("reported"), &print(reported));
    }
    if let Some(version) = hello.reported_version {
        json.unsigned(key!("reported_version"), version);
    }
    json.literal(concat!(key!("running"), "["));
    for CommandId(id) in &hello.running {
        json.hex("", "", *id, 32);
    }
    json.end_array();
    if let Some(clock) = hello.clock {
        json.integer(key!("clock"), clock.0);
    }
    if let Some(token) = &hello.token {
        json.text(key!("token"), token);
    }
}

fn word(json: &mut Json, word: &Word) {
    json.hex(key!("reply_to"), "", word.reply_to.0, 32);
    json.plain(key!("status"), word.status.name());
    if let Some(result) = &word.result {
        json.values(key!("result"), &result.to_string());
    }
    if let Some(error) = &word.error {
        json.values(key!("error"), &error.to_string());
    }
    if let Some(epoch) = word.epoch {
        json.unsigned(key!("epoch"), epoch.0);
    }
}

/// Reads one message to a device; `None` for a type that this device is too old to know.
///
/// # Errors
///
/// What is wrong with it.
pub fn told(message: &[u8], limits: &Limits) -> Result<Option<Told>, Refusal> {
    let text =
        std::str::from_utf8(message).map_err(|fault| malformed(fault.valid_up_to(), Malformed::NotUtf8))?;
    message::check(text, limits)?;
    let [kind, msg_id, epoch] = open(text, ["type", "msg_id", "epoch"])?;
    let what = match (kind.present(), msg_id.present()) {
        (None, Some(id)) => Some(What::Command(order(id, text, limits)?)),
        (None, None) => return Err(kind.wants(Want::Present)),
        (Some(kind), _) => self::what(&kind.text()?, text, epoch, limits)?,
    };
    let epoch = ConnectionEpoch(epoch.optional(Given::count)?.unwrap_or_default());
    Ok(what.map(|what| Told { epoch, what }))
}

fn what(kind: &str, text: &str, epoch: Field<'_>, limits: &Limits) -> Result<Option<What>, Refusal> {
    Ok(Some(match kind {
        "welcome" => What::Welcome(Box::new(welcome(text, epoch, limits)?)),
        "state.delta" => {
            let [version, state] = open(text, ["version", "state"])?;
            What::Delta {
                version: version.required()?.count()?,
                state: object(state.required()?, limits)?,
            }
        }
        "heartbeat" => {
            let [server_time, clock] = open(text, ["server_time", "clock"])?;
            What::Heartbeat {
                server_time: moment(server_time.required()?)?,
                clock: clock.optional(moment)?,
            }
        }
        "auth_updated" => What::AuthUpdated {
            expires_at: expires_at(text)?,
        },
        "token_expiring" => What::TokenExpiring {
            expires_at: expires_at(text)?,
        },
        "error" => What::Refused(problem(text)?),
        "closing" => What::Closing(parting(text)?),
        _ => return Ok(None),
    }))
}

fn order(id: Given<'_>, text: &str, limits: &Limits) -> Result<Order, Refusal> {
    let [cmd, args, ttl_ms, issued_at, attempt] =
        open(text, ["cmd", "args", "ttl_ms", "issued_at", "attempt"])?;
    let attempt = attempt.optional(|it| it.between(0, u32::MAX.into()))?;
    Ok(Order {
        id: command(id)?,
        name: cmd.required()?.text()?.into(),
        args: args.optional(|it| object(it, limits))?.unwrap_or_default(),
        ttl_ms: ttl_ms.required()?.count()?,
        issued_at: moment(issued_at.required()?)?,
        attempt: attempt.map_or(0, |it| u32::try_from(it).expect("within its range")),
    })
}

fn welcome(text: &str, epoch: Field<'_>, limits: &Limits) -> Result<Welcome, Refusal> {
    let [session, heartbeat_ms, server_time, clock, delta] = open(
        text,
        ["session_id", "heartbeat_ms", "server_time", "clock", "delta"],
    )?;
    let session = session.required()?;
    let delta = delta.optional(|it| {
        let [version, state] = it.fields("delta.", ["delta.version", "delta.state"])?;
        Ok((version.required()?.count()?, object(state.required()?, limits)?))
    })?;
    Ok(Welcome {
        session: SessionId::parse(&session.text()?).ok_or(session.wants(Want::Other))?,
        epoch: ConnectionEpoch(epoch.required()?.count()?),
        heartbeat_ms: heartbeat_ms.required()?.count()?,
        server_time: moment(server_time.required()?)?,
        clock: clock.optional(moment)?,
        delta,
    })
}

fn expires_at(text: &str) -> Result<Timestamp, Refusal> {
    let [expires_at] = open(text, ["expires_at"])?;
    moment(expires_at.required()?)
}

fn problem(text: &str) -> Result<Problem, Refusal> {
    let [code, message, field, reason, retry_after_ms] =
        open(text, ["code", "message", "field", "reason", "retry_after_ms"])?;
    let shared = |it: Given<'_>| it.text().map(Arc::from);
    Ok(Problem {
        code: shared(code.required()?)?,
        message: shared(message.required()?)?,
        field: field.optional(shared)?,
        reason: reason.optional(shared)?,
        retry_after_ms: retry_after_ms.optional(Given::count)?,
    })
}

fn parting(text: &str) -> Result<Parting, Refusal> {
    let [close_code, advice] = open(text, ["close_code", "reconnect"])?;
    let close_code = close_code.required()?.between(1_000, 4_999)?;
    let advice = advice.required()?;
    Ok(Parting {
        close_code: u16::try_from(close_code).expect("within its range"),
        problem: problem(text)?,
        reconnect: reconnect(&advice.text()?).ok_or(advice.wants(Want::Other))?,
    })
}
