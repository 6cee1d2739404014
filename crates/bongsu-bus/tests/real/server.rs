//! A server of the test's own, started, killed and stopped by the program that does so for all tests.
//!
//! Invariant: it ends with the test, whatever becomes of it, because its stdin does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bongsu_bus::conformance::Broker;
use serde_json::Value;

/// Where a server is that others run.
///
/// # Panics
/// If the environment does not say.
pub(crate) fn address(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} must hold a server's address"))
}

/// A name that no other test has, for what servers keep apart by name.
pub(crate) fn unique() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{number}", std::process::id())
}

/// A server.
pub(crate) struct Server {
    program: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    told: Value,
}

impl Server {
    /// Starts one; returns when it takes connections.
    pub(crate) fn start(kind: &str, options: &[&str]) -> Self {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cluster/servers.py");
        let mut program = Command::new("python3")
            .arg(here)
            .args(["start", kind])
            .args(options)
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
            told: Value::Null,
        };
        server.told = server.line();
        server
    }

    /// What is known of it.
    pub(crate) fn told(&self, name: &str) -> &str {
        self.told[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is not in {}", self.told))
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it is UTF-8");
        serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the server did not start; see above; {line:?}"))
    }

    fn order(&mut self, order: &str) {
        writeln!(self.stdin.as_ref().expect("it is piped"), "{order}").expect("it reads");
        let answer = self.line();
        assert_eq!(answer["did"], order, "{answer}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The program ends the server, and then itself, when its stdin ends.
        drop(self.stdin.take());
        self.program.wait().ok();
    }
}

#[async_trait]
impl Broker for Server {
    async fn kill(&mut self) {
        tokio::task::block_in_place(|| self.order("kill"));
    }

    async fn start(&mut self) {
        tokio::task::block_in_place(|| self.order("start"));
    }

    async fn pause(&mut self) {
        tokio::task::block_in_place(|| self.order("pause"));
    }

    async fn resume(&mut self) {
        tokio::task::block_in_place(|| self.order("resume"));
    }
}
