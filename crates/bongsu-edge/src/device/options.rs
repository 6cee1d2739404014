//! What a device's socket is told, and what it says of itself when somebody asks.
//!
//! Invariant: an option that the kernel has not is missing afterwards, and never in the way.

use std::sync::atomic::{AtomicBool, Ordering};

use socket2::SockRef;

use crate::tcp::USER_TIMEOUT;

/// What devices' sockets are told beside the limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Congestion {
    /// As the system has it.
    #[default]
    System,
    /// BBR, which takes a lost packet for a bad radio link and not for a full one.
    Bbr,
}

impl Congestion {
    /// The words of the configuration, in the order of the variants.
    pub const NAMES: [&'static str; 2] = ["system", "bbr"];

    /// The variant of one of [`Self::NAMES`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "system" => Some(Self::System),
            "bbr" => Some(Self::Bbr),
            _ => None,
        }
    }
}

/// What a socket says of itself. `None` where the kernel does not say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Options {
    pub(crate) nodelay: Option<bool>,
    /// Bytes that may wait in the kernel beyond what is on its way.
    pub(crate) notsent_lowat: Option<u32>,
    pub(crate) user_timeout_ms: Option<u64>,
    pub(crate) congestion: Option<String>,
}

/// Sets a socket up for a device: nothing waits for more to be sent, little waits to be sent, and who does not
/// acknowledge for a while is gone.
pub(crate) fn prepare(socket: &SockRef<'_>, unsent_bytes: usize, congestion: Congestion) {
    // Without them the session still works, only less well, and whoever asks is shown what is set.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(u32::try_from(unsent_bytes).unwrap_or(u32::MAX));
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    if congestion == Congestion::Bbr
        && let Err(fault) = socket.set_tcp_congestion(b"bbr")
    {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Ordering::Relaxed) {
            tracing::warn!(%fault, "the kernel does not give devices bbr; they have what the system has");
        }
    }
}

impl Options {
    /// What is set, now.
    pub(crate) fn of(socket: &SockRef<'_>) -> Self {
        let congestion = socket.tcp_congestion().ok().map(|name| {
            // The kernel's name is padded with zeros.
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            String::from_utf8_lossy(&name[..end]).into_owned()
        });
        let timeout = socket.tcp_user_timeout().ok().flatten();
        Self {
            nodelay: socket.tcp_nodelay().ok(),
            notsent_lowat: socket.tcp_notsent_lowat().ok(),
            user_timeout_ms: timeout.and_then(|it| u64::try_from(it.as_millis()).ok()),
            congestion,
        }
    }
}
