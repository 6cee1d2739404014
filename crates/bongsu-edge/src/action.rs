//! The action protocol's two dialects: for clients that accept compression, and for the others.

use bongsu_model::{Encode, Limits, Locale, Notice, Timestamp};
use bongsu_node::Dialect;
use bongsu_wire::action::{ActionEvents, Voice};
use bytes::Bytes;

/// How one kind of client of the action protocol is spoken to.
pub(crate) struct ActionDialect {
    voice: Voice,
}

static PLAIN: ActionDialect = ActionDialect {
    voice: Voice::new(false),
};
static COMPRESSED: ActionDialect = ActionDialect {
    voice: Voice::new(true),
};
static EVENTS: ActionEvents = ActionEvents;

/// The dialect for a voice.
pub(crate) fn dialect(voice: Voice) -> &'static dyn Dialect {
    if voice.accepts_compression() {
        &COMPRESSED
    } else {
        &PLAIN
    }
}

impl Dialect for ActionDialect {
    fn protocol(&self) -> &'static str {
        "action"
    }

    fn events(&self) -> &dyn Encode {
        &EVENTS
    }

    fn notice(&self, notice: &Notice, locale: Locale, now: Timestamp, id: u64, limits: &Limits) -> Bytes {
        self.voice.notice(notice, locale, now, id, limits)
    }
}
