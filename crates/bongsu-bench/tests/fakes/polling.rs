//! A server of Engine.IO polling that signs everybody in and answers pings, with a heartbeat of its own in front of
//! every body of answers.
//!
//! Invariant: a heartbeat is told only in a poll; what is asked on one connection is answered in the poll of another.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What all connections of the fake share.
#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<Shared>,
    said: Condvar,
}

#[derive(Default)]
struct Shared {
    /// Packets that wait for a poll, by session.
    waiting: HashMap<String, Vec<String>>,
    pings: u64,
    pongs: u64,
}

impl Sessions {
    /// Heartbeats that were told, and answers to them.
    pub(crate) fn heartbeats(&self) -> (u64, u64) {
        let all = self.all.lock().unwrap();
        (all.pings, all.pongs)
    }

    fn open(&self) -> String {
        let mut all = self.all.lock().unwrap();
        let sid = format!("s-{}", all.waiting.len());
        all.waiting.insert(sid.clone(), Vec::new());
        format!("0{{\"sid\":\"{sid}\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}}")
    }

    fn hear(&self, sid: &str, body: &str) -> String {
        let mut all = self.all.lock().unwrap();
        for packet in body.split('\x1e') {
            let answers: &[&str] = match packet {
                "3" => {
                    all.pongs += 1;
                    &[]
                }
                "427[\"ping\",{}]" => &["437[{\"server_time\":1}]"],
                _ if packet.starts_with("40{\"token\":") => &["40{\"sid\":\"n\"}", "42[\"auth.ok\",{}]"],
                odd => panic!("{odd}"),
            };
            let waiting = all.waiting.get_mut(sid).unwrap();
            waiting.extend(answers.iter().map(|answer| (*answer).to_owned()));
        }
        self.said.notify_all();
        "ok".to_owned()
    }

    /// What waits, as soon as something does, behind a heartbeat.
    fn poll(&self, sid: &str) -> String {
        let nothing = |all: &mut Shared| all.waiting[sid].is_empty();
        let mut all = self.said.wait_while(self.all.lock().unwrap(), nothing).unwrap();
        all.pings += 1;
        let packets = std::mem::take(all.waiting.get_mut(sid).unwrap());
        format!("2\x1e{}", packets.join("\x1e"))
    }

    fn answer(&self, peer: &TcpStream) {
        let mut from = BufReader::new(peer);
        while let Some((line, body)) = request(&mut from) {
            let path = line.split(' ').nth(1).unwrap();
            assert!(path.starts_with("/socket.io/?EIO=4&transport=polling"), "{line}");
            let sid = path.split_once("&sid=").map(|(_, sid)| sid);
            let said = match (sid, line.starts_with("POST ")) {
                (None, _) => self.open(),
                (Some(sid), true) => self.hear(sid, &body),
                (Some(sid), false) => self.poll(sid),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
                said.len()
            );
            let mut to = peer;
            if to.write_all(format!("{head}{said}").as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The first line of the next request, and its body; none if there is none.
fn request(from: &mut impl BufRead) -> Option<(String, String)> {
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    from.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
    while line != "\r\n" {
        line.clear();
        from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8(body).unwrap()))
}

/// Serves for as long as the process lives.
pub(crate) fn serve(listener: TcpListener) -> Arc<Sessions> {
    let sessions = Arc::new(Sessions::default());
    let shared = Arc::clone(&sessions);
    std::thread::spawn(move || {
        for peer in listener.incoming() {
            let sessions = Arc::clone(&shared);
            std::thread::spawn(move || sessions.answer(&peer.unwrap()));
        }
    });
    sessions
}
