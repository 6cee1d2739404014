//! `bongsu config default`: every setting with its default and its reason.
//!
//! Invariant: reading it gives the defaults; a test holds it to that.

use std::fmt::Write as _;

use bongsu_model::Limits;

/// A complete configuration that says what a server does anyway.
pub(crate) fn default_toml() -> String {
    let mut text = String::from(include_str!("default.toml"));
    text.push_str("\n# Times in milliseconds (_ms) or seconds (_s), sizes in bytes.\n[limits]\n");
    for ((name, value), (_, about)) in Limits::DEFAULT.entries().into_iter().zip(Limits::described()) {
        writeln!(text, "# {about}\n{name} = {value}").expect("a string takes everything");
    }
    text
}
