//! How a device is told what it is, where its gateway is, and what it can do.
//!
//! Invariant: what is wrong with any of it is found before anything is connected.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bongsu_model::device::{DeviceId, Object, Value};
use bongsu_wire::device::Format;
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::sync::Notify;

use super::call::{Call, Does, Failure, does};
use super::{Asked, Device, Handle, Happening, Shared};
use crate::journal::{Answer, Journal, JournalFault, Ledger, Running};
use crate::link::{Address, NoAddress, NoTls, TlsFiles};
use crate::session::{Identity, Session};
use crate::time::OwnTime;

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum NotBuilt {
    /// The gateway's address.
    #[error("the gateway's address is none")]
    Address(#[from] NoAddress),
    /// The device's id.
    #[error("a device's id is 1 to 128 of A-Z a-z 0-9 . _ : -")]
    Id,
    /// The token.
    #[error("the token holds characters that none has")]
    Token,
    /// Certificates and keys.
    #[error("tls cannot be used")]
    Tls(#[from] NoTls),
    /// A certificate was given for a link without TLS.
    #[error("a certificate is of no use without TLS: the address must begin with wss://")]
    NotSecure,
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalFault),
}

/// What a running device goes by.
pub(super) struct Plan {
    pub(super) address: Address,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) format: Format,
    pub(super) commands: BTreeMap<Arc<str>, Does<Call, Result<Value, Failure>>>,
    pub(super) interrupted: Does<Running, Answer>,
    pub(super) desired: Option<Does<(Handle, Object), ()>>,
    pub(super) renew: Option<Does<(), Option<String>>>,
    pub(super) happening: Arc<dyn Fn(Happening) + Send + Sync>,
}

/// Makes a [`Device`].
#[must_use]
pub struct Builder {
    url: String,
    device_id: String,
    token: Option<String>,
    format: Format,
    tls: TlsFiles,
    journal: Option<PathBuf>,
    kind: Option<Arc<str>>,
    version: Option<Arc<str>>,
    capabilities: Vec<Arc<str>>,
    commands: BTreeMap<Arc<str>, Does<Call, Result<Value, Failure>>>,
    interrupted: Does<Running, Answer>,
    desired: Option<Does<(Handle, Object), ()>>,
    renew: Option<Does<(), Option<String>>>,
    happening: Arc<dyn Fn(Happening) + Send + Sync>,
}

impl Builder {
    pub(super) fn new(url: &str, device_id: &str) -> Self {
        Self {
            url: url.to_owned(),
            device_id: device_id.to_owned(),
            token: None,
            format: Format::Json,
            tls: TlsFiles::default(),
            journal: None,
            kind: None,
            version: None,
            capabilities: Vec::new(),
            commands: BTreeMap::new(),
            // It may have been done, half done or not at all: who asked must look.
            interrupted: does(|_| async { Answer::failed("interrupted".into()) }),
            desired: None,
            renew: None,
            happening: Arc::new(|_| ()),
        }
    }

    /// What the gateway knows the device by: an access token or an enrolment token.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// What the gateway knows the device by: a certificate and its key, as PEM files.
    pub fn identity(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.tls.identity = Some((certificate.as_ref().to_owned(), key.as_ref().to_owned()));
        self
    }

    /// The authorities that the gateway's certificate may be of, as a PEM file, instead of the system's.
    pub fn authorities(mut self, file: impl AsRef<Path>) -> Self {
        self.tls.authorities = Some(file.as_ref().to_owned());
        self
    }

    /// JSON or Protobuf; JSON if nothing is said.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// The file that remembers commands across restarts. Without one, a command that is sent again after a restart is
    /// carried out again.
    pub fn journal(mut self, file: impl AsRef<Path>) -> Self {
        self.journal = Some(file.as_ref().to_owned());
        self
    }

    /// What the device is: `vehicle`, `display`, …
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Its software's version.
    pub fn version(mut self, version: &str) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Something that it can do.
    pub fn capability(mut self, capability: &str) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// Carries out the commands of this name. It is called at most once for each, and not when its deadline may have
    /// come; a panic is an answer, too.
    pub fn on<F, R>(mut self, name: &str, act: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, Failure>> + Send + 'static,
    {
        self.commands.insert(name.into(), does(act));
        self
    }

    /// Answers a command that was begun and not ended when the device last stopped; `failed` with `interrupted` if
    /// nothing is said. It may look at what the device is now, and is not to begin the command again.
    pub fn on_interrupted<F, R>(mut self, act: F) -> Self
    where
        F: Fn(Running) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        self.interrupted = does(act);
        self
    }

    /// Makes the device what it should be: the keys that differ, null for what should not be. One at a time, and only the
    /// latest. What it then is, is told by [`Handle::report`].
    pub fn on_desired<F, R>(mut self, act: F) -> Self
    where
        F: Fn(Handle, Object) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.desired = Some(does(move |(handle, state)| act(handle, state)));
        self
    }

    /// Gets a new token when the old one ends or is refused; `None` if there is none.
    pub fn on_token_needed<F, R>(mut self, act: F) -> Self
    where
        F: Fn(()) -> R + Send + Sync + 'static,
        R: Future<Output = Option<String>> + Send + 'static,
    {
        self.renew = Some(does(act));
        self
    }

    /// Hears what happens, for logs and screens. It must not wait.
    pub fn on_happening(mut self, hear: impl Fn(Happening) + Send + Sync + 'static) -> Self {
        self.happening = Arc::new(hear);
        self
    }

    /// The device, ready to run.
    ///
    /// # Errors
    ///
    /// What is wrong with what was said, or with the files.
    pub fn build(self) -> Result<Device, NotBuilt> {
        let address = Address::parse(&self.url)?;
        let device = DeviceId::parse(&self.device_id).ok_or(NotBuilt::Id)?;
        if let Some(token) = &self.token
            && (token.is_empty() || !token.bytes().all(|b| (0x21..=0x7e).contains(&b)))
        {
            return Err(NotBuilt::Token);
        }
        let tls = match (address.is_secure(), &self.tls.identity) {
            (true, _) => Some(self.tls.config()?),
            (false, Some(_)) => return Err(NotBuilt::NotSecure),
            (false, None) => None,
        };
        let (journal, ledger) = match &self.journal {
            Some(path) => {
                let (journal, ledger) = Journal::open(path)?;
                (Some(journal), ledger)
            }
            None => (None, Ledger::default()),
        };
        let identity = Identity {
            device,
            kind: self.kind,
            version: self.version,
            capabilities: self.capabilities,
        };
        let names = self.commands.keys().cloned().collect();
        let shared = Shared {
            session: Mutex::new(Session::new(identity, names, ledger)),
            own: OwnTime::start(),
            token: Mutex::new(self.token.map(Into::into)),
            asked: Mutex::new(Asked::default()),
            wake: Notify::new(),
        };
        let plan = Plan {
            address,
            tls,
            format: self.format,
            commands: self.commands,
            interrupted: self.interrupted,
            desired: self.desired,
            renew: self.renew,
            happening: self.happening,
        };
        Ok(Device {
            plan,
            journal,
            shared: Arc::new(shared),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_found_before_anything_is_connected() {
        let build = |url: &str, id: &str| Device::builder(url, id).build().err();
        assert!(matches!(build("http://h", "car"), Some(NotBuilt::Address(_))));
        assert!(matches!(build("ws://h", "a car"), Some(NotBuilt::Id)));
        let token = Device::builder("ws://h", "car").token("a\r\nb").build();
        assert!(matches!(token, Err(NotBuilt::Token)));
        let plain = Device::builder("ws://h", "car").identity("c", "k").build();
        assert!(matches!(plain, Err(NotBuilt::NotSecure)));
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none.pem");
        let tls = Device::builder("wss://h", "car").authorities(&none).build();
        assert!(matches!(tls, Err(NotBuilt::Tls(_))));
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let tls = Device::builder("wss://h", "car").authorities(&empty).build();
        assert!(matches!(tls, Err(NotBuilt::Tls(NoTls::Empty(_)))));
        let journal = Device::builder("ws://h", "car").journal(folder.path()).build();
        assert!(matches!(journal, Err(NotBuilt::Journal(_))));
        assert!(build("ws://h", "car").is_none());
    }
}
