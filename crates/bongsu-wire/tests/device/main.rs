//! The device protocols: both formats mean the same both ways, and what is wrong is refused alike.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod docs;
mod properties;
mod refused;
mod samples;
mod told;
