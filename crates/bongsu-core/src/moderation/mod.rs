//! What may be said: a pipeline over a post's content, before the store.
//!
//! Invariant: content that is cleared is in NFC, 1 to `content_bytes_max` bytes, and free of control characters. The order:
//! size, control characters, blocklist, links, scripts; then [`Flood`], which alone has a memory. The first "no" counts.

mod blocklist;
mod flood;
mod links;
mod script;
mod text;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bongsu_model::{Code, MessageKind, Refusal, Want};

pub use blocklist::{Blocklist, BlocklistFault, Wrong};
pub use flood::{Flood, FloodLimit};
pub use links::LinkPolicy;
pub use text::clean_name;

/// The reasons that go with `MESSAGE_REJECTED`: part of the contract with clients.
pub mod reason {
    /// A control character other than newline and tab, or one that reorders or breaks the text around it.
    pub const CONTROL_CHARACTERS: &str = "control_characters";
    /// The same content too often in too short a time.
    pub const FLOOD: &str = "flood";
    /// The operator's list has it.
    pub const BLOCKLIST: &str = "blocklist";
    /// A link that the policy does not allow.
    pub const LINK: &str = "link";
    /// A script, or an executable file.
    pub const SCRIPT: &str = "script";
    /// The application's own reviewer, asked after this pipeline, said no or was not there.
    pub const REVIEW: &str = "review";

    /// Every reason.
    pub const ALL: [&str; 6] = [CONTROL_CHARACTERS, FLOOD, BLOCKLIST, LINK, SCRIPT, REVIEW];
}

/// What the pipeline is told by the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModerationSettings {
    /// The longest content in bytes, after normalisation: [`bongsu_model::Limits::content_bytes_max`].
    pub content_bytes_max: usize,
    /// Which links may be posted.
    pub links: LinkPolicy,
    /// Whether scripts and executable files are refused.
    pub refuse_scripts: bool,
}

impl Default for ModerationSettings {
    fn default() -> Self {
        Self {
            content_bytes_max: bongsu_model::Limits::DEFAULT.content_bytes_max,
            links: LinkPolicy::Allow,
            refuse_scripts: true,
        }
    }
}

/// Content that may be posted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cleared {
    /// The text in NFC: the one that was given, if it was so already.
    pub content: Arc<str>,
    /// Tells [`Flood`] which contents are the same to a reader: equal for texts that differ only in case, width or
    /// invisible characters.
    pub fingerprint: u64,
}

/// The part of the pipeline that has no memory. Shared by all posts; made anew when its settings change.
#[derive(Clone, Debug)]
pub struct Moderation {
    content_bytes_max: usize,
    blocklist: Blocklist,
    links: links::Links,
    scripts: Option<script::Scripts>,
}

/// Which scans a kind of message goes through.
///
/// The content of `text` is read by people. The content of the media kinds is too (captions, file names) but is also the
/// address of something, so that only a list of hosts says anything about its links. `custom` belongs to the
/// application: it is sized, and kept free of control characters, and otherwise its own business.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scan {
    Prose,
    Media,
    Opaque,
}

impl Scan {
    const fn of(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Text => Self::Prose,
            MessageKind::Image
            | MessageKind::File
            | MessageKind::Audio
            | MessageKind::Video
            | MessageKind::Location => Self::Media,
            MessageKind::Custom => Self::Opaque,
        }
    }
}

impl Moderation {
    /// The pipeline for these settings and this blocklist.
    #[must_use]
    pub fn new(settings: &ModerationSettings, blocklist: Blocklist) -> Self {
        Self {
            content_bytes_max: settings.content_bytes_max,
            blocklist,
            links: links::Links::new(&settings.links),
            scripts: settings.refuse_scripts.then(script::Scripts::new),
        }
    }

    /// Decides about the content of one post.
    ///
    /// # Errors
    ///
    /// `INVALID_DATA` for `content` if it is empty, `MESSAGE_TOO_LARGE`, or `MESSAGE_REJECTED` with a [`reason`].
    pub fn judge(&self, content: &Arc<str>, kind: MessageKind) -> Result<Cleared, Refusal> {
        let Some(content) = text::normalised(content, self.content_bytes_max) else {
            return Err(Refusal::too_large("content", self.content_bytes_max as u64));
        };
        if content.is_empty() {
            return Err(Refusal::field("content", Want::TextOf(1, self.content_bytes_max)));
        }
        if content.chars().any(text::is_forbidden) {
            return Err(rejected(reason::CONTROL_CHARACTERS));
        }
        let folded = text::folded(&content);
        let scan = Scan::of(kind);
        if scan != Scan::Opaque {
            if self.blocklist.matches(&folded) {
                return Err(rejected(reason::BLOCKLIST));
            }
            if !self.links.allow(&folded, scan == Scan::Media) {
                return Err(rejected(reason::LINK));
            }
            if self
                .scripts
                .as_ref()
                .is_some_and(|scripts| scripts.found(&content, &folded))
            {
                return Err(rejected(reason::SCRIPT));
            }
        }
        let mut hasher = DefaultHasher::new();
        folded.hash(&mut hasher);
        Ok(Cleared {
            content,
            fingerprint: hasher.finish(),
        })
    }
}

const fn rejected(reason: &'static str) -> Refusal {
    Refusal::because(Code::MessageRejected, reason)
}

#[cfg(test)]
mod tests;
