//! The address that clients are told to connect to.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::Uri;

/// A scheme, a host and a port, as a client of Socket.IO joins them: `{host}:{port}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advertised {
    /// With its scheme and without port: `https://ws-1.example`, `http://[::1]`.
    pub host: Arc<str>,
    /// The port, also where it is the scheme's usual one.
    pub port: u16,
}

impl std::fmt::Display for Advertised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What is no address for clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a URL of http or https is needed with a host, perhaps a port, and nothing else, such as https://ws-1.example:8443"
)]
pub struct NotAdvertisable;

impl Advertised {
    /// Reads a URL without path, query and user. Without a port it is 80 or 443, as the scheme has it.
    ///
    /// # Errors
    /// It is anything else.
    pub fn parse(url: &str) -> Result<Self, NotAdvertisable> {
        let uri: Uri = url.parse().map_err(|_| NotAdvertisable)?;
        let usual = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            Some(_) | None => return Err(NotAdvertisable),
        };
        let authority = uri.authority().ok_or(NotAdvertisable)?;
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let (host, port) = (authority.host(), authority.port_u16());
        // What is left of it after host and port must be nothing: neither a user nor a port that is no number.
        let said = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if !bare || host.is_empty() || authority.as_str() != said || port == Some(0) {
            return Err(NotAdvertisable);
        }
        let scheme = if usual == 80 { "http" } else { "https" };
        Ok(Self {
            host: format!("{scheme}://{host}").into(),
            port: port.unwrap_or(usual),
        })
    }

    /// A listener's own address.
    pub(super) fn at(scheme: &str, address: SocketAddr) -> Self {
        let host = match address.ip().to_canonical() {
            std::net::IpAddr::V4(ip) => format!("{scheme}://{ip}"),
            std::net::IpAddr::V6(ip) => format!("{scheme}://[{ip}]"),
        };
        Self {
            host: host.into(),
            port: address.port(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Option<(String, u16)> {
        let read = Advertised::parse(url).ok()?;
        Some((read.host.to_string(), read.port))
    }

    #[test]
    fn a_host_and_a_port_are_read_and_nothing_beside_them() {
        let good = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(
            read("https://ws-1.example:8443"),
            good("https://ws-1.example", 8443)
        );
        assert_eq!(read("https://ws-1.example/"), good("https://ws-1.example", 443));
        assert_eq!(read("http://ws-1.example"), good("http://ws-1.example", 80));
        assert_eq!(read("http://[::1]:8000"), good("http://[::1]", 8000));
        for bad in [
            "",
            "ws-1.example",
            "ws-1.example:80",
            "//ws-1.example",
            "ws://ws-1.example",
            "http://",
            "http://:80",
            "http://x:",
            "http://x:0",
            "http://x:65536",
            "http://user@x",
            "http://x/path",
            "http://x?y",
            "http://x y",
            "http://x,y@z",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_listeners_address_is_written_as_a_browser_reads_it() {
        let plain = |address: &str| {
            let plain = Advertised::at("http", address.parse().unwrap());
            (plain.host.to_string(), plain.port)
        };
        assert_eq!(plain("10.0.0.7:8000"), ("http://10.0.0.7".to_owned(), 8000));
        assert_eq!(plain("[::1]:81"), ("http://[::1]".to_owned(), 81));
        assert_eq!(plain("[::ffff:10.0.0.7]:1"), ("http://10.0.0.7".to_owned(), 1));
    }
}
