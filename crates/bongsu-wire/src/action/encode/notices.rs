//! What one session is told without being asked.

use bongsu_model::{Locale, Notice, Timestamp};
use bytes::Bytes;

use super::line::{ENVELOPE_BYTES, Line, SeqId};
use super::parts;
use crate::close;
use crate::json::write::key;

/// `compress_over`: the size of `data` over which it is packed; `None` for never.
pub(in crate::action) fn notice(
    compress_over: Option<usize>,
    notice: &Notice,
    locale: Locale,
    now: Timestamp,
    id: u64,
) -> Bytes {
    let begin = |action, bytes| Line::begin(action, ENVELOPE_BYTES + bytes);
    let (line, prefix) = match notice {
        Notice::TokenExpiring { expires_at } => {
            let mut line = begin("TOKEN_EXPIRING", 64);
            line.json.moment(key!("expires_at"), *expires_at);
            (line, "status_")
        }
        Notice::Shutdown {
            reconnect_after_ms,
            elsewhere,
        } => {
            let mut line = begin("SERVER_SHUTDOWN", 256);
            line.json.text(key!("message"), close::shutdown_text(locale));
            line.json
                .unsigned(key!("reconnect_after_ms"), *reconnect_after_ms);
            if let Some(address) = elsewhere {
                line.json.text(key!("address"), address);
            }
            line.json.bool(key!("resume"), true);
            (line, "announce_")
        }
        Notice::Closed(closing) => {
            let text = close::closing_text(&closing.cause, locale);
            let mut line = begin("SESSION_CLOSED", 96 + text.len());
            line.json.plain(key!("error_code"), closing.code().name());
            line.json.text(key!("message"), &text);
            line.json.plain(key!("reconnect"), closing.reconnect.name());
            (line, "error_")
        }
        Notice::Missed(page) => {
            let mut line = begin("BATCH_MESSAGES", parts::page_bytes(page));
            parts::page(&mut line.json, page);
            (line, "broadcast_")
        }
    };
    line.finish(compress_over, now, SeqId::Server(prefix, id))
}
