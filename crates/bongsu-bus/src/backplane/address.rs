//! A broker's address as operators write it: `scheme://user:password@host:port,host:port/path?option=value`.
//!
//! Invariant: what is secret is in a [`Secret`], which nothing prints; a mistake is told without the text that held it.

use std::fmt;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for who sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// It has no `scheme://`.
    #[error("an address begins with its scheme, as in scheme://host")]
    NoScheme,
    /// A host is missing.
    #[error("an address names its hosts, separated by commas")]
    NoHost,
    /// A port is not a number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    BadPort,
    /// A `%` is not followed by two hexadecimal digits, or they make no text.
    #[error("a % is followed by two hexadecimal digits, and all of them make UTF-8")]
    BadEscape,
    /// An option has no value, or stands there twice.
    #[error("an option is written once, as name=value; {0:?} is not")]
    BadOption(String),
    /// It is not an option of this address.
    #[error("there is no option {0:?} in this address")]
    UnknownOption(String),
    /// An option has a value that it cannot have.
    #[error("the option {0} has a value that it cannot have")]
    BadValue(&'static str),
    /// The scheme is another one.
    #[error("an address of this kind does not begin with {0:?}")]
    OtherScheme(String),
    /// A part is there that an address of this kind has not.
    #[error("an address of this kind has no {0}")]
    NotHere(&'static str),
}

/// An address in parts; escapes are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// In lower case.
    pub scheme: String,
    /// What stands before the `@`, up to the first colon.
    pub user: Option<Secret>,
    /// What stands between that colon and the `@`.
    pub password: Option<Secret>,
    /// At least one, each with its port if it has one; an IPv6 address is without its brackets.
    pub hosts: Vec<(String, Option<u16>)>,
    /// What stands after the hosts, without its first slash; empty if there is none.
    pub path: String,
    options: Vec<(String, String)>,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none; what is wrong is told without what it holds.
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(NoAddress::NoScheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, hosts) = place
            .rsplit_once('@')
            .map_or((None, place), |(who, hosts)| (Some(who), hosts));
        let secret = |text| unescape(text).map(Secret);
        let (user, password) =
            match who.map(|who| who.split_once(':').map_or((who, None), |(u, p)| (u, Some(p)))) {
                None => (None, None),
                Some((user, password)) => {
                    let user = (!user.is_empty()).then(|| secret(user)).transpose()?;
                    (user, password.map(secret).transpose()?)
                }
            };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user,
            password,
            hosts: hosts.split(',').map(host).collect::<Result<_, _>>()?,
            path: unescape(path)?,
            options: options(query)?,
        })
    }

    /// Takes an option's value out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let index = self.options.iter().position(|(is, _)| is == name)?;
        Some(self.options.remove(index).1)
    }

    /// Takes out an option that is `true` or `false`, which it is if it is not there.
    ///
    /// # Errors
    /// It is something else.
    pub fn take_flag(&mut self, name: &'static str) -> Result<bool, NoAddress> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(NoAddress::BadValue(name)),
        }
    }

    /// Looks that no option is left that nobody took.
    ///
    /// # Errors
    /// One is.
    pub fn finish(self) -> Result<(), NoAddress> {
        self.options
            .into_iter()
            .next()
            .map_or(Ok(()), |(name, _)| Err(NoAddress::UnknownOption(name)))
    }
}

fn host(text: &str) -> Result<(String, Option<u16>), NoAddress> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']').ok_or(NoAddress::NoHost)?;
            match rest.strip_prefix(':') {
                Some(port) => (name, Some(port)),
                None if rest.is_empty() => (name, None),
                None => return Err(NoAddress::BadPort),
            }
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() {
        return Err(NoAddress::NoHost);
    }
    let port = match port.map(str::parse) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(NoAddress::BadPort),
    };
    Ok((name.to_owned(), port))
}

fn options(query: &str) -> Result<Vec<(String, String)>, NoAddress> {
    let mut options: Vec<(String, String)> = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        // Without its value, which may be what is secret.
        let (name, value) = option.split_once('=').ok_or_else(|| bad(option))?;
        if options.iter().any(|(is, _)| is == name) {
            return Err(bad(name));
        }
        options.push((name.to_owned(), unescape(value)?));
    }
    Ok(options)
}

fn bad(name: &str) -> NoAddress {
    NoAddress::BadOption(name.to_owned())
}

fn unescape(text: &str) -> Result<String, NoAddress> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let [high, low, after @ ..] = after else {
            return Err(NoAddress::BadEscape);
        };
        let (high, low) = digit(*high).zip(digit(*low)).ok_or(NoAddress::BadEscape)?;
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| NoAddress::BadEscape)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| NoAddress::BadEscape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_read() {
        let mut address = Address::parse(
            "NATS://us%3Aer:p%40ss:w@one,two:4223,[::1]:5/pa%2Fth?prefix=a%20b&tls_first=true",
        )
        .expect("it is one");
        assert_eq!(address.scheme, "nats");
        assert_eq!(address.user.as_ref().map(Secret::reveal), Some("us:er"));
        assert_eq!(address.password.as_ref().map(Secret::reveal), Some("p@ss:w"));
        let hosts = [("one", None), ("two", Some(4223)), ("::1", Some(5))];
        assert_eq!(address.hosts, hosts.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!(address.path, "pa/th");
        assert_eq!(address.take("prefix").as_deref(), Some("a b"));
        assert_eq!(address.take("prefix"), None);
        assert_eq!(address.take_flag("tls_first"), Ok(true));
        assert_eq!(address.take_flag("tls_first"), Ok(false));
        assert_eq!(address.finish(), Ok(()));
    }

    #[test]
    fn what_is_no_address_is_told_what_it_lacks() {
        let wrong = [
            ("localhost:4222", NoAddress::NoScheme),
            ("nats://", NoAddress::NoHost),
            ("nats://a,,b", NoAddress::NoHost),
            ("nats://a:b@", NoAddress::NoHost),
            ("nats://a:0", NoAddress::BadPort),
            ("nats://a:65536", NoAddress::BadPort),
            ("nats://[::1]5", NoAddress::BadPort),
            ("nats://a%4@h", NoAddress::BadEscape),
            ("nats://a%zz@h", NoAddress::BadEscape),
            ("nats://a%+1@h", NoAddress::BadEscape),
            ("nats://%ff@h", NoAddress::BadEscape),
            ("nats://h?x", bad("x")),
            ("nats://h?x=1&x=2", bad("x")),
        ];
        for (text, why) in wrong {
            assert_eq!(Address::parse(text), Err(why), "{text}");
        }
        let address = Address::parse("nats://h?prefx=1").expect("it is one");
        assert_eq!(
            address.finish(),
            Err(NoAddress::UnknownOption("prefx".to_owned()))
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let address = Address::parse("nats://anna:geheim@h").expect("it is one");
        let printed = format!("{address:?}");
        assert!(
            !printed.contains("geheim") && !printed.contains("anna"),
            "{printed}"
        );
    }
}
