//! `bongsu migrate`: the database brought to this version, while no server runs.

use std::path::PathBuf;

use anyhow::bail;
use bongsu_store::Sqlite;
use clap::Args;

use crate::serve::{DATABASE, refuse};

/// Bring a data folder to this version, without starting a server.
///
/// `bongsu serve` does the same at its start; this is for seeing it done before.
#[derive(Args)]
pub(super) struct Migrate {
    /// The data folder.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "bongsu-data",
        env = "BONGSU_DATA_DIR"
    )]
    data_dir: PathBuf,
}

impl Migrate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = self.data_dir.join(DATABASE);
        if !path.exists() {
            bail!(
                "there is no {}: name the data folder with --data-dir",
                path.display()
            );
        }
        let done = Sqlite::migrate(&path).or_else(|fault| refuse(fault, &path))?;
        if done.from == done.to {
            super::say(&format!("{}: schema {}, nothing to do", path.display(), done.to));
        } else {
            super::say(&format!(
                "{}: from schema {} to {}",
                path.display(),
                done.from,
                done.to
            ));
        }
        Ok(())
    }
}
