//! Where a gateway is: a URL of a WebSocket or of HTTP, taken apart.
//!
//! Invariant: no part holds a blank or a line break, so that a request can be made of them.

use rustls::pki_types::{InvalidDnsNameError, ServerName};

/// Where a gateway is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    secure: bool,
    host: String,
    port: u16,
    authority: String,
    target: String,
}

/// A text is no address of a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoAddress {
    /// It begins with neither of these.
    #[error("it must begin with {0}:// or {0}s://")]
    Scheme(&'static str),
    /// There is no host, or something beside it that has no place there.
    #[error("a host is needed, and behind a colon a port if it is another than the usual one")]
    Host,
    /// Blanks, line breaks, or a fragment.
    #[error("it has a character that no address has")]
    Character,
}

impl Address {
    /// Reads `ws://host:port/path` or `wss://host/path`. Without a path it is `/device`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, NoAddress> {
        Self::of("ws", url, "/device")
    }

    /// Reads `http://host:port/path` or `https://host/path`. Without a path it is `usual`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn of_http(url: &str, usual: &str) -> Result<Self, NoAddress> {
        Self::of("http", url, usual)
    }

    /// The same machine, and this path and query there. It must not hold a blank or a line break.
    #[must_use]
    pub fn at(&self, target: String) -> Self {
        debug_assert!(
            target.bytes().all(|b| (0x21..=0x7e).contains(&b)),
            "no target: {target}"
        );
        Self {
            target,
            ..self.clone()
        }
    }

    fn of(scheme: &'static str, url: &str, usual: &str) -> Result<Self, NoAddress> {
        if url.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b == b'#') {
            return Err(NoAddress::Character);
        }
        let rest = url.strip_prefix(scheme).ok_or(NoAddress::Scheme(scheme))?;
        let (secure, rest) = match (rest.strip_prefix("://"), rest.strip_prefix("s://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(NoAddress::Scheme(scheme)),
        };
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(cut);
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']').ok_or(NoAddress::Host)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| NoAddress::Host)?,
            None if port.is_empty() => {
                if secure {
                    443
                } else {
                    80
                }
            }
            None => return Err(NoAddress::Host),
        };
        if host.is_empty() || host.contains('@') {
            return Err(NoAddress::Host);
        }
        let target = match target {
            "" | "/" => usual.to_owned(),
            query if query.starts_with('?') => format!("{usual}{query}"),
            target => target.to_owned(),
        };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            target,
        })
    }

    /// Whether it is spoken over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host: a name or an address, an address of IPv6 without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What `Host` is.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The name that the gateway's certificate must have.
    ///
    /// # Errors
    ///
    /// The host is no name that a certificate can have.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, InvalidDnsNameError> {
        ServerName::try_from(self.host.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (url, host, port, target) in [
            ("ws://127.0.0.1:8000/device", "127.0.0.1", 8000, "/device"),
            ("wss://gate.example", "gate.example", 443, "/device"),
            ("ws://gate.example/", "gate.example", 80, "/device"),
            ("wss://[::1]:8443/d?x=1", "::1", 8443, "/d?x=1"),
            ("ws://h?x=1", "h", 80, "/device?x=1"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(
                (address.host(), address.port(), address.target()),
                (host, port, target)
            );
            assert_eq!(address.is_secure(), url.starts_with("wss"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (url, fault) in [
            ("http://h/", NoAddress::Scheme("ws")),
            ("wsss://h/", NoAddress::Scheme("ws")),
            ("ws:///device", NoAddress::Host),
            ("ws://h:99999/", NoAddress::Host),
            ("ws://u@h/", NoAddress::Host),
            ("ws://[::1/", NoAddress::Host),
            ("ws://[::1]x/", NoAddress::Host),
            ("ws://h/a b", NoAddress::Character),
            ("ws://h/a\r\nx: y", NoAddress::Character),
            ("ws://h/#a", NoAddress::Character),
        ] {
            assert_eq!(Address::parse(url), Err(fault), "{url}");
        }
    }

    #[test]
    fn addresses_of_http_have_their_own_usual_path() {
        let address = Address::of_http("https://gate.example", "/socket.io/").unwrap();
        assert!(address.is_secure());
        assert_eq!((address.port(), address.target()), (443, "/socket.io/"));
        let elsewhere = address.at("/socket.io/?x=1".to_owned());
        assert_eq!(
            (elsewhere.host(), elsewhere.target()),
            ("gate.example", "/socket.io/?x=1")
        );
        assert_eq!(
            Address::of_http("wss://gate.example", "/")
                .unwrap_err()
                .to_string(),
            "it must begin with http:// or https://"
        );
    }
}
