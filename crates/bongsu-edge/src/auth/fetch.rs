//! JWK sets behind URLs: one bounded request each time, no redirects, nothing but the answer itself believed.
//!
//! Invariant: a fetch ends within its time and holds at most its bound of bytes, whatever the other side does.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::header::{ACCEPT, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::jwks::{self, Provenance, ReadSet, SetFault};

/// How URLs are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSettings {
    /// How often a set is fetched again.
    pub refresh_ms: u64,
    /// How long after a failure the next try is; doubles up to `refresh_ms`.
    pub retry_ms: u64,
    /// A token with an unknown `kid` causes an early fetch, at most this often.
    pub unknown_kid_ms: u64,
    /// One fetch, from connecting to the last byte.
    pub timeout_ms: u64,
    /// The set's size.
    pub body_bytes_max: usize,
    /// Whether plain http is fine beyond loopback.
    pub allow_http: bool,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            refresh_ms: 900_000,
            retry_ms: 2_000,
            unknown_kid_ms: 300_000,
            timeout_ms: 5_000,
            body_bytes_max: 256 * 1024,
            allow_http: false,
        }
    }
}

/// Why an address of a JWK set was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UrlFault {
    /// Not an absolute http or https URL with a host.
    #[error("not an absolute https URL")]
    NotAUrl,
    /// Whoever is on the way could put in keys of his own.
    #[error("plain http is taken from loopback only, unless it is allowed in the configuration")]
    PlainHttp,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// It took too long.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// No connection, or it broke.
    #[error("cannot reach it")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// Another status than 200; redirects are not followed.
    #[error("answered with status {}", .0.as_u16())]
    Status(StatusCode),
    /// More than the bound.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The answer broke off.
    #[error("the answer broke off")]
    Body,
    /// Not a set of keys that we can use.
    #[error("{0}")]
    Set(#[from] SetFault),
}

/// Fetches JWK sets.
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    settings: FetchSettings,
}

impl Fetcher {
    /// Trusts what the system trusts.
    pub(super) fn new(settings: FetchSettings) -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .build();
        // Sets are fetched minutes apart: no connection is worth keeping.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self { client, settings })
    }

    pub(super) fn settings(&self) -> &FetchSettings {
        &self.settings
    }

    /// Fetches and reads one set.
    pub(super) async fn fetch(&self, url: &Uri) -> Result<ReadSet, FetchFault> {
        let timeout_ms = self.settings.timeout_ms;
        let body = tokio::time::timeout(Duration::from_millis(timeout_ms), self.body(url)).await;
        let body = body.map_err(|_| FetchFault::Timeout(timeout_ms))??;
        Ok(jwks::read(&body, Provenance::Url)?)
    }

    async fn body(&self, url: &Uri) -> Result<Bytes, FetchFault> {
        let request = Request::get(url.clone())
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .header(USER_AGENT, concat!("bongsu/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .expect("a checked URL and fixed headers make a request");
        let answer = self
            .client
            .request(request)
            .await
            .map_err(FetchFault::Connection)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchFault::Status(answer.status()));
        }
        let bytes_max = self.settings.body_bytes_max;
        match Limited::new(answer.into_body(), bytes_max).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(fault) if fault.is::<LengthLimitError>() => Err(FetchFault::TooLarge(bytes_max)),
            Err(_) => Err(FetchFault::Body),
        }
    }
}

/// Checks an address before anything is fetched from it.
pub(super) fn check_url(text: &str, settings: &FetchSettings) -> Result<Uri, UrlFault> {
    let url: Uri = text.parse().map_err(|_| UrlFault::NotAUrl)?;
    let host = url
        .host()
        .filter(|host| !host.is_empty())
        .ok_or(UrlFault::NotAUrl)?;
    match url.scheme_str() {
        Some("https") => {}
        Some("http") if settings.allow_http || is_loopback(host) => {}
        Some("http") => return Err(UrlFault::PlainHttp),
        _ => return Err(UrlFault::NotAUrl),
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback() {
        let strict = FetchSettings::default();
        for good in [
            "https://a.example/jwks",
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://localhost/x",
        ] {
            assert!(check_url(good, &strict).is_ok(), "{good}");
        }
        for plain in [
            "http://a.example/",
            "http://127.0.0.1.a.example/",
            "http://10.0.0.1/",
            "http://localhost.a/",
        ] {
            assert_eq!(check_url(plain, &strict), Err(UrlFault::PlainHttp), "{plain}");
        }
        for bad in [
            "",
            "/jwks",
            "a.example",
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
        ] {
            assert_eq!(check_url(bad, &strict), Err(UrlFault::NotAUrl), "{bad}");
        }
        let lax = FetchSettings {
            allow_http: true,
            ..strict
        };
        assert!(check_url("http://a.example/", &lax).is_ok());
    }
}
