//! Which links may be posted.
//!
//! Invariant: a link whose host two readers could take for different ones is never taken for an allowed one.

use std::collections::BTreeSet;

use regex::Regex;

use super::text::folded;

/// Which links may be posted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LinkPolicy {
    /// All.
    #[default]
    Allow,
    /// None in `text`. Media kinds carry the address of what they show, and stay.
    Deny,
    /// Only to these hosts and what is below them (`example.com` allows `www.example.com`), in every kind but `custom`.
    AllowHosts(Vec<String>),
}

impl LinkPolicy {
    /// The listed hosts that are none (an address, a wildcard, nothing) and so would allow nothing.
    #[must_use]
    pub fn wrong_hosts(&self) -> Vec<&str> {
        match self {
            Self::Allow | Self::Deny => Vec::new(),
            Self::AllowHosts(hosts) => hosts
                .iter()
                .map(String::as_str)
                .filter(|host| !is_host(&ready(host)))
                .collect(),
        }
    }
}

/// A listed host as hosts are compared.
fn ready(host: &str) -> String {
    folded(host.trim().trim_matches('.')).into_owned()
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

/// A policy made ready.
#[derive(Clone, Debug)]
pub(super) struct Links {
    policy: Ready,
}

#[derive(Clone, Debug)]
enum Ready {
    Allow,
    Deny(Regex),
    Hosts(Regex, BTreeSet<String>),
}

impl Links {
    pub(super) fn new(policy: &LinkPolicy) -> Self {
        let policy = match policy {
            LinkPolicy::Allow => Ready::Allow,
            LinkPolicy::Deny => Ready::Deny(link()),
            LinkPolicy::AllowHosts(hosts) => {
                let hosts = hosts.iter().map(|host| ready(host)).collect();
                Ready::Hosts(link(), hosts)
            }
        };
        Self { policy }
    }

    /// Whether all links in a folded text are allowed.
    pub(super) fn allow(&self, folded: &str, is_media: bool) -> bool {
        match &self.policy {
            Ready::Allow => true,
            Ready::Deny(link) => is_media || !link.is_match(folded),
            Ready::Hosts(link, hosts) => link.captures_iter(folded).all(|found| {
                let authority = found.get(1).or(found.get(2)).map_or("", |host| host.as_str());
                is_below_any(authority, hosts)
            }),
        }
    }
}

/// A link in a folded text: a scheme of the web and what follows it, or a host that begins with `www.`.
///
/// White space after the scheme's colon makes it prose. Browsers take any number of slashes, either way round. The groups
/// hold the authority.
fn link() -> Regex {
    Regex::new(r#"(?:https?|ftps?|wss?):[/\\]*([^\s/?#"'<>]+)|(?-u:\b)(www\.[^\s/?#"'<>]+)"#)
        .expect("a fixed pattern compiles")
}

/// Whether an authority is one of the hosts or below one.
///
/// User names and backslashes are refused whoever is meant: readers disagree about the host then.
fn is_below_any(authority: &str, hosts: &BTreeSet<String>) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    let host = host.trim_end_matches(['.', ',', ';', ')', ']', '!']);
    if !is_host(host) {
        return false;
    }
    let mut rest = host;
    loop {
        if hosts.contains(rest) {
            return true;
        }
        match rest.split_once('.') {
            Some((_, below)) => rest = below,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_is_named() {
        let hosts = [
            "example.com",
            ".예시.kr",
            "https://a.b",
            "*.a.b",
            "a.b:80",
            " ",
            "a.b/c",
        ]
        .map(String::from);
        let policy = LinkPolicy::AllowHosts(hosts.into());
        assert_eq!(
            policy.wrong_hosts(),
            ["https://a.b", "*.a.b", "a.b:80", " ", "a.b/c"]
        );
        assert!(LinkPolicy::Deny.wrong_hosts().is_empty());
    }

    #[test]
    fn prose_is_not_a_link() {
        let links = Links::new(&LinkPolicy::Deny);
        for prose in [
            "http: a protocol",
            "e.g.this",
            "a:b",
            "ratio 3:4",
            "swww.x",
            "wwwhat",
            "https:",
            "readme.md",
        ] {
            assert!(links.allow(prose, false), "{prose}");
        }
        for link in [
            "see https://a.b",
            "http:a.b",
            "https:\\\\a.b",
            "(www.a.b)",
            "xhttp://a.b",
            "ftp://1.2.3.4/x",
        ] {
            assert!(!links.allow(link, false), "{link}");
            assert!(links.allow(link, true), "media has an address: {link}");
        }
    }

    #[test]
    fn only_listed_hosts_and_what_is_below_them() {
        let links = Links::new(&LinkPolicy::AllowHosts(vec![
            "Example.COM".into(),
            "예시.kr".into(),
        ]));
        for good in [
            "no link",
            "https://example.com",
            "https://example.com:8443/a?b#c",
            "https://www.example.com/.",
            "go to www.example.com.",
            "(see https://example.com)",
            "https://예시.kr/길",
        ] {
            assert!(links.allow(good, false), "{good}");
        }
        for bad in [
            "https://evil.com",
            "https://notexample.com",
            "https://example.com.evil.com",
            "https://example.com@evil.com",
            "https://example.com\\@evil.com",
            "https://evil.com?example.com",
            "https://[::1]/",
            "https://example.com https://evil.com",
            "https://evil。com",
            "https:///evil.com",
        ] {
            assert!(!links.allow(bad, false), "{bad}");
            assert!(!links.allow(bad, true), "{bad}");
        }
    }
}
