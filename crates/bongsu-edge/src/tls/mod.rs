//! TLS for every listener: what is read from files, who is let in with a certificate, and how bytes pass.
//!
//! Invariants: what is in force was read and tried out whole; where client certificates are asked for, no handshake is
//! ever shortened by an earlier one; a certificate that is revoked ends what it has opened.

mod der;
mod facts;
mod gate;
mod identity;
mod live;
mod load;
mod secured;
mod settings;
mod stream;

pub use facts::CertificateFacts;
pub use gate::{Gate, Speaks, Tls};
pub use identity::ClientIdentity;
pub use live::LiveCertificates;
pub use load::{Loaded, Place, TlsFault};
pub use settings::{ClientAuth, TlsSettings};

pub(crate) use secured::Secured;
pub(crate) use stream::Stream;

#[cfg(test)]
#[allow(dead_code, reason = "shared with tests that need more of it")]
#[path = "../../tests/tls/pki.rs"]
mod pki;
#[cfg(test)]
mod tests;
