//! What back ends and operators do: through the HTTP API, or whatever else speaks for them.
//!
//! Invariant: each call decides by policy who may make it, and notes in the audit what it changed for others.

mod messages;
mod nodes;
mod rooms;
mod sessions;
mod users;

use std::sync::Arc;

use bongsu_bus::Cut;
use bongsu_core::policy::{self, Principal};
use bongsu_model::records::AuditEntry;
use bongsu_model::{Code, Refusal, Role, Timestamp, UserRef};
pub use bongsu_store::StoredAnswer;

use crate::node::Node;
use crate::usecases::{cut, vouch};

pub use messages::{PostAs, Posted};
pub use nodes::NodeRefused;
pub use sessions::{CallView, SessionView};
pub use users::{ADDRESS_BYTES_MAX, WORD_BYTES_MAX, nick_field, nick_refused};

/// Who makes a call that is not part of a session.
#[derive(Clone, Debug)]
pub struct Operator {
    /// For policy.
    pub principal: Principal,
    /// For the audit: a token's subject, or a key's name.
    pub name: Arc<str>,
}

impl Operator {
    /// Who asks, among those who command devices. Users choose their names, so theirs are told from those of back ends.
    #[must_use]
    pub fn caller(&self) -> Arc<str> {
        match self.principal.role {
            Role::User => format!("user:{}", self.name).into(),
            Role::Device | Role::Service | Role::Admin => Arc::clone(&self.name),
        }
    }

    /// A key of the HTTP API.
    #[must_use]
    pub fn api_key(name: Arc<str>, role: Role) -> Self {
        Self {
            principal: Principal {
                role,
                ..Principal::api_key()
            },
            name,
        }
    }
}

impl Node {
    /// Who a token speaks for.
    ///
    /// # Errors
    /// `INVALID_TOKEN` with a reason; `PERMISSION_DENIED` for devices.
    pub async fn operator(self: &Arc<Self>, token: &str) -> Result<Operator, Refusal> {
        let now = self.now();
        let claims = vouch::claims(self, token, now).await?.claims;
        let name: Arc<str> = match &claims.subject {
            UserRef::Id(user) => user.to_string().into(),
            UserRef::Handle(handle) => Arc::clone(handle),
        };
        if claims.role == Role::Device {
            // Devices have protocols of their own, and nothing to ask of this one.
            return Err(Refusal::new(Code::PermissionDenied));
        }
        // A back end need not be a user; only who speaks for itself must be one.
        let create = claims.role == Role::User && self.ports.policy.create_users;
        let signed = vouch::user(self, &claims, create, now).await?;
        let user = signed.map(|signed| signed.user.id);
        let principal = Principal {
            user,
            role: claims.role,
            rooms: claims.rooms,
        };
        if user.is_none() && !principal.is_operator() {
            return Err(Refusal::because(Code::InvalidToken, "unknown_user"));
        }
        Ok(Operator { principal, name })
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// What operators did, the newest first, before an entry if one is given.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or the store failed.
    pub async fn audits(
        self: &Arc<Self>,
        by: &Operator,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, Refusal> {
        policy::may_operate(&by.principal)?;
        self.ports
            .store
            .audits(before, limit)
            .await
            .map_err(|fault| self.fault(&fault))
    }

    /// The kept answer to a call with an idempotency key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn kept_answer(
        self: &Arc<Self>,
        by: &Operator,
        key: Arc<str>,
    ) -> Result<Option<StoredAnswer>, Refusal> {
        self.ports
            .store
            .kept_answer(Arc::clone(&by.name), key)
            .await
            .map_err(|fault| self.fault(&fault))
    }

    /// Keeps the answer to a call with an idempotency key.
    ///
    /// # Errors
    /// The store failed.
    pub async fn keep_answer(
        self: &Arc<Self>,
        by: &Operator,
        key: Arc<str>,
        answer: StoredAnswer,
    ) -> Result<(), Refusal> {
        let kept = self
            .ports
            .store
            .keep_answer(Arc::clone(&by.name), key, answer, self.now())
            .await;
        kept.map_err(|fault| self.fault(&fault))
    }

    /// Whether the node can serve: its store takes writes and it is not stopping.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn ready(&self) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::retry(Code::ShuttingDown, self.ports.limits.drain_ms));
        }
        self.ports.store.ready().await.map_err(|fault| self.fault(&fault))
    }

    /// Reads from the store which tokens are revoked. To be called once before the first sign-in.
    ///
    /// # Errors
    /// The store failed.
    pub async fn load_revocations(&self) -> Result<usize, Refusal> {
        let revocations = self
            .ports
            .store
            .revocations(self.now())
            .await
            .map_err(|fault| self.fault(&fault))?;
        for revocation in &revocations {
            // Another node's word about it was lost, or this one did not live then.
            if self.revoked.add(revocation) {
                cut::cut(self, &Cut::Revoked(revocation.jti.clone()));
            }
        }
        Ok(revocations.len())
    }

    /// Notes what an operator did. The deed stands even if the note fails, which is logged.
    pub(crate) async fn note(&self, by: &Operator, action: &str, object: String, detail: Option<String>) {
        let entry = AuditEntry {
            id: 0,
            at: self.now(),
            actor: Arc::clone(&by.name),
            action: action.into(),
            object: object.into(),
            detail: detail.map(Into::into),
        };
        self.healthy(self.ports.store.audit(entry).await);
    }
}
