//! The description of the API: checked in as it is generated, and true to what is served.

use std::collections::BTreeSet;
use std::path::Path;

use bongsu_edge::http::{openapi, openapi_yaml};
use serde_json::Value;

use crate::client::request;
use crate::server::Server;

/// Set to write the file instead of comparing it.
const REGENERATE: &str = "BONGSU_REGENERATE";

#[test]
fn the_file_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.yaml");
    let generated = openapi_yaml();
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "docs/openapi.yaml is stale: run these tests once with {REGENERATE}=1"
    );
}

fn description() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

/// Every path with its methods.
fn described() -> Vec<(String, BTreeSet<String>)> {
    let description = description();
    let paths = description["paths"].as_object().unwrap();
    let methods = |item: &Value| {
        item.as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_ascii_uppercase())
            .collect()
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

#[tokio::test]
async fn every_path_is_served_with_just_its_methods() {
    let server = Server::start().await;
    for (path, methods) in described() {
        let concrete = path
            .replace("{video_room_id}", "1")
            .replace("{session_id}", "session_1");
        let concrete = concrete
            .replace("{user}", "1")
            .replace("{other}", "2")
            .replace("{room}", "1");
        assert!(!concrete.contains('{'), "{concrete}");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = server.raw(request(method, &concrete, &[], None)).await.unwrap();
            let known = methods.contains(method);
            let expected = if !known {
                405
            } else if path.starts_with("/api/") {
                401
            } else {
                200
            };
            assert_eq!(answer.status, expected, "{method} {path}");
        }
    }
}

#[test]
fn references_lead_somewhere_and_every_shape_is_used() {
    let description = description();
    let text = description.to_string();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(
            text.contains(&format!("\"#/components/schemas/{name}\"")),
            "{name} is used by nobody"
        );
    }
    let marker = "\"#/components/schemas/";
    for (at, _) in text.match_indices(marker) {
        let name = text[at + marker.len()..].split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} does not exist");
    }
}

#[test]
fn operations_have_names_of_their_own_and_say_what_they_do() {
    let description = description();
    let mut names = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(
                names.insert(name.clone()),
                "{name} of {method} {path} is not the only one"
            );
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path}"
            );
        }
    }
}
