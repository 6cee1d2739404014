//! The change from polling to a WebSocket: the client probes it, polls no more, and says that it has changed.
//!
//! Invariants: one WebSocket at a time may carry a session; until the client has changed the session is polled for, and
//! it is again if the WebSocket does not make it. What was read behind the change is heard after all that was posted.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bongsu_model::{Fatal, Incoming};
use bongsu_node::{Line as _, Wrote};
use bongsu_wire::socketio::engine::{self, Version};
use bongsu_wire::websocket::{self, Decoder, Opcode, Role};
use bytes::Bytes;

use super::codec::{self, EngineCodec};
use super::service::Engine;
use super::session::Session;
use super::sessions::Sid;
use crate::conn::Conn;
use crate::meters::Transport;
use crate::pulse::{Heartbeat, Pulse};
use crate::socket::Socket;
use crate::tcp::{self, Watched};
use crate::tls::Stream;
use crate::websocket::Peer;

/// What one read takes: what comes before the change is a few bytes.
const READ_BYTES: usize = 1_024;
/// What a client asks on a WebSocket that is to carry its session.
const PROBE: &str = "probe";

/// A session's WebSocket from its handshake on. Gives the session back to its polls when dropped.
pub(super) struct Claim(Arc<Session>);

impl Claim {
    /// Claims a session; `None` if another WebSocket has.
    pub(super) fn of(session: &Arc<Session>) -> Option<Self> {
        let taken = session.claimed.swap(true, Ordering::AcqRel);
        (!taken).then(|| Self(Arc::clone(session)))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.line.goes_on_polling();
        self.0.claimed.store(false, Ordering::Release);
    }
}

/// A WebSocket on which nobody has changed yet.
struct Probe {
    socket: Socket,
    decoder: Decoder,
    version: Version,
    probed: bool,
    changed: bool,
    /// What came behind the change, and what made no sense after it.
    behind: Vec<Behind>,
    broken: Option<Fatal>,
}

/// A message that came behind the change.
enum Behind {
    Text(String),
    Binary(Vec<u8>),
    Echo(Bytes),
    Goodbye(Bytes),
}

/// The WebSocket will not carry the session.
struct Lost;

/// Serves a WebSocket until it carries its session or is lost.
pub(super) async fn serve(
    engine: Arc<Engine>,
    sid: Sid,
    claim: Claim,
    stream: Stream,
    mut read: Vec<u8>,
    peer: Peer,
) {
    let session = Arc::clone(&claim.0);
    let ports = &engine.websockets.node.ports;
    tcp::ready(stream.tcp());
    let pulse = Pulse::new(Heartbeat::Theirs, peer.address, ports.clock.now(), &ports.limits);
    let mut probe = Probe {
        socket: Socket::new(stream, pulse),
        decoder: Decoder::new(Role::Server, false),
        version: session.version,
        probed: false,
        changed: false,
        behind: Vec::new(),
        broken: None,
    };
    let mut probed = probe.hear(&engine, &session, &mut read);
    if probed.is_ok() && !probe.changed {
        probed = probe.wait(&engine, &session).await;
    }
    if probed.is_err() {
        let _ = probe.socket.try_write(&codec::goodbye());
        probe.socket.finish();
        return;
    }
    change(engine, sid, &session, probe, peer).await;
}

impl Probe {
    /// Waits for the change.
    async fn wait(&mut self, engine: &Engine, session: &Session) -> Result<(), Lost> {
        let ports = &engine.websockets.node.ports;
        let began = ports.clock.now();
        let most = ports.limits.engine_upgrade_ms;
        let mut looks = tokio::time::interval(Duration::from_millis((most / 4).clamp(20, 500)));
        let mut buffer = vec![0; READ_BYTES];
        while !self.changed {
            tokio::select! {
                readable = poll_fn(|context| self.socket.poll_readable(context)) => {
                    readable.map_err(|()| Lost)?;
                    if let Some(count) = self.socket.read(&mut buffer).map_err(|()| Lost)? {
                        self.hear(engine, session, &mut buffer[..count])?;
                    }
                }
                _ = looks.tick() => {
                    if ports.clock.now().ms_since(began) >= most || session.line.is_over() {
                        return Err(Lost);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what was read.
    fn hear(&mut self, engine: &Engine, session: &Session, bytes: &mut [u8]) -> Result<(), Lost> {
        engine.websockets.meters.bytes_read.inc_by(bytes.len() as u64);
        let limits = codec::message_limits(&engine.websockets.node.ports.limits);
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(Role::Server, false));
        let mut lost = Ok(());
        let pushed = decoder.push(bytes, &limits, &mut |heard| {
            if lost.is_ok() {
                lost = self.step(session, heard);
            }
        });
        self.decoder = decoder;
        lost?;
        match pushed {
            Ok(()) => Ok(()),
            Err(violation) if self.changed => {
                self.broken = Some(crate::codec::fatal(violation, &limits));
                Ok(())
            }
            Err(_) => Err(Lost),
        }
    }

    fn step(&mut self, session: &Session, heard: websocket::Heard<'_>) -> Result<(), Lost> {
        if self.changed {
            self.behind.push(match heard {
                websocket::Heard::Text(text) => Behind::Text(text.into()),
                websocket::Heard::Binary(bytes) => Behind::Binary(bytes.into()),
                websocket::Heard::Ping(payload) => Behind::Echo(websocket::frame(Opcode::Pong, payload)),
                websocket::Heard::Pong(_) => return Ok(()),
                websocket::Heard::Close(closed) => Behind::Goodbye(codec::closing(closed)),
            });
            return Ok(());
        }
        match heard {
            websocket::Heard::Text(text) => match engine::text(self.version, text) {
                Ok(engine::Heard::Ping(PROBE)) if session.line.probed() => {
                    self.probed = true;
                    self.say(&engine::pong(PROBE))
                }
                Ok(engine::Heard::Upgrade) if self.probed => {
                    self.changed = true;
                    Ok(())
                }
                Ok(_) | Err(_) => Err(Lost),
            },
            websocket::Heard::Ping(payload) => self.say(&websocket::frame(Opcode::Pong, payload)),
            websocket::Heard::Pong(_) => Ok(()),
            websocket::Heard::Binary(_) | websocket::Heard::Close(_) => Err(Lost),
        }
    }

    /// Past the mailbox, which waits. So few bytes always fit into a socket that is read.
    fn say(&self, frame: &Bytes) -> Result<(), Lost> {
        match self.socket.try_write(frame) {
            Wrote::Bytes(written) if written == frame.len() => Ok(()),
            Wrote::Bytes(_) | Wrote::Full | Wrote::Gone => Err(Lost),
        }
    }
}

/// Has the WebSocket carry the session.
async fn change(engine: Arc<Engine>, sid: Sid, session: &Arc<Session>, probe: Probe, peer: Peer) {
    let Probe {
        socket,
        decoder,
        behind,
        broken,
        ..
    } = probe;
    let socket = Arc::new(socket.with(session.pulse.goes_on()));
    // From here on what waits leaves on the socket; so a body that is being carried out, and waits for room, ends.
    if !session.line.changes_to(&socket) {
        let _ = socket.try_write(&codec::goodbye());
        socket.finish();
        return;
    }
    engine.sessions.remove(sid);
    let Some(mut carried) = session.carried.lock().await.take() else {
        socket.abort();
        return;
    };
    let watched = Watched {
        lives: Arc::<Socket>::clone(&socket),
        mailbox: Arc::clone(&session.mailbox),
        transport: Some(Transport::WebSocket),
    };
    carried.watch.follows(watched, peer.permit);
    let (incoming, fatal) = carried.decode(|carried, rules, out| {
        let ear = &mut carried.ear;
        for one in behind {
            let packet = match &one {
                Behind::Text(text) => engine::text(ear.version, text),
                Behind::Binary(bytes) => engine::binary(ear.version, bytes),
                Behind::Echo(pong) => {
                    out.push(Incoming::Echo(pong.clone()));
                    continue;
                }
                Behind::Goodbye(last) => {
                    out.push(Incoming::Goodbye(last.clone()));
                    break;
                }
            };
            let heard = packet.map_err(|violation| codec::fatal(violation, rules.limits))?;
            ear.hear(heard, &codec::goodbye(), rules, out)?;
            if matches!(out.last(), Some(Incoming::Goodbye(_))) {
                break;
            }
        }
        Ok::<(), Fatal>(())
    });
    let codec = EngineCodec::behind(decoder, carried.ear);
    let mut conn = Conn::carried_on(carried.meters, codec, socket, carried.conversation);
    let watch = carried.watch;
    conn.hears(incoming, fatal.or(broken)).await;
    tokio::spawn(async move {
        conn.run().await;
        drop(watch);
    });
}
