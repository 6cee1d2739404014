//! The configuration: flag over environment over file over default.
//!
//! Invariant: settings that were read from a file have been checked as far as that goes without starting anything.

mod access;
mod catalogue;
mod cluster;
mod content;
mod default;
mod mistake;
mod reader;
mod server;
mod tls;

use std::path::{Path, PathBuf};

use anyhow::Context;
use bongsu_edge::auth::{ApiKeySetting, IceSettings, TokenSettings};
use bongsu_edge::http::SocketioOptions;
use bongsu_edge::http::review::ReviewSettings;
use bongsu_edge::tls::TlsSettings;
use bongsu_model::Limits;
use bongsu_model::limits::Broken;
use bongsu_node::Policy;

pub(crate) use catalogue::{DeviceSettings, EXAMPLE, load as load_catalogue};
pub(crate) use cluster::{Address, ClusterSettings, bus_address, postgres, store_address};
pub(crate) use content::ContentSettings;
pub(crate) use default::default_toml;
pub(crate) use mistake::Mistakes;
pub(crate) use server::{LogFormat, ServerSettings, Tcps, durability, locale, log_filter, node_id};

use reader::{Section, Source};

/// All that a server is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) server: ServerSettings,
    pub(crate) limits: Limits,
    pub(crate) tokens: TokenSettings,
    pub(crate) api_keys: Vec<ApiKeySetting>,
    pub(crate) policy: Policy,
    pub(crate) content: ContentSettings,
    pub(crate) review: Option<ReviewSettings>,
    pub(crate) ice: IceSettings,
    pub(crate) socketio: SocketioOptions,
    pub(crate) devices: DeviceSettings,
    pub(crate) cluster: ClusterSettings,
    /// None if nothing is served with TLS.
    pub(crate) tls: Option<TlsSettings>,
}

impl Settings {
    /// The defaults with what a file says put over them; the defaults alone if there is no file.
    ///
    /// # Errors
    /// A file that cannot be read, or [`Mistakes`].
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {} (--config)", file.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))?;
        // What the file names is looked for beside it.
        let base = file.parent().unwrap_or(Path::new(""));
        Ok(Self::parse(&text, base).map_err(|found| Mistakes {
            file: PathBuf::from(file),
            found,
        })?)
    }

    /// The defaults with what a text says put over them; paths in it are relative to `base`.
    pub(crate) fn parse(text: &str, base: &Path) -> Result<Self, Vec<mistake::Mistake>> {
        let source = Source::new(text, base);
        let table = source.parse();
        let root = Section::root(&source, &table);
        let limits = limits(root.open("limits"));
        let mut shared = ClusterSettings::default();
        cluster::store(root.open("store"), &limits, &mut shared);
        cluster::cluster(root.open("cluster"), &mut shared);
        let settings = Self {
            server: server::read(root.open("server")),
            tokens: access::tokens(root.open("tokens"), &limits),
            api_keys: access::api_keys(root.each("api_keys")),
            policy: access::policy(root.open("policy"), access::displays(root.open("displays"))),
            content: content::moderation(root.open("moderation"), &limits),
            review: content::review(root.open("review")),
            ice: access::ice(root.open("ice")),
            socketio: server::socketio(root.open("socketio")),
            devices: catalogue::read(root.open("devices"), &limits),
            cluster: shared,
            tls: tls::tls(root.open("tls")),
            limits,
        };
        if settings.tls.is_none() && !root.open("tls").has("certificate") {
            server::wants_tls(|| root.open("server"), &settings.server);
        }
        root.close();
        let mistakes = source.into_mistakes();
        if mistakes.is_empty() {
            Ok(settings)
        } else {
            Err(mistakes)
        }
    }
}

fn limits(section: Section<'_, '_>) -> Limits {
    let mut limits = Limits::DEFAULT;
    for (name, _) in Limits::DEFAULT.entries() {
        let value = section.integer(name, 0..=Limits::CEILING);
        if value.is_some_and(|value| !limits.set(name, value)) {
            let wrong = format!("a whole number from 0 to {} is needed", u32::MAX);
            section.mistake(name, true, wrong);
        }
    }
    for broken in limits.broken() {
        let names = broken.names();
        // Of limits that do not go together, the defaults are not the ones to blame.
        let Some(blamed) = names.iter().find(|name| section.has(name)) else {
            continue;
        };
        let wrong = match &broken {
            Broken::Zero(_) | Broken::TooLarge(_) => broken.to_string(),
            Broken::Relation { says, .. } => format!("{says}; {}", values(&limits, &names)),
        };
        section.mistake(blamed, true, wrong);
    }
    section.close();
    limits
}

fn values(limits: &Limits, names: &[&str]) -> String {
    let entries = limits
        .entries()
        .into_iter()
        .filter(|(name, _)| names.contains(name));
    entries
        .map(|(name, value)| format!("{name} is {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// One of some words, or what would be right.
fn word<T>(text: &str, words: &[&str], parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    let known = words.contains(&text);
    parse(text).filter(|_| known).ok_or_else(|| {
        let near = mistake::nearest(text, words.iter().copied());
        let near = near.map(|near| format!("; `{near}` is near")).unwrap_or_default();
        format!("one of {} is needed{near}", words.join(", "))
    })
}

#[cfg(test)]
mod tests;
