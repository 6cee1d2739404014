//! The frames of devices as JSON: one object in each text message.

mod client;
mod decode;
mod encode;

pub use client::{say, told};
pub use decode::hear;
pub use encode::frame;
