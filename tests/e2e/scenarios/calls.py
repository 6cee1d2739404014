"""Video rooms: a call between three users, signalling relayed unread, hosts that leave."""

from runner import scenario
from scenarios.chat import leave_all, trio

MEDIA = {"audio_enabled": True, "video_enabled": True}
SDP = "v=0\r\no=- 123456789 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def create(client, room, participants=10):
    data = {"chatroom_id": room, "video_room_name": "영상회의", "max_participants": participants}
    return client.ask("CREATE_VIDEO_ROOM", data, expect="VIDEO_ROOM_CREATED")


def enter(client, call, media=MEDIA):
    data = {"video_room_id": call, "media_status": media}
    return client.ask("JOIN_VIDEO_ROOM", data, expect="JOIN_VIDEO_ROOM_SUCCESS")


def call_of(server, *users, participants=10):
    """A room with these users, and a call of the first one that all have joined."""
    room, clients = trio(server, *users)
    call = create(clients[0], room, participants)["video_room_id"]
    for client in clients:
        enter(client, call)
    for n, client in enumerate(clients):
        for other in clients[n:]:
            client.expect("VIDEO_PARTICIPANT_JOINED", video_room_id=call, user_id=other.user_id)
    return room, call, clients


@scenario()
def a_call_of_three_with_offer_answer_candidates_and_media(server):
    room, (a, b, c) = trio(server, 123, 124, 125)
    ask = {"chatroom_id": room, "video_room_name": "영상회의", "max_participants": 10}
    seq_id = a.request("CREATE_VIDEO_ROOM", ask)
    for client in (a, b, c):
        frame = client.frame("VIDEO_ROOM_CREATED", chatroom_id=room)
        assert frame["seq_id"] == seq_id, frame
        call = frame["data"]["video_room_id"]
        want = {**ask, "video_room_id": call, "host_user_id": 123}
        assert frame["data"] == want, frame

    present = []
    for client in (a, b, c):
        seq_id = client.request("JOIN_VIDEO_ROOM", {"video_room_id": call, "media_status": MEDIA})
        answer = client.frame("JOIN_VIDEO_ROOM_SUCCESS", video_room_id=call)
        assert answer["seq_id"] == seq_id, answer
        assert [p["user_id"] for p in answer["data"]["participants"]] == present, answer
        assert isinstance(answer["data"]["ice_servers"], list), answer
        present.append(client.user_id)
        for other in (a, b, c)[: len(present)]:
            joined = other.frame("VIDEO_PARTICIPANT_JOINED", user_id=client.user_id)
            assert joined["seq_id"] == seq_id, joined
            assert joined["data"]["participants_count"] == len(present), joined
            status = joined["data"]["media_status"]
            assert {k: status[k] for k in MEDIA} == MEDIA, joined

    # Everybody offers to everybody who came later; candidates flow both ways; null ends them.
    for early, late in ((a, b), (a, c), (b, c)):
        signal(early, late, call, "SDP_OFFER", "sdp", {"type": "offer", "sdp": SDP + f"a={early.user_id}\r\n"})
        signal(late, early, call, "SDP_ANSWER", "sdp", {"type": "answer", "sdp": SDP + f"a={late.user_id}\r\n"})
        for source, target in ((early, late), (late, early)):
            for n in range(3):
                candidate = f"candidate:{n} 1 UDP 2130706431 192.168.1.{n} 54400 typ host"
                value = {"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}
                signal(source, target, call, "ICE_CANDIDATE", "candidate", value)
            signal(source, target, call, "ICE_CANDIDATE", "candidate", None)

    media = {"audio_enabled": False, "video_enabled": True, "screen_sharing": False}
    seq_id = a.request("MEDIA_STATUS_CHANGE", {"video_room_id": call, "media_status": media})
    for client in (a, b, c):
        changed = client.frame("PARTICIPANT_MEDIA_CHANGED", user_id=123)
        assert changed["seq_id"] == seq_id and changed["data"]["media_status"] == media, changed
        assert changed["data"]["nickname"] and changed["data"]["video_room_id"] == call, changed

    # The host leaves: the longest-standing participant takes over, and may end the call.
    a.ask("LEAVE_VIDEO_ROOM", {"video_room_id": call}, expect="LEAVE_VIDEO_ROOM_SUCCESS")
    for client in (b, c):
        left = client.expect("VIDEO_PARTICIPANT_LEFT", video_room_id=call, user_id=123)
        assert left["participants_count"] == 2 and left["reason"] == "left", left
        changed = client.expect("VIDEO_HOST_CHANGED", video_room_id=call)
        assert 124 in changed.values(), changed
    c.refused("END_VIDEO_ROOM", {"video_room_id": call}, "PERMISSION_DENIED")
    b.request("END_VIDEO_ROOM", {"video_room_id": call})
    for client in (a, b, c):
        client.expect("VIDEO_ROOM_ENDED", video_room_id=call)
    c.refused("JOIN_VIDEO_ROOM", {"video_room_id": call, "media_status": MEDIA}, "VIDEO_ROOM_NOT_FOUND")
    leave_all([a, b, c])


def signal(source, target, call, action, field, value):
    """Relays one value and checks that it arrives unread, with the sender's reference, at the target."""
    data = {"video_room_id": call, "target_user_id": target.user_id, field: value}
    seq_id = source.request(action, data)
    frame = target.frame(action, video_room_id=call, from_user_id=source.user_id)
    assert frame["seq_id"] == seq_id, frame
    assert frame["data"] == {"video_room_id": call, "from_user_id": source.user_id, field: value}, frame


@scenario()
def the_last_one_out_closes_the_call(server):
    _, call, (a, b) = call_of(server, 123, 124)
    for client in (a, b):
        client.ask("LEAVE_VIDEO_ROOM", {"video_room_id": call}, expect="LEAVE_VIDEO_ROOM_SUCCESS")
    for client in (a, b):
        client.expect("VIDEO_ROOM_ENDED", video_room_id=call)
    leave_all([a, b])


@scenario()
def signalling_goes_only_where_it_may(server):
    room, call, (a, b) = call_of(server, 123, 124)
    outsider = server.client(126)
    member = server.client(127)
    member.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")

    def offer(target):
        return {"video_room_id": call, "target_user_id": target, "sdp": {"type": "offer", "sdp": SDP}}

    a.refused("SDP_OFFER", offer(127), "USER_NOT_FOUND")
    a.refused("SDP_OFFER", {**offer(124), "video_room_id": 999_999}, "VIDEO_ROOM_NOT_FOUND")
    for client in (outsider, member):
        error = client.refused("SDP_OFFER", offer(123))
        assert error["error_code"] in ("PERMISSION_DENIED", "VIDEO_ROOM_NOT_FOUND"), error
    error = outsider.refused("JOIN_VIDEO_ROOM", {"video_room_id": call, "media_status": MEDIA})
    assert error["error_code"] in ("PERMISSION_DENIED", "VIDEO_ROOM_NOT_FOUND"), error
    b.ask("BLOCK_USER", {"user_id": 123}, expect="BLOCK_USER_SUCCESS")
    a.refused("SDP_OFFER", offer(124), "USER_BLOCKED")
    b.ask("UNBLOCK_USER", {"user_id": 123}, expect="UNBLOCK_USER_SUCCESS")
    signal(a, b, call, "SDP_OFFER", "sdp", {"type": "offer", "sdp": SDP})
    leave_all([a, b, outsider, member])


@scenario()
def a_full_call_and_sizes_that_are_none(server):
    room, call, (a, b) = call_of(server, 123, 124, participants=2)
    c = server.client(125)
    c.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    c.refused("JOIN_VIDEO_ROOM", {"video_room_id": call, "media_status": MEDIA}, "VIDEO_ROOM_FULL")
    for size in (-1, 0, 1, 51):
        data = {"chatroom_id": room, "video_room_name": "x", "max_participants": size}
        a.refused("CREATE_VIDEO_ROOM", data, "INVALID_DATA")
    leave_all([a, b, c])


@scenario()
def joining_from_another_device_moves_the_call_there(server):
    _, call, (a, b) = call_of(server, 123, 124)
    phone = server.client(124)
    enter(phone, call)
    value = {"type": "offer", "sdp": SDP}
    a.request("SDP_OFFER", {"video_room_id": call, "target_user_id": 124, "sdp": value})
    assert phone.expect("SDP_OFFER", from_user_id=123)["sdp"] == value
    assert not b.kept("SDP_OFFER"), b.inbox
    leave_all([a, b, phone])


@scenario(limits={"call_grace_ms": 500})
def a_participant_whose_connection_drops_leaves_after_its_grace(server):
    _, call, (a, b) = call_of(server, 123, 124)
    b.drop()
    left = a.expect("VIDEO_PARTICIPANT_LEFT", video_room_id=call, user_id=124)
    assert left["reason"] == "disconnected" and left["participants_count"] == 1, left
    leave_all([a])
