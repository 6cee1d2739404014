//! The fields and shapes that several messages have.

use bongsu_model::Code;

use crate::schema::{Field, Ty};

pub(super) const ROOM: Field = Field::required("chatroom_id", Ty::Integer, "The room.");
pub(super) const USER: Field = Field::required("user_id", Ty::Integer, "The user.");
pub(super) const NICKNAME: Field = Field::required("nickname", Ty::TEXT, "The user's name for people.");
pub(super) const HISTORY: Field = Field::required("epoch", Ty::Hex(16), "The history that `seq` belongs to.");
pub(super) const TEXT: Field = Field::required("message", Ty::TEXT, "For people, in the session's language.");
pub(super) const CODE: Field = Field::required("error_code", Ty::OneOf(&CODES), "The contract.");
pub(super) const RETRY: Field = Field::optional(
    "retry_after_ms",
    Ty::Count,
    "When to try again, in milliseconds from now.",
);
pub(super) const REASON: Field = Field::optional(
    "reason",
    Ty::TEXT,
    "One word: why moderation or the check of a token said no.",
);

pub(super) const CODES: [&str; Code::ALL.len()] = {
    let mut names = [""; Code::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Code::ALL[at].name();
        at += 1;
    }
    names
};
