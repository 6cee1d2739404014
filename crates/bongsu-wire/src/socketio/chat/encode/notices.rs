//! What one session is told without being asked.

use bongsu_model::{Closing, Locale, Notice, Tag};
use bytes::Bytes;

use super::super::{Manner, Style};
use super::{Asked, asked, errors, events, parts};
use crate::close;
use crate::socketio::packet::encode::Frame;
use crate::typed::encode::notices::{Told, told};

/// Empty for what a chat's own clients hear nothing of.
pub(in crate::socketio::chat) fn notice(manner: Manner, notice: &Notice, locale: Locale) -> Bytes {
    let told = match told(notice) {
        Ok(told) => told,
        Err(closing) => return closed(manner, asked(&Tag::default()), closing, locale),
    };
    match (manner.style, told) {
        (Style::Type, told) => typed(manner, told, locale),
        (Style::Chat, Told::Missed(page)) => {
            let messages: Vec<_> = page
                .messages
                .iter()
                .map(|message| events::message(manner, message))
                .collect();
            parts::joined(&messages)
        }
        (Style::Chat, Told::TokenExpiring(_) | Told::Shutdown(..)) => Bytes::new(),
    }
}

fn typed(manner: Manner, told: Told<'_>, locale: Locale) -> Bytes {
    let mut frame = Frame::event(manner.namespace.name(), None, told.kind(), told.bytes() + 48);
    frame.json.literal("{");
    told.body(&mut frame.json, locale);
    frame.json.end_object();
    if let (true, Told::Missed(page)) = (manner.offset, told)
        && let Some(last) = page.messages.last()
    {
        parts::offset(&mut frame.json, last);
    }
    frame.finish()
}

/// The end of a session, where it is told of.
pub(in crate::socketio) fn closed(
    manner: Manner,
    asked: Asked<'_>,
    closing: &Closing,
    locale: Locale,
) -> Bytes {
    let close_code = close::close_code(&closing.cause);
    errors::closed(manner, asked, closing, close_code, locale)
}
