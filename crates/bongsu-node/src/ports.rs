//! What a node needs from outside: a clock, chance, tokens, ICE servers.
//!
//! Invariant: a node asks the world for nothing but through these, so that a simulator can be the world.

use std::sync::Arc;

use async_trait::async_trait;
use bongsu_bus::Bus;
pub use bongsu_core::moderation::{Blocklist, BlocklistFault, LinkPolicy, Moderation, ModerationSettings};
use bongsu_model::media::IceServer;
use bongsu_model::records::{Membership, Visibility};
use bongsu_model::{Jti, Limits, Refusal, RoomId, RoomRef, Timestamp, TokenHash, UserId, UserRef};
use bongsu_store::Store;
use parking_lot::RwLock;

pub use bongsu_core::range::AddressRange;
pub use bongsu_model::Role;

/// The time of day.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Chance.
pub trait Chance: Send + Sync {
    /// 128 random bits, not to be guessed by anyone.
    fn bits(&self) -> u128;
}

/// Who vouches for access tokens.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Gets ready to verify a token: waits, if at all, only for a key that is not known yet and can be fetched.
    async fn ready_for(&self, _token: &str) {}

    /// Checks a token's signature, times and claims; nothing about its user or its revocation.
    ///
    /// # Errors
    /// `INVALID_TOKEN` with a reason.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal>;

    /// What a member token is kept as; `None` for a text that has not the form of one.
    fn member_token(&self, token: &str) -> Option<TokenHash>;
}

/// Who names STUN and TURN servers.
pub trait IceServers: Send + Sync {
    /// The servers for one user, with credentials that last a while.
    fn servers(&self, user: UserId, now: Timestamp) -> Vec<IceServer>;
}

/// The pipeline in force, which can be replaced while the node runs.
pub struct Moderated(RwLock<Arc<Moderation>>);

impl Moderated {
    /// This pipeline is in force.
    #[must_use]
    pub fn new(moderation: Moderation) -> Self {
        Self(RwLock::new(Arc::new(moderation)))
    }

    /// The pipeline of a server that was told nothing.
    #[must_use]
    pub fn plain(limits: &Limits) -> Self {
        let settings = ModerationSettings {
            content_bytes_max: limits.content_bytes_max,
            ..ModerationSettings::default()
        };
        Self::new(Moderation::new(&settings, Blocklist::default()))
    }

    /// From now on this pipeline is in force.
    pub fn replace(&self, moderation: Moderation) {
        *self.0.write() = Arc::new(moderation);
    }

    pub(crate) fn current(&self) -> Arc<Moderation> {
        Arc::clone(&self.0.read())
    }
}

/// Someone outside who has the last word on what is posted.
#[async_trait]
pub trait Reviewer: Send + Sync {
    /// Whether a post may pass. What happens when the reviewer cannot be asked is its own setting.
    async fn may_pass(&self, user: UserId, room: &RoomRef, content: &str) -> bool;
}

/// What a good token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Who.
    pub subject: UserRef,
    /// As what.
    pub role: Role,
    /// Its name for people.
    pub nickname: Option<Arc<str>>,
    /// The only rooms it may join; `None` for no such bound.
    pub rooms: Option<Arc<[RoomId]>>,
    /// The token's own id.
    pub jti: Option<Jti>,
    /// When the token ends, by its own word.
    pub expires_at: Timestamp,
    /// From then on it is refused: its end and the leeway.
    pub refused_from: Timestamp,
}

/// What may be done without being told so one by one.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Users are made from their tokens when they are seen for the first time.
    pub create_users: bool,
    /// Devices are made from what let them in when they connect for the first time.
    pub create_devices: bool,
    /// From these addresses displays are let in without a token or a certificate.
    pub display_ranges: Arc<[AddressRange]>,
    /// Joining a room by a number that does not exist makes it.
    pub create_rooms_by_id: bool,
    /// Joining a room by a name that does not exist makes it: open, and each membership ends with its member's last
    /// session.
    pub create_rooms_by_name: bool,
    /// The first segments of the types that applications may use among themselves.
    pub application_domains: Arc<[Arc<str>]>,
    /// What a room is that was made by its number.
    pub created_visibility: Visibility,
    /// How long memberships of such a room last.
    pub created_membership: Membership,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            create_users: true,
            create_devices: true,
            display_ranges: Arc::default(),
            create_rooms_by_id: false,
            create_rooms_by_name: true,
            application_domains: ["game", "app"].map(Arc::from).into(),
            created_visibility: Visibility::Open,
            created_membership: Membership::Durable,
        }
    }
}

/// All that a node is given.
pub struct Ports {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Who else hears it.
    pub bus: Arc<dyn Bus>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// Who vouches for tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Who names STUN and TURN servers.
    pub ice: Arc<dyn IceServers>,
    /// What content is let through.
    pub moderation: Moderated,
    /// Who is asked last, outside of this process; `None` for nobody.
    pub reviewer: Option<Arc<dyn Reviewer>>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// What may be done.
    pub policy: Policy,
}

impl Ports {
    /// A fresh UUIDv7 for now.
    pub(crate) fn uuid(&self, now: Timestamp) -> u128 {
        let bits = self.chance.bits().to_le_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&bits[..10]);
        let ms = u64::try_from(now.0).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(ms, &random)
            .into_uuid()
            .as_u128()
    }

    /// A fresh number for an event or an incident.
    pub(crate) fn number(&self) -> u64 {
        u64::try_from(self.chance.bits() & u128::from(u64::MAX)).unwrap_or(0)
    }
}
