//! Sockets: listeners, connections, HTTP, tokens.

pub mod admission;
pub mod auth;
pub mod catalogue;
pub mod clock;
mod codec;
mod conn;
mod der;
pub mod device;
mod dialect;
pub mod engine;
pub mod http;
pub mod meters;
mod origin;
mod pulse;
mod socket;
mod sweeper;
pub mod tcp;
pub mod tls;
mod websocket;

/// The other end of the action protocol, for those who may not depend on the wire themselves.
pub use bongsu_wire::action::client as action_client;
/// The other end of Socket.IO, likewise.
pub use bongsu_wire::socketio::client as socketio_client;
/// The other end of the type protocol, likewise.
pub use bongsu_wire::typed::client as type_client;
/// What carries it: frames, messages, and the handshake's arithmetic, for both ends.
pub use bongsu_wire::websocket as websocket_codec;
