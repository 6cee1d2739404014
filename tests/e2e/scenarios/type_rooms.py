"""Rooms over the type protocol: by name, for as long as somebody is there, with history, marks and blocks."""

import re
import time

from client import Unexpected
from runner import scenario
from server import wait_until

GRACE_S = 0.7
BRIEF = {"presence_grace_ms": int(GRACE_S * 1_000), "session_rooms_check_ms": 800}


def room_of(server, name, *users):
    """Type clients of these users in a room of that name."""
    clients = []
    for user in users:
        client = server.type_client(user)
        client.join(name)
        for earlier in clients:
            earlier.expect("user.joined", room=name, user_id=str(user))
        clients.append(client)
    return clients


def close_all(clients):
    for client in clients:
        client.close()


def hears_nothing(client, kind, seconds, **fields):
    """Nothing of the kind comes for a while."""
    try:
        event = client.expect(kind, wait=seconds, **fields)
    except Unexpected:
        return
    raise Unexpected(f"{kind}: {event}")


@scenario()
def a_room_is_made_by_joining_its_name(server):
    a, b = server.type_client(6_001, "하나"), server.type_client(6_002, "두리")
    joined = a.join("made-by_joining1")
    assert joined.keys() == {"room", "room_id", "participants_count", "online", "seq", "epoch"}, joined
    assert joined["room"] == "made-by_joining1" and joined["participants_count"] == 1 and joined["seq"] == 0, joined
    assert re.fullmatch("[0-9a-f]{16}", joined["epoch"]), joined
    assert joined["online"] == [{"user_id": "6001", "username": "하나"}], joined
    other = b.join("made-by_joining1")
    assert other["room_id"] == joined["room_id"] and other["participants_count"] == 2, other
    assert [m["user_id"] for m in other["online"]] == ["6001", "6002"], other
    event = a.expect("user.joined")
    want = {"room": "made-by_joining1", "user_id": "6002", "username": "두리", "participants_count": 2}
    assert event == want, event

    # The answer and the event, to the sender too; and without an id no reference.
    reference = a.request("chat.message", {"room": "made-by_joining1", "text": "안녕하세요!"})
    answer = a.take(lambda f: f.get("ref_id") == reference, "chat.ack")
    assert answer["type"] == "chat.ack" and answer["data"].keys() == {"room", "seq", "message_id", "ts"}, answer
    for client in (a, b):
        frame = client.frame("chat.message")
        want = {
            **answer["data"], "text": "안녕하세요!", "user_id": "6001", "username": "하나", "message_type": "text",
        }
        assert frame["data"] == want and "ref_id" not in frame, frame
    a.tell("chat.message", {"room": "made-by_joining1", "text": "no id"})
    assert "ref_id" not in a.frame("chat.ack", seq=2), "no id, no ref_id"

    left = b.ask("room.leave", {"room": "made-by_joining1"}, expect="room.left")
    assert left == {"room": "made-by_joining1"}, left
    for client in (a, b):
        gone = client.expect("user.left")
        assert gone == {**event, "participants_count": 1}, gone
    b.refused("chat.message", {"room": "made-by_joining1", "text": "x"}, "permission_denied")
    a.post("made-by_joining1", "without you")
    b.ask("ping", expect="pong")
    assert not b.kept("chat.message", text="without you"), b.inbox
    close_all([a, b])


@scenario()
def names_that_are_none_make_no_room(server):
    with server.type_client(6_003) as c:
        for name in ("UPPER", "a b", "한글", "", "x" * 65, "../etc", "a.b", "x\n", "\u0000"):
            error = c.refused("room.join", {"room": name})
            assert error["code"] in ("invalid_data", "room_not_found"), (name, error)
        for room in (None, True, [], {}, 1.5, 1e3):
            c.refused("room.join", {"room": room}, "invalid_data")
        c.refused("room.join", {}, "invalid_data")
        for room in ("999999999", 999_999_999, "0" * 48, "f" * 48, "-1", -1, 0, str(2**63)):
            error = c.refused("room.join", {"room": room})
            assert error["code"] in ("invalid_data", "room_not_found"), (room, error)
        c.join("x" * 64)
        c.join("-_-")


@scenario()
def a_room_has_three_names_and_is_told_by_one(server):
    _, named = server.call("POST", "/api/v1/rooms", {"name": "three-names", "visibility": "open"}, want=201)
    plain = server.room()
    with server.type_client(6_004) as c:
        for room in ("three-names", named["room_id"], str(named["room_id"]), named["token"]):
            assert c.join(room)["room"] == "three-names", room
            ack = c.post(room, f"by {room}"[:20])
            assert ack["room"] == "three-names", ack
            assert c.expect("chat.message", seq=ack["seq"])["room"] == "three-names"
        for room in (plain, str(plain)):
            joined = c.join(room)
            assert joined["room"] == str(plain) and joined["room_id"] == plain, joined
        tcp = server.client(6_005)
        tcp.ask("JOIN_ROOM", {"chatroom_id": named["room_id"]}, expect="JOIN_ROOM_SUCCESS")
        assert c.expect("user.joined", user_id="6005")["room"] == "three-names"
        tcp.post(named["room_id"], "from TCP")
        assert c.expect("chat.message", text="from TCP")["username"] == "user6005"
        tcp.close()


# Membership that ends with the last session

@scenario(limits=BRIEF)
def the_last_session_takes_the_membership_with_it(server):
    a, b = room_of(server, "lounge", 6_011, 6_012)
    second = server.type_client(6_012)
    assert second.rooms["lounge"]["seq"] == 0, second.rooms
    again = second.join("lounge")
    assert again["participants_count"] == 2, again
    b.close()
    hears_nothing(a, "user.left", 2 * GRACE_S)
    assert not a.kept("user.joined"), "a second session is no news"
    assert not a.kept("user.status"), a.inbox
    began = time.monotonic()
    second.close()
    gone = a.expect("user.left", user_id="6012")
    assert gone["participants_count"] == 1 and gone["username"] == "user6012", gone
    assert time.monotonic() - began > GRACE_S * 0.8, "the grace time"
    assert not a.kept("user.left"), "once"
    status = a.expect("user.status", user_id="6012")
    assert status["is_online"] is False and status["last_seen"].endswith("Z"), status
    back = server.type_client(6_012, resume=[{"room": "lounge", "seq": 0, "epoch": again["epoch"]}])
    assert back.rooms == {}, "no member any more"
    back.refused("chat.message", {"room": "lounge", "text": "x"}, "permission_denied")
    assert back.join("lounge")["participants_count"] == 2
    a.expect("user.joined", user_id="6012")
    close_all([a, back])


@scenario(limits=BRIEF)
def a_quick_reconnect_is_no_news_and_misses_nothing(server):
    a, b = room_of(server, "quick", 6_013, 6_014)
    a.post("quick", "m1")
    epoch = b.join("quick")["epoch"]
    seen = b.expect("chat.message", text="m1")["seq"]
    for n in range(3):
        b.drop()
        texts = [f"missed {n} {i}" for i in range(5)]
        for text in texts:
            a.post("quick", text)
        b = server.type_client(6_014, resume=[{"room": "quick", "seq": seen, "epoch": epoch}])
        assert b.rooms["quick"]["recovered"] is True, b.rooms
        a.post("quick", f"live {n}")
        stream = b.messages("quick", seen)
        got = [next(stream) for _ in range(6)]
        assert [m["text"] for m in got] == [*texts, f"live {n}"], got
        assert [m["seq"] for m in got] == list(range(seen + 1, seen + 7)), got
        seen = got[-1]["seq"]
    hears_nothing(a, "user.left", 2 * GRACE_S)
    assert not a.kept("user.joined") and not a.kept("user.status"), a.inbox
    close_all([a, b])


@scenario(limits=BRIEF)
def durable_members_stay(server):
    server.room(name="durable", membership="durable", visibility="open")
    a, b = room_of(server, "durable", 6_015, 6_016)
    b.close()
    a.expect("user.status", user_id="6016", is_online=False)
    hears_nothing(a, "user.left", 2 * GRACE_S)
    back = server.type_client(6_016)
    assert "durable" in back.rooms, back.rooms
    close_all([a, back])


@scenario(limits=BRIEF, fresh=True)
def who_does_not_come_back_after_a_crash_is_out(server):
    a, b = room_of(server, "crash", 6_017, 6_018)
    tcp = server.client(6_019)
    tcp.ask("JOIN_ROOM", {"chatroom_id": a.join("crash")["room_id"]}, expect="JOIN_ROOM_SUCCESS")
    epoch = a.join("crash")["epoch"]
    seq = a.post("crash", "before")["seq"]
    server.kill()
    server.start()
    back = server.type_client(6_017, resume=[{"room": "crash", "seq": seq, "epoch": epoch}])
    assert back.rooms["crash"]["recovered"] is True, back.rooms
    gone = {back.expect("user.left")["user_id"] for _ in range(2)}
    assert gone == {"6018", "6019"}, gone
    assert back.join("crash")["participants_count"] == 1
    close_all([a, b, tcp, back])


@scenario(limits=BRIEF)
def a_leave_that_is_said_needs_no_grace(server):
    a, b = room_of(server, "said", 6_020, 6_021)
    b.ask("room.leave", {"room": "said"}, expect="room.left")
    a.expect("user.left", wait=GRACE_S * 0.8, user_id="6021")
    b.close()
    hears_nothing(a, "user.left", 2 * GRACE_S)
    a.close()


# Resume and history

@scenario()
def a_place_that_never_was_is_not_resumed(server):
    a, b = room_of(server, "resume", 6_031, 6_032)
    room_id = b.join("resume")["room_id"]
    epoch = b.join("resume")["epoch"]
    a.post("resume", "m1")
    wrong = ("0" if epoch[0] != "0" else "1") + epoch[1:]
    for name in ("resume", room_id, str(room_id)):
        for seq, tag, recovered in ((0, wrong, False), (99, epoch, False), (0, epoch, True), (1, epoch, True)):
            point = {"room": name, "seq": seq, "epoch": tag}
            back = server.type_client(6_032, resume=[point])
            assert back.rooms["resume"]["recovered"] is recovered, (point, back.rooms)
            ack = a.post("resume", f"live {seq} {tag}")
            stream = back.messages("resume", seq if recovered else ack["seq"] - 1)
            first = next(stream)
            assert first["seq"] == (seq + 1 if recovered else ack["seq"]), (point, first)
            back.close()
    back = server.type_client(6_032)
    assert "recovered" not in back.rooms["resume"], "not asked"
    for resume in (7, {}, [7], [{"room": "resume"}], [{"room": "resume", "seq": -1, "epoch": epoch}]):
        with server.type_client() as c:
            c.request("auth", {"token": server.token(6_032, "user6032"), "resume": resume})
            frames = c.closes(4400)
            assert frames[-1]["code"] == "invalid_data", (resume, frames)
    # What is no epoch of anything is no place, and no fault.
    for epoch_of_none in ("", "?", "0" * 17):
        point = {"room": "resume", "seq": 0, "epoch": epoch_of_none}
        with server.type_client(6_032, resume=[point]) as c:
            assert c.rooms["resume"]["recovered"] is False, (point, c.rooms)
    # Rooms that are none of one's own are passed over.
    stranger = server.type_client(6_033, resume=[{"room": "resume", "seq": 0, "epoch": epoch}])
    assert "resume" not in stranger.rooms and not stranger.kept("room.messages"), stranger.inbox
    close_all([a, b, back, stranger])


@scenario()
def a_join_from_a_place_replays_what_came_after_it(server):
    a, = room_of(server, "after", 6_034)
    for n in range(1, 31):
        a.post("after", f"m{n}")
    sent = a.history("after")
    b = server.type_client(6_035)
    joined = b.join("after", after_seq=10)
    assert joined.get("recovered") is True, joined
    a.post("after", "live")
    stream = b.messages("after", 0)
    got = [next(stream) for _ in range(21)]
    assert got[:20] == sent[10:] and got[20]["text"] == "live", got
    assert b.join("after", after_seq=10_000)["recovered"] is False
    close_all([a, b])


@scenario()
def history_is_paged_in_both_directions(server):
    a, = room_of(server, "history", 6_036)
    acks = [a.post("history", f"m{n}") for n in range(1, 26)]
    messages = a.history("history", page=10)
    assert [m["text"] for m in messages] == [f"m{n}" for n in range(1, 26)], messages
    assert [m["message_id"] for m in messages] == [ack["message_id"] for ack in acks]
    assert all(m["room"] == "history" and m["user_id"] == "6036" for m in messages), messages

    def page(**asked):
        answer = a.ask("room.history", {"room": "history", **asked}, expect="room.messages")
        assert answer.keys() == {"room", "messages", "has_more", "epoch"}, answer
        return [m["seq"] for m in answer["messages"]], answer["has_more"]

    assert page(before_seq=21, limit=5) == ([16, 17, 18, 19, 20], True)
    assert page(before_seq=3, limit=5) == ([1, 2], False)
    assert page(after_seq=20, limit=5) == ([21, 22, 23, 24, 25], False)
    assert page(after_seq=19, limit=5) == ([20, 21, 22, 23, 24], True)
    assert page(limit=2)[0] == [24, 25]
    assert page(after_seq=25, limit=200) == ([], False)
    a.refused("room.history", {"room": "history", "after_seq": 1, "before_seq": 5}, "invalid_data")
    for limit in (0, 201, -1, "5"):
        a.refused("room.history", {"room": "history", "limit": limit}, "invalid_data")
    a.close()


# Marks, typing, blocks

@scenario()
def read_marks_move_forward_only(server):
    a, b = room_of(server, "marks", 6_041, 6_042)
    for n in range(3):
        a.post("marks", f"m{n}")
    answer = b.ask("chat.read", {"room": "marks", "seq": 2}, expect="chat.read.ok")
    assert answer == {"room": "marks", "seq": 2}, answer
    assert a.expect("chat.read") == {"room": "marks", "user_id": "6042", "seq": 2}
    b.ask("chat.read", {"room": "marks", "seq": 1}, expect="chat.read.ok")
    b.ask("chat.read", {"room": "marks", "seq": 3}, expect="chat.read.ok")
    assert a.expect("chat.read")["seq"] == 3
    close_all([a, b])


@scenario()
def typing_is_on_unless_it_is_said_to_be_off(server):
    a, b = room_of(server, "typing", 6_043, 6_044)
    a.tell("chat.typing", {"room": "typing"})
    assert b.expect("chat.typing") == {"room": "typing", "user_id": "6043", "username": "user6043", "is_typing": True}
    a.tell("chat.typing", {"room": "typing", "is_typing": False})
    assert b.expect("chat.typing")["is_typing"] is False
    b.post("typing", "marker")
    a.expect("chat.message", text="marker")
    assert not a.kept("chat.typing"), "not to oneself"
    close_all([a, b])


@scenario()
def users_are_blocked_by_their_handles(server):
    server.user(6_045, "troll", "트롤")
    server.user(6_046, "reader", "독자")
    a, b = server.type_client(6_045, "트롤"), server.type_client(6_046, "독자")
    assert a.handle == "troll" and b.handle == "reader", (a.handle, b.handle)
    a.join("blocks")
    b.join("blocks")
    for whom in ("troll", 6_045):
        assert b.ask("user.block", {"user_id": whom}, expect="user.block.ok") == {"user_id": "troll"}
        a.post("blocks", f"unheard {whom}")
        a.tell("chat.typing", {"room": "blocks"})
        b.post("blocks", f"heard {whom}")
        b.expect("chat.message", text=f"heard {whom}")
        b.ask("ping", expect="pong")
        assert not b.kept("chat.message") and not b.kept("chat.typing"), b.inbox
        assert b.ask("user.unblock", {"user_id": whom}, expect="user.unblock.ok") == {"user_id": "troll"}
        a.post("blocks", "again")
        b.expect("chat.message", text="again")
    b.refused("user.block", {"user_id": "nobody-at-all"}, "user_not_found")
    b.refused("user.block", {}, "invalid_data")
    direct = server.room(kind="direct", visibility="closed", members=[6_045, 6_046])
    wait_until(lambda: a.ask("chat.message", {"room": direct, "text": "hello"}).get("seq"), "membership")
    b.ask("user.block", {"user_id": "troll"}, expect="user.block.ok")
    a.refused("chat.message", {"room": direct, "text": "are you there"}, "user_blocked")
    close_all([a, b])


@scenario()
def envelopes_are_read_generously_where_they_may(server):
    with server.type_client(6_047) as c:
        c.join("generous")
        data = '{"room":"generous","text":"x","unknown":null}'
        c.send_text('\n {"unknown":[{"a":1}],"data":' + data + ',"type":"chat.message","id":"i"} \t')
        assert c.frame("chat.ack")["ref_id"] == "i"
        c.send_text('{"type":"ping"}')
        c.expect("pong")
        c.send_text('{"type":"ping","data":null}')
        c.send_text('{"type":"\\u0070ing","id":""}')
        c.take(lambda f: f.get("ref_id") == "", "a pong with an empty reference")
        c.send_text('{"type":"ping","id":"' + "x" * 128 + '"}')
        c.take(lambda f: f.get("ref_id") == "x" * 128, "a pong with a long reference")
