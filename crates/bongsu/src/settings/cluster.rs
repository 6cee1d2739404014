//! `[store]` and `[cluster]`: where several nodes keep what they share, and how they hear of each other.
//!
//! Invariant: an address with a password in it is never shown.

use std::path::PathBuf;
use std::sync::Arc;

use bongsu_model::Limits;
use bongsu_store::{Durability, PostgresOptions};

use super::reader::Section;

/// Connections to the store, at most.
const CONNECTIONS_MAX: u64 = 1_000;
/// Transactions of appends at once, at most.
const LANES_MAX: u64 = 64;

/// The address of a server, with whatever secrets stand in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(Arc<str>);

impl Address {
    /// The address, for those who connect to it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(…)")
    }
}

/// Where several nodes keep what they share, and how they hear of each other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ClusterSettings {
    /// A PostgreSQL server; SQLite in the data folder if absent.
    pub(crate) store: Option<Address>,
    pub(crate) store_connections: Option<usize>,
    pub(crate) store_lanes: Option<usize>,
    /// A broker; without one there is one node.
    pub(crate) bus: Option<Address>,
    /// The key that signs tokens, the same on all nodes; the data folder's own if absent.
    pub(crate) signing_key: Option<PathBuf>,
}

pub(super) fn store(section: Section<'_, '_>, limits: &Limits, settings: &mut ClusterSettings) {
    settings.store = address(&section, |text| {
        postgres(text, limits, Durability::default()).map(drop)
    });
    let count = |key, max| {
        section
            .integer(key, 1..=max)
            .and_then(|count| usize::try_from(count).ok())
    };
    settings.store_connections = count("connections", CONNECTIONS_MAX);
    settings.store_lanes = count("lanes", LANES_MAX);
    section.close();
}

pub(super) fn cluster(section: Section<'_, '_>, settings: &mut ClusterSettings) {
    settings.bus = address(&section, backplane);
    settings.signing_key = section.file("signing_key");
    section.close();
}

fn address(section: &Section<'_, '_>, fits: impl FnOnce(&str) -> Result<(), String>) -> Option<Address> {
    let (key, secret) = section.secret_or_file("url", "url_file")?;
    match std::str::from_utf8(secret.expose()) {
        Ok(text) => match fits(text) {
            Ok(()) => return Some(Address(text.into())),
            Err(wrong) => section.mistake(key, false, wrong),
        },
        Err(_) => section.mistake(key, false, "an address is needed; this is not UTF-8"),
    }
    None
}

/// How to open the store of several nodes.
pub(crate) fn postgres(
    address: &str,
    limits: &Limits,
    durability: Durability,
) -> Result<PostgresOptions, String> {
    let mut options = PostgresOptions::new(address, limits).map_err(|wrong| wrong.to_string())?;
    options.durability = durability;
    Ok(options)
}

/// An address of the store, from a flag.
pub(crate) fn store_address(text: &str) -> Result<Address, String> {
    postgres(text, &Limits::DEFAULT, Durability::default()).map(|_| Address(text.into()))
}

/// An address of the backplane, from a flag.
pub(crate) fn bus_address(text: &str) -> Result<Address, String> {
    backplane(text).map(|()| Address(text.into()))
}

/// Whether a text is the address of a backplane.
fn backplane(text: &str) -> Result<(), String> {
    crate::serve::backplane::check(text)
}
