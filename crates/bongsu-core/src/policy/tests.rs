//! The matrix: every role, every standing in every kind of room, every action.

use bongsu_model::Why;

use super::*;

const ME: UserId = UserId(1);
const OTHER: UserId = UserId(2);
const ROOM: RoomId = RoomId(7);

/// The rooms of the matrix: kind, visibility, and one's place in it.
fn rooms() -> Vec<(String, RoomView)> {
    let mut rooms = Vec::new();
    for kind in [RoomKind::Group, RoomKind::Direct, RoomKind::Broadcast] {
        for visibility in [Visibility::Open, Visibility::Closed] {
            for member in [None, Some(MemberRole::Member), Some(MemberRole::Owner)] {
                let name = format!(
                    "{} {} {}",
                    visibility.name(),
                    kind.name(),
                    member.map_or("stranger", MemberRole::name)
                );
                rooms.push((
                    name,
                    RoomView {
                        room: ROOM,
                        kind,
                        visibility,
                        member,
                    },
                ));
            }
        }
    }
    rooms
}

fn letter(decision: &Decision) -> char {
    match decision {
        Ok(()) => '+',
        Err(Refusal {
            code: Code::PermissionDenied,
            why: Why::Code,
            ..
        }) => '-',
        Err(Refusal {
            code: Code::RoomNotFound | Code::VideoRoomNotFound,
            why: Why::Code,
            ..
        }) => '?',
        Err(other) => panic!("{other:?}"),
    }
}

type RoomAction = (&'static str, fn(&Principal, &RoomView) -> Decision);

const ROOM_ACTIONS: [RoomAction; 9] = [
    ("join", may_join),
    ("leave", may_leave),
    ("post", may_post),
    ("type", may_type),
    ("read", may_read),
    ("mark", may_mark_read),
    ("manage", may_manage_members),
    ("make a call", may_create_call),
    ("call", may_call),
];

/// `+` allowed, `-` denied, `?` as if there were nothing. One column for user, device, service, admin, and the API key.
const MATRIX: &str = "
                            join  leave post  type  read  mark  manage make  call
open group stranger         +-++- ----- --+++ ----- --+++ ----- --+++ ----- ?-??-
open group member           +-++- +-++- +-+++ +-++- +-+++ +-++- --+++ +-++- +-++-
open group owner            +-++- +-++- +-+++ +-++- +-+++ +-++- +-+++ +-++- +-++-
closed group stranger       ?-++- ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-??-
closed group member         +-++- +-++- +-+++ +-++- +-+++ +-++- --+++ +-++- +-++-
closed group owner          +-++- +-++- +-+++ +-++- +-+++ +-++- +-+++ +-++- +-++-
open direct stranger        ?-++- ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-??-
open direct member          +-++- +-++- +-+++ +-++- +-+++ +-++- --+++ +-++- +-++-
open direct owner           +-++- +-++- +-+++ +-++- +-+++ +-++- --+++ +-++- +-++-
closed direct stranger      ?-++- ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-??-
closed direct member        +-++- +-++- +-+++ +-++- +-+++ +-++- --+++ +-++- +-++-
closed direct owner         +-++- +-++- +-+++ +-++- +-+++ +-++- --+++ +-++- +-++-
open broadcast stranger     +-++- ----- --+++ ----- --+++ ----- --+++ ----- ?-??-
open broadcast member       +-++- +-++- --+++ ----- +-+++ +-++- --+++ ----- +-++-
open broadcast owner        +-++- +-++- +-+++ +-++- +-+++ +-++- +-+++ +-++- +-++-
closed broadcast stranger   ?-++- ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-+++ ?-??- ?-??-
closed broadcast member     +-++- +-++- --+++ ----- +-+++ +-++- --+++ ----- +-++-
closed broadcast owner      +-++- +-++- +-+++ +-++- +-+++ +-++- +-+++ +-++- +-++-
";

fn principals() -> Vec<Principal> {
    let mut all: Vec<_> = Role::ALL
        .into_iter()
        .map(|role| Principal::new(ME, role))
        .collect();
    all.push(Principal::api_key());
    all
}

#[test]
fn rooms_follow_the_matrix() {
    let rows: Vec<&str> = MATRIX.trim().lines().skip(1).collect();
    let rooms = rooms();
    assert_eq!(rows.len(), rooms.len());
    for (row, (name, room)) in rows.into_iter().zip(rooms) {
        let (row_name, cells) = row.split_at(28);
        assert_eq!(row_name.trim(), name);
        let cells: Vec<&str> = cells.split(' ').collect();
        assert_eq!(cells.len(), ROOM_ACTIONS.len());
        for (cell, (action, decide)) in cells.into_iter().zip(ROOM_ACTIONS) {
            let found: String = principals()
                .iter()
                .map(|who| letter(&decide(who, &room)))
                .collect();
            assert_eq!(found, cell, "{action}: {name}");
        }
    }
}

#[test]
fn a_strangers_refusal_never_reveals_a_closed_room() {
    let user = Principal::new(ME, Role::User);
    for (name, room) in rooms()
        .into_iter()
        .filter(|(_, room)| room.member.is_none() && !room.is_open())
    {
        for (action, decide) in ROOM_ACTIONS {
            let code = decide(&user, &room).unwrap_err().code;
            assert!(
                matches!(code, Code::RoomNotFound | Code::VideoRoomNotFound),
                "{action}: {name}: {code:?}"
            );
        }
    }
}

#[test]
fn a_rooms_claim_restricts_joining_only() {
    let claim = |rooms: &[i64]| Principal {
        rooms: Some(rooms.iter().map(|room| RoomId(*room)).collect()),
        ..Principal::new(ME, Role::User)
    };
    for (name, room) in rooms() {
        let free = may_join(&Principal::new(ME, Role::User), &room);
        assert_eq!(may_join(&claim(&[6, 7]), &room), free, "{name}");
        let other = may_join(&claim(&[6]), &room);
        let member_or_hidden = room.member.is_some() || !room.is_open();
        assert_eq!(other, if member_or_hidden { free } else { Err(DENIED) }, "{name}");
        assert_eq!(
            may_post(&claim(&[]), &room),
            may_post(&Principal::new(ME, Role::User), &room),
            "{name}"
        );
    }
    assert_eq!(letter(&may_create_by_joining(&claim(&[7]), true)), '?');
}

#[test]
fn what_concerns_no_room_follows_its_table() {
    type Action = (&'static str, fn(&Principal) -> Decision, &'static str);
    let table: [Action; 14] = [
        ("connect", |who| may_connect(who, false), "+-++-"),
        ("connect while banned", |who| may_connect(who, true), "-----"),
        ("claim nobody", |who| may_claim(who, None), "+++++"),
        ("claim oneself", |who| may_claim(who, Some(ME)), "++++-"),
        ("claim another", |who| may_claim(who, Some(OTHER)), "-----"),
        (
            "make a room by joining",
            |who| may_create_by_joining(who, true),
            "+?++?",
        ),
        (
            "against the configuration",
            |who| may_create_by_joining(who, false),
            "?????",
        ),
        ("speak", may_speak, "+-++-"),
        ("post as oneself", |who| may_post_as(who, ME), "+-+++"),
        ("post as another", |who| may_post_as(who, OTHER), "--+-+"),
        ("block another", |who| may_block(who, OTHER), "+-++-"),
        ("act for oneself", |who| may_act_for(who, ME), "+-+++"),
        ("act for another", |who| may_act_for(who, OTHER), "--+++"),
        ("operate", may_operate, "--+++"),
    ];
    for (action, decide, expected) in table {
        let found: String = principals().iter().map(|who| letter(&decide(who))).collect();
        assert_eq!(found, expected, "{action}");
    }
}

#[test]
fn nobody_blocks_itself_and_the_blocked_do_not_signal() {
    let me = Principal::new(ME, Role::User);
    assert_eq!(may_block(&me, ME), Err(Refusal::field("user_id", Want::Other)));
    assert_eq!(may_signal(true), Err(Refusal::new(Code::UserBlocked)));
    assert_eq!(may_signal(false), Ok(()));
}
