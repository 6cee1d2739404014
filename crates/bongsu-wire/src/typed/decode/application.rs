//! Types that applications use among themselves: `data` is theirs, but for `room`, `key` and `user_id` in it.

use std::sync::Arc;

use bongsu_model::{Emit, Limits, Refusal, Request, UserRef, Want};

use super::names::{given_user, room};
use crate::json::asked;
use crate::json::field::Given;
use crate::json::without::without;

/// A request, and from whom it claims to come.
pub(crate) struct Meant {
    pub(crate) request: Request,
    pub(crate) claimed_user: Option<UserRef>,
}

/// `kind` is open to applications.
pub(super) fn emit(kind: &str, object: Given<'_>, limits: &Limits) -> Result<Meant, Refusal> {
    let bytes_max = limits.application_event_bytes_max;
    if object.raw.len() > bytes_max {
        return Err(Refusal::too_large(object.name, bytes_max as u64));
    }
    let names = ["room", "key", "user_id"];
    let [of, key, user] = object.fields("", names)?;
    let emit = Emit {
        room: room(of)?,
        kind: Arc::from(kind),
        key: asked::key(key)?,
        data: without(object.raw, &names).ok_or(object.wants(Want::Other))?,
    };
    Ok(Meant {
        request: Request::Emit(emit),
        claimed_user: user.optional(given_user)?,
    })
}
