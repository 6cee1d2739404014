//! A connection of the action protocol: lines out, lines in.
//!
//! Invariant: a line that arrives in parts is kept over a wait that is given up.

use std::time::Duration;

use anyhow::{Context, bail};
use bongsu_edge::action_client::Heard;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Longest line taken from a server.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// A server that is there accepts sooner.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A connection to a server's TCP listener.
pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    line: Vec<u8>,
}

/// What a server said.
pub(crate) struct Said {
    pub(crate) action: String,
    pub(crate) seq_id: String,
    pub(crate) data: Value,
    /// The line as it came.
    pub(crate) text: String,
}

impl Stream {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens there.
    pub(crate) async fn connect(address: &str) -> anyhow::Result<Self> {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address));
        let stream = connecting.await.context("no answer")??;
        stream.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::new(stream),
            line: Vec::new(),
        })
    }

    pub(crate) async fn send(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(line).await
    }

    /// The next line; `None` when the server has closed. May be given up while it waits.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Said>> {
        let left = LINE_BYTES_MAX.saturating_sub(self.line.len() as u64);
        let mut bounded = (&mut self.reader).take(left);
        bounded.read_until(b'\n', &mut self.line).await?;
        if self.line.last() != Some(&b'\n') {
            if self.line.len() as u64 >= LINE_BYTES_MAX {
                bail!("the server sent a line of more than {LINE_BYTES_MAX} bytes");
            }
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let heard = Heard::parse(&line).context("what answers there does not speak the action protocol")?;
        Ok(Some(Said {
            action: heard.action.to_string(),
            seq_id: heard.seq_id.as_deref().unwrap_or_default().to_owned(),
            data: heard.object()?,
            text: String::from_utf8_lossy(&line).trim_end().to_owned(),
        }))
    }
}
