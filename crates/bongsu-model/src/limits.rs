//! Every limit of the product, with its default and its reason. All are settings (`[limits]` in the configuration).
//!
//! Invariant: the relations at the end of the file hold for the defaults, which is asserted at compile time, and for
//! whatever a server is told, because it asks [`Limits::broken`] first.

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr;)*) => {
        /// The limits in force.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        impl Limits {
            /// The limits of a server that was told nothing.
            pub const DEFAULT: Self = Self { $($name: $default,)* };

            /// Every setting's name and its value, in the order of this file.
            #[must_use]
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name as u64),)*]
            }

            /// Every setting's name and what it bounds, in the order of this file.
            #[must_use]
            pub fn described() -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), concat!($($doc),*).trim_ascii()),)*]
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
    /// Requests of a connection within the time for its sign-in, where the protocol lets it try again: a client that
    /// comes back may first send what it has kept meanwhile.
    sign_in_tries_max: u32 = 64;
    /// How often an Engine.IO server (protocol 4) or client (protocol 3) pings.
    engine_ping_interval_ms: u64 = 25_000;
    /// How long the answer to an Engine.IO ping may take.
    engine_ping_timeout_ms: u64 = 20_000;
    /// From the handshake of a WebSocket that a polling client changes to until it has changed.
    engine_upgrade_ms: u64 = 10_000;
    /// Binary attachments of one Socket.IO packet.
    attachments_max: usize = 8;
    /// How long after its end a session can be taken up again as it was, where its client asked for that.
    recovery_ms: u64 = 120_000;
    /// Messages pushed to such a session that are known one by one: whoever has seen none of them cannot take it up.
    recovery_trail_max: usize = 1_024;
    /// Ended sessions that can be taken up again, of all users together; of one user as many as it may have.
    recovery_kept_max: usize = 100_000;
    /// One inbound frame.
    frame_bytes_max: usize = 64 * 1024;
    /// Fragments of one WebSocket message: each costs a look, also an empty one.
    websocket_fragments_max: usize = 10_000;
    /// Packets of one Engine.IO polling payload: each costs a look, also one that says nothing.
    payload_packets_max: usize = 10_000;
    /// Packets of one answer to a poll, beside the opening packet: clients in Python take no more than 16 at a time.
    poll_packets_max: usize = 15;
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
    /// An application's own event.
    application_event_bytes_max: usize = 8 * 1024;
    /// A client's own reference to a request.
    reference_bytes_max: usize = 128;
    /// An access token.
    token_bytes_max: usize = 16 * 1024;
    /// A nickname, a room's name for people, a call's name.
    name_bytes_max: usize = 255;
    /// Languages in which one user has a nickname.
    nick_languages_max: usize = 16;
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
    /// How often memberships of rooms that end with the last session are looked for whose user has none, the first
    /// time so long after the start: whoever was connected before it has that long to come back.
    session_rooms_check_ms: u64 = 60_000;
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
    /// Whoever goes on at so many times its rate …
    flooder_times: u32 = 10;
    /// … for this long is disconnected.
    flooder_ms: u64 = 10_000;
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
    /// From accept to the end of the TLS handshake.
    tls_handshake_ms: u64 = 5_000;
    /// TLS handshakes at once; others wait within their time.
    tls_handshakes_max: usize = 1_024;
    /// Member tokens of one user that have not ended.
    member_tokens_per_user_max: usize = 1_000;
    /// Sessions of one user.
    sessions_per_user_max: usize = 64;
    /// An HTTP request's body.
    http_body_bytes_max: usize = 1024 * 1024;
    /// An HTTP request's headers.
    http_header_bytes_max: usize = 16 * 1024;
    /// From accept to the end of the headers.
    http_header_ms: u64 = 10_000;
    /// An HTTP request, from its headers to its answer.
    http_request_ms: u64 = 30_000;
    /// HTTP requests being served at once; more are refused as overloaded.
    http_requests_max: usize = 1_024;
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
    /// A hole in a room's order is read from the store after this wait; what only a head tells of, after an exchange.
    gap_wait_ms: u64 = 50;
    /// How often nodes tell each other how far the active rooms are.
    head_exchange_ms: u64 = 1_000;
    /// How often a node tells the others that it lives, and how it is.
    node_beat_ms: u64 = 5_000;
    /// A node that was not heard for this long counts as gone, with everyone on it.
    node_silent_ms: u64 = 15_000;
    /// A node that was not heard for this long is forgotten.
    node_forgotten_ms: u64 = 20 * 60 * 1_000;
    /// Requests of Socket.IO for sessions of other nodes that are carried there at once; of what became WebSockets, all that
    /// are open.
    forwards_max: usize = 3_000;
    /// Nodes that are known at once; who comes on top is not heard.
    nodes_max: usize = 1_000;
    /// Users in one part of what a node says of everyone on it.
    presence_page_max: usize = 20_000;
    /// How often a node looks whether the backplane brings it back what it says.
    canary_ms: u64 = 1_000;
    /// A backplane that has brought nothing back for this long counts as lost.
    canary_lost_ms: u64 = 3_000;
    /// Announcements that may wait for the backplane; what comes on top is lost and found again by others.
    backplane_queue_max: usize = 16_384;
    /// Words of other nodes that may wait to be taken in.
    backplane_inbox_max: usize = 16_384;
    /// Bytes of the ones, and of the others, that may wait.
    backplane_bytes_max: usize = 64 * 1024 * 1024;
    /// How long a request to another node may take.
    node_answer_ms: u64 = 2_000;
    /// Members served of one room before another has its turn.
    fanout_slice: usize = 64;
    /// From its acceptance a command may be sent for this long, if neither the caller nor the catalogue says otherwise …
    command_ttl_ms: u64 = 5_000;
    /// … and this is the most that they may say: a command that waits for its device until tomorrow is an accident.
    command_ttl_max_ms: u64 = 24 * 60 * 60 * 1_000;
    /// How long a device may take once it has a command, if the catalogue does not say otherwise.
    command_execution_ms: u64 = 300_000;
    /// A command that its device has not acknowledged is sent again after this; then after twice as long, and so on.
    command_retry_ms: u64 = 3_000;
    /// The same command again within this time joins the first, if the catalogue does not say otherwise.
    command_debounce_ms: u64 = 500;
    /// How long a caller waits that does not say how long, beyond the command's deadline …
    command_wait_ms: u64 = 1_000;
    /// … and how long it may wait at most; less than a request may take.
    command_wait_max_ms: u64 = 25_000;
    /// A command that nobody owns is ended this long after its time is over.
    command_sweep_ms: u64 = 2_000;
    /// A node that is said to hold a device has this long to take a command on; then nobody knows where the device is.
    command_offer_ms: u64 = 2_000;
    /// Open commands of one device.
    commands_open_max: usize = 64;
    /// A command's arguments, and what is written into the desired state with it.
    command_args_bytes_max: usize = 32 * 1024;
    /// Notes in one command's history: a device that is heard of again and again adds no more.
    command_notes_max: usize = 64;
    /// Commands of one caller for one device in a second, where the catalogue says nothing …
    commands_per_s: u32 = 20;
    /// … and at once.
    commands_burst: u32 = 40;
    /// How long commands that have ended are kept, in seconds; 0 keeps them for ever.
    commands_kept_s: u64 = 30 * 24 * 60 * 60;
    /// How often a device says that it is there …
    device_heartbeat_ms: u64 = 15_000;
    /// … and how many times it may fail to, before its session is closed by force.
    device_heartbeats_missed: u64 = 3;
    /// How often a node looks whether the store still has some of the sessions of devices that it holds, in case another
    /// node's word was lost.
    device_look_ms: u64 = 1_000;
    /// How long a session that was taken over may take to go; then it is cut.
    device_takeover_ms: u64 = 2_000;
    /// Frames of one device in a second …
    device_frames_per_s: u32 = 100;
    /// … and at once.
    device_frames_burst: u32 = 200;
    /// Commands that a device may say it is carrying out.
    device_running_max: usize = 64;
    /// Things a device may say it can do.
    device_capabilities_max: usize = 64;
    /// What may wait for one device beside commands: answers, deltas.
    device_outbox_bytes_max: usize = 256 * 1024;
    /// With so many bytes of a device's connection that the kernel has not sent yet, it takes no more. With 1 a frame is
    /// taken only when all before it are on their way, so that nothing grows old there.
    device_unsent_bytes: usize = 1;
    /// A device's desired and reported state, each, as JSON.
    state_bytes_max: usize = 64 * 1024;
    /// Keys of telemetry that are kept of one device.
    telemetry_keys_max: usize = 256;
    /// The latest telemetry of one device, as JSON.
    telemetry_bytes_max: usize = 64 * 1024;
    /// Those who watch commands, states and telemetry on one node.
    watchers_max: usize = 4_096;
    /// A control lease lasts this long, if its taker does not say …
    lease_ms: u64 = 30_000;
    /// … and this long at most.
    lease_max_ms: u64 = 60 * 60 * 1_000;
    /// How long an enrolment token lets a device in, in seconds; 0 for as long as the device is known.
    enrolment_s: u64 = 0;
    /// How often a display says that it is there …
    display_heartbeat_ms: u64 = 30_000;
    /// … and how long it may fail to before it is closed by force.
    display_silent_ms: u64 = 90_000;
    /// How often a display is asked whether it is there; two questions without an answer close it by force.
    display_check_ms: u64 = 60_000;
    /// How long the holder of a display's name has to show that it is alive when another claims it.
    display_probe_ms: u64 = 3_000;
    /// What a display says in a second …
    display_events_per_s: u32 = 20;
    /// … and at once; who says more is read more slowly.
    display_events_burst: u32 = 100;
    /// A report of what runs counts only so long after the one before: several that waited somewhere come at once.
    display_reports_apart_ms: u64 = 5_000;
    /// Programs that a display may say it runs.
    display_processes_max: usize = 256;
    /// The command line of a program.
    display_line_bytes_max: usize = 64 * 1024;
    /// Variables in the environment of a program, and the bytes of them all.
    display_env_max: usize = 128;
    /// The bytes of these variables together.
    display_env_bytes_max: usize = 32 * 1024;
    /// For how long a display may be told to run a program, if the caller does not say; a display that answers by the
    /// guide says when the program has started.
    display_run_ttl_ms: u64 = 10_000;
    /// For how long a display may be told to stop programs: one that does not answer shows by its next report that they
    /// are gone.
    display_stop_ttl_ms: u64 = 45_000;
    /// How long a program may run before nobody waits for its end any more: a year.
    display_program_ms_max: u64 = 365 * 24 * 60 * 60 * 1_000;
    /// How far ahead a start may be set: whoever sets one waits for it.
    display_start_ahead_ms_max: u64 = 60 * 60 * 1_000;
    /// Between the last display's word that it is prepared, and the start of all.
    display_barrier_lead_ms: u64 = 500;
    /// Displays of one preset, and of one request about many.
    preset_displays_max: usize = 1_000;
    /// A preset, as JSON.
    preset_bytes_max: usize = 1024 * 1024;
    /// Presets.
    presets_max: usize = 10_000;
    /// Happenings that may wait for one who watches them; who reads more slowly misses some, and is told how many.
    happenings_max: usize = 1_024;
    /// Time for calls, commands and requests in flight when the server stops or drains; who has none is sent away earlier.
    drain_ms: u64 = 30_000;
}

/// A limit that is out of its range, or two that do not go together.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// With it at 0 nothing would work.
    #[error("it must be at least 1")]
    Zero(&'static str),
    /// Larger than any use; what is counted with it might overflow.
    #[error("it must be at most {}", Limits::CEILING)]
    TooLarge(&'static str),
    /// Limits that do not go together.
    #[error("{says}")]
    Relation {
        /// Which.
        between: &'static [&'static str],
        /// What must hold, and why.
        says: &'static str,
    },
}

impl Broken {
    /// The limits that it is about.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::Zero(name) | Self::TooLarge(name) => vec![name],
            Self::Relation { between, .. } => between.to_vec(),
        }
    }
}

/// Limits that may be 0: for some it means none, for others at once.
const MAY_BE_ZERO: [&str; 23] = [
    "attachments_max",
    "blocks_per_user_max",
    "call_grace_ms",
    "calls_per_room_max",
    "command_debounce_ms",
    "command_sweep_ms",
    "command_wait_ms",
    "commands_kept_s",
    "compress_over_bytes",
    "drain_ms",
    "enrolment_s",
    "flood_repeats_max",
    "flood_window_ms",
    "gap_wait_ms",
    "mailbox_ephemeral_max",
    "metadata_bytes_max",
    "online_listed_max",
    "presence_grace_ms",
    "recovery_ms",
    "retention_messages",
    "retention_s",
    "token_leeway_s",
    "token_warning_ms",
];

macro_rules! relations {
    (|$it:ident| $([$($name:ident),*] $says:literal: $holds:expr;)*) => {
        // Invariant: the relations that the rest of the code relies on.
        const _: () = {
            let $it = &Limits::DEFAULT;
            $(assert!($holds, $says);)*
        };

        impl Limits {
            /// The most that any limit can be.
            pub const CEILING: u64 = 1 << 40;

            /// Everything that is wrong with these limits; a server must not run with any of it.
            #[must_use]
            pub fn broken(&self) -> Vec<Broken> {
                let mut broken = Vec::new();
                for (name, value) in self.entries() {
                    if value == 0 && !MAY_BE_ZERO.contains(&name) {
                        broken.push(Broken::Zero(name));
                    }
                    if value > Self::CEILING {
                        broken.push(Broken::TooLarge(name));
                    }
                }
                let $it = self;
                $(if !$holds {
                    broken.push(Broken::Relation { between: &[$(stringify!($name)),*], says: $says });
                })*
                broken
            }
        }
    };
}

relations! { |it|
    [ping_interval_ms, idle_ms] "three pings must fit into the idle time, so that a client may lose two":
        it.ping_interval_ms.saturating_mul(3) <= it.idle_ms;
    [content_bytes_max, metadata_bytes_max, frame_bytes_max] "the largest message must fit into a frame":
        it.content_bytes_max.saturating_add(it.metadata_bytes_max) < it.frame_bytes_max;
    [application_event_bytes_max, frame_bytes_max] "the largest event of an application must fit into a frame":
        it.application_event_bytes_max < it.frame_bytes_max;
    [signal_bytes_max, frame_bytes_max] "the largest signal must fit into a frame":
        it.signal_bytes_max <= it.frame_bytes_max;
    [frame_bytes_max, decompressed_bytes_max] "compressed data must be allowed what a frame is":
        it.frame_bytes_max <= it.decompressed_bytes_max;
    [history_page_max, content_bytes_max, mailbox_bytes_max] "a page of the longest messages must fit into a mailbox":
        (it.history_page_max as usize).saturating_mul(it.content_bytes_max) <= it.mailbox_bytes_max;
    [mailbox_control_bytes_max, mailbox_bytes_max] "the control lane must be smaller than the mailbox":
        it.mailbox_control_bytes_max < it.mailbox_bytes_max;
    [room_members_max, room_members_ceiling] "a room's usual number of members must be allowed":
        it.room_members_max <= it.room_members_ceiling;
    [gap_wait_ms, head_exchange_ms] "a hole must be looked for before heads are exchanged":
        it.gap_wait_ms < it.head_exchange_ms;
    [node_beat_ms, node_silent_ms] "a node must be able to lose two words that it lives":
        it.node_beat_ms.saturating_mul(3) <= it.node_silent_ms;
    [node_silent_ms, node_forgotten_ms] "a node must be silent before it is forgotten":
        it.node_silent_ms < it.node_forgotten_ms;
    [canary_ms, canary_lost_ms] "a backplane must be able to lose two canaries":
        it.canary_ms.saturating_mul(3) <= it.canary_lost_ms;
    [backplane_bytes_max] "the largest word must be able to wait":
        it.backplane_bytes_max >= 4 * 1024 * 1024;
    [canary_lost_ms] "a lost backplane must be noticed within five seconds":
        it.canary_lost_ms < 5_000;
    [store_batch_max, store_queue_max] "as many writes must be able to wait as go into one commit":
        it.store_batch_max <= it.store_queue_max;
    [command_ttl_ms, command_ttl_max_ms] "a command's usual time must be allowed":
        it.command_ttl_ms <= it.command_ttl_max_ms;
    [command_wait_max_ms, http_request_ms] "who waits for a command must be answered before its request times out":
        it.command_wait_max_ms < it.http_request_ms;
    [command_args_bytes_max, frame_bytes_max] "the largest command must fit into a frame":
        it.command_args_bytes_max.saturating_mul(2) <= it.frame_bytes_max;
    [command_args_bytes_max, state_bytes_max] "the largest command's wish must fit into a state":
        it.command_args_bytes_max <= it.state_bytes_max;
    [state_bytes_max, device_outbox_bytes_max] "the largest state must fit into what may wait for a device":
        it.state_bytes_max.saturating_mul(2) <= it.device_outbox_bytes_max;
    [display_heartbeat_ms, display_silent_ms] "a display that speaks when it should must not be closed":
        it.display_heartbeat_ms.saturating_mul(2) <= it.display_silent_ms;
    [lease_ms, lease_max_ms] "a lease's usual time must be allowed":
        it.lease_ms <= it.lease_max_ms;
    [flood_repeats_max] "no more than 64 repeats are counted":
        it.flood_repeats_max <= 64;
}

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

    #[test]
    fn what_does_not_go_together_is_named() {
        assert_eq!(Limits::DEFAULT.broken(), []);
        let at = |name: &str, value| {
            let mut limits = Limits::DEFAULT;
            assert!(limits.set(name, value), "{name}");
            limits.broken()
        };
        assert_eq!(at("ping_interval_ms", 30_000), []);
        let pings = at("ping_interval_ms", 30_001);
        assert_eq!(pings.len(), 1);
        assert_eq!(pings[0].names(), ["ping_interval_ms", "idle_ms"]);
        assert_eq!(at("flood_repeats_max", 64), []);
        assert_eq!(at("flood_repeats_max", 65).len(), 1);
        assert!(at("shard_inbox_max", 0).contains(&Broken::Zero("shard_inbox_max")));
        assert_eq!(at("retention_s", 0), []);
        assert_eq!(at("retention_s", Limits::CEILING), []);
        assert_eq!(
            at("retention_s", Limits::CEILING + 1),
            [Broken::TooLarge("retention_s")]
        );
    }

    #[test]
    fn every_limit_says_what_it_bounds() {
        let names: Vec<_> = Limits::DEFAULT
            .entries()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(
            Limits::described()
                .iter()
                .map(|(name, _)| *name)
                .eq(names.iter().copied())
        );
        assert!(Limits::described().iter().all(|(_, doc)| !doc.is_empty()));
        assert!(
            MAY_BE_ZERO.iter().all(|name| names.contains(name)),
            "a limit was renamed"
        );
    }
}
