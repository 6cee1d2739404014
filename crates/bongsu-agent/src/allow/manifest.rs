//! The manifest: what this machine may run, as its administrator wrote it.
//!
//! Invariant: what is not written is not allowed, and a manifest that holds anything unknown is no manifest.

use std::path::{Path, PathBuf};

use regex::Regex;
use serde::Deserialize;

use crate::os::cgroup::Quota;
use crate::os::files;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum NoManifest {
    /// It cannot be read.
    #[error("the manifest {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than root and the agent's user may change what is allowed.
    #[error("the manifest may be changed by others: {0} is not only root's or the agent's to write")]
    Foreign(PathBuf),
    /// It is no manifest.
    #[error("the manifest {path} cannot be understood")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: toml::de::Error,
    },
    /// A pattern is none.
    #[error("{0:?} is no pattern")]
    Pattern(String, #[source] Box<regex::Error>),
    /// A path is neither absolute nor a pattern of one.
    #[error("{0:?} is not an absolute path")]
    Relative(String),
    /// An amount of memory or of processor time is none.
    #[error("{0:?} is no amount")]
    Amount(String),
}

/// What this machine may run.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) programs: Vec<Allowed>,
    pub(crate) lines: Vec<AllowedLine>,
}

/// A program that may be run.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) path: Where,
    /// One for each argument.
    pub(crate) args: Vec<Regex>,
    /// One for all that follow; `None`: none may.
    pub(crate) more_args: Option<Regex>,
    pub(crate) terms: Terms,
}

/// A line that the shell may be given.
#[derive(Debug)]
pub(crate) struct AllowedLine {
    pub(crate) line: Regex,
    pub(crate) terms: Terms,
}

/// On which terms something is run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) user: Option<String>,
    pub(crate) cwd: Vec<PathBuf>,
    pub(crate) env: Vec<String>,
    pub(crate) quota: Quota,
}

/// Which files are meant.
#[derive(Debug)]
pub(crate) enum Where {
    /// This one, under this name; what it led to when the manifest was read, if it was there.
    File { named: PathBuf, real: Option<PathBuf> },
    /// Those whose real paths are like this.
    Like(Regex),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    program: Vec<Program>,
    #[serde(default)]
    shell: Vec<Shell>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    path: String,
    #[serde(default)]
    args: Vec<String>,
    more_args: Option<String>,
    user: Option<String>,
    #[serde(default)]
    cwd: Vec<PathBuf>,
    #[serde(default)]
    env: Vec<String>,
    memory_max: Option<String>,
    cpu_max: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shell {
    line: String,
    user: Option<String>,
    #[serde(default)]
    cwd: Vec<PathBuf>,
    #[serde(default)]
    env: Vec<String>,
    memory_max: Option<String>,
    cpu_max: Option<String>,
}

impl Manifest {
    /// Reads a manifest that nobody but root and the agent's user may change.
    pub(crate) fn read(path: &Path) -> Result<Self, NoManifest> {
        let unreadable = |source| NoManifest::Unreadable {
            path: path.to_owned(),
            source,
        };
        let real = path.canonicalize().map_err(unreadable)?;
        if let Some(foreign) = files::foreign(&real).map_err(unreadable)? {
            return Err(NoManifest::Foreign(foreign));
        }
        let text = std::fs::read_to_string(&real).map_err(unreadable)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, NoManifest> {
        let file: File = toml::from_str(text).map_err(|source| NoManifest::Syntax {
            path: path.to_owned(),
            source,
        })?;
        let programs = file.program.into_iter().map(Program::allowed);
        let lines = file.shell.into_iter().map(Shell::allowed);
        Ok(Self {
            programs: programs.collect::<Result<_, _>>()?,
            lines: lines.collect::<Result<_, _>>()?,
        })
    }
}

impl Program {
    fn allowed(self) -> Result<Allowed, NoManifest> {
        Ok(Allowed {
            path: Where::of(&self.path)?,
            args: self.args.iter().map(|arg| whole(arg)).collect::<Result<_, _>>()?,
            more_args: self.more_args.as_deref().map(whole).transpose()?,
            terms: terms(self.user, self.cwd, self.env, self.memory_max, self.cpu_max)?,
        })
    }
}

impl Shell {
    fn allowed(self) -> Result<AllowedLine, NoManifest> {
        Ok(AllowedLine {
            line: whole(&self.line)?,
            terms: terms(self.user, self.cwd, self.env, self.memory_max, self.cpu_max)?,
        })
    }
}

impl Where {
    fn of(path: &str) -> Result<Self, NoManifest> {
        if !path.starts_with('/') {
            return Err(NoManifest::Relative(path.to_owned()));
        }
        if path.contains(['*', '?', '[']) {
            return Ok(Self::Like(whole(&like(path))?));
        }
        let named = PathBuf::from(path);
        let real = named.canonicalize().ok();
        Ok(Self::File { named, real })
    }
}

fn terms(
    user: Option<String>,
    cwd: Vec<PathBuf>,
    env: Vec<String>,
    memory: Option<String>,
    cpu: Option<String>,
) -> Result<Terms, NoManifest> {
    if let Some(relative) = cwd.iter().find(|path| !path.is_absolute()) {
        return Err(NoManifest::Relative(relative.display().to_string()));
    }
    let wrong = |text: &String| NoManifest::Amount(text.clone());
    let memory_bytes = memory.map(|text| bytes(&text).ok_or_else(|| wrong(&text)));
    let cpu_milli = cpu.map(|text| milli(&text).ok_or_else(|| wrong(&text)));
    Ok(Terms {
        user,
        cwd,
        env,
        quota: Quota {
            memory_bytes: memory_bytes.transpose()?,
            cpu_milli: cpu_milli.transpose()?,
        },
    })
}

/// A pattern that is met by a whole text or not at all.
fn whole(pattern: &str) -> Result<Regex, NoManifest> {
    Regex::new(&format!(r"\A(?:{pattern})\z"))
        .map_err(|fault| NoManifest::Pattern(pattern.to_owned(), Box::new(fault)))
}

/// The pattern that a path with `*` (within a folder), `**` (over folders), `?` and `[…]` stands for.
fn like(path: &str) -> String {
    let mut pattern = String::new();
    let mut rest = path.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                pattern.push_str("(?s:.*)");
            }
            '*' => pattern.push_str("[^/]*"),
            '?' => pattern.push_str("[^/]"),
            '[' => pattern.push_str(&class(&mut rest)),
            plain => pattern.push_str(&regex::escape(&plain.to_string())),
        }
    }
    pattern
}

/// The class of characters whose bracket was just read. Whatever it holds or excludes, it stays in its folder.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let not = if rest.next_if(|next| ['!', '^'].contains(next)).is_some() {
        "^"
    } else {
        ""
    };
    let mut inner = Vec::new();
    loop {
        match rest.next() {
            // A bracket that is not closed is no pattern.
            None => return "[".to_owned(),
            Some(']') if !inner.is_empty() => break,
            Some(plain) => inner.push(plain),
        }
    }
    // Characters with a meaning in the brackets of an expression, some of them only twice.
    let plain = |plain: char| match plain {
        '\\' | '[' | ']' | '^' | '-' | '&' | '~' => format!("\\{plain}"),
        plain => plain.to_string(),
    };
    let (mut class, mut at) = (String::new(), 0);
    while let Some(first) = inner.get(at) {
        class.push_str(&plain(*first));
        at += 1;
        if let (Some('-'), Some(last)) = (inner.get(at), inner.get(at + 1)) {
            class.push('-');
            class.push_str(&plain(*last));
            at += 2;
        }
    }
    format!("[[{not}{class}]&&[^/]]")
}

/// An amount of memory: bytes, or with K, M, G (of 1,024).
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) if text.ends_with('K') => (number, 1 << 10),
        Some(number) if text.ends_with('M') => (number, 1 << 20),
        Some(number) => (number, 1 << 30),
        None => (text, 1),
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
}

/// An amount of processor time, in thousandths of one processor: `150%` is one and a half.
pub(crate) fn milli(text: &str) -> Option<u64> {
    let percent: u64 = text.strip_suffix('%')?.parse().ok()?;
    percent.checked_mul(10).filter(|milli| *milli > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, NoManifest> {
        Manifest::parse(Path::new("allow.toml"), text)
    }

    #[test]
    fn amounts_have_units() {
        assert_eq!(bytes("4096"), Some(4_096));
        assert_eq!(bytes("2K"), Some(2_048));
        assert_eq!(bytes("3M"), Some(3 << 20));
        assert_eq!(bytes("1G"), Some(1 << 30));
        for wrong in [
            "",
            "0",
            "M",
            "1T",
            "-1",
            "99999999999999999999",
            "18446744073709551615G",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(milli("150%"), Some(1_500));
        for wrong in ["150", "0%", "%", "1.5%"] {
            assert_eq!(milli(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_pattern_of_paths_stays_in_its_folder() {
        let met = |pattern: &str, path: &str| whole(&like(pattern)).unwrap().is_match(path);
        assert!(met("/opt/show/*", "/opt/show/play"));
        assert!(!met("/opt/show/*", "/opt/show/sub/play"));
        assert!(!met("/opt/show/*", "/opt/show/../sh/x"));
        assert!(met("/opt/**/play", "/opt/a/b/play"));
        assert!(met("/opt/play-?.[0-9]", "/opt/play-x.7"));
        assert!(!met("/opt/play-?.[0-9]", "/opt/play-xy.7"));
        assert!(met("/opt/[!a]", "/opt/b") && !met("/opt/[!a]", "/opt/a"));
        assert!(!met("/opt/[!a]play", "/opt//play") && !met("/opt/[+-9]x", "/opt//x"));
        assert!(met("/opt/[+-9]x", "/opt/5x"));
        for plain in ["a", "-", "b"] {
            assert!(met("/opt/[ab-]", &format!("/opt/{plain}")), "{plain}");
            assert!(met("/opt/[+--ab]", &format!("/opt/{plain}")), "{plain}");
        }
        assert!(whole(&like("/opt/[a--b]")).is_err(), "a range that goes back");
        for plain in ["a", "&", "b", "~"] {
            assert!(met("/opt/[a&&b~~&]", &format!("/opt/{plain}")), "{plain}");
        }
        assert!(met("/opt/[]x]", "/opt/]") && met("/opt/[[x]", "/opt/[") && met("/opt/[^a]", "/opt/b"));
        assert!(whole(&like("/opt/[ab")).is_err(), "not closed");
        assert!(!met("/opt/a.b*", "/opt/aXb"));
        assert!(!met("/opt/*", "/opt/a\n/b"));
    }

    #[test]
    fn what_is_wrong_in_a_manifest_is_said() {
        let unknown = parse("[[program]]\npath = \"/bin/x\"\nargz = []");
        assert!(matches!(unknown, Err(NoManifest::Syntax { .. })));
        let relative = parse("[[program]]\npath = \"bin/x\"");
        assert!(matches!(relative, Err(NoManifest::Relative(_))));
        let root = parse("[[program]]\npath = \"/bin/x\"\ncwd = [\"srv\"]");
        assert!(matches!(root, Err(NoManifest::Relative(_))));
        let pattern = parse("[[shell]]\nline = \"(\"");
        assert!(matches!(pattern, Err(NoManifest::Pattern(..))));
        let amount = parse("[[shell]]\nline = \"x\"\nmemory_max = \"much\"");
        assert!(matches!(amount, Err(NoManifest::Amount(_))));
    }

    #[test]
    fn an_alternative_in_a_pattern_is_held_together() {
        let both = whole("play|stop").unwrap();
        assert!(both.is_match("stop") && !both.is_match("stop it") && !both.is_match("replay"));
    }
}
