//! Every limit of the agent, as a setting with its default.
//!
//! Invariant: nothing here grows with what a program does.

/// How much of everything there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// A command line may have so many bytes.
    pub line_bytes_max: usize,
    /// So many programs run at a time; another is refused.
    pub programs_max: usize,
    /// The same preset again within so many milliseconds of its start, while it runs, is not run again.
    pub repeat_ms: u64,
    /// How long a program that is asked to stop has before it is killed, in milliseconds, if nobody says.
    pub grace_ms: u64,
    /// The longest that somebody may say, in milliseconds.
    pub grace_ms_max: u64,
    /// How long that which a program leaves behind when it ends by itself has before it is killed, in milliseconds.
    pub leftover_grace_ms: u64,
    /// A file of what a program writes has at most so many bytes.
    pub log_bytes_max: u64,
    /// So many files of each of its two streams are kept, the one that is written to included.
    pub log_files: u32,
    /// How long an agent that ends waits for what it stops, in milliseconds; the supervisors go on after it.
    pub close_ms: u64,
    /// The folders of so many programs that have ended are kept, the youngest.
    pub ended_kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 64 * 1024,
            programs_max: 64,
            repeat_ms: 500,
            grace_ms: 5_000,
            grace_ms_max: 600_000,
            leftover_grace_ms: 1_000,
            log_bytes_max: 8 * 1024 * 1024,
            log_files: 3,
            close_ms: 30_000,
            ended_kept: 32,
        }
    }
}
