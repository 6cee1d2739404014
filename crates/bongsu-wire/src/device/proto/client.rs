//! The device's end of the packets.
//!
//! Invariant: what is said here is heard by [`super::hear_packet`] as the same.

use bongsu_model::device::{ConnectionEpoch, FromDevice, Hello, Status, Welcome, Word};
use bongsu_model::{Limits, Reconnect, Refusal, SessionId, Timestamp, Want};
use bongsu_proto::v1;
use bongsu_proto::v1::web_socket_packet::Payload;

use super::super::client::{Order, Parting, Problem, Told, What};
use super::super::value;
use super::decode::{command, count, not_ours, object};
use super::telemetry::packed;

/// What a device says, as one packet.
#[must_use]
pub fn say(said: &FromDevice) -> v1::WebSocketPacket {
    let payload = match said {
        FromDevice::Hello(it) => Payload::Hello(hello(it)),
        FromDevice::Word(it) => Payload::Reply(word(it)),
        FromDevice::Heartbeat { clock } => Payload::Ping(v1::Heartbeat {
            clock: clock.map(|it| it.0),
            ..Default::default()
        }),
        FromDevice::Telemetry(values) => Payload::Telemetry(packed(values)),
        FromDevice::Reported { version, state } => Payload::Reported(v1::StateReported {
            version: *version,
            state: value::object_to_proto(state),
        }),
        FromDevice::AuthUpdate { token } => Payload::AuthUpdate(v1::AuthUpdate {
            token: token.to_string(),
        }),
    };
    v1::WebSocketPacket {
        payload: Some(payload),
    }
}

fn hello(hello: &Hello) -> v1::Hello {
    v1::Hello {
        device_id: hello.device.to_string(),
        kind: hello.kind.as_deref().map(Into::into),
        version: hello.version.as_deref().map(Into::into),
        capabilities: hello.capabilities.iter().map(ToString::to_string).collect(),
        reported: hello.reported.as_ref().map(|it| v1::Fields {
            fields: value::object_to_proto(it),
        }),
        reported_version: hello.reported_version,
        running: hello.running.iter().map(|it| it.0.to_be_bytes().into()).collect(),
        clock: hello.clock.map(|it| it.0),
        token: hello.token.as_deref().map(Into::into),
    }
}

fn word(word: &Word) -> v1::CommandReply {
    v1::CommandReply {
        reply_to: word.reply_to.0.to_be_bytes().into(),
        status: match word.status {
            Status::Received => v1::ReplyStatus::Received,
            Status::InProgress => v1::ReplyStatus::InProgress,
            Status::Ok => v1::ReplyStatus::Ok,
            Status::Failed => v1::ReplyStatus::Failed,
            Status::Rejected => v1::ReplyStatus::Rejected,
        }
        .into(),
        result: word.result.as_ref().map(value::to_proto),
        error: word.error.as_ref().map(value::to_proto),
        epoch: word.epoch.map(|it| it.0),
    }
}

/// Reads one packet to a device; `None` for a payload that this device is too old to know.
///
/// # Errors
///
/// What is wrong with it; also a packet that only devices send.
pub fn told(packet: v1::WebSocketPacket, limits: &Limits) -> Result<Option<Told>, Refusal> {
    let Some(payload) = packet.payload else {
        return Ok(None);
    };
    let (epoch, what) = match payload {
        Payload::Welcome(it) => (it.epoch, What::Welcome(Box::new(welcome(it, limits)?))),
        Payload::Command(it) => (it.epoch, What::Command(order(it, limits)?)),
        Payload::Delta(it) => {
            let (version, epoch) = (it.version, it.epoch);
            let state = object("state", it.state, limits)?;
            (epoch, What::Delta { version, state })
        }
        Payload::Ping(it) => {
            let server_time = it
                .server_time
                .ok_or(Refusal::field("server_time", Want::Present))?;
            let clock = it.clock.map(Timestamp);
            let server_time = Timestamp(server_time);
            (it.epoch, What::Heartbeat { server_time, clock })
        }
        Payload::AuthUpdated(it) => {
            let expires_at = Timestamp(it.expires_at);
            (it.epoch, What::AuthUpdated { expires_at })
        }
        Payload::TokenExpiring(it) => {
            let expires_at = Timestamp(it.expires_at);
            (it.epoch, What::TokenExpiring { expires_at })
        }
        Payload::Error(it) => (it.epoch, What::Refused(problem(it))),
        Payload::Closing(it) => (it.epoch, What::Closing(parting(it)?)),
        Payload::Telemetry(_)
        | Payload::Hello(_)
        | Payload::Reply(_)
        | Payload::Reported(_)
        | Payload::AuthUpdate(_) => return Err(not_ours().refusal),
    };
    let epoch = ConnectionEpoch(epoch);
    Ok(Some(Told { epoch, what }))
}

fn welcome(welcome: v1::Welcome, limits: &Limits) -> Result<Welcome, Refusal> {
    let delta = match welcome.delta {
        Some(it) => Some((it.version, object("delta.state", it.state, limits)?)),
        None => None,
    };
    Ok(Welcome {
        session: SessionId::parse(&welcome.session_id).ok_or(Refusal::field("session_id", Want::Other))?,
        epoch: ConnectionEpoch(welcome.epoch),
        heartbeat_ms: welcome.heartbeat_ms,
        server_time: Timestamp(welcome.server_time),
        clock: welcome.clock.map(Timestamp),
        delta,
    })
}

fn order(order: v1::ControlCommand, limits: &Limits) -> Result<Order, Refusal> {
    count("ttl_ms", Some(order.ttl_ms))?;
    Ok(Order {
        id: command("msg_id", &order.msg_id)?,
        name: order.cmd.into(),
        args: object("args", order.args, limits)?,
        ttl_ms: order.ttl_ms,
        issued_at: Timestamp(order.issued_at),
        attempt: order.attempt,
    })
}

fn problem(error: v1::Error) -> Problem {
    Problem {
        code: error.code.into(),
        message: error.message.into(),
        field: error.field.map(Into::into),
        reason: error.reason.map(Into::into),
        retry_after_ms: error.retry_after_ms,
    }
}

fn parting(closing: v1::Closing) -> Result<Parting, Refusal> {
    let reconnect = match v1::Reconnect::try_from(closing.reconnect) {
        Ok(v1::Reconnect::Now) => Reconnect::Now,
        Ok(v1::Reconnect::Later) => Reconnect::Later,
        Ok(v1::Reconnect::Never) => Reconnect::Never,
        Ok(v1::Reconnect::Unspecified) | Err(_) => return Err(Refusal::field("reconnect", Want::Other)),
    };
    let close_code = u16::try_from(closing.close_code)
        .ok()
        .filter(|it| (1_000..5_000).contains(it));
    Ok(Parting {
        close_code: close_code.ok_or(Refusal::field("close_code", Want::Between(1_000, 4_999)))?,
        problem: Problem {
            code: closing.code.into(),
            message: closing.message.into(),
            field: None,
            reason: closing.reason.map(Into::into),
            retry_after_ms: closing.retry_after_ms,
        },
        reconnect,
    })
}
