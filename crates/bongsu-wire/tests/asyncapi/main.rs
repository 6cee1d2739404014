//! Holds the registries of messages to the codecs: what one says the other does.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod check;
mod document;
mod names;
mod requests;
mod sample;
mod vectors;
