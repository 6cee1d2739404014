//! One device on a WebSocket: what it sends is read and carried out, and what waits for it is written, side by side.
//!
//! Invariants: at most one frame stands between the session and the kernel, and it was taken when the socket had room for
//! it; a frame that is begun is finished before another is. A connection that idles owns no buffer.

use std::future::poll_fn;
use std::sync::Arc;

use bongsu_model::device::{FromDevice, ToDevice};
use bongsu_model::refusal::CloseCause;
use bongsu_model::{Fatal, Refusal};
use bongsu_node::devices::Ticket;
use bongsu_node::{Line as _, Wrote};
use bongsu_wire::close::closing_frame;
use bongsu_wire::device::{self, Format};
use bongsu_wire::websocket::{self, Decoder, Heard, MessageLimits, Opcode, Role};
use bytes::Bytes;

use super::ear::Ear;
use super::live::{Live, Next};
use crate::codec;
use crate::conn::with_read_buffer;
use crate::meters::Meters;
use crate::socket::Socket;

/// What one read takes at most: what a device says in a burst, and no more than is carried out in a moment.
const READ_BYTES: usize = 16 * 1024;

/// A device on a WebSocket.
pub(super) struct Conn {
    live: Arc<Live>,
    socket: Arc<Socket>,
    meters: Arc<Meters>,
    format: Format,
    decoder: Decoder,
    ear: Ear,
}

/// Writes what waits for one device.
struct Writer<'a> {
    live: &'a Live,
    socket: &'a Socket,
    meters: &'a Meters,
    format: Format,
    node: &'a bongsu_node::Node,
}

/// What a read brought.
struct Read {
    pieces: Vec<Piece>,
    fatal: Option<Fatal>,
}

/// Something complete that was read.
enum Piece {
    Said(FromDevice),
    Wrong(Refusal),
    Ping(Bytes),
    Farewell(Bytes),
}

/// The line is broken, or what was to be written must not be any more.
struct Broken;

impl Conn {
    pub(super) fn new(
        live: Arc<Live>,
        socket: Arc<Socket>,
        meters: Arc<Meters>,
        format: Format,
        ear: Ear,
    ) -> Self {
        Self {
            live,
            socket,
            meters,
            format,
            decoder: Decoder::new(Role::Server, false),
            ear,
        }
    }

    /// Takes what was read behind the handshake.
    pub(super) async fn begin(&mut self, mut read: Vec<u8>) {
        if let Some(read) = self.take_in(&mut read) {
            self.carry_out(read).await;
        }
    }

    /// Serves the connection until it is gone.
    pub(super) async fn run(&mut self) {
        let (live, socket, meters) = (
            Arc::clone(&self.live),
            Arc::clone(&self.socket),
            Arc::clone(&self.meters),
        );
        let node = Arc::clone(self.ear.node());
        let writer = Writer {
            live: &live,
            socket: &socket,
            meters: &meters,
            format: self.format,
            node: &node,
        };
        {
            let mut reading = std::pin::pin!(self.reads());
            tokio::select! {
                biased;
                () = reading.as_mut() => {}
                // What is being carried out is carried out to its end; then the reader finds that the line is closed.
                () = writer.run() => reading.await,
            }
        }
        if let Some(session) = live.session() {
            Box::pin(session.gone()).await;
        }
    }

    async fn reads(&mut self) {
        loop {
            let readable = poll_fn(|context| self.socket.poll_readable(context));
            if readable.await.is_err() {
                return;
            }
            match self.read() {
                Err(()) => return,
                Ok(None) => {}
                // Boxed, so that an idle connection does not keep room for what a frame needs.
                Ok(Some(read)) => Box::pin(self.carry_out(read)).await,
            }
        }
    }

    /// Reads what is there; `None` if that completed nothing, `Err` if the connection is gone.
    fn read(&mut self) -> Result<Option<Read>, ()> {
        with_read_buffer(|buffer| {
            let Some(count) = self.socket.read(&mut buffer[..READ_BYTES])? else {
                return Ok(None);
            };
            Ok(self.take_in(&mut buffer[..count]))
        })
    }

    /// Decodes what was read; `None` if that completed nothing. What comes after this side has closed is dropped.
    fn take_in(&mut self, bytes: &mut [u8]) -> Option<Read> {
        self.meters.bytes_read.inc_by(bytes.len() as u64);
        if self.live.closing().is_some() {
            return None;
        }
        let node = Arc::clone(self.ear.node());
        let limits = &node.ports.limits;
        let of_messages = MessageLimits {
            message_bytes_max: limits.frame_bytes_max,
            fragments_max: limits.websocket_fragments_max,
        };
        let (mut pieces, mut fatal) = (Vec::new(), None);
        let format = self.format;
        let pushed = self.decoder.push(bytes, &of_messages, &mut |heard| {
            if fatal.is_some() {
                return;
            }
            let said = match heard {
                Heard::Text(text) => format.text(text, limits),
                Heard::Binary(bytes) => format.binary(bytes, limits),
                Heard::Ping(payload) => {
                    pieces.push(Piece::Ping(websocket::frame(Opcode::Pong, payload)));
                    return;
                }
                // Whatever is heard shows that somebody is there.
                Heard::Pong(_) => return,
                Heard::Close(closed) => {
                    pieces.push(Piece::Farewell(match closed {
                        Some(closed) => websocket::close_frame(closed.code, ""),
                        None => websocket::frame(Opcode::Close, &[]),
                    }));
                    return;
                }
            };
            match said {
                Ok(device::Heard::Said(said)) => pieces.push(Piece::Said(said)),
                Ok(device::Heard::Refused(refusal)) => pieces.push(Piece::Wrong(refusal)),
                Err(broken) => fatal = Some(broken),
            }
        });
        let fatal = fatal.or_else(|| {
            pushed
                .err()
                .map(|violation| codec::fatal(violation, &of_messages))
        });
        self.live.heard(node.now(), self.decoder.in_frame());
        (!pieces.is_empty() || fatal.is_some()).then_some(Read { pieces, fatal })
    }

    async fn carry_out(&mut self, read: Read) {
        self.live.busy();
        for piece in read.pieces {
            match piece {
                Piece::Said(said) => self.ear.hear(said).await,
                Piece::Wrong(refusal) => self.ear.wrong(refusal).await,
                Piece::Ping(pong) => self.live.pong(pong),
                Piece::Farewell(farewell) => self.live.farewell(farewell),
            }
            if self.live.closing().is_some() {
                break;
            }
        }
        if let Some(fatal) = read.fatal {
            self.meters.malformed.inc();
            self.ear.broken(fatal);
        }
        self.live.reads_on(self.ear.node().now());
    }
}

impl Writer<'_> {
    /// Writes until there is nothing more to be said, and then says so; a line that is broken is cut.
    async fn run(&self) {
        if self.write_all().await.is_err() {
            self.socket.abort();
            return;
        }
        match self.live.parting().map(|it| it.cause) {
            // Whoever was silent for so long is not waited for.
            Some(CloseCause::Idle | CloseCause::Slow) => self.socket.abort(),
            Some(_) | None => self.socket.finish(),
        }
    }

    async fn write_all(&self) -> Result<(), Broken> {
        loop {
            self.live.wakes().await;
            loop {
                // Only what the kernel takes at once is taken out: what waits for room gets older where it can be
                // looked at again.
                self.room().await;
                match self.live.next() {
                    Next::Nothing => break,
                    Next::End => return Ok(()),
                    Next::Raw(bytes) => self.write(&bytes, None).await?,
                    Next::Say(said, ticket) => self.say(&said, ticket).await?,
                }
            }
        }
    }

    async fn say(&self, said: &ToDevice, ticket: Option<Ticket>) -> Result<(), Broken> {
        let bytes = self.frames(said);
        self.write(&bytes, Some(said)).await?;
        self.live.counts_said();
        if let (Some(session), Some(ticket)) = (self.live.session(), ticket) {
            session.wrote(ticket);
        }
        Ok(())
    }

    fn frames(&self, said: &ToDevice) -> Bytes {
        let epoch = self.live.epoch();
        if let (ToDevice::Closing(closing), Some(code)) = (said, self.live.close_code()) {
            let last = match self.format {
                Format::Json => device::json::frame(said, epoch, self.live.locale),
                Format::Proto => device::proto::frame(said, epoch, self.live.locale),
            };
            return [last, closing_frame(code, closing.reconnect)].concat().into();
        }
        self.format.frames(said, epoch, self.live.locale)
    }

    /// Completes when the kernel takes bytes, or the line is broken.
    async fn room(&self) {
        if self.socket.takes_bytes().is_err() {
            self.live.stuck(self.node.now());
            self.socket.writable().await;
            self.live.moves();
        }
    }

    /// Writes a frame to its end.
    async fn write(&self, bytes: &Bytes, said: Option<&ToDevice>) -> Result<(), Broken> {
        let mut written = 0;
        while written < bytes.len() {
            match self.socket.try_write(&bytes[written..]) {
                Wrote::Gone => return Err(Broken),
                Wrote::Bytes(count) => {
                    written += count;
                    self.live.moves();
                    self.meters.bytes_written.inc_by(count as u64);
                }
                Wrote::Full => {
                    self.live.stuck(self.node.now());
                    self.socket.writable().await;
                    if written == 0 && self.is_late(said) {
                        return Err(Broken);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a command has met its deadline after it was taken and before any of it was written, by a kernel that had
    /// promised room. It must not be sent; without a session it is nobody's any more.
    fn is_late(&self, said: Option<&ToDevice>) -> bool {
        match said {
            Some(ToDevice::Command(frame)) => frame.command.deadline <= self.node.now(),
            Some(
                ToDevice::Welcome(_)
                | ToDevice::Delta { .. }
                | ToDevice::Heartbeat { .. }
                | ToDevice::AuthUpdated { .. }
                | ToDevice::TokenExpiring { .. }
                | ToDevice::Refused(_)
                | ToDevice::Closing(_),
            )
            | None => false,
        }
    }
}
