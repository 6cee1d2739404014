//! `auth`, `auth_update`, `ping` and `pong`.

use bongsu_model::{Connect, Limits, Recover, Refusal, Request, ResumePoint, Want};

use super::names::room;
use crate::json::asked;
use crate::json::field::{Field, Given};

pub(super) fn auth(object: Given<'_>, limits: &Limits) -> Result<Request, Refusal> {
    let [token, locale, resume] = object.fields("", ["token", "locale", "resume"])?;
    let token = asked::token(token, limits)?;
    let locale = asked::locale(locale)?;
    let points = resume
        .optional(|it| it.entries(limits.resume_rooms_max))?
        .unwrap_or_default();
    let resume = points.into_iter().map(resume_point).collect::<Result<_, _>>()?;
    Ok(Request::Connect(Connect {
        token,
        locale,
        resume,
        recovery: Recover::No,
    }))
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
