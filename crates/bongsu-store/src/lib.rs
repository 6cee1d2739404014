//! What is kept: users, rooms, memberships, messages, read marks, blocks, bans, audit; devices, their commands and states;
//! presets.
//!
//! [`Store`] is the contract; `sqlite`, `postgres` and `memory` fulfil it, and `conformance` holds every implementation to it.
//! Invariant: what a call has answered is durable as far as the store's durability setting says.

pub mod api;
pub mod api_devices;
pub mod api_presets;
mod command;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod fault;
mod json;
pub mod limits;
pub mod memory;
pub mod meter;
#[cfg(feature = "postgres")]
pub mod postgres;
mod rename;
pub mod sqlite;

pub use api::{
    Appended, Existing, Joined, KeptTrail, Left, Mark, MemberToken, NewMessage, RoomMembers, SignIn,
    SignedIn, Store, StoredAnswer, TokenAdded,
};
pub use api_devices::DeviceStore;
pub use api_presets::PresetStore;
pub use fault::{
    AppendRefused, CreateRefused, JoinRefused, NotRenamed, RenameRefused, StoreFault, UpdateRefused,
};
pub use limits::StoreLimits;
pub use memory::Memory;
pub use meter::StoreMeter;
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresOptions};
pub use sqlite::{Durability, OpenError, Sqlite, SqliteOptions};
