//! From a program that is asked for to everything that its supervisor is told.
//!
//! Invariant: all that may be refused is refused here, before the command is begun.

use std::path::{Path, PathBuf};

use bongsu_model::CommandId;
use bongsu_model::display::{PresetId, Program, StopSignal};

use super::config::{Cgroups, OpenError, RunnerConfig};
use crate::allow::{Allow, Refused, refuse};
use crate::os::cgroup::{self, Quota};
use crate::os::process::since_boot_ms;
use crate::os::user::Account;
use crate::report::Code;
use crate::supervise::spec::{Spec, Stopping};

/// By this variable every process of a program says whose it is.
pub(super) const MARK: &str = "BONGSU_COMMAND_ID";

/// What all programs have in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: RunnerConfig,
    allow: Allow,
    account: Option<Account>,
    groups: Option<PathBuf>,
}

impl Plan {
    pub(super) fn new(config: RunnerConfig) -> Result<Self, OpenError> {
        let allow = Allow::new(config.allow.as_deref(), config.limits.line_bytes_max)?;
        if config.allow.is_none() {
            tracing::warn!(
                "there is no manifest: whoever may command this agent may run anything as its user"
            );
        }
        let account = config.user.as_deref().map(Account::find).transpose()?;
        let fault = |path: &Path, source| OpenError::Cgroup {
            path: path.to_owned(),
            source,
        };
        let groups = match &config.cgroups {
            Cgroups::Off => None,
            Cgroups::Delegated => match cgroup::delegated() {
                Ok(Some(base)) => {
                    cgroup::prepare(&base).map_err(|source| fault(&base, source))?;
                    Some(base)
                }
                Ok(None) => None,
                Err(source) => return Err(fault(Path::new(cgroup::OWN), source)),
            },
            Cgroups::At(base) => {
                cgroup::prepare(base).map_err(|source| fault(base, source))?;
                Some(base.clone())
            }
        };
        Ok(Self {
            config,
            allow,
            account,
            groups,
        })
    }

    /// What a supervisor is told of a program.
    pub(super) fn spec(
        &self,
        command: CommandId,
        preset: Option<PresetId>,
        program: &Program,
    ) -> Result<Spec, Refused> {
        let checked = self.allow.check(program)?;
        let account = match &checked.user {
            Some(user) => Some(Account::find(user).map_err(|why| refuse(Code::User, &why))?),
            None => self.account.clone(),
        };
        let quota = Quota {
            memory_bytes: checked.quota.memory_bytes.or(self.config.quota.memory_bytes),
            cpu_milli: checked.quota.cpu_milli.or(self.config.quota.cpu_milli),
        };
        if quota.is_any() && self.groups.is_none() {
            if self.config.require_limits {
                return Err(refuse(
                    Code::Limits,
                    &"its limits need control groups, and there are none here",
                ));
            }
            tracing::warn!(%command, "a program runs without its limits: there are no control groups here");
        }
        let mut env = checked.inherited;
        if let Some(account) = &account {
            env.insert("USER".into(), account.name.clone());
            env.insert("HOME".into(), account.home.to_string_lossy().into_owned());
        }
        let home = env.get("HOME").map(PathBuf::from).filter(|home| home.is_dir());
        env.extend(checked.env);
        env.insert(MARK.into(), command.to_string());
        if let Some(preset) = preset {
            env.insert("BONGSU_PRESET_ID".into(), preset.to_string());
        }
        let cwd = checked.cwd.or_else(|| self.config.cwd.clone()).or(home);
        let limits = &self.config.limits;
        let grace_ms = program
            .grace_ms
            .unwrap_or(limits.grace_ms)
            .min(limits.grace_ms_max);
        Ok(Spec {
            line: (*program.line).to_owned(),
            preset: preset.map(|preset| preset.0),
            taken_ms: since_boot_ms(),
            program: checked.program,
            mark: checked.mark,
            called: checked.called,
            args: checked.args,
            cwd: cwd.unwrap_or_else(|| "/".into()),
            env,
            account,
            quota,
            quota_required: self.config.require_limits,
            cgroup: self
                .groups
                .as_ref()
                .map(|base| base.join(format!("run-{command}"))),
            stop: Stopping {
                signal: program.stop_signal.unwrap_or(StopSignal::Term),
                grace_ms,
                leftover_grace_ms: limits.leftover_grace_ms,
            },
            log_bytes_max: limits.log_bytes_max,
            log_files: limits.log_files,
        })
    }
}
