//! Tokens as strangers send them: every one that is not right is refused with the right reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod algorithms;
mod claims;
mod form;
mod key_files;
mod key_urls;
mod own_key;
mod support;
mod wycheproof;
