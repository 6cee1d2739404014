//! What is refused, and the end: `server_error`, or the acknowledgement or the connect error in its place.

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Code, Locale, Reconnect, Refusal, Tag, Timestamp, Why};
use bytes::Bytes;

use super::super::Manner;
use super::super::names::{CONNECT, MESSAGE, SIGN_IN};
use super::asked::{self, Asked, Back, ERROR};
use super::parts;
use crate::close;
use crate::json::write::{Json, key};
use crate::socketio::packet;
use crate::socketio::packet::encode::Frame;
use crate::socketio::switchboard;
use crate::typed::encode::errors::in_our_words;

/// What clients know a wrong token by.
const WRONG_TOKEN: &str = "invalid member_token";

/// An error as it is said: its code, its text, and the word and the time that belong to it.
struct Said {
    code: &'static str,
    text: String,
    reason: Option<&'static str>,
    retry_after_ms: Option<u64>,
}

/// A request refused.
pub(in crate::socketio::chat) fn refusal(
    manner: Manner,
    tag: &Tag,
    refusal: &Refusal,
    locale: Locale,
    now: Timestamp,
) -> Bytes {
    let asked = asked::asked(tag);
    if asked.name != CONNECT && switchboard::answers(asked) {
        return switchboard::refused(manner, asked, refusal, locale, now);
    }
    let said = said(asked.name, refusal, locale);
    if asked.name == CONNECT {
        return not_connected(manner, asked, tag.reference.is_some(), &said);
    }
    error(manner, asked, &said, None)
}

/// A refusal with which the connection ends. What was awaited is answered, too.
pub(in crate::socketio::chat) fn last_words(
    manner: Manner,
    tag: &Tag,
    refused: &Refusal,
    close_code: u16,
    reconnect: Reconnect,
    locale: Locale,
    now: Timestamp,
) -> Bytes {
    let asked = asked::asked(tag);
    if asked.name == CONNECT {
        return match reconnect {
            Reconnect::Never => parts::joined(&[
                refusal(manner, tag, refused, locale, now),
                close::closing_frame(close_code, reconnect),
            ]),
            Reconnect::Now | Reconnect::Later => Bytes::new(),
        };
    }
    let last = parted(
        manner,
        asked,
        &said(asked.name, refused, locale),
        close_code,
        reconnect,
    );
    if matches!(asked.back, Back::Ack(_)) || switchboard::answers_by_event(asked) {
        return parts::joined(&[refusal(manner, tag, refused, locale, now), last]);
    }
    last
}

/// Whether who is so refused stays for another try: a connect error is what clients do not try again after by themselves.
pub(in crate::socketio::chat) fn forgives(tag: &Tag, refusal: &Refusal) -> bool {
    let heals = Closing::new(CloseCause::Refused(refusal.clone())).reconnect != Reconnect::Never;
    asked::asked(tag).name != CONNECT || !heals
}

/// An end that no request brings.
pub(super) fn closed(
    manner: Manner,
    asked: Asked<'_>,
    closing: &Closing,
    close_code: u16,
    locale: Locale,
) -> Bytes {
    let said = if let CloseCause::Refused(refusal) = &closing.cause {
        said(asked.name, refusal, locale)
    } else {
        Said {
            code: name(closing.code()),
            text: close::closing_text(&closing.cause, locale).into_owned(),
            reason: None,
            retry_after_ms: None,
        }
    };
    parted(manner, asked, &said, close_code, closing.reconnect)
}

/// A refusal as an event, and nothing of an acknowledgement.
pub(in crate::socketio) fn plain(
    manner: Manner,
    asked: Asked<'_>,
    refusal: &Refusal,
    locale: Locale,
) -> Bytes {
    error(manner, asked, &said(asked.name, refusal, locale), None)
}

/// The fields of an error, without what ties it to its request.
pub(in crate::socketio) fn body(json: &mut Json, refusal: &Refusal, locale: Locale) {
    fields(json, &said("", refusal, locale));
}

/// The last error, and for clients that are not to come back the disconnect packet and the close: so told, they do not
/// come back by themselves. For the others it simply ends: clients in Java do not hear a close frame, and those in Python
/// stay away after a packet that closes.
fn parted(manner: Manner, asked: Asked<'_>, said: &Said, close_code: u16, reconnect: Reconnect) -> Bytes {
    let asked = Asked {
        back: match asked.back {
            // That is answered already.
            Back::Ack(_) => Back::Event(None),
            back @ Back::Event(_) => back,
        },
        ..asked
    };
    // Where a chat's client signed in it is told; a display may be in no other namespace than its own.
    let left = match asked.namespace {
        Some(switchboard::NAMESPACE) => switchboard::NAMESPACE,
        Some(_) | None => manner.namespace.name(),
    };
    let error = error(manner, asked, said, Some(reconnect));
    match reconnect {
        Reconnect::Never => parts::joined(&[
            error,
            packet::disconnect(left),
            close::closing_frame(close_code, reconnect),
        ]),
        Reconnect::Now | Reconnect::Later => error,
    }
}

fn said(name: &str, refusal: &Refusal, locale: Locale) -> Said {
    let refusal = match name {
        MESSAGE => in_words_of_chat(refusal),
        name => in_our_words(name, refusal),
    };
    let reason = if let Why::Reason(reason) = refusal.why {
        Some(reason)
    } else {
        None
    };
    let (code, text) = if name == SIGN_IN && refusal.code == Code::InvalidToken {
        (self::name(Code::InvalidData), WRONG_TOKEN.to_owned())
    } else {
        (self::name(refusal.code), close::refusal_text(&refusal, locale))
    };
    Said {
        code,
        text,
        reason,
        retry_after_ms: refusal.retry_after_ms,
    }
}

/// The spelling of codes here.
pub(crate) const fn name(code: Code) -> &'static str {
    match code {
        Code::InvalidData => "INVALID_PARAM",
        Code::InvalidToken
        | Code::NotAuthenticated
        | Code::InvalidAction
        | Code::MessageTooLarge
        | Code::MessageRejected
        | Code::RoomNotFound
        | Code::VideoRoomNotFound
        | Code::UserNotFound
        | Code::PermissionDenied
        | Code::UserBlocked
        | Code::RoomFull
        | Code::VideoRoomFull
        | Code::DeviceOffline
        | Code::DeviceUnknownState
        | Code::DeviceLeased
        | Code::DeviceNotFound
        | Code::NameTaken
        | Code::PresetNotFound
        | Code::CommandNotFound
        | Code::CommandTimeout
        | Code::CommandExpired
        | Code::CommandRefused
        | Code::RateLimited
        | Code::Overloaded
        | Code::ShuttingDown
        | Code::InternalError => code.name(),
    }
}

/// The one field of a chat's message that whatever serves all calls by another name.
fn in_words_of_chat(refusal: &Refusal) -> Refusal {
    let mut refusal = refusal.clone();
    if let Why::Field { name, .. } = &mut refusal.why
        && *name == "chatroom_id"
    {
        *name = "to.token";
    }
    refusal
}

fn error(manner: Manner, asked: Asked<'_>, said: &Said, reconnect: Option<Reconnect>) -> Bytes {
    let namespace = asked.namespace.unwrap_or(manner.namespace.name());
    let bytes = 192 + said.text.len();
    let mut frame = match asked.back {
        Back::Ack(id) => Frame::ack(namespace, id, bytes),
        Back::Event(_) => Frame::event(namespace, None, ERROR, bytes),
    };
    frame.json.literal("{");
    fields(&mut frame.json, said);
    match asked.back {
        Back::Ack(id) => frame.json.plain(key!("ref"), itoa::Buffer::new().format(id)),
        Back::Event(Some(reference)) => frame.json.text(key!("ref"), reference),
        Back::Event(None) => {}
    }
    if let Some(reconnect) = reconnect {
        frame.json.plain(key!("reconnect"), reconnect.name());
    }
    frame.json.end_object();
    frame.finish()
}

/// The namespace is not connected. Clients of protocol 3 are told the text alone.
fn not_connected(manner: Manner, asked: Asked<'_>, knows_objects: bool, said: &Said) -> Bytes {
    let namespace = asked.namespace.unwrap_or(manner.namespace.name());
    let mut frame = Frame::connect_error(namespace, 320 + 2 * said.text.len());
    if !knows_objects {
        frame.json.text("", &said.text);
        return frame.finish();
    }
    frame.json.literal("{");
    frame.json.text(key!("message"), &said.text);
    frame.json.literal(concat!(key!("data"), "{"));
    fields(&mut frame.json, said);
    frame.json.end_object();
    frame.json.end_object();
    frame.finish()
}

fn fields(json: &mut Json, said: &Said) {
    json.plain(key!("code"), said.code);
    json.text(key!("message"), &said.text);
    if let Some(ms) = said.retry_after_ms {
        json.unsigned(key!("retry_after_ms"), ms);
    }
    if let Some(reason) = said.reason {
        json.plain(key!("reason"), reason);
    }
}
