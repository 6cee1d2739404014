//! A client that speaks Engine.IO request by request and frame by frame, and any bytes that are none.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Opcode, Role, Upgrade, client_frame};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::world::PATIENCE;

const MASK: [u8; 4] = [0x5a, 0x81, 0x00, 0xff];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    V3,
    V4,
}

impl Version {
    pub(crate) const BOTH: [Self; 2] = [Self::V3, Self::V4];

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// Packets of ASCII as one payload.
    pub(crate) fn payload(self, packets: &[impl AsRef<str>]) -> String {
        let packets = packets.iter().map(AsRef::as_ref);
        match self {
            Self::V3 => packets.map(|it| format!("{}:{it}", it.len())).collect(),
            Self::V4 => packets.collect::<Vec<_>>().join("\u{1e}"),
        }
    }

    /// The packets of a payload of ASCII.
    fn packets(self, mut payload: &str) -> Vec<String> {
        match self {
            Self::V4 => payload.split('\u{1e}').map(str::to_owned).collect(),
            Self::V3 => {
                let mut packets = Vec::new();
                while let Some((length, rest)) = payload.split_once(':') {
                    let (packet, after) = rest.split_at(length.parse().unwrap());
                    packets.push(packet.to_owned());
                    payload = after;
                }
                packets
            }
        }
    }
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pair = self.headers.iter().find(|pair| pair.0 == name);
        pair.map(|pair| pair.1.as_str())
    }

    /// Refused with the code that clients know.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: u64) {
        assert_eq!(self.status, status, "{self:?}");
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["code"], code, "{body}");
        assert!(body["message"].is_string());
    }
}

/// One connection of HTTP/1.1.
pub(crate) struct Http {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Http {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader),
            writer,
        }
    }

    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let written = timeout(PATIENCE, self.writer.write_all(bytes.as_ref())).await;
        written.expect("in time").unwrap();
    }

    /// Sends a request without waiting for its answer.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, lines: &[&str], body: &str) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: bongsu.test\r\n");
        for line in lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.raw(format!("{head}\r\n{body}")).await;
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await;
        self.answer().await
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read()).await.expect("an answer in time")
    }

    async fn read(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.reader.read_line(&mut head).await.unwrap();
            assert!(read > 0, "no answer: {head:?}");
        }
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        let status = status.parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|pair| pair.0 == "content-length");
        let mut body = vec![0; length.map_or(0, |pair| pair.1.parse().unwrap())];
        self.reader.read_exact(&mut body).await.unwrap();
        Answer {
            status,
            headers,
            body: String::from_utf8(body).unwrap(),
            head,
        }
    }
}

/// A session that is polled for, on one connection for its polls and one for its bodies.
pub(crate) struct Polled {
    pub(crate) version: Version,
    pub(crate) sid: String,
    pub(crate) polls: Http,
    pub(crate) posts: Http,
    address: SocketAddr,
    /// Packets that came and were not looked at.
    came: VecDeque<String>,
}

impl Polled {
    /// Opens a session; `more` goes into the address.
    pub(crate) async fn open(address: SocketAddr, version: Version, more: &str) -> Self {
        let mut polls = Http::open(address).await;
        let target = format!("/socket.io/?EIO={}&transport=polling{more}", version.number());
        let answer = polls.get(&target).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut came: VecDeque<_> = version.packets(&answer.body).into();
        let opening: Value = serde_json::from_str(&came.pop_front().unwrap()[1..]).unwrap();
        Self {
            version,
            sid: opening["sid"].as_str().unwrap().to_owned(),
            polls,
            posts: Http::open(address).await,
            address,
            came,
        }
    }

    pub(crate) fn target(&self, transport: &str) -> String {
        let (version, sid) = (self.version.number(), &self.sid);
        format!("/socket.io/?EIO={version}&transport={transport}&sid={sid}")
    }

    /// Sends a poll without waiting for its answer.
    pub(crate) async fn begin_poll(&mut self) {
        let target = self.target("polling");
        self.polls.ask("GET", &target, &[], "").await;
    }

    /// The packets of the poll that was begun.
    pub(crate) async fn polled(&mut self) -> Vec<String> {
        let answer = self.polls.answer().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.version.packets(&answer.body)
    }

    /// The poll that was begun is told that there is no such session: its client connects again by itself.
    pub(crate) async fn poll_is_over(&mut self) {
        self.polls.answer().await.refused(400, 1);
    }

    pub(crate) async fn poll(&mut self) -> Vec<String> {
        self.begin_poll().await;
        self.polled().await
    }

    /// A poll that is refused, since there is no such session any more.
    pub(crate) async fn gone(&mut self) {
        let target = self.target("polling");
        self.polls.get(&target).await.refused(400, 1);
    }

    /// Sends a body without waiting for its answer.
    pub(crate) async fn begin_post(&mut self, packets: &[impl AsRef<str>]) {
        let (target, body) = (self.target("polling"), self.version.payload(packets));
        let plain = ["Content-Type: text/plain;charset=UTF-8"];
        self.posts.ask("POST", &target, &plain, &body).await;
    }

    pub(crate) async fn post(&mut self, packets: &[impl AsRef<str>]) -> Answer {
        self.begin_post(packets).await;
        self.posts.answer().await
    }

    /// A body that is carried out.
    pub(crate) async fn say(&mut self, packets: &[impl AsRef<str>]) {
        let answer = self.post(packets).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/html"));
    }

    /// The next packet.
    pub(crate) async fn next(&mut self) -> String {
        while self.came.is_empty() {
            self.came = self.poll().await.into();
        }
        self.came.pop_front().unwrap()
    }

    /// The arguments of the next event of this name, whatever comes before it.
    pub(crate) async fn wait(&mut self, name: &str) -> Value {
        loop {
            if let Some(argument) = event(&self.next().await, name) {
                return argument;
            }
        }
    }

    pub(crate) async fn sign_in(&mut self, user: i64) {
        match self.version {
            // Clients of version 3 are connected without asking.
            Version::V3 => self.say(&[sign_in(&user.to_string())]).await,
            Version::V4 => self.say(&["40", &sign_in(&user.to_string())]).await,
        }
        self.wait("postinit_res").await;
    }

    /// A WebSocket that is to carry the session, probed.
    pub(crate) async fn probe(&self) -> Socket {
        let mut socket = Socket::open(self.address, &self.target("websocket")).await;
        socket.say("2probe").await;
        assert_eq!(socket.next().await, "3probe");
        socket
    }
}

/// A sign-in by an event.
pub(crate) fn sign_in(token: &str) -> String {
    format!("42{}", json!(["postinit_req", { "token": token }]))
}

/// A message to room 1.
pub(crate) fn message(content: &str) -> String {
    let message = json!({ "to": { "type": "ROOM", "room": 1 }, "content": content });
    format!("42{}", json!(["message", message]))
}

/// The argument of an event of this name.
pub(crate) fn event(packet: &str, name: &str) -> Option<Value> {
    let array: Value = serde_json::from_str(packet.strip_prefix("42")?).ok()?;
    (array[0] == name).then(|| array[1].clone())
}

/// A WebSocket.
pub(crate) struct Socket {
    http: Http,
}

impl Socket {
    /// Opens a WebSocket that the server consents to.
    pub(crate) async fn open(address: SocketAddr, target: &str) -> Self {
        let mut socket = Self {
            http: Http::open(address).await,
        };
        let upgrade = upgrade(target);
        socket.http.raw(upgrade.request()).await;
        let answer = socket.http.answer().await;
        let upgraded = upgrade.answered(answer.head.as_bytes()).unwrap();
        assert!(upgraded.is_some(), "{answer:?}");
        socket
    }

    pub(crate) async fn say(&mut self, packet: &str) {
        self.raw(text(packet)).await;
    }

    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.http.raw(bytes).await;
    }

    /// The next text, or `None` at a close frame or the end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<String> {
        let read = timeout(PATIENCE, self.frame()).await;
        let mut frame = read.expect("a frame in time")?;
        let limits = MessageLimits {
            message_bytes_max: 16 << 20,
            fragments_max: 0,
        };
        let mut said = None;
        let mut decoder = Decoder::new(Role::Client, false);
        decoder
            .push(&mut frame, &limits, &mut |heard| {
                if let Heard::Text(text) = heard {
                    said = Some(text.to_owned());
                }
            })
            .expect("a frame that RFC 6455 allows");
        said
    }

    pub(crate) async fn next(&mut self) -> String {
        self.next_or_end().await.expect("more before the end")
    }

    pub(crate) async fn wait(&mut self, name: &str) -> Value {
        loop {
            if let Some(argument) = event(&self.next().await, name) {
                return argument;
            }
        }
    }

    /// Reads to the end: the texts that came before it.
    pub(crate) async fn end(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(text) = self.next_or_end().await {
            texts.push(text);
        }
        texts
    }

    async fn frame(&mut self) -> Option<Vec<u8>> {
        let reader = &mut self.http.reader;
        if reader.fill_buf().await.ok()?.is_empty() {
            return None;
        }
        let mut bytes = vec![0; 2];
        reader.read_exact(&mut bytes).await.unwrap();
        let more = match bytes[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        bytes.resize(2 + more, 0);
        reader.read_exact(&mut bytes[2..]).await.unwrap();
        let length = match more {
            0 => u64::from(bytes[1]),
            _ => bytes[2..].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let header = bytes.len();
        bytes.resize(header + usize::try_from(length).unwrap(), 0);
        reader.read_exact(&mut bytes[header..]).await.unwrap();
        Some(bytes)
    }
}

/// A packet in one frame.
pub(crate) fn text(packet: &str) -> Vec<u8> {
    client_frame(Opcode::Text, packet.as_bytes(), MASK)
}

/// A request for a WebSocket.
pub(crate) fn upgrade(target: &str) -> Upgrade<'_> {
    Upgrade {
        host: "bongsu.test",
        target,
        key: "dGhlIHNhbXBsZSBub25jZQ==",
        subprotocols: None,
        authorization: None,
        deflate: false,
    }
}
