//! Long polling as the load generator speaks it: requests to be sent, answers to be taken out of a stream of bytes.
//!
//! Invariant: an answer is taken whole or not at all, however the stream is cut into reads.

use std::net::SocketAddr;

/// What parts the packets of one body.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// Longer heads and bodies are nonsense: a backlog has at most a few hundred kilobytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The path of a session, or, with none, of one to be opened.
fn path(sid: Option<&str>) -> String {
    let session = sid.map_or(String::new(), |sid| format!("&sid={sid}"));
    format!("/socket.io/?EIO=4&transport=polling{session}")
}

/// Asks for what there is, or for a session.
pub(crate) fn poll(host: SocketAddr, sid: Option<&str>) -> Vec<u8> {
    format!("GET {} HTTP/1.1\r\nhost: {host}\r\n\r\n", path(sid)).into_bytes()
}

/// Brings packets to a session.
pub(crate) fn post(host: SocketAddr, sid: &str, packets: &[u8]) -> Vec<u8> {
    let (path, length) = (path(Some(sid)), packets.len());
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: text/plain;charset=UTF-8\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(packets);
    request
}

/// The packets of a body.
pub(crate) fn packets(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == SEPARATOR)
        .filter(|packet| !packet.is_empty())
}

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// An answer that no HTTP server gives to a poll: the start of what arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Nonsense(pub(crate) Vec<u8>);

/// The answers that arrive on one connection.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    held: Vec<u8>,
}

impl Answers {
    /// Takes what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole answer.
    ///
    /// # Errors
    /// `Nonsense` for a head without a status or a length, and for lengths beyond reason.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, Nonsense> {
        let Some(end) = memchr::memmem::find(&self.held, b"\r\n\r\n") else {
            return if self.held.len() > HEAD_BYTES_MAX {
                Err(self.nonsense())
            } else {
                Ok(None)
            };
        };
        let (status, length) = read_head(&self.held[..end]).ok_or_else(|| self.nonsense())?;
        let whole = end + 4 + length;
        if self.held.len() < whole {
            return Ok(None);
        }
        let body = self.held[end + 4..whole].to_vec();
        if self.held.len() == whole {
            // Idle sessions are thousands: nothing is kept for an answer that is there.
            self.held = Vec::new();
        } else {
            self.held.drain(..whole);
        }
        Ok(Some(Answer { status, body }))
    }

    fn nonsense(&self) -> Nonsense {
        Nonsense(self.held[..self.held.len().min(400)].to_vec())
    }
}

/// Status and length of the body.
fn read_head(head: &[u8]) -> Option<(u16, usize)> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    })?;
    (length <= BODY_BYTES_MAX).then_some((status, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer {
            status,
            body: body.to_vec(),
        }
    }

    #[test]
    fn answers_are_whole_at_every_cut() {
        let stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n2\x1e3HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        for cut in 0..=stream.len() {
            let (mut answers, mut got) = (Answers::default(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                answers.push(part);
                while let Some(one) = answers.next().unwrap() {
                    got.push(one);
                }
            }
            assert_eq!(got, [answer(200, b"2\x1e3"), answer(400, b"")], "cut at {cut}");
            assert!(answers.held.is_empty());
        }
        let two: Vec<&[u8]> = packets(b"2\x1e3").collect();
        assert_eq!(two, [b"2", b"3"]);
        assert_eq!(packets(b"").count(), 0);
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let endless = vec![b'x'; HEAD_BYTES_MAX + 1];
        for odd in [
            &b"SSH-2.0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            &endless,
        ] {
            let mut answers = Answers::default();
            answers.push(odd);
            assert_eq!(answers.next(), Err(Nonsense(odd[..odd.len().min(400)].to_vec())));
        }
    }

    #[test]
    fn requests_say_their_session_and_their_length() {
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        let opening = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: 127.0.0.1:80\r\n\r\n";
        assert_eq!(poll(host, None), opening.as_bytes());
        let said = String::from_utf8(post(host, "a-b", b"40{}")).unwrap();
        assert!(said.starts_with("POST /socket.io/?EIO=4&transport=polling&sid=a-b HTTP/1.1\r\n"));
        assert!(said.ends_with("\r\ncontent-length: 4\r\n\r\n40{}"), "{said}");
    }
}
