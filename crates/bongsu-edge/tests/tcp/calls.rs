//! A call from its making to its end.

use bongsu_model::Limits;
use serde_json::{Value, json};

use crate::client::Client;
use crate::server::Server;

const ON: [bool; 2] = [true, true];

fn media([audio, video]: [bool; 2]) -> Value {
    json!({ "audio_enabled": audio, "video_enabled": video })
}

async fn join(client: &mut Client, call: &Value) -> Value {
    client
        .send(
            "JOIN_VIDEO_ROOM",
            "join",
            json!({ "video_room_id": call, "media_status": media(ON) }),
        )
        .await;
    client.answer("JOIN_VIDEO_ROOM_SUCCESS", "join").await
}

/// Users 1, 2 and 3, and a call that the first has made and nobody else has joined.
async fn three(server: &Server) -> ([Client; 3], Value) {
    let mut all = [
        server.session(1).await,
        server.session(2).await,
        server.session(3).await,
    ];
    all[0].wait("USER_STATUS_CHANGED").await;
    all[0].wait("USER_STATUS_CHANGED").await;
    all[1].wait("USER_STATUS_CHANGED").await;
    all[0]
        .send(
            "CREATE_VIDEO_ROOM",
            "v",
            json!({ "chatroom_id": 1, "video_room_name": "회의", "max_participants": 3 }),
        )
        .await;
    let mut call = Value::Null;
    for client in &mut all {
        let made = client.answer("VIDEO_ROOM_CREATED", "v").await;
        assert_eq!(
            (&made["host_user_id"], &made["max_participants"]),
            (&json!(1), &json!(3))
        );
        assert_eq!(
            (&made["chatroom_id"], &made["video_room_name"]),
            (&json!(1), &json!("회의"))
        );
        call = made["video_room_id"].clone();
    }
    (all, call)
}

#[tokio::test]
async fn a_whole_call() {
    let server = Server::start().await;
    let ([mut one, mut two, mut three], call) = three(&server).await;
    let joined = join(&mut two, &call).await;
    assert_eq!(joined["participants"].as_array().unwrap()[0]["user_id"], 1);
    assert_eq!(joined["ice_servers"][0]["username"], "1:2");
    for client in [&mut one, &mut two] {
        let told = client.answer("VIDEO_PARTICIPANT_JOINED", "join").await;
        assert_eq!(
            (&told["user_id"], &told["participants_count"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(told["media_status"], media(ON));
    }
    signalling(&mut one, &mut two, &mut three, &call).await;
    media_switched(&mut one, &mut two, &call).await;
    join(&mut three, &call).await;
    for client in [&mut one, &mut two, &mut three] {
        client.expect("VIDEO_PARTICIPANT_JOINED").await;
    }
    the_end(&mut one, &mut two, &mut three, &call).await;
}

/// Signalling goes to its target alone, unread.
async fn signalling(one: &mut Client, two: &mut Client, three: &mut Client, call: &Value) {
    let sdp = json!({ "type": "offer", "sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0" });
    let candidate =
        json!({ "candidate": "candidate:1 1 udp 1 10.0.0.1 1 typ host", "sdpMid": "0", "sdpMLineIndex": 0 });
    for (action, field, payload) in [
        ("SDP_OFFER", "sdp", &sdp),
        ("SDP_ANSWER", "sdp", &sdp),
        ("ICE_CANDIDATE", "candidate", &candidate),
        ("ICE_CANDIDATE", "candidate", &Value::Null),
    ] {
        let mut fields = json!({ "video_room_id": call, "target_user_id": 2 });
        fields[field] = payload.clone();
        one.send(action, "s", fields).await;
        let relayed = two.answer(action, "s").await;
        assert_eq!((&relayed["from_user_id"], &relayed[field]), (&json!(1), payload));
        assert_eq!(relayed.get("target_user_id"), None);
    }
    one.send(
        "SDP_OFFER",
        "s",
        json!({ "video_room_id": call, "target_user_id": 3, "sdp": sdp }),
    )
    .await;
    one.refused("USER_NOT_FOUND", "s").await;
    three
        .send(
            "SDP_OFFER",
            "s",
            json!({ "video_room_id": call, "target_user_id": 1, "sdp": sdp }),
        )
        .await;
    three.expect("ERROR").await;
}

async fn media_switched(one: &mut Client, two: &mut Client, call: &Value) {
    two.send(
        "MEDIA_STATUS_CHANGE",
        "m",
        json!({ "video_room_id": call, "media_status": media([false, true]) }),
    )
    .await;
    for client in [one, two] {
        let told = client.answer("PARTICIPANT_MEDIA_CHANGED", "m").await;
        assert_eq!(
            (&told["user_id"], &told["media_status"]),
            (&json!(2), &media([false, true]))
        );
    }
}

/// The host goes; the longest-standing takes over, and alone may end the call.
async fn the_end(one: &mut Client, two: &mut Client, three: &mut Client, call: &Value) {
    one.send("LEAVE_VIDEO_ROOM", "l", json!({ "video_room_id": call }))
        .await;
    one.answer("LEAVE_VIDEO_ROOM_SUCCESS", "l").await;
    for client in [&mut *two, &mut *three] {
        let left = client.expect_data("VIDEO_PARTICIPANT_LEFT").await;
        assert_eq!(
            (&left["user_id"], &left["participants_count"], &left["reason"]),
            (&json!(1), &json!(2), &json!("left"))
        );
        assert_eq!(client.expect_data("VIDEO_HOST_CHANGED").await["host_user_id"], 2);
    }
    three
        .send("END_VIDEO_ROOM", "e", json!({ "video_room_id": call }))
        .await;
    three.refused("PERMISSION_DENIED", "e").await;
    two.send("END_VIDEO_ROOM", "e", json!({ "video_room_id": call }))
        .await;
    for client in [one, &mut *two, three] {
        assert_eq!(
            client.wait("VIDEO_ROOM_ENDED").await["data"]["video_room_id"],
            *call
        );
    }
    two.send(
        "JOIN_VIDEO_ROOM",
        "late",
        json!({ "video_room_id": call, "media_status": media(ON) }),
    )
    .await;
    two.refused("VIDEO_ROOM_NOT_FOUND", "late").await;
}

#[tokio::test]
async fn a_dropped_participant_keeps_its_place_for_a_while() {
    let limits = Limits {
        call_grace_ms: 100_000,
        presence_grace_ms: 500_000,
        ..Limits::DEFAULT
    };
    let server = Server::limited(limits).await;
    let ([mut one, mut two, three], call) = three(&server).await;
    drop(three);
    join(&mut two, &call).await;
    one.expect("VIDEO_PARTICIPANT_JOINED").await;
    two.expect("VIDEO_PARTICIPANT_JOINED").await;
    drop(one);
    server
        .until("the host's session is over", |it| it.node.sessions_count() == 1)
        .await;
    // Back within the grace: the place and its host stay, from another session.
    let mut one = server.session(1).await;
    join(&mut one, &call).await;
    one.send(
        "MEDIA_STATUS_CHANGE",
        "m",
        json!({ "video_room_id": call, "media_status": media(ON) }),
    )
    .await;
    // Of its return the others hear only that its media are other than before.
    two.expect("PARTICIPANT_MEDIA_CHANGED").await;
    two.answer("PARTICIPANT_MEDIA_CHANGED", "m").await;
    drop(one);
    server
        .until("the host's session is over", |it| it.node.sessions_count() == 1)
        .await;
    server.pass_ms(100_001);
    let left = two.expect_data("VIDEO_PARTICIPANT_LEFT").await;
    assert_eq!(
        (&left["user_id"], &left["reason"]),
        (&json!(1), &json!("disconnected"))
    );
    assert_eq!(two.expect_data("VIDEO_HOST_CHANGED").await["host_user_id"], 2);
    drop(two);
    server.until_empty().await;
    server.pass_ms(100_001);
    server
        .until("the last one out closes it", |it| it.node.present().1 == 0)
        .await;
}

#[tokio::test]
async fn signalling_to_who_blocked_is_refused() {
    let server = Server::start().await;
    let ([mut one, mut two, _three], call) = three(&server).await;
    join(&mut two, &call).await;
    two.expect("VIDEO_PARTICIPANT_JOINED").await;
    one.expect("VIDEO_PARTICIPANT_JOINED").await;
    two.send("BLOCK_USER", "b", json!({ "user_id": 1 })).await;
    two.answer("BLOCK_USER_SUCCESS", "b").await;
    let offer =
        json!({ "video_room_id": call, "target_user_id": 2, "sdp": { "type": "offer", "sdp": "v=0" } });
    one.send("SDP_OFFER", "s", offer).await;
    one.refused("USER_BLOCKED", "s").await;
}
