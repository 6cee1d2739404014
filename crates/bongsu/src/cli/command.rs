//! `bongsu command`: has a device do something, and says what became of it.

use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value};

use super::devices::{pair, path};
use super::output::fields;
use super::remote::block_on;
use crate::client::{Access, Api};

const WAITS: [&str; 3] = ["accepted", "received", "done"];

/// Have a device do something.
///
/// Ends with 0 if the command is under way or the device has done it, and with 1 if it was refused or ended in another way.
#[derive(Args)]
pub(super) struct Command {
    /// The device's id.
    device: String,
    /// The command's name in the catalogue.
    name: String,
    /// Its arguments: values are JSON, or else text.
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    args: Vec<(String, Value)>,
    /// What to wait for.
    #[arg(long, default_value = "done", value_parser = WAITS)]
    wait: String,
    /// How long it may be sent, in milliseconds [default: as the catalogue says].
    #[arg(long, value_name = "MS")]
    ttl: Option<u64>,
    /// While the device is connected nowhere [default: as the catalogue says].
    #[arg(long, value_name = "fail|queue", value_parser = ["fail", "queue"])]
    if_offline: Option<String>,
    /// A key of your own: the same command with the same key is sent once.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    access: Access,
}

impl Command {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let ran = block_on(async {
            let api = Api::new(&self.access)?;
            let at = format!("{}/commands", path(&self.device));
            api.post(&at, self.body()).await
        })?;
        super::say(&if self.access.json {
            ran.to_string()
        } else {
            fields(&ran)
        });
        let state = ran.get("state").and_then(Value::as_str).unwrap_or_default();
        if ["failed", "rejected", "superseded", "cancelled"].contains(&state) {
            bail!("the device has not done it: the command ended as {state}");
        }
        Ok(())
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        let args = self.args.iter().cloned().collect();
        body.insert("name".to_owned(), self.name.as_str().into());
        body.insert("args".to_owned(), Value::Object(args));
        body.insert("wait".to_owned(), self.wait.as_str().into());
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("ttl_ms", self.ttl.map(Value::from));
        put("if_offline", self.if_offline.as_deref().map(Value::from));
        put("idempotency_key", self.key.as_deref().map(Value::from));
        Value::Object(body)
    }
}
