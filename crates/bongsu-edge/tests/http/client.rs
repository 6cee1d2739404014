//! As much of an HTTP/1.1 client as these tests need, with every byte in sight.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Line(BufStream<TcpStream>);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// The body, after the status was found to be this one.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// A problem document of this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.is(status);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{problem}"
        );
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("urn:bongsu:problem:{code}"), "{problem}");
        for text in ["title", "detail", "request_id"] {
            assert!(
                problem[text].as_str().is_some_and(|text| !text.is_empty()),
                "{text} of {problem}"
            );
        }
        problem
    }
}

impl Line {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(BufStream::new(TcpStream::connect(address).await.unwrap()))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Sends what the other side may no longer want.
    pub(crate) async fn send_anyway(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
        let _ = self.0.flush().await;
    }

    /// The next answer; `None` if the connection ended before one.
    pub(crate) async fn read(&mut self) -> Option<Answer> {
        self.read_to("GET").await
    }

    /// The answer to a request of this method: one to HEAD has no body, whatever its length says.
    pub(crate) async fn read_to(&mut self, method: &str) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.answer(method))
            .await
            .expect("an answer in time")
    }

    async fn answer(&mut self, method: &str) -> Option<Answer> {
        let first = self.line().await.filter(|line| !line.is_empty())?;
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .unwrap_or_else(|| panic!("{first}"))[..3]
            .parse()
            .unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        if method != "HEAD" {
            answer.body.resize(length, 0);
            self.0.read_exact(&mut answer.body).await.ok()?;
        }
        Some(answer)
    }

    /// The status of the next answer, whose body is left to be read.
    pub(crate) async fn head(&mut self) -> u16 {
        let head = async {
            let first = self.line().await.expect("an answer");
            while self.line().await.is_some_and(|line| !line.is_empty()) {}
            first.split(' ').nth(1).and_then(|status| status.parse().ok())
        };
        let head = tokio::time::timeout(PATIENCE, head).await;
        head.expect("an answer in time").expect("a status")
    }

    /// The next event of a stream of them: its name, its id and its data; `None` once the stream has ended.
    pub(crate) async fn event(&mut self) -> Option<(String, String, Value)> {
        tokio::time::timeout(PATIENCE, self.next_event())
            .await
            .expect("an event in time")
    }

    async fn next_event(&mut self) -> Option<(String, String, Value)> {
        let (mut name, mut id) = (String::new(), String::new());
        loop {
            let mut line = Vec::new();
            if self.0.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((name, id, serde_json::from_str(text).unwrap()));
            } else if line == "0" {
                // The last chunk.
                return None;
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).await.ok()?;
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Waits until the other side has ended the connection; what it said until then.
    pub(crate) async fn ended(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        // A reset is an end too.
        let _ = read.expect("an end in time");
        rest
    }
}

/// A request as bytes.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: bongsu.test\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}
