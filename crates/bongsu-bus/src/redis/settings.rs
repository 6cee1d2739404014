//! How a Redis server is reached, read from an address.
//!
//! Invariant: no secret is printed.

use std::path::PathBuf;

use crate::backplane::{Address, NoAddress, Secret};

/// Who a node says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisLogin {
    /// The user; `None` for the server's default one.
    pub user: Option<Secret>,
    /// Its password.
    pub password: Secret,
}

/// How TLS is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// A PEM file of the authorities that are trusted; `None` for those of the system.
    pub ca: Option<PathBuf>,
    /// PEM files of the certificate that is shown, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How a Redis server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Host and port of each server. They are tried in this order, and the first that answers and follows no other is taken.
    pub servers: Vec<(String, u16)>,
    /// Who a node says that it is; `None` where everybody is let in.
    pub login: Option<RedisLogin>,
    /// How TLS is spoken; `None` if it is not.
    pub tls: Option<RedisTls>,
    /// What all channels begin with: the cluster's name among others on the same server. Letters, digits, `_` and `-`.
    pub prefix: String,
}

impl RedisSettings {
    /// Reads `redis://user:password@host:port,host2?prefix=…`, or `rediss://…` for TLS. A password without a user is the
    /// default user's. Further options, with TLS: `ca`, `cert` and `key` (PEM files).
    ///
    /// # Errors
    /// It is no such address.
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        let mut address = Address::parse(text)?;
        let is_tls = match address.scheme.as_str() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(NoAddress::OtherScheme(address.scheme)),
        };
        if !address.path.is_empty() {
            // What is published in one database is heard in all of them.
            return Err(NoAddress::NotHere(
                "database: clusters are kept apart by their prefix",
            ));
        }
        let ca: Option<PathBuf> = address.take("ca").map(Into::into);
        let identity = match (address.take("cert"), address.take("key")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            (Some(_), None) => return Err(NoAddress::BadValue("key")),
            (None, Some(_)) => return Err(NoAddress::BadValue("cert")),
        };
        if !is_tls && (ca.is_some() || identity.is_some()) {
            return Err(NoAddress::NotHere("certificates without rediss://"));
        }
        let prefix = address.take("prefix").unwrap_or_else(|| "bongsu".to_owned());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if prefix.is_empty() || !prefix.bytes().all(allowed) {
            return Err(NoAddress::BadValue("prefix"));
        }
        let login = match (address.user.take(), address.password.take()) {
            (user, Some(password)) => Some(RedisLogin { user, password }),
            (Some(_), None) => return Err(NoAddress::NotHere("user without a password")),
            (None, None) => None,
        };
        let hosts = std::mem::take(&mut address.hosts);
        address.finish()?;
        Ok(Self {
            servers: hosts
                .into_iter()
                .map(|(host, port)| (host, port.unwrap_or(6379)))
                .collect(),
            login,
            tls: is_tls.then_some(RedisTls { ca, identity }),
            prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_it_all() {
        let settings = RedisSettings::parse("redis://a:b@one,two:5?prefix=x").expect("it is one");
        let servers = [("one".to_owned(), 6379), ("two".to_owned(), 5)];
        assert_eq!(settings.servers, servers);
        let login = settings.login.expect("it has one");
        assert_eq!(login.user.as_ref().map(Secret::reveal), Some("a"));
        assert_eq!(login.password.reveal(), "b");
        assert_eq!((settings.prefix.as_str(), settings.tls), ("x", None));

        let settings =
            RedisSettings::parse("rediss://:word@h/?ca=/a.pem&cert=/c.pem&key=/k.pem").expect("it is one");
        let login = settings.login.expect("it has one");
        assert_eq!((login.user, login.password.reveal()), (None, "word"));
        assert_eq!(settings.prefix, "bongsu");
        assert_eq!(
            settings.tls,
            Some(RedisTls {
                ca: Some("/a.pem".into()),
                identity: Some(("/c.pem".into(), "/k.pem".into())),
            })
        );
        let settings = RedisSettings::parse("rediss://h").expect("it is one");
        assert_eq!((settings.login, settings.tls), (None, Some(RedisTls::default())));
    }

    #[test]
    fn what_is_none_is_told_what_it_lacks() {
        let database = NoAddress::NotHere("database: clusters are kept apart by their prefix");
        let wrong = [
            ("nats://h", NoAddress::OtherScheme("nats".to_owned())),
            ("redis://h/1", database),
            ("redis://a@h", NoAddress::NotHere("user without a password")),
            ("rediss://h?cert=/c.pem", NoAddress::BadValue("key")),
            ("rediss://h?key=/c.pem", NoAddress::BadValue("cert")),
            (
                "redis://h?ca=/c.pem",
                NoAddress::NotHere("certificates without rediss://"),
            ),
            ("redis://h?prefix=", NoAddress::BadValue("prefix")),
            ("redis://h?prefix=a.*", NoAddress::BadValue("prefix")),
            ("redis://h?prefx=a", NoAddress::UnknownOption("prefx".to_owned())),
        ];
        for (text, why) in wrong {
            assert_eq!(RedisSettings::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let settings = RedisSettings::parse("redis://anna:geheim@h").expect("it is one");
        let printed = format!("{settings:?}");
        assert!(
            !printed.contains("geheim") && !printed.contains("anna"),
            "{printed}"
        );
    }
}
