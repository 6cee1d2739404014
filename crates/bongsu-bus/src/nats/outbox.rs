//! What waits for a connection's socket: bytes, ready to be written.
//!
//! Invariant: no more than [`WAITING_MAX`] and one parcel; who would put more waits until the socket has taken some.

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Bytes that may wait.
const WAITING_MAX: usize = 1024 * 1024;

#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    filled: Notify,
    /// There is room again, or nothing waits any more.
    emptied: Notify,
}

#[derive(Default)]
struct Waiting {
    bytes: BytesMut,
    /// Whether the socket has been given bytes that it has not taken yet.
    is_writing: bool,
}

impl Outbox {
    /// Puts something in, once there is room.
    pub(super) async fn put(&self, write: impl FnOnce(&mut BytesMut)) {
        loop {
            let emptied = self.emptied.notified();
            {
                let mut waiting = self.waiting.lock();
                if waiting.bytes.len() < WAITING_MAX {
                    write(&mut waiting.bytes);
                    break;
                }
            }
            emptied.await;
        }
        self.filled.notify_one();
    }

    /// Puts something small in if there is room; else it is dropped.
    pub(super) fn offer(&self, write: impl FnOnce(&mut BytesMut)) {
        let mut waiting = self.waiting.lock();
        if waiting.bytes.len() < WAITING_MAX {
            write(&mut waiting.bytes);
            drop(waiting);
            self.filled.notify_one();
        }
    }

    /// Takes all that waits, to write it; waits until there is something.
    pub(super) async fn take(&self, into: &mut BytesMut) {
        loop {
            let filled = self.filled.notified();
            {
                let mut waiting = self.waiting.lock();
                // What was taken before has been written.
                waiting.is_writing = !waiting.bytes.is_empty();
                if waiting.is_writing {
                    std::mem::swap(&mut waiting.bytes, into);
                }
            }
            self.emptied.notify_waiters();
            if !into.is_empty() {
                return;
            }
            filled.await;
        }
    }

    /// Waits until nothing waits and all is written.
    pub(super) async fn is_written(&self) {
        loop {
            let emptied = self.emptied.notified();
            {
                let waiting = self.waiting.lock();
                if waiting.bytes.is_empty() && !waiting.is_writing {
                    return;
                }
            }
            emptied.await;
        }
    }

    /// Forgets what waits: the connection is gone.
    pub(super) fn clear(&self) {
        *self.waiting.lock() = Waiting::default();
        self.emptied.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn fill(bytes: &mut BytesMut) {
        bytes.resize(bytes.len() + WAITING_MAX, b'x');
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_for_the_socket() {
        let outbox = Arc::new(Outbox::default());
        outbox.put(fill).await;
        outbox.offer(|bytes| bytes.extend_from_slice(b"dropped"));
        let short = Duration::from_secs(1);
        let put = outbox.put(|bytes| bytes.extend_from_slice(b"later"));
        let mut put = std::pin::pin!(put);
        assert!(timeout(short, &mut put).await.is_err(), "there is no room");
        assert!(timeout(short, outbox.is_written()).await.is_err(), "it waits");
        let mut taken = BytesMut::new();
        outbox.take(&mut taken).await;
        assert_eq!(taken.len(), WAITING_MAX);
        timeout(short, put).await.expect("there is room");
        taken.clear();
        outbox.take(&mut taken).await;
        assert_eq!(&taken[..], b"later");
        assert!(
            timeout(short, outbox.is_written()).await.is_err(),
            "it is not known that it is written"
        );
        taken.clear();
        assert!(
            timeout(short, outbox.take(&mut taken)).await.is_err(),
            "there is nothing"
        );
        timeout(short, outbox.is_written()).await.expect("all is written");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_connection_that_is_gone_is_forgotten() {
        let outbox = Outbox::default();
        outbox.put(fill).await;
        outbox.clear();
        outbox.is_written().await;
        outbox.put(|bytes| bytes.extend_from_slice(b"new")).await;
        let mut taken = BytesMut::new();
        outbox.take(&mut taken).await;
        assert_eq!(&taken[..], b"new");
    }
}
