//! `bongsu explain`: what happened to a command, and how it stands with a device, in words.

mod command;
mod device;
mod display;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::devices::path;
use super::remote::Remote;
use super::tongue::Tongue;
use crate::client::{Access, part};

/// Explain in words what happened to a command, or how it stands with a device.
///
/// In the language of LANG: English or Korean.
#[derive(Args)]
pub(super) struct Explain {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    access: Access,
}

#[derive(Subcommand)]
enum What {
    /// Who asked for a command, what joined it, when it was written to which session, and what came back.
    Command {
        /// The command's id: 32 hex digits.
        id: String,
    },
    /// Whether a device is there, who has it, what it has still to do, and its last commands.
    Device {
        /// The device's id.
        id: String,
    },
}

/// Commands of a device that are shown.
const COMMANDS: usize = 10;

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let tongue = Tongue::own();
        Remote::new(self.access).run(async |api| match self.what {
            What::Command { id } => {
                let command = api.get(&format!("/commands/{}", part(&id))).await?;
                let words = command::words(&command, tongue);
                Ok((command, words))
            }
            What::Device { id } => {
                let at = path(&id);
                let device = api.get(&at).await?;
                let state = api.get(&format!("{at}/state")).await?;
                let lease = api.get(&format!("{at}/lease")).await?;
                let mut commands = api.get(&format!("{at}/commands?limit={COMMANDS}")).await?;
                let commands = commands.get_mut("commands").map(Value::take);
                let commands = commands.context("the server's answer has no commands")?;
                // Who has just gone has none to be shown.
                let connection = if device["online"] == true {
                    api.get(&format!("{at}/connection")).await.unwrap_or(Value::Null)
                } else {
                    Value::Null
                };
                // What a display says of itself; one that has just gone is told of as a device.
                let display = if device["kind"] == "display" {
                    api.get(&format!("/displays/{}", part(&id))).await.unwrap_or(Value::Null)
                } else {
                    Value::Null
                };
                let mut all = serde_json::json!({
                    "connection": connection, "device": device, "state": state, "lease": lease, "commands": commands
                });
                if display.is_object() {
                    all["display"] = display;
                }
                let words = device::words(&all, tongue);
                Ok((all, words))
            }
        })
    }
}

/// A text of an object; nothing where there is none.
fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}
