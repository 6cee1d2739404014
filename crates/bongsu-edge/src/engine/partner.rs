//! Who is spoken with on an Engine.IO connection: messages in, requests out.
//!
//! Invariant: a partner hears messages whole and in order, and nothing of the transport that carried them.

use std::sync::Arc;

use bongsu_model::{Fatal, Incoming, Slot};
use bongsu_wire::incoming::Rules;
use bongsu_wire::socketio::engine::{Heard, Version};

/// Makes sense of the messages of one connection.
pub trait Partner: Send {
    /// The connection is open, and nothing was heard yet.
    fn opened(&mut self, rules: &Rules<'_>, out: &mut Vec<Incoming>);

    /// Takes one message, [`Heard::Text`] or [`Heard::Binary`], and adds what it asks for to `out`, in order.
    ///
    /// # Errors
    /// What ends the connection, after the requests before it.
    fn hear(&mut self, heard: Heard<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Result<(), Fatal>;

    /// Whether something was begun and is not complete: the time for it runs.
    fn in_frame(&self) -> bool;

    /// In which wire format the client is answered.
    fn slot(&self) -> Slot;
}

/// What is known of a connection when it is opened.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The version of Engine.IO that the client speaks.
    pub version: Version,
    /// Random: others may learn it, unlike the session's id.
    pub public_id: u128,
    /// The access token of the handshake.
    pub token: Option<Arc<str>>,
}

/// Finds each connection its partner.
pub type Meet = Arc<dyn Fn(Arrived) -> Box<dyn Partner> + Send + Sync>;
