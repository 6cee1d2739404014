//! Verifies tokens with the keys in force, and keeps these in force: files on reload, URLs by themselves.
//!
//! Invariant: the keys change as a whole or not at all; a source that fails keeps what it last gave.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bongsu_model::{Limits, Timestamp};
use hyper::Uri;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::claims::{self, Claims, Rules};
use super::fetch::{self, FetchFault, FetchSettings, Fetcher, UrlFault};
use super::jwks::{self, Provenance, SetFault, Skipped};
use super::key::{Key, KeyFault};
use super::keyset::KeySet;
use super::refused::TokenRefused;
use super::secret::Secret;
use super::settings::{SecretSource, TokenSettings};
use super::signer::Signer;

/// Why the keys could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key in a file is not taken.
    #[error("{}: {why}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: KeyFault,
    },
    /// A secret in the configuration is not taken.
    #[error("token secret number {number} of the configuration: {why}")]
    Secret {
        /// Counted from 1.
        number: usize,
        /// Why.
        why: KeyFault,
    },
    /// A set in a file is not taken.
    #[error("{}: {why}", path.display())]
    Set {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: SetFault,
    },
    /// The address of a set is not taken.
    #[error("the JWK set's address {url}: {why}")]
    Url {
        /// Which.
        url: Arc<str>,
        /// Why.
        why: UrlFault,
    },
    /// The system's certificates cannot be read.
    #[error("cannot load the system's certificates: {0}")]
    Roots(io::Error),
}

/// How one URL stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceStanding {
    /// The URL.
    pub url: Arc<str>,
    /// Keys in force of it.
    pub keys: usize,
    /// Whether the last fetch worked; `None` before the first ended.
    pub last_fetch_worked: Option<bool>,
}

/// Verifies tokens. Shared by all connections; a verification takes one read lock for the time of a pointer's copy.
pub struct Verifier {
    rules: Rules,
    settings: TokenSettings,
    own: Option<Arc<Key>>,
    /// What verifications use: all of `parts` in one.
    set: RwLock<Arc<KeySet>>,
    parts: Mutex<Parts>,
    fetcher: Option<Fetcher>,
    urls: Vec<Source>,
    early: Mutex<Early>,
    /// Fetches that ended, of all URLs.
    fetches: watch::Sender<u64>,
}

struct Parts {
    files: Vec<Arc<Key>>,
    urls: Vec<Vec<Arc<Key>>>,
}

struct Source {
    name: Arc<str>,
    url: Uri,
    /// Asks for a fetch before its time.
    wake: Notify,
    /// Fetches that ended, and whether the last worked.
    rounds: watch::Sender<(u64, bool)>,
}

/// The last early fetch: when it was asked for, and which round of each URL answers it.
#[derive(Default)]
struct Early {
    asked: Option<(Instant, Vec<u64>)>,
}

impl Verifier {
    /// Loads every key that is in a file. URLs have none before [`Self::keep_fresh`] runs.
    pub fn load(
        settings: TokenSettings,
        own: Option<&Signer>,
        limits: &Limits,
    ) -> Result<Arc<Self>, LoadFault> {
        let mut urls = Vec::with_capacity(settings.jwks_urls.len());
        for name in &settings.jwks_urls {
            let url = fetch::check_url(name, &settings.fetch).map_err(|why| LoadFault::Url {
                url: Arc::clone(name),
                why,
            })?;
            let rounds = watch::Sender::new((0, false));
            urls.push(Source {
                name: Arc::clone(name),
                url,
                wake: Notify::new(),
                rounds,
            });
        }
        let fetcher = match urls.as_slice() {
            [] => None,
            [..] => Some(Fetcher::new(settings.fetch.clone()).map_err(LoadFault::Roots)?),
        };
        let files = load_files(&settings)?;
        let verifier = Self {
            rules: Rules::new(settings.issuers.clone(), settings.audiences.clone(), limits),
            own: own.map(|signer| Arc::new(signer.verifying_key())),
            set: RwLock::default(),
            parts: Mutex::new(Parts {
                files,
                urls: vec![Vec::new(); urls.len()],
            }),
            fetcher,
            urls,
            early: Mutex::default(),
            fetches: watch::Sender::new(0),
            settings,
        };
        verifier.put_in_force(&verifier.parts.lock());
        Ok(Arc::new(verifier))
    }

    /// Reads the files again. A fault in any of them keeps all keys as they are.
    pub fn reload(&self) -> Result<(), LoadFault> {
        let files = load_files(&self.settings)?;
        let mut parts = self.parts.lock();
        parts.files = files;
        self.put_in_force(&parts);
        Ok(())
    }

    /// Verifies a token: form, size, algorithm, key, signature, times, issuer, audience, then every claim.
    ///
    /// Revocation and bans are not known here.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenRefused> {
        if token.is_empty() {
            return Err(TokenRefused::Missing);
        }
        if token.len() > self.rules.token_bytes_max {
            return Err(TokenRefused::Malformed);
        }
        let set = Arc::clone(&self.set.read());
        let opened = set.open(token)?;
        claims::read(&opened.payload, opened.key.origin(), &self.rules, now)
    }

    /// Waits for one early fetch of the URLs if the token is of an unknown key and a fetch is due or under way;
    /// otherwise returns at once. To be awaited before a token is verified where somebody can wait.
    ///
    /// Wants [`Self::keep_fresh`] to run, and lasts at most twice as long as a fetch may.
    pub async fn ready_for(&self, token: &str) {
        let may_help = !self.urls.is_empty()
            && token.len() <= self.rules.token_bytes_max
            && Arc::clone(&self.set.read()).misses_key_of(token);
        if may_help {
            self.fetched_early().await;
        }
    }

    /// Fetches the URLs now and at intervals, for ever. Ends only when dropped.
    pub async fn keep_fresh(self: Arc<Self>) {
        let mut followers = JoinSet::new();
        for index in 0..self.urls.len() {
            followers.spawn(Arc::clone(&self).follow(index));
        }
        while followers.join_next().await.is_some() {}
        std::future::pending().await
    }

    /// How the URLs stand.
    #[must_use]
    pub fn standing(&self) -> Vec<SourceStanding> {
        let parts = self.parts.lock();
        let standing = |(source, keys): (&Source, &Vec<Arc<Key>>)| {
            let (rounds, worked) = *source.rounds.borrow();
            SourceStanding {
                url: Arc::clone(&source.name),
                keys: keys.len(),
                last_fetch_worked: (rounds > 0).then_some(worked),
            }
        };
        self.urls.iter().zip(&parts.urls).map(standing).collect()
    }

    /// Changes whenever a fetch ended: how many did so far, of all URLs.
    #[must_use]
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.fetches.subscribe()
    }

    /// The keys in force.
    #[must_use]
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.set.read())
    }

    fn put_in_force(&self, parts: &Parts) {
        let all = self
            .own
            .iter()
            .chain(&parts.files)
            .chain(parts.urls.iter().flatten());
        *self.set.write() = Arc::new(KeySet::new(all.cloned().collect()));
    }

    async fn follow(self: Arc<Self>, index: usize) {
        let (Some(source), Some(fetcher)) = (self.urls.get(index), &self.fetcher) else {
            return;
        };
        let FetchSettings {
            refresh_ms, retry_ms, ..
        } = *fetcher.settings();
        let mut retry_in_ms = retry_ms;
        loop {
            let outcome = fetcher.fetch(&source.url).await;
            let worked = outcome.is_ok();
            let next_ms = if worked { refresh_ms } else { retry_in_ms };
            retry_in_ms = if worked {
                retry_ms
            } else {
                retry_in_ms.saturating_mul(2).min(refresh_ms)
            };
            self.fetched(index, outcome, next_ms);
            source
                .rounds
                .send_modify(|(rounds, last)| (*rounds, *last) = (*rounds + 1, worked));
            self.fetches.send_modify(|fetches| *fetches += 1);
            // Ends early when it is asked to; otherwise the time is up, which is just as fine.
            let _ = tokio::time::timeout(Duration::from_millis(next_ms), source.wake.notified()).await;
        }
    }

    fn fetched(&self, index: usize, outcome: Result<jwks::ReadSet, FetchFault>, next_ms: u64) {
        let url = &self.urls[index].name;
        match outcome {
            Ok(read) => {
                warn_of_skipped(url, &read.skipped);
                let mut parts = self.parts.lock();
                tracing::debug!(url = %url, keys = read.keys.len(), "fetched the JWK set");
                parts.urls[index] = read.keys;
                self.put_in_force(&parts);
            }
            Err(fault) => {
                let kept = self.parts.lock().urls[index].len();
                let cause = std::error::Error::source(&fault).map(ToString::to_string);
                tracing::warn!(url = %url, %fault, cause, kept, next_ms, "JWK set not fetched; its old keys stay");
            }
        }
    }

    /// Waits until all URLs were fetched on behalf of an unknown key, if it is the time for that.
    async fn fetched_early(&self) {
        let Some(fetcher) = &self.fetcher else {
            return;
        };
        let Some(rounds) = self.ask_early(fetcher.settings().unknown_kid_ms) else {
            return;
        };
        let all = async {
            for (source, round) in self.urls.iter().zip(rounds) {
                // The sender lives as long as we do.
                let _ = source
                    .rounds
                    .subscribe()
                    .wait_for(|(ended, _)| *ended >= round)
                    .await;
            }
        };
        let wait_ms = fetcher.settings().timeout_ms.saturating_mul(2);
        // If they do not end in time the token is of an unknown key, as it was.
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms), all).await;
    }

    /// Asks every URL for an early fetch, or joins the one under way. The rounds to wait for, if there are any.
    fn ask_early(&self, unknown_kid_ms: u64) -> Option<Vec<u64>> {
        let mut early = self.early.lock();
        if let Some((at, rounds)) = &early.asked
            && at.elapsed() < Duration::from_millis(unknown_kid_ms)
        {
            let under_way = self
                .urls
                .iter()
                .zip(rounds)
                .any(|(source, round)| source.rounds.borrow().0 < *round);
            return under_way.then(|| rounds.clone());
        }
        let rounds: Vec<_> = self
            .urls
            .iter()
            .map(|source| source.rounds.borrow().0 + 1)
            .collect();
        early.asked = Some((Instant::now(), rounds.clone()));
        for source in &self.urls {
            source.wake.notify_one();
        }
        Some(rounds)
    }
}

fn load_files(settings: &TokenSettings) -> Result<Vec<Arc<Key>>, LoadFault> {
    let mut keys = Vec::new();
    for (at, setting) in settings.secrets.iter().enumerate() {
        let kid = setting.kid.clone();
        let key = match &setting.source {
            SecretSource::Inline(secret) => {
                Key::secret(kid, secret).map_err(|why| LoadFault::Secret { number: at + 1, why })?
            }
            SecretSource::File(path) => {
                Key::secret(kid, &Secret::of_file(read(path)?)).map_err(|why| LoadFault::Key {
                    path: path.clone(),
                    why,
                })?
            }
        };
        keys.push(Arc::new(key));
    }
    for setting in &settings.public_keys {
        let fault = |why| LoadFault::Key {
            path: setting.path.clone(),
            why,
        };
        let text = String::from_utf8(read(&setting.path)?).map_err(|_| fault(KeyFault::NotPem))?;
        keys.push(Arc::new(Key::pem(setting.kid.clone(), &text).map_err(fault)?));
    }
    for path in &settings.jwks_files {
        let read = jwks::read(&read(path)?, Provenance::File);
        let set = read.map_err(|why| LoadFault::Set {
            path: path.clone(),
            why,
        })?;
        warn_of_skipped(&path.display(), &set.skipped);
        keys.extend(set.keys);
    }
    Ok(keys)
}

fn read(path: &Path) -> Result<Vec<u8>, LoadFault> {
    fs::read(path).map_err(|source| LoadFault::Read {
        path: path.into(),
        source,
    })
}

fn warn_of_skipped(of: &dyn std::fmt::Display, skipped: &[Skipped]) {
    for Skipped { index, why } in skipped {
        tracing::warn!(%of, index, %why, "skipped a key of the JWK set");
    }
}
