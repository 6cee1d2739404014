//! Links against a server of a few lines, which does what the test says and nothing else.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Role, accept_key, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 1 << 20,
    fragments_max: 10,
};
/// A server that never pings within a test, and takes little.
const OPEN: &str =
    r#"0{"sid":"s1","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":1024}"#;
const MAY_CHANGE: &str =
    r#"0{"sid":"s1","upgrades":["websocket"],"pingInterval":60000,"pingTimeout":60000,"maxPayload":1024}"#;

/// One connection, at the server.
struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    heard: VecDeque<String>,
}

struct Asked {
    line: String,
    head: String,
    body: String,
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn config(address: SocketAddr, carriers: Carriers) -> LinkConfig {
    LinkConfig {
        address: Address::of_http(&format!("http://{address}"), PATH).unwrap(),
        tls: None,
        token: None,
        carriers,
    }
}

/// Runs a server beside the test; what panics in it fails whoever waits for it.
fn serve(server: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(server)
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        Self {
            stream,
            decoder: Decoder::new(Role::Server, false),
            heard: VecDeque::new(),
        }
    }

    async fn asked(&mut self) -> Asked {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let line = head.lines().next().unwrap().to_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |it| it.parse().unwrap())];
        self.stream.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        Asked { line, head, body }
    }

    async fn answer(&mut self, status: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let whole = [head.as_bytes(), body].concat();
        self.stream.write_all(&whole).await.unwrap();
    }

    /// The next request is a poll, and has this answer.
    async fn poll(&mut self, payload: &str) {
        let asked = self.asked().await;
        assert!(
            asked.line.starts_with("GET /socket.io/?EIO=4&transport=polling"),
            "{}",
            asked.line
        );
        self.answer("200 OK", payload.as_bytes()).await;
    }

    /// The next request is a post; its payload.
    async fn posted(&mut self) -> String {
        let asked = self.asked().await;
        assert_eq!(
            asked.line,
            "POST /socket.io/?EIO=4&transport=polling&sid=s1 HTTP/1.1"
        );
        self.answer("200 OK", b"ok").await;
        asked.body
    }

    async fn refuse(listener: &TcpListener) {
        let mut peer = Self::accept(listener).await;
        let asked = peer.asked().await;
        assert!(asked.line.contains("transport=websocket"), "{}", asked.line);
        peer.answer("400 Bad Request", b"{}").await;
    }

    async fn upgrade(listener: &TcpListener, target: &str) -> Self {
        let mut peer = Self::accept(listener).await;
        let asked = peer.asked().await;
        assert_eq!(asked.line, format!("GET {target} HTTP/1.1"));
        let key = asked
            .head
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = accept_key(key.unwrap()).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        peer.stream.write_all(answer.as_bytes()).await.unwrap();
        peer
    }

    /// Accepts a WebSocket and opens its session.
    async fn open(listener: &TcpListener, terms: &str) -> Self {
        let mut peer = Self::upgrade(listener, "/socket.io/?EIO=4&transport=websocket").await;
        peer.say(terms).await;
        peer
    }

    async fn say(&mut self, text: &str) {
        self.stream
            .write_all(&frame(Opcode::Text, text.as_bytes()))
            .await
            .unwrap();
    }

    /// The next message; `None` when the client closes.
    async fn hear(&mut self) -> Option<String> {
        while self.heard.is_empty() {
            let mut bytes = [0; 1_024];
            let count = self.stream.read(&mut bytes).await.unwrap();
            if count == 0 {
                return None;
            }
            let Self { decoder, heard, .. } = self;
            let mut closed = false;
            decoder
                .push(&mut bytes[..count], &LIMITS, &mut |it| match it {
                    Heard::Text(text) => heard.push_back(text.to_owned()),
                    Heard::Close(_) => closed = true,
                    Heard::Binary(_) | Heard::Ping(_) | Heard::Pong(_) => panic!("not of engine.io"),
                })
                .unwrap();
            if closed {
                return None;
            }
        }
        self.heard.pop_front()
    }
}

fn packet(text: &str) -> Came {
    Came::Packet(text.to_owned())
}

/// What comes that is not only a sign of having written.
async fn came(link: &mut Link) -> Came {
    loop {
        match link.next().await.unwrap() {
            Came::Written => {}
            came @ (Came::Packet(_) | Came::Upgraded | Came::Closed { .. }) => return came,
        }
    }
}

/// Everything that was said is written.
async fn write(link: &mut Link) {
    while !link.is_idle() {
        assert_eq!(link.next().await.unwrap(), Came::Written);
    }
}

#[tokio::test]
async fn a_websocket_comes_first_and_pings_are_answered() {
    let (listener, address) = listen().await;
    let server = serve(async move {
        let mut peer = Peer::open(&listener, OPEN).await;
        assert_eq!(peer.hear().await.as_deref(), Some("40/switchboard,"));
        peer.say("40/switchboard,{\"sid\":\"x\"}").await;
        peer.say("2").await;
        assert_eq!(peer.hear().await.as_deref(), Some("3"));
        peer.say("42[\"a\",{}]").await;
        assert_eq!(peer.hear().await, None);
    });
    let mut link = connect(&config(address, Carriers::Any)).await.unwrap();
    assert!(link.is_websocket() && link.is_idle());
    link.say("40/switchboard,".to_owned()).unwrap();
    assert!(!link.is_idle());
    assert_eq!(link.next().await.unwrap(), Came::Written);
    assert_eq!(came(&mut link).await, packet("40/switchboard,{\"sid\":\"x\"}"));
    assert_eq!(came(&mut link).await, packet("42[\"a\",{}]"));
    link.close().await;
    server.await.unwrap();
}

#[tokio::test]
async fn where_a_websocket_is_refused_or_breaks_it_is_polled() {
    for refuses in [true, false] {
        let (listener, address) = listen().await;
        let server = serve(async move {
            if refuses {
                Peer::refuse(&listener).await;
            } else {
                drop(Peer::upgrade(&listener, "/socket.io/?EIO=4&transport=websocket").await);
            }
            let mut gets = Peer::accept(&listener).await;
            gets.poll(OPEN).await;
            gets.poll("2\u{1e}4a").await;
            let mut posts = Peer::accept(&listener).await;
            assert_eq!(posts.posted().await, "3");
            gets.poll("4b").await;
            assert_eq!(posts.posted().await, "41");
            assert_eq!(posts.posted().await, "1");
        });
        let mut link = connect(&config(address, Carriers::Any)).await.unwrap();
        assert!(!link.is_websocket());
        assert_eq!(came(&mut link).await, packet("4a"));
        assert_eq!(came(&mut link).await, packet("4b"));
        link.say("41".to_owned()).unwrap();
        link.close().await;
        server.await.unwrap();
    }
}

#[tokio::test]
async fn posts_keep_their_order_and_the_limit_of_the_server() {
    let (listener, address) = listen().await;
    let server = serve(async move {
        let mut gets = Peer::accept(&listener).await;
        gets.poll(OPEN).await;
        let mut posts = Peer::accept(&listener).await;
        let mut heard = Vec::new();
        while heard.len() < 100 {
            let payload = posts.posted().await;
            assert!(payload.len() <= 1_024);
            heard.extend(payload.split('\u{1e}').map(str::to_owned));
        }
        let said: Vec<_> = (0..100).map(|n| format!("4{n:0>99}")).collect();
        assert_eq!(heard, said);
        gets.asked().await;
        assert_eq!(
            gets.stream.read(&mut [0; 1]).await.unwrap(),
            0,
            "the link is dropped"
        );
    });
    let mut link = connect(&config(address, Carriers::Polling)).await.unwrap();
    for n in 0..100 {
        link.say(format!("4{n:0>99}")).unwrap();
    }
    let large = link.say("4".repeat(1_025));
    assert_eq!(
        large,
        Err(NotSaid::TooLarge {
            bytes: 1_025,
            max: 1_024
        })
    );
    write(&mut link).await;
    drop(link);
    server.await.unwrap();
}

#[tokio::test]
async fn polling_is_changed_for_a_websocket_while_no_request_is_on_its_way() {
    let (listener, address) = listen().await;
    let server = serve(async move {
        Peer::refuse(&listener).await;
        let mut gets = Peer::accept(&listener).await;
        gets.poll(MAY_CHANGE).await;
        // The next poll and the upgrade come in either order, over connections of their own.
        let target = "/socket.io/?EIO=4&transport=websocket&sid=s1";
        let mut websocket = Peer::upgrade(&listener, target).await;
        assert_eq!(websocket.hear().await.as_deref(), Some("2probe"));
        websocket.say("3probe").await;
        gets.poll("4first\u{1e}6").await;
        assert_eq!(websocket.hear().await.as_deref(), Some("5"));
        websocket.say("4second").await;
        assert_eq!(websocket.hear().await.as_deref(), Some("4third"));
        websocket.say("1").await;
    });
    let mut link = connect(&config(address, Carriers::Any)).await.unwrap();
    assert_eq!(came(&mut link).await, packet("4first"));
    assert_eq!(came(&mut link).await, Came::Upgraded);
    assert!(link.is_websocket());
    link.say("4third".to_owned()).unwrap();
    assert_eq!(came(&mut link).await, packet("4second"));
    let closed = Came::Closed {
        code: None,
        reason: String::new(),
    };
    assert_eq!(came(&mut link).await, closed);
    assert!(matches!(link.next().await, Err(Broken::End)));
    server.await.unwrap();
}

#[tokio::test]
async fn where_no_websocket_comes_through_the_polling_goes_on() {
    for says in ["4probe", "3other"] {
        let (listener, address) = listen().await;
        let server = serve(async move {
            Peer::refuse(&listener).await;
            let mut gets = Peer::accept(&listener).await;
            gets.poll(MAY_CHANGE).await;
            let target = "/socket.io/?EIO=4&transport=websocket&sid=s1";
            let mut websocket = Peer::upgrade(&listener, target).await;
            assert_eq!(websocket.hear().await.as_deref(), Some("2probe"));
            websocket.say(says).await;
            assert_eq!(websocket.hear().await, None);
            gets.poll("4a").await;
            gets.poll("4b").await;
        });
        let mut link = connect(&config(address, Carriers::Any)).await.unwrap();
        assert_eq!(came(&mut link).await, packet("4a"));
        assert_eq!(came(&mut link).await, packet("4b"));
        assert!(!link.is_websocket());
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_does_not_ping_is_gone() {
    const HASTY: &str = r#"0{"sid":"s1","upgrades":[],"pingInterval":20,"pingTimeout":20}"#;
    let (listener, address) = listen().await;
    let server = serve(async move {
        let mut peer = Peer::open(&listener, HASTY).await;
        // What is no ping does not count: it may be the echo of a proxy.
        peer.say("4a").await;
        assert_eq!(peer.hear().await, None);
        let mut gets = Peer::accept(&listener).await;
        gets.poll(HASTY).await;
        gets.asked().await;
        assert_eq!(
            gets.stream.read(&mut [0; 1]).await.unwrap(),
            0,
            "the link is dropped"
        );
    });
    for carriers in [Carriers::WebSocket, Carriers::Polling] {
        let mut link = connect(&config(address, carriers)).await.unwrap();
        let broken = loop {
            match link.next().await {
                Ok(came) => assert_eq!(came, packet("4a")),
                Err(fault) => break fault,
            }
        };
        assert!(matches!(broken, Broken::Silent), "{broken:?}");
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_something_else_is_not_spoken_with() {
    for first in ["", "4a", "0", "0{}", "0[]", "hello", "\u{1e}"] {
        let (listener, address) = listen().await;
        let server = serve(async move {
            let mut peer = Peer::upgrade(&listener, "/socket.io/?EIO=4&transport=websocket").await;
            peer.say(first).await;
            let mut gets = Peer::accept(&listener).await;
            gets.poll(first).await;
        });
        let Err(NotConnected::Neither { websocket, polling }) =
            connect(&config(address, Carriers::Any)).await
        else {
            panic!("{first:?} opens nothing")
        };
        for fault in [*websocket, polling] {
            assert!(
                matches!(fault, NoSession::NotSpoken | NoSession::Terms(_)),
                "{first:?}: {fault:?}"
            );
        }
        server.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_packet_breaks_the_link() {
    for what in ["", "9", "0{}", "\u{e9}"] {
        let (listener, address) = listen().await;
        let server = serve(async move {
            let mut peer = Peer::open(&listener, OPEN).await;
            peer.say(what).await;
            let mut gets = Peer::accept(&listener).await;
            gets.poll(OPEN).await;
            gets.poll(&format!("4a\u{1e}{what}")).await;
        });
        let mut link = connect(&config(address, Carriers::WebSocket)).await.unwrap();
        assert!(matches!(link.next().await, Err(Broken::Unheard)), "{what:?}");
        let mut link = connect(&config(address, Carriers::Polling)).await.unwrap();
        assert!(matches!(link.next().await, Err(Broken::Unheard)), "{what:?}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn answers_of_http_that_are_of_no_use_break_the_link() {
    let large = "4".repeat(http::BODY_BYTES_MAX + 1);
    let answers: [(&str, &[u8]); 4] = [
        ("302 Found\r\nLocation: /elsewhere", b""),
        ("400 Bad Request", b"{\"code\":1}"),
        ("200 OK", large.as_bytes()),
        ("200 OK", b"4\xff"),
    ];
    for (status, body) in answers.map(|(status, body)| (status.to_owned(), body.to_vec())) {
        let (listener, address) = listen().await;
        let of = status.clone();
        let server = serve(async move {
            let mut gets = Peer::accept(&listener).await;
            gets.poll(OPEN).await;
            gets.asked().await;
            // The link may be gone before the last byte is written.
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = gets.stream.write_all(&[head.as_bytes(), &body].concat()).await;
        });
        let mut link = connect(&config(address, Carriers::Polling)).await.unwrap();
        let broken = link.next().await.unwrap_err();
        match (&of[..3], &broken) {
            ("302", Broken::NotAnswered(NotAnswered::Status(302)))
            | ("400", Broken::NotAnswered(NotAnswered::Status(400)))
            | ("200", Broken::NotAnswered(NotAnswered::TooLarge) | Broken::Unheard) => {}
            _ => panic!("{of}: {broken:?}"),
        }
        drop(link);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn where_there_is_nobody_nothing_else_is_tried() {
    let (listener, address) = listen().await;
    drop(listener);
    for carriers in [Carriers::Any, Carriers::WebSocket] {
        let fault = connect(&config(address, carriers)).await.err().unwrap();
        assert!(matches!(fault, NotConnected::Nobody(_)), "{fault:?}");
    }
    let fault = connect(&config(address, Carriers::Polling)).await.err().unwrap();
    assert!(
        said(&fault).starts_with("no session over polling: no connection"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let (listener, address) = listen().await;
    let server = serve(async move {
        for round in 0..2 {
            if round == 0 {
                let mut peer = Peer::open(&listener, OPEN).await;
                for n in 0..200 {
                    peer.say(&format!("4{n}")).await;
                    assert_eq!(peer.hear().await, Some(format!("4{n}")));
                }
            } else {
                let mut gets = Peer::accept(&listener).await;
                gets.poll(OPEN).await;
                gets.poll("40").await;
                let mut posts = Peer::accept(&listener).await;
                for n in 0..200 {
                    assert_eq!(posts.posted().await, format!("4{n}"));
                    gets.poll(&format!("4{}", n + 1)).await;
                }
            }
        }
    });
    for carriers in [Carriers::WebSocket, Carriers::Polling] {
        let mut link = connect(&config(address, carriers)).await.unwrap();
        let mut next = 0;
        while next < 200 {
            let came = tokio::select! {
                biased;
                came = link.next() => came.unwrap(),
                // Whatever the wait was about to do, it is given up.
                () = tokio::task::yield_now() => continue,
            };
            if came != Came::Written {
                assert_eq!(came, packet(&format!("4{next}")));
                link.say(format!("4{next}")).unwrap();
                next += 1;
            }
        }
        if carriers == Carriers::WebSocket {
            write(&mut link).await;
        } else {
            while !link.is_idle() {
                link.next().await.unwrap();
            }
        }
    }
    server.await.unwrap();
}
