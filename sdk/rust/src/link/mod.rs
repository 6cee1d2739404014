//! One link to a gateway: a WebSocket over TCP or TLS.
//!
//! Invariant: a wait for what comes next may be given up at any time; what was read, and what is to be written, is kept.
//! At most one message of ours waits to be written.

mod address;
mod stream;
mod tls;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bongsu_wire::websocket::{
    Closed, Decoder, Heard, MessageLimits, NotUpgraded, Opcode, Role, Upgrade, Violation, client_frame,
    client_key,
};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

pub use address::{Address, NoAddress};
pub use stream::{Stream, dial};
pub use tls::{NoTls, TlsFiles};

const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 1 << 20,
    fragments_max: 1_000,
};
const READ_BYTES: usize = 16 * 1024;

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// The connection could not be made, or broke before it was a WebSocket.
    #[error("no connection")]
    Io(#[from] io::Error),
    /// The gateway said no.
    #[error(transparent)]
    NotUpgraded(#[from] NotUpgraded),
    /// The gateway does not speak the format that was asked for.
    #[error("the gateway does not speak {0} there")]
    NotSpoken(&'static str),
    /// It took too long.
    #[error("the gateway did not answer in time")]
    TooSlow,
}

impl NotOpened {
    /// The HTTP status that the gateway answered with instead.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::NotUpgraded(NotUpgraded::Status(status)) => Some(*status),
            Self::NotUpgraded(_) | Self::Io(_) | Self::NotSpoken(_) | Self::TooSlow => None,
        }
    }
}

/// Why a link gives nothing more.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The gateway does not keep to RFC 6455.
    #[error("the gateway does not keep to RFC 6455")]
    Violation(#[from] Violation),
    /// The gateway ended it without a word.
    #[error("the connection ended")]
    End,
}

/// What comes over a link.
#[derive(Debug)]
pub enum Came {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Bytes(Vec<u8>),
    /// What was said is written: the next may be.
    Written,
    /// The gateway closes, and nothing follows.
    Farewell {
        /// 1005 if it gave none.
        code: u16,
        /// For a device, such as `reconnect=never`.
        reason: String,
    },
}

/// An open link.
pub struct Link {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    decoder: Decoder,
    read: Vec<u8>,
    came: VecDeque<Came>,
    unsent: Vec<u8>,
    unflushed: bool,
    closing: bool,
}

impl Link {
    /// Opens a link that speaks `subprotocol`. The token must not hold a line break.
    ///
    /// # Errors
    ///
    /// Why it could not be; nothing of it is left then.
    pub async fn open(
        address: &Address,
        tls: Option<Arc<ClientConfig>>,
        token: Option<&str>,
        subprotocol: &'static str,
    ) -> Result<Self, NotOpened> {
        let stream = dial(address, tls).await?;
        Self::over(stream, address, token, Some(subprotocol)).await
    }

    /// Opens a link over a stream that leads to the gateway; without a subprotocol none is asked for.
    ///
    /// # Errors
    ///
    /// Why it could not be; nothing of it is left then.
    pub async fn over(
        stream: Box<dyn Stream>,
        address: &Address,
        token: Option<&str>,
        subprotocol: Option<&'static str>,
    ) -> Result<Self, NotOpened> {
        let (reader, writer) = tokio::io::split(stream);
        let mut link = Self {
            reader,
            writer,
            decoder: Decoder::new(Role::Client, false),
            read: vec![0; READ_BYTES],
            came: VecDeque::new(),
            unsent: Vec::new(),
            unflushed: false,
            closing: false,
        };
        link.upgrade(address, token, subprotocol).await?;
        Ok(link)
    }

    /// Whether all that was said is written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.unsent.is_empty() && !self.unflushed
    }

    /// Has a message written while the next thing is waited for.
    pub fn say(&mut self, opcode: Opcode, message: &[u8]) {
        if !self.closing {
            self.frame(opcode, message);
        }
    }

    /// What comes next. Pings and closes are answered; may be given up while it waits.
    ///
    /// # Errors
    ///
    /// The link is of no use any more.
    pub async fn next(&mut self) -> Result<Came, Broken> {
        loop {
            if let Some(came) = self.came.pop_front() {
                return Ok(came);
            }
            if !self.unsent.is_empty() {
                tokio::select! {
                    written = self.writer.write(&self.unsent) => match written? {
                        0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                        written => {
                            self.unsent.drain(..written);
                            self.unflushed = true;
                        }
                    },
                    count = self.reader.read(&mut self.read) => self.hear(count?)?,
                }
            } else if self.unflushed {
                self.writer.flush().await?;
                self.unflushed = false;
                return Ok(Came::Written);
            } else {
                let count = self.reader.read(&mut self.read).await?;
                self.hear(count)?;
            }
        }
    }

    /// Closes as one should: says so. Nobody waits for the answer.
    pub async fn close(mut self) {
        if !self.closing {
            self.closing = true;
            self.frame(Opcode::Close, &1000u16.to_be_bytes());
        }
        // Whoever is gone already needs no farewell.
        let _ = self.writer.write_all(&self.unsent).await;
        let _ = self.writer.shutdown().await;
    }

    async fn upgrade(
        &mut self,
        address: &Address,
        token: Option<&str>,
        subprotocol: Option<&'static str>,
    ) -> Result<(), NotOpened> {
        let key = client_key(chance());
        let authorization = token.map(|token| format!("Bearer {token}"));
        let upgrade = Upgrade {
            host: address.authority(),
            target: address.target(),
            key: &key,
            subprotocols: subprotocol,
            authorization: authorization.as_deref(),
            deflate: false,
        };
        self.writer.write_all(upgrade.request().as_bytes()).await?;
        self.writer.flush().await?;
        let mut answer = Vec::new();
        let upgraded = loop {
            let count = self.reader.read(&mut self.read).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            answer.extend_from_slice(&self.read[..count]);
            if let Some(upgraded) = upgrade.answered(&answer)? {
                break upgraded;
            }
        };
        if let Some(wanted) = subprotocol
            && upgraded.subprotocol.as_deref() != Some(wanted)
        {
            return Err(NotOpened::NotSpoken(wanted));
        }
        let frames = &mut answer[upgraded.bytes..];
        self.decode(frames)
            .map_err(|violation| io::Error::other(violation).into())
    }

    fn hear(&mut self, count: usize) -> Result<(), Broken> {
        if count == 0 {
            return Err(Broken::End);
        }
        let mut read = std::mem::take(&mut self.read);
        let decoded = self.decode(&mut read[..count]);
        self.read = read;
        Ok(decoded?)
    }

    fn decode(&mut self, bytes: &mut [u8]) -> Result<(), Violation> {
        let Self { decoder, came, .. } = self;
        let mut answers = Vec::new();
        decoder.push(bytes, &LIMITS, &mut |heard| match heard {
            Heard::Text(text) => came.push_back(Came::Text(text.to_owned())),
            Heard::Binary(bytes) => came.push_back(Came::Bytes(bytes.to_vec())),
            Heard::Ping(payload) => answers.push((Opcode::Pong, payload.to_vec())),
            Heard::Pong(_) => {}
            Heard::Close(closed) => {
                let (code, reason) = closed.map_or((1005, ""), |Closed { code, reason }| (code, reason));
                let reason = reason.to_owned();
                came.push_back(Came::Farewell { code, reason });
                let echoed = closed.map_or(Vec::new(), |closed| closed.code.to_be_bytes().to_vec());
                answers.push((Opcode::Close, echoed));
            }
        })?;
        for (opcode, payload) in answers {
            // A close of ours was the last frame already.
            if !self.closing {
                self.closing = opcode == Opcode::Close;
                self.frame(opcode, &payload);
            }
        }
        Ok(())
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let [a, b, c, d, ..] = chance();
        self.unsent
            .extend_from_slice(&client_frame(opcode, payload, [a, b, c, d]));
    }
}

/// Bytes that nobody foresees.
///
/// # Panics
///
/// On a machine that has no chance to give: nothing on it can be kept secret.
#[must_use]
pub fn chance() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
