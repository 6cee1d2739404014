//! Who a client is: tokens verified, keys loaded and kept fresh, tokens and credentials made.
//!
//! Invariant: a `Claims` exists only where a signature by a key of ours was verified and every time, issuer
//! and audience check passed. Secrets never reach logs, `Debug` or errors. No clock is read here:
//! the moment is an argument; only the refresh of key sets sleeps.

pub mod api_key;
pub mod claims;
mod der;
pub mod fetch;
mod json;
pub mod jwks;
pub mod key;
pub mod keyset;
pub mod member_token;
mod ports;
pub mod refused;
pub mod secret;
pub mod settings;
pub mod signer;
pub mod turn;
pub mod verify;

pub use api_key::{ApiKeyFault, ApiKeyHolder, ApiKeySetting, ApiKeys};
pub use bongsu_model::Role;
pub use claims::Claims;
pub use fetch::FetchSettings;
pub use key::{Algorithm, Key, KeyFault};
pub use keyset::KeySet;
pub use member_token::MemberToken;
pub use refused::TokenRefused;
pub use secret::Secret;
pub use settings::{PublicKeySetting, SecretSetting, SecretSource, TokenSettings};
pub use signer::{MintRequest, Signer, SignerFault};
pub use turn::{IceFault, IceSettings, TurnMint};
pub use verify::{LoadFault, SourceStanding, Verifier};
