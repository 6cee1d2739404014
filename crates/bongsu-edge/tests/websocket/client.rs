//! A client that speaks WebSocket frame by frame, and any bytes that are none.

use std::net::SocketAddr;

use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Opcode, Role, Upgrade, Upgraded, client_frame};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::world::PATIENCE;

/// The key of RFC 6455, 1.3 …
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// … and its answer.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MASK: [u8; 4] = [0x5a, 0x81, 0x00, 0xff];

pub(crate) struct Client {
    pub(crate) reader: BufReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
    deflate: bool,
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One frame of the server, header included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
}

/// What a frame of the server says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Said {
    Text(Value),
    Ping,
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// A request of the type protocol.
pub(crate) fn request(kind: &str, id: &str, data: &Value) -> Value {
    json!({ "type": kind, "id": id, "data": data })
}

pub(crate) fn post(id: &str, text: &str) -> Value {
    request("chat.message", id, &json!({ "room": "1", "text": text }))
}

/// A text message in one frame.
pub(crate) fn text(message: impl ToString) -> Vec<u8> {
    client_frame(Opcode::Text, message.to_string().as_bytes(), MASK)
}

/// Text messages, each in one frame.
pub(crate) fn texts(messages: &[Value]) -> Vec<u8> {
    messages.iter().flat_map(text).collect()
}

/// A frame with whatever first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = client_frame(Opcode::Binary, payload, MASK);
    frame[0] = first;
    frame
}

/// A close frame.
pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason);
    frame(0x88, &payload)
}

/// A request to upgrade with these header lines besides the request line and `Host`.
pub(crate) fn head(request_line: &str, lines: &[&str]) -> String {
    format!(
        "{request_line}\r\nHost: bongsu.test\r\n{}\r\n\r\n",
        lines.join("\r\n")
    )
}

/// The header lines of a handshake as it should be.
pub(crate) fn lines() -> Vec<&'static str> {
    vec![
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.as_str())
    }

    /// A problem document of this status and reason.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, reason: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["reason"], reason, "{problem}");
        assert_eq!(self.header("sec-websocket-accept"), None);
    }
}

impl Frame {
    pub(crate) fn first(&self) -> u8 {
        self.bytes[0]
    }

    /// What it says, to a client that negotiated permessage-deflate or not.
    fn said(&self, deflate: bool) -> Said {
        let limits = MessageLimits {
            message_bytes_max: 16 << 20,
            fragments_max: 0,
        };
        let mut said = Vec::new();
        let mut decoder = Decoder::new(Role::Client, deflate);
        decoder
            .push(&mut self.bytes.clone(), &limits, &mut |heard| {
                said.push(match heard {
                    Heard::Text(text) => Said::Text(serde_json::from_str(text).unwrap()),
                    Heard::Binary(_) => panic!("a server of ours sends no binary messages"),
                    Heard::Ping(payload) => {
                        assert!(payload.is_empty());
                        Said::Ping
                    }
                    Heard::Pong(payload) => Said::Pong(payload.to_vec()),
                    Heard::Close(closed) => Said::Close(closed.map(|it| (it.code, it.reason.to_owned()))),
                });
            })
            .expect("a frame that RFC 6455 allows");
        assert_eq!(said.len(), 1, "one frame is one message");
        said.remove(0)
    }
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpSocket::new_v4().unwrap(), address).await
    }

    pub(crate) async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        Self::over(socket, address).await
    }

    async fn over(socket: TcpSocket, address: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, socket.connect(address))
            .await
            .expect("in time")
            .unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader),
            writer,
            deflate: false,
        }
    }

    /// Upgrades, and the server consents.
    pub(crate) async fn upgrade(&mut self, target: &str, subprotocols: Option<&str>) -> Upgraded {
        self.upgrade_with(&upgrade(target, subprotocols)).await
    }

    /// As [`Self::upgrade`], with whatever else may be said.
    pub(crate) async fn upgrade_with(&mut self, upgrade: &Upgrade<'_>) -> Upgraded {
        self.raw(upgrade.request()).await;
        let answer = self.http().await;
        let upgraded = upgrade.answered(answer.head.as_bytes()).unwrap();
        let upgraded = upgraded.expect("a whole head");
        self.deflate = upgraded.deflate;
        upgraded
    }

    /// The next answer of HTTP.
    pub(crate) async fn http(&mut self) -> Answer {
        let read = async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let read = self.reader.read_line(&mut head).await.unwrap();
                assert!(read > 0, "no answer: {head:?}");
            }
            let mut lines = head.split("\r\n");
            let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
            let headers: Vec<_> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let mut answer = Answer {
                status: status.parse().unwrap(),
                headers,
                body: Vec::new(),
                head: String::new(),
            };
            let length = answer
                .header("content-length")
                .map_or(0, |it| it.parse().unwrap());
            answer.body.resize(length, 0);
            self.reader.read_exact(&mut answer.body).await.unwrap();
            answer.head = head;
            answer
        };
        timeout(PATIENCE, read).await.expect("an answer in time")
    }

    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.writer.write_all(bytes.as_ref()))
            .await
            .expect("in time")
            .unwrap();
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.raw(text(message)).await;
    }

    pub(crate) async fn send(&mut self, kind: &str, id: &str, data: Value) {
        self.say(&request(kind, id, &data)).await;
    }

    pub(crate) async fn post(&mut self, content: &str) {
        self.say(&post(content, content)).await;
    }

    pub(crate) async fn auth(&mut self, token: &str) {
        self.send("auth", "auth", json!({ "token": token })).await;
    }

    /// Signs in; the next message is the answer.
    pub(crate) async fn sign_in(&mut self, user: i64) -> Value {
        self.auth(&user.to_string()).await;
        self.answer("auth.ok", "auth").await
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read_frame())
            .await
            .expect("a frame in time")
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        if self
            .reader
            .fill_buf()
            .await
            .expect("no reset before the end")
            .is_empty()
        {
            return None;
        }
        let mut bytes = vec![0; 2];
        self.reader.read_exact(&mut bytes).await.unwrap();
        let more = match bytes[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        bytes.resize(2 + more, 0);
        self.reader.read_exact(&mut bytes[2..]).await.unwrap();
        let length = match more {
            0 => u64::from(bytes[1]),
            _ => bytes[2..].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let header = bytes.len();
        bytes.resize(header + usize::try_from(length).unwrap(), 0);
        self.reader.read_exact(&mut bytes[header..]).await.unwrap();
        Some(Frame { bytes })
    }

    pub(crate) fn read(&self, frame: &Frame) -> Said {
        frame.said(self.deflate)
    }

    /// What comes next; `None` at the end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<Said> {
        let frame = self.frame().await?;
        Some(self.read(&frame))
    }

    pub(crate) async fn said(&mut self) -> Said {
        self.next_or_end().await.expect("more before the end")
    }

    /// The next frame, which is a message.
    pub(crate) async fn next(&mut self) -> Value {
        match self.said().await {
            Said::Text(message) => message,
            said @ (Said::Ping | Said::Pong(_) | Said::Close(_)) => panic!("a message, not {said:?}"),
        }
    }

    /// The next message, which is of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// The next message, which answers this request with this type: its `data`.
    pub(crate) async fn answer(&mut self, kind: &str, id: &str) -> Value {
        let mut message = self.expect(kind).await;
        assert_eq!(message["ref_id"], id, "{message}");
        message["data"].take()
    }

    /// The next message, which is an error and answers this request.
    pub(crate) async fn refused(&mut self, code: &str, id: &str) -> Value {
        let message = self.expect("error").await;
        assert_eq!(message["code"], code, "{message}");
        assert_eq!(message["ref_id"], id, "{message}");
        message
    }

    /// The next message of this type, whatever comes before it.
    pub(crate) async fn wait(&mut self, kind: &str) -> Value {
        loop {
            if let Said::Text(message) = self.said().await
                && message["type"] == kind
            {
                return message;
            }
        }
    }

    /// The answer to a request, whatever comes before it.
    pub(crate) async fn wait_for(&mut self, id: &str) -> Value {
        loop {
            if let Said::Text(message) = self.said().await
                && message["ref_id"] == id
            {
                return message;
            }
        }
    }

    /// The end of the stream comes next, without a reset.
    pub(crate) async fn end(&mut self) {
        let next = self.next_or_end().await;
        assert_eq!(next, None, "more after the end");
    }

    /// Closed with this code and advice comes next, then the stream ends.
    pub(crate) async fn close_frame(&mut self, close_code: u16, reconnect: &str) {
        let close = Said::Close(Some((close_code, format!("reconnect={reconnect}"))));
        assert_eq!(self.said().await, close);
        self.end().await;
    }

    /// Is told this as the last error, closed with the code that goes with it, then the stream ends. Returns the error.
    pub(crate) async fn closed(&mut self, code: &str, close_code: u16, reconnect: &str) -> Value {
        let told = loop {
            match self.said().await {
                Said::Text(told) if told["reconnect"].is_string() => break told,
                Said::Text(_) | Said::Ping | Said::Pong(_) => {}
                Said::Close(close) => panic!("closed with {close:?} and no last error"),
            }
        };
        assert_eq!(
            (&told["type"], &told["code"]),
            (&json!("error"), &json!(code)),
            "{told}"
        );
        assert!(!told["message"].as_str().unwrap().is_empty());
        self.close_frame(close_code, reconnect).await;
        assert_eq!(told["reconnect"], reconnect, "{told}");
        told
    }

    /// All answers to what was asked before have come. Returns what came meanwhile.
    pub(crate) async fn settled(&mut self) -> Vec<Value> {
        self.send("room.history", "settled", json!({ "room": 999 })).await;
        let mut came = Vec::new();
        loop {
            let message = self.next().await;
            if message["ref_id"] == "settled" {
                return came;
            }
            came.push(message);
        }
    }
}

/// A request to upgrade with nothing special.
pub(crate) fn upgrade<'a>(target: &'a str, subprotocols: Option<&'a str>) -> Upgrade<'a> {
    Upgrade {
        host: "bongsu.test",
        target,
        key: KEY,
        subprotocols,
        authorization: None,
        deflate: false,
    }
}
