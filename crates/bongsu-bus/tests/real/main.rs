//! The buses over real servers against the contract. Where they are says the environment (`BONGSU_TEST_NATS`, …, each an
//! address); those that are killed and stopped are the tests' own.

#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
mod server;
