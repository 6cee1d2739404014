//! The configuration: flag over environment over file over default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bongsu_model::{Limits, Locale};

/// All that a server is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) dev: bool,
    pub(crate) locale: Locale,
    pub(crate) limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "bongsu-data".into(),
            http: ([127, 0, 0, 1], 8_000).into(),
            tcp: ([127, 0, 0, 1], 12_345).into(),
            dev: false,
            locale: Locale::Ko,
            limits: Limits::DEFAULT,
        }
    }
}

impl Settings {
    /// Takes over what a file says.
    pub(crate) fn read(&mut self, file: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("{} is not TOML", file.display()))?;
        if let Some(limits) = table.get("limits").and_then(toml::Value::as_table) {
            for (name, value) in limits {
                let value = value.as_integer().and_then(|value| u64::try_from(value).ok());
                let Some(value) = value else { bail!("limits.{name}: a whole number is needed") };
                if !self.limits.set(name, value) {
                    bail!("limits.{name}: there is no such limit, or {value} does not fit it");
                }
            }
        }
        Ok(())
    }
}
