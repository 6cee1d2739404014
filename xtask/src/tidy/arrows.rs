//! Which crate may depend on which, checked against cargo's own metadata.
//!
//! Normal dependencies only: a test may use what the product may not.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;

/// Arrows inside the workspace. `model` is allowed to everybody.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "bongsu",
        &["edge", "node", "store", "bus", "agent", "bench", "device"],
    ),
    ("model", &[]),
    ("core", &[]),
    ("proto", &[]),
    ("wire", &["proto"]),
    ("store", &[]),
    ("bus", &["wire"]),
    ("node", &["core", "store", "bus"]),
    ("edge", &["node", "wire", "proto"]),
    ("agent", &["device", "wire"]),
    ("bench", &["wire"]),
    ("device", &["wire"]),
    ("sim", &["node", "wire", "store", "bus"]),
    ("xtask", &[]),
];

/// Crates that may use only these third-party libraries.
const ONLY: &[(&str, &[&str])] = &[
    ("model", &["bytes", "thiserror"]),
    (
        "core",
        &[
            "aho-corasick",
            "bytes",
            "regex",
            "thiserror",
            "unicode-normalization",
        ],
    ),
];

/// Libraries that a crate may not use, and why.
const NEVER: &[(&str, &str, &str)] = &[
    ("wire", "tokio", "codecs are pure: bytes in, frames out"),
    ("node", "serde_json", "the node knows no encoding"),
    ("edge", "rusqlite", "sockets do not speak SQL"),
    ("edge", "tokio-postgres", "sockets do not speak SQL"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

pub(super) fn check(metadata: &str) -> Result<Vec<Finding>> {
    let metadata: Metadata = serde_json::from_str(metadata).context("cargo metadata")?;
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let from = short(&package.name);
        let Some(allowed) = arrows.get(from) else {
            findings.push(Finding::of(
                &package.name,
                "a new crate: give it its arrows in xtask/src/tidy/arrows.rs",
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind.is_none()) {
            if let Some(message) = refuse(from, allowed, dependency) {
                findings.push(Finding::of(&package.name, message));
            }
        }
    }
    Ok(findings)
}

fn refuse(from: &str, allowed: &[&str], dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    if let Some(to) = name
        .strip_prefix("bongsu-")
        .or((name == "bongsu").then_some("bongsu"))
    {
        let fine = allowed.contains(&to) || (to == "model" && !["xtask", "proto"].contains(&from));
        return (!fine)
            .then(|| format!("must not depend on {name}: the arrow {from} → {to} is not in the house"));
    }
    if let Some((_, only)) = ONLY.iter().find(|(krate, _)| *krate == from)
        && !only.contains(&name)
    {
        return Some(format!(
            "must not depend on {name}: {from} uses only {}",
            only.join(", ")
        ));
    }
    NEVER
        .iter()
        .find(|(krate, banned, _)| *krate == from && *banned == name)
        .map(|(_, _, why)| format!("must not depend on {name}: {why}"))
}

fn short(name: &str) -> &str {
    name.strip_prefix("bongsu-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(package: &str, dependencies: &[(&str, Option<&str>)]) -> Vec<String> {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind }))
            .collect();
        let metadata = serde_json::json!({ "packages": [{ "name": package, "dependencies": dependencies }] });
        check(&metadata.to_string())
            .unwrap()
            .into_iter()
            .map(|f| f.to_string())
            .collect()
    }

    #[test]
    fn arrows_of_the_house_pass() {
        assert!(
            findings(
                "bongsu-node",
                &[("bongsu-core", None), ("bongsu-model", None), ("tokio", None)]
            )
            .is_empty()
        );
        assert!(findings("bongsu-core", &[("bytes", None), ("proptest", Some("dev"))]).is_empty());
    }

    #[test]
    fn an_arrow_against_the_stream_is_found() {
        let found = findings("bongsu-store", &[("bongsu-bus", None)]);
        assert!(found[0].contains("store → bus"), "{found:?}");
        assert_eq!(findings("bongsu-core", &[("bongsu-node", None)]).len(), 1);
    }

    #[test]
    fn a_foreign_library_in_a_pure_crate_is_found() {
        assert!(findings("bongsu-model", &[("serde", None)])[0].contains("bytes, thiserror"));
        assert!(findings("bongsu-core", &[("tokio", None)])[0].contains("must not depend on tokio"));
        assert!(findings("bongsu-wire", &[("tokio", None)])[0].contains("pure"));
    }

    #[test]
    fn an_unknown_crate_is_found() {
        assert!(findings("bongsu-extra", &[])[0].contains("a new crate"));
    }
}
