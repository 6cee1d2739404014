//! A device's end of one connection, whatever carries it: bytes and frames, no decisions.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bongsu_model::device::FromDevice;
use bongsu_model::{Limits, Reconnect};
use bongsu_proto::v1::WebSocketPacket;
use bongsu_proto::v1::device_gateway_client::DeviceGatewayClient;
use bongsu_wire::device::client::Told;
use bongsu_wire::device::{Format, proto};
use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Opcode, Role, Upgrade, client_frame};
use futures_util::StreamExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Request, Status, Streaming};

use crate::server::PATIENCE;

/// The key of RFC 6455, 1.3.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x5a, 0x81, 0x00, 0xff];

/// What carries a device's session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Json,
    Proto,
    Grpc,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Proto, Self::Grpc];

    /// Its word in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "websocket_json",
            Self::Proto => "websocket_proto",
            Self::Grpc => "grpc",
        }
    }
}

/// How a connection ended, beyond what it said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// A close frame: its code and its reason.
    Closed(u16, String),
    /// A status: its code and the one that all protocols share.
    Status(tonic::Code, String),
    /// The stream of gRPC ended well.
    Done,
    /// It was cut.
    Cut,
}

/// What comes next.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Comes {
    Told(Told),
    Pong(Vec<u8>),
    End(End),
}

pub(crate) enum Link {
    Socket(Socket),
    Stream(Box<Stream>),
}

/// A WebSocket.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    format: Format,
    decoder: Decoder,
    came: VecDeque<Comes>,
}

/// A stream of gRPC.
pub(crate) struct Stream {
    says: Option<mpsc::Sender<WebSocketPacket>>,
    hears: Streaming<WebSocketPacket>,
}

pub(crate) type Service = tower::util::BoxCloneSyncService<
    hyper::Request<tonic::body::Body>,
    hyper::Response<hyper::body::Incoming>,
    hyper::Error,
>;

/// An HTTP/2 connection, for clients of gRPC.
pub(crate) async fn http2(address: SocketAddr, window: Option<u32>) -> Service {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .initial_stream_window_size(window)
        .initial_connection_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    tower::util::BoxCloneSyncService::new(tower::service_fn(move |request| {
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    }))
}

impl Link {
    /// Connects, with a token in the handshake or none.
    pub(crate) async fn open(kind: Kind, address: SocketAddr, token: Option<&str>) -> Self {
        Self::narrow(kind, address, token, None).await
    }

    /// As [`Self::open`], with so small a receive buffer that the gateway soon has to wait.
    pub(crate) async fn narrow(
        kind: Kind,
        address: SocketAddr,
        token: Option<&str>,
        bytes: Option<u32>,
    ) -> Self {
        match kind {
            Kind::Json => Self::Socket(Socket::open(Format::Json, address, token, bytes).await),
            Kind::Proto => Self::Socket(Socket::open(Format::Proto, address, token, bytes).await),
            Kind::Grpc => Self::Stream(Box::new(Stream::open(address, token, bytes).await.unwrap())),
        }
    }

    pub(crate) async fn say(&mut self, said: &FromDevice) {
        match self {
            Self::Socket(socket) => {
                let (opcode, bytes) = socket.format.say(said);
                socket.frame(opcode, &bytes).await;
            }
            Self::Stream(stream) => stream.packet(proto::say(said)).await,
        }
    }

    /// What comes next.
    pub(crate) async fn comes(&mut self) -> Comes {
        let coming = async {
            match self {
                Self::Socket(socket) => socket.comes().await,
                Self::Stream(stream) => stream.comes().await,
            }
        };
        timeout(PATIENCE, coming).await.expect("something comes in time")
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Socket(socket) => socket,
            Self::Stream(_) => panic!("a stream has no socket of its own"),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        match self {
            Self::Stream(stream) => stream,
            Self::Socket(_) => panic!("a socket is no stream"),
        }
    }
}

/// The advice in the reason of a close frame.
pub(crate) fn advice(reconnect: Reconnect) -> String {
    format!("reconnect={}", reconnect.name())
}

impl Socket {
    async fn open(format: Format, address: SocketAddr, token: Option<&str>, bytes: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let target = match token {
            Some(token) => format!("/device?token={token}"),
            None => "/device".to_owned(),
        };
        let upgrade = Upgrade {
            host: "bongsu.test",
            target: &target,
            key: KEY,
            subprotocols: Some(format.subprotocol()),
            authorization: None,
            deflate: true,
        };
        stream.write_all(upgrade.request().as_ref()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        let upgraded = upgrade.answered(&head).unwrap().expect("a whole head");
        assert!(
            !upgraded.deflate,
            "devices' frames are small and are not compressed"
        );
        Self {
            stream,
            format,
            decoder: Decoder::new(Role::Client, false),
            came: VecDeque::new(),
        }
    }

    /// Says something in one frame.
    pub(crate) async fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        // Who is cut while it speaks learns it from what it reads.
        let _ = self.stream.write_all(&client_frame(opcode, payload, MASK)).await;
    }

    async fn comes(&mut self) -> Comes {
        let mut bytes = [0; 512];
        loop {
            if let Some(came) = self.came.pop_front() {
                return came;
            }
            match self.stream.read(&mut bytes).await {
                Ok(count) if count > 0 => self.hear(&mut bytes[..count]),
                Ok(_) | Err(_) => return Comes::End(End::Cut),
            }
        }
    }

    fn hear(&mut self, bytes: &mut [u8]) {
        let limits = MessageLimits {
            message_bytes_max: 1 << 20,
            fragments_max: 0,
        };
        let (format, came) = (self.format, &mut self.came);
        let told = |bytes: &[u8]| {
            let told = format.told(bytes, &Limits::DEFAULT).unwrap();
            Comes::Told(told.expect("a frame that this device knows"))
        };
        let heard = self.decoder.push(bytes, &limits, &mut |heard| {
            came.push_back(match heard {
                Heard::Text(text) => {
                    assert_eq!(format, Format::Json);
                    told(text.as_bytes())
                }
                Heard::Binary(bytes) => {
                    assert_eq!(format, Format::Proto);
                    told(bytes)
                }
                Heard::Pong(payload) => Comes::Pong(payload.to_vec()),
                Heard::Ping(_) => panic!("devices are not pinged: they have heartbeats"),
                Heard::Close(closed) => Comes::End(closed.map_or(End::Closed(0, String::new()), |it| {
                    End::Closed(it.code, it.reason.to_owned())
                })),
            });
        });
        heard.expect("frames that RFC 6455 allows");
    }
}

impl Stream {
    async fn open(address: SocketAddr, token: Option<&str>, bytes: Option<u32>) -> Result<Self, Status> {
        let service = http2(address, bytes).await;
        let origin = format!("http://{address}").parse().unwrap();
        let mut client = DeviceGatewayClient::with_origin(service, origin);
        let (says, said) = mpsc::channel(16);
        let said =
            futures_util::stream::unfold(said, |mut said| async move { Some((said.recv().await?, said)) });
        let mut request = Request::new(said);
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        let answer = timeout(PATIENCE, client.connect(request))
            .await
            .expect("a head in time")?;
        Ok(Self {
            says: Some(says),
            hears: answer.into_inner(),
        })
    }

    pub(crate) async fn packet(&self, packet: WebSocketPacket) {
        if let Some(says) = &self.says {
            // Who is cut while it speaks learns it from what it reads.
            let _ = says.send(packet).await;
        }
    }

    /// Says that it says no more.
    pub(crate) fn finish(&mut self) {
        self.says = None;
    }

    async fn comes(&mut self) -> Comes {
        match self.hears.next().await {
            None => Comes::End(End::Done),
            Some(Ok(packet)) => {
                let told = proto::told(packet, &Limits::DEFAULT).unwrap();
                Comes::Told(told.expect("a packet that this device knows"))
            }
            Some(Err(status)) => match status.metadata().get("bongsu-code") {
                Some(code) => Comes::End(End::Status(status.code(), code.to_str().unwrap().to_owned())),
                None => Comes::End(End::Cut),
            },
        }
    }
}
