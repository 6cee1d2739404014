//! The store on a real server: `BONGSU_TEST_POSTGRES` is the address of one, with a user who may make schemas.
//!
//! Invariant: each test has a schema of its own and drops it; without a server all of them fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod opening;
mod races;
mod servers;
