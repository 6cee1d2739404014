"""A room whose members are on three nodes: one order, nothing twice, nothing lost."""

import itertools

from client import Client
from cluster import scenario, within
from scenarios.calls import call_of, signal
from scenarios.chat import leave_all, message

# What one node tells another is heard within this, in seconds, if all is well.
HEARD_S = 2.0

OFFER = {"type": "offer", "sdp": "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"}


def room_over(cluster, *users, **room):
    """A room, and these users in it, each on the next node. The users are new."""
    for user in users:
        cluster[1].user(user, f"user-{user}", f"user{user}")
    number = cluster[1].room(members=list(users), **room)
    clients = []
    for n, user in enumerate(users):
        clients.append(cluster[1 + n % len(cluster.nodes)].client(user))
        for earlier in clients[:-1]:
            earlier.expect("USER_STATUS_CHANGED", user_id=user, is_online=True)
    return number, clients


def in_one_order(clients, room, count, after=0):
    """What each has of a room: the same, without holes; what they have."""
    heard = []
    for client in clients:
        stream = client.messages(room, after)
        heard.append([next(stream) for _ in range(count)])
    for client, got in zip(clients, heard):
        assert [m["seq"] for m in got] == list(range(after + 1, after + count + 1)), [m["seq"] for m in got][:50]
        assert [m["message_id"] for m in got] == [m["message_id"] for m in heard[0]], "one order for all"
    return heard[0]


def not_let_in(node, token):
    """Why a node does not let this token in."""
    with Client(node.tcp) as client:
        client.request("CONNECT", {"jwt_token": token})
        first = client.until_closed()[0]
        assert first["action"] == "CONNECT_ERROR", (node.name, first)
        return first["data"]


@scenario()
def what_three_say_at_once_has_one_order_everywhere(cluster):
    room, clients = room_over(cluster, 1_101, 1_102, 1_103)
    each = 200
    for n in range(each):
        for client in clients:
            client.request("SEND_MESSAGE", message(room, f"{client.user_id}:{n}"))
    got = in_one_order(clients, room, each * len(clients))
    for client in clients:
        mine = [m["content"] for m in got if m["sender"]["user_id"] == client.user_id]
        assert mine == [f"{client.user_id}:{n}" for n in range(each)], "one sender's order is kept"
    # Nothing of it comes a second time.
    marker = clients[0].post(room, "marker")
    for client in clients[1:]:
        assert client.expect("NEW_MESSAGE") == marker
    clients[1].post(room, "marker")
    clients[0].expect("NEW_MESSAGE", content="marker")
    for client in clients:
        assert not client.kept("NEW_MESSAGE", chatroom_id=room, seq=marker["seq"]), client.latest()
    leave_all(clients)


@scenario()
def the_same_message_over_two_nodes_is_one(cluster):
    """A client whose connection broke before the answer says it again, to another node."""
    room, (a, b, c) = room_over(cluster, 1_111, 1_112, 1_113)
    again = cluster[2].client(1_111)
    data = message(room, "once", client_message_id="k-1")
    first, second = a.request("SEND_MESSAGE", data), again.request("SEND_MESSAGE", data)
    answers = [one.frame("NEW_MESSAGE", content="once")["data"] for one in (a, again)]
    assert answers[0]["message_id"] == answers[1]["message_id"] and answers[0]["seq"] == answers[1]["seq"], (first, second, answers)
    b.post(room, "marker")
    c.expect("NEW_MESSAGE", content="once")
    c.expect("NEW_MESSAGE", content="marker")
    assert not c.kept("NEW_MESSAGE", content="once"), c.latest()
    leave_all([a, b, c, again])


@scenario()
def who_moves_to_another_node_misses_nothing(cluster):
    room, (a, b) = room_over(cluster, 1_121, 1_122)
    last = a.post(room, "before")["seq"]
    b.expect("NEW_MESSAGE", content="before")
    epoch = b.ask("GET_MESSAGES", {"chatroom_id": room, "limit": 1}, expect="BATCH_MESSAGES")["epoch"]
    for node in (cluster[3], cluster[1], cluster[2]):
        b.drop()
        texts = [f"{node.name}: {n}" for n in range(5)]
        for text in texts[:3]:
            a.post(room, text)
        b = node.client(1_122, resume=[{"chatroom_id": room, "seq": last, "epoch": epoch}])
        for text in texts[3:]:
            a.post(room, text)
        stream = b.messages(room, last)
        got = [next(stream) for _ in texts]
        assert [m["content"] for m in got] == texts and [m["seq"] for m in got] == [last + n for n in range(1, 6)], got
        last = got[-1]["seq"]
    leave_all([a, b])


@scenario()
def a_member_added_on_one_node_hears_the_room_on_another(cluster):
    room, (a,) = room_over(cluster, 1_131, visibility="closed")
    with cluster[3].client(1_132) as b:
        b.refused("JOIN_ROOM", {"chatroom_id": room}, "ROOM_NOT_FOUND")
        cluster[2].call("PUT", f"/api/v1/rooms/{room}/members/1132", want=204)
        a.expect("USER_JOINED", chatroom_id=room, user_id=1_132)
        a.post(room, "welcome")
        b.expect("NEW_MESSAGE", content="welcome")
        cluster[1].call("DELETE", f"/api/v1/rooms/{room}/members/1132", want=204)
        for client in (a, b):
            client.expect("USER_LEFT", chatroom_id=room, user_id=1_132)
        a.post(room, "without you")
        b.refused("SEND_MESSAGE", message(room, "x"), "ROOM_NOT_FOUND")
        assert not b.kept("NEW_MESSAGE", content="without you"), b.latest()
    leave_all([a])


@scenario()
def a_room_made_on_one_node_is_heard_by_its_members_on_others(cluster):
    clients = [node.client(1_136 + n) for n, node in enumerate(cluster)]
    room = cluster[2].room(visibility="closed", members=[1_136, 1_137, 1_138])
    posted = clients[2].post(room, "first")
    for client in clients[:2]:
        assert next(client.messages(room, 0)) == posted
    leave_all(clients)


@scenario()
def a_direct_room_between_two_nodes(cluster):
    room, (a, b) = room_over(cluster, 1_141, 1_142, kind="direct", visibility="closed")
    phone = cluster[3].client(1_142)
    sent = a.post(room, "hello")
    for client in (b, phone):
        assert client.expect("NEW_MESSAGE", content="hello") == sent
    a.request("TYPING", {"chatroom_id": room, "is_typing": True})
    for client in (b, phone):
        assert client.expect("TYPING", chatroom_id=room, user_id=1_141)["is_typing"] is True
    phone.ask("BLOCK_USER", {"user_id": 1_141}, expect="BLOCK_USER_SUCCESS")
    a.refused("SEND_MESSAGE", message(room, "are you there"), "USER_BLOCKED")
    b.ask("UNBLOCK_USER", {"user_id": 1_141}, expect="UNBLOCK_USER_SUCCESS")
    a.post(room, "thanks")
    phone.expect("NEW_MESSAGE", content="thanks")
    leave_all([a, b, phone])


@scenario()
def a_block_made_on_one_node_holds_on_another(cluster):
    room, (a, b, c) = room_over(cluster, 1_151, 1_152, 1_153)
    phone = cluster[3].client(1_152)
    numbers = itertools.count(1)

    def is_heard(listener):
        """Whether what is said now is heard; what somebody else says behind it always is."""
        text = f"probe {next(numbers)}"
        a.post(room, text)
        c.expect("NEW_MESSAGE", content=text)
        c.post(room, f"behind {text}")
        listener.expect("NEW_MESSAGE", content=f"behind {text}")
        return bool(listener.kept("NEW_MESSAGE", content=text))

    assert is_heard(b) and is_heard(phone)
    b.ask("BLOCK_USER", {"user_id": 1_151}, expect="BLOCK_USER_SUCCESS")
    assert not is_heard(b), "on the node that answered it holds at once"
    within(HEARD_S, lambda: not is_heard(phone), "the block on the other node")
    a.request("TYPING", {"chatroom_id": room, "is_typing": True})
    assert not is_heard(b) and not is_heard(phone)
    assert not b.kept("TYPING", user_id=1_151) and not phone.kept("TYPING", user_id=1_151)
    phone.ask("UNBLOCK_USER", {"user_id": 1_151}, expect="UNBLOCK_USER_SUCCESS")
    within(HEARD_S, lambda: is_heard(b) and is_heard(phone), "its end on the other node")
    leave_all([a, b, c, phone])


@scenario()
def a_ban_made_on_one_node_cuts_on_the_others(cluster):
    room, (a, b, c) = room_over(cluster, 1_161, 1_162, 1_163)
    phone = cluster[3].client(1_162)
    cluster[1].call("POST", "/api/v1/users/1162/ban", {"reason": "spam"}, want=204)
    for client in (b, phone):
        last = client.until_closed()[-1]
        assert last["action"] == "SESSION_CLOSED" and last["data"]["reconnect"] == "never", last
    for node in cluster:
        problem = not_let_in(node, node.token(1_162, "user1162"))
        assert problem["error_code"] in ("PERMISSION_DENIED", "INVALID_TOKEN"), (node.name, problem)
    cluster[2].call("DELETE", "/api/v1/users/1162/ban", want=204)
    cluster[3].client(1_162).close()
    a.post(room, "life goes on")
    c.expect("NEW_MESSAGE", content="life goes on")
    leave_all([a, c])


@scenario()
def read_marks_and_events_cross_nodes(cluster):
    room, (a, b, c) = room_over(cluster, 1_171, 1_172, 1_173)
    for n in range(3):
        a.post(room, f"m{n}")
    b.ask("MARK_READ", {"chatroom_id": room, "seq": 2}, expect="MARK_READ_SUCCESS")
    c.request("SEND_EVENT", {"chatroom_id": room, "type": "game.move", "data": {"x": 1}})
    for client in (a, c):
        assert client.expect("MESSAGE_READ", chatroom_id=room, user_id=1_172)["seq"] == 2
    for client in (a, b):
        assert client.expect("NEW_EVENT", chatroom_id=room, user_id=1_173)["data"] == {"x": 1}
    leave_all([a, b, c])


@scenario()
def a_call_between_users_on_three_nodes(cluster):
    room, call, (a, b, c) = call_of(cluster.seat(1, 2, 3), 1_181, 1_182, 1_183)
    for source, target in ((a, b), (b, a), (a, c), (c, b)):
        signal(source, target, call, "SDP_OFFER", "sdp", OFFER)
        signal(source, target, call, "ICE_CANDIDATE", "candidate", None)
    media = {"audio_enabled": False, "video_enabled": True, "screen_sharing": False}
    c.request("MEDIA_STATUS_CHANGE", {"video_room_id": call, "media_status": media})
    for client in (a, b, c):
        changed = client.expect("PARTICIPANT_MEDIA_CHANGED", video_room_id=call, user_id=1_183)
        assert changed["media_status"] == media, changed
    # Every node knows of it, whichever has it.
    for node in cluster:
        _, shown = node.call("GET", f"/api/v1/video-rooms/{call}", want=200)
        assert {one["user_id"] for one in shown["participants"]} == {1_181, 1_182, 1_183}, (node.name, shown)
    a.ask("LEAVE_VIDEO_ROOM", {"video_room_id": call}, expect="LEAVE_VIDEO_ROOM_SUCCESS")
    for client in (b, c):
        client.expect("VIDEO_PARTICIPANT_LEFT", video_room_id=call, user_id=1_181)
        assert 1_182 in client.expect("VIDEO_HOST_CHANGED", video_room_id=call).values()
    c.refused("END_VIDEO_ROOM", {"video_room_id": call}, "PERMISSION_DENIED")
    b.request("END_VIDEO_ROOM", {"video_room_id": call})
    for client in (b, c):
        client.expect("VIDEO_ROOM_ENDED", video_room_id=call)
    leave_all([a, b, c])


@scenario()
def an_announcement_on_one_node_is_heard_on_all(cluster):
    clients = [node.client(1_191 + n) for n, node in enumerate(cluster)]
    text = {"title": "점검", "message": "오전 2시", "type": "maintenance", "priority": "high"}
    cluster[2].call("POST", "/api/v1/announcements", text, want=202)
    for client in clients:
        assert client.expect("SERVER_ANNOUNCEMENT", title="점검") == text
    leave_all(clients)
