//! What a simulated node is given: the paused clock, tokens that say who they are, no ICE servers.

use std::sync::Arc;

use bongsu_bus::Bus;
use bongsu_model::media::IceServer;
use bongsu_model::{Code, Limits, Refusal, Role, Timestamp, TokenHash, UserId, UserRef};
use bongsu_node::ports::Moderated;
use bongsu_node::{Claims, Clock, IceServers, Policy, Ports, Tokens};
use bongsu_store::Store;
use tokio::time::Instant;

use crate::defect::Defect;
use crate::random::Random;

/// 2024-01-01T00:00:00Z, when every simulation begins.
const BEGIN: Timestamp = Timestamp(1_704_067_200_000);

/// The paused clock of the runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimClock(Instant);

impl SimClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the simulation began.
    pub(crate) fn ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        BEGIN.plus_ms(self.ms())
    }
}

/// A token is the number of its user.
struct SimTokens;

impl Tokens for SimTokens {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let user = token
            .parse()
            .map_err(|_| Refusal::because(Code::InvalidToken, "malformed"))?;
        let end = now.plus_ms(24 * 60 * 60 * 1_000);
        Ok(Claims {
            subject: UserRef::Id(UserId(user)),
            role: Role::User,
            nickname: None,
            rooms: None,
            jti: None,
            expires_at: end,
            refused_from: end,
        })
    }

    fn member_token(&self, _token: &str) -> Option<TokenHash> {
        None
    }
}

struct NoIce;

impl IceServers for NoIce {
    fn servers(&self, _user: UserId, _now: Timestamp) -> Vec<IceServer> {
        Vec::new()
    }
}

/// How long a user of a mixed world has to come back, and how often its nodes look for those who did not.
pub(crate) const GRACE_MS: u64 = 1_500;
const CHECK_MS: u64 = 4_000;

/// The limits of a mixed world: time runs out while something happens.
pub(crate) fn mixed_limits(defect: Option<Defect>) -> Limits {
    let (grace_ms, check_ms) = match defect {
        Some(Defect::MembershipsStay) => (600_000, 600_000),
        Some(Defect::NoGrace) => (0, CHECK_MS),
        Some(_) | None => (GRACE_MS, CHECK_MS),
    };
    Limits {
        presence_grace_ms: grace_ms,
        session_rooms_check_ms: check_ms,
        ..limits()
    }
}

/// The limits of a world in which sessions are taken up again: some are too far behind for that.
pub(crate) fn again_limits() -> Limits {
    Limits {
        recovery_ms: 20_000,
        recovery_trail_max: 24,
        ..limits()
    }
}

/// Limits so low that everything that can be full gets full, and rates so high that they refuse nothing.
pub(crate) fn limits() -> Limits {
    Limits {
        history_page_max: 8,
        mailbox_bytes_max: 8 * 1024,
        mailbox_control_bytes_max: 2 * 1024,
        mailbox_ephemeral_max: 8,
        room_reorder_max: 6,
        fanout_slice: 2,
        posts_per_s: 0,
        signals_per_s: 0,
        joins_per_s: 0,
        requests_per_s: 0,
        ..Limits::DEFAULT
    }
}

pub(crate) fn ports(
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    clock: SimClock,
    chance: Random,
    limits: &Arc<Limits>,
) -> Ports {
    Ports {
        store,
        bus,
        clock: Arc::new(clock),
        chance: Arc::new(chance),
        tokens: Arc::new(SimTokens),
        ice: Arc::new(NoIce),
        moderation: Moderated::plain(limits),
        reviewer: None,
        limits: Arc::clone(limits),
        policy: Policy::default(),
    }
}
