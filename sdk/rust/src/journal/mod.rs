//! What must survive a restart: which commands were begun, and what was answered.
//!
//! Owns nothing itself. Invariant: a command is begun only after the file says so, and a begun one is never begun again.

mod ledger;
mod log;
mod record;

pub use ledger::{ANSWER_BYTES_MAX, KEPT_MS, Known, Ledger, Running};
pub use log::{Journal, JournalFault};
pub use record::{Answer, End, NotARecord, Record};
