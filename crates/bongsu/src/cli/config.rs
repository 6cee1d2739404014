//! `bongsu config default`: a complete configuration to begin with.

use clap::{Args, Subcommand};

use crate::settings::default_toml;

#[derive(Args)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Every setting with its default and its reason, as TOML.
    Default,
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Default => super::say(default_toml().trim_end()),
        };
        Ok(())
    }
}
