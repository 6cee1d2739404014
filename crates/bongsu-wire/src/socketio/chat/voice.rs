//! How one client is spoken to: answers, errors and notices as whole WebSocket frames, each one packet.

use bongsu_model::display::ToDisplay;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Locale, Notice, Refusal, Reply, Tag, Timestamp};
use bytes::Bytes;

use super::super::switchboard;
use super::{Manner, encode};
use crate::close;

/// How one client is spoken to. All it says is whole WebSocket frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChatVoice {
    manner: Manner,
}

impl ChatVoice {
    /// The voice for clients of this manner.
    #[must_use]
    pub const fn new(manner: Manner) -> Self {
        Self { manner }
    }

    /// The answer to a request, to its acknowledgement or as an event; `None` where what the request causes is the
    /// answer. To who signed in by connecting it is two frames: the namespace is connected, and how the session stands.
    #[must_use]
    pub fn reply(self, tag: &Tag, reply: &Reply) -> Option<Bytes> {
        encode::reply(self.manner, tag, reply)
    }

    /// The answer to a request that is refused: an acknowledgement, a `server_error`, or to who wants to connect a connect
    /// error.
    #[must_use]
    pub fn refusal(self, tag: &Tag, refusal: &Refusal, locale: Locale, now: Timestamp) -> Bytes {
        encode::refusal(self.manner, tag, refusal, locale, now)
    }

    /// Whether who is so refused before it has signed in stays connected for another try. Clients that are refused when they
    /// connect do not try again by themselves, but those whose connection ends do: where time heals it ends.
    #[must_use]
    pub fn forgives(self, tag: &Tag, refusal: &Refusal) -> bool {
        encode::forgives(tag, refusal)
    }

    /// The answer to a request with which the connection ends: what was awaited, the last `server_error` with its advice,
    /// and where that is not to come back the disconnect packet and the close frame. Who wants to connect is told by a
    /// connect error if it is not to come back, and else nothing. `close_code` is the
    /// transport's own where it has one; else the cause's.
    #[must_use]
    pub fn last_words(
        self,
        tag: &Tag,
        refusal: &Refusal,
        close_code: Option<u16>,
        locale: Locale,
        now: Timestamp,
    ) -> Bytes {
        let closing = Closing::new(CloseCause::Refused(refusal.clone()));
        let close_code = close_code.unwrap_or(close::close_code(&closing.cause));
        let reconnect = closing.reconnect;
        encode::last_words(self.manner, tag, refusal, close_code, reconnect, locale, now)
    }

    /// What one session is told without being asked: as many frames as it takes, and none of what a chat's own clients
    /// hear nothing of. [`Notice::Closed`] is as [`Self::last_words`].
    #[must_use]
    pub fn notice(self, notice: &Notice, locale: Locale) -> Bytes {
        encode::notice(self.manner, notice, locale)
    }

    /// What a display is told: where its tag says, and to the acknowledgement that is awaited by it. What it is told
    /// unasked goes where the tag of its registration says. `None` for [`ToDisplay::Taken`] that nobody awaits.
    ///
    /// Answers to a registration and to a heartbeat are events of their own, whether or not an acknowledgement is awaited,
    /// too. [`ToDisplay::Closed`] is as [`Notice::Closed`], and the connection is to be closed behind it.
    #[must_use]
    pub fn display(self, tag: &Tag, said: &ToDisplay, locale: Locale, now: Timestamp) -> Option<Bytes> {
        switchboard::display(self.manner, tag, said, locale, now)
    }
}
