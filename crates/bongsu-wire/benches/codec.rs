//! The codec benches.
fn main() {}
