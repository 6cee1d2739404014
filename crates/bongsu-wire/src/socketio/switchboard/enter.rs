//! Who enters the namespace of displays: with a token for its registration, or without.
//!
//! Invariant: entering signs nobody in.

use std::sync::Arc;

use bongsu_model::{Limits, Refusal, Want};

use super::super::chat::query;
use super::super::connection::Auth;
use crate::json::field::Given;

/// The token that a client enters with: its own, or that of the handshake.
pub(in crate::socketio) fn token(
    auth: Auth<'_>,
    handshake: Option<Arc<str>>,
    limits: &Limits,
) -> Result<Option<Arc<str>>, Refusal> {
    let most = limits.token_bytes_max;
    let own = match auth {
        Auth::No => None,
        Auth::Object(raw) => {
            let [token] = Given { name: "auth", raw }.fields("", ["token"])?;
            token.optional(|it| it.text_of(1, most))?.map(Arc::from)
        }
        Auth::Query(text) => match query::value(text, "token") {
            Some(own) if !(1..=most).contains(&own.len()) => {
                return Err(Refusal::field("token", Want::TextOf(1, most)));
            }
            own => own.map(Arc::from),
        },
    };
    Ok(own.or(handshake))
}
