//! What the kernel knows of a connection's way: asked for over netlink (`sock_diag`), since reading it off the socket
//! itself would take unsafe code.
//!
//! Invariant: nothing waits, and an answer that is not understood is none.

use std::net::{IpAddr, SocketAddr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink};
use socket2::SockRef;

/// How a connection's way is, by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Way {
    /// How long a byte and its acknowledgement take, smoothed, in microseconds.
    pub(crate) rtt_us: u32,
    /// How much that varies, in microseconds.
    pub(crate) rtt_varies_us: u32,
    /// Segments that are on their way and not acknowledged.
    pub(crate) unacked: u32,
    /// Segments that were sent again since the connection began.
    pub(crate) retransmitted: u32,
    /// Bytes that wait to be sent.
    pub(crate) unsent_bytes: u32,
    /// Bytes that wait to be sent or to be acknowledged.
    pub(crate) queued_bytes: u32,
}

const HEADER_BYTES: usize = 16;
const QUESTION_BYTES: usize = HEADER_BYTES + 56;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST: u16 = 1;
const TCP: u8 = 6;
const ABOUT_TCP: u16 = 2;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// What is said of a socket before its attributes, and where in it the queued bytes stand.
const SOCKET_BYTES: usize = 72;
const WRITE_QUEUE_AT: usize = 60;

impl Way {
    /// Asks for one connection; `None` where the kernel does not say.
    pub(crate) fn of(socket: &SockRef<'_>) -> Option<Self> {
        let local = socket.local_addr().ok()?.as_socket()?;
        let peer = socket.peer_addr().ok()?.as_socket()?;
        let asked = rustix::net::socket(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            Some(netlink::SOCK_DIAG),
        )
        .ok()?;
        rustix::net::send(&asked, &question(local, peer), SendFlags::DONTWAIT).ok()?;
        let mut answer = [0; 1_024];
        let (bytes, _) = rustix::net::recv(&asked, &mut answer[..], RecvFlags::DONTWAIT).ok()?;
        read(answer.get(..bytes)?)
    }
}

fn question(local: SocketAddr, peer: SocketAddr) -> [u8; QUESTION_BYTES] {
    let mut it = [0; QUESTION_BYTES];
    it[0..4].copy_from_slice(&(QUESTION_BYTES as u32).to_ne_bytes());
    it[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    it[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    it[16] = if local.is_ipv4() { IPV4 } else { IPV6 };
    it[17] = TCP;
    it[18] = 1 << (ABOUT_TCP - 1);
    // In whatever state it is.
    it[20..24].fill(0xff);
    it[24..26].copy_from_slice(&local.port().to_be_bytes());
    it[26..28].copy_from_slice(&peer.port().to_be_bytes());
    address(&mut it[28..44], local.ip());
    address(&mut it[44..60], peer.ip());
    // Whichever has these addresses now.
    it[64..72].fill(0xff);
    it
}

fn address(to: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => to[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => to.copy_from_slice(&address.octets()),
    }
}

fn read(answer: &[u8]) -> Option<Way> {
    let kind = answer.get(4..6)?.try_into().ok().map(u16::from_ne_bytes)?;
    if kind != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let socket = answer.get(HEADER_BYTES..)?;
    let queued_bytes = u32_at(socket, WRITE_QUEUE_AT)?;
    let mut rest = socket.get(SOCKET_BYTES..)?;
    loop {
        let length = usize::from(rest.get(..2)?.try_into().ok().map(u16::from_ne_bytes)?);
        let kind = rest.get(2..4)?.try_into().ok().map(u16::from_ne_bytes)?;
        if kind == ABOUT_TCP {
            let figures = rest.get(4..length)?;
            return Some(Way {
                rtt_us: u32_at(figures, 68)?,
                rtt_varies_us: u32_at(figures, 72)?,
                unacked: u32_at(figures, 24)?,
                retransmitted: u32_at(figures, 100)?,
                unsent_bytes: u32_at(figures, 144)?,
                queued_bytes,
            });
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn what_nobody_reads_is_seen_to_wait() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address).await else {
                continue;
            };
            let address = listener.local_addr().unwrap();
            let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
            let (mut ours, _theirs) = (ours.unwrap(), theirs.unwrap());
            let Some(before) = Way::of(&SockRef::from(&ours)) else {
                // A kernel without sock_diag says nothing, and nothing is shown.
                continue;
            };
            assert_eq!((before.unsent_bytes, before.queued_bytes), (0, 0));
            let mut written = 0;
            while let Ok(bytes) = ours.try_write(&[7; 64 * 1024]) {
                written += bytes;
            }
            let after = Way::of(&SockRef::from(&ours)).unwrap();
            assert!(
                after.unsent_bytes > 0 && after.queued_bytes as usize <= written,
                "{after:?}"
            );
            assert!(after.rtt_us > 0, "{after:?}");
            let _ = ours.shutdown().await;
        }
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        let mut whole = vec![0; HEADER_BYTES + SOCKET_BYTES + 4 + 148];
        whole[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        let info = HEADER_BYTES + SOCKET_BYTES;
        whole[info..info + 2].copy_from_slice(&152_u16.to_ne_bytes());
        whole[info + 2..info + 4].copy_from_slice(&ABOUT_TCP.to_ne_bytes());
        assert!(read(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        // An attribute of no length is no way to go round for ever.
        whole[info..info + 4].fill(0);
        assert_eq!(read(&whole), None);
    }
}
