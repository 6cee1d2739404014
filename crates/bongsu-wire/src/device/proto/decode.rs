//! From one packet to what a device says.
//!
//! Invariant: bytes that are no packet of a device end the session; a packet with a wrong field is refused.

use std::collections::BTreeMap;

use bongsu_model::device::{CommandId, ConnectionEpoch, FromDevice, Hello, Object, Status, Value, Word};
use bongsu_model::refusal::Malformed;
use bongsu_model::{Fatal, Limits, Refusal, Timestamp, Want};
use bongsu_proto::v1;
use bongsu_proto::v1::web_socket_packet::Payload;
use prost::Message;

use super::super::value::{self, NoValue};
use super::super::{Heard, check};
use super::telemetry::measured;
use crate::json::message::malformed;

/// Reads one binary message of a device.
///
/// # Errors
///
/// What is over the limit of a frame, and what is no packet that a device may send.
pub fn hear(bytes: &[u8], limits: &Limits) -> Result<Heard, Fatal> {
    check::frame_bytes(bytes.len(), limits)?;
    let packet = v1::WebSocketPacket::decode(bytes).map_err(|_| not_ours())?;
    hear_packet(packet, limits)
}

/// Reads one packet of a device whose transport has decoded it, and has seen to its size.
///
/// # Errors
///
/// A packet that a device may not send.
pub fn hear_packet(packet: v1::WebSocketPacket, limits: &Limits) -> Result<Heard, Fatal> {
    let read = match packet.payload.ok_or_else(not_ours)? {
        Payload::Hello(it) => hello(it, limits).map(|hello| FromDevice::Hello(Box::new(hello))),
        Payload::Reply(it) => word(it, limits).map(FromDevice::Word),
        Payload::Ping(it) => Ok(FromDevice::Heartbeat {
            clock: it.clock.map(Timestamp),
        }),
        Payload::Telemetry(it) => measured(it, check::value_depth(limits))
            .and_then(|values| check::telemetry(values, limits))
            .map(FromDevice::Telemetry),
        Payload::Reported(it) => reported(it, limits),
        Payload::AuthUpdate(it) => check::text_of("token", &it.token, 1, limits.token_bytes_max)
            .map(|token| FromDevice::AuthUpdate { token }),
        Payload::Command(_)
        | Payload::Welcome(_)
        | Payload::Delta(_)
        | Payload::Error(_)
        | Payload::Closing(_)
        | Payload::AuthUpdated(_)
        | Payload::TokenExpiring(_) => return Err(not_ours()),
    };
    Ok(read.into())
}

pub(in crate::device) fn not_ours() -> Fatal {
    malformed(0, Malformed::NotProtobuf).into()
}

fn word(reply: v1::CommandReply, limits: &Limits) -> Result<Word, Refusal> {
    let status = match v1::ReplyStatus::try_from(reply.status) {
        Ok(v1::ReplyStatus::Received) => Status::Received,
        Ok(v1::ReplyStatus::InProgress) => Status::InProgress,
        Ok(v1::ReplyStatus::Ok) => Status::Ok,
        Ok(v1::ReplyStatus::Failed) => Status::Failed,
        Ok(v1::ReplyStatus::Rejected) => Status::Rejected,
        Ok(v1::ReplyStatus::Unspecified) | Err(_) => {
            return Err(Refusal::field("status", Want::OneOf(Status::NAMES)));
        }
    };
    Ok(Word {
        reply_to: command("reply_to", &reply.reply_to)?,
        status,
        result: any("result", reply.result, limits)?,
        error: any("error", reply.error, limits)?,
        epoch: count("epoch", reply.epoch)?.map(ConnectionEpoch),
    })
}

fn reported(reported: v1::StateReported, limits: &Limits) -> Result<FromDevice, Refusal> {
    Ok(FromDevice::Reported {
        version: count("version", reported.version)?,
        state: object("state", reported.state, limits)?,
    })
}

fn hello(hello: v1::Hello, limits: &Limits) -> Result<Hello, Refusal> {
    let named = |field, text: Option<String>| {
        text.map(|it| check::text_of(field, &it, 1, limits.name_bytes_max))
            .transpose()
    };
    let token = hello
        .token
        .map(|it| check::text_of("token", &it, 1, limits.token_bytes_max));
    Ok(Hello {
        device: check::device_id(&hello.device_id)?,
        kind: named("kind", hello.kind)?,
        version: named("version", hello.version)?,
        capabilities: each(
            "capabilities",
            &hello.capabilities,
            limits.device_capabilities_max,
            |it| check::text_of("capabilities", it, 1, limits.name_bytes_max),
        )?,
        reported: hello
            .reported
            .map(|it| object("reported", it.fields, limits))
            .transpose()?,
        reported_version: count("reported_version", hello.reported_version)?,
        running: each("running", &hello.running, limits.device_running_max, |it| {
            command("running", it)
        })?,
        clock: hello.clock.map(Timestamp),
        token: token.transpose()?,
    })
}

fn each<A, T>(
    name: &'static str,
    entries: &[A],
    max: usize,
    read: impl Fn(&A) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    if entries.len() > max {
        return Err(Refusal::field(name, Want::ArrayOf(max)));
    }
    entries.iter().map(read).collect()
}

pub(super) fn command(name: &'static str, bytes: &[u8]) -> Result<CommandId, Refusal> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Refusal::field(name, Want::TextOf(16, 16)))?;
    Ok(CommandId(u128::from_be_bytes(bytes)))
}

/// A number that JSON could have said, too.
pub(super) fn count(name: &'static str, number: Option<u64>) -> Result<Option<u64>, Refusal> {
    match number {
        Some(number) if i64::try_from(number).is_err() => {
            Err(Refusal::field(name, Want::Between(0, i64::MAX)))
        }
        Some(_) | None => Ok(number),
    }
}

/// A value; null counts as none.
fn any(name: &'static str, value: Option<v1::Value>, limits: &Limits) -> Result<Option<Value>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let value = value::from_proto(value, check::value_depth(limits)).map_err(|fault| refused(name, fault))?;
    Ok(Some(value).filter(|it| *it != Value::Null))
}

pub(super) fn object(
    name: &'static str,
    fields: BTreeMap<String, v1::Value>,
    limits: &Limits,
) -> Result<Object, Refusal> {
    value::object_from_proto(fields, check::value_depth(limits)).map_err(|fault| refused(name, fault))
}

fn refused(name: &'static str, fault: NoValue) -> Refusal {
    Refusal::field(name, fault.want())
}
