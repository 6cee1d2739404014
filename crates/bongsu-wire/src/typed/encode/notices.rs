//! What one session is told without being asked.

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Locale, Notice, Tag};
use bytes::Bytes;

use super::errors::{self, Parting};
use super::frame::{ENVELOPE_BYTES, Frame};
use super::parts;
use crate::close;
use crate::json::write::key;

/// `deflate_over`: the size over which the frame is compressed; `None` for never.
pub(in crate::typed) fn notice(deflate_over: Option<usize>, notice: &Notice, locale: Locale) -> Bytes {
    let begin = |kind, bytes| Frame::begin(kind, ENVELOPE_BYTES + bytes);
    let frame = match notice {
        Notice::TokenExpiring { expires_at } => {
            let mut frame = begin("system.token_expiring", 64);
            frame.json.moment(key!("expires_at"), *expires_at);
            frame
        }
        Notice::Shutdown { reconnect_after_ms } => {
            let mut frame = begin("system.shutdown", 256);
            frame.json.text(key!("message"), close::shutdown_text(locale));
            frame
                .json
                .unsigned(key!("reconnect_after_ms"), *reconnect_after_ms);
            frame
        }
        Notice::Closed(closing) => return closed(closing, locale),
        Notice::Missed(page) => {
            let mut frame = begin("room.messages", parts::page_bytes(page));
            parts::page(&mut frame.json, page);
            frame
        }
    };
    frame.finish(deflate_over, None)
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
