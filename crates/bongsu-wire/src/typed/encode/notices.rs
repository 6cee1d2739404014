//! What one session is told without being asked.

use std::sync::Arc;

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, HistoryPage, Locale, Notice, Tag, Timestamp};
use bytes::Bytes;

use super::errors::{self, Parting};
use super::frame::{ENVELOPE_BYTES, Frame};
use super::parts;
use crate::close;
use crate::json::write::{Json, key};

/// `deflate_over`: the size over which the frame is compressed; `None` for never.
pub(in crate::typed) fn notice(deflate_over: Option<usize>, notice: &Notice, locale: Locale) -> Bytes {
    let told = match told(notice) {
        Ok(told) => told,
        Err(closing) => return closed(closing, locale),
    };
    let mut frame = Frame::begin(told.kind(), ENVELOPE_BYTES + told.bytes());
    told.body(&mut frame.json, locale);
    frame.finish(deflate_over, None)
}

/// A notice that is no end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'a> {
    TokenExpiring(Timestamp),
    Shutdown(u64, Option<&'a Arc<str>>),
    Missed(&'a HistoryPage),
}

/// What is told, unless the session is closed.
pub(crate) const fn told(notice: &Notice) -> Result<Told<'_>, &Closing> {
    match notice {
        Notice::TokenExpiring { expires_at } => Ok(Told::TokenExpiring(*expires_at)),
        Notice::Shutdown {
            reconnect_after_ms,
            elsewhere,
        } => Ok(Told::Shutdown(*reconnect_after_ms, elsewhere.as_ref())),
        Notice::Missed(page) => Ok(Told::Missed(page)),
        Notice::Closed(closing) => Err(closing),
    }
}

impl Told<'_> {
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::TokenExpiring(_) => "system.token_expiring",
            Self::Shutdown(..) => "system.shutdown",
            Self::Missed(_) => "room.messages",
        }
    }

    /// About what `data` will take.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::TokenExpiring(_) => 64,
            Self::Shutdown(..) => 320,
            Self::Missed(page) => parts::page_bytes(page),
        }
    }

    /// The fields of `data`.
    pub(crate) fn body(self, json: &mut Json, locale: Locale) {
        match self {
            Self::TokenExpiring(expires_at) => json.moment(key!("expires_at"), expires_at),
            Self::Shutdown(reconnect_after_ms, elsewhere) => {
                json.text(key!("message"), close::shutdown_text(locale));
                json.unsigned(key!("reconnect_after_ms"), reconnect_after_ms);
                if let Some(address) = elsewhere {
                    json.text(key!("address"), address);
                }
            }
            Self::Missed(page) => parts::page(json, page),
        }
    }
}

fn closed(closing: &Closing, locale: Locale) -> Bytes {
    let parting = Parting {
        close_code: close::close_code(&closing.cause),
        reconnect: closing.reconnect,
    };
    if let CloseCause::Refused(refusal) = &closing.cause {
        return errors::last_words(&Tag::default(), refusal, parting, locale);
    }
    let text = close::closing_text(&closing.cause, locale);
    errors::parted(closing.code(), &text, parting)
}
