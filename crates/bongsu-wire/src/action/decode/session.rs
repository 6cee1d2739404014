//! CONNECT, REFRESH_TOKEN and PING.

use std::sync::Arc;

use bongsu_model::{Connect, Epoch, Limits, Locale, Refusal, Request, ResumePoint, RoomId, RoomRef, Seq};

use crate::json::field::Given;

/// The request, and whether the client accepts compression if it says so.
pub(super) fn connect(object: Given<'_>, limits: &Limits) -> Result<(Connect, Option<bool>), Refusal> {
    let [token, locale, accepts, resume] =
        object.fields("", ["jwt_token", "locale", "accept_compression", "resume"])?;
    let token: Arc<str> = token.required()?.text_of(1, limits.token_bytes_max)?.into();
    let locale = locale.optional(Given::text)?.and_then(|tag| Locale::parse(&tag));
    let accepts = accepts.optional(Given::bool)?;
    let points = resume
        .optional(|it| it.entries(limits.resume_rooms_max))?
        .unwrap_or_default();
    let resume = points.into_iter().map(resume_point).collect::<Result<_, _>>()?;
    Ok((
        Connect {
            token,
            locale,
            resume,
        },
        accepts,
    ))
}

fn resume_point(raw: &str) -> Result<ResumePoint, Refusal> {
    let names = ["resume.chatroom_id", "resume.seq", "resume.epoch"];
    let [room, seq, epoch] = Given { name: "resume", raw }.fields("resume.", names)?;
    Ok(ResumePoint {
        room: RoomRef::Id(RoomId(room.required()?.integer()?)),
        seq: Seq(seq.required()?.count()?),
        epoch: Epoch::parse(&epoch.required()?.text()?),
    })
}

pub(super) fn refresh(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [token] = object.fields("", ["jwt_token"])?;
    Ok(Request::RefreshToken {
        token: token.required()?.text_of(1, limits.token_bytes_max)?.into(),
    })
}

pub(super) fn ping(object: Given<'_>) -> Result<Request, Refusal> {
    let [] = object.fields("", [])?;
    Ok(Request::Ping)
}
