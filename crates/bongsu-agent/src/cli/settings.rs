//! How a runner is set up by a command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::DataArgs;
use crate::allow::{bytes, milli};
use crate::{Cgroups, OnExit, Quota, RunnerConfig, Supervisor};

/// How programs are run.
#[derive(Clone, Debug, Args)]
pub struct RunnerArgs {
    #[command(flatten)]
    data: DataArgs,
    /// The manifest of the programs that may be run
    #[arg(
        long,
        env = "BONGSU_AGENT_ALLOW",
        value_name = "FILE",
        required_unless_present = "allow_any"
    )]
    allow: Option<PathBuf>,
    /// Run whatever is asked for
    #[arg(long, conflicts_with = "allow")]
    allow_any: bool,
    /// Run programs as this user
    #[arg(long, env = "BONGSU_AGENT_USER", value_name = "NAME")]
    user: Option<String>,
    /// Where programs run that do not say [default: their user's home]
    #[arg(long, value_name = "FOLDER")]
    cwd: Option<PathBuf>,
    /// Memory that each program may have, such as 512M, if the manifest does not say
    #[arg(long, value_name = "BYTES", value_parser = |text: &str| bytes(text).ok_or("an amount such as 512M"))]
    memory_max: Option<u64>,
    /// Processor time that each program may have, such as 150%, if the manifest does not say
    #[arg(long, value_name = "PERCENT", value_parser = |text: &str| milli(text).ok_or("an amount such as 150%"))]
    cpu_max: Option<u64>,
    /// Make control groups in this one: its path, `delegated` for what systemd has delegated, or `off`
    #[arg(long, value_name = "PATH", default_value = "delegated")]
    cgroup: PathBuf,
    /// Refuse a program whose limits cannot be had
    #[arg(long, action = ArgAction::SetTrue)]
    require_limits: bool,
    /// What becomes of programs when the agent ends
    #[arg(long, value_enum, default_value_t = Exit::Leave)]
    on_exit: Exit,
    /// How long a program that is asked to stop has before it is killed, in milliseconds
    #[arg(long, value_name = "MS")]
    grace_ms: Option<u64>,
    /// A file of what a program writes has at most so many bytes, such as 8M
    #[arg(long, value_name = "BYTES", value_parser = |text: &str| bytes(text).ok_or("an amount such as 8M"))]
    log_bytes_max: Option<u64>,
    /// So many files of each of a program's outputs are kept
    #[arg(long, value_name = "FILES", value_parser = clap::value_parser!(u32).range(1..=100))]
    log_files: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Exit {
    /// They are stopped
    Stop,
    /// They go on, and the next agent takes them over
    Leave,
}

/// Why a command line makes no settings.
#[derive(Debug, thiserror::Error)]
pub enum NoSettings {
    /// A path of a control group is not absolute.
    #[error("{0} is neither an absolute path of a control group, nor `delegated`, nor `off`")]
    Cgroup(PathBuf),
    /// There is neither a manifest nor the word that there is to be none.
    #[error("there is no manifest of what may be run: --allow FILE, or --allow-any")]
    Allow,
}

impl RunnerArgs {
    /// The runner's settings. `supervise` is what stands before a folder in the arguments of this very program that
    /// make it a supervisor, such as `["agent", "supervise"]`.
    ///
    /// # Errors
    /// What cannot be meant.
    pub fn config(&self, supervise: &[&str]) -> Result<RunnerConfig, NoSettings> {
        if self.allow.is_none() && !self.allow_any {
            return Err(NoSettings::Allow);
        }
        let mut config = RunnerConfig::new(self.data.folder());
        config.supervisor = Supervisor::own(supervise);
        config.allow.clone_from(&self.allow);
        config.user.clone_from(&self.user);
        config.cwd.clone_from(&self.cwd);
        config.quota = Quota {
            memory_bytes: self.memory_max,
            cpu_milli: self.cpu_max,
        };
        config.require_limits = self.require_limits;
        config.cgroups = match self.cgroup.to_str() {
            Some("delegated") => Cgroups::Delegated,
            Some("off") => Cgroups::Off,
            _ if self.cgroup.is_absolute() => Cgroups::At(self.cgroup.clone()),
            _ => return Err(NoSettings::Cgroup(self.cgroup.clone())),
        };
        let limits = &mut config.limits;
        limits.grace_ms = self.grace_ms.unwrap_or(limits.grace_ms).min(limits.grace_ms_max);
        limits.log_bytes_max = self.log_bytes_max.unwrap_or(limits.log_bytes_max);
        limits.log_files = self.log_files.unwrap_or(limits.log_files);
        Ok(config)
    }

    /// What becomes of programs when the agent ends.
    #[must_use]
    pub const fn on_exit(&self) -> OnExit {
        match self.on_exit {
            Exit::Stop => OnExit::Stop,
            Exit::Leave => OnExit::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        runner: RunnerArgs,
    }

    fn config(args: &str) -> Result<RunnerConfig, String> {
        let args = format!("agent --data /d {args}");
        let line = Line::try_parse_from(args.split_whitespace()).map_err(|fault| fault.to_string())?;
        line.runner
            .config(&["agent", "supervise"])
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_may_be_run_has_to_be_said() {
        assert!(config("").is_err());
        assert!(config("--allow /x --allow-any").is_err());
        assert_eq!(config("--allow-any").unwrap().allow, None);
        assert_eq!(config("--allow /x").unwrap().allow, Some("/x".into()));
    }

    #[test]
    fn amounts_and_groups_are_read() {
        let read =
            config("--allow-any --memory-max 512M --cpu-max 150% --cgroup /sys/fs/cgroup/x --grace-ms 100");
        let read = read.unwrap();
        let quota = Quota {
            memory_bytes: Some(512 << 20),
            cpu_milli: Some(1_500),
        };
        assert_eq!(read.quota, quota);
        assert_eq!(read.cgroups, Cgroups::At("/sys/fs/cgroup/x".into()));
        assert_eq!(read.limits.grace_ms, 100);
        assert_eq!(config("--allow-any --cgroup off").unwrap().cgroups, Cgroups::Off);
        for wrong in [
            "--memory-max much",
            "--cpu-max 150",
            "--cgroup here",
            "--log-files 0",
        ] {
            assert!(config(&format!("--allow-any {wrong}")).is_err(), "{wrong}");
        }
    }
}
