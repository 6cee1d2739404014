//! What is said to a device, as a packet.
//!
//! Invariant: every packet within a session carries its epoch.

use bongsu_model::device::{CommandFrame, ConnectionEpoch, Object, ToDevice, Welcome};
use bongsu_model::{Closing, Locale, Reconnect, Refusal};
use bongsu_proto::v1;
use bongsu_proto::v1::web_socket_packet::Payload;
use bytes::Bytes;
use prost::Message;

use super::super::{parting, value};
use crate::close;
use crate::websocket::{HEADER_BYTES_MAX, Opcode, seal};

/// What is said to a device, as one binary frame of WebSocket. `epoch` is the session's; 0 where there is none yet.
#[must_use]
pub fn frame(said: &ToDevice, epoch: ConnectionEpoch, locale: Locale) -> Bytes {
    let packet = packet(said, epoch, locale);
    let mut buffer = vec![0; HEADER_BYTES_MAX];
    buffer.reserve_exact(packet.encoded_len());
    packet.encode(&mut buffer).expect("a vector takes everything");
    seal(buffer, Opcode::Binary)
}

/// What is said to a device, as one packet. `epoch` is the session's; 0 where there is none yet.
#[must_use]
pub fn packet(said: &ToDevice, epoch: ConnectionEpoch, locale: Locale) -> v1::WebSocketPacket {
    let epoch = epoch.0;
    let payload = match said {
        ToDevice::Welcome(it) => Payload::Welcome(welcome(it, epoch)),
        ToDevice::Command(it) => Payload::Command(command(it, epoch)),
        ToDevice::Delta { version, state } => Payload::Delta(delta(*version, state, epoch)),
        ToDevice::Heartbeat { server_time, clock } => Payload::Ping(v1::Heartbeat {
            clock: clock.map(|it| it.0),
            server_time: Some(server_time.0),
            epoch,
        }),
        ToDevice::AuthUpdated { expires_at } => Payload::AuthUpdated(v1::AuthUpdated {
            expires_at: expires_at.0,
            epoch,
        }),
        ToDevice::TokenExpiring { expires_at } => Payload::TokenExpiring(v1::TokenExpiring {
            expires_at: expires_at.0,
            epoch,
        }),
        ToDevice::Refused(it) => Payload::Error(error(it, epoch, locale)),
        ToDevice::Closing(it) => Payload::Closing(closing(it, epoch, locale)),
    };
    v1::WebSocketPacket {
        payload: Some(payload),
    }
}

fn welcome(welcome: &Welcome, epoch: u64) -> v1::Welcome {
    v1::Welcome {
        session_id: welcome.session.to_string(),
        epoch,
        heartbeat_ms: welcome.heartbeat_ms,
        server_time: welcome.server_time.0,
        // The welcome has the epoch; what stands in it does not say it again.
        delta: welcome
            .delta
            .as_ref()
            .map(|(version, state)| delta(*version, state, 0)),
        clock: welcome.clock.map(|it| it.0),
    }
}

fn command(frame: &CommandFrame, epoch: u64) -> v1::ControlCommand {
    let command = &frame.command;
    v1::ControlCommand {
        msg_id: command.id.0.to_be_bytes().into(),
        cmd: command.name.to_string(),
        args: value::object_to_proto(&command.args),
        ttl_ms: frame.ttl_ms(),
        issued_at: command.at.0,
        epoch,
        attempt: frame.attempt,
    }
}

fn delta(version: u64, state: &Object, epoch: u64) -> v1::StateDelta {
    v1::StateDelta {
        version,
        state: value::object_to_proto(state),
        epoch,
    }
}

fn error(refusal: &Refusal, epoch: u64, locale: Locale) -> v1::Error {
    v1::Error {
        code: refusal.code.name().into(),
        message: close::refusal_text(refusal, locale),
        field: parting::field_of(refusal).map(Into::into),
        retry_after_ms: refusal.retry_after_ms,
        reason: parting::reason_of(refusal).map(Into::into),
        epoch,
    }
}

fn closing(closing: &Closing, epoch: u64, locale: Locale) -> v1::Closing {
    v1::Closing {
        close_code: close::close_code(&closing.cause).into(),
        code: closing.code().name().into(),
        message: close::closing_text(&closing.cause, locale).into_owned(),
        reconnect: match closing.reconnect {
            Reconnect::Now => v1::Reconnect::Now,
            Reconnect::Later => v1::Reconnect::Later,
            Reconnect::Never => v1::Reconnect::Never,
        }
        .into(),
        reason: parting::reason(closing).map(Into::into),
        retry_after_ms: parting::retry_after_ms(closing),
        epoch,
    }
}
