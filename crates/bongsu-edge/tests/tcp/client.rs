//! A client that speaks the protocol byte by byte.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::server::PATIENCE;

pub(crate) struct Client {
    pub(crate) reader: BufReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
}

/// A request's envelope.
pub(crate) fn ask(action: &str, seq_id: &str, fields: &Value) -> Value {
    json!({ "action": action, "seq_id": seq_id, "data": fields, "timestamp": "2026-01-01T00:00:00.000Z" })
}

pub(crate) fn post(room: i64, seq_id: &str, content: &str) -> Value {
    ask(
        "SEND_MESSAGE",
        seq_id,
        &json!({ "chatroom_id": room, "content": content, "message_type": "text" }),
    )
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpSocket::new_v4().unwrap(), address).await
    }

    /// With so small a receive buffer that the server soon has to wait.
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
        }
    }

    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.writer.write_all(bytes.as_ref()))
            .await
            .expect("in time")
            .unwrap();
    }

    pub(crate) async fn send(&mut self, action: &str, seq_id: &str, fields: Value) {
        self.raw(ask(action, seq_id, &fields).to_string()).await;
    }

    pub(crate) async fn post(&mut self, room: i64, content: &str) {
        self.raw(post(room, content, content).to_string()).await;
    }

    /// The next line; `None` at the end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.reader.read_line(&mut line))
            .await
            .expect("an answer in time");
        if read.expect("no reset before the end") == 0 {
            return None;
        }
        assert!(line.ends_with('\n'), "a line is whole: {line}");
        Some(serde_json::from_str(&line).unwrap())
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.next_or_end().await.expect("more before the end")
    }

    /// The next line, which has this action.
    pub(crate) async fn expect(&mut self, action: &str) -> Value {
        let line = self.next().await;
        assert_eq!(line["action"], action, "{line}");
        line
    }

    /// The next line, which is this event or answer: its `data`.
    pub(crate) async fn expect_data(&mut self, action: &str) -> Value {
        self.expect(action).await["data"].take()
    }

    /// The next line, which answers this request with this action: its `data`.
    pub(crate) async fn answer(&mut self, action: &str, seq_id: &str) -> Value {
        let mut line = self.expect(action).await;
        assert_eq!(line["seq_id"], seq_id, "{line}");
        line["data"].take()
    }

    /// The next line, which is an error: its code and the request it answers.
    pub(crate) async fn refused(&mut self, code: &str, seq_id: &str) -> Value {
        let mut line = self.expect("ERROR").await;
        assert_eq!(line["data"]["error_code"], code, "{line}");
        assert_eq!(line["data"]["original_seq_id"], seq_id, "{line}");
        line["data"].take()
    }

    /// The next line with this action, whatever comes before it.
    pub(crate) async fn wait(&mut self, action: &str) -> Value {
        loop {
            let line = self.next().await;
            if line["action"] == action {
                return line;
            }
        }
    }

    /// Signs in; the next line is the answer.
    pub(crate) async fn sign_in(&mut self, user: i64) -> Value {
        self.connect(json!({ "jwt_token": user.to_string() })).await;
        self.answer("CONNECT_SUCCESS", "connect").await
    }

    pub(crate) async fn connect(&mut self, fields: Value) {
        self.send("CONNECT", "connect", fields).await;
    }

    /// The end of the stream comes next, without a reset.
    pub(crate) async fn end(&mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.reader.read_to_end(&mut rest))
            .await
            .expect("the end in time");
        read.expect("no reset before the end");
        assert!(
            rest.is_empty(),
            "more after the end: {}",
            String::from_utf8_lossy(&rest)
        );
    }

    /// Is closed with this code and advice, then the stream ends.
    pub(crate) async fn closed(&mut self, code: &str, reconnect: &str) {
        let told = self.wait("SESSION_CLOSED").await;
        assert_eq!(told["data"]["error_code"], code, "{told}");
        assert_eq!(told["data"]["reconnect"], reconnect, "{told}");
        assert!(!told["data"]["message"].as_str().unwrap().is_empty());
        self.end().await;
    }

    /// All answers to what was asked before have come: nothing but them since. Returns what came.
    pub(crate) async fn settled(&mut self) -> Vec<Value> {
        self.send("GET_MESSAGES", "settled", json!({ "chatroom_id": 0 }))
            .await;
        let mut came = Vec::new();
        loop {
            let line = self.next().await;
            if line["data"]["original_seq_id"] == "settled" {
                return came;
            }
            came.push(line);
        }
    }
}
