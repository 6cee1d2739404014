//! `[tokens]`, `[[api_keys]]`, `[policy]`, `[ice]`: who is let in, and what with.
//!
//! Invariant: every key file is read and every address looked at here, so that a mistake is found with its line.

use std::path::PathBuf;
use std::sync::Arc;

use bongsu_edge::auth::api_key::ApiKeyForm;
use bongsu_edge::auth::{
    ApiKeySetting, ApiKeys, FetchSettings, IceSettings, LoadFault, PublicKeySetting, Role, Secret,
    SecretSetting, SecretSource, TokenSettings, TurnMint, Verifier,
};
use bongsu_model::Limits;
use bongsu_model::records::{Membership, Visibility};
use bongsu_node::Policy;
use bongsu_node::ports::AddressRange;

use super::reader::Section;
use super::word;

/// Settings in milliseconds are at most a year.
const MS_MAX: u64 = 366 * 86_400_000;
/// A key set's size, at most.
const SET_BYTES_MAX: u64 = 16 << 20;

pub(super) fn tokens(section: Section<'_, '_>, limits: &Limits) -> TokenSettings {
    let fetch = fetch(section.open("fetch"));
    // What a part says on its own is tried out on its own, so that its mistake has its line.
    let alone = |part: TokenSettings| match Verifier::load(part, None, limits) {
        Ok(_) => Ok(()),
        Err(LoadFault::Secret { why, .. } | LoadFault::Key { why, .. }) => Err(why.to_string()),
        Err(LoadFault::Set { why, .. }) => Err(why.to_string()),
        Err(LoadFault::Url { why, .. }) => Err(why.to_string()),
        Err(fault @ (LoadFault::Read { .. } | LoadFault::Roots(_))) => Err(fault.to_string()),
    };
    let settings = TokenSettings {
        issuers: section.texts("issuers", named).unwrap_or_default(),
        audiences: section.texts("audiences", named).unwrap_or_default(),
        jwks_files: section
            .files("jwks_files", |path| {
                alone(TokenSettings {
                    jwks_files: vec![path.clone()],
                    ..TokenSettings::default()
                })
                .map(|()| path)
            })
            .unwrap_or_default(),
        jwks_urls: section
            .texts("jwks_urls", |url| {
                let url: Arc<str> = url.into();
                let part = TokenSettings {
                    jwks_urls: vec![Arc::clone(&url)],
                    fetch: fetch.clone(),
                    ..TokenSettings::default()
                };
                alone(part).map(|()| url)
            })
            .unwrap_or_default(),
        public_keys: section
            .each("public_keys")
            .into_iter()
            .filter_map(|it| public_key(it, &alone))
            .collect(),
        secrets: section
            .each("secrets")
            .into_iter()
            .filter_map(|it| secret(it, &alone))
            .collect(),
        fetch,
    };
    section.close();
    settings
}

fn named(text: &str) -> Result<Arc<str>, String> {
    if text.is_empty() {
        Err("a name is needed".to_owned())
    } else {
        Ok(text.into())
    }
}

type Alone<'a> = &'a dyn Fn(TokenSettings) -> Result<(), String>;

fn public_key(section: Section<'_, '_>, alone: Alone<'_>) -> Option<PublicKeySetting> {
    let kid = section.text("kid", named);
    let path = section.file("file");
    if path.is_none() && !section.has("file") {
        section.mistake("file", true, "a PEM file is needed");
    }
    let key = path.map(|path| PublicKeySetting { kid, path });
    if let Some(key) = &key {
        let part = TokenSettings {
            public_keys: vec![key.clone()],
            ..TokenSettings::default()
        };
        alone(part).unwrap_or_else(|wrong| section.mistake("file", true, wrong));
    }
    section.close();
    key
}

fn secret(section: Section<'_, '_>, alone: Alone<'_>) -> Option<SecretSetting> {
    let kid = section.text("kid", named);
    let (key, source) = match (section.secret("secret"), section.file("file")) {
        (Some(secret), None) => ("secret", Some(SecretSource::Inline(secret))),
        (None, Some(path)) => ("file", Some(SecretSource::File(path))),
        (Some(_), Some(_)) => {
            section.mistake("secret", false, "either `secret` or `file` is needed, not both");
            ("secret", None)
        }
        (None, None) => {
            if !section.has("secret") && !section.has("file") {
                section.mistake(
                    "file",
                    true,
                    "a file that holds the secret is needed, or `secret`",
                );
            }
            ("file", None)
        }
    };
    let setting = source.map(|source| SecretSetting { kid, source });
    if let Some(setting) = &setting {
        let part = TokenSettings {
            secrets: vec![setting.clone()],
            ..TokenSettings::default()
        };
        alone(part).unwrap_or_else(|wrong| section.mistake(key, false, wrong));
    }
    section.close();
    setting
}

fn fetch(section: Section<'_, '_>) -> FetchSettings {
    let usual = FetchSettings::default();
    let bytes_max = section.integer("body_bytes_max", 1..=SET_BYTES_MAX);
    let settings = FetchSettings {
        refresh_ms: section
            .integer("refresh_ms", 1_000..=MS_MAX)
            .unwrap_or(usual.refresh_ms),
        retry_ms: section.integer("retry_ms", 1..=MS_MAX).unwrap_or(usual.retry_ms),
        unknown_kid_ms: section
            .integer("unknown_kid_ms", 0..=MS_MAX)
            .unwrap_or(usual.unknown_kid_ms),
        timeout_ms: section
            .integer("timeout_ms", 1..=MS_MAX)
            .unwrap_or(usual.timeout_ms),
        body_bytes_max: bytes_max
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(usual.body_bytes_max),
        allow_http: section.flag("allow_http").unwrap_or(usual.allow_http),
    };
    section.close();
    settings
}

pub(super) fn api_keys(sections: Vec<Section<'_, '_>>) -> Vec<ApiKeySetting> {
    let mut keys: Vec<ApiKeySetting> = Vec::with_capacity(sections.len());
    for section in sections {
        let found = api_key(&section);
        if let Some((from, key)) = found {
            // With those before it, so that two that are the same are found at the second.
            let so_far: Vec<_> = keys.iter().cloned().chain([key.clone()]).collect();
            match ApiKeys::new(&so_far) {
                Ok(_) => keys.push(key),
                Err(fault) => section.mistake(from, false, fault.to_string()),
            }
        }
        section.close();
    }
    keys
}

fn api_key(section: &Section<'_, '_>) -> Option<(&'static str, ApiKeySetting)> {
    let name = section.text("name", named);
    let role = section.text("role", |text| word(text, &["service", "admin"], Role::parse));
    if name.is_none() && !section.has("name") {
        section.mistake("name", true, "a name is needed, for the audit");
    }
    let given = ["key", "file", "sha256"].map(|key| section.has(key));
    if given.into_iter().filter(|given| *given).count() != 1 {
        section.mistake(
            "key",
            false,
            "one of `file` (that holds the key), `sha256` (of the key) and `key` is needed",
        );
    }
    let of_file = |path: PathBuf| std::fs::read(path).ok().map(Secret::of_file);
    let forms = [
        ("key", section.secret("key").map(ApiKeyForm::Plain)),
        (
            "file",
            section.file("file").and_then(of_file).map(ApiKeyForm::Plain),
        ),
        (
            "sha256",
            section.text("sha256", |text| Ok(ApiKeyForm::Sha256(text.into()))),
        ),
    ];
    let (from, key) = forms.into_iter().find_map(|(from, form)| Some((from, form?)))?;
    Some((
        from,
        ApiKeySetting {
            name: name?,
            role: role.unwrap_or(Role::Service),
            key,
        },
    ))
}

/// From where displays need nothing to be let in; `None` if nothing is said.
pub(super) fn displays(section: Section<'_, '_>) -> Option<Arc<[AddressRange]>> {
    let range = |text: &str| {
        AddressRange::parse(text)
            .ok_or_else(|| "an address or a range such as 10.0.0.0/8 is needed".to_owned())
    };
    let ranges = section.texts("open_ranges", range).map(Arc::from);
    section.close();
    ranges
}

pub(super) fn policy(section: Section<'_, '_>, display_ranges: Option<Arc<[AddressRange]>>) -> Policy {
    let usual = Policy::default();
    let policy = Policy {
        create_users: section.flag("create_users").unwrap_or(usual.create_users),
        create_devices: section.flag("create_devices").unwrap_or(usual.create_devices),
        display_ranges: display_ranges.unwrap_or(usual.display_ranges),
        create_rooms_by_id: section
            .flag("create_rooms_by_id")
            .unwrap_or(usual.create_rooms_by_id),
        create_rooms_by_name: section
            .flag("create_rooms_by_name")
            .unwrap_or(usual.create_rooms_by_name),
        application_domains: section
            .texts("application_domains", domain)
            .map_or(usual.application_domains, Arc::from),
        created_visibility: section
            .text("created_visibility", |text| {
                word(text, Visibility::NAMES, Visibility::parse)
            })
            .unwrap_or(usual.created_visibility),
        created_membership: section
            .text("created_membership", |text| {
                word(text, Membership::NAMES, Membership::parse)
            })
            .unwrap_or(usual.created_membership),
    };
    section.close();
    policy
}

/// The domains that the protocol itself speaks in.
const OWN_DOMAINS: [&str; 12] = [
    "auth",
    "auth_update",
    "call",
    "chat",
    "command",
    "device",
    "error",
    "ping",
    "pong",
    "room",
    "system",
    "user",
];

fn domain(text: &str) -> Result<Arc<str>, String> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if OWN_DOMAINS.contains(&text) {
        return Err(format!("`{text}` is a domain of the protocol itself"));
    }
    if !(1..=32).contains(&text.len()) || !text.bytes().all(plain) {
        return Err("a domain is 1 to 32 of a-z, 0-9, _ and -".to_owned());
    }
    Ok(text.into())
}

pub(super) fn ice(section: Section<'_, '_>) -> IceSettings {
    let usual = IceSettings::default();
    let checked = |url: &str| {
        let url: Arc<str> = url.into();
        let alone = IceSettings {
            urls: vec![Arc::clone(&url)],
            ..IceSettings::default()
        };
        TurnMint::new(&alone)
            .map(|_| url)
            .map_err(|fault| fault.to_string())
    };
    let urls = section.texts("urls", checked).unwrap_or(usual.urls);
    let secret = section.secret_or_file("secret", "secret_file");
    if let Some((key, secret)) = &secret
        && secret.expose().is_empty()
    {
        section.mistake(key, false, "the TURN secret is empty");
    }
    let secret = secret.map(|(_, secret)| secret);
    let ttl_s = section.integer("ttl_s", 1..=86_400).unwrap_or(usual.ttl_s);
    section.close();
    IceSettings { urls, secret, ttl_s }
}
