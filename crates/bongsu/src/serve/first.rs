//! The first start of a data folder: the node's name, and where to look next.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bongsu_edge::clock::SystemChance;
use bongsu_node::Chance as _;

use crate::settings::{self, ServerSettings};

/// The file in the data folder that has the node's name.
const NODE_ID: &str = "node-id";

/// The node's name: what it was told, else what the folder has, else a random one that the folder keeps.
pub(super) fn node_id(server: &ServerSettings) -> anyhow::Result<Arc<str>> {
    if let Some(id) = &server.node_id {
        return Ok(Arc::clone(id));
    }
    let path = server.data_dir.join(NODE_ID);
    let failed = || format!("the node's name cannot be kept in {}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let id = settings::node_id(text.trim()).map_err(anyhow::Error::msg);
            return id.with_context(|| {
                format!(
                    "{} has no name for a node; delete it for a new one",
                    path.display()
                )
            });
        }
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
        Err(fault) => return Err(fault).with_context(failed),
    }
    let id = format!("node-{:012x}", SystemChance.bits() >> 80);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    file.and_then(|mut file| writeln!(file, "{id}"))
        .with_context(failed)?;
    Ok(id.into())
}

/// Says where things are, once.
pub(super) fn tell(folder: &Path) {
    let folder = folder.display();
    tracing::info!(
        "first start: {folder} has the database and signing-key.pem, which signs tokens; keep both safe"
    );
    tracing::info!(
        "next: /docs on the HTTP address shows every message and every call; \
         `bongsu token --sub 1 --data-dir {folder}` makes a token, `bongsu config default` lists all settings"
    );
}
