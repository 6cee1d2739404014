//! `bongsu device create|list|show|state|enrol|delete|disconnect`: devices of a running server.

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::output::{fields, table};
use super::remote::{Remote, pages};
use crate::client::{Access, Api, part};

/// What can be done with the devices of a running server.
#[derive(Subcommand)]
pub(super) enum Devices {
    /// Register a device.
    Create(Create),
    /// List devices, ascending by id.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        access: Access,
    },
    /// Show all about one device.
    Show(Of),
    /// Show what a device should be and what it says it is; with KEY=VALUE change what it should be.
    State(State),
    /// Make a token that lets the device in; it is shown this once.
    Enrol(Of),
    /// Forget a device, with its state and its commands.
    Delete(Of),
    /// End a device's session; it may come back.
    Disconnect(Of),
}

#[derive(Args)]
pub(super) struct Of {
    /// The device's id.
    device: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Args)]
pub(super) struct Create {
    /// The device's id: 1 to 128 of A-Z a-z 0-9 . _ : -
    device: String,
    /// What it is, such as vehicle or display [default: device].
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Args)]
pub(super) struct State {
    /// The device's id.
    device: String,
    /// What it should be: values are JSON, or else text; null takes a key away.
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    desired: Vec<(String, Value)>,
    /// After so many milliseconds nobody wishes it any more [default: until it is changed].
    #[arg(long, value_name = "MS", requires = "desired")]
    ttl_ms: Option<u64>,
    #[command(flatten)]
    access: Access,
}

/// `key=value`: the value as JSON if it is some, or else as text.
pub(super) fn pair(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "KEY=VALUE is needed, such as position=open".to_owned())?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((key.to_owned(), value))
}

impl State {
    fn body(&self) -> Value {
        let desired: Map<String, Value> = self.desired.iter().cloned().collect();
        let kept = desired.iter().filter(|(_, value)| !value.is_null());
        let ttl: Map<String, Value> = match self.ttl_ms {
            Some(ms) => kept.map(|(key, _)| (key.clone(), ms.into())).collect(),
            None => Map::new(),
        };
        json!({ "desired": desired, "ttl_ms": ttl })
    }
}

/// The path of a device.
pub(super) fn path(device: &str) -> String {
    format!("/devices/{}", part(device))
}

impl Devices {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let access = match &self {
            Self::Create(Create { access, .. })
            | Self::List { access, .. }
            | Self::State(State { access, .. })
            | Self::Show(Of { access, .. })
            | Self::Enrol(Of { access, .. })
            | Self::Delete(Of { access, .. })
            | Self::Disconnect(Of { access, .. }) => access.clone(),
        };
        Remote::new(access).run(async |api| self.carry_out(api).await)
    }

    async fn carry_out(self, api: &Api) -> anyhow::Result<(Value, String)> {
        const DEVICE: [&str; 6] = ["device_id", "kind", "version", "online", "epoch", "last_seen"];
        let in_words = |answer: Value| {
            let words = fields(&answer);
            (answer, words)
        };
        Ok(match self {
            Self::Create(it) => {
                let mut body = json!({ "device_id": it.device });
                if let Some(kind) = it.kind {
                    body["kind"] = kind.into();
                }
                in_words(api.post("/devices", body).await?)
            }
            Self::List { limit, .. } => {
                let devices = pages(api, "/devices", "devices", limit).await?;
                let words = table(&devices, &DEVICE);
                (Value::Array(devices), words)
            }
            Self::Show(of) => in_words(api.get(&path(&of.device)).await?),
            Self::State(it) => {
                let at = format!("{}/state", path(&it.device));
                in_words(if it.desired.is_empty() {
                    api.get(&at).await?
                } else {
                    api.call(Method::PATCH, &at, Some(it.body())).await?
                })
            }
            Self::Enrol(of) => {
                let at = format!("{}/enrolments", path(&of.device));
                in_words(api.post(&at, json!({})).await?)
            }
            Self::Delete(of) => {
                let answer = api.delete(&path(&of.device)).await?;
                (answer, format!("device {} is forgotten", of.device))
            }
            Self::Disconnect(of) => {
                let at = format!("{}/disconnect", path(&of.device));
                let answer = api.post(&at, json!({})).await?;
                (answer, format!("the session of device {} is ended", of.device))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_else_text() {
        assert_eq!(pair("a=1"), Ok(("a".into(), json!(1))));
        assert_eq!(pair("a=open"), Ok(("a".into(), json!("open"))));
        assert_eq!(pair("a=\"1\""), Ok(("a".into(), json!("1"))));
        assert_eq!(pair("a={\"b\":[true]}"), Ok(("a".into(), json!({ "b": [true] }))));
        assert_eq!(pair("a="), Ok(("a".into(), json!(""))));
        assert_eq!(pair("a=b=c"), Ok(("a".into(), json!("b=c"))));
        assert!(pair("open").is_err() && pair("=1").is_err());
    }
}
