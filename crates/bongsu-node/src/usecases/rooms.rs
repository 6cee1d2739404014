//! A room as the one who asks stands in it: what policy decides on. What a room may be called.

use std::sync::Arc;

use bongsu_core::policy::{Principal, RoomView};
use bongsu_model::records::{Member, Room};
use bongsu_model::{Code, Refusal, RoomRef, Want};

use crate::node::Node;

/// Reads a room and the principal's place in it.
pub(crate) async fn view(
    node: &Arc<Node>,
    who: &Principal,
    room: &RoomRef,
) -> Result<(Room, Option<Member>, RoomView), Refusal> {
    let room = node
        .ports
        .store
        .room(room.clone())
        .await
        .map_err(|fault| node.fault(&fault))?;
    let Some(room) = room else {
        return Err(Refusal::new(Code::RoomNotFound));
    };
    let member = match who.user {
        Some(user) => node
            .ports
            .store
            .member(room.id, user)
            .await
            .map_err(|fault| node.fault(&fault))?,
        None => None,
    };
    let view = RoomView::of(&room, member.as_ref().map(|member| member.role));
    Ok((room, member, view))
}

/// A name that a room may be given: `[a-z0-9_-]{1,64}`, and neither a number nor a token, which mean another room.
///
/// # Errors
/// `INVALID_DATA` for the field.
pub(crate) fn name(field: &'static str, name: &Arc<str>) -> Result<Arc<str>, Refusal> {
    let is_slug = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    // A number that is too large to be anyone's is no name either.
    let digits = name.strip_prefix('-').unwrap_or(name);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if is_slug && !is_number && matches!(RoomRef::parse(name), RoomRef::Name(_)) {
        Ok(Arc::clone(name))
    } else {
        Err(Refusal::field(field, Want::RoomName))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_slug_and_neither_a_number_nor_a_token() {
        let longest = "a".repeat(64);
        for good in [
            "general",
            "a",
            "0x",
            "room-1",
            "_",
            "2024-11",
            "-",
            "-a",
            &longest,
            &"f".repeat(47),
        ] {
            assert!(name("room", &good.into()).is_ok(), "{good}");
        }
        let (long, token) = ("a".repeat(65), "f".repeat(48));
        let numbers = ["7", "-7", "99999999999999999999", "-99999999999999999999"];
        let others = [
            "", "General", "a b", "a.b", "a/b", "방", "é", "a\n", &long, &token,
        ];
        for bad in numbers.into_iter().chain(others) {
            let refused = Refusal::field("room", Want::RoomName);
            assert_eq!(name("room", &bad.into()), Err(refused), "{bad:?}");
        }
    }
}
