//! Whose pages may open a connection: browsers open it for any page, and only tell us whose it is.
//!
//! Invariant: without `Origin` there is no page, and nothing is refused; a page never gets through by a name of its own
//! that it made point at us.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderValue;

/// Whose pages are let in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// Origins as in the `Origin` header; `*` for all. Those of the host that was asked are let in besides.
    pub(crate) allowed: Vec<Arc<str>>,
    /// Names by which this server is known. Where it listens on loopback only, and none is given, these are the loopback's.
    pub(crate) hosts: Vec<Arc<str>>,
}

/// Why a page is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stranger {
    /// It belongs to another origin.
    Origin,
    /// It asked for a host that is not this one: a name of its own that points here.
    Host,
}

impl Origins {
    /// Whether a page may open a connection.
    pub(crate) fn check(
        &self,
        origin: Option<&HeaderValue>,
        host: Option<&HeaderValue>,
        local: SocketAddr,
    ) -> Result<(), Stranger> {
        let Some(origin) = origin else { return Ok(()) };
        let origin = origin.to_str().map_err(|_| Stranger::Origin)?;
        let known = |known: &Arc<str>| **known == *"*" || **known == *origin;
        if self.allowed.iter().any(known) {
            return Ok(());
        }
        let host = host.and_then(|host| host.to_str().ok()).ok_or(Stranger::Host)?;
        let same = origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
        if !same {
            return Err(Stranger::Origin);
        }
        if self.is_ours(host_name(host), local) {
            Ok(())
        } else {
            Err(Stranger::Host)
        }
    }

    /// Whether a name is one of this server, as far as it can tell.
    pub(crate) fn is_ours(&self, name: &str, local: SocketAddr) -> bool {
        if self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return true;
        }
        let address = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        match address {
            // Nobody can make an address point elsewhere.
            Ok(_) => true,
            Err(_) if name.eq_ignore_ascii_case("localhost") => true,
            Err(_) => self.hosts.is_empty() && !local.ip().to_canonical().is_loopback(),
        }
    }
}

/// A host without its port.
pub(crate) fn host_name(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        origins: &Origins,
        local: &str,
        origin: Option<&'static str>,
        host: &'static str,
    ) -> Result<(), Stranger> {
        let origin = origin.map(HeaderValue::from_static);
        let host = HeaderValue::from_static(host);
        origins.check(origin.as_ref(), Some(&host), local.parse().unwrap())
    }

    #[test]
    fn the_pages_of_the_same_host_are_let_in_and_no_others() {
        let none = Origins::default();
        let local = |origin, host| check(&none, "127.0.0.1:8000", origin, host);
        assert_eq!(local(None, "anything"), Ok(()), "no page");
        assert_eq!(local(Some("http://localhost:8000"), "localhost:8000"), Ok(()));
        assert_eq!(local(Some("http://127.0.0.1:8000"), "127.0.0.1:8000"), Ok(()));
        assert_eq!(local(Some("http://[::1]:8000"), "[::1]:8000"), Ok(()));
        assert_eq!(
            local(Some("http://localhost:9000"), "localhost:8000"),
            Err(Stranger::Origin),
            "another port is another origin"
        );
        assert_eq!(
            local(Some("https://evil.example"), "localhost:8000"),
            Err(Stranger::Origin)
        );
        assert_eq!(local(Some("null"), "localhost:8000"), Err(Stranger::Origin));
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_no_host_of_ours() {
        let rebound = ("http://evil.example:8000", "evil.example:8000");
        let none = Origins::default();
        assert_eq!(
            check(&none, "127.0.0.1:8000", Some(rebound.0), rebound.1),
            Err(Stranger::Host)
        );
        assert_eq!(
            check(&none, "203.0.113.7:8000", Some(rebound.0), rebound.1),
            Ok(()),
            "who listens to the world and knows no name of itself cannot tell"
        );
        let named = Origins {
            hosts: vec!["chat.example".into()],
            ..Origins::default()
        };
        assert_eq!(
            check(&named, "203.0.113.7:8000", Some(rebound.0), rebound.1),
            Err(Stranger::Host)
        );
        assert_eq!(
            check(
                &named,
                "127.0.0.1:8000",
                Some("https://Chat.example"),
                "chat.example"
            ),
            Ok(())
        );
    }

    #[test]
    fn a_page_that_was_named_is_let_in_whatever_host_it_asked() {
        let named = Origins {
            allowed: vec!["https://chat.example".into()],
            ..Origins::default()
        };
        assert_eq!(
            check(
                &named,
                "127.0.0.1:8000",
                Some("https://chat.example"),
                "localhost"
            ),
            Ok(())
        );
        assert_eq!(
            check(&named, "127.0.0.1:8000", Some("http://chat.example"), "localhost"),
            Err(Stranger::Origin)
        );
        let all = Origins {
            allowed: vec!["*".into()],
            ..Origins::default()
        };
        assert_eq!(check(&all, "127.0.0.1:8000", Some("null"), "x"), Ok(()));
    }
}
