//! `bongsu asyncapi`: the description of the message protocols.

use bongsu_edge::http;
use clap::Args;

/// Print the AsyncAPI description of the message protocols, as YAML.
#[derive(Args)]
pub(super) struct AsyncApi {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl AsyncApi {
    pub(super) fn run(&self) {
        let text = if self.json {
            http::asyncapi_json()
        } else {
            http::asyncapi_yaml()
        };
        super::say(text.trim_end());
    }
}
