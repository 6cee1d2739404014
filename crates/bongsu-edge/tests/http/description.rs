//! The description of the API: checked in as it is generated, and true to what is served.

use std::collections::BTreeSet;
use std::path::Path;

use bongsu_edge::http::{openapi, openapi_yaml};
use serde_json::{Value, json};

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
            .replace("{session_id}", "session_1")
            .replace("{node}", "test-node")
            .replace("{device}", "car-1")
            .replace("{display}", "Display_01")
            .replace("{preset}", "opening")
            .replace("{command}", &"0".repeat(32))
            .replace("{part}", "window")
            .replace("{action}", "open");
        let concrete = concrete
            .replace("{user}", "1")
            .replace("{other}", "2")
            .replace("{public_token}", "x")
            .replace("{token_id}", "x")
            .replace("{file}", "docs.css")
            .replace("{room}", "1");
        assert!(!concrete.contains('{'), "{concrete}");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = server.raw(request(method, &concrete, &[], None)).await.unwrap();
            let known = methods.contains(method);
            let expected = if !known {
                405
            } else if path.starts_with("/api/") {
                401
            } else if path == "/ws" || path == "/device" {
                // Without an upgrade it is nothing.
                400
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

/// The schema that a reference leads to.
fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => description.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Fields are read by hand, so this proves that each described one is read, under its described name.
#[tokio::test]
async fn every_described_field_of_a_body_is_read() {
    let server = Server::start().await;
    server.users(1..=3).await;
    server.room(json!({ "members": [1] })).await;
    let description = description();
    let mut fields = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            // A body that may be left out is one of nothing and its shape.
            let shape = schema["oneOf"]
                .as_array()
                .map_or(schema, |two| two.last().unwrap());
            let shape = resolved(&description, shape);
            for name in shape["properties"]
                .as_object()
                .map(|it| it.keys())
                .into_iter()
                .flatten()
            {
                let path = path.replace("{user}", "3").replace("{room}", "1");
                let path = path
                    .replace("{device}", "car-1")
                    .replace("{display}", "Display_01");
                let path = path.replace("{preset}", "opening");
                let mut body = shape["example"].clone();
                if method == "patch" {
                    // What must not be changed would be refused first.
                    body = json!({});
                }
                let kind = &shape["properties"][name]["type"];
                let is_flag =
                    kind == "boolean" || kind.as_array().is_some_and(|it| it.contains(&json!("boolean")));
                body[name] = if is_flag { json!(1) } else { json!(true) };
                let answer = server
                    .service(&method.to_ascii_uppercase(), &path, Some(body))
                    .await;
                let problem = answer.refused(422, "INVALID_DATA");
                assert_eq!(problem["field"], name.as_str(), "{method} {path}");
                fields += 1;
            }
        }
    }
    assert!(fields > 30, "only {fields} fields were found");
}

/// What is answered has the described fields, and no others.
#[tokio::test]
async fn answers_have_the_described_shape() {
    let server = Server::start().await;
    server.users(1..=2).await;
    let user = server.service("GET", "/api/v1/users/1", None).await.is(200);
    let public_token = user["public_token"].as_str().unwrap();
    server.room(json!({ "members": [1, 2] })).await;
    let post = json!({ "content": "x", "sender_id": 1 });
    server
        .service("POST", "/api/v1/rooms/1/messages", Some(post))
        .await
        .is(201);
    let _session = crate::sessions::sign_in(&server, "1/user").await;
    let (_car, command) = crate::car::used(&server).await;
    let _screen = crate::displays::busy(&server).await;
    let description = description();
    for (path, item) in description["paths"].as_object().unwrap() {
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        if !schema.is_object() || path.contains("{video_room_id}") {
            continue;
        }
        // Of a device's connection it takes one over a socket: tests/devices has them.
        if path.ends_with("/connection") {
            continue;
        }
        let path = path
            .replace("{user}", "1")
            .replace("{room}", "1")
            .replace("{public_token}", public_token)
            .replace("{node}", "test-node")
            .replace("{device}", "car-1")
            .replace("{display}", "Display_01")
            .replace("{preset}", "opening")
            .replace("{command}", &command);
        let answer = server.service("GET", &path, None).await.is(200);
        fits(&description, schema, &answer, &path);
    }
}

fn fits(description: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(description, schema);
    match value {
        Value::Object(fields) => {
            let Some(described) = schema["properties"].as_object() else {
                return;
            };
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    fields.contains_key(name.as_str().unwrap()),
                    "{place} lacks {name}"
                );
            }
            for (name, value) in fields {
                let schema = described
                    .get(name)
                    .unwrap_or_else(|| panic!("{place}.{name} is not described"));
                fits(description, schema, value, &format!("{place}.{name}"));
            }
        }
        Value::Array(entries) => {
            assert_eq!(schema["type"], "array", "{place}");
            entries
                .iter()
                .for_each(|entry| fits(description, &schema["items"], entry, place));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let name = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "integer",
                Value::String(_) | Value::Object(_) | Value::Array(_) => "string",
            };
            let types = &schema["type"];
            if types.is_null() {
                // It may be anything.
                return;
            }
            let told = types == name
                || types
                    .as_array()
                    .is_some_and(|types| types.iter().any(|it| it == name));
            assert!(told, "{place} is {name}, described as {types}");
        }
    }
}
