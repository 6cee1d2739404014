//! The descriptions as they are served, and the page that shows them.

use std::path::Path;

use bongsu_edge::http::{asyncapi_json, asyncapi_yaml, openapi_yaml};

use crate::client::{Answer, request};
use crate::server::Server;

/// Set to write the file instead of comparing it.
const REGENERATE: &str = "BONGSU_REGENERATE";

async fn get(server: &Server, path: &str) -> Answer {
    server.raw(request("GET", path, &[], None)).await.unwrap()
}

#[test]
fn the_file_is_what_the_registries_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/asyncapi.yaml");
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, asyncapi_yaml()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == asyncapi_yaml(),
        "docs/asyncapi.yaml is stale: run these tests once with {REGENERATE}=1"
    );
}

#[tokio::test]
async fn descriptions_are_served_as_they_are_generated() {
    let server = Server::start().await;
    let yaml = openapi_yaml();
    for (path, kind, text) in [
        ("/asyncapi.json", "application/json", asyncapi_json()),
        ("/asyncapi.yaml", "application/yaml", asyncapi_yaml()),
        ("/openapi.yaml", "application/yaml", &yaml),
    ] {
        let answer = get(&server, path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(answer.text() == text, "{path}");
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; frame-ancestors 'none'"),
            "{path}"
        );
    }
    assert_eq!(get(&server, "/asyncapi.json").await.json()["asyncapi"], "3.0.0");
}

/// What stands in quotes behind each `before`.
fn quoted<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    text.split(before)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

#[tokio::test]
async fn the_page_and_all_that_it_loads_come_from_here() {
    let server = Server::start().await;
    let page = get(&server, "/docs").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let html = page.text();
    // What the policy forbids would not work: nothing may stand in the page itself.
    for inline in ["<style", "<script>", " style=", " onclick=", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    let mut wanted: Vec<String> = Vec::new();
    for place in ["src=\"", "rel=\"stylesheet\" href=\"", "rel=\"icon\" href=\""] {
        let found = quoted(html, place);
        assert!(!found.is_empty(), "{place}");
        wanted.extend(found.into_iter().map(|path| format!("/{path}")));
    }
    let mut seen = Vec::new();
    while let Some(path) = wanted.pop() {
        if seen.contains(&path) {
            continue;
        }
        let file = get(&server, &path).await;
        assert_eq!(file.status, 200, "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{path}");
        let kind = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            other => panic!("{path}: what is {other:?}?"),
        };
        assert_eq!(file.header("content-type"), Some(kind), "{path}");
        if path.ends_with(".js") {
            let imports = quoted(file.text(), " from \"./");
            wanted.extend(imports.into_iter().map(|name| format!("/docs/{name}")));
        }
        let elsewhere = file.text().replace("http://www.w3.org/2000/svg", "");
        assert!(
            !elsewhere.contains("http://") && !elsewhere.contains("https://"),
            "{path}"
        );
        seen.push(path);
    }
    assert!(seen.len() >= 7, "{seen:?}");
}

#[tokio::test]
async fn the_policy_is_looser_for_the_page_alone() {
    let server = Server::start().await;
    let strict = "default-src 'none'; frame-ancestors 'none'";
    let page = get(&server, "/docs").await;
    let policy = page.header("content-security-policy").unwrap().to_owned();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for path in [
        "/docs/docs.js",
        "/docs/nothing.js",
        "/healthz",
        "/api/v1/rooms",
        "/nowhere",
    ] {
        let answer = get(&server, path).await;
        assert_eq!(answer.header("content-security-policy"), Some(strict), "{path}");
    }
    get(&server, "/docs/nothing.js")
        .await
        .refused(404, "INVALID_ACTION");
    get(&server, "/docs/..%2f..%2fCargo.toml")
        .await
        .refused(404, "INVALID_ACTION");
    let moved = get(&server, "/docs/").await;
    assert_eq!((moved.status, moved.header("location")), (308, Some("../docs")));
}
