//! What every JSON protocol shares: reading one level of an object, carrying JSON unread, writing lines.

pub(crate) mod asked;
pub(crate) mod carry;
pub(crate) mod field;
pub(crate) mod message;
pub(crate) mod said;
pub(crate) mod write;

pub use carry::{carry, depth};
pub(crate) mod without;
