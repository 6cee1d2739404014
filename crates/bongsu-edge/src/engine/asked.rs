//! What stands in the address of a request.
//!
//! Invariant: nothing that counts may stand there twice: two readers of two could each take another.

use axum::extract::Query;
use axum::http::Uri;
use bongsu_wire::socketio::engine::Version;
use serde::Deserialize;

use super::answer::{Form, Refused};

/// How a client wants to be connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    Polling,
    WebSocket,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) transport: Transport,
    pub(super) sid: Option<String>,
    pub(super) token: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) form: Form,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "EIO")]
    version: Option<String>,
    transport: Option<String>,
    sid: Option<String>,
    token: Option<String>,
    locale: Option<String>,
    /// The client polls by scripts.
    j: Option<String>,
    /// The client cannot read bytes.
    b64: Option<String>,
}

impl Asked {
    pub(super) fn read(address: &Uri) -> Result<Self, Refused> {
        let Query(address) = Query::<Address>::try_from_uri(address).map_err(|_| Refused::BadRequest)?;
        let transport = match address.transport.as_deref() {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            Some(_) | None => return Err(Refused::Transport),
        };
        let version = address.version.as_deref().and_then(Version::parse);
        let version = version.ok_or(Refused::Version)?;
        Ok(Self {
            version,
            transport,
            sid: address.sid,
            token: address.token.filter(|token| !token.is_empty()),
            locale: address.locale,
            form: Form {
                version,
                binary: address.b64.is_none(),
                script: address.j,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Asked, Refused> {
        Asked::read(&format!("/socket.io/?{query}").parse().unwrap())
    }

    #[test]
    fn what_is_wrong_is_told_by_its_code() {
        for (query, refused) in [
            ("", Refused::Transport),
            ("EIO=4", Refused::Transport),
            ("EIO=4&transport=", Refused::Transport),
            ("EIO=4&transport=websocket2", Refused::Transport),
            ("transport=polling", Refused::Version),
            ("EIO=5&transport=polling", Refused::Version),
            ("EIO=abc&transport=websocket", Refused::Version),
            ("EIO=4&EIO=3&transport=polling", Refused::BadRequest),
            ("EIO=4&transport=polling&token=a&token=b", Refused::BadRequest),
            ("EIO=4&transport=polling&sid=a&sid=b", Refused::BadRequest),
        ] {
            assert_eq!(read(query).unwrap_err(), refused, "{query:?}");
        }
        let asked = read("EIO=3&transport=polling&t=1&b64=1&j=0&token=").unwrap();
        assert_eq!(
            (asked.version, asked.transport),
            (Version::V3, Transport::Polling)
        );
        assert!(!asked.form.binary && asked.token.is_none());
        assert_eq!(asked.form.script.as_deref(), Some("0"));
    }
}
