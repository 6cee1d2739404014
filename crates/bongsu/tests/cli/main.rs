//! The built binary, driven as people and scripts drive it: what it prints where, its exit codes, its files, its signals.

mod check;
mod commands;
mod first_start;
mod reload;
mod serve;
mod settings;
mod support;
mod tail;
