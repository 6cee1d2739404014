//! `/docs`: both descriptions for people, on a page whose every file stands inside the binary.
//!
//! Invariant: the page loads nothing from elsewhere and runs nothing that is not one of these files.

use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};

use super::problem::Problem;

/// What the page may do: load its own files and the descriptions.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        ($name, $kind, include_str!(concat!("../../assets/docs/", $name)))
    };
}

/// Each file's name, media type and text.
const FILES: [(&str, &str, &str); 7] = [
    asset!("docs.css", "text/css; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
    asset!("docs.js", SCRIPT),
    asset!("parts.js", SCRIPT),
    asset!("messages.js", SCRIPT),
    asset!("calls.js", SCRIPT),
    asset!("words.js", SCRIPT),
];

/// The descriptions, for people.
#[utoipa::path(get, operation_id = "descriptions_docs", path = "/docs", tag = "descriptions", security(()),
    responses((status = 200, description = "A page", content_type = "text/html")))]
pub(super) async fn page() -> Response {
    let mut response = file(
        "text/html; charset=utf-8",
        include_str!("../../assets/docs/index.html"),
    );
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// The page's own references are relative to where it is.
pub(super) async fn with_slash() -> Redirect {
    Redirect::permanent("../docs")
}

/// One of the page's files.
#[utoipa::path(get, operation_id = "descriptions_docs_file", path = "/docs/{file}", tag = "descriptions", security(()),
    params(("file" = String, Path, description = "One that the page asks for.", example = "docs.css")),
    responses((status = 200, description = "A script, a style or an icon"), (status = 404, description = "There is none")))]
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = FILES.iter().find(|it| it.0 == name);
    let (_, kind, text) = found.ok_or_else(Problem::no_route)?;
    Ok(file(kind, text))
}

/// Asked for anew whenever the page is loaded: another version of the server has other files under the same names.
fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
}
