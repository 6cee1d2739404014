//! Who is spoken with on an Engine.IO connection: messages in, requests out.
//!
//! Invariant: a partner hears messages whole and in order, and nothing of the transport that carried them.

use std::sync::{Arc, OnceLock, Weak};

use bongsu_model::display::FromDisplay;
use bongsu_model::event::Lane;
use bongsu_model::{Fatal, Incoming, Slot};
use bongsu_node::{Mailbox, Pushed};
use bongsu_wire::incoming::Rules;
use bongsu_wire::socketio::chat::Chat;
use bongsu_wire::socketio::connection::Connection;
use bongsu_wire::socketio::engine::{Heard, Version};
use bytes::Bytes;

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

    /// Whether there is a session, now that all that was heard is carried out, and whether the last sign-in was refused.
    fn settled(&mut self, signed_in: bool, declined: bool);

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
    /// For what is said without being asked.
    pub says: Says,
}

/// The way out of one connection, as long as it lasts.
#[derive(Clone, Default)]
pub struct Says(Arc<OnceLock<Weak<Mailbox>>>);

impl Says {
    pub(super) fn through(&self, mailbox: &Arc<Mailbox>) {
        // There is one mailbox to a connection, so it is set once.
        let _ = self.0.set(Arc::downgrade(mailbox));
    }

    /// Sends whole frames after what was sent before; false if the connection does not take them.
    #[must_use]
    pub fn say(&self, frames: &Bytes) -> bool {
        let mailbox = self.0.get().and_then(Weak::upgrade);
        let pushed = mailbox.map(|mailbox| mailbox.push(Lane::Message, frames));
        matches!(pushed, Some(Pushed::Written | Pushed::Queued))
    }
}

impl std::fmt::Debug for Says {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Says").finish_non_exhaustive()
    }
}

/// Another partner, of a client whose certificate names a device.
pub(super) struct Certified {
    partner: Box<dyn Partner>,
    device: Arc<str>,
}

impl Certified {
    pub(super) fn new(partner: Box<dyn Partner>, device: Arc<str>) -> Self {
        Self { partner, device }
    }

    /// Says of a display that registers what its certificate does.
    fn vouch(&self, out: &mut [Incoming]) {
        for one in out {
            if let Incoming::Display {
                said: FromDisplay::Register(registration),
                ..
            } = one
            {
                registration.certificate = Some(Arc::clone(&self.device));
            }
        }
    }
}

impl Partner for Certified {
    fn opened(&mut self, rules: &Rules<'_>, out: &mut Vec<Incoming>) {
        self.partner.opened(rules, out);
    }

    fn hear(&mut self, heard: Heard<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Result<(), Fatal> {
        let before = out.len();
        let heard = self.partner.hear(heard, rules, out);
        self.vouch(&mut out[before..]);
        heard
    }

    fn in_frame(&self) -> bool {
        self.partner.in_frame()
    }

    fn settled(&mut self, signed_in: bool, declined: bool) {
        self.partner.settled(signed_in, declined);
    }

    fn slot(&self) -> Slot {
        self.partner.slot()
    }
}

/// Finds each connection its partner.
pub type Meet = Arc<dyn Fn(Arrived) -> Box<dyn Partner> + Send + Sync>;

/// Where the product's own is.
pub(crate) const CHAT_PATH: &str = "/socket.io/";

/// The chat on Socket.IO.
pub(crate) fn chat() -> Meet {
    Arc::new(|arrived| {
        let Arrived {
            version,
            public_id,
            token,
            says: _,
        } = arrived;
        Box::new(Connection::new(version, public_id, token, Chat::new()))
    })
}

impl Partner for Connection<Chat> {
    fn opened(&mut self, rules: &Rules<'_>, out: &mut Vec<Incoming>) {
        Self::opened(self, rules, out);
    }

    fn hear(&mut self, heard: Heard<'_>, rules: &Rules<'_>, out: &mut Vec<Incoming>) -> Result<(), Fatal> {
        Self::hear(self, heard, rules, out)
    }

    fn in_frame(&self) -> bool {
        Self::in_frame(self)
    }

    fn settled(&mut self, signed_in: bool, declined: bool) {
        self.application_mut().settled(signed_in, declined);
    }

    fn slot(&self) -> Slot {
        Self::slot(self)
    }
}
