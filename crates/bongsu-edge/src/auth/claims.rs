//! What a verified token says, checked claim by claim.
//!
//! Invariant: every value here is inside its bounds; the types are ours to check, because libraries have
//! taken a string for a time before (CVE-2026-25537).

use std::sync::Arc;

use bongsu_model::{Jti, Limits, Role, RoomId, Timestamp, UserRef};
use serde_json::Value;

use super::json::Object;
use super::refused::TokenRefused;

/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 256;
/// 9999-12-31T23:59:59Z. A time after it is a mistake: most often milliseconds where seconds belong.
const LAST_SECOND: u64 = 253_402_300_799;

/// What a verified token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// `sub`: a user's id or handle, or a device's id. A whole number is taken too, as its decimal text,
    /// because many back ends send one.
    pub subject: Arc<str>,
    /// `role`.
    pub role: Role,
    /// `nickname`, without control characters.
    pub nickname: Option<Arc<str>>,
    /// `rooms`: the only rooms it may join, sorted, each once. `None` sets no bounds.
    pub rooms: Option<Arc<[RoomId]>>,
    /// `jti`, by which it can be revoked.
    pub jti: Option<Jti>,
    /// `iss`.
    pub issuer: Option<Arc<str>>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `exp`, as the token says it.
    pub expires_at: Timestamp,
    /// From this moment on the token is refused: `exp` and the leeway. A session that it opened ends then.
    pub refused_from: Timestamp,
}

impl Claims {
    /// The subject as a user.
    #[must_use]
    pub fn user(&self) -> UserRef {
        UserRef::parse(&self.subject)
    }

    /// Whether its `rooms` let it join this one.
    #[must_use]
    pub fn may_join(&self, room: RoomId) -> bool {
        self.rooms
            .as_ref()
            .is_none_or(|rooms| rooms.binary_search(&room).is_ok())
    }
}

/// What every token is measured by.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) issuers: Vec<Arc<str>>,
    pub(super) audiences: Vec<Arc<str>>,
    pub(super) leeway_s: u64,
    pub(super) token_bytes_max: usize,
    pub(super) name_bytes_max: usize,
    pub(super) rooms_max: usize,
}

impl Rules {
    pub(super) fn new(issuers: Vec<Arc<str>>, audiences: Vec<Arc<str>>, limits: &Limits) -> Self {
        Self {
            issuers,
            audiences,
            leeway_s: limits.token_leeway_s,
            token_bytes_max: limits.token_bytes_max,
            name_bytes_max: limits.name_bytes_max,
            rooms_max: limits.rooms_per_user_max,
        }
    }
}

/// Whose signature is on the claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Our own signing key's.
    Own,
    /// That of a key in the configuration.
    Configured,
}

/// Reads the payload of a token whose signature was found good.
pub(super) fn read(
    payload: &[u8],
    origin: Origin,
    rules: &Rules,
    now: Timestamp,
) -> Result<Claims, TokenRefused> {
    let claims = Object::read(payload).ok_or(TokenRefused::Malformed)?;
    let (expires_at, refused_from, issued_at) = times(&claims, rules.leeway_s, now)?;
    let issuer = issuer(&claims, origin, rules)?;
    audience(&claims, origin, rules)?;
    let role = match claims.get("role") {
        None => Role::User,
        Some(Value::String(word)) => Role::parse(word).ok_or(TokenRefused::Claims("role"))?,
        Some(_) => return Err(TokenRefused::Claims("role")),
    };
    Ok(Claims {
        subject: subject(&claims, role, rules)?,
        role,
        nickname: nickname(&claims, rules)?,
        rooms: rooms(&claims, rules)?,
        jti: jti(&claims)?,
        issuer,
        issued_at,
        expires_at,
        refused_from,
    })
}

type Times = (Timestamp, Timestamp, Option<Timestamp>);

fn times(claims: &Object, leeway_s: u64, now: Timestamp) -> Result<Times, TokenRefused> {
    let leeway_ms = leeway_s.saturating_mul(1_000);
    let latest_start = now.plus_ms(leeway_ms);
    let expires_at = time(claims, "exp")?.ok_or(TokenRefused::Claims("exp"))?;
    let refused_from = expires_at.plus_ms(leeway_ms);
    if now >= refused_from {
        return Err(TokenRefused::Expired);
    }
    if time(claims, "nbf")?.is_some_and(|not_before| not_before > latest_start) {
        return Err(TokenRefused::NotYetValid);
    }
    let issued_at = time(claims, "iat")?;
    if issued_at.is_some_and(|at| at > latest_start) {
        return Err(TokenRefused::NotYetValid);
    }
    Ok((expires_at, refused_from, issued_at))
}

/// A time in seconds since 1970, with a fraction or without: a JSON number and nothing else.
fn time(claims: &Object, name: &'static str) -> Result<Option<Timestamp>, TokenRefused> {
    let wrong = TokenRefused::Claims(name);
    // `null` is not "no limit": a time that is there must be one.
    if !claims.has(name) {
        return Ok(None);
    }
    let Some(Value::Number(number)) = claims.get(name) else {
        return Err(wrong);
    };
    let ms = if let Some(seconds) = number.as_u64() {
        if seconds > LAST_SECOND {
            return Err(wrong);
        }
        seconds * 1_000
    } else {
        let seconds = number.as_f64().ok_or(wrong)?;
        // Also refuses a negative whole number, which comes this way.
        if !(0.0..=LAST_SECOND as f64).contains(&seconds) {
            return Err(wrong);
        }
        (seconds * 1_000.0) as u64
    };
    Ok(Some(Timestamp::default().plus_ms(ms)))
}

fn issuer(claims: &Object, origin: Origin, rules: &Rules) -> Result<Option<Arc<str>>, TokenRefused> {
    let issuer = match claims.get("iss") {
        None => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(_) => return Err(TokenRefused::Issuer),
    };
    let accepted = match origin {
        Origin::Own => issuer == Some(super::signer::ISSUER),
        Origin::Configured => {
            rules.issuers.is_empty() || issuer.is_some_and(|it| rules.issuers.iter().any(|own| **own == *it))
        }
    };
    if accepted {
        Ok(issuer.map(Into::into))
    } else {
        Err(TokenRefused::Issuer)
    }
}

fn audience(claims: &Object, origin: Origin, rules: &Rules) -> Result<(), TokenRefused> {
    let ours = |text: &Value| rules.audiences.iter().any(|own| text.as_str() == Some(own));
    let named = match claims.get("aud") {
        None => false,
        Some(text @ Value::String(_)) => ours(text),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => all.iter().any(ours),
        Some(_) => return Err(TokenRefused::Audience),
    };
    match origin {
        Origin::Own => Ok(()),
        Origin::Configured if named || rules.audiences.is_empty() => Ok(()),
        Origin::Configured => Err(TokenRefused::Audience),
    }
}

fn subject(claims: &Object, role: Role, rules: &Rules) -> Result<Arc<str>, TokenRefused> {
    let wrong = TokenRefused::Claims("sub");
    let subject: Arc<str> = match claims.get("sub") {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Number(number)) => number.as_i64().ok_or(wrong)?.to_string().into(),
        _ => return Err(wrong),
    };
    let fits = match role {
        Role::Device => is_device_id(&subject),
        Role::User | Role::Service | Role::Admin => {
            !subject.is_empty() && subject.len() <= rules.name_bytes_max && is_plain(&subject)
        }
    };
    if fits { Ok(subject) } else { Err(wrong) }
}

fn is_device_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

/// Without characters that steer terminals, logs or the direction of the text around.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

fn nickname(claims: &Object, rules: &Rules) -> Result<Option<Arc<str>>, TokenRefused> {
    match claims.get("nickname") {
        None => Ok(None),
        Some(Value::String(name)) if name.is_empty() => Ok(None),
        Some(Value::String(name)) if name.len() <= rules.name_bytes_max && is_plain(name) => {
            Ok(Some(name.as_str().into()))
        }
        Some(_) => Err(TokenRefused::Claims("nickname")),
    }
}

fn rooms(claims: &Object, rules: &Rules) -> Result<Option<Arc<[RoomId]>>, TokenRefused> {
    let wrong = TokenRefused::Claims("rooms");
    // `null` is not "no bounds": a list that is there must be one.
    if !claims.has("rooms") {
        return Ok(None);
    }
    let Some(Value::Array(all)) = claims.get("rooms") else {
        return Err(wrong);
    };
    if all.len() > rules.rooms_max {
        return Err(wrong);
    }
    let ids: Option<Vec<_>> = all.iter().map(|id| id.as_i64().map(RoomId)).collect();
    let mut ids = ids.ok_or(wrong)?;
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids.into()))
}

fn jti(claims: &Object) -> Result<Option<Jti>, TokenRefused> {
    match claims.get("jti") {
        None => Ok(None),
        Some(Value::String(text)) if (1..=JTI_BYTES_MAX).contains(&text.len()) => {
            Ok(Some(text.as_str().into()))
        }
        Some(_) => Err(TokenRefused::Claims("jti")),
    }
}
