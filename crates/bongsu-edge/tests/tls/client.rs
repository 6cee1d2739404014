//! A client with TLS that speaks HTTP, WebSocket frames, or lines.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Opcode, Role, Upgrade, client_frame};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ALL_VERSIONS, ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::{Authority, Issued};
use crate::world::PATIENCE;

const MASK: [u8; 4] = [0x5a, 0x81, 0x00, 0xff];

/// What a client shows of itself.
pub(crate) type Shows<'a> = Option<&'a Issued>;

pub(crate) struct Client {
    pub(crate) stream: BufReader<TlsStream<TcpStream>>,
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Trusts this authority, and remembers sessions.
pub(crate) fn config(trusts: &Authority, shows: Shows<'_>) -> Arc<ClientConfig> {
    config_of(ALL_VERSIONS, trusts, shows)
}

/// The same for some versions of the protocol alone.
pub(crate) fn config_of(
    versions: &[&'static SupportedProtocolVersion],
    trusts: &Authority,
    shows: Shows<'_>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusts.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match shows {
        Some(it) => builder
            .with_client_auth_cert(vec![it.certificate.clone()], it.key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    })
}

impl Client {
    pub(crate) async fn open(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Self> {
        Self::over(TcpSocket::new_v4()?, address, config).await
    }

    /// With so small a receive buffer that the server soon has to wait.
    pub(crate) async fn narrow(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4_096)?;
        Self::over(socket, address, config).await
    }

    async fn over(socket: TcpSocket, address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Self> {
        let made = async {
            let tcp = socket.connect(address).await?;
            tcp.set_nodelay(true)?;
            let name = ServerName::try_from("localhost").unwrap();
            TlsConnector::from(config).connect(name, tcp).await
        };
        let stream = timeout(PATIENCE, made).await.expect("in time")?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// The other side's own certificate.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let chain = self.stream.get_ref().get_ref().1.peer_certificates().unwrap();
        chain[0].to_vec()
    }

    /// Whether the handshake was shortened by an earlier one.
    pub(crate) fn is_resumed(&self) -> bool {
        let kind = self.stream.get_ref().get_ref().1.handshake_kind();
        kind == Some(HandshakeKind::Resumed)
    }

    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let write = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        timeout(PATIENCE, write).await.expect("in time").unwrap();
    }

    /// One request of HTTP/1.1, and its answer or what came instead.
    pub(crate) async fn try_get(&mut self, target: &str) -> io::Result<Answer> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        timeout(PATIENCE, self.read_answer()).await.expect("in time")
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.try_get(target).await.unwrap()
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer())
            .await
            .expect("in time")
            .unwrap()
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer {
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// Upgrades to the type protocol.
    pub(crate) async fn upgrade(&mut self) {
        self.upgrade_to("/ws").await;
    }

    pub(crate) async fn upgrade_to(&mut self, target: &str) {
        let upgrade = Upgrade {
            host: "localhost",
            target,
            key: "dGhlIHNhbXBsZSBub25jZQ==",
            subprotocols: None,
            authorization: None,
            deflate: false,
        };
        self.raw(upgrade.request()).await;
        let answer = self.answer().await;
        upgrade.answered(answer.head.as_bytes()).unwrap().unwrap();
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.raw(client_frame(Opcode::Text, text.as_bytes(), MASK)).await;
    }

    /// The next message of a WebSocket; `None` at the end.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let text = self.hear_text().await?;
        Some(serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn hear_text(&mut self) -> Option<String> {
        let limits = MessageLimits {
            message_bytes_max: 16 << 20,
            fragments_max: 0,
        };
        loop {
            let frame = timeout(PATIENCE, self.frame()).await.expect("in time")?;
            let mut text = None;
            Decoder::new(Role::Client, false)
                .push(&mut frame.clone(), &limits, &mut |heard| {
                    if let Heard::Text(it) = heard {
                        text = Some(it.to_owned());
                    }
                })
                .unwrap();
            if text.is_some() {
                return text;
            }
        }
    }

    async fn frame(&mut self) -> Option<Vec<u8>> {
        let mut head = vec![0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        let more = match head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        head.resize(2 + more, 0);
        self.stream.read_exact(&mut head[2..]).await.ok()?;
        let length = match more {
            0 => u64::from(head[1]),
            _ => head[2..].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        head.extend_from_slice(&payload);
        Some(head)
    }

    /// The next message of this type, whatever comes before it.
    pub(crate) async fn wait(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await.expect("more before the end");
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Signs in on a WebSocket.
    pub(crate) async fn sign_in(&mut self, user: i64) {
        self.say(&json!({ "type": "auth", "id": "a", "data": { "token": user.to_string() } }))
            .await;
        self.wait("auth.ok").await;
    }

    /// The next line of the action protocol; `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await;
        match read.expect("in time") {
            Ok(1..) => Some(serde_json::from_str(&line).unwrap()),
            Ok(0) | Err(_) => None,
        }
    }

    /// Signs in with the action protocol.
    pub(crate) async fn connect(&mut self, user: i64) -> Value {
        let fields = json!({ "jwt_token": user.to_string() });
        self.raw(action("CONNECT", &fields)).await;
        let line = self.line().await.expect("an answer");
        assert_eq!(line["action"], "CONNECT_SUCCESS", "{line}");
        line
    }
}

/// A request of the action protocol.
pub(crate) fn action(action: &str, fields: &Value) -> String {
    json!({ "action": action, "seq_id": "1", "data": fields, "timestamp": "2026-01-01T00:00:00.000Z" })
        .to_string()
}
