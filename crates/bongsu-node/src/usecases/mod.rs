//! What a node does when it is asked: one file per verb, each in the order allowed, durable, answered, announced.

pub(crate) mod block;
pub(crate) mod calls;
pub(crate) mod create_call;
pub(crate) mod cut;
pub(crate) mod emit;
pub(crate) mod history;
pub(crate) mod in_call;
pub(crate) mod join;
pub(crate) mod join_call;
pub(crate) mod leave;
pub(crate) mod mark_read;
pub mod operate;
pub(crate) mod ping;
pub mod post;
pub(crate) mod recover;
pub(crate) mod refresh;
pub(crate) mod rooms;
pub(crate) mod session_rooms;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod signal;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod typing;
pub(crate) mod users;
pub(crate) mod vouch;
