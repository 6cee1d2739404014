//! The document: whole, the same each time, and with an example of everything.

use std::collections::BTreeSet;

use bongsu_wire::asyncapi::{PROTOCOLS, document};
use serde_json::Value;

fn keys(value: &Value) -> impl Iterator<Item = &String> {
    value.as_object().unwrap().keys()
}

/// Every reference in a value.
fn references<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            out.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|it| references(it, out));
        }
        Value::Array(entries) => entries.iter().for_each(|it| references(it, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn references_lead_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn keys_are_such_as_the_format_allows() {
    let document = document();
    let components = &document["components"];
    let parts = [
        &document["channels"],
        &document["operations"],
        &document["servers"],
    ];
    let parts = parts.into_iter().chain(components.as_object().unwrap().values());
    for key in parts.flat_map(keys) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(key.chars().all(plain), "{key}");
    }
}

#[test]
fn every_message_is_there_with_an_example_of_itself() {
    let document = document();
    let messages = &document["components"]["messages"];
    let count: usize = PROTOCOLS.iter().map(|it| it.messages().count()).sum();
    assert_eq!(keys(messages).count(), count, "no two messages have one key");
    for (key, message) in messages.as_object().unwrap() {
        let examples = message["examples"].as_array().map_or(0, Vec::len);
        assert!(
            examples > 0,
            "{key} has no example: name a vector of it in asyncapi/examples.rs"
        );
    }
}

#[test]
fn every_request_is_received_and_all_else_is_sent_or_answers() {
    let document = document();
    let mut used = BTreeSet::new();
    for (key, operation) in document["operations"].as_object().unwrap() {
        let message = operation["messages"][0]["$ref"].as_str().unwrap();
        let asks = message.contains("/messages/request.");
        assert_eq!(operation["action"] == "receive", asks, "{key}");
        assert_eq!(operation["reply"].is_object(), asks, "{key}");
        let answers = operation["reply"]["messages"].as_array().into_iter().flatten();
        used.extend(answers.map(|it| it["$ref"].as_str().unwrap()).chain([message]));
    }
    let mut all = BTreeSet::new();
    for (channel, it) in document["channels"].as_object().unwrap() {
        all.extend(keys(&it["messages"]).map(|key| format!("#/channels/{channel}/messages/{key}")));
    }
    assert_eq!(used, all.iter().map(String::as_str).collect());
}
