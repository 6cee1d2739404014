//! `bongsu check`: every mistake of a configuration at once, and whether a data folder is sound.
//!
//! Invariant: it changes nothing, and may run beside a server.

use std::path::{Path, PathBuf};

use anyhow::bail;
use bongsu_edge::auth::Signer;
use bongsu_store::sqlite;
use clap::Args;

use crate::serve::{DATABASE, refuse};
use crate::settings::{Settings, load_catalogue};

/// Look for mistakes in a configuration, and for damage in a data folder.
///
/// Prints every mistake with its file, line, key and what would be right. Changes nothing.
#[derive(Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Check {
    /// The configuration to check, with the key files and lists that it names.
    #[arg(long, value_name = "FILE", env = "BONGSU_CONFIG")]
    config: Option<PathBuf>,
    /// A catalogue of commands to check, by the limits of the configuration or else the default ones.
    #[arg(long, value_name = "FILE", env = "BONGSU_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// The data folder to check: its key, its database and whether what is in it fits together.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self
            .config
            .as_deref()
            .map(|file| (file, Settings::load(Some(file))));
        // By the configuration's own limits, if it is one.
        let limits = config.as_ref().and_then(|(_, loaded)| loaded.as_ref().ok());
        let limits = limits.map(|settings| settings.limits.clone()).unwrap_or_default();
        let catalogue = self
            .catalogue
            .as_deref()
            .map(|file| (file, load_catalogue(file, &limits)));
        let folder = self.data_dir.as_deref().map(|folder| (folder, examine(folder)));
        let mut failed = 0;
        if let Some((file, loaded)) = config {
            match loaded {
                Ok(_) => eprintln!("{}: no mistakes", file.display()),
                Err(mistakes) => {
                    failed += 1;
                    eprintln!("{mistakes:#}");
                }
            }
        }
        if let Some((file, loaded)) = catalogue {
            match loaded {
                Ok(catalogue) => eprintln!(
                    "{}: no mistakes in {} commands",
                    file.display(),
                    catalogue.entries().count()
                ),
                Err(mistakes) => {
                    failed += 1;
                    eprintln!("{mistakes:#}");
                }
            }
        }
        if let Some((folder, examined)) = folder {
            match examined {
                Ok(()) => eprintln!("{}: sound", folder.display()),
                Err(fault) => {
                    failed += 1;
                    eprintln!("{fault:#}");
                }
            }
        }
        if failed > 0 {
            bail!("the check failed");
        }
        Ok(())
    }
}

fn examine(folder: &Path) -> anyhow::Result<()> {
    Signer::load(folder)?;
    let path = folder.join(DATABASE);
    if !path.exists() {
        bail!(
            "{} has no {DATABASE}: no server has run there yet",
            folder.display()
        );
    }
    let findings = sqlite::check(&path).or_else(|fault| refuse(fault, &path))?;
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{}: {finding}", path.display());
    }
    bail!(
        "{} is damaged in {} ways: restore a backup",
        path.display(),
        findings.len()
    )
}
