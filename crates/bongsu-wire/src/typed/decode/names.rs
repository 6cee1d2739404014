//! How requests name rooms and users: by a string, or by a number.

use bongsu_model::{Refusal, RoomId, RoomRef, UserId, UserRef, Want};

use crate::json::field::{Field, Given};

/// Longer than any name, number or secret address of a room.
pub(in crate::typed) const ROOM_BYTES_MAX: usize = 64;
/// Longer than any handle.
pub(in crate::typed) const USER_BYTES_MAX: usize = 255;

/// The room that a request names: by its name, its number or its secret address.
pub(super) fn room(field: Field<'_>) -> Result<RoomRef, Refusal> {
    given_room(field.required()?)
}

pub(crate) fn given_room(room: Given<'_>) -> Result<RoomRef, Refusal> {
    if is_number(room) {
        return room.integer().map(|id| RoomRef::Id(RoomId(id)));
    }
    match room.text_of(1, ROOM_BYTES_MAX) {
        Ok(text) => Ok(RoomRef::parse(&text)),
        Err(_) => Err(room.wants(Want::TextOf(1, ROOM_BYTES_MAX))),
    }
}

/// The user that a request names: by its handle or its number.
pub(super) fn user(field: Field<'_>) -> Result<UserRef, Refusal> {
    given_user(field.required()?)
}

pub(super) fn given_user(user: Given<'_>) -> Result<UserRef, Refusal> {
    if is_number(user) {
        return user.integer().map(|id| UserRef::Id(UserId(id)));
    }
    match user.text_of(1, USER_BYTES_MAX) {
        Ok(text) => Ok(UserRef::parse(&text)),
        Err(_) => Err(user.wants(Want::TextOf(1, USER_BYTES_MAX))),
    }
}

fn is_number(given: Given<'_>) -> bool {
    given
        .raw
        .starts_with(|first: char| first == '-' || first.is_ascii_digit())
}
