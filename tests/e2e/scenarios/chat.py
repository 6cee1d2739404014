"""Rooms, messages, typing, read marks, history, blocks, rates."""

import re
import unicodedata

from client import WAIT_S
from runner import scenario


def trio(server, *users, **room):
    """A room with these users in it, signed in."""
    number = server.room(**room)
    clients = []
    for user in users:
        client = server.client(user)
        client.ask("JOIN_ROOM", {"chatroom_id": number}, expect="JOIN_ROOM_SUCCESS")
        for earlier in clients:
            earlier.expect("USER_JOINED", chatroom_id=number, user_id=user)
        clients.append(client)
    return number, clients


def leave_all(clients):
    for client in clients:
        client.close()


@scenario()
def three_users_join_chat_and_leave(server):
    room = server.room()
    a, b, c = (server.client(user, f"이름{user}") for user in (191, 192, 193))
    first = a.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    assert first["participants_count"] == 1 and first["seq"] == 0, first
    assert re.fullmatch("[0-9a-f]{16}", first["epoch"]), first
    assert first["online_participants"] == [{"user_id": 191, "nickname": "이름191", "is_online": True}], first
    b.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    joined = a.frame("USER_JOINED", user_id=192)
    assert joined["data"] == {
        "chatroom_id": room, "user_id": 192, "nickname": "이름192", "participants_count": 2,
    }, joined
    assert joined["seq_id"].startswith("broadcast_"), joined
    third = c.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    assert third["participants_count"] == 3, third
    assert {p["user_id"] for p in third["online_participants"]} == {191, 192, 193}, third

    seq_id = a.request("SEND_MESSAGE", {"chatroom_id": room, "content": "안녕하세요!", "message_type": "text"})
    for client in (a, b, c):
        frame = client.frame("NEW_MESSAGE", chatroom_id=room)
        assert frame["seq_id"] == seq_id, frame
        message = frame["data"]
        assert message["seq"] == 1 and message["content"] == "안녕하세요!", message
        assert message["message_type"] == "text" and message["sender"]["user_id"] == 191, message
        assert message["sender"]["nickname"] == "이름191", message
        assert re.fullmatch("[0-9a-f]{32}", message["message_id"]), message
        assert message["created_at"].endswith("Z") and "client_message_id" not in message, message

    left = b.ask("LEAVE_ROOM", {"chatroom_id": room}, expect="LEAVE_ROOM_SUCCESS")
    assert left == {"chatroom_id": room}, left
    for client in (a, b, c):
        gone = client.expect("USER_LEFT", chatroom_id=room, user_id=192)
        assert gone["participants_count"] == 2 and gone["nickname"] == "이름192", gone
    a.post(room, "without you")
    c.expect("NEW_MESSAGE", content="without you")
    b.refused("SEND_MESSAGE", {"chatroom_id": room, "content": "x", "message_type": "text"}, "PERMISSION_DENIED")
    assert not b.kept("NEW_MESSAGE"), b.inbox
    leave_all([a, b, c])


@scenario()
def joining_again_is_an_answer_and_no_event(server):
    room, (a, b) = trio(server, 123, 124)
    again = b.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    assert again["participants_count"] == 2, again
    b.post(room, "marker")
    a.expect("NEW_MESSAGE", content="marker")
    assert not a.kept("USER_JOINED", user_id=124), a.inbox
    leave_all([a, b])


@scenario()
def every_kind_of_message_with_all_its_fields(server):
    room, (a, b) = trio(server, 123, 124)
    first = a.post(room, "first")
    for kind in ("text", "image", "file", "audio", "video", "location", "custom"):
        metadata = {"of": kind, "n": [1, 2.5, None, {"깊이": True}]}
        sent = a.post(
            room, f"a {kind}", message_type=kind, metadata=metadata, reply_to=first["message_id"]
        )
        got = b.expect("NEW_MESSAGE", content=f"a {kind}")
        assert sent == got, (sent, got)
        assert got["message_type"] == kind and got["metadata"] == metadata, got
        assert got["reply_to"] == first["message_id"], got
    leave_all([a, b])


@scenario()
def a_second_device_hears_what_the_first_one_posts(server):
    room, (a, b) = trio(server, 123, 124)
    second = server.client(123)
    assert room in second.rooms, "membership subscribes every session"
    sent = a.post(room, "from the phone")
    assert second.expect("NEW_MESSAGE", content="from the phone") == sent
    leave_all([a, b, second])


@scenario()
def a_repeat_of_a_client_message_id_is_not_stored_again(server):
    room, (a, b) = trio(server, 123, 124)
    first = a.post(room, "once", client_message_id="k-1")
    b.expect("NEW_MESSAGE", content="once")
    again = a.post(room, "once", client_message_id="k-1")
    assert again["message_id"] == first["message_id"] and again["seq"] == first["seq"], (first, again)
    assert again["client_message_id"] == "k-1", again
    other = b.post(room, "mine", client_message_id="k-1")
    assert other["seq"] == first["seq"] + 1, "another sender's id is another id"
    b.post(room, "marker")
    a.expect("NEW_MESSAGE", content="marker")
    assert not b.kept("NEW_MESSAGE", content="once"), b.inbox
    leave_all([a, b])


@scenario()
def text_is_normalised_and_sized(server):
    room, (a,) = trio(server, 123)
    decomposed = unicodedata.normalize("NFD", "한글 é")
    assert a.post(room, decomposed)["content"] == "한글 é"
    assert len(a.post(room, "x" * 4096)["content"]) == 4096
    assert a.post(room, "줄\n바꿈\t탭")["content"] == "줄\n바꿈\t탭"
    a.refused("SEND_MESSAGE", message(room, "x" * 4097), "MESSAGE_TOO_LARGE")
    a.refused("SEND_MESSAGE", message(room, "가" * 1366), "MESSAGE_TOO_LARGE")
    for content in ("", "a\x00b", "a\x1bb", "a\x7fb"):
        error = a.refused("SEND_MESSAGE", message(room, content))
        assert error["error_code"] in ("INVALID_DATA", "MESSAGE_REJECTED"), (content, error)
    leave_all([a])


def message(room, content, **more):
    return {"chatroom_id": room, "content": content, "message_type": "text", **more}


@scenario()
def typing_reaches_the_others_only(server):
    room, (a, b, c) = trio(server, 123, 124, 125)
    a.request("TYPING", {"chatroom_id": room, "is_typing": True})
    for client in (b, c):
        event = client.expect("TYPING", chatroom_id=room, user_id=123)
        assert event["is_typing"] is True, event
    b.request("TYPING", {"chatroom_id": room, "is_typing": False})
    assert a.expect("TYPING", user_id=124)["is_typing"] is False
    assert not a.kept("TYPING", user_id=123), a.inbox
    leave_all([a, b, c])


@scenario()
def read_marks_move_forward_only(server):
    room, (a, b) = trio(server, 123, 124)
    for n in range(3):
        a.post(room, f"m{n}")
    b.ask("MARK_READ", {"chatroom_id": room, "seq": 2}, expect="MARK_READ_SUCCESS")
    read = a.expect("MESSAGE_READ", chatroom_id=room, user_id=124)
    assert read["seq"] == 2, read
    b.ask("MARK_READ", {"chatroom_id": room, "seq": 1}, expect="MARK_READ_SUCCESS")
    b.ask("MARK_READ", {"chatroom_id": room, "seq": 3}, expect="MARK_READ_SUCCESS")
    assert a.expect("MESSAGE_READ", user_id=124)["seq"] == 3
    leave_all([a, b])


@scenario()
def history_is_paged_in_both_directions(server):
    room, (a,) = trio(server, 123)
    sent = [a.post(room, f"m{n}") for n in range(1, 26)]
    assert a.history(room, page=10) == sent
    page = a.ask("GET_MESSAGES", {"chatroom_id": room, "before_seq": 21, "limit": 5}, expect="BATCH_MESSAGES")
    assert sorted(m["seq"] for m in page["messages"]) == [16, 17, 18, 19, 20] and page["has_more"], page
    assert re.fullmatch("[0-9a-f]{16}", page["epoch"]), page
    last = a.ask("GET_MESSAGES", {"chatroom_id": room, "limit": 2}, expect="BATCH_MESSAGES")
    assert len(last["messages"]) == 2, last
    none = a.ask("GET_MESSAGES", {"chatroom_id": room, "after_seq": 25, "limit": 200}, expect="BATCH_MESSAGES")
    assert none["messages"] == [] and none["has_more"] is False, none
    a.refused("GET_MESSAGES", {"chatroom_id": room, "after_seq": 1, "before_seq": 5}, "INVALID_DATA")
    for limit in (0, 201, -1):
        a.refused("GET_MESSAGES", {"chatroom_id": room, "limit": limit}, "INVALID_DATA")
    leave_all([a])


@scenario()
def rooms_that_are_none_of_ones_business(server):
    closed = server.room(visibility="closed")
    full = server.room(max_members=1, members=[])
    a, b = server.client(131), server.client(132)
    # Nothing tells a closed room from one that does not exist.
    for room in (closed, 999_999_999):
        for action, data in (
            ("JOIN_ROOM", {}),
            ("LEAVE_ROOM", {}),
            ("SEND_MESSAGE", {"content": "x", "message_type": "text"}),
            ("GET_MESSAGES", {}),
            ("MARK_READ", {"seq": 1}),
            ("TYPING", {"is_typing": True}),
            ("CREATE_VIDEO_ROOM", {"video_room_name": "x", "max_participants": 2}),
        ):
            a.refused(action, {"chatroom_id": room, **data}, "ROOM_NOT_FOUND")
    a.ask("JOIN_ROOM", {"chatroom_id": full}, expect="JOIN_ROOM_SUCCESS")
    b.refused("JOIN_ROOM", {"chatroom_id": full}, "ROOM_FULL")
    leave_all([a, b])


@scenario()
def a_block_silences_a_user_for_one_only(server):
    room, (a, b, c) = trio(server, 123, 124, 125)
    b.ask("BLOCK_USER", {"user_id": 123}, expect="BLOCK_USER_SUCCESS")
    a.post(room, "not for b")
    c.expect("NEW_MESSAGE", content="not for b")
    c.post(room, "for all")
    b.expect("NEW_MESSAGE", content="for all")
    assert not b.kept("NEW_MESSAGE", content="not for b"), b.inbox
    b.ask("UNBLOCK_USER", {"user_id": 123}, expect="UNBLOCK_USER_SUCCESS")
    a.post(room, "heard again")
    b.expect("NEW_MESSAGE", content="heard again")
    leave_all([a, b, c])


@scenario()
def a_direct_room_whose_other_side_blocked_one(server):
    a, b = server.client(141), server.client(142)
    room = server.room(kind="direct", visibility="closed", members=[141, 142])
    a.post(room, "hello")
    b.expect("NEW_MESSAGE", content="hello")
    b.ask("BLOCK_USER", {"user_id": 141}, expect="BLOCK_USER_SUCCESS")
    a.refused("SEND_MESSAGE", message(room, "are you there"), "USER_BLOCKED")
    b.ask("UNBLOCK_USER", {"user_id": 141}, expect="UNBLOCK_USER_SUCCESS")
    a.post(room, "thanks")
    leave_all([a, b])


@scenario()
def a_thousand_messages_arrive_in_order_without_holes(server):
    room, (a, b, c) = trio(server, 123, 124, 125)
    for n in range(500):
        a.request("SEND_MESSAGE", message(room, f"a{n}"))
        b.request("SEND_MESSAGE", message(room, f"b{n}"))
    for client in (a, b, c):
        stream = client.messages(room, 0)
        got = [next(stream) for _ in range(1_000)]
        assert [m["seq"] for m in got] == list(range(1, 1_001)), "order without holes"
        for who in "ab":
            mine = [m["content"] for m in got if m["content"][0] == who]
            assert mine == [f"{who}{n}" for n in range(500)], "one sender's order is kept"
    leave_all([a, b, c])


@scenario(limits={"posts_per_s": 5, "posts_burst": 10})
def too_many_posts_are_refused_with_advice(server):
    room, (a, b) = trio(server, 123, 124)
    refs = [a.request("SEND_MESSAGE", message(room, f"m{n}")) for n in range(30)]
    frames = [a.take(lambda f, r=ref: r in (f["seq_id"], f["data"].get("original_seq_id")), ref) for ref in refs]
    errors = [f["data"] for f in frames if f["action"] == "ERROR"]
    accepted = [f for f in frames if f["action"] == "NEW_MESSAGE"]
    assert 10 <= len(accepted) < 30, len(accepted)
    assert all(e["error_code"] == "RATE_LIMITED" and e["retry_after_ms"] > 0 for e in errors), errors
    b.post(room, "another user's rate is another rate")
    a.expect("NEW_MESSAGE", WAIT_S, content="another user's rate is another rate")
    leave_all([a, b])
