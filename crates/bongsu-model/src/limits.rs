//! Every limit of the product, with its default and its reason. All are settings (`[limits]` in the configuration).
//!
//! Invariant: the relations between defaults are asserted at compile time, at the end of the file.

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr;)*) => {
        /// The limits in force.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Limits {
            /// The limits of a server that was told nothing.
            pub const DEFAULT: Self = Self { $($name: $default,)* };

            /// Every setting's name and its value, in the order of this file.
            #[must_use]
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name as u64),)*]
            }

            /// Sets a limit by its name; false if there is none of that name or the value does not fit.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => match <$type>::try_from(value) {
                        Ok(value) => { self.$name = value; true }
                        Err(_) => false,
                    },)*
                    _ => false,
                }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self::DEFAULT
            }
        }
    };
}

limits! {
    /// From accept to a successful sign-in.
    sign_in_ms: u64 = 10_000;
    /// From the first byte of a frame to its last; cuts off one byte at a time.
    frame_ms: u64 = 10_000;
    /// Nothing heard for this long closes the connection.
    idle_ms: u64 = 90_000;
    /// How often clients are told to ping: three fit into the idle time.
    ping_interval_ms: u64 = 30_000;
    /// One inbound frame.
    frame_bytes_max: usize = 64 * 1024;
    /// Nesting of inbound JSON.
    json_depth_max: usize = 32;
    /// Inbound `data` after decompression.
    decompressed_bytes_max: usize = 1024 * 1024;
    /// Outbound `data` over this is compressed for clients that accept it.
    compress_over_bytes: usize = 1024;
    /// A message's text, after normalisation.
    content_bytes_max: usize = 4096;
    /// A message's `metadata` object.
    metadata_bytes_max: usize = 4096;
    /// An SDP or a candidate.
    signal_bytes_max: usize = 64 * 1024;
    /// A client's own reference to a request.
    reference_bytes_max: usize = 128;
    /// An access token.
    token_bytes_max: usize = 16 * 1024;
    /// A nickname, a room's name for people, a call's name.
    name_bytes_max: usize = 255;
    /// Requests in one batch.
    batch_max: usize = 100;
    /// Rooms named in one resume.
    resume_rooms_max: usize = 1_000;
    /// Messages in one page of history, and the default.
    history_page_max: u32 = 200;
    /// Members of a room that was made without a number of its own.
    room_members_max: u32 = 1_000;
    /// The most that a room's own number may be.
    room_members_ceiling: u32 = 100_000;
    /// Rooms one user may be a member of.
    rooms_per_user_max: usize = 1_000;
    /// Online members listed in the answer to a join.
    online_listed_max: usize = 1_000;
    /// Users one user may block.
    blocks_per_user_max: usize = 10_000;
    /// Participants of a call, at most.
    call_participants_max: u32 = 50;
    /// Calls alive in one room.
    calls_per_room_max: usize = 16;
    /// A participant whose connection dropped keeps its place for this long.
    call_grace_ms: u64 = 15_000;
    /// A user whose last session ended is announced as offline after this long.
    presence_grace_ms: u64 = 5_000;
    /// What may wait for one session in the message and ephemeral lanes together.
    mailbox_bytes_max: usize = 1024 * 1024;
    /// What may wait for one session in the control lane, apart from the rest.
    mailbox_control_bytes_max: usize = 64 * 1024;
    /// Ephemeral events that may wait for one session.
    mailbox_ephemeral_max: usize = 1_024;
    /// A full mailbox that makes no progress for this long closes its session.
    slow_ms: u64 = 10_000;
    /// Messages a user may post in a second, over all its sessions …
    posts_per_s: u32 = 20;
    /// … and at once.
    posts_burst: u32 = 40;
    /// Posts of the same content by one user in a window; 0 for no limit, 64 at most …
    flood_repeats_max: u32 = 10;
    /// … of this length.
    flood_window_ms: u64 = 10_000;
    /// Signalling a user may relay in a second.
    signals_per_s: u32 = 100;
    /// Signalling at once.
    signals_burst: u32 = 200;
    /// Joins of a user in a second.
    joins_per_s: u32 = 10;
    /// Joins at once.
    joins_burst: u32 = 40;
    /// Other requests of a session in a second.
    requests_per_s: u32 = 200;
    /// Other requests at once.
    requests_burst: u32 = 400;
    /// Connections of this node, on all listeners.
    connections_max: usize = 100_000;
    /// Connections of one address.
    connections_per_address_max: usize = 256;
    /// Sessions of one user.
    sessions_per_user_max: usize = 64;
    /// An HTTP request's body.
    http_body_bytes_max: usize = 1024 * 1024;
    /// An HTTP request's headers.
    http_header_bytes_max: usize = 16 * 1024;
    /// From accept to the end of the headers.
    http_header_ms: u64 = 10_000;
    /// How far a token's times may be off.
    token_leeway_s: u64 = 30;
    /// A session is warned this long before its token ends.
    token_warning_ms: u64 = 60_000;
    /// Messages that a room keeps; 0 keeps all.
    retention_messages: u64 = 0;
    /// How long a room keeps messages, in seconds; 0 keeps them for ever.
    retention_s: u64 = 0;
    /// Appends that may wait for the store; more are refused as overloaded.
    store_queue_max: usize = 16_384;
    /// Writes in one group commit: bounds how long the first waits for the last.
    store_batch_max: usize = 1_024;
    /// Announcements and joins that may wait for one shard.
    shard_inbox_max: usize = 8_192;
    /// Messages that wait for a room's hole to be filled.
    room_reorder_max: usize = 1_024;
    /// A hole in a room's order is read from the store after this wait.
    gap_wait_ms: u64 = 50;
    /// How often nodes tell each other how far the active rooms are.
    head_exchange_ms: u64 = 1_000;
    /// Members served of one room before another has its turn.
    fanout_slice: usize = 64;
    /// Time for calls and requests in flight when the server stops.
    drain_ms: u64 = 10_000;
}

const fn times_at_most(a: u64, times: u64, b: u64) -> bool {
    a * times <= b
}

// Invariant: the relations that the rest of the code relies on.
const _: () = {
    let it = &Limits::DEFAULT;
    assert!(times_at_most(it.ping_interval_ms, 3, it.idle_ms), "a client may lose two pings");
    assert!(it.content_bytes_max + it.metadata_bytes_max < it.frame_bytes_max, "the largest message fits a frame");
    assert!(it.signal_bytes_max <= it.frame_bytes_max, "the frame bounds the largest signal");
    assert!(it.frame_bytes_max <= it.decompressed_bytes_max, "compression never lowers a limit");
    assert!(it.history_page_max as usize * it.content_bytes_max <= it.mailbox_bytes_max, "a page fits the mailbox");
    assert!(it.mailbox_control_bytes_max < it.mailbox_bytes_max, "control frames are the small part");
    assert!(it.room_members_max <= it.room_members_ceiling, "the default is allowed");
    assert!(it.gap_wait_ms < it.head_exchange_ms, "a hole is found before its room's head is");
    assert!(it.store_batch_max <= it.store_queue_max, "a batch can form");
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_can_be_set_by_name() {
        let mut limits = Limits::default();
        assert!(limits.set("batch_max", 7));
        assert_eq!(limits.batch_max, 7);
        assert!(!limits.set("no_such_limit", 7));
        assert!(!limits.set("posts_per_s", u64::MAX), "does not fit u32");
    }

    #[test]
    fn every_entry_can_be_set_to_its_own_value() {
        let mut limits = Limits::default();
        for (name, value) in Limits::default().entries() {
            assert!(limits.set(name, value), "{name}");
        }
        assert_eq!(limits, Limits::default());
    }
}
