//! The action protocol's two dialects: for clients that accept compression, and for the others.

use std::sync::OnceLock;

use bongsu_model::{Encode, Limits, Locale, Notice, Timestamp};
use bongsu_node::Dialect;
use bongsu_wire::action::{ActionEvents, Voice};
use bytes::Bytes;

/// How one kind of client of the action protocol is spoken to.
pub(crate) struct ActionDialect {
    voice: Voice,
    events: ActionEvents,
}

static PLAIN: ActionDialect = ActionDialect {
    voice: Voice::new(false),
    events: ActionEvents::plain(),
};
/// Made when the first client accepts compression; its threshold stays as it was then.
static PACKED: OnceLock<ActionDialect> = OnceLock::new();

/// The dialect for a voice.
pub(crate) fn dialect(voice: Voice, limits: &Limits) -> &'static dyn Dialect {
    if !voice.accepts_compression() {
        return &PLAIN;
    }
    PACKED.get_or_init(|| ActionDialect {
        voice: Voice::new(true),
        events: ActionEvents::packed(limits.compress_over_bytes),
    })
}

impl Dialect for ActionDialect {
    fn protocol(&self) -> &'static str {
        "action"
    }

    fn events(&self) -> &dyn Encode {
        &self.events
    }

    fn notice(&self, notice: &Notice, locale: Locale, now: Timestamp, id: u64, limits: &Limits) -> Bytes {
        self.voice.notice(notice, locale, now, id, limits)
    }
}
