//! A server: from settings to listeners that accept, and to their end.

mod assemble;
pub(crate) mod backplane;
mod demo;
mod files;
mod first;
mod meter;
mod reload;
mod secure;
mod signals;
mod stored;

pub(crate) use signals::serve;
pub(crate) use stored::{DATABASE, refuse};
