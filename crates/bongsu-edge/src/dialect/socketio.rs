//! The chat on Socket.IO: one dialect for each manner in which its clients are told what happens.

use bongsu_model::display::ToDisplay;
use bongsu_model::{Encode, Fatal, Notice, Refusal, Reply, Tag};
use bongsu_node::{Dialect, Setting};
use bongsu_wire::socketio::chat::{ChatEvents, ChatVoice, Manner, Namespace, Style};
use bytes::Bytes;

/// The dialect of a manner.
pub(super) const fn of(namespace: Namespace, style: Style, offset: bool) -> &'static dyn Dialect {
    match (namespace, style, offset) {
        (Namespace::Main, Style::Chat, false) => &Chat::CHAT,
        (Namespace::Main, Style::Chat, true) => &Chat::CHAT_OFFSET,
        (Namespace::Main, Style::Type, false) => &Chat::TYPE,
        (Namespace::Main, Style::Type, true) => &Chat::TYPE_OFFSET,
        (Namespace::Chat, Style::Chat, false) => &Chat::CHAT_NS,
        (Namespace::Chat, Style::Chat, true) => &Chat::CHAT_NS_OFFSET,
        (Namespace::Chat, Style::Type, false) => &Chat::TYPE_NS,
        (Namespace::Chat, Style::Type, true) => &Chat::TYPE_NS_OFFSET,
    }
}

/// The chat in one manner.
struct Chat {
    voice: ChatVoice,
    events: ChatEvents,
}

impl Chat {
    const CHAT: Self = Self::new(Namespace::Main, Style::Chat, false);
    const CHAT_OFFSET: Self = Self::new(Namespace::Main, Style::Chat, true);
    const TYPE: Self = Self::new(Namespace::Main, Style::Type, false);
    const TYPE_OFFSET: Self = Self::new(Namespace::Main, Style::Type, true);
    const CHAT_NS: Self = Self::new(Namespace::Chat, Style::Chat, false);
    const CHAT_NS_OFFSET: Self = Self::new(Namespace::Chat, Style::Chat, true);
    const TYPE_NS: Self = Self::new(Namespace::Chat, Style::Type, false);
    const TYPE_NS_OFFSET: Self = Self::new(Namespace::Chat, Style::Type, true);

    const fn new(namespace: Namespace, style: Style, offset: bool) -> Self {
        let manner = Manner {
            namespace,
            style,
            offset,
        };
        Self {
            voice: ChatVoice::new(manner),
            events: ChatEvents::new(manner),
        }
    }
}

impl Dialect for Chat {
    /// One name, whatever the manner: a client may change it.
    fn protocol(&self) -> &'static str {
        "socketio"
    }

    fn events(&self) -> &dyn Encode {
        &self.events
    }

    fn reply(&self, tag: &Tag, reply: &Reply, _: Setting<'_>) -> Option<Bytes> {
        self.voice.reply(tag, reply)
    }

    fn refusal(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        self.voice.refusal(tag, refusal, with.locale, with.now)
    }

    fn turned_away(&self, tag: &Tag, refusal: &Refusal, with: Setting<'_>) -> Bytes {
        self.voice.last_words(tag, refusal, None, with.locale, with.now)
    }

    fn forgives(&self, tag: &Tag, refusal: &Refusal) -> bool {
        self.voice.forgives(tag, refusal)
    }

    fn notice(&self, notice: &Notice, with: Setting<'_>) -> Bytes {
        self.voice.notice(notice, with.locale)
    }

    fn display(&self, tag: &Tag, said: &ToDisplay, with: Setting<'_>) -> Option<Bytes> {
        self.voice.display(tag, said, with.locale, with.now)
    }

    fn broken_off(&self, fatal: &Fatal, _: bool, with: Setting<'_>) -> Bytes {
        self.voice.last_words(
            &Tag::default(),
            &fatal.refusal,
            fatal.close_code,
            with.locale,
            with.now,
        )
    }

    /// Below it Engine.IO asks.
    fn ping(&self, _: Setting<'_>) -> Option<Bytes> {
        None
    }
}

#[cfg(test)]
mod tests {
    use bongsu_model::{Limits, Slot};

    #[test]
    fn every_wire_format_has_its_own_dialect() {
        for slot in Slot::ALL {
            let dialect = super::super::of(slot, &Limits::DEFAULT);
            assert_eq!(dialect.events().slot(), slot);
        }
    }
}
