//! The WebSocket codec from outside: every rule of RFC 6455, every limit, every cut, and compression both ways.

mod client;
mod deflate;
mod frames;
mod limits;
mod model;
mod puff;
mod streams;
mod wire;
