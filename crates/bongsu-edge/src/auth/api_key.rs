//! Keys of back ends and operators for the HTTP API (`X-API-Key`).
//!
//! Invariant: only SHA-256 hashes are kept; every one is compared in constant time on each look-up.

use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use bongsu_model::Role;

use super::secret::Secret;

/// Shortest key, in bytes: a fast hash protects only what cannot be guessed.
pub const KEY_BYTES_MIN: usize = 24;
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 512;

/// One key in the configuration.
#[derive(Clone, Debug)]
pub struct ApiKeySetting {
    /// What logs and the audit call its holder; unique.
    pub name: Arc<str>,
    /// What its holder may do: service or admin.
    pub role: Role,
    /// The key.
    pub key: ApiKeyForm,
}

/// How the configuration has a key.
#[derive(Clone, Debug)]
pub enum ApiKeyForm {
    /// As its holder sends it.
    Plain(Secret),
    /// Its SHA-256 in hex, so that the configuration holds no secret.
    Sha256(Arc<str>),
}

/// Why the keys were not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApiKeyFault {
    /// Too short or too long.
    #[error("the API key {name} has {bytes} bytes; {KEY_BYTES_MIN} to {KEY_BYTES_MAX} are right")]
    Length {
        /// Whose.
        name: Arc<str>,
        /// How long it is.
        bytes: usize,
    },
    /// Not 64 hex digits.
    #[error("the SHA-256 of the API key {0} must be 64 hex digits")]
    NotAHash(Arc<str>),
    /// Users and devices have tokens.
    #[error("the API key {0} may have the role service or admin")]
    Role(Arc<str>),
    /// Two keys of one name.
    #[error("two API keys are called {0}")]
    SameName(Arc<str>),
    /// One key under two names.
    #[error("the API key {0} is also another one's")]
    SameKey(Arc<str>),
}

/// The API keys in force.
#[derive(Debug, Default)]
pub struct ApiKeys {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    holder: ApiKeyHolder,
    hash: [u8; 32],
}

/// Who holds a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKeyHolder {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// Service or admin.
    pub role: Role,
}

impl ApiKeys {
    /// Of these settings.
    pub fn new(settings: &[ApiKeySetting]) -> Result<Self, ApiKeyFault> {
        let mut entries: Vec<Entry> = Vec::with_capacity(settings.len());
        for setting in settings {
            let name = Arc::clone(&setting.name);
            let hash = match &setting.key {
                ApiKeyForm::Plain(key) => {
                    let bytes = key.expose().len();
                    if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes) {
                        return Err(ApiKeyFault::Length { name, bytes });
                    }
                    hash(key.expose())
                }
                ApiKeyForm::Sha256(hex) => {
                    from_hex(hex).ok_or_else(|| ApiKeyFault::NotAHash(Arc::clone(&name)))?
                }
            };
            match setting.role {
                Role::Service | Role::Admin => {}
                Role::User | Role::Device => return Err(ApiKeyFault::Role(name)),
            }
            if entries.iter().any(|entry| entry.holder.name == name) {
                return Err(ApiKeyFault::SameName(name));
            }
            if entries.iter().any(|entry| entry.hash == hash) {
                return Err(ApiKeyFault::SameKey(name));
            }
            entries.push(Entry {
                holder: ApiKeyHolder {
                    name,
                    role: setting.role,
                },
                hash,
            });
        }
        Ok(Self { entries })
    }

    /// Who holds this key.
    #[must_use]
    pub fn find(&self, presented: &[u8]) -> Option<&ApiKeyHolder> {
        if presented.len() > KEY_BYTES_MAX {
            return None;
        }
        let hash = hash(presented);
        // All are compared, so that the time tells nothing about which one matched.
        self.entries.iter().fold(None, |found, entry| {
            let same = constant_time::verify_slices_are_equal(&entry.hash, &hash).is_ok();
            if same { Some(&entry.holder) } else { found }
        })
    }
}

fn hash(key: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, key)
        .as_ref()
        .try_into()
        .expect("SHA-256 has 32 bytes")
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef01234567";

    fn setting(name: &str, role: Role, key: &str) -> ApiKeySetting {
        ApiKeySetting {
            name: name.into(),
            role,
            key: ApiKeyForm::Plain(Secret::new(key)),
        }
    }

    #[test]
    fn a_key_is_found_by_its_value_alone() {
        let other = "another key of twenty-four";
        let hashed = ApiKeySetting {
            name: "ops".into(),
            role: Role::Admin,
            key: ApiKeyForm::Sha256(hash(other.as_bytes()).map(|b| format!("{b:02X}")).concat().into()),
        };
        let keys = ApiKeys::new(&[setting("shop", Role::Service, KEY), hashed]).unwrap();
        assert_eq!(&*keys.find(KEY.as_bytes()).unwrap().name, "shop");
        assert_eq!(keys.find(other.as_bytes()).unwrap().role, Role::Admin);
        for wrong in ["", &KEY[1..], "0123456789abcdef01234568", &KEY.repeat(100)] {
            assert_eq!(keys.find(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(!format!("{keys:?} {:?}", setting("a", Role::Admin, KEY)).contains(KEY));
    }

    #[test]
    fn settings_that_protect_nothing_are_refused() {
        let fault = |settings: &[ApiKeySetting]| ApiKeys::new(settings).unwrap_err();
        let short = setting("a", Role::Admin, &KEY[1..]);
        assert_eq!(
            fault(&[short]),
            ApiKeyFault::Length {
                name: "a".into(),
                bytes: 23
            }
        );
        assert_eq!(
            fault(&[setting("a", Role::User, KEY)]),
            ApiKeyFault::Role("a".into())
        );
        let twice = [setting("a", Role::Admin, KEY), setting("b", Role::Admin, KEY)];
        assert_eq!(fault(&twice), ApiKeyFault::SameKey("b".into()));
        let named = [
            setting("a", Role::Admin, KEY),
            setting("a", Role::Admin, "another key of twenty-four"),
        ];
        assert_eq!(fault(&named), ApiKeyFault::SameName("a".into()));
        let hash = ApiKeySetting {
            key: ApiKeyForm::Sha256("+f".repeat(32).into()),
            ..setting("a", Role::Admin, "")
        };
        assert_eq!(fault(&[hash]), ApiKeyFault::NotAHash("a".into()));
    }
}
