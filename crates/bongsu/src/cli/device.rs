//! `bongsu device`: what concerns devices.

use clap::{Args, Subcommand};

use super::devices::Devices;
use super::simulate::Simulate;

/// Devices: register, list and look after them, or play one.
#[derive(Args)]
pub(super) struct Device {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    #[command(flatten)]
    LookAfter(Devices),
    Simulate(Simulate),
}

impl Device {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::LookAfter(devices) => devices.run(),
            What::Simulate(simulate) => simulate.run(),
        }
    }
}
