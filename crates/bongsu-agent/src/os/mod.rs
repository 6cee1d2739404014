//! What is of the operating system: processes and who they belong to, groups that limit and kill, users, files.
//!
//! Invariant: nothing outside of this folder names a system call or a path of the kernel's. Another system has its own
//! modules of the same names here; Windows would keep a program in a Job object where Linux has its supervisor walk.

pub(crate) mod cgroup;
pub(crate) mod child;
pub(crate) mod files;
pub(crate) mod process;
pub(crate) mod user;
pub(crate) mod watch;
