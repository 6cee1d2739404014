//! The built binary, driven as people and scripts drive it: what it prints where, its exit codes, its files, its signals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod check;
mod commands;
mod displays;
mod files;
mod first_start;
mod members;
mod nodes;
mod reload;
mod review;
mod serve;
mod settings;
mod simulate;
mod support;
mod tail;
mod tls;
