//! `[server]`: where it listens, where it keeps things, what it writes to its log; and `[socketio]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bongsu_edge::http::{Advertised, SocketioOptions};
use bongsu_model::Locale;
use bongsu_store::Durability;
use tracing_subscriber::EnvFilter;

use super::reader::Section;
use super::word;

/// Shards of a node, at most.
const SHARDS_MAX: u64 = 64;
/// Worker threads, at most.
const THREADS_MAX: u64 = 1_024;
/// Longest name of a node, in bytes.
const NODE_ID_BYTES_MAX: usize = 64;
/// The port of the action protocol with TLS, unless another is named.
const TCPS_PORT: u16 = 12_346;
/// Longest name of a cookie, in bytes.
const COOKIE_BYTES_MAX: usize = 64;

/// How lines of the log look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    pub(crate) const NAMES: [&'static str; 2] = ["text", "json"];

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        word(text, &Self::NAMES, |text| match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        })
    }
}

/// Where the action protocol is spoken with TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tcps {
    /// Beside the listener without TLS, on its own port, if there is a certificate.
    Usual,
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

impl Tcps {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        address(text)
            .map(Self::At)
            .map_err(|wrong| format!("{wrong}, or off"))
    }
}

/// What is not about clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServerSettings {
    pub(crate) data_dir: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) tcp: SocketAddr,
    /// HTTP with TLS, if it is served.
    pub(crate) https: Option<SocketAddr>,
    pub(crate) tcps: Tcps,
    /// The node's name; a random one, kept in the data folder, if absent.
    pub(crate) node_id: Option<Arc<str>>,
    pub(crate) locale: Locale,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) durability: Durability,
    /// As many as there are cores if absent.
    pub(crate) shards: Option<usize>,
    /// As many as there are cores if absent.
    pub(crate) threads: Option<usize>,
    pub(crate) dev: bool,
    pub(crate) cors_origins: Vec<Arc<str>>,
    /// Names by which browsers know the server.
    pub(crate) hosts: Vec<Arc<str>>,
    pub(crate) permessage_deflate: bool,
    /// Where clients are told to connect; where the HTTP listener is reached if absent.
    pub(crate) advertise: Option<Advertised>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            data_dir: "bongsu-data".into(),
            http: ([127, 0, 0, 1], 8_000).into(),
            tcp: ([127, 0, 0, 1], 12_345).into(),
            https: None,
            tcps: Tcps::Usual,
            node_id: None,
            locale: Locale::Ko,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            durability: Durability::Power,
            shards: None,
            threads: None,
            dev: false,
            cors_origins: Vec::new(),
            hosts: Vec::new(),
            permessage_deflate: false,
            advertise: None,
        }
    }
}

impl ServerSettings {
    /// Where the action protocol is spoken with TLS, where there is a certificate.
    pub(crate) fn tcps_address(&self) -> Option<SocketAddr> {
        match self.tcps {
            Tcps::Usual => Some(SocketAddr::new(self.tcp.ip(), TCPS_PORT)),
            Tcps::Off => None,
            Tcps::At(address) => Some(address),
        }
    }
}

/// Notes listeners that want a certificate, where there is none.
pub(super) fn wants_tls<'a, 'i: 'a>(section: impl Fn() -> Section<'a, 'i>, settings: &ServerSettings) {
    let wrong = "TLS needs a certificate: the table [tls] with `certificate` and `key`";
    if settings.https.is_some() {
        section().mistake("https", true, wrong);
    }
    if matches!(settings.tcps, Tcps::At(_)) {
        section().mistake("tcps", true, wrong);
    }
}

pub(super) fn read(section: Section<'_, '_>) -> ServerSettings {
    let usual = ServerSettings::default();
    // 0 stands for as many as there are cores.
    let count = |key, max| {
        section
            .integer(key, 0..=max)
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n > 0)
    };
    let settings = ServerSettings {
        data_dir: section.path("data_dir").unwrap_or(usual.data_dir),
        http: section.text("http", address).unwrap_or(usual.http),
        tcp: section.text("tcp", address).unwrap_or(usual.tcp),
        https: section.text("https", address),
        tcps: section.text("tcps", Tcps::parse).unwrap_or(usual.tcps),
        node_id: section.text("node_id", node_id),
        locale: section.text("locale", locale).unwrap_or(usual.locale),
        log: section.text("log", log_filter).unwrap_or(usual.log),
        log_format: section
            .text("log_format", LogFormat::parse)
            .unwrap_or(usual.log_format),
        durability: section.text("durability", durability).unwrap_or(usual.durability),
        shards: count("shards", SHARDS_MAX),
        threads: count("threads", THREADS_MAX),
        dev: section.flag("dev").unwrap_or(usual.dev),
        cors_origins: section
            .texts("cors_origins", origin)
            .unwrap_or(usual.cors_origins),
        hosts: section.texts("hosts", host).unwrap_or(usual.hosts),
        permessage_deflate: section
            .flag("permessage_deflate")
            .unwrap_or(usual.permessage_deflate),
        advertise: section.text("advertise", |url| {
            Advertised::parse(url).map_err(|wrong| wrong.to_string())
        }),
    };
    section.close();
    settings
}

/// `[socketio]`: what Socket.IO is served with. Its times and sizes are limits.
pub(super) fn socketio(section: Section<'_, '_>) -> SocketioOptions {
    let usual = SocketioOptions::default();
    let options = SocketioOptions {
        enabled: section.flag("enabled").unwrap_or(usual.enabled),
        sticky_cookie: section.text("sticky_cookie", cookie),
        forward: section.flag("forward").unwrap_or(usual.forward),
    };
    section.close();
    options
}

/// The name of a cookie: a token of RFC 6265.
fn cookie(text: &str) -> Result<Arc<str>, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if (1..=COOKIE_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.into());
    }
    Err(format!(
        "the name of a cookie is needed: 1 to {COOKIE_BYTES_MAX} letters, digits, - or _, such as bongsu_node"
    ))
}

fn host(text: &str) -> Result<Arc<str>, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if (1..=253).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.into());
    }
    Err("a host name is needed without scheme and port, such as chat.example".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an IP address and a port are needed, such as 127.0.0.1:8000 or [::1]:8000".to_owned())
}

pub(crate) fn node_id(text: &str) -> Result<Arc<str>, String> {
    let fits = (1..=NODE_ID_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits {
        Ok(text.into())
    } else {
        Err(format!(
            "1 to {NODE_ID_BYTES_MAX} of A-Z a-z 0-9 . _ - are needed"
        ))
    }
}

pub(crate) fn locale(text: &str) -> Result<Locale, String> {
    word(text, &["en", "ko"], |text| match text {
        "en" => Some(Locale::En),
        "ko" => Some(Locale::Ko),
        _ => None,
    })
}

pub(crate) fn durability(text: &str) -> Result<Durability, String> {
    word(text, &["power", "process"], |text| match text {
        "power" => Some(Durability::Power),
        "process" => Some(Durability::Process),
        _ => None,
    })
}

pub(crate) fn log_filter(text: &str) -> Result<String, String> {
    let advice = "a level (error, warn, info, debug, trace) or levels by part are needed, such as info,bongsu_store=debug";
    match EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(advice.to_owned()),
    }
}

fn origin(text: &str) -> Result<Arc<str>, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or("");
    let fits = text == "*" || (!host.is_empty() && !host.contains('/'));
    if fits {
        Ok(text.into())
    } else {
        Err("an origin is needed, such as https://chat.example, or * for all".to_owned())
    }
}
