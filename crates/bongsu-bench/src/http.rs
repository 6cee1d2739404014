//! As much of an HTTP/1.1 client as making rooms takes: one blocking keep-alive connection, JSON in, status out.
//!
//! Invariant: an answer's body is read in full before the next request is sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::{BenchError, Tried};

const PATIENCE: Duration = Duration::from_secs(20);
const BODY_BYTES_MAX: usize = 1 << 20;

/// One connection to the HTTP API.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    token: String,
}

impl Http {
    /// Connects to `host`; every request will carry `token`.
    ///
    /// # Errors
    /// `Io` if nobody listens there.
    pub(crate) fn open(host: SocketAddr, token: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect_timeout(&host, PATIENCE).tried("connecting to the HTTP API")?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .tried("setting a time-out")?;
        stream.set_nodelay(true).tried("setting TCP_NODELAY")?;
        Ok(Self {
            stream: BufReader::new(stream),
            host,
            token: token.to_owned(),
        })
    }

    /// Sends `body` (JSON, or nothing) and gives the answer's status and body.
    ///
    /// # Errors
    /// `Io` if the connection fails, `Http` with status 0 if the answer is not HTTP with a length.
    pub(crate) fn ask(
        &mut self,
        method: &'static str,
        path: &str,
        body: &str,
    ) -> Result<(u16, String), BenchError> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            self.token,
            body.len()
        );
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .tried("writing to the HTTP API")?;
        read_answer(&mut self.stream, method, path)
    }
}

fn read_answer(
    stream: &mut impl BufRead,
    method: &'static str,
    path: &str,
) -> Result<(u16, String), BenchError> {
    let nonsense = |line: &str| BenchError::Http {
        method,
        path: path.to_owned(),
        status: 0,
        body: line.to_owned(),
    };
    let first = read_line(stream)?;
    let status: u16 = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| nonsense(&first))?;
    let mut length = None;
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(nonsense(&line));
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let length = match length {
        Some(length) if length <= BODY_BYTES_MAX => length,
        None if status == 204 => 0,
        Some(_) | None => return Err(nonsense("an answer without a sensible content-length")),
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).tried("reading from the HTTP API")?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn read_line(stream: &mut impl BufRead) -> Result<String, BenchError> {
    let mut line = Vec::new();
    stream
        .take(16 * 1024)
        .read_until(b'\n', &mut line)
        .tried("reading from the HTTP API")?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Result<(u16, String), BenchError> {
        read_answer(&mut bytes.as_bytes(), "POST", "/x")
    }

    #[test]
    fn answers_are_read_to_their_end() {
        let two =
            "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}HTTP/1.1 204 No Content\r\n\r\n";
        let mut stream = two.as_bytes();
        assert_eq!(
            read_answer(&mut stream, "POST", "/x").unwrap(),
            (201, "{}".to_owned())
        );
        assert_eq!(
            read_answer(&mut stream, "POST", "/x").unwrap(),
            (204, String::new())
        );
        assert!(stream.is_empty());
    }

    #[test]
    fn nonsense_is_an_error() {
        for bytes in [
            "",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            assert!(
                matches!(read(bytes), Err(BenchError::Http { status: 0, .. })),
                "{bytes:?}"
            );
        }
        assert!(matches!(
            read("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"),
            Err(BenchError::Io { .. })
        ));
    }
}
