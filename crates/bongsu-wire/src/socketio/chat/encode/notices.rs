//! What one session is told without being asked.

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Locale, Notice, Tag};
use bytes::Bytes;

use super::super::{Manner, Style};
use super::{errors, events, parts};
use crate::close;
use crate::socketio::packet::encode::Frame;
use crate::typed::encode::notices::{Told, told};

/// Empty for what a chat's own clients hear nothing of.
pub(in crate::socketio::chat) fn notice(manner: Manner, notice: &Notice, locale: Locale) -> Bytes {
    let told = match told(notice) {
        Ok(told) => told,
        Err(closing) => return closed(manner, closing, locale),
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
        (Style::Chat, Told::TokenExpiring(_) | Told::Shutdown(_)) => Bytes::new(),
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

fn closed(manner: Manner, closing: &Closing, locale: Locale) -> Bytes {
    let close_code = close::close_code(&closing.cause);
    if let CloseCause::Refused(refusal) = &closing.cause {
        let tag = Tag::default();
        return errors::last_words(manner, &tag, refusal, close_code, closing.reconnect, locale);
    }
    let text = close::closing_text(&closing.cause, locale).into_owned();
    errors::closed(manner, closing.code(), text, close_code, closing.reconnect)
}
