//! The bodies of requests: JSON, of a bounded size.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bongsu_model::{Code, Refusal};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::fields::Fields;
use super::problem::{Problem, Says};
use super::service::App;

/// A JSON body, not yet read.
pub(super) struct JsonBody {
    bytes: Bytes,
    depth_max: usize,
}

impl JsonBody {
    /// The object that it is.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Refusal> {
        Fields::read(&self.bytes, self.depth_max)
    }

    /// The object that it is; nothing at all, and `null`, count as an empty one.
    pub(super) fn fields_if_any(&self) -> Result<Fields<'_>, Refusal> {
        let nothing = matches!(self.bytes.trim_ascii(), b"" | b"null");
        Fields::read(if nothing { b"{}" } else { &self.bytes }, self.depth_max)
    }
}

impl FromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = collect(&parts.headers, body, app.limits().http_body_bytes_max).await?;
        if !bytes.is_empty() {
            check_media(&parts.headers)?;
        }
        Ok(Self {
            bytes,
            depth_max: app.limits().json_depth_max,
        })
    }
}

/// All of a body, or a refusal as soon as it is too large.
pub(super) async fn collect(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::from(Refusal::too_large("body", bytes_max as u64));
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(too_large()),
        // The connection broke off, so nobody reads this.
        Err(_) => Err(Refusal::new(Code::InvalidData).into()),
    }
}

fn check_media(headers: &HeaderMap) -> Result<(), Problem> {
    const STATUS: StatusCode = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let text = |name| {
        headers
            .get(name)
            .map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or("?"))
    };
    if text(CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Problem::new(
            STATUS,
            Code::InvalidData,
            "content_encoding",
            Says::ContentCoding,
        ));
    }
    let media = text(CONTENT_TYPE)
        .unwrap_or("")
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    if media == "application/json" || (media.starts_with("application/") && media.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::new(
        STATUS,
        Code::InvalidData,
        "media_type",
        Says::MediaType,
    ))
}
