//! `auth`, `auth_update`, `ping` and `pong`.

use bongsu_model::{Connect, Limits, Recover, Refusal, Request, ResumePoint, Want};

use super::names::room;
use crate::json::asked;
use crate::json::field::{Field, Given};

/// A sign-in: the token, the language, and what the client has of its rooms.
pub(super) fn auth(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [token, locale, resume] = object.fields("", ["token", "locale", "resume"])?;
    let token = asked::token(token, limits)?;
    let locale = asked::locale(locale)?;
    Ok(Request::Connect(Connect {
        token,
        locale,
        resume: self::resume(resume, limits)?,
        recovery: Recover::No,
    }))
}

/// What a client has of its rooms.
pub(crate) fn resume(field: Field<'_>, limits: &Limits) -> Result<Vec<ResumePoint>, Refusal> {
    let points = field
        .optional(|it| it.entries(limits.resume_rooms_max))?
        .unwrap_or_default();
    points.into_iter().map(resume_point).collect()
}

fn resume_point(raw: &str) -> Result<ResumePoint, Refusal> {
    let names = ["resume.room", "resume.seq", "resume.epoch"];
    let [of, seq, epoch] = Given { name: "resume", raw }.fields("resume.", names)?;
    Ok(ResumePoint {
        room: room(of)?,
        seq: asked::seq(seq)?,
        epoch: asked::epoch(epoch)?,
    })
}

/// `beside` is the token beside `data`, where it may stand, too.
pub(super) fn auth_update(beside: Field<'_>, object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [token] = object.fields("", ["token"])?;
    let token = match (token.present(), beside.present()) {
        (Some(_), Some(_)) => return Err(beside.wants(Want::Alone)),
        (None, Some(_)) => beside,
        (Some(_) | None, None) => token,
    };
    Ok(Request::RefreshToken {
        token: asked::token(token, limits)?,
    })
}

pub(super) fn ping(object: Given<'_>) -> Result<Request, Refusal> {
    let [] = object.fields("", [])?;
    Ok(Request::Ping)
}

pub(super) fn pong(object: Given<'_>) -> Result<Request, Refusal> {
    let [] = object.fields("", [])?;
    Ok(Request::Pong)
}
