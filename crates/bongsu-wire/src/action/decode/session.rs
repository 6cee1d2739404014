//! CONNECT, REFRESH_TOKEN and PING.

use bongsu_model::{Connect, Limits, Recover, Refusal, Request, ResumePoint};

use super::rooms::room;
use crate::json::asked;
use crate::json::field::Given;

/// The request, and whether the client accepts compression if it says so.
pub(super) fn connect(object: Given<'_>, limits: &Limits) -> Result<(Connect, Option<bool>), Refusal> {
    let [token, locale, accepts, resume] =
        object.fields("", ["jwt_token", "locale", "accept_compression", "resume"])?;
    let token = asked::token(token, limits)?;
    let locale = asked::locale(locale)?;
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
            recovery: Recover::No,
        },
        accepts,
    ))
}

fn resume_point(raw: &str) -> Result<ResumePoint, Refusal> {
    let names = ["resume.chatroom_id", "resume.seq", "resume.epoch"];
    let [id, seq, epoch] = Given { name: "resume", raw }.fields("resume.", names)?;
    Ok(ResumePoint {
        room: room(id)?,
        seq: asked::seq(seq)?,
        epoch: asked::epoch(epoch)?,
    })
}

pub(super) fn refresh(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [token] = object.fields("", ["jwt_token"])?;
    Ok(Request::RefreshToken {
        token: asked::token(token, limits)?,
    })
}

pub(super) fn ping(object: Given<'_>) -> Result<Request, Refusal> {
    let [] = object.fields("", [])?;
    Ok(Request::Ping)
}
