//! `CONNECT_ERROR` for a refused CONNECT, `ERROR` for all else.

use bongsu_model::{Locale, Refusal, Tag, Timestamp, Why};
use bytes::Bytes;

use super::line::{ENVELOPE_BYTES, Line, SeqId};
use crate::close;
use crate::json::write::{Json, key};

pub(in crate::action) fn refusal(
    tag: &Tag,
    refusal: &Refusal,
    locale: Locale,
    now: Timestamp,
    id: u64,
) -> Bytes {
    let text = close::refusal_text(refusal, locale);
    let capacity = ENVELOPE_BYTES + 384 + text.len();
    if tag.verb.as_deref() == Some("CONNECT") {
        let mut line = Line::begin("CONNECT_ERROR", capacity);
        said(&mut line.json, refusal, &text);
        advice(&mut line.json, refusal);
        return line.finish(None, now, SeqId::Own(tag.reference.as_deref()));
    }
    let mut line = Line::begin("ERROR", capacity);
    said(&mut line.json, refusal, &text);
    match &tag.reference {
        Some(reference) => line.json.text(key!("original_seq_id"), reference),
        None => line.json.null(key!("original_seq_id")),
    }
    match &tag.verb {
        Some(verb) => line.json.text(key!("original_action"), verb),
        None => line.json.null(key!("original_action")),
    }
    advice(&mut line.json, refusal);
    line.finish(None, now, SeqId::Server("error_", id))
}

fn said(json: &mut Json, refusal: &Refusal, text: &str) {
    json.plain(key!("error_code"), refusal.code.name());
    json.text(key!("message"), text);
}

fn advice(json: &mut Json, refusal: &Refusal) {
    if let Some(ms) = refusal.retry_after_ms {
        json.unsigned(key!("retry_after_ms"), ms);
    }
    if let Why::Reason(reason) = refusal.why {
        json.text(key!("reason"), reason);
    }
}
