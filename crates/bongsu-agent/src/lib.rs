//! The display agent: programs run at most once, are watched through restarts, and end with everything they started.
//!
//! Owns nothing itself. Invariant: what was begun is in the journal before it begins; a program belongs to its supervisor,
//! a process of its own, so nothing that happens to the agent happens to the program.

mod allow;
mod args;
pub mod cli;
pub mod limits;
pub mod link;
mod os;
mod report;
mod run;
mod runner;
pub mod session;
mod supervise;

pub use allow::{NoManifest, NoWords};
pub use args::{AgentArgs, NotMeant, RunArgs, main};
pub use limits::Limits;
pub use os::cgroup::Quota;
pub use os::user::NoUser;
pub use report::{Code, How, Job, Lost, OnExit, Outcome, Process, Report, StopTicket, Which};
pub use run::{AgentConfig, run};
pub use runner::{Cgroups, OpenError, Runner, RunnerConfig, Supervisor};
pub use supervise::supervise;
