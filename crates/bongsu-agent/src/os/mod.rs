//! What is of the operating system: processes and who they belong to, groups that limit and kill, users, files.
//!
//! Invariant: who a process is, when it has ended and what is killed with it is decided here alone. Another system has modules
//! of the same names here: on Windows a Job object would hold a program, where on Linux its supervisor is the parent of all
//! that it leaves behind.

pub(crate) mod cgroup;
pub(crate) mod child;
pub(crate) mod files;
pub(crate) mod process;
pub(crate) mod user;
pub(crate) mod watch;
