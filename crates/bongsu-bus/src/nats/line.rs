//! A connection that is there whenever a server is: made again for ever, written to and read from.
//!
//! Invariant: a server that says nothing for [`SILENT_MAX`] questions is gone, and whoever listens is told of each
//! connection's begin and end, in turns.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::dial::{Dialled, Dialler};
use super::outbox::Outbox;
use super::protocol::{self, Message, Said, ServerSelf};
use crate::backplane::again;

/// How often a server is asked whether it is there.
const PING: Duration = Duration::from_secs(1);
/// Questions in a row that may go without a word from it.
const SILENT_MAX: u32 = 3;
/// What is read at once, at least.
const READ: usize = 16 * 1024;

/// Who is told what becomes of a connection. Nothing here may wait.
pub(super) trait Listener: Send + Sync + 'static {
    /// A connection has begun; nothing was said on it yet but what is put into the outbox now.
    fn begins(&self, server: &ServerSelf, outbox: &Outbox);

    /// Something came for a subscription.
    fn hears(&self, message: Message, outbox: &Outbox);

    /// The server has said something of itself.
    fn learns(&self, server: &ServerSelf);

    /// The connection has ended.
    fn ends(&self);

    /// Something is wrong with it, or with what it was told.
    fn complains(&self, why: &dyn std::fmt::Display);
}

/// Keeps a connection, from one that has begun; returns never.
pub(super) async fn keep(
    mut dialled: Dialled,
    dialler: Dialler,
    outbox: Arc<Outbox>,
    listener: Arc<dyn Listener>,
    seed: u64,
) {
    let mut turn = 0;
    loop {
        let why = serve(dialled, &outbox, &*listener).await;
        listener.ends();
        listener.complains(&why);
        let mut attempts = 0;
        dialled = loop {
            attempts += 1;
            sleep(again(attempts, seed)).await;
            turn += 1;
            match dialler.dial(turn).await {
                Ok(dialled) => break dialled,
                Err(why) => listener.complains(&why),
            }
        };
        outbox.clear();
        listener.begins(&dialled.server, &outbox);
    }
}

/// Reads and writes until the connection ends; why it did.
async fn serve(dialled: Dialled, outbox: &Outbox, listener: &dyn Listener) -> io::Error {
    let Dialled { socket, read, .. } = dialled;
    let (reader, writer) = tokio::io::split(socket);
    let heard = AtomicBool::new(true);
    tokio::select! {
        ended = hear(reader, read, outbox, listener, &heard) => ended,
        ended = say(writer, outbox) => ended,
        ended = ask(outbox, &heard) => ended,
    }
}

async fn hear(
    mut reader: impl AsyncRead + Unpin,
    mut read: BytesMut,
    outbox: &Outbox,
    listener: &dyn Listener,
    heard: &AtomicBool,
) -> io::Error {
    loop {
        loop {
            match protocol::read(&mut read) {
                Ok(None) => break,
                Ok(Some(Said::Message(message))) => listener.hears(message, outbox),
                Ok(Some(Said::Ping)) => outbox.offer(|bytes| protocol::line(bytes, format_args!("PONG"))),
                Ok(Some(Said::Itself(server))) => listener.learns(&server),
                Ok(Some(Said::Error(why))) => listener.complains(&why),
                Ok(Some(Said::Pong | Said::Fine)) => {}
                Err(why) => return io::Error::new(io::ErrorKind::InvalidData, why),
            }
        }
        read.reserve(READ);
        match reader.read_buf(&mut read).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => heard.store(true, Ordering::Relaxed),
            Err(why) => return why,
        }
    }
}

async fn say(mut writer: impl AsyncWrite + Unpin, outbox: &Outbox) -> io::Error {
    let mut bytes = BytesMut::new();
    loop {
        outbox.take(&mut bytes).await;
        if let Err(why) = writer.write_all(&bytes).await {
            return why;
        }
        if let Err(why) = writer.flush().await {
            return why;
        }
        bytes.clear();
    }
}

/// Asks whether the server is there, until it is not.
async fn ask(outbox: &Outbox, heard: &AtomicBool) -> io::Error {
    let mut ticks = interval(PING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    loop {
        ticks.tick().await;
        silent = if heard.swap(false, Ordering::Relaxed) {
            0
        } else {
            silent + 1
        };
        if silent >= SILENT_MAX {
            return io::ErrorKind::TimedOut.into();
        }
        outbox.offer(|bytes| protocol::line(bytes, format_args!("PING")));
    }
}
