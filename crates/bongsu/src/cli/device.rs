//! `bongsu device`: what concerns devices.

use clap::{Args, Subcommand};

use super::simulate::Simulate;

/// Devices: play one.
#[derive(Args)]
pub(super) struct Device {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Simulate(Simulate),
}

impl Device {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Simulate(simulate) => simulate.run(),
        }
    }
}
