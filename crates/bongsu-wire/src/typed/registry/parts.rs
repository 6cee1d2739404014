//! The fields that several messages have.

use super::super::decode::{ROOM_BYTES_MAX, USER_BYTES_MAX};
use crate::schema::{Bound, Field, Ty};

/// How a request names a room.
pub(crate) const WHICH_ROOM: Ty = Ty::Either(&[Ty::text(1, Bound::Of(ROOM_BYTES_MAX as u64)), Ty::Integer]);
/// How a request names a user.
pub(crate) const WHICH_USER: Ty = Ty::Either(&[Ty::text(1, Bound::Of(USER_BYTES_MAX as u64)), Ty::Integer]);

/// In a request.
pub(crate) const ASKED_ROOM: Field = Field::required(
    "room",
    WHICH_ROOM,
    "The room: its name, its number, or its secret address.",
);

pub(crate) const ROOM: Field =
    Field::required("room", Ty::TEXT, "The room's name, or its number if it has none.");
pub(crate) const ROOM_ID: Field = Field::required("room_id", Ty::Integer, "The room's number.");
pub(crate) const USER: Field = Field::required("user_id", Ty::TEXT, "The user's handle.");
pub(crate) const USERNAME: Field = Field::required("username", Ty::TEXT, "The user's name for people.");
pub(crate) const HISTORY: Field = Field::required("epoch", Ty::Hex(16), "The history that `seq` belongs to.");
pub(crate) const TEXT: Field = Field::required("message", Ty::TEXT, "For people, in the session's language.");
