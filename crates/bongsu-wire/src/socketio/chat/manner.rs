//! How one client is told what happens: where, in which style, and whether with offsets.

use bongsu_model::Slot;

/// How a client is told what happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Messages alone, as the chat's own clients know them.
    Chat,
    /// Everything, named and made as the type protocol has it.
    Type,
}

/// A namespace of the chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Namespace {
    /// `/`
    Main,
    /// `/chat`
    Chat,
}

impl Namespace {
    /// All of them, by name.
    pub(super) const NAMES: &'static [&'static str] = &["/", "/chat"];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Main, Self::Chat].into_iter().find(|it| it.name() == name)
    }
}

/// How one client is told what happens: one of these for each wire format of the chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// Where it signed in.
    pub namespace: Namespace,
    /// What it hears of.
    pub style: Style,
    /// Whether each message is followed by its offset, for clients that may ask to have their place back.
    pub offset: bool,
}

impl Manner {
    /// What a client gets of which nothing is known.
    pub const FIRST: Self = Self {
        namespace: Namespace::Main,
        style: Style::Chat,
        offset: false,
    };

    /// The wire format.
    #[must_use]
    pub const fn slot(self) -> Slot {
        match (self.namespace, self.style, self.offset) {
            (Namespace::Main, Style::Chat, false) => Slot::SocketioChat,
            (Namespace::Main, Style::Chat, true) => Slot::SocketioChatOffset,
            (Namespace::Main, Style::Type, false) => Slot::SocketioType,
            (Namespace::Main, Style::Type, true) => Slot::SocketioTypeOffset,
            (Namespace::Chat, Style::Chat, false) => Slot::SocketioChatNs,
            (Namespace::Chat, Style::Chat, true) => Slot::SocketioChatNsOffset,
            (Namespace::Chat, Style::Type, false) => Slot::SocketioTypeNs,
            (Namespace::Chat, Style::Type, true) => Slot::SocketioTypeNsOffset,
        }
    }
}
