//! What all commands have in common that call a running server.

use anyhow::Context;
use serde_json::Value;

use crate::client::{Access, Api};

/// Whose handle is used where a user is needed and none was named. Made by the server when first seen.
pub(super) const NOBODY: &str = "bongsu-cli";
/// Where a server that was told nothing takes the action protocol.
pub(super) const TCP: &str = "127.0.0.1:12345";

/// Entries of a page of a list.
const PAGE: usize = 200;

/// A command that calls a running server.
pub(super) struct Remote {
    access: Access,
}

impl Remote {
    pub(super) fn new(access: Access) -> Self {
        Self { access }
    }

    /// Carries a call out, and says its answer: as JSON if that was asked for, else in words.
    pub(super) fn run(
        self,
        call: impl AsyncFnOnce(&Api) -> anyhow::Result<(Value, String)>,
    ) -> anyhow::Result<()> {
        let (answer, words) = block_on(async {
            let api = Api::new(&self.access)?;
            call(&api).await
        })?;
        super::say(&if self.access.json {
            answer.to_string()
        } else {
            words
        });
        Ok(())
    }
}

/// Runs what waits for the network, on this thread.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime cannot be started")?.block_on(work)
}

/// The first entries of a list, over as many pages as that takes.
pub(super) async fn pages(api: &Api, path: &str, name: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    while entries.len() < limit {
        let join = if path.contains('?') { '&' } else { '?' };
        let count = (limit - entries.len()).min(PAGE);
        let mut page = api.get(&format!("{path}{join}limit={count}{cursor}")).await?;
        if let Some(Value::Array(more)) = page.get_mut(name).map(Value::take) {
            entries.extend(more);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(entries)
}
