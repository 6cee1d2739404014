//! How a NATS server is reached, read from an address.
//!
//! Invariant: no secret is printed.

use std::path::PathBuf;

use crate::backplane::{Address, NoAddress, Secret};

/// Who a node says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// The server lets everybody in, or knows the client by its certificate.
    None,
    /// A user with a password.
    User(Secret, Secret),
    /// A token.
    Token(Secret),
}

/// How TLS is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// Whether a server without TLS is refused.
    pub is_required: bool,
    /// A PEM file of the authorities that are trusted; `None` for those of the system.
    pub ca: Option<PathBuf>,
    /// PEM files of the certificate that is shown, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether TLS is begun before the server has said anything.
    pub is_first: bool,
}

/// How a NATS server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// Host and port of each server; any will do.
    pub servers: Vec<(String, u16)>,
    /// Who a node says that it is.
    pub login: NatsLogin,
    /// How TLS is spoken.
    pub tls: NatsTls,
    /// What all subjects begin with: the cluster's name among others on the same server. Letters, digits, `_` and `-`.
    pub prefix: String,
}

impl NatsSettings {
    /// Reads `nats://user:password@host:port,host2?prefix=…`, or `tls://…` where a server without TLS is to be refused. A user
    /// without a password is a token. Further options: `ca`, `cert` and `key` (PEM files; each asks for TLS) and
    /// `tls_first=true`.
    ///
    /// # Errors
    /// It is no such address.
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        let mut address = Address::parse(text)?;
        let is_tls = match address.scheme.as_str() {
            "nats" => false,
            "tls" => true,
            _ => return Err(NoAddress::OtherScheme(address.scheme)),
        };
        if !address.path.is_empty() {
            return Err(NoAddress::NotHere("path"));
        }
        let ca: Option<PathBuf> = address.take("ca").map(Into::into);
        let identity = match (address.take("cert"), address.take("key")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            (Some(_), None) => return Err(NoAddress::BadValue("key")),
            (None, Some(_)) => return Err(NoAddress::BadValue("cert")),
        };
        let is_first = address.take_flag("tls_first")?;
        let prefix = address.take("prefix").unwrap_or_else(|| "bongsu".to_owned());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if prefix.is_empty() || !prefix.bytes().all(allowed) {
            return Err(NoAddress::BadValue("prefix"));
        }
        let login = match (address.user.take(), address.password.take()) {
            (Some(user), Some(password)) => NatsLogin::User(user, password),
            (Some(token), None) => NatsLogin::Token(token),
            (None, Some(_)) => return Err(NoAddress::NotHere("password without a user")),
            (None, None) => NatsLogin::None,
        };
        let hosts = std::mem::take(&mut address.hosts);
        address.finish()?;
        Ok(Self {
            servers: hosts
                .into_iter()
                .map(|(host, port)| (host, port.unwrap_or(4222)))
                .collect(),
            login,
            tls: NatsTls {
                is_required: is_tls || is_first || ca.is_some() || identity.is_some(),
                ca,
                identity,
                is_first,
            },
            prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_it_all() {
        let settings = NatsSettings::parse("nats://a:b@one,two:5?prefix=x").expect("it is one");
        let servers = [("one".to_owned(), 4222), ("two".to_owned(), 5)];
        assert_eq!(settings.servers, servers);
        assert!(
            matches!(&settings.login, NatsLogin::User(user, password) if user.reveal() == "a" && password.reveal() == "b")
        );
        assert_eq!(
            (settings.prefix.as_str(), settings.tls),
            ("x", NatsTls::default())
        );

        let settings = NatsSettings::parse("tls://token@h?ca=/a.pem&cert=/c.pem&key=/k.pem&tls_first=true")
            .expect("it is one");
        assert!(matches!(&settings.login, NatsLogin::Token(token) if token.reveal() == "token"));
        assert_eq!(settings.prefix, "bongsu");
        assert_eq!(
            settings.tls,
            NatsTls {
                is_required: true,
                ca: Some("/a.pem".into()),
                identity: Some(("/c.pem".into(), "/k.pem".into())),
                is_first: true,
            }
        );
        assert!(
            NatsSettings::parse("nats://h?ca=/a.pem")
                .expect("it is one")
                .tls
                .is_required
        );
    }

    #[test]
    fn what_is_none_is_told_what_it_lacks() {
        let wrong = [
            ("redis://h", NoAddress::OtherScheme("redis".to_owned())),
            ("nats://h/x", NoAddress::NotHere("path")),
            ("nats://:b@h", NoAddress::NotHere("password without a user")),
            ("nats://h?cert=/c.pem", NoAddress::BadValue("key")),
            ("nats://h?key=/c.pem", NoAddress::BadValue("cert")),
            ("nats://h?tls_first=yes", NoAddress::BadValue("tls_first")),
            ("nats://h?prefix=", NoAddress::BadValue("prefix")),
            ("nats://h?prefix=a.*", NoAddress::BadValue("prefix")),
            ("nats://h?prefx=a", NoAddress::UnknownOption("prefx".to_owned())),
        ];
        for (text, why) in wrong {
            assert_eq!(NatsSettings::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        for text in ["nats://anna:geheim@h", "nats://geheim@h"] {
            let settings = NatsSettings::parse(text).expect("it is one");
            let printed = format!("{settings:?}");
            assert!(
                !printed.contains("geheim") && !printed.contains("anna"),
                "{printed}"
            );
        }
    }
}
