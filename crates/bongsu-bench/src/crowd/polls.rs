//! Users who poll: one connection on which a poll always waits, and a second one for what they say meanwhile.
//!
//! Invariant: on either connection one request is under way at a time; what is said until its answer is there goes into
//! one body, as every client does it.

use super::conn::{Conn, Phase};
use super::poll::step;
use super::{Crowd, Lane};
use crate::dialect::polling::{self, Answer, Answers, SEPARATOR};
use crate::dialect::socketio;
use crate::error::BenchError;

/// Where one connection is in its requests and their answers.
#[derive(Default)]
pub(super) struct Polls {
    /// The session, once it is opened.
    sid: String,
    answers: Answers,
    /// Packets for the next body.
    outgoing: Vec<u8>,
    /// The request under way brings packets.
    posting: bool,
    /// The user's second connection, once it has said something.
    outlet: Option<usize>,
}

impl Polls {
    fn say(&mut self, packet: &[u8]) {
        if !self.outgoing.is_empty() {
            self.outgoing.push(SEPARATOR);
        }
        self.outgoing.extend_from_slice(packet);
    }
}

impl Crowd {
    /// Says `packet` for the user `at`.
    pub(super) fn post(&mut self, at: usize, packet: &[u8]) -> Result<(), BenchError> {
        let polls = self.conns[at].polls.as_ref();
        let outlet = match polls.and_then(|polls| polls.outlet) {
            Some(outlet) => outlet,
            None => self.open_outlet(at)?,
        };
        let conn = &mut self.outlets[outlet];
        if let Some(polls) = &mut conn.polls {
            polls.say(packet);
        }
        self.bring(outlet)
    }

    fn open_outlet(&mut self, at: usize) -> Result<usize, BenchError> {
        let outlet = self.outlets.len();
        let user = self.conns[at].user;
        let mut conn = Conn::dial(self.server, self.source(at), user, Vec::new())?;
        let mut polls = Box::<Polls>::default();
        if let Some(own) = &mut self.conns[at].polls {
            own.outlet = Some(outlet);
            polls.sid.clone_from(&own.sid);
        }
        conn.polls = Some(polls);
        self.register(&conn, Lane::Outlet(outlet))?;
        self.outlets.push(conn);
        Ok(outlet)
    }

    /// Sends what waits to be said, unless something is under way.
    pub(super) fn bring(&mut self, outlet: usize) -> Result<(), BenchError> {
        let host = self.server;
        let conn = &mut self.outlets[outlet];
        if conn.phase == Phase::Dialing {
            return Ok(());
        }
        let Some(polls) = conn.polls.as_mut().filter(|polls| !polls.posting) else {
            return Ok(());
        };
        if polls.outgoing.is_empty() {
            return Ok(());
        }
        polls.posting = true;
        let request = polling::post(host, &polls.sid, &std::mem::take(&mut polls.outgoing));
        conn.send(&request)
    }

    /// Hears on a second connection that its packets have arrived.
    pub(super) fn posted(&mut self, outlet: usize, bytes: &[u8]) -> Result<(), BenchError> {
        let conn = &mut self.outlets[outlet];
        let Some(polls) = &mut conn.polls else {
            return Ok(());
        };
        polls.answers.push(bytes);
        loop {
            match polls.answers.next() {
                Ok(None) => break,
                Ok(Some(Answer { status: 200, .. })) => polls.posting = false,
                Ok(Some(Answer { body, .. })) => return Err(conn.refused(&body)),
                Err(nonsense) => return Err(conn.refused(&nonsense.0)),
            }
        }
        self.bring(outlet)
    }

    /// Takes what has arrived on the connection that polls, and asks for more.
    pub(super) fn polled(&mut self, at: usize, bytes: &[u8]) -> Result<(), BenchError> {
        let Some(mut polls) = self.conns[at].polls.take() else {
            return Ok(());
        };
        polls.answers.push(bytes);
        loop {
            match polls.answers.next() {
                Ok(None) => break,
                Ok(Some(Answer { status: 200, body })) => self.answered(at, &mut polls, &body)?,
                Ok(Some(Answer { body, .. })) => return Err(self.conns[at].refused(&body)),
                Err(nonsense) => return Err(self.conns[at].refused(&nonsense.0)),
            }
        }
        self.conns[at].polls = Some(polls);
        Ok(())
    }

    fn answered(&mut self, at: usize, polls: &mut Polls, body: &[u8]) -> Result<(), BenchError> {
        if !std::mem::take(&mut polls.posting) {
            for packet in polling::packets(body) {
                if let Some(next) = self.heard(at, polls, packet)? {
                    polls.say(&next);
                }
            }
        }
        let request = if polls.outgoing.is_empty() {
            polling::poll(self.server, Some(&polls.sid))
        } else {
            polls.posting = true;
            polling::post(self.server, &polls.sid, &std::mem::take(&mut polls.outgoing))
        };
        self.conns[at].send(&request)
    }

    /// One packet for the user `at`, and what is to be said now.
    fn heard(&mut self, at: usize, polls: &mut Polls, packet: &[u8]) -> Result<Option<Vec<u8>>, BenchError> {
        let (speaks, conn) = (self.protocol, &mut self.conns[at]);
        if conn.phase == Phase::Opening {
            let sid = socketio::sid(packet).ok_or_else(|| conn.refused(packet))?;
            sid.clone_into(&mut polls.sid);
        }
        if conn.phase != Phase::Ready {
            let next = step(speaks, conn, packet)?;
            if conn.phase == Phase::Ready {
                self.greeted(at, Vec::new());
            }
            return Ok(next);
        }
        if packet.starts_with(speaks.refusal_begins()) || packet == socketio::CLOSE {
            return Err(conn.refused(packet));
        }
        if let Some(pong) = speaks.asks_for_pong(packet) {
            return Ok(Some(pong));
        }
        if at == 0
            && let Some(captured) = &mut self.counts.captured
        {
            captured.extend_from_slice(packet);
            captured.push(SEPARATOR);
        }
        self.counts.take(at, conn, packet, || 1);
        Ok(None)
    }
}
