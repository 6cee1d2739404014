//! The few limits that a store itself holds, because only it can check them in one transaction with the write.

use bongsu_model::Limits;

/// What a store refuses, apart from what does not exist or is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Members of a room that was made without a number of its own.
    pub room_members_max: u32,
    /// Rooms one user may be a member of: past it, a join is [`crate::JoinRefused::TooManyRooms`].
    pub rooms_per_user_max: usize,
    /// Languages in which a user has a nickname: past it, a change is [`crate::UpdateRefused::Nick`].
    pub nick_languages_max: usize,
    /// Member tokens of one user that have not ended: past it, [`crate::TokenAdded::TooMany`].
    pub member_tokens_per_user_max: usize,
    /// How long the answer of a call with an idempotency key is kept, in milliseconds.
    pub answer_kept_ms: u64,
    /// Trails that are kept of one user's ended sessions.
    pub trails_per_user_max: usize,
    /// Trails that are kept of all.
    pub trails_max: usize,
    /// Enrolment tokens that are kept of one device: past it, the oldest go.
    pub enrolments_per_device_max: usize,
    /// How long a caller's own key for a command is kept, in milliseconds.
    pub command_key_kept_ms: u64,
    /// Notes in one command's history; past it, only those come that moved the command.
    pub command_notes_max: usize,
    /// Presets: past it, [`crate::CreateRefused::TooMany`].
    pub presets_max: usize,
}

impl StoreLimits {
    /// A day: longer than any sensible client retries.
    pub const ANSWER_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
    /// So many that tokens can be changed one after the other; a device needs one.
    pub const ENROLMENTS_PER_DEVICE_MAX: usize = 16;
    /// A day.
    pub const COMMAND_KEY_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
}

impl From<&Limits> for StoreLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            room_members_max: limits.room_members_max,
            rooms_per_user_max: limits.rooms_per_user_max,
            nick_languages_max: limits.nick_languages_max,
            member_tokens_per_user_max: limits.member_tokens_per_user_max,
            answer_kept_ms: Self::ANSWER_KEPT_MS,
            trails_per_user_max: limits.sessions_per_user_max,
            trails_max: limits.recovery_kept_max,
            enrolments_per_device_max: Self::ENROLMENTS_PER_DEVICE_MAX,
            command_key_kept_ms: Self::COMMAND_KEY_KEPT_MS,
            command_notes_max: limits.command_notes_max,
            presets_max: limits.presets_max,
        }
    }
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self::from(&Limits::DEFAULT)
    }
}
