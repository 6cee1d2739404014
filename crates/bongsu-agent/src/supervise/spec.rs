//! What a supervisor is given: everything that was decided about a program, so that it decides nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bongsu_model::display::StopSignal;
use serde::{Deserialize, Serialize};

use crate::os::cgroup::Quota;
use crate::os::files::Mark;
use crate::os::user::Account;

/// Everything that was decided about a program.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The command line, for people.
    pub(crate) line: String,
    /// The preset.
    pub(crate) preset: Option<i64>,
    /// When the command was taken, in milliseconds since the boot.
    pub(crate) taken_ms: u64,
    /// The file that is executed.
    pub(crate) program: PathBuf,
    /// By what it is known again.
    pub(crate) mark: Mark,
    /// What it is called to itself.
    pub(crate) called: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Where it runs.
    pub(crate) cwd: PathBuf,
    /// All of its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// As whom it runs, if not as the supervisor.
    pub(crate) account: Option<Account>,
    /// What it may take.
    pub(crate) quota: Quota,
    /// Whether it is not to be run without that.
    pub(crate) quota_required: bool,
    /// The control group that is made for it.
    pub(crate) cgroup: Option<PathBuf>,
    /// How it is stopped.
    pub(crate) stop: Stopping,
    /// A file of what it writes has at most so many bytes.
    pub(crate) log_bytes_max: u64,
    /// So many of them are kept.
    pub(crate) log_files: u32,
}

/// How a program is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Stopping {
    /// By what it is asked.
    #[serde(with = "signal")]
    pub(crate) signal: StopSignal,
    /// How long it has then, in milliseconds.
    pub(crate) grace_ms: u64,
    /// How long whatever it leaves behind has, in milliseconds.
    pub(crate) leftover_grace_ms: u64,
}

mod signal {
    use bongsu_model::display::StopSignal;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
    pub(super) fn serialize<S: Serializer>(signal: &StopSignal, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(signal.name())
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<StopSignal, D::Error> {
        let name = String::deserialize(from)?;
        StopSignal::parse(&name).ok_or_else(|| D::Error::custom("no signal"))
    }
}
