//! What is said to a device, as JSON.
//!
//! Invariant: one whole text frame of WebSocket; every frame within a session carries its epoch.

use bongsu_model::device::{CommandFrame, ConnectionEpoch, ToDevice, Welcome, print};
use bongsu_model::{Closing, Locale, Refusal, Timestamp};
use bytes::Bytes;

use super::super::parting;
use crate::close;
use crate::json::write::{Json, key};
use crate::websocket::{HEADER_BYTES_MAX, Opcode, seal};

/// What is said to a device, as one text frame. `epoch` is the session's; 0 where there is none yet.
#[must_use]
pub fn frame(said: &ToDevice, epoch: ConnectionEpoch, locale: Locale) -> Bytes {
    let mut json = Json::behind(HEADER_BYTES_MAX, 160);
    json.literal("{");
    match said {
        ToDevice::Welcome(it) => welcome(&mut json, it),
        ToDevice::Command(it) => command(&mut json, it),
        ToDevice::Delta { version, state } => {
            json.plain(key!("type"), "state.delta");
            json.unsigned(key!("version"), *version);
            json.values(key!("state"), &print(state));
        }
        ToDevice::Heartbeat { server_time, clock } => {
            json.plain(key!("type"), "heartbeat");
            json.integer(key!("server_time"), server_time.0);
            self::clock(&mut json, *clock);
        }
        ToDevice::AuthUpdated { expires_at } => {
            json.plain(key!("type"), "auth_updated");
            json.integer(key!("expires_at"), expires_at.0);
        }
        ToDevice::TokenExpiring { expires_at } => {
            json.plain(key!("type"), "token_expiring");
            json.integer(key!("expires_at"), expires_at.0);
        }
        ToDevice::Refused(it) => refused(&mut json, it, locale),
        ToDevice::Closing(it) => closing(&mut json, it, locale),
    }
    if epoch != ConnectionEpoch::default() {
        json.unsigned(key!("epoch"), epoch.0);
    }
    json.drop_comma();
    json.literal("}");
    seal(json.into_bytes(), Opcode::Text)
}

fn welcome(json: &mut Json, welcome: &Welcome) {
    json.plain(key!("type"), "welcome");
    json.hex(key!("session_id"), "session_", welcome.session.0, 32);
    json.unsigned(key!("heartbeat_ms"), welcome.heartbeat_ms);
    json.integer(key!("server_time"), welcome.server_time.0);
    clock(json, welcome.clock);
    if let Some((version, state)) = &welcome.delta {
        json.literal(concat!(key!("delta"), "{"));
        json.unsigned(key!("version"), *version);
        json.values(key!("state"), &print(state));
        json.end_object();
    }
}

fn command(json: &mut Json, frame: &CommandFrame) {
    let command = &frame.command;
    json.hex(key!("msg_id"), "", command.id.0, 32);
    json.text(key!("cmd"), &command.name);
    json.values(key!("args"), &print(&command.args));
    json.unsigned(key!("ttl_ms"), frame.ttl_ms());
    json.integer(key!("issued_at"), command.at.0);
    if frame.attempt > 0 {
        json.unsigned(key!("attempt"), frame.attempt.into());
    }
}

fn clock(json: &mut Json, clock: Option<Timestamp>) {
    if let Some(clock) = clock {
        json.integer(key!("clock"), clock.0);
    }
}

fn refused(json: &mut Json, refusal: &Refusal, locale: Locale) {
    json.plain(key!("type"), "error");
    json.plain(key!("code"), refusal.code.name());
    json.text(key!("message"), &close::refusal_text(refusal, locale));
    if let Some(field) = parting::field_of(refusal) {
        json.plain(key!("field"), field);
    }
    if let Some(reason) = parting::reason_of(refusal) {
        json.plain(key!("reason"), reason);
    }
    if let Some(ms) = refusal.retry_after_ms {
        json.unsigned(key!("retry_after_ms"), ms);
    }
}

fn closing(json: &mut Json, closing: &Closing, locale: Locale) {
    json.plain(key!("type"), "closing");
    json.unsigned(key!("close_code"), close::close_code(&closing.cause).into());
    json.plain(key!("code"), closing.code().name());
    json.text(key!("message"), &close::closing_text(&closing.cause, locale));
    json.plain(key!("reconnect"), closing.reconnect.name());
    if let Some(reason) = parting::reason(closing) {
        json.plain(key!("reason"), reason);
    }
    if let Some(ms) = parting::retry_after_ms(closing) {
        json.unsigned(key!("retry_after_ms"), ms);
    }
}
