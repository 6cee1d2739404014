//! From what is said to a display to packets: the guide's events, and what was awaited of an event of the display's own.
//!
//! Invariant: whole WebSocket frames, each one packet. What is said unasked awaits nothing and answers no number, whatever
//! the tag of the registration that it goes by.

use bongsu_model::display::{Execute, PresetId, Stop, ToDisplay};
use bongsu_model::{Code, Locale, Refusal, Tag, Timestamp};
use bytes::Bytes;

use super::super::chat::encode::errors;
use super::super::chat::encode::parts::joined;
use super::super::chat::encode::{Asked, Back, asked, closed};
use super::super::chat::{Manner, code_name};
use super::super::packet::encode::Frame;
use super::{Kind, millis, texts};
use crate::json::write::{Json, key};

/// What an event takes beside its texts.
const EVENT_BYTES: usize = 256;

/// What a display is told, where and to what it says by its tag; `None` for [`ToDisplay::Taken`] that nobody awaits.
pub(in crate::socketio) fn display(
    manner: Manner,
    tag: &Tag,
    said: &ToDisplay,
    locale: Locale,
    now: Timestamp,
) -> Option<Bytes> {
    let asked = asked(tag);
    let unasked = |name, bytes, fill: &dyn Fn(&mut Json)| Some(event(asked, name, EVENT_BYTES + bytes, fill));
    match said {
        ToDisplay::Registered {
            client,
            name,
            epoch,
            heartbeat_ms,
        } => Some(with_ack(asked, &Ok(()), locale, |asked| {
            event(asked, "registration_success", EVENT_BYTES, &|json| {
                json.integer(key!("clientId"), *client);
                json.plain(key!("clientName"), name.as_str());
                json.text(key!("message"), texts::registered(locale));
                json.unsigned(key!("epoch"), epoch.0);
                json.unsigned(key!("heartbeatMs"), *heartbeat_ms);
                json.integer(key!("serverTime"), now.0);
            })
        })),
        ToDisplay::NotRegistered(refusal) => Some(not_registered(asked, refusal, locale)),
        ToDisplay::Beat { next_ms } => Some(with_ack(asked, &Ok(()), locale, |asked| {
            event(asked, BEAT, EVENT_BYTES, &|json| {
                json.plain(key!("status"), "ok");
                json.moment(key!("timestamp"), now);
                json.text(key!("message"), texts::beat(locale));
                json.unsigned(key!("nextHeartbeatIn"), *next_ms);
            })
        })),
        ToDisplay::NotBeat(refusal) => Some(not_beat(asked, refusal, true, locale, now)),
        ToDisplay::Check => unasked("connection_check", 0, &|json| {
            seconds(json, key!("timestamp"), now)
        }),
        ToDisplay::Execute(run) => unasked("execute_command", bytes_of(run), &|json| execute(json, run)),
        ToDisplay::Prepare(run) => unasked("prepare_command", bytes_of(run), &|json| execute(json, run)),
        ToDisplay::Stop(it) => unasked("stop_command", 0, &|json| stop(json, it)),
        ToDisplay::Shutdown { reconnect_after_ms } => unasked("server_shutdown", 0, &|json| {
            json.text(key!("message"), texts::shutdown(locale));
            json.unsigned(key!("reconnectAfter"), *reconnect_after_ms);
        }),
        ToDisplay::Taken => match asked.back {
            Back::Ack(id) => Some(ack(asked, id, &Ok(()), locale)),
            Back::Event(_) => None,
        },
        ToDisplay::Refused(refusal) => Some(not_taken(manner, asked, refusal, locale)),
        ToDisplay::Closed(closing) => {
            let nobody_asked = Asked {
                name: "",
                back: Back::Event(None),
                ..asked
            };
            Some(closed(manner, nobody_asked, closing, locale))
        }
    }
}

/// Whether what was so asked is answered in the words of displays.
pub(in crate::socketio) fn answers(asked: Asked<'_>) -> bool {
    match asked.namespace {
        Some(super::NAMESPACE) => true,
        Some("/") => Kind::of(asked.name).is_some(),
        Some(_) | None => false,
    }
}

/// Whether what was so asked is answered by an event that has a name for it.
pub(in crate::socketio) fn answers_by_event(asked: Asked<'_>) -> bool {
    answers(asked) && matches!(Kind::of(asked.name), Some(Kind::Register | Kind::Heartbeat))
}

/// The answer to what a display says that cannot be taken at all.
pub(in crate::socketio) fn refused(
    manner: Manner,
    asked: Asked<'_>,
    refusal: &Refusal,
    locale: Locale,
    now: Timestamp,
) -> Bytes {
    match Kind::of(asked.name) {
        Some(Kind::Register) => not_registered(asked, refusal, locale),
        Some(Kind::Heartbeat) => {
            // Who comes back with what has not the right form, or is too much, is no better off.
            let again = !matches!(
                refusal.code,
                Code::InvalidData | Code::MessageTooLarge | Code::RateLimited | Code::Overloaded
            );
            not_beat(asked, refusal, again, locale, now)
        }
        Some(Kind::Alive | Kind::Execution | Kind::Processes | Kind::Back) | None => {
            not_taken(manner, asked, refusal, locale)
        }
    }
}

const BEAT: &str = "heartbeat_response";

fn not_registered(asked: Asked<'_>, refusal: &Refusal, locale: Locale) -> Bytes {
    with_ack(asked, &Err(refusal), locale, |asked| {
        let reason = texts::reason(refusal, locale);
        event(
            asked,
            "registration_failed",
            EVENT_BYTES + reason.len(),
            &|json| {
                json.text(key!("reason"), &reason);
                json.text(key!("message"), texts::not_registered(locale));
                json.plain(key!("code"), code_name(refusal.code));
                if let Some(ms) = refusal.retry_after_ms {
                    json.unsigned(key!("retryAfterMs"), ms);
                }
            },
        )
    })
}

fn not_beat(asked: Asked<'_>, refusal: &Refusal, again: bool, locale: Locale, now: Timestamp) -> Bytes {
    with_ack(asked, &Err(refusal), locale, |asked| {
        let text = texts::not_beat(refusal, locale);
        event(asked, BEAT, EVENT_BYTES + text.len(), &|json| {
            json.plain(key!("status"), "error");
            json.moment(key!("timestamp"), now);
            json.text(key!("message"), &text);
            json.bool(key!("shouldReconnect"), again);
            json.plain(key!("code"), code_name(refusal.code));
        })
    })
}

fn not_taken(manner: Manner, asked: Asked<'_>, refusal: &Refusal, locale: Locale) -> Bytes {
    match asked.back {
        Back::Ack(id) => ack(asked, id, &Err(refusal), locale),
        Back::Event(_) => errors::plain(manner, asked, refusal, locale),
    }
}

fn execute(json: &mut Json, run: &Execute) {
    let program = &run.program;
    json.plain(key!("clientName"), run.name.as_str());
    json.text(key!("command"), &program.line);
    preset(json, run.preset);
    json.hex(key!("commandId"), "", run.command.0, 32);
    json.unsigned(key!("ttlMs"), run.ttl_ms);
    json.integer(key!("issuedAt"), run.issued_at.0);
    json.bool(key!("shell"), program.shell);
    if let Some(cwd) = &program.cwd {
        json.text(key!("cwd"), cwd);
    }
    if !program.env.is_empty() {
        json.literal(concat!(key!("env"), "{"));
        for (name, value) in &program.env {
            json.text("", name);
            // The comma behind the name becomes the colon before its value.
            json.drop_comma();
            json.text(":", value);
        }
        json.end_object();
    }
    if let Some(signal) = program.stop_signal {
        json.plain(key!("stopSignal"), signal.name());
    }
    if let Some(ms) = program.grace_ms {
        json.unsigned(key!("graceMs"), ms);
    }
    if let Some(at) = run.start_at {
        json.integer(key!("when"), at.0);
    }
}

fn bytes_of(run: &Execute) -> usize {
    let env = run.program.env.iter();
    let env: usize = env.map(|(name, value)| name.len() + value.len() + 8).sum();
    run.program.line.len() + run.program.cwd.as_ref().map_or(0, |it| it.len()) + env + EVENT_BYTES
}

fn stop(json: &mut Json, stop: &Stop) {
    json.plain(key!("clientName"), stop.name.as_str());
    preset(json, stop.preset);
    json.hex(key!("commandId"), "", stop.command.0, 32);
    if let Some(run) = stop.run {
        json.hex(key!("runId"), "", run.0, 32);
    }
    if let Some(ms) = stop.grace_ms {
        json.unsigned(key!("graceMs"), ms);
    }
}

fn preset(json: &mut Json, preset: Option<PresetId>) {
    match preset {
        Some(preset) => json.integer(key!("presetId"), preset.0),
        None => json.null(key!("presetId")),
    }
}

/// A moment in seconds since 1970, to the millisecond.
fn seconds(json: &mut Json, key: &str, at: Timestamp) {
    // Nobody runs this before 1970.
    json.values(key, &millis(at.0.max(0).unsigned_abs()));
}

/// An event with one object, to where the tag says.
fn event(asked: Asked<'_>, name: &str, bytes: usize, fill: &dyn Fn(&mut Json)) -> Bytes {
    let mut frame = Frame::event(asked.namespace.unwrap_or("/"), None, name, bytes);
    frame.json.literal("{");
    fill(&mut frame.json);
    frame.json.end_object();
    frame.finish()
}

/// The event that answers, behind the acknowledgement if one is awaited.
fn with_ack(
    asked: Asked<'_>,
    taken: &Result<(), &Refusal>,
    locale: Locale,
    event: impl FnOnce(Asked<'_>) -> Bytes,
) -> Bytes {
    match asked.back {
        Back::Ack(id) => joined(&[ack(asked, id, taken, locale), event(asked)]),
        Back::Event(_) => event(asked),
    }
}

/// An acknowledgement: `{"ok":true}`, or `{"error":{"code":…,"message":…}}`.
fn ack(asked: Asked<'_>, id: u64, taken: &Result<(), &Refusal>, locale: Locale) -> Bytes {
    let mut frame = Frame::ack(asked.namespace.unwrap_or("/"), id, EVENT_BYTES);
    frame.json.literal("{");
    match taken {
        Ok(()) => frame.json.bool(key!("ok"), true),
        Err(refusal) => {
            frame.json.literal(concat!(key!("error"), "{"));
            errors::body(&mut frame.json, refusal, locale);
            frame.json.end_object();
        }
    }
    frame.json.end_object();
    frame.finish()
}
