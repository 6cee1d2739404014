//! A server of a test's own, which may be killed and frozen.
//!
//! Invariant: it ends with the test, whatever becomes of it, because its stdin does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bongsu_model::Limits;
use bongsu_store::PostgresOptions;
use serde_json::Value;

/// A server.
pub(crate) struct Server {
    program: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Server {
    /// Starts one; returns when it takes connections.
    pub(crate) fn start(how: &[&str]) -> Self {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cluster/servers.py");
        let mut program = Command::new("python3")
            .arg(here)
            .args(["start", "postgres"])
            .args(how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let stdin = program.stdin.take();
        let stdout = BufReader::new(program.stdout.take().expect("it is piped"));
        let mut server = Self {
            program,
            stdin,
            stdout,
            url: String::new(),
        };
        let told = server.line();
        server.url = told["url"].as_str().expect("it has an address").to_owned();
        server
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        let mut options = PostgresOptions::new(&self.url, &Limits::DEFAULT).unwrap();
        (options.connections, options.lanes) = (4, 2);
        options
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it is UTF-8");
        serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the server did not start; see above; {line:?}"))
    }

    /// `kill`, `stop`, `start`, `pause` or `resume`: returns when it is done.
    pub(crate) fn order(&mut self, order: &str) {
        tokio::task::block_in_place(|| {
            writeln!(self.stdin.as_ref().expect("it is piped"), "{order}").expect("it reads");
            let answer = self.line();
            assert_eq!(answer["did"], order, "{answer}");
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The program ends the server, and then itself, when its stdin ends.
        drop(self.stdin.take());
        self.program.wait().ok();
    }
}
