//! The fields that mean the same in every JSON protocol, whatever they are called there: one reader each.
//!
//! Invariant: what is refused is refused under the name that the field has in its own protocol.

use std::sync::Arc;

use bongsu_model::media::MediaStatus;
use bongsu_model::{
    CallId, ClientMessageId, Epoch, Limits, Locale, MessageId, MessageKind, PageFrom, RawJson, Refusal, Seq,
    Want,
};

use super::field::{Field, Given};
use crate::incoming::KEY_BYTES_MAX;

/// Normalising a text to NFC makes it at most this many times shorter: what is longer can never fit its limit.
const NFC_SHRINKS_BY_MAX: usize = 3;

/// A call of one makes no sense.
const PARTICIPANTS_MIN: i64 = 2;

pub(crate) fn token(field: Field<'_>, limits: &Limits) -> Result<Arc<str>, Refusal> {
    Ok(field.required()?.text_of(1, limits.token_bytes_max)?.into())
}

/// A language without texts counts as none.
pub(crate) fn locale(field: Field<'_>) -> Result<Option<Locale>, Refusal> {
    Ok(field.optional(Given::text)?.and_then(|tag| Locale::parse(&tag)))
}

/// `None` for what is no tag of any history: nothing will be recovered.
pub(crate) fn epoch(field: Field<'_>) -> Result<Option<Epoch>, Refusal> {
    Ok(Epoch::parse(&field.required()?.text()?))
}

pub(crate) fn seq(field: Field<'_>) -> Result<Seq, Refusal> {
    field.required()?.count().map(Seq)
}

pub(crate) fn after(field: Field<'_>) -> Result<Option<Seq>, Refusal> {
    Ok(field.optional(Given::count)?.map(Seq))
}

/// What a message says: as it came, and not longer than what may become short enough.
pub(crate) fn content(field: Field<'_>, limits: &Limits) -> Result<Arc<str>, Refusal> {
    let content = field.required()?.text()?;
    if content.len() > limits.content_bytes_max.saturating_mul(NFC_SHRINKS_BY_MAX) {
        return Err(Refusal::too_large(field.name, limits.content_bytes_max as u64));
    }
    Ok(content.into())
}

pub(crate) fn message_kind(kind: Given<'_>) -> Result<MessageKind, Refusal> {
    MessageKind::parse(&kind.text()?).ok_or(kind.wants(Want::OneOf(&MessageKind::NAMES)))
}

pub(crate) fn client_id(field: Field<'_>) -> Result<Option<ClientMessageId>, Refusal> {
    field.optional(|it| {
        ClientMessageId::new(&it.text()?).ok_or(it.wants(Want::TextOf(1, ClientMessageId::BYTES_MAX)))
    })
}

pub(crate) fn reply_to(field: Field<'_>) -> Result<Option<MessageId>, Refusal> {
    field.optional(|it| MessageId::parse(&it.text()?).ok_or(it.wants(Want::Hex(32))))
}

pub(crate) fn metadata(field: Field<'_>, limits: &Limits) -> Result<Option<RawJson>, Refusal> {
    field.optional(|it| {
        it.object()?;
        it.carried(it.name, limits.metadata_bytes_max)
    })
}

/// Which part of a history: what came after a message, what came before one, or the latest.
pub(crate) fn page_from(after: Field<'_>, before: Field<'_>) -> Result<PageFrom, Refusal> {
    match (after.optional(Given::count)?, before.optional(Given::count)?) {
        (Some(_), Some(_)) => Err(before.wants(Want::Alone)),
        (Some(seq), None) => Ok(PageFrom::After(Seq(seq))),
        (None, Some(seq)) => Ok(PageFrom::Before(Seq(seq))),
        (None, None) => Ok(PageFrom::Latest),
    }
}

pub(crate) fn page_limit(field: Field<'_>, limits: &Limits) -> Result<Option<u32>, Refusal> {
    let limit = field.optional(|it| it.between(1, i64::from(limits.history_page_max)))?;
    Ok(limit.map(|it| u32::try_from(it).expect("at most history_page_max")))
}

/// By what an application's events replace each other.
pub(crate) fn key(field: Field<'_>) -> Result<Option<Arc<str>>, Refusal> {
    Ok(field.optional(|it| it.text_of(1, KEY_BYTES_MAX))?.map(Into::into))
}

pub(crate) fn call(field: Field<'_>) -> Result<CallId, Refusal> {
    field.required()?.integer().map(CallId)
}

pub(crate) fn call_name(field: Field<'_>, limits: &Limits) -> Result<Arc<str>, Refusal> {
    Ok(field.required()?.text_of(1, limits.name_bytes_max)?.into())
}

pub(crate) fn max_participants(field: Field<'_>, limits: &Limits) -> Result<u32, Refusal> {
    let most = i64::from(limits.call_participants_max);
    let max = field.required()?.between(PARTICIPANTS_MIN, most)?;
    Ok(u32::try_from(max).expect("at most call_participants_max"))
}

pub(crate) fn media(field: Field<'_>) -> Result<MediaStatus, Refusal> {
    let names = [
        "media_status.audio_enabled",
        "media_status.video_enabled",
        "media_status.screen_sharing",
    ];
    let [audio, video, screen] = field.required()?.fields("media_status.", names)?;
    Ok(MediaStatus {
        audio_enabled: audio.required()?.bool()?,
        video_enabled: video.required()?.bool()?,
        screen_sharing: screen.optional(Given::bool)?,
    })
}

/// A session description, relayed unread.
pub(crate) fn description(field: Field<'_>, limits: &Limits) -> Result<RawJson, Refusal> {
    let sdp = field.required()?;
    let [kind, body] = sdp.fields("sdp.", ["sdp.type", "sdp.sdp"])?;
    kind.required()?.text()?;
    body.required()?.text()?;
    sdp.carried(sdp.name, limits.signal_bytes_max)
}

/// An ICE candidate, relayed unread. Here `null` is a value: it says that there are no more.
pub(crate) fn candidate(field: Field<'_>, limits: &Limits) -> Result<RawJson, Refusal> {
    let candidate = match field.raw {
        Some(raw) => Given {
            name: field.name,
            raw,
        },
        None => field.required()?,
    };
    if candidate.raw != "null" {
        candidate.object()?;
    }
    candidate.carried(candidate.name, limits.signal_bytes_max)
}
