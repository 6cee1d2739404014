//! Signing in: by `postinit_req`, or by what a client says when it connects.

use std::sync::Arc;

use bongsu_model::{Connect, Limits, Locale, Recover, Refusal, Want};

use super::super::connection::Auth;
use super::{Style, query};
use crate::json::asked;
use crate::json::field::{Field, Given};
use crate::typed::decode;

/// The longest name of a session's place, and the longest offset, in bytes.
pub(crate) const PLACE_BYTES_MAX: usize = 64;

/// The names of styles.
const PROTOCOLS: &[&str] = &["type", "chat"];

/// What a client says when it connects.
pub(super) struct Greeting {
    /// How it wants to be spoken to, if it says so.
    pub(super) style: Option<Style>,
    /// Its sign-in, if there is a token.
    pub(super) connect: Option<Connect>,
}

/// What a client says to be let in. `token` is that of the handshake, for one that has no other.
pub(super) fn greeting(
    auth: Auth<'_>,
    token: Option<Arc<str>>,
    limits: &Limits,
) -> Result<Greeting, Refusal> {
    match auth {
        Auth::No => Ok(Greeting {
            style: None,
            connect: token.map(plain),
        }),
        Auth::Object(raw) => spoken(Given { name: "auth", raw }, token, limits),
        Auth::Query(text) => queried(text, token, limits),
    }
}

const fn plain(token: Arc<str>) -> Connect {
    Connect {
        token,
        locale: None,
        resume: Vec::new(),
        recovery: Recover::No,
    }
}

fn spoken(object: Given<'_>, token: Option<Arc<str>>, limits: &Limits) -> Result<Greeting, Refusal> {
    let [own, protocol] = object.fields("", ["token", "protocol"])?;
    let style = protocol.optional(|it| style(&it.text()?).ok_or(it.wants(Want::OneOf(PROTOCOLS))))?;
    let connect = match (own.present(), token) {
        (Some(_), _) => Some(sign_in(object, limits)?),
        (None, Some(token)) => Some(with(object, token, limits)?),
        (None, None) => None,
    };
    Ok(Greeting { style, connect })
}

fn queried(text: &str, token: Option<Arc<str>>, limits: &Limits) -> Result<Greeting, Refusal> {
    let style = match query::value(text, "protocol") {
        Some(name) => Some(style(&name).ok_or(Refusal::field("protocol", Want::OneOf(PROTOCOLS)))?),
        None => None,
    };
    let token = match query::value(text, "token") {
        Some(own) if !(1..=limits.token_bytes_max).contains(&own.len()) => {
            return Err(Refusal::field("token", Want::TextOf(1, limits.token_bytes_max)));
        }
        Some(own) => Some(own.into()),
        None => token,
    };
    let locale = query::value(text, "locale").and_then(|tag| Locale::parse(&tag));
    let connect = token.map(|token| Connect {
        locale,
        ..plain(token)
    });
    Ok(Greeting { style, connect })
}

fn style(name: &str) -> Option<Style> {
    match name {
        "type" => Some(Style::Type),
        "chat" => Some(Style::Chat),
        _ => None,
    }
}

/// A sign-in with the token that is in it.
pub(super) fn sign_in(object: Given<'_>, limits: &Limits) -> Result<Connect, Refusal> {
    let token = {
        let [token] = object.fields("", ["token"])?;
        asked::token(token, limits)?
    };
    with(object, token, limits)
}

fn with(object: Given<'_>, token: Arc<str>, limits: &Limits) -> Result<Connect, Refusal> {
    let [locale, resume, recovery, pid, offset] =
        object.fields("", ["locale", "resume", "recovery", "pid", "offset"])?;
    Ok(Connect {
        token,
        locale: asked::locale(locale)?,
        resume: decode::resume(resume, limits)?,
        recovery: recover(recovery, pid, offset)?,
    })
}

/// Clients that have a place say which; the others say that they want one.
fn recover(recovery: Field<'_>, pid: Field<'_>, offset: Field<'_>) -> Result<Recover, Refusal> {
    let place = |it: Given<'_>| it.text_of(0, PLACE_BYTES_MAX).map(Arc::from);
    let wanted = recovery.optional(Given::bool)?.unwrap_or(false);
    let (pid, offset) = (pid.optional(place)?, offset.optional(place)?);
    Ok(match (pid, wanted) {
        (Some(pid), _) => Recover::From {
            pid,
            offset: offset.unwrap_or_default(),
        },
        (None, true) => Recover::Fresh,
        (None, false) => Recover::No,
    })
}
