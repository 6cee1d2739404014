//! What is allowed and what is not, with real files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bongsu_model::display::Program;

use super::*;

/// A folder with programs, and a manifest.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["show/play", "show/쇼 재생", "other/wipe"] {
            machine.program(name);
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn program(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        mode(&path, 0o755);
        path
    }

    /// `@` in a manifest is the folder.
    fn allow(&self, manifest: &str) -> Allow {
        let path = self.path("allow.toml");
        let root = self.text("");
        fs::write(&path, manifest.replace('@', root.trim_end_matches('/'))).unwrap();
        mode(&path, 0o644);
        let mut allow = Allow::new(Some(&path), 65_536).unwrap();
        allow.path = format!("relative:{}:{}", self.text("show"), self.text("other")).into();
        allow
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn check(allow: &Allow, line: &str) -> Result<Checked, Code> {
    allow.check(&Program::new(line)).map_err(|(code, _)| code)
}

fn check_shell(allow: &Allow, line: &str) -> Result<Checked, Code> {
    let mut program = Program::new(line);
    program.shell = true;
    allow.check(&program).map_err(|(code, _)| code)
}

#[test]
fn what_is_named_is_allowed_and_nothing_else() {
    let machine = Machine::new();
    let allow = machine.allow("[[program]]\npath = '@/show/play'");
    let checked = check(&allow, &machine.text("show/play")).unwrap();
    assert_eq!(checked.program, machine.path("show/play"));
    assert_eq!(checked.called, machine.text("show/play"));
    assert_eq!(check(&allow, &machine.text("other/wipe")), Err(Code::NotAllowed));
    assert_eq!(
        check(&allow, &machine.text("other/../show/play"))
            .unwrap()
            .program,
        checked.program
    );
    let none = machine.allow("");
    assert_eq!(check(&none, &machine.text("show/play")), Err(Code::NotAllowed));
}

#[test]
fn a_name_is_looked_for_in_the_path_and_then_checked() {
    let machine = Machine::new();
    let allow = machine.allow("[[program]]\npath = '@/show/*'");
    assert_eq!(check(&allow, "play").unwrap().program, machine.path("show/play"));
    assert_eq!(
        check(&allow, "'쇼 재생'").unwrap().program,
        machine.path("show/쇼 재생")
    );
    assert_eq!(check(&allow, "wipe"), Err(Code::NotAllowed));
    assert_eq!(check(&allow, "sing"), Err(Code::NotFound));
    for relative in ["./play", "show/play", "../play"] {
        assert_eq!(check(&allow, relative), Err(Code::BadLine), "{relative}");
    }
}

#[test]
fn a_link_is_what_it_leads_to() {
    let machine = Machine::new();
    symlink(machine.path("other/wipe"), machine.path("show/link")).unwrap();
    let allow = machine.allow("[[program]]\npath = '@/show/*'");
    assert_eq!(check(&allow, &machine.text("show/link")), Err(Code::NotAllowed));
    symlink(machine.path("show/play"), machine.path("other/link")).unwrap();
    let checked = check(&allow, &machine.text("other/link")).unwrap();
    assert_eq!(
        (checked.program, checked.called),
        (machine.path("show/play"), machine.text("show/play"))
    );
}

#[test]
fn a_link_that_is_named_is_allowed_by_its_name_as_long_as_it_leads_there() {
    let machine = Machine::new();
    symlink(machine.path("other/wipe"), machine.path("show/ls")).unwrap();
    symlink(machine.path("other/wipe"), machine.path("show/rm")).unwrap();
    let allow = machine.allow("[[program]]\npath = '@/show/ls'");
    let checked = check(&allow, "ls").unwrap();
    assert_eq!(
        (checked.program, checked.called),
        (machine.path("other/wipe"), machine.text("show/ls"))
    );
    // A program that does different things by its names: the other names were not allowed.
    assert_eq!(check(&allow, "rm"), Err(Code::NotAllowed));
    assert_eq!(check(&allow, "wipe"), Err(Code::NotAllowed));
    fs::remove_file(machine.path("show/ls")).unwrap();
    symlink(machine.path("show/play"), machine.path("show/ls")).unwrap();
    assert_eq!(
        check(&allow, "ls"),
        Err(Code::NotAllowed),
        "it leads somewhere else now"
    );
}

#[test]
fn folders_may_be_links() {
    let machine = Machine::new();
    symlink(machine.path("show"), machine.path("bin")).unwrap();
    let allow = machine.allow("[[program]]\npath = '@/bin/play'");
    for line in ["play", &machine.text("bin/play"), &machine.text("show/play")] {
        assert_eq!(
            check(&allow, line).unwrap().program,
            machine.path("show/play"),
            "{line}"
        );
    }
}

#[test]
fn each_argument_has_its_pattern_and_the_rest_has_one() {
    let machine = Machine::new();
    let allow = machine.allow(
        "[[program]]\npath = '@/show/play'\nargs = ['-fs', '[a-z]+\\.mp4']\n\
         [[program]]\npath = '@/other/wipe'\nargs = ['--dry']\nmore_args = '-[a-z]'",
    );
    assert_eq!(check(&allow, "play -fs a.mp4").unwrap().args, ["-fs", "a.mp4"]);
    for line in [
        "play",
        "play -fs",
        "play -fs a.mp4 b",
        "play -fs 'a.mp4 b'",
        "play -fs xa.mp4x",
        "play a.mp4 -fs",
    ] {
        assert_eq!(check(&allow, line), Err(Code::NotAllowed), "{line}");
    }
    assert!(check(&allow, "wipe --dry").is_ok());
    assert!(check(&allow, "wipe --dry -a -b").is_ok());
    for line in ["wipe", "wipe -a", "wipe --dry -ab", "wipe --dry -a b"] {
        assert_eq!(check(&allow, line), Err(Code::NotAllowed), "{line}");
    }
}

#[test]
fn of_several_entries_the_first_that_takes_the_arguments_counts() {
    let machine = Machine::new();
    let allow = machine.allow(
        "[[program]]\npath = '@/show/play'\nargs = ['a']\nuser = 'one'\n\
         [[program]]\npath = '@/show/play'\nargs = ['b']\nuser = 'two'\nmemory_max = '1M'",
    );
    assert_eq!(check(&allow, "play a").unwrap().user.as_deref(), Some("one"));
    let second = check(&allow, "play b").unwrap();
    assert_eq!(
        (second.user.as_deref(), second.quota.memory_bytes),
        (Some("two"), Some(1 << 20))
    );
}

#[test]
fn the_shell_has_its_own_entries() {
    let machine = Machine::new();
    let allow =
        machine.allow("[[program]]\npath = '/bin/sh'\nmore_args = '(?s).*'\n[[shell]]\nline = 'echo [a-z]+'");
    let checked = check_shell(&allow, "echo hello").unwrap();
    assert_eq!(
        (checked.called.as_str(), checked.args),
        ("sh", vec!["-c".to_owned(), "echo hello".to_owned()])
    );
    for line in ["echo hello; reboot", "echo hello\nreboot", "echo HELLO", "true"] {
        assert_eq!(check_shell(&allow, line), Err(Code::NotAllowed), "{line}");
    }
    let no_shell = machine.allow("[[program]]\npath = '@/show/play'");
    assert_eq!(check_shell(&no_shell, "play"), Err(Code::NotAllowed));
}

#[test]
fn folders_and_variables_are_allowed_one_by_one() {
    let machine = Machine::new();
    let allow = machine.allow("[[program]]\npath = '@/show/play'\ncwd = ['@/show']\nenv = ['SPEED']");
    let with = |cwd: Option<&str>, env: &[&str]| {
        let mut program = Program::new("play");
        program.cwd = cwd.map(Into::into);
        program.env = env.iter().map(|name| ((*name).into(), "1".into())).collect();
        allow.check(&program).map_err(|(code, _)| code)
    };
    fs::create_dir(machine.path("show/sub")).unwrap();
    symlink(machine.path("other"), machine.path("show/away")).unwrap();
    assert_eq!(
        with(Some(&machine.text("show/sub")), &["SPEED"]).unwrap().cwd,
        Some(machine.path("show/sub"))
    );
    for cwd in ["other", "show/../other", "show/away", "sho"] {
        let refused = with(Some(&machine.text(cwd)), &[]).unwrap_err();
        assert!(matches!(refused, Code::NotAllowed | Code::BadProgram), "{cwd}");
    }
    assert_eq!(with(Some("show"), &[]), Err(Code::BadProgram));
    assert_eq!(with(None, &["LD_PRELOAD"]), Err(Code::NotAllowed));
    assert_eq!(with(None, &["SPEED", "speed"]), Err(Code::NotAllowed));
    for wrong in ["", "A=B", "A\0", "BONGSU_X"] {
        assert_eq!(with(None, &[wrong]), Err(Code::BadProgram), "{wrong:?}");
    }
}

#[test]
fn what_others_may_change_is_not_run_and_not_believed() {
    let machine = Machine::new();
    let allow = machine.allow("[[program]]\npath = '@/show/*'");
    mode(&machine.path("show/play"), 0o757);
    assert_eq!(check(&allow, "play"), Err(Code::NotAllowed));
    mode(&machine.path("show/play"), 0o755);
    mode(&machine.path("show"), 0o777);
    assert_eq!(check(&allow, "play"), Err(Code::NotAllowed));
    mode(&machine.path("show"), 0o755);
    assert!(check(&allow, "play").is_ok());
    mode(&machine.path("allow.toml"), 0o646);
    let read = Allow::new(Some(&machine.path("allow.toml")), 1);
    assert!(matches!(read, Err(NoManifest::Foreign(_))));
    let missing = Allow::new(Some(&machine.path("none.toml")), 1);
    assert!(matches!(missing, Err(NoManifest::Unreadable { .. })));
}

#[test]
fn a_reason_is_short_whatever_it_quotes() {
    let machine = Machine::new();
    let allow = machine.allow("");
    let (_, why) = allow.check(&Program::new(&"x".repeat(60_000))).unwrap_err();
    assert!(why.len() < 2_000);
}
