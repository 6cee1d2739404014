//! What nodes say to each other: that it is heard as it was said, and that nothing else is.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod anything;
mod arb;
mod neighbours;
mod refused;
mod variants;
mod vectors;
