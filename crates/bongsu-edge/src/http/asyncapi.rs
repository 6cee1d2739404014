//! `/asyncapi.json` and `/asyncapi.yaml`: the description of the message protocols.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::yaml;

/// The description of all message protocols (AsyncAPI 3.0), as it is served.
#[must_use]
pub fn asyncapi_json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| bongsu_wire::asyncapi::document().to_string());
    &JSON
}

/// The same as YAML, as it is served and checked in.
#[must_use]
pub fn asyncapi_yaml() -> &'static str {
    /// What a reader looks for first.
    const ORDER: [&str; 6] = [
        "asyncapi",
        "info",
        "defaultContentType",
        "servers",
        "channels",
        "operations",
    ];
    static YAML: LazyLock<String> =
        LazyLock::new(|| yaml::ordered(&bongsu_wire::asyncapi::document(), &ORDER));
    &YAML
}

/// The description of the message protocols.
#[utoipa::path(get, operation_id = "descriptions_asyncapi_json", path = "/asyncapi.json", tag = "descriptions", security(()),
    responses((status = 200, description = "AsyncAPI 3.0", content_type = "application/json")))]
pub(super) async fn json() -> Response {
    ([(CONTENT_TYPE, "application/json")], asyncapi_json()).into_response()
}

/// The description of the message protocols, as YAML.
#[utoipa::path(get, operation_id = "descriptions_asyncapi_yaml", path = "/asyncapi.yaml", tag = "descriptions", security(()),
    responses((status = 200, description = "AsyncAPI 3.0", content_type = "application/yaml")))]
pub(super) async fn yaml() -> Response {
    ([(CONTENT_TYPE, yaml::MEDIA_TYPE)], asyncapi_yaml()).into_response()
}
