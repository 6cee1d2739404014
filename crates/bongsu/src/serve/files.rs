//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Files that a server needs beside its connections: the database, its readers, listeners, what it fetches.
const SPARE: u64 = 128;

/// Raises the limit as far as the system allows, and says so if that is too little.
pub(super) fn raise(connections_max: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(fault) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%fault, "the limit of open files cannot be raised");
        }
    }
    let Some(allowed) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let wanted = (connections_max as u64).saturating_add(SPARE);
    if wanted > allowed {
        tracing::warn!(
            allowed,
            connections_max,
            "fewer files may be open than connections; about {} connections fit (raise `ulimit -n` or LimitNOFILE)",
            allowed.saturating_sub(SPARE)
        );
    }
}
