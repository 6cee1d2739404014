//! A WebSocket to a server: texts out, texts in, pings answered, closed as RFC 6455 says.
//!
//! Invariant: a wait for the next text may be given up at any time; what was read, and what is to be written, is kept.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use bongsu_edge::websocket_codec::{
    Closed, Decoder, Heard, MessageLimits, Opcode, Role, Violation, accept_key, client_frame, client_key,
};
use hyper::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http::{Http, HttpFault};

/// A server that is there answers sooner.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long the other side may take to close, once asked.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 16 << 20,
    fragments_max: 10_000,
};
const READ_BYTES: usize = 16 * 1024;

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    #[error("{0} is no address that a WebSocket can be opened at")]
    Address(String),
    #[error("the token holds characters that none has")]
    Token,
    #[error(transparent)]
    Http(#[from] HttpFault),
    /// HTTP said no, and why if it did.
    #[error("the server answered with status {} instead of opening a WebSocket: {}", .status.as_u16(), advice(*.status, .detail))]
    Status { status: StatusCode, detail: String },
    #[error("what answers there does not speak `{0}` over WebSocket: is it a Bongsu server?")]
    NotSpoken(&'static str),
    #[error("what answers there does not speak WebSocket as RFC 6455 has it")]
    NotUpgraded,
    #[error("the connection broke while it was being upgraded")]
    Broken(#[source] hyper::Error),
}

/// Why a WebSocket gives nothing more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
    #[error("the server does not keep to RFC 6455: {0}")]
    Violation(#[from] Violation),
}

/// How a server has closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Farewell {
    /// 1005 if it gave none.
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Farewell {
    /// Whether the server advises never to come back.
    pub(crate) fn for_good(&self) -> bool {
        self.reason == "reconnect=never"
    }

    /// In words, with what to do.
    pub(crate) fn words(&self) -> String {
        let why = match self.code {
            4400 => "what was sent was not understood",
            4401 => "the token is not good, or no longer: sign in with a new one",
            4403 => "this user may not be here",
            4408 => "nothing was heard, or too little was read, for too long",
            4409 => "a newer session took the place of this one",
            4413 => "what was sent is too large",
            4429 => "too much was sent in too short a time",
            4503 => "the server is stopping or overloaded",
            1000 | 1001 => "the server has closed",
            1011 => "something broke on the server's side",
            _ => "the server has closed the connection",
        };
        format!("{why} (close code {})", self.code)
    }
}

/// What comes over a WebSocket.
#[derive(Debug)]
pub(crate) enum Came {
    Text(String),
    /// Nothing follows.
    Farewell(Farewell),
    /// The connection ended without a word.
    End,
}

/// An open WebSocket.
pub(crate) struct WebSocket {
    io: TokioIo<Upgraded>,
    decoder: Decoder,
    read: Vec<u8>,
    came: VecDeque<Came>,
    /// What is to be written before anything else.
    unsent: Vec<u8>,
    closing: bool,
}

impl WebSocket {
    /// Opens a path of the server at `base`, for one subprotocol or none; with a token, that signs in at once.
    ///
    /// # Errors
    /// In words that say what to do.
    pub(crate) async fn open(
        base: &str,
        path: &str,
        subprotocol: Option<&'static str>,
        token: Option<&str>,
    ) -> Result<Self, NotOpened> {
        let address = || NotOpened::Address(base.to_owned());
        let url: Uri = format!("{base}{path}").parse().map_err(|_| address())?;
        let http = Http::new(&url, OPEN_WITHIN)?;
        let key = client_key(chance());
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(
            SEC_WEBSOCKET_KEY,
            HeaderValue::from_str(&key).map_err(|_| address())?,
        );
        if let Some(subprotocol) = subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        if let Some(token) = token {
            let mut bearer =
                HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| NotOpened::Token)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let mut answer = http.open(&url, headers).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = answer.status();
            let body = http.body(answer).await.unwrap_or_default();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let detail = problem["detail"].as_str().unwrap_or_default().to_owned();
            return Err(NotOpened::Status { status, detail });
        }
        let said = |name| {
            answer
                .headers()
                .get(name)
                .and_then(|it: &HeaderValue| it.to_str().ok())
        };
        if said(SEC_WEBSOCKET_ACCEPT) != accept_key(&key).as_deref()
            || said(SEC_WEBSOCKET_PROTOCOL) != subprotocol
        {
            return Err(subprotocol.map_or(NotOpened::NotUpgraded, NotOpened::NotSpoken));
        }
        let upgraded = hyper::upgrade::on(&mut answer).await.map_err(NotOpened::Broken)?;
        Ok(Self {
            io: TokioIo::new(upgraded),
            decoder: Decoder::new(Role::Client, false),
            read: vec![0; READ_BYTES],
            came: VecDeque::new(),
            unsent: Vec::new(),
            closing: false,
        })
    }

    /// Adds a text to what the next wait, or [`Self::flush`], writes.
    pub(crate) fn say(&mut self, text: &str) {
        self.frame(Opcode::Text, text.as_bytes());
    }

    /// Writes what was said. May be given up; what is left is written later.
    pub(crate) async fn flush(&mut self) -> std::io::Result<()> {
        while !self.unsent.is_empty() {
            let written = self.io.write(&self.unsent).await?;
            if written == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            self.unsent.drain(..written);
        }
        self.io.flush().await
    }

    /// What comes next. Pings and closes are answered; may be given up while it waits.
    ///
    /// # Errors
    /// A connection that breaks, or a server that does not keep to the protocol.
    pub(crate) async fn next(&mut self) -> Result<Came, Ended> {
        loop {
            self.flush().await?;
            if let Some(came) = self.came.pop_front() {
                return Ok(came);
            }
            let count = self.io.read(&mut self.read).await?;
            if count == 0 {
                return Ok(Came::End);
            }
            self.hear(count)?;
        }
    }

    /// Closes as one should: says so, and waits a little for the answer.
    pub(crate) async fn close(mut self) {
        if !self.closing {
            self.closing = true;
            self.frame(Opcode::Close, &1000u16.to_be_bytes());
        }
        // Whoever is gone already needs no farewell.
        let _ = tokio::time::timeout(CLOSE_WITHIN, async {
            while let Ok(Came::Text(_)) = self.next().await {}
        })
        .await;
    }

    fn hear(&mut self, count: usize) -> Result<(), Violation> {
        let Self {
            decoder, read, came, ..
        } = self;
        let mut answers = Vec::new();
        decoder.push(&mut read[..count], &LIMITS, &mut |heard| match heard {
            Heard::Text(text) => came.push_back(Came::Text(text.to_owned())),
            Heard::Ping(payload) => answers.push((Opcode::Pong, payload.to_vec())),
            Heard::Pong(_) | Heard::Binary(_) => {}
            Heard::Close(closed) => {
                let (code, reason) = closed.map_or((1005, ""), |Closed { code, reason }| (code, reason));
                let reason = reason.to_owned();
                came.push_back(Came::Farewell(Farewell { code, reason }));
                let echoed = closed.map_or(Vec::new(), |closed| closed.code.to_be_bytes().to_vec());
                answers.push((Opcode::Close, echoed));
            }
        })?;
        for (opcode, payload) in answers {
            // A close of ours was the last frame already.
            if !self.closing {
                self.closing = opcode == Opcode::Close;
                self.frame(opcode, &payload);
            }
        }
        Ok(())
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let [a, b, c, d, ..] = chance();
        self.unsent
            .extend_from_slice(&client_frame(opcode, payload, [a, b, c, d]));
    }
}

/// Bytes that nobody foresees: what hash tables are seeded with.
fn chance() -> [u8; 16] {
    let mut bytes = [0; 16];
    for (at, half) in bytes.chunks_exact_mut(8).enumerate() {
        half.copy_from_slice(&RandomState::new().hash_one(at).to_ne_bytes());
    }
    bytes
}

fn advice(status: StatusCode, detail: &str) -> String {
    let advice = match status.as_u16() {
        401 => {
            "the token is not good; give another with --token, or the server's data folder with --data-dir"
        }
        403 => "this origin or user may not",
        404 => "nothing is there; is --url the HTTP address of a Bongsu server?",
        426 => "another version of WebSocket is wanted",
        429 | 503 => "the server is busy; try again later",
        _ => "is --url the HTTP address of a Bongsu server?",
    };
    if detail.is_empty() {
        advice.to_owned()
    } else {
        format!("{detail} ({advice})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farewell_says_what_to_do() {
        let farewell = |code, reason: &str| Farewell {
            code,
            reason: reason.to_owned(),
        };
        assert!(farewell(4401, "reconnect=never").for_good());
        assert!(!farewell(4503, "reconnect=later").for_good());
        assert!(!farewell(1005, "").for_good());
        for code in [4400, 4401, 4403, 4408, 4409, 4413, 4429, 4503, 1000, 1011, 3999] {
            assert!(farewell(code, "").words().contains(&code.to_string()));
        }
        assert!(farewell(4401, "").words().contains("token"));
    }

    type Served = tokio::task::JoinHandle<(String, Vec<(Opcode, Vec<u8>)>)>;

    /// A server of one connection: answers the head as `answer` says, which is given the accept value of its key, and
    /// gives what it was told until its peer closed.
    async fn against(answer: impl FnOnce(&str) -> Vec<u8>) -> (Result<WebSocket, NotOpened>, Served) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let opening = tokio::spawn(async move {
            WebSocket::open(&base, "/ws", Some("bongsu.type.v1"), Some("a.b.c")).await
        });
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(peer.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|it| it.0.eq_ignore_ascii_case("sec-websocket-key"))
        });
        let said = answer(&accept_key(key.unwrap().1).unwrap());
        peer.write_all(&said).await.unwrap();
        let served = tokio::spawn(async move {
            let (mut decoder, mut heard) = (Decoder::new(Role::Server, false), Vec::new());
            let mut read = [0; 1_024];
            while let Ok(count @ 1..) = peer.read(&mut read).await {
                let pushed = decoder.push(&mut read[..count], &LIMITS, &mut |one| {
                    heard.push(match one {
                        Heard::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
                        Heard::Binary(bytes) => (Opcode::Binary, bytes.to_vec()),
                        Heard::Ping(bytes) => (Opcode::Ping, bytes.to_vec()),
                        Heard::Pong(bytes) => (Opcode::Pong, bytes.to_vec()),
                        Heard::Close(closed) => (
                            Opcode::Close,
                            closed.map_or(1005, |it| it.code).to_be_bytes().to_vec(),
                        ),
                    });
                });
                pushed.unwrap();
                if heard.last().is_some_and(|(opcode, _)| *opcode == Opcode::Close) {
                    break;
                }
            }
            (head, heard)
        });
        (opening.await.unwrap(), served)
    }

    fn consent(accept: &str, frames: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\nsec-websocket-protocol: bongsu.type.v1\r\n\r\n"
        );
        [head.as_bytes(), frames].concat()
    }

    #[tokio::test]
    async fn pings_and_closes_are_answered_and_texts_come_out() {
        let frames = b"\x01\x02{\"\x89\x02hi\x80\x04a\":1\x81\x02{}\x88\x11\x11\x33reconnect=never";
        let mut frames = frames.to_vec();
        let closing = frames.iter().position(|byte| *byte == 0x88).unwrap();
        frames[closing + 1] = (frames.len() - closing - 2) as u8;
        let (opened, served) = against(|accept| consent(accept, &frames)).await;
        let mut socket = opened.unwrap();
        socket.say("hello");
        for text in ["{\"a\":1", "{}"] {
            assert!(matches!(socket.next().await.unwrap(), Came::Text(came) if came == text));
        }
        let Came::Farewell(farewell) = socket.next().await.unwrap() else {
            panic!("a close is due")
        };
        assert!(farewell.code == 4403 && farewell.for_good());
        socket.close().await;
        let (head, heard) = served.await.unwrap();
        let head = head.to_ascii_lowercase();
        assert!(
            head.starts_with("get /ws http/1.1\r\n") && head.contains("authorization: bearer a.b.c\r\n"),
            "{head}"
        );
        let closed = 4403u16.to_be_bytes().to_vec();
        assert_eq!(
            heard,
            [
                (Opcode::Text, b"hello".to_vec()),
                (Opcode::Pong, b"hi".to_vec()),
                (Opcode::Close, closed)
            ]
        );
    }

    #[tokio::test]
    async fn we_close_with_a_code_of_our_own() {
        let (opened, served) = against(|accept| consent(accept, b"")).await;
        opened.unwrap().close().await;
        assert_eq!(
            served.await.unwrap().1,
            [(Opcode::Close, 1000u16.to_be_bytes().to_vec())]
        );
    }

    #[tokio::test]
    async fn what_is_no_consent_opens_nothing_and_says_why() {
        let other = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let (opened, _served) = against(|_| consent(other, b"")).await;
        assert!(matches!(opened, Err(NotOpened::NotSpoken("bongsu.type.v1"))));
        let problem = r#"{"detail":"no strangers"}"#;
        let said = format!(
            "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{problem}",
            problem.len()
        );
        let (opened, _served) = against(|_| said.into_bytes()).await;
        let words = opened.err().unwrap().to_string();
        for part in ["403", "no strangers", "may not"] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[tokio::test]
    async fn a_server_that_breaks_the_protocol_is_told_of() {
        let (opened, _served) = against(|accept| consent(accept, b"\xf1\x00")).await;
        assert!(matches!(
            opened.unwrap().next().await,
            Err(Ended::Violation(Violation::ReservedBits))
        ));
        let (opened, served) = against(|accept| consent(accept, b"")).await;
        served.abort();
        assert!(served.await.is_err());
        assert!(matches!(
            opened.unwrap().next().await,
            Ok(Came::End) | Err(Ended::Broken(_))
        ));
    }

    #[test]
    fn what_masks_a_frame_differs_each_time() {
        assert_ne!(chance(), chance());
    }
}
