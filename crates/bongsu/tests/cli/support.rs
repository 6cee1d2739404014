//! Starts the built binary, waits for what it says, and ends it however a test ends.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// More than anything here takes on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A command with nothing of our own environment in it.
pub(crate) fn bongsu(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bongsu"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"BONGSU_")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C.UTF-8").args(args).stdin(Stdio::null());
    command
}

/// What a command that ends has said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// The output of a command that must have worked.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// The error of a command that must have failed so, with nothing on stdout.
    pub(crate) fn bad(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
        self.err
    }
}

pub(crate) fn run(args: &[&str]) -> Said {
    Said::of(bongsu(args).output().unwrap())
}

/// Lines that a process writes, as they come.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    heard: Mutex<Heard>,
    more: Condvar,
}

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    closed: bool,
}

impl Lines {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = Arc::clone(&lines.0);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                shared.heard.lock().unwrap().lines.push(line);
                shared.more.notify_all();
            }
            shared.heard.lock().unwrap().closed = true;
            shared.more.notify_all();
        });
        lines
    }

    fn wait(&self, waiting: impl FnMut(&mut Heard) -> bool) -> MutexGuard<'_, Heard> {
        let heard = self.0.heard.lock().unwrap();
        self.0
            .more
            .wait_timeout_while(heard, PATIENCE, waiting)
            .unwrap()
            .0
    }

    /// Waits for a line that has this in it.
    pub(crate) fn wait_for(&self, what: &str) -> String {
        let find = |heard: &Heard| heard.lines.iter().find(|line| line.contains(what)).cloned();
        let heard = self.wait(|heard| find(heard).is_none() && !heard.closed);
        find(&heard).unwrap_or_else(|| panic!("no line with {what:?} among {:#?}", heard.lines))
    }

    /// The lines so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.0.heard.lock().unwrap().lines.clone()
    }

    /// All lines, once the process has closed its end.
    pub(crate) fn all(&self) -> Vec<String> {
        let heard = self.wait(|heard| !heard.closed);
        assert!(heard.closed, "still open: {:#?}", heard.lines);
        heard.lines.clone()
    }
}

/// A process that ends with its test.
pub(crate) struct Running {
    process: Child,
    pub(crate) err: Lines,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> (Self, ChildStdout) {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let err = Lines::of(process.stderr.take().unwrap());
        let out = process.stdout.take().unwrap();
        (Self { process, err }, out)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        // What it writes to ends when it does, and that wait is bounded.
        self.err.all();
        self.process.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server, with a folder of its own.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) ready: Value,
    /// The ready line as it was printed.
    pub(crate) line: String,
    out: Lines,
}

pub(crate) const ANY: [&str; 4] = ["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"];

impl Server {
    /// On free ports, with these flags.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        Self::start_command(folder, bongsu(&[&["serve"], &ANY[..], args].concat()))
    }

    pub(crate) fn start_command(folder: &Path, mut command: Command) -> Self {
        command.arg("--data-dir").arg(folder);
        let (running, out) = Running::start(command);
        let out = Lines::of(out);
        let line = out.wait_for("{");
        let ready = serde_json::from_str(&line).unwrap();
        Self {
            running,
            ready,
            line,
            out,
        }
    }

    pub(crate) fn address(&self, of: &str) -> &str {
        self.ready[of].as_str().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address("http"))
    }

    /// A command that calls this server.
    pub(crate) fn call(&self, folder: &Path, args: &[&str]) -> Said {
        let mut command = bongsu(args);
        command
            .env("BONGSU_URL", self.url())
            .env("BONGSU_DATA_DIR", folder);
        Said::of(command.output().unwrap())
    }

    /// The same, for its answer as JSON.
    pub(crate) fn ask(&self, folder: &Path, args: &[&str]) -> Value {
        let answer = self.call(folder, &[args, &["--json"]].concat()).good();
        serde_json::from_str(&answer).unwrap()
    }

    /// The body of what the HTTP API says to the holder of a token.
    pub(crate) fn get(&self, token: &str, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.address("http")).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        write!(stream, "{head}authorization: Bearer {token}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// Tells it to stop, and gives its exit code and all that it has printed on stdout.
    pub(crate) fn stop(mut self) -> (Option<i32>, Vec<String>) {
        self.running.signal(Signal::TERM);
        let code = self.running.wait();
        if code != Some(0) {
            eprintln!("the server's log: {:#?}", self.running.err.all());
        }
        (code, self.out.all())
    }
}

/// A folder for a test, and the path of a data folder in it that is not there yet.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("data");
    (folder, inner)
}

/// Writes a file and gives its path as text.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
