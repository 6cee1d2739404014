//! A server: from settings to listeners that accept, and to their end.

mod assemble;
mod demo;
mod files;
mod first;
mod meter;
mod reload;
mod secure;
mod signals;

pub(crate) use assemble::{DATABASE, refuse};
pub(crate) use signals::serve;
