//! A device against a gateway of a few lines: links that end, commands that come again, restarts.
//!
//! Invariant: what the gateway hears was framed and written by the product; nothing waits for the clock.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bongsu_device::{Device, Format, Happening, Object, Stopped, Value};
use bongsu_model::device::{
    Command, CommandFrame, CommandId, CommandState, ConnectionEpoch, DeviceId, FromDevice, Hello, IfOffline,
    Pace, Status, ToDevice, Welcome,
};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Limits, Locale, SessionId, Timestamp};
use bongsu_wire::device::Heard as Read;
use bongsu_wire::websocket::{Decoder, Heard, MessageLimits, Role, accept_key};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 1 << 20,
    fragments_max: 10,
};
/// The gateway's clock. Any will do: the device measures it.
const NOW: Timestamp = Timestamp(4_000_000_000_000);

/// One accepted link.
struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    format: Format,
    epoch: ConnectionEpoch,
    head: String,
    heard: std::collections::VecDeque<FromDevice>,
}

impl Peer {
    async fn accept(listener: &TcpListener, format: Format, epoch: u64) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = accept_key(key.unwrap()).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
            format.subprotocol()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        Self {
            stream,
            decoder: Decoder::new(Role::Server, false),
            format,
            epoch: ConnectionEpoch(epoch),
            head,
            heard: std::collections::VecDeque::new(),
        }
    }

    /// Accepts, hears the hello and welcomes.
    async fn welcome(listener: &TcpListener, format: Format, epoch: u64) -> (Self, Hello) {
        let mut peer = Self::accept(listener, format, epoch).await;
        let FromDevice::Hello(hello) = peer.hear().await else {
            panic!("no hello")
        };
        let welcome = Welcome {
            session: SessionId(1),
            epoch: peer.epoch,
            heartbeat_ms: 15_000,
            server_time: NOW,
            clock: hello.clock,
            delta: None,
        };
        peer.say(&ToDevice::Welcome(Box::new(welcome))).await;
        (peer, *hello)
    }

    async fn say(&mut self, said: &ToDevice) {
        let bytes = self.format.frames(said, self.epoch, Locale::En);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next frame but heartbeats.
    async fn hear(&mut self) -> FromDevice {
        let mut read = vec![0; 4_096];
        loop {
            match self.heard.pop_front() {
                Some(FromDevice::Heartbeat { .. }) => continue,
                Some(said) => return said,
                None => {}
            }
            let count = self.stream.read(&mut read).await.unwrap();
            assert_ne!(count, 0, "the device is gone");
            let (format, limits) = (self.format, Limits::DEFAULT);
            let heard = &mut self.heard;
            let mut sink = |message: Heard<'_>| {
                let said = match message {
                    Heard::Text(text) => format.text(text, &limits),
                    Heard::Binary(bytes) => format.binary(bytes, &limits),
                    Heard::Ping(_) | Heard::Pong(_) | Heard::Close(_) => panic!("{message:?}"),
                };
                match said {
                    Ok(Read::Said(said)) => heard.push_back(said),
                    Ok(Read::Refused(refusal)) => panic!("{refusal:?}"),
                    Err(fatal) => panic!("{fatal:?}"),
                }
            };
            self.decoder.push(&mut read[..count], &LIMITS, &mut sink).unwrap();
        }
    }

    async fn word(&mut self) -> (Status, Option<Value>) {
        let said = self.hear().await;
        let FromDevice::Word(word) = said else {
            panic!("{said:?}")
        };
        assert_eq!((word.reply_to, word.epoch), (CommandId(7), Some(self.epoch)));
        (word.status, word.result.or(word.error))
    }

    async fn order(&mut self) {
        let command = Command {
            id: CommandId(7),
            device: DeviceId::parse("car-1234").unwrap(),
            name: "window.set".into(),
            args: Object::from([("position".into(), "open".into())]),
            target: None,
            pace: Pace::LatestWins,
            if_offline: IfOffline::Fail,
            by: "test".into(),
            from: None,
            at: NOW,
            deadline: NOW.plus_ms(60_000),
            execution_ms: 300_000,
            state: CommandState::Routed,
            since: NOW,
            epoch: self.epoch,
            result: None,
            error: None,
            late: None,
            history: Vec::new(),
        };
        let frame = CommandFrame {
            command: Arc::new(command),
            attempt: 0,
        };
        self.say(&ToDevice::Command(frame)).await;
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/device", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn a_command_is_carried_out_once_whatever_becomes_of_links_and_processes() {
    for format in Format::ALL {
        let (listener, url) = listen().await;
        let folder = tempfile::tempdir().unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let device = || {
            let begun = Arc::clone(&begun);
            let device = Device::builder(&url, "car-1234").token("a.b.c").format(format);
            let device = device.journal(folder.path().join("journal"));
            device.on("window.set", move |call| {
                begun.fetch_add(1, Ordering::Relaxed);
                async move {
                    call.in_progress(None);
                    Ok(call.text("position").unwrap_or_default().into())
                }
            })
        };
        let running = tokio::spawn(device().build().unwrap().run());
        let (mut peer, hello) = Peer::welcome(&listener, format, 1).await;
        assert!(peer.head.contains("Authorization: Bearer a.b.c\r\n"));
        assert_eq!((hello.device.as_str(), hello.running), ("car-1234", vec![]));
        peer.order().await;
        while peer.word().await != (Status::Ok, Some("open".into())) {}
        peer.order().await;
        assert_eq!(peer.word().await, (Status::Ok, Some("open".into())));
        drop(peer);

        let (mut peer, _) = Peer::welcome(&listener, format, 2).await;
        assert_eq!(
            peer.word().await,
            (Status::Ok, Some("open".into())),
            "it was not confirmed"
        );
        running.abort();
        let _ = running.await;

        let running = tokio::spawn(device().build().unwrap().run());
        let (mut peer, _) = Peer::welcome(&listener, format, 3).await;
        assert_eq!(peer.word().await, (Status::Ok, Some("open".into())));
        peer.order().await;
        assert_eq!(peer.word().await, (Status::Ok, Some("open".into())));
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        running.abort();
    }
}

#[tokio::test]
async fn a_command_that_a_restart_interrupted_is_answered_and_not_begun_again() {
    let (listener, url) = listen().await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let device = Device::builder(&url, "car-1234").journal(&journal);
    let device = device.on("window.set", |_| std::future::pending());
    let running = tokio::spawn(device.build().unwrap().run());
    let (mut peer, _) = Peer::welcome(&listener, Format::Json, 1).await;
    peer.order().await;
    assert_eq!(peer.word().await, (Status::Received, None));
    running.abort();
    let _ = running.await;

    let device = Device::builder(&url, "car-1234").journal(&journal);
    let device = device.on("window.set", |_| async { unreachable!("it was begun before") });
    let running = tokio::spawn(device.build().unwrap().run());
    let (mut peer, hello) = Peer::welcome(&listener, Format::Json, 2).await;
    assert_eq!(hello.running, []);
    assert_eq!(peer.word().await, (Status::Failed, Some("interrupted".into())));
    peer.order().await;
    assert_eq!(peer.word().await, (Status::Failed, Some("interrupted".into())));
    running.abort();
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let (listener, url) = listen().await;
    let device = Device::builder(&url, "car-1234");
    let device = device.on("window.set", |_| async { panic!("on purpose") });
    let running = tokio::spawn(device.build().unwrap().run());
    let (mut peer, _) = Peer::welcome(&listener, Format::Json, 1).await;
    peer.order().await;
    while peer.word().await != (Status::Failed, Some("panicked".into())) {}
    running.abort();
}

#[tokio::test]
async fn who_is_replaced_or_not_wanted_stops() {
    for (cause, code) in [(CloseCause::Replaced, 4409), (CloseCause::TokenRevoked, 4401)] {
        let (listener, url) = listen().await;
        let running = tokio::spawn(Device::builder(&url, "car-1234").build().unwrap().run());
        let (mut peer, _) = Peer::welcome(&listener, Format::Json, 1).await;
        peer.say(&ToDevice::Closing(Closing::new(cause))).await;
        let Stopped::Advised { close_code, message } = running.await.unwrap() else {
            panic!("it stopped for another reason")
        };
        assert!(
            close_code == code && !message.is_empty(),
            "{close_code} {message}"
        );
    }
}

#[tokio::test]
async fn a_device_whose_token_is_refused_asks_for_a_new_one_once() {
    let (listener, url) = listen().await;
    let device = Device::builder(&url, "car-1234").token("old");
    let device = device.on_token_needed(|()| async { Some("new".to_owned()) });
    let running = tokio::spawn(device.build().unwrap().run());
    let refuse = async |token: &str| {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains(&format!("Bearer {token}\r\n")), "{head}");
        let answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    };
    refuse("old").await;
    refuse("new").await;
    assert!(matches!(running.await.unwrap(), Stopped::NotLetIn(401)));
}

#[tokio::test]
async fn wishes_come_one_at_a_time_and_what_was_taken_in_is_told() {
    let (listener, url) = listen().await;
    let (said, mut asked) = tokio::sync::mpsc::channel(8);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let waits = Arc::clone(&gate);
    let device = Device::builder(&url, "car-1234").on_desired(move |_, state: Object| {
        let (said, waits) = (said.clone(), Arc::clone(&waits));
        async move {
            said.send(state).await.unwrap();
            waits.acquire().await.unwrap().forget();
        }
    });
    let device = device.build().unwrap();
    let handle = device.handle();
    let running = tokio::spawn(device.run());
    let (mut peer, _) = Peer::welcome(&listener, Format::Json, 1).await;
    let state = |value: i64| Object::from([("seat".into(), value.into())]);
    peer.say(&ToDevice::Delta {
        version: 1,
        state: state(1),
    })
    .await;
    assert_eq!(asked.recv().await, Some(state(1)));
    for version in 2..5 {
        let state = state(i64::try_from(version).unwrap());
        peer.say(&ToDevice::Delta { version, state }).await;
    }
    // What the device answers now, it heard behind the deltas.
    peer.order().await;
    assert_eq!(
        peer.word().await,
        (Status::Rejected, Some("unknown_command".into()))
    );
    gate.add_permits(2);
    assert_eq!(asked.recv().await, Some(state(4)), "the ones between are past");
    let mut version = None;
    while version != Some(4) {
        let FromDevice::Reported { version: told, .. } = peer.hear().await else {
            panic!("no report")
        };
        version = told;
    }
    handle.report(state(4)).unwrap();
    let told = FromDevice::Reported {
        version: Some(4),
        state: state(4),
    };
    assert_eq!(peer.hear().await, told);
    handle.stop();
    assert!(matches!(running.await.unwrap(), Stopped::Asked));
}

#[tokio::test]
async fn a_device_that_hangs_up_comes_back() {
    let (listener, url) = listen().await;
    let (said, mut happened) = tokio::sync::mpsc::channel(64);
    let device = Device::builder(&url, "car-1234").on_happening(move |it| {
        said.try_send(it).unwrap();
    });
    let device = device.build().unwrap();
    let handle = device.handle();
    let running = tokio::spawn(device.run());
    let _first = Peer::welcome(&listener, Format::Json, 1).await;
    while !matches!(happened.recv().await, Some(Happening::Session(_))) {}
    assert!(handle.server_now().is_some_and(|now| now.ms_since(NOW) < 60_000));
    handle.hang_up(Duration::from_millis(1));
    let _second = Peer::welcome(&listener, Format::Json, 2).await;
    running.abort();
}
