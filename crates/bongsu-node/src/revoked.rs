//! Tokens that are refused though their time has not come.

use std::collections::HashMap;

use bongsu_model::records::Revocation;
use bongsu_model::{Jti, Timestamp};
use parking_lot::RwLock;

/// The revocations in force, all of them in memory: every sign-in asks.
#[derive(Default)]
pub(crate) struct Revoked {
    tokens: RwLock<HashMap<Jti, Timestamp>>,
}

impl Revoked {
    /// Takes one in; whether it was not known.
    pub(crate) fn add(&self, revocation: &Revocation) -> bool {
        self.tokens
            .write()
            .insert(revocation.jti.clone(), revocation.expires_at)
            .is_none()
    }

    pub(crate) fn contains(&self, jti: Option<&Jti>) -> bool {
        jti.is_some_and(|jti| self.tokens.read().contains_key(jti))
    }

    /// Forgets tokens that have ended by themselves.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.tokens.write().retain(|_, expires_at| *expires_at > now);
    }
}
