"""gzip and batches, both ways."""

from client import pack
from runner import scenario
from scenarios.chat import leave_all, message, trio


@scenario()
def gzip_both_ways(server):
    room, (a, b) = trio(server, 123, 124)
    reader = server.client(124, accept_compression=True)
    content = "봉수 " * 500
    seq_id = a.request("SEND_MESSAGE", pack(message(room, content.strip())), compressed=True)
    plain = b.frame("NEW_MESSAGE", chatroom_id=room)
    squeezed = reader.frame("NEW_MESSAGE", chatroom_id=room)
    assert plain["seq_id"] == squeezed["seq_id"] == seq_id, plain
    assert plain["data"] == squeezed["data"], "the same message"
    assert not plain.get("was_compressed"), "never for who did not ask for it"
    assert squeezed.get("was_compressed"), "large data is packed for who accepts it"
    short = reader.request("GET_MESSAGES", {"chatroom_id": room, "after_seq": 1})
    answer = reader.take(lambda f: f["seq_id"] == short, "a short page")
    assert not answer.get("was_compressed"), "short data is not worth it"
    leave_all([a, b, reader])


@scenario()
def history_comes_compressed_where_accepted(server):
    room, (a,) = trio(server, 123)
    for n in range(50):
        a.post(room, f"line {n} " * 20)
    reader = server.client(123, accept_compression=True)
    frame_id = reader.request("GET_MESSAGES", {"chatroom_id": room, "after_seq": 0, "limit": 200})
    frame = reader.frame("BATCH_MESSAGES", chatroom_id=room)
    assert frame["seq_id"] == frame_id and frame.get("was_compressed"), frame
    assert [m["seq"] for m in frame["data"]["messages"]] == list(range(1, 51))
    leave_all([a, reader])


@scenario()
def a_batch_is_answered_request_by_request_in_order(server):
    room, (a, b) = trio(server, 123, 124)
    requests = [
        {"action": "SEND_MESSAGE", "data": message(room, "one"), "seq_id": "r1"},
        {"action": "NO_SUCH_ACTION", "data": {}, "seq_id": "r2"},
        {"action": "SEND_MESSAGE", "data": pack(message(room, "two")), "compressed": True, "seq_id": "r3"},
        {"action": "GET_MESSAGES", "data": {"chatroom_id": room, "after_seq": 0}, "seq_id": "r4"},
        {"action": "SEND_MESSAGE", "data": {"chatroom_id": room}, "seq_id": "r5"},
        {"action": "PING", "data": {}, "seq_id": "r6"},
    ]
    for envelope in ({}, {"compressed": True}):
        if envelope:  # Compression does not nest.
            requests[2] = {"action": "SEND_MESSAGE", "data": message(room, "two"), "seq_id": "r3"}
        data = {"messages": requests}
        a.request("BATCH_MESSAGES", pack(data) if envelope else data, **envelope)
        got = {}
        while len(got) < len(requests):
            frame = a.take(lambda f: True, "an answer")
            seq_id = frame["data"].get("original_seq_id") or frame["seq_id"]
            if seq_id in {r["seq_id"] for r in requests}:
                got[seq_id] = frame
        # PONG may overtake; everything else keeps its order.
        order = [seq_id for seq_id in got if seq_id != "r6"]
        assert order == ["r1", "r2", "r3", "r4", "r5"], order
        assert [got[r]["action"] for r in ("r1", "r3", "r4", "r6")] == [
            "NEW_MESSAGE", "NEW_MESSAGE", "BATCH_MESSAGES", "PONG",
        ], got
        assert got["r2"]["data"]["error_code"] == "INVALID_ACTION", got["r2"]
        assert got["r5"]["data"]["error_code"] == "INVALID_DATA", got["r5"]
    stream = b.messages(room, 0)
    assert [next(stream)["content"] for _ in range(4)] == ["one", "two", "one", "two"]
    leave_all([a, b])


@scenario()
def batches_have_bounds(server):
    room, (a,) = trio(server, 123)
    ping = {"action": "PING", "data": {}, "seq_id": "p"}
    a.request("BATCH_MESSAGES", {"messages": [ping] * 100})
    for _ in range(100):
        a.expect("PONG")
    a.refused("BATCH_MESSAGES", {"messages": [ping] * 101}, "INVALID_DATA")
    inner = {"action": "BATCH_MESSAGES", "data": {"messages": [ping]}, "seq_id": "inner"}
    a.request("BATCH_MESSAGES", {"messages": [inner]})
    error = a.expect("ERROR")
    assert error["error_code"] in ("INVALID_DATA", "INVALID_ACTION"), error
    assert not a.kept("PONG"), a.inbox
    leave_all([a])
