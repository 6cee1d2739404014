//! Every action of a room, answered as the table says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bongsu_model::records::{MemberRole, NewRoom, RoomKind, Visibility};
use bongsu_model::{Limits, RoomId, UserId};
use bongsu_store::Store;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use serde_json::{Value, json};
use std::io::Read;

use crate::server::Server;

#[tokio::test]
async fn a_room_is_joined_heard_and_left() {
    let server = Server::start().await;
    server.users([4]).await;
    server.history(1, 1, 2, 1).await;
    let mut one = server.session(1).await;
    let mut four = server.session(4).await;
    four.send("JOIN_ROOM", "j", json!({ "chatroom_id": 1 })).await;
    let joined = four.answer("JOIN_ROOM_SUCCESS", "j").await;
    assert_eq!(
        (&joined["chatroom_id"], &joined["participants_count"]),
        (&json!(1), &json!(4))
    );
    assert_eq!(joined["seq"], 2);
    let online = json!([
        { "user_id": 1, "nickname": "nick 1", "is_online": true },
        { "user_id": 4, "nickname": "nick 4", "is_online": true },
    ]);
    assert_eq!(joined["online_participants"], online);
    let told = one.expect("USER_JOINED").await;
    assert!(told["seq_id"].as_str().unwrap().starts_with("broadcast_"));
    assert_eq!(
        told["data"],
        json!({ "chatroom_id": 1, "user_id": 4, "nickname": "nick 4", "participants_count": 4 })
    );
    // A second join is no second coming.
    four.send("JOIN_ROOM", "again", json!({ "chatroom_id": 1 })).await;
    four.answer("JOIN_ROOM_SUCCESS", "again").await;
    one.post(1, "hello").await;
    for client in [&mut one, &mut four] {
        assert_eq!(
            client.answer("NEW_MESSAGE", "hello").await["seq"],
            3,
            "nothing in between"
        );
    }
    four.send("LEAVE_ROOM", "l", json!({ "chatroom_id": 1 })).await;
    assert_eq!(
        four.answer("LEAVE_ROOM_SUCCESS", "l").await,
        json!({ "chatroom_id": 1 })
    );
    for client in [&mut one, &mut four] {
        let told = client.expect_data("USER_LEFT").await;
        assert_eq!(
            told,
            json!({ "chatroom_id": 1, "user_id": 4, "nickname": "nick 4", "participants_count": 3 })
        );
    }
    one.post(1, "without you").await;
    one.answer("NEW_MESSAGE", "without you").await;
    assert_eq!(four.settled().await, [] as [Value; 0]);
    four.post(1, "may I").await;
    four.refused("PERMISSION_DENIED", "may I").await;
}

#[tokio::test]
async fn a_message_carries_what_it_was_given() {
    let server = Server::start().await;
    let (mut one, mut two) = (server.session(1).await, server.session(2).await);
    one.wait("USER_STATUS_CHANGED").await;
    one.post(1, "the question").await;
    let question = one.answer("NEW_MESSAGE", "the question").await["message_id"].take();
    two.expect("NEW_MESSAGE").await;
    let given = json!({
        "chatroom_id": 1, "content": "e\u{301}", "message_type": "image", "client_message_id": "c1",
        "metadata": { "w": 1 }, "reply_to": question,
    });
    one.send("SEND_MESSAGE", "m", given.clone()).await;
    let first = one.answer("NEW_MESSAGE", "m").await;
    assert_eq!(first["content"], "\u{e9}", "normalised");
    assert_eq!(first["sender"], json!({ "user_id": 1, "nickname": "nick 1" }));
    assert_eq!(
        (&first["message_type"], &first["metadata"]),
        (&json!("image"), &json!({ "w": 1 }))
    );
    assert_eq!(first["reply_to"], question);
    assert_eq!(
        first.get("client_message_id"),
        None,
        "the shared event does not tell"
    );
    assert_eq!(two.answer("NEW_MESSAGE", "m").await, first);
    // A repeat is answered to its sender alone.
    one.send("SEND_MESSAGE", "again", given).await;
    let mut repeat = one.answer("NEW_MESSAGE", "again").await;
    assert_eq!(repeat["client_message_id"], "c1");
    repeat.as_object_mut().unwrap().remove("client_message_id");
    assert_eq!(repeat, first);
    assert_eq!(two.settled().await, [] as [Value; 0]);
}

#[tokio::test]
async fn typing_and_marks_go_to_whom_they_concern() {
    let server = Server::start().await;
    server.history(1, 3, 5, 1).await;
    let (mut one, mut two) = (server.session(1).await, server.session(2).await);
    one.wait("USER_STATUS_CHANGED").await;
    one.send("TYPING", "t", json!({ "chatroom_id": 1, "is_typing": true }))
        .await;
    let told = two.expect_data("TYPING").await;
    assert_eq!(told, json!({ "chatroom_id": 1, "user_id": 1, "is_typing": true }));
    one.send("MARK_READ", "r", json!({ "chatroom_id": 1, "seq": 4 }))
        .await;
    assert_eq!(
        one.answer("MARK_READ_SUCCESS", "r").await,
        json!({ "chatroom_id": 1, "seq": 4 })
    );
    for client in [&mut one, &mut two] {
        let told = client.expect_data("MESSAGE_READ").await;
        assert_eq!(told, json!({ "chatroom_id": 1, "user_id": 1, "seq": 4 }));
    }
    // Back is no way, and beyond the last message is nothing.
    one.send("MARK_READ", "back", json!({ "chatroom_id": 1, "seq": 2 }))
        .await;
    assert_eq!(one.answer("MARK_READ_SUCCESS", "back").await["seq"], 4);
    one.send("MARK_READ", "far", json!({ "chatroom_id": 1, "seq": 99 }))
        .await;
    assert_eq!(one.answer("MARK_READ_SUCCESS", "far").await["seq"], 5);
    assert_eq!(one.expect_data("MESSAGE_READ").await["seq"], 5);
}

#[tokio::test]
async fn history_comes_in_pages_both_ways() {
    let server = Server::start().await;
    server.history(1, 2, 7, 1).await;
    let mut one = server.session(1).await;
    let pages = [
        (
            json!({ "chatroom_id": 1, "after_seq": 2, "limit": 3 }),
            vec![3, 4, 5],
            true,
        ),
        (
            json!({ "chatroom_id": 1, "after_seq": 5, "limit": 3 }),
            vec![6, 7],
            false,
        ),
        (
            json!({ "chatroom_id": 1, "before_seq": 3, "limit": 3 }),
            vec![1, 2],
            false,
        ),
        (
            json!({ "chatroom_id": 1, "before_seq": 8, "limit": 2 }),
            vec![6, 7],
            true,
        ),
        (json!({ "chatroom_id": 1 }), vec![1, 2, 3, 4, 5, 6, 7], false),
    ];
    for (asked, seqs, has_more) in pages {
        one.send("GET_MESSAGES", "h", asked.clone()).await;
        let page = one.answer("BATCH_MESSAGES", "h").await;
        let got: Vec<_> = page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(
            (got, page["has_more"].as_bool().unwrap()),
            (seqs, has_more),
            "{asked}"
        );
        assert_eq!(page["epoch"].as_str().unwrap().len(), 16);
    }
    for (field, wrong) in [
        ("limit", json!(0)),
        ("limit", json!(201)),
        ("before_seq", json!(1)),
    ] {
        let mut asked = json!({ "chatroom_id": 1, "after_seq": 1 });
        asked[field] = wrong;
        one.send("GET_MESSAGES", "h", asked).await;
        one.refused("INVALID_DATA", "h").await;
    }
}

#[tokio::test]
async fn strangers_find_nothing_and_may_nothing() {
    let server = Server::start().await;
    server.users([4]).await;
    let closed = NewRoom {
        visibility: Visibility::Closed,
        ..NewRoom::default()
    };
    server.room_of(2, &[1], closed).await;
    server
        .room_of(
            3,
            &[1, 4],
            NewRoom {
                max_members: Some(2),
                visibility: Visibility::Open,
                ..NewRoom::default()
            },
        )
        .await;
    let mut three = server.session(3).await;
    for (action, mut fields) in [
        ("JOIN_ROOM", json!({})),
        ("SEND_MESSAGE", json!({ "content": "x", "message_type": "text" })),
        ("TYPING", json!({ "is_typing": true })),
        ("MARK_READ", json!({ "seq": 1 })),
        ("GET_MESSAGES", json!({})),
        (
            "CREATE_VIDEO_ROOM",
            json!({ "video_room_name": "v", "max_participants": 2 }),
        ),
        ("LEAVE_ROOM", json!({})),
    ] {
        fields["chatroom_id"] = json!(2);
        three.send(action, action, fields).await;
        three.refused("ROOM_NOT_FOUND", action).await;
    }
    three.send("JOIN_ROOM", "full", json!({ "chatroom_id": 3 })).await;
    three.refused("ROOM_FULL", "full").await;
}

#[tokio::test]
async fn only_owners_post_in_a_broadcast_room() {
    let server = Server::start().await;
    let room = NewRoom {
        id: Some(RoomId(5)),
        kind: RoomKind::Broadcast,
        members: vec![(UserId(1), MemberRole::Owner), (UserId(2), MemberRole::Member)],
        ..NewRoom::default()
    };
    server.store.create_room(room, server.node.now()).await.unwrap();
    let (mut one, mut two) = (server.session(1).await, server.session(2).await);
    two.post(5, "no").await;
    two.refused("PERMISSION_DENIED", "no").await;
    one.post(5, "yes").await;
    two.answer("NEW_MESSAGE", "yes").await;
}

#[tokio::test]
async fn who_is_blocked_is_not_heard_and_cannot_write_to_the_other() {
    let server = Server::start().await;
    server.direct(2, &[1, 2]).await;
    let (mut one, mut two) = (server.session(1).await, server.session(2).await);
    one.wait("USER_STATUS_CHANGED").await;
    one.send("BLOCK_USER", "b", json!({ "user_id": 2 })).await;
    assert_eq!(
        one.answer("BLOCK_USER_SUCCESS", "b").await,
        json!({ "user_id": 2 })
    );
    two.post(2, "direct").await;
    two.refused("USER_BLOCKED", "direct").await;
    two.post(1, "unheard").await;
    two.answer("NEW_MESSAGE", "unheard").await;
    two.send("TYPING", "t", json!({ "chatroom_id": 1, "is_typing": true }))
        .await;
    one.post(1, "heard").await;
    assert_eq!(
        one.answer("NEW_MESSAGE", "heard").await["seq"],
        2,
        "nothing of the blocked user before"
    );
    assert_eq!(
        two.answer("NEW_MESSAGE", "heard").await["seq"],
        2,
        "the other way nothing is blocked"
    );
    one.send("GET_MESSAGES", "h", json!({ "chatroom_id": 1 })).await;
    assert_eq!(
        one.answer("BATCH_MESSAGES", "h").await["messages"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    one.send("UNBLOCK_USER", "u", json!({ "user_id": 2 })).await;
    one.answer("UNBLOCK_USER_SUCCESS", "u").await;
    two.post(2, "again").await;
    for client in [&mut one, &mut two] {
        client.answer("NEW_MESSAGE", "again").await;
    }
    for (who, code) in [(99, "USER_NOT_FOUND"), (1, "INVALID_DATA")] {
        one.send("BLOCK_USER", "b", json!({ "user_id": who })).await;
        one.refused(code, "b").await;
    }
}

#[tokio::test]
async fn too_much_too_fast_is_refused_with_a_time() {
    let limits = Limits {
        posts_per_s: 1,
        posts_burst: 3,
        joins_per_s: 1,
        joins_burst: 2,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    server.stop_clock();
    let mut one = server.session(1).await;
    for n in 0..3 {
        one.post(1, &format!("m{n}")).await;
        one.answer("NEW_MESSAGE", &format!("m{n}")).await;
    }
    let mut another_session = server.session(1).await;
    another_session.post(1, "over").await;
    let told = another_session.refused("RATE_LIMITED", "over").await;
    let after = told["retry_after_ms"].as_i64().unwrap();
    assert!((1..=1_000).contains(&after), "{told}");
    server.pass_ms(after);
    another_session.post(1, "now").await;
    another_session.answer("NEW_MESSAGE", "now").await;
    one.answer("NEW_MESSAGE", "now").await;
    for n in 0..3 {
        one.send("JOIN_ROOM", &format!("j{n}"), json!({ "chatroom_id": 1 }))
            .await;
    }
    one.answer("JOIN_ROOM_SUCCESS", "j0").await;
    one.answer("JOIN_ROOM_SUCCESS", "j1").await;
    assert!(
        one.refused("RATE_LIMITED", "j2").await["retry_after_ms"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn content_is_judged() {
    let server = Server::start().await;
    let mut one = server.session(1).await;
    for (n, (content, code)) in [
        (String::new(), "INVALID_DATA"),
        ("bell \u{7}".to_owned(), "MESSAGE_REJECTED"),
        ("x".repeat(4_097), "MESSAGE_TOO_LARGE"),
    ]
    .into_iter()
    .enumerate()
    {
        let seq_id = format!("c{n}");
        one.send(
            "SEND_MESSAGE",
            &seq_id,
            json!({ "chatroom_id": 1, "content": content, "message_type": "text" }),
        )
        .await;
        let told = one.expect_data("ERROR").await;
        assert_eq!(told["original_seq_id"], seq_id.as_str());
        assert_eq!(told["error_code"], code, "{told}");
    }
    let longest = "x".repeat(4_096);
    one.post(1, &longest).await;
    // The reference is longer than references may be.
    one.expect("ERROR").await;
    one.send(
        "SEND_MESSAGE",
        "longest",
        json!({ "chatroom_id": 1, "content": longest, "message_type": "text" }),
    )
    .await;
    one.answer("NEW_MESSAGE", "longest").await;
}

fn gzip(bytes: &[u8]) -> String {
    let mut packed = Vec::new();
    GzEncoder::new(bytes, Compression::best())
        .read_to_end(&mut packed)
        .unwrap();
    STANDARD.encode(packed)
}

#[tokio::test]
async fn compression_goes_both_ways_for_those_who_ask() {
    let server = Server::start().await;
    server.history(1, 2, 20, 200).await;
    let mut one = server.connect().await;
    let connect = gzip(br#"{"jwt_token":"1","accept_compression":true}"#);
    one.raw(json!({ "action": "CONNECT", "seq_id": "c", "compressed": true, "data": connect }).to_string())
        .await;
    one.answer("CONNECT_SUCCESS", "c").await;
    one.send("GET_MESSAGES", "h", json!({ "chatroom_id": 1 })).await;
    let page = one.expect("BATCH_MESSAGES").await;
    assert_eq!(
        (&page["compressed"], &page["seq_id"]),
        (&json!(true), &json!("h"))
    );
    let packed = STANDARD.decode(page["data"].as_str().unwrap()).unwrap();
    let unpacked: Value = serde_json::from_reader(GzDecoder::new(packed.as_slice())).unwrap();
    assert_eq!(unpacked["messages"].as_array().unwrap().len(), 20);
    let mut plain = server.session(2).await;
    plain.send("GET_MESSAGES", "h", json!({ "chatroom_id": 1 })).await;
    assert_eq!(plain.answer("BATCH_MESSAGES", "h").await, unpacked);

    one.wait("USER_STATUS_CHANGED").await;
    for (data, code) in [
        (gzip(&vec![b' '; (1 << 20) + 1]), "MESSAGE_TOO_LARGE"),
        ("not base64!".to_owned(), "INVALID_DATA"),
        (STANDARD.encode(&packed[..packed.len() / 2]), "INVALID_DATA"),
        (STANDARD.encode("not gzip"), "INVALID_DATA"),
        (gzip(b"\xff"), "INVALID_DATA"),
    ] {
        one.raw(json!({ "action": "PING", "seq_id": "z", "compressed": true, "data": data }).to_string())
            .await;
        one.refused(code, "z").await;
    }
    one.raw(json!({ "action": "PING", "seq_id": "p", "compressed": true, "data": gzip(b"{}") }).to_string())
        .await;
    one.answer("PONG", "p").await;
}
