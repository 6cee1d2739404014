//! The listeners with TLS, and what they work with.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use bongsu_edge::http::{Door, HttpService};
use bongsu_edge::meters::Meters;
use bongsu_edge::tls::{Gate, Loaded, Speaks, Tls, TlsSettings};
use tokio::net::TcpListener;

use super::assemble::bind;
use crate::settings::{Settings, Tcps};

/// Listeners that are bound and what they will work with.
pub(super) struct Bound {
    loaded: Loaded,
    https: Option<TcpListener>,
    tcps: Option<TcpListener>,
}

/// What is served with TLS, if anything is.
#[derive(Default)]
pub(super) struct Secured {
    pub(super) https: Option<SocketAddr>,
    pub(super) tcps: Option<SocketAddr>,
    pub(super) tls: Option<Arc<Tls>>,
}

/// Binds what is to be served with TLS; `None` if nothing is.
pub(super) fn bind_all(settings: &Settings) -> anyhow::Result<Option<Bound>> {
    let server = &settings.server;
    let Some(tls) = &settings.tls else {
        let asked = server.https.map(|address| ("--https", address));
        let asked = asked.or(match server.tcps {
            Tcps::At(address) => Some(("--tcps", address)),
            Tcps::Usual | Tcps::Off => None,
        });
        if let Some((flag, address)) = asked {
            bail!(
                "{flag} {address} needs a certificate: name one in the --config file, under [tls]; `bongsu pki` makes one to \
                 try things out with"
            );
        }
        return Ok(None);
    };
    let loaded = read(tls)?;
    let listen = |flag, address: Option<SocketAddr>| address.map(|address| bind(flag, address)).transpose();
    Ok(Some(Bound {
        loaded,
        https: listen("--https", server.https)?,
        tcps: listen("--tcps", server.tcps_address())?,
    }))
}

/// Reads certificates, keys and lists, and says what someone should look at.
pub(super) fn read(settings: &TlsSettings) -> anyhow::Result<Loaded> {
    let loaded = Loaded::read(settings).context("TLS cannot be served")?;
    for warning in loaded.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(loaded)
}

impl Bound {
    /// Puts what was read in force: adds the HTTP listener to the doors, and returns the TCP listener with its gate.
    pub(super) fn in_force(
        self,
        settings: &Settings,
        meters: &Arc<Meters>,
        api: &HttpService,
        doors: &mut Vec<Door>,
    ) -> anyhow::Result<(Secured, Option<(TcpListener, Gate)>)> {
        let tls = Tls::new(self.loaded, &settings.limits, Arc::clone(meters));
        let note = |name, listener: &Option<TcpListener>| {
            let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
            if let Some(address) = address {
                api.listens(name, address);
            }
            Ok::<_, std::io::Error>(address)
        };
        let secured = Secured {
            https: note("https", &self.https)?,
            tcps: note("tcps", &self.tcps)?,
            tls: Some(Arc::clone(&tls)),
        };
        doors.extend(
            self.https
                .map(|listener| Door::tls(listener, tls.gate(Speaks::Http))),
        );
        let tcps = self.tcps.map(|listener| (listener, tls.gate(Speaks::Action)));
        Ok((secured, tcps))
    }
}
