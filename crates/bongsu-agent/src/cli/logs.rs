//! What a program has written, up to now or as it goes on.
//!
//! Invariant: what is followed is told by the kernel's word that the folder has changed; nothing is polled. Lines that were
//! written over before they were read are said to be missing.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use bongsu_model::CommandId;
use clap::Args;

use super::DataArgs;
use crate::os::watch::Folders;
use crate::supervise::folder::{Folder, all};
use crate::supervise::log::{Stream, files_of};

/// What is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Whose output is shown.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    #[command(flatten)]
    data: DataArgs,
    /// A command or a preset: its youngest program [default: the youngest of all]
    #[arg(value_name = "COMMAND_ID|PRESET")]
    whose: Option<Asked>,
    /// Go on until the program ends
    #[arg(short, long)]
    follow: bool,
    /// Standard error in place of standard output
    #[arg(long)]
    stderr: bool,
    /// Only the last so many lines
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
}

/// A command by its id, or a preset by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// A command.
    Command(CommandId),
    /// A preset.
    Preset(i64),
}

impl FromStr for Asked {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let command = CommandId::parse(text).map(Self::Command);
        let asked = command.or_else(|| text.parse().ok().map(Self::Preset));
        asked.ok_or("neither a command's id nor a preset's number")
    }
}

pub(super) fn logs(args: &LogsArgs, out: &mut impl Write) -> io::Result<ExitCode> {
    let Some(folder) = youngest(&args.data.folder(), args.whose)? else {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "there is no such program",
        ));
    };
    let stream = if args.stderr { Stream::Err } else { Stream::Out };
    // Watched before it is read: what is written in between is not missed.
    let changes = args.follow.then(|| Folders::watch(folder.path())).transpose()?;
    let mut tail = Tail::new(folder.path(), stream, args.lines)?;
    loop {
        let ended = folder.end()?.is_some();
        tail.copy(out)?;
        out.flush()?;
        match &changes {
            // What was written last was read after the end was seen.
            Some(changes) if !ended => changes.wait()?,
            Some(_) | None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn youngest(data: &Path, whose: Option<Asked>) -> io::Result<Option<Folder>> {
    let mut found = None;
    for (command, folder) in all(data)? {
        // What cannot be read is nobody's.
        let Ok(Some(spec)) = folder.spec() else {
            continue;
        };
        let meant = match whose {
            None => true,
            Some(Asked::Command(asked)) => asked == command,
            Some(Asked::Preset(preset)) => spec.preset == Some(preset),
        };
        let made = fs::metadata(folder.file("spec"))?.modified()?;
        if meant && found.as_ref().is_none_or(|(then, _)| *then <= made) {
            found = Some((made, folder));
        }
    }
    Ok(found.map(|(_, folder)| folder))
}

/// Where in a stream's files a reader is.
struct Tail {
    folder: PathBuf,
    stream: Stream,
    file: Option<File>,
}

impl Tail {
    fn new(folder: &Path, stream: Stream, lines: Option<usize>) -> io::Result<Self> {
        let mut tail = Self {
            folder: folder.to_owned(),
            stream,
            file: None,
        };
        tail.file = match lines {
            None => open(files_of(folder, stream).first())?,
            Some(lines) => last_lines(&files_of(folder, stream), lines)?,
        };
        Ok(tail)
    }

    /// Copies all there is from here on, from file to younger file.
    fn copy(&mut self, out: &mut impl Write) -> io::Result<()> {
        loop {
            if self.file.is_none() {
                self.file = open(files_of(&self.folder, self.stream).first())?;
            }
            let Some(file) = &mut self.file else {
                return Ok(());
            };
            copy(file, out)?;
            match younger(file, &files_of(&self.folder, self.stream))? {
                Next::None => return Ok(()),
                Next::File(next) => {
                    // It may have been written to until it was put aside.
                    copy(file, out)?;
                    self.file = Some(next);
                }
                Next::Missing => {
                    writeln!(
                        out,
                        "[bongsu-agent: some output was written over before it was read]"
                    )?;
                    self.file = None;
                }
            }
        }
    }
}

enum Next {
    None,
    File(File),
    Missing,
}

fn younger(file: &File, files: &[PathBuf]) -> io::Result<Next> {
    let here = file.metadata()?.ino();
    let mut found = false;
    for path in files {
        let Some(next) = open(Some(path))? else {
            continue;
        };
        if found {
            return Ok(Next::File(next));
        }
        found = next.metadata()?.ino() == here;
    }
    // Put aside just now, and nothing written yet: it is the youngest still.
    Ok(if found { Next::None } else { Next::Missing })
}

fn open(path: Option<&PathBuf>) -> io::Result<Option<File>> {
    match path.map(File::open).transpose() {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened,
    }
}

fn copy(file: &mut File, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => out.write_all(&buffer[..count])?,
        }
    }
}

/// The file in which the last lines of all begin, at their beginning.
fn last_lines(files: &[PathBuf], lines: usize) -> io::Result<Option<File>> {
    // The end of a last line that is whole begins no line.
    let mut missing = lines;
    let mut oldest = None;
    let mut at_end = true;
    for path in files.iter().rev() {
        let Some(mut file) = open(Some(path))? else {
            continue;
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut at = bytes.len();
        while at > 0 {
            let ends = bytes[at - 1] == b'\n';
            if ends && !at_end {
                if missing == 1 || missing == 0 {
                    file.seek(SeekFrom::Start(at as u64))?;
                    return Ok(Some(file));
                }
                missing -= 1;
            }
            at_end = false;
            if lines == 0 {
                file.seek(SeekFrom::End(0))?;
                return Ok(Some(file));
            }
            at -= 1;
        }
        file.seek(SeekFrom::Start(0))?;
        oldest = Some(file);
    }
    Ok(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::log::Log;

    fn written(bytes_max: u64, text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        Log::new(folder.path(), Stream::Out, bytes_max, 3)
            .write(text.as_bytes())
            .unwrap();
        folder
    }

    fn read(folder: &Path, lines: Option<usize>) -> String {
        let mut out = Vec::new();
        Tail::new(folder, Stream::Out, lines)
            .unwrap()
            .copy(&mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_files_are_one_stream() {
        let folder = written(5, "one\ntwo\nthree\n");
        assert_eq!(read(folder.path(), None), "one\ntwo\nthree\n");
        assert_eq!(read(tempfile::tempdir().unwrap().path(), None), "");
    }

    #[test]
    fn the_last_lines_may_begin_in_an_older_file() {
        for text in ["one\ntwo\nthree\n", "one\ntwo\nthree"] {
            let folder = written(5, text);
            let last = |lines| read(folder.path(), Some(lines));
            assert_eq!(last(0), "", "{text:?}");
            assert_eq!(last(1), text[8..], "{text:?}");
            assert_eq!(last(2), text[4..], "{text:?}");
            assert_eq!(last(3), text, "{text:?}");
            assert_eq!(last(9), text, "{text:?}");
        }
    }

    #[test]
    fn one_who_reads_goes_on_over_the_change_of_files_and_is_told_of_a_hole() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path(), Stream::Out, 4, 3);
        let mut tail = Tail::new(folder.path(), Stream::Out, None).unwrap();
        let mut next = |log: &mut Log, text: &str| {
            log.write(text.as_bytes()).unwrap();
            let mut out = Vec::new();
            tail.copy(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(next(&mut log, "ab"), "ab");
        assert_eq!(next(&mut log, "cdef"), "cdef");
        assert_eq!(next(&mut log, "ghijkl"), "ghijkl");
        let hole = next(&mut log, "0123456789abcdefghijkl");
        assert!(hole.starts_with("[bongsu-agent"), "{hole}");
        assert!(hole.ends_with("cdefghijkl"), "{hole}");
    }

    #[test]
    fn who_is_asked_for_is_a_command_or_a_preset() {
        let id = "000000000000000000000000000000ab";
        assert_eq!(id.parse(), Ok(Asked::Command(CommandId(0xab))));
        assert_eq!("12".parse(), Ok(Asked::Preset(12)));
        assert!("clock".parse::<Asked>().is_err());
    }
}
