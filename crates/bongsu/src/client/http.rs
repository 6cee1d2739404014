//! One HTTP request with a JSON body, and its answer.
//!
//! Invariant: a call ends within its time and holds at most so many bytes, whatever the other side does.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Longest answer in bytes: more than the largest page of anything.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpFault {
    #[error("no connection")]
    Connect(#[source] hyper_util::client::legacy::Error),
    #[error("the connection broke")]
    Broken(#[source] hyper_util::client::legacy::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the answer broke off, or has more than {ANSWER_BYTES_MAX} bytes")]
    Body,
    #[error("cannot load the system's certificates")]
    Roots(#[source] std::io::Error),
}

enum Connected {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A client for servers of one scheme.
pub(crate) struct Http {
    client: Connected,
    timeout: Duration,
}

impl Http {
    /// For URLs that begin as this one does. With https, what the system trusts is trusted.
    pub(crate) fn new(url: &Uri, timeout: Duration) -> Result<Self, HttpFault> {
        let builder = Client::builder(TokioExecutor::new());
        let client = if url.scheme_str() == Some("https") {
            let connector = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(HttpFault::Roots)?;
            Connected::Tls(builder.build(connector.https_only().enable_http1().build()))
        } else {
            Connected::Plain(builder.build(HttpConnector::new()))
        };
        Ok(Self { client, timeout })
    }

    /// Sends a request, and gives the status and the body of its answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Uri,
        header: Option<(HeaderName, HeaderValue)>,
        json: Option<String>,
    ) -> Result<(StatusCode, Bytes), HttpFault> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(ACCEPT, "application/json")
            .header(ACCEPT_LANGUAGE, locale().unwrap_or("en"))
            .header(USER_AGENT, concat!("bongsu/", env!("CARGO_PKG_VERSION")));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if json.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(json.unwrap_or_default()));
        let request = request
            .body(body)
            .expect("a checked URL and well-formed headers make a request");
        let answered = tokio::time::timeout(self.timeout, self.answer(request)).await;
        answered.map_err(|_| HttpFault::Timeout(self.timeout))?
    }

    /// Sends a GET with these headers, and gives its answer before the body: to upgrade the connection.
    pub(crate) async fn open(&self, url: &Uri, headers: HeaderMap) -> Result<Response<Incoming>, HttpFault> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers;
        let begun = tokio::time::timeout(self.timeout, self.begin(request)).await;
        begun.map_err(|_| HttpFault::Timeout(self.timeout))?
    }

    /// The body of an answer.
    pub(crate) async fn body(&self, answer: Response<Incoming>) -> Result<Bytes, HttpFault> {
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        let whole = tokio::time::timeout(self.timeout, body).await;
        let whole = whole.map_err(|_| HttpFault::Timeout(self.timeout))?;
        Ok(whole.map_err(|_| HttpFault::Body)?.to_bytes())
    }

    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, HttpFault> {
        let answered = match &self.client {
            Connected::Plain(client) => client.request(request).await,
            Connected::Tls(client) => client.request(request).await,
        };
        answered.map_err(|fault| match fault.is_connect() {
            true => HttpFault::Connect(fault),
            false => HttpFault::Broken(fault),
        })
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), HttpFault> {
        let answer = self.begin(request).await?;
        Ok((answer.status(), self.body(answer).await?))
    }
}

/// The language of texts for people, as the environment has it.
pub(crate) fn locale() -> Option<&'static str> {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    set.filter(|set| !set.is_empty())
        .map(|set| if set.starts_with("ko") { "ko" } else { "en" })
}

/// Whether a text is an absolute http or https URL.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    let url: Option<Uri> = text.parse().ok();
    let fits = url.is_some_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    if fits {
        Ok(())
    } else {
        Err("a URL that begins with http:// or https:// is needed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::check_url;

    #[test]
    fn urls_are_absolute() {
        for good in [
            "http://127.0.0.1:8000",
            "https://a.example/x?y",
            "http://[::1]:1/",
        ] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:8000",
            "/x",
            "ftp://a.example/",
            "http://",
            "http:///x",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
