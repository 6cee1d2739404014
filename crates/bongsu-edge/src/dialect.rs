//! Every dialect of this server: one for each wire format, in the order of the slots of encodings.
//!
//! Invariant: a connection keeps one byte of what it is spoken to in; all else is here, once.

mod socketio;

use std::sync::OnceLock;

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Encode, Fatal, Limits, Notice, Refusal, Reply, Slot, Tag, Timestamp};
use bongsu_node::{Dialect, Setting};
use bongsu_wire::action::{ActionEvents, ActionFrames, Voice, text_frame};
use bongsu_wire::close;
use bongsu_wire::socketio::chat::{Namespace, Style};
use bongsu_wire::typed::{TypeEvents, TypeVoice};
use bongsu_wire::websocket;
use bytes::{Bytes, BytesMut};

/// The dialect of a wire format. Thresholds stay as they were when a format was first spoken.
pub(crate) fn of(slot: Slot, limits: &Limits) -> &'static dyn Dialect {
    static PACKED: OnceLock<Lines> = OnceLock::new();
    static PACKED_FRAMES: OnceLock<Frames> = OnceLock::new();
    static DEFLATED: OnceLock<Typed> = OnceLock::new();
    let over = limits.compress_over_bytes;
    match slot {
        Slot::ActionLine => &LINES,
        Slot::ActionPacked => PACKED.get_or_init(|| Lines {
            voice: Voice::new(true),
            events: ActionEvents::packed(over),
        }),
        Slot::ActionFrame => &FRAMES,
        Slot::ActionPackedFrame => PACKED_FRAMES.get_or_init(|| Frames {
            voice: Voice::new(true),
            events: ActionFrames::packed(over),
        }),
        Slot::TypeFrame => &TYPED,
        Slot::TypeDeflatedFrame => DEFLATED.get_or_init(|| Typed {
            voice: TypeVoice::new(Some(over)),
            events: TypeEvents::deflated(over),
        }),
        Slot::SocketioChat => socketio::of(Namespace::Main, Style::Chat, false),
        Slot::SocketioChatOffset => socketio::of(Namespace::Main, Style::Chat, true),
        Slot::SocketioType => socketio::of(Namespace::Main, Style::Type, false),
        Slot::SocketioTypeOffset => socketio::of(Namespace::Main, Style::Type, true),
        Slot::SocketioChatNs => socketio::of(Namespace::Chat, Style::Chat, false),
        Slot::SocketioChatNsOffset => socketio::of(Namespace::Chat, Style::Chat, true),
        Slot::SocketioTypeNs => socketio::of(Namespace::Chat, Style::Type, false),
        Slot::SocketioTypeNsOffset => socketio::of(Namespace::Chat, Style::Type, true),
    }
}

static LINES: Lines = Lines {
    voice: Voice::new(false),
    events: ActionEvents::plain(),
};
static FRAMES: Frames = Frames {
    voice: Voice::new(false),
    events: ActionFrames::plain(),
};
static TYPED: Typed = Typed {
    voice: TypeVoice::new(None),
    events: TypeEvents::plain(),
};

/// The action protocol on a byte stream.
struct Lines {
    voice: Voice,
    events: ActionEvents,
}

impl Dialect for Lines {
    fn protocol(&self) -> &'static str {
        "action"
    }

    fn events(&self) -> &dyn Encode {
        &self.events
    }

    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes> {
        self.voice.reply(tag, reply, with.now, with.limits)
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        self.voice.refusal(tag, refusal, with.locale, with.now, with.id)
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        self.voice
            .notice(notice, with.locale, with.now, with.id, with.limits)
    }

    fn broken_off(&self, fatal: &Fatal, signed_in: bool, with: Setting<'_>) -> Bytes {
        let said = self.refusal(&Tag::default(), &fatal.refusal, with);
        if !signed_in {
            return said;
        }
        joined(&[said, self.notice(&closed(&fatal.refusal), with)])
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

/// The action protocol on WebSocket.
struct Frames {
    voice: Voice,
    events: ActionFrames,
}

impl Dialect for Frames {
    fn protocol(&self) -> &'static str {
        "websocket-action"
    }

    fn events(&self) -> &dyn Encode {
        &self.events
    }

    fn reply(&self, tag: &Tag, reply: &Reply, with: Setting<'_>) -> Option<Bytes> {
        let line = self.voice.reply(tag, reply, with.now, with.limits)?;
        Some(text_frame(&line))
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        text_frame(&self.voice.refusal(tag, refusal, with.locale, with.now, with.id))
    }

    fn turned_away(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        joined(&[self.refusal(tag, refusal, with), close_for(refusal, None)])
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        let said = text_frame(
            &self
                .voice
                .notice(notice, with.locale, with.now, with.id, with.limits),
        );
        match notice {
            Notice::Closed(closing) => joined(&[said, close_frame(closing, None)]),
            Notice::TokenExpiring { .. } | Notice::Shutdown { .. } | Notice::Missed(_) => said,
        }
    }

    fn broken_off(&self, fatal: &Fatal, _: bool, with: Setting<'_>) -> Bytes {
        let said = self.refusal(&Tag::default(), &fatal.refusal, with);
        joined(&[said, close_for(&fatal.refusal, fatal.close_code)])
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        Some(Bytes::from_static(websocket::PING))
    }
}

/// The type protocol on WebSocket.
struct Typed {
    voice: TypeVoice,
    events: TypeEvents,
}

impl Dialect for Typed {
    fn protocol(&self) -> &'static str {
        "websocket-type"
    }

    fn events(&self) -> &dyn Encode {
        &self.events
    }

    fn reply(&self, tag: &Tag, reply: &Reply, _: Setting<'_>) -> Option<Bytes> {
        Some(self.voice.reply(tag, reply))
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        self.voice.refusal(tag, refusal, with.locale)
    }

    fn turned_away(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        self.voice.last_words(tag, refusal, None, with.locale)
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        self.voice.notice(notice, with.locale)
    }

    fn broken_off(&self, fatal: &Fatal, _: bool, with: Setting<'_>) -> Bytes {
        self.voice
            .last_words(&Tag::default(), &fatal.refusal, fatal.close_code, with.locale)
    }

    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        Some(self.voice.ping())
    }
}

fn closed(refusal: &Refusal) -> Notice {
    Notice::Closed(Closing::new(CloseCause::Refused(refusal.clone())))
}

fn close_for(refusal: &Refusal, code: Option<u16>) -> Bytes {
    close_frame(&Closing::new(CloseCause::Refused(refusal.clone())), code)
}

fn close_frame(closing: &Closing, code: Option<u16>) -> Bytes {
    let code = code.unwrap_or_else(|| close::close_code(&closing.cause));
    close::closing_frame(code, closing.reconnect)
}

fn joined(parts: &[Bytes]) -> Bytes {
    let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole.freeze()
}

/// The wire format of a number that a connection keeps.
pub(crate) fn slot_of(number: u8) -> Slot {
    Slot::ALL[usize::from(number).min(Slot::ALL.len() - 1)]
}

/// Now, with no number: for what is said to a connection outside of any session.
pub(crate) fn setting(locale: bongsu_model::Locale, now: Timestamp, limits: &Limits) -> Setting<'_> {
    Setting {
        locale,
        now,
        id: 0,
        limits,
    }
}
