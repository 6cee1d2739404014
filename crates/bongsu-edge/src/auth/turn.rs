//! Credentials for TURN servers, made for one user and a short time (REST API for TURN).
//!
//! Invariant: nothing is stored; the server that shares the secret can check what we made and nobody else can make it.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bongsu_model::media::IceServer;
use bongsu_model::{Timestamp, UserId};

use super::secret::Secret;

/// How long credentials live unless the configuration says otherwise, in seconds.
pub const TTL_S: u64 = 600;

/// What the configuration says about ICE servers.
#[derive(Clone, Debug)]
pub struct IceSettings {
    /// `stun:`, `stuns:`, `turn:` and `turns:` addresses.
    pub urls: Vec<Arc<str>>,
    /// What we share with the TURN servers.
    pub secret: Option<Secret>,
    /// How long credentials live, in seconds.
    pub ttl_s: u64,
}

impl Default for IceSettings {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            secret: None,
            ttl_s: TTL_S,
        }
    }
}

/// Why ICE servers cannot be told to clients.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IceFault {
    /// Not the address of an ICE server.
    #[error("an ICE server's address begins with stun:, stuns:, turn: or turns: and a host; {0} does not")]
    Address(Arc<str>),
    /// Credentials that are dead on arrival, or live too long.
    #[error("TURN credentials live 1 to 86400 seconds, not {0}")]
    Ttl(u64),
    /// An empty secret is known to everybody.
    #[error("the TURN secret is empty")]
    NoSecret,
}

/// Makes the list of ICE servers for one user.
#[derive(Clone)]
pub struct TurnMint {
    stun: Vec<Arc<str>>,
    turn: Vec<Arc<str>>,
    key: Option<hmac::Key>,
    ttl_s: u64,
}

impl TurnMint {
    /// Of these settings.
    pub fn new(settings: &IceSettings) -> Result<Self, IceFault> {
        if !(1..=86_400).contains(&settings.ttl_s) {
            return Err(IceFault::Ttl(settings.ttl_s));
        }
        if settings
            .secret
            .as_ref()
            .is_some_and(|secret| secret.expose().is_empty())
        {
            return Err(IceFault::NoSecret);
        }
        let (mut stun, mut turn) = (Vec::new(), Vec::new());
        for url in &settings.urls {
            match url.split_once(':') {
                Some(("stun" | "stuns", host)) if is_host(host) => stun.push(Arc::clone(url)),
                Some(("turn" | "turns", host)) if is_host(host) => turn.push(Arc::clone(url)),
                _ => return Err(IceFault::Address(Arc::clone(url))),
            }
        }
        // SHA-1 is what TURN servers speak here; as an HMAC it is not broken.
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose());
        Ok(Self {
            stun,
            turn,
            key: settings.secret.as_ref().map(key),
            ttl_s: settings.ttl_s,
        })
    }

    /// The servers, with credentials for this user where there is a secret. They name the user, so that a TURN
    /// server can limit each.
    #[must_use]
    pub fn servers(&self, user: UserId, now: Timestamp) -> Vec<IceServer> {
        let mut servers = Vec::with_capacity(2);
        if !self.stun.is_empty() {
            servers.push(IceServer {
                urls: self.stun.clone(),
                username: None,
                credential: None,
            });
        }
        if !self.turn.is_empty() {
            let credentials = self
                .key
                .as_ref()
                .map(|key| credentials(key, user, now.secs(), self.ttl_s));
            let (username, credential) = credentials.unzip();
            servers.push(IceServer {
                urls: self.turn.clone(),
                username,
                credential,
            });
        }
        servers
    }
}

fn credentials(key: &hmac::Key, user: UserId, now_s: i64, ttl_s: u64) -> (Arc<str>, Arc<str>) {
    let username = format!("{}:{user}", now_s.saturating_add_unsigned(ttl_s));
    let credential = STANDARD.encode(hmac::sign(key, username.as_bytes()));
    (username.into(), credential.into())
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && !text.starts_with("//") && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(urls: &[&str], secret: Option<&str>) -> IceSettings {
        let urls = urls.iter().map(|&url| url.into()).collect();
        IceSettings {
            urls,
            secret: secret.map(Secret::new),
            ..IceSettings::default()
        }
    }

    #[test]
    fn credentials_are_those_that_turn_servers_expect() {
        let mint = TurnMint::new(&settings(
            &["stun:a.example", "turn:a.example:3478"],
            Some("north"),
        ))
        .unwrap();
        let servers = mint.servers(UserId(7), Timestamp(1_700_000_000_999));
        assert_eq!(servers.len(), 2);
        assert_eq!((&servers[0].username, &servers[0].credential), (&None, &None));
        assert_eq!(servers[1].username.as_deref(), Some("1700000600:7"));
        // printf 1700000600:7 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            servers[1].credential.as_deref(),
            Some("L0yC7/asGQikCAeB+RbDnSboTiI=")
        );
    }

    #[test]
    fn without_a_secret_there_are_no_credentials() {
        let mint = TurnMint::new(&settings(&["turn:a.example"], None)).unwrap();
        assert_eq!(mint.servers(UserId(7), Timestamp(0))[0].username, None);
        assert_eq!(
            TurnMint::new(&IceSettings::default())
                .unwrap()
                .servers(UserId(7), Timestamp(0)),
            []
        );
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        for url in [
            "http://a.example",
            "turn:",
            "turn",
            "turn://a.example",
            "stun:a b",
            "",
        ] {
            let fault = TurnMint::new(&settings(&[url], None)).err();
            assert_eq!(fault, Some(IceFault::Address(url.into())));
        }
        assert_eq!(
            TurnMint::new(&settings(&[], Some(""))).err(),
            Some(IceFault::NoSecret)
        );
        for ttl_s in [0, 86_401] {
            let fault = TurnMint::new(&IceSettings {
                ttl_s,
                ..IceSettings::default()
            })
            .err();
            assert_eq!(fault, Some(IceFault::Ttl(ttl_s)));
        }
    }
}
