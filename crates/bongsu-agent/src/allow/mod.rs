//! What may be run here, and what exactly is then executed.
//!
//! Invariant: what is checked is the real path of the file that is executed, with nothing between the two that others than
//! root and the agent's user may change; the supervisor knows the file again by its mark.

mod manifest;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bongsu_model::display::Program;

pub use manifest::NoManifest;
pub(crate) use manifest::{bytes, milli};
pub use words::NoWords;

use crate::os::cgroup::Quota;
use crate::os::files::{self, Mark};
use crate::report::Code;
use manifest::{Allowed, Manifest, Terms, Where};

/// The shell that reads lines.
const SHELL: &str = "/bin/sh";
/// Where programs are looked for if the agent has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a program has of the agent's own environment.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XAUTHORITY",
    "USER",
];
/// What nobody else may set: by these the agent knows its programs.
const OURS: &str = "BONGSU_";

/// A reason has at most so many characters.
const REASON_CHARS_MAX: usize = 1_000;

/// Why a program is not run.
pub(crate) type Refused = (Code, Arc<str>);

/// What may be run here.
#[derive(Debug)]
pub(crate) struct Allow {
    manifest: Option<Manifest>,
    line_bytes_max: usize,
    path: OsString,
    inherited: BTreeMap<String, String>,
}

/// What is executed, and on which terms.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Checked {
    /// The real path of the file.
    pub(crate) program: PathBuf,
    /// By what it is known again.
    pub(crate) mark: Mark,
    /// What it is called to itself.
    pub(crate) called: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Where it runs, if that was said.
    pub(crate) cwd: Option<PathBuf>,
    /// What it has of the agent's environment, and what was said.
    pub(crate) inherited: BTreeMap<String, String>,
    /// What was said of its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// As whom, if the manifest says.
    pub(crate) user: Option<String>,
    /// What it may take.
    pub(crate) quota: Quota,
}

/// A file that was found.
struct Found {
    /// By which absolute path.
    named: PathBuf,
    /// Where it really is.
    real: PathBuf,
}

impl Allow {
    /// What the manifest allows, or anything; with this process's own environment.
    pub(crate) fn new(manifest: Option<&Path>, line_bytes_max: usize) -> Result<Self, NoManifest> {
        // What is no text could not be written down for the supervisor, and none of these is ever anything else.
        let own = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
        Ok(Self {
            manifest: manifest.map(Manifest::read).transpose()?,
            line_bytes_max,
            path: std::env::var_os("PATH").unwrap_or_else(|| PATH.into()),
            inherited: INHERITED.iter().filter_map(own).collect(),
        })
    }

    /// What is to be executed for a program, if it may be.
    ///
    /// # Errors
    /// Why it is not to be run.
    pub(crate) fn check(&self, program: &Program) -> Result<Checked, Refused> {
        let bad = |why: NoWords| refuse(Code::BadLine, &why);
        words::look(&program.line, self.line_bytes_max).map_err(bad)?;
        for (name, value) in &program.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') || name.starts_with(OURS)
            {
                return Err(refuse(
                    Code::BadProgram,
                    &format!("the variable {name:?} cannot be set"),
                ));
            }
        }
        let cwd = program.cwd.as_deref().map(folder).transpose()?;
        let (found, called, args, terms) = if program.shell {
            self.shell(program)?
        } else {
            self.program(program)?
        };
        if self.manifest.is_some() {
            self.on_terms(program, cwd.as_deref(), &terms)?;
            let foreign = files::foreign(&found.real).map_err(|fault| system(&found.real, &fault))?;
            if let Some(foreign) = foreign {
                let why = format!("{} may be changed by others", foreign.display());
                return Err(refuse(Code::NotAllowed, &why));
            }
        }
        Ok(Checked {
            mark: Mark::of(&found.real).map_err(|fault| system(&found.real, &fault))?,
            program: found.real,
            called,
            args,
            cwd,
            inherited: self.inherited.clone(),
            env: texts(&program.env),
            user: terms.user,
            quota: terms.quota,
        })
    }

    fn shell(&self, program: &Program) -> Result<(Found, String, Vec<String>, Terms), Refused> {
        let terms = match &self.manifest {
            None => Terms::default(),
            Some(manifest) => {
                let allowed = manifest
                    .lines
                    .iter()
                    .find(|allowed| allowed.line.is_match(&program.line));
                let why = "no line of the shell in the manifest is like this one";
                allowed
                    .ok_or_else(|| refuse(Code::NotAllowed, &why))?
                    .terms
                    .clone()
            }
        };
        let found = self.find(SHELL)?;
        Ok((
            found,
            "sh".into(),
            vec!["-c".into(), (&*program.line).into()],
            terms,
        ))
    }

    fn program(&self, program: &Program) -> Result<(Found, String, Vec<String>, Terms), Refused> {
        let mut words = words::split(&program.line).map_err(|why| refuse(Code::BadLine, &why))?;
        let args = words.split_off(1);
        let found = self.find(&words[0])?;
        let Some(manifest) = &self.manifest else {
            return Ok((found, words.remove(0), args, Terms::default()));
        };
        let (mut called, mut there) = (None, false);
        let allowed = manifest.programs.iter().find(|allowed| {
            called = allowed.called(&found);
            there |= called.is_some();
            called.is_some() && allowed.takes(&args)
        });
        match (allowed, called) {
            (Some(allowed), Some(called)) => Ok((found, called, args, allowed.terms.clone())),
            (None, _) | (_, None) if there => Err(refuse(
                Code::NotAllowed,
                &"the manifest has the program, with other arguments",
            )),
            (None, _) | (_, None) => {
                let why = format!("{} is not in the manifest", found.real.display());
                Err(refuse(Code::NotAllowed, &why))
            }
        }
    }

    /// Finds a program by its absolute path, or by its name in the agent's own `PATH`.
    fn find(&self, word: &str) -> Result<Found, Refused> {
        let named = if word.starts_with('/') {
            PathBuf::from(word)
        } else if word.contains('/') {
            let why = "a program is named by an absolute path or by its name alone";
            return Err(refuse(Code::BadLine, &why));
        } else {
            let folders = std::env::split_paths(&self.path).filter(|folder| folder.is_absolute());
            let mut places = folders.map(|folder| folder.join(word));
            let place = places.find(|place| files::is_executable(place));
            place.ok_or_else(|| {
                refuse(
                    Code::NotFound,
                    &format!("there is no program {word:?} in the agent's PATH"),
                )
            })?
        };
        let real = named.canonicalize().map_err(|fault| system(&named, &fault))?;
        if real.to_str().is_none() {
            return Err(refuse(Code::BadLine, &"the program's real path is no text"));
        }
        if !files::is_executable(&real) {
            let why = format!("{} is not to be executed", real.display());
            return Err(refuse(Code::NotExecutable, &why));
        }
        Ok(Found { named, real })
    }

    fn on_terms(&self, program: &Program, cwd: Option<&Path>, terms: &Terms) -> Result<(), Refused> {
        if let Some(name) = program
            .env
            .keys()
            .find(|name| !terms.env.iter().any(|env| **env == ***name))
        {
            let why = format!("the manifest does not allow the variable {name:?}");
            return Err(refuse(Code::NotAllowed, &why));
        }
        let inside = |cwd: &Path| {
            let roots = terms.cwd.iter().filter_map(|root| root.canonicalize().ok());
            roots.into_iter().any(|root| cwd.starts_with(root))
        };
        if let Some(cwd) = cwd.filter(|cwd| !inside(cwd)) {
            let why = format!("the manifest does not allow the folder {}", cwd.display());
            return Err(refuse(Code::NotAllowed, &why));
        }
        Ok(())
    }
}

impl Allowed {
    /// What the file is called to itself if it is meant; `None` if it is not.
    ///
    /// A program that does different things by its name is its real path, unless the manifest names the link and it was
    /// found by that very name: else a link to it that is allowed would allow all the others.
    fn called(&self, found: &Found) -> Option<String> {
        let real = || found.real.to_str().map(str::to_owned);
        match &self.path {
            Where::Like(pattern) => found
                .real
                .to_str()
                .filter(|path| pattern.is_match(path))
                .map(str::to_owned),
            Where::File { named, .. } if *named == found.real => real(),
            Where::File {
                named,
                real: Some(then),
            } if *then == found.real => {
                if *named == found.named {
                    named.to_str().map(str::to_owned)
                } else if named.file_name() == found.real.file_name() {
                    // Only its folders are links.
                    real()
                } else {
                    None
                }
            }
            Where::File { .. } => None,
        }
    }

    fn takes(&self, args: &[String]) -> bool {
        let each = self
            .args
            .iter()
            .zip(args)
            .all(|(pattern, arg)| pattern.is_match(arg));
        let more = args.get(self.args.len()..);
        each && more.is_some_and(|more| {
            let may = |arg: &String| {
                self.more_args
                    .as_ref()
                    .is_some_and(|pattern| pattern.is_match(arg))
            };
            more.iter().all(may)
        })
    }
}

/// A folder by its real path.
fn folder(path: &str) -> Result<PathBuf, Refused> {
    let bad = |why: &str| refuse(Code::BadProgram, &format!("the folder {path:?} {why}"));
    let named = Path::new(path);
    if path.contains('\0') || named.components().next() != Some(Component::RootDir) {
        return Err(bad("is no absolute path"));
    }
    let real = named
        .canonicalize()
        .map_err(|fault| bad(&format!("cannot be used: {fault}")))?;
    if !real.is_dir() || real.to_str().is_none() {
        return Err(bad("is no folder that can be used"));
    }
    Ok(real)
}

fn texts(env: &BTreeMap<Arc<str>, Arc<str>>) -> BTreeMap<String, String> {
    env.iter()
        .map(|(name, value)| ((**name).to_owned(), (**value).to_owned()))
        .collect()
}

/// The reason is kept short, whatever it quotes.
pub(crate) fn refuse(code: Code, why: &impl ToString) -> Refused {
    let why = why.to_string();
    (
        code,
        why.chars().take(REASON_CHARS_MAX).collect::<String>().into(),
    )
}

fn system(path: &Path, fault: &std::io::Error) -> Refused {
    refuse(code_of(fault), &format!("{}: {fault}", path.display()))
}

/// The code of what the system says of a file that is to be executed.
pub(crate) fn code_of(fault: &std::io::Error) -> Code {
    if fault.kind() == std::io::ErrorKind::NotFound {
        Code::NotFound
    } else if fault.kind() == std::io::ErrorKind::PermissionDenied {
        Code::NotExecutable
    } else {
        Code::System
    }
}

#[cfg(test)]
mod tests;
