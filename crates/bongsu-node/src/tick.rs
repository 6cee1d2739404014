//! What a node does because time passes: presence, calls, tokens, heads, memberships of sessions, retention.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bongsu_bus::{Ear, Heard};
use bongsu_core::machine::Machine;
use bongsu_core::roster::RosterEffect;
use bongsu_core::shard::{Hear, Input};
use bongsu_model::event::Lane;
use bongsu_model::records::MyRoom;
use bongsu_model::refusal::CloseCause;
use bongsu_model::{HappeningKind, Notice, Timestamp, UserRef};

use tokio::task::JoinHandle;

use crate::cluster::Beats;
use crate::devices::Rounds;
use crate::node::Node;
use crate::session::{Session, TokenDue};
use crate::usecases::session_rooms::SessionRooms;
use crate::usecases::{block, calls, status};
use crate::{registry, routes};

/// How exact deadlines of presence and calls are.
const TICK: Duration = Duration::from_millis(100);
/// How exact the ends of tokens are, in ticks.
const TOKENS_EVERY: u64 = 10;
/// Rooms whose heads are read from the store at once, to find what nobody announced.
const HEADS_AT_ONCE: usize = 128;
/// Sessions whose memberships are read from the store at once, to find those that nobody announced.
const MEMBERSHIPS_AT_ONCE: usize = 16;
/// How often tables are swept and history is trimmed, in ticks.
const TRIM_EVERY: u64 = 300;

pub(crate) async fn run(node: Weak<Node>) {
    let mut count = 0_u64;
    let mut session_rooms = {
        let Some(node) = node.upgrade() else { return };
        SessionRooms::new(node.ports.clock.now(), node.ports.limits.session_rooms_check_ms)
    };
    let (mut rooms_round, mut sessions_round) = (routes::Round::default(), registry::Round::default());
    let mut beats = {
        let Some(node) = node.upgrade() else { return };
        Beats::new(node.ports.clock.now())
    };
    let (mut looking, mut resyncing) = (None, None);
    let mut devices = Rounds::default();
    loop {
        tokio::time::sleep(TICK).await;
        let Some(node) = node.upgrade() else { return };
        let now = node.ports.clock.now();
        count += 1;
        presence_due(&node, &mut session_rooms, now).await;
        node.others_due(now).await;
        beats.due(&node, now).await;
        node.tell_unsaid();
        node.departures_due().await;
        if resyncing.as_ref().is_none_or(JoinHandle::is_finished) {
            resyncing = node.resync_due(now);
        }
        session_rooms.due(&node, now).await;
        calls::due(&node, now).await;
        let heads_every = (node.ports.limits.head_exchange_ms / 100).max(1);
        if count.is_multiple_of(heads_every) {
            tell_heads(&node).await;
            if looking.as_ref().is_none_or(JoinHandle::is_finished) {
                looking = Some(look(&node, &mut rooms_round, &mut sessions_round));
            }
        }
        if count.is_multiple_of(TOKENS_EVERY) {
            tokens_due(&node, now);
            node.device_tokens_due(now);
            node.devices_due(&mut devices);
            node.displays_due(now);
            node.complaints_due(now);
        }
        if count.is_multiple_of(TRIM_EVERY) {
            node.rates.sweep(now);
            node.revoked.sweep(now);
            // What went wrong is in the log; the next time goes on with it.
            let _ = node.load_revocations().await;
            trim(&node, now).await;
            node.trim_devices(now).await;
        }
    }
}

async fn presence_due(node: &Arc<Node>, session_rooms: &mut SessionRooms, now: Timestamp) {
    let mut out = Vec::new();
    {
        let mut presence = node.others.presence.lock();
        let presence = &mut *presence;
        if presence.here.next_deadline().is_some_and(|at| at <= now) {
            let mut effects = Vec::new();
            presence.here.handle_deadline(now, &mut effects);
            out.extend(effects.into_iter().filter_map(|effect| match effect {
                RosterEffect::Online { .. } => None,
                RosterEffect::Offline { user, last_seen } => {
                    Some((user, last_seen, !presence.others.has(user)))
                }
            }));
        }
    }
    for (user, last_seen, tells) in out {
        node.happened(HappeningKind::UserOffline, |it| it.of_user(user));
        status::went_offline(node, user, last_seen, tells).await;
        session_rooms.went_offline(user);
    }
}

/// Tells how far the rooms are that were active since the last time.
async fn tell_heads(node: &Arc<Node>) {
    let heads: Vec<_> = std::mem::take(&mut *node.active.lock()).into_values().collect();
    if !heads.is_empty() {
        node.publish(Heard::Heads(heads.into())).await;
    }
}

/// Reads how far the next few rooms are in the store, which rooms the next few sessions should hear, whether their users
/// are banned, and whom these have blocked: what was kept and announced to nobody, because its node or the backplane went
/// away just then, is found by this.
fn look(node: &Arc<Node>, rooms: &mut routes::Round, sessions: &mut registry::Round) -> JoinHandle<()> {
    let rooms = node.routes.next(rooms, HEADS_AT_ONCE);
    let sessions = node.registry.next(sessions, MEMBERSHIPS_AT_ONCE);
    let node = Arc::clone(node);
    // The store may take its time; deadlines go on.
    tokio::spawn(async move {
        if !rooms.is_empty()
            && let Some(heads) = node.healthy(node.ports.store.heads(rooms).await)
        {
            node.hear(Heard::Heads(heads.into())).await;
        }
        for session in sessions {
            look_at_session(&node, &session).await;
        }
    })
}

pub(crate) async fn look_at_session(node: &Arc<Node>, session: &Session) {
    let store = &node.ports.store;
    let user = node
        .healthy(store.user(UserRef::Id(session.user)).await)
        .flatten();
    if user.is_some_and(|user| user.ban.is_some()) {
        session.end(&node.ports, CloseCause::Banned);
        return;
    }
    block::read_again(node, session).await;
    if let Some(rooms) = node.healthy(store.my_rooms(session.user).await) {
        let (slot, rooms) = (session.slot, rooms.iter().map(found).collect());
        let found = Input::Found {
            slot,
            session: session.id,
            rooms,
        };
        node.to_shard(session.shard, found).await;
    }
}

fn found(room: &MyRoom) -> Hear {
    Hear {
        room: room.room,
        head: room.seq,
        epoch: room.epoch,
        version: room.members_version,
        after: room.joined_seq,
        asked: false,
    }
}

fn tokens_due(node: &Arc<Node>, now: Timestamp) {
    let warning_ms = node.ports.limits.token_warning_ms;
    for session in node.registry.all(|_| true) {
        match session.token_due(now, warning_ms) {
            TokenDue::Nothing => {}
            TokenDue::Warn(expires_at) => {
                session.notice(&node.ports, Lane::Control, &Notice::TokenExpiring { expires_at });
            }
            TokenDue::End => session.end(&node.ports, CloseCause::TokenExpired),
        }
    }
}

async fn trim(node: &Arc<Node>, now: Timestamp) {
    let limits = &node.ports.limits;
    if limits.retention_messages == 0 && limits.retention_s == 0 {
        return;
    }
    let not_before = (limits.retention_s > 0).then(|| {
        let ms = i64::try_from(limits.retention_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Timestamp(now.0.saturating_sub(ms))
    });
    let trimmed = node
        .ports
        .store
        .retain(limits.retention_messages, not_before)
        .await;
    if let Some(count @ 1..) = node.healthy(trimmed) {
        tracing::info!(count, "messages beyond the retention limits were deleted");
    }
}
