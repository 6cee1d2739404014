//! `bongsu openapi`: the HTTP API's own description.

use anyhow::Context;
use bongsu_edge::http;
use clap::Args;

/// Print the OpenAPI description of the HTTP API, as JSON.
#[derive(Args)]
pub(super) struct OpenApi {
    /// As YAML.
    #[arg(long)]
    yaml: bool,
}

impl OpenApi {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let text = if self.yaml {
            http::openapi_yaml()
        } else {
            http::openapi()
                .to_pretty_json()
                .context("the description cannot be written")?
        };
        super::say(text.trim_end());
        Ok(())
    }
}
