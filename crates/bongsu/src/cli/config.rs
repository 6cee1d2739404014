//! `bongsu config`: a complete configuration, and a catalogue of commands, to begin with.

use clap::{Args, Subcommand};

use crate::settings::{EXAMPLE, default_toml};

#[derive(Args)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Every setting with its default and its reason, as TOML.
    Default,
    /// A catalogue of commands with every setting and its reason, for a car and a display, as TOML.
    Catalogue,
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Default => super::say(default_toml().trim_end()),
            What::Catalogue => super::say(EXAMPLE.trim_end()),
        };
        Ok(())
    }
}
