//! The client certificates by which connections are open, and the lists of those that are revoked.
//!
//! Invariant: a certificate that is on a list in force has no connection that is not being cut, whichever of both came
//! first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use webpki::CertRevocationList;

use super::identity::ClientIdentity;

/// Revoked certificates, list by list.
pub(super) type Lists = Arc<Vec<CertRevocationList<'static>>>;

/// The client certificates by which connections are open.
#[derive(Default)]
pub struct LiveCertificates {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lists: Lists,
    alive: HashMap<u64, Weak<Alive>>,
    next: u64,
}

/// One certificate of a chain, as lists name it.
struct Link {
    issuer: Box<[u8]>,
    serial: Box<[u8]>,
}

/// One connection that a certificate has opened. Who serves the connection holds it, and asks it before every step.
pub(crate) struct Alive {
    identity: Arc<ClientIdentity>,
    chain: Box<[Link]>,
    cut: AtomicBool,
    /// Whoever waits for the connection to say something.
    reader: AtomicWaker,
    among: Arc<LiveCertificates>,
    index: u64,
}

impl LiveCertificates {
    /// How many connections are open by a certificate.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state.lock().alive.len()
    }

    /// Notes a connection that was opened with a chain whose first certificate is the client's; `None` if one of them is
    /// revoked meanwhile, or cannot be read.
    pub(super) fn open(self: &Arc<Self>, chain: &[CertificateDer<'_>]) -> Option<Arc<Alive>> {
        let identity = Arc::new(ClientIdentity::of(chain.first()?)?);
        let chain: Option<Box<[Link]>> = chain.iter().map(link).collect();
        let chain = chain?;
        let mut state = self.state.lock();
        if chain.iter().any(|link| link.is_on(&state.lists)) {
            return None;
        }
        let index = state.next;
        state.next += 1;
        let alive = Arc::new(Alive {
            identity,
            chain,
            cut: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            among: Arc::clone(self),
            index,
        });
        state.alive.insert(index, Arc::downgrade(&alive));
        Some(alive)
    }

    /// Puts other lists in force, and cuts the connections of whoever is on them; how many that are.
    pub(super) fn revoke(&self, lists: &Lists) -> usize {
        let alive: Vec<_> = {
            let mut state = self.state.lock();
            state.lists = Arc::clone(lists);
            state.alive.values().filter_map(Weak::upgrade).collect()
        };
        // The last reference may go here, which takes the lock again.
        let revoked = alive
            .iter()
            .filter(|it| it.chain.iter().any(|link| link.is_on(lists)));
        revoked.map(|it| it.cut()).filter(|first| *first).count()
    }
}

impl Link {
    /// A list that cannot be read to its end counts as one on which the certificate is.
    fn is_on(&self, lists: &[CertRevocationList<'static>]) -> bool {
        let of_issuer = lists.iter().filter(|list| list.issuer() == &*self.issuer);
        of_issuer
            .map(|list| list.find_serial(&self.serial))
            .any(|found| !matches!(found, Ok(None)))
    }
}

fn link(certificate: &CertificateDer<'_>) -> Option<Link> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    Some(Link {
        issuer: parsed.issuer().into(),
        serial: parsed.serial().into(),
    })
}

impl Alive {
    pub(crate) const fn identity(&self) -> &Arc<ClientIdentity> {
        &self.identity
    }

    /// Whether the connection is to be given up.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// As [`Self::is_cut`]; if it is not, `waker` is woken when it is.
    pub(crate) fn is_cut_or_wakes(&self, waker: &Waker) -> bool {
        self.reader.register(waker);
        self.is_cut()
    }

    /// False if it was cut before.
    fn cut(&self) -> bool {
        let before = self.cut.swap(true, Ordering::AcqRel);
        self.reader.wake();
        if !before {
            tracing::info!(
                device = self.identity.device.as_deref(),
                serial = self.identity.serial,
                issuer = self.identity.issuer,
                "a connection is cut: its client certificate was revoked"
            );
        }
        !before
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.among.state.lock().alive.remove(&self.index);
    }
}
