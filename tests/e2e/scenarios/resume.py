"""What a client missed it gets in order, or is told that it cannot; also after the server was killed."""

import threading

from client import Closed
from runner import scenario
from scenarios.chat import leave_all, message, trio


def standing(client, room):
    return client.rooms[room]


@scenario()
def a_resume_replays_everything_in_order_before_anything_live(server):
    room, (a, b) = trio(server, 123, 124)
    a.post(room, "m1")
    seen = b.expect("NEW_MESSAGE", content="m1")
    epoch = b.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")["epoch"]
    b.close()
    for n in range(2, 501):
        a.request("SEND_MESSAGE", message(room, f"m{n}"))
    a.expect("NEW_MESSAGE", content="m500")
    back = server.client(124, resume=[{"chatroom_id": room, "seq": seen["seq"], "epoch": epoch}])
    assert standing(back, room)["recovered"] is True, back.rooms
    assert standing(back, room)["epoch"] == epoch, back.rooms
    a.post(room, "live")
    stream = back.messages(room, 0)
    got = [next(stream) for _ in range(500)]
    assert [m["seq"] for m in got] == list(range(2, 502)), "order without holes, then live"
    assert got[-1]["content"] == "live", got[-1]
    leave_all([a, back])


@scenario()
def a_wrong_epoch_or_place_replays_nothing(server):
    room, (a, b) = trio(server, 123, 124)
    a.post(room, "m1")
    epoch = b.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")["epoch"]
    wrong = ("0" if epoch[0] != "0" else "1") + epoch[1:]
    for seq, tag in ((0, wrong), (99, epoch)):
        back = server.client(124, resume=[{"chatroom_id": room, "seq": seq, "epoch": tag}])
        assert standing(back, room)["recovered"] is False, (seq, tag, back.rooms)
        a.post(room, f"live {seq}")
        back.expect("NEW_MESSAGE", content=f"live {seq}")
        old = [f for f in back.inbox if f["action"] in ("BATCH_MESSAGES", "NEW_MESSAGE")]
        assert not old, old
        back.close()
    leave_all([a, b])


@scenario()
def rooms_that_one_does_not_resume_say_so(server):
    room, (a, b) = trio(server, 123, 124)
    back = server.client(124)
    assert "recovered" not in standing(back, room), back.rooms
    stranger = server.client(128, resume=[{"chatroom_id": room, "seq": 0, "epoch": "0" * 16}])
    assert not stranger.rooms.get(room, {}).get("recovered"), stranger.rooms
    assert not stranger.kept("BATCH_MESSAGES"), stranger.inbox
    leave_all([a, b, back, stranger])


@scenario()
def a_join_with_after_seq_replays_history(server):
    room, (a,) = trio(server, 123)
    sent = [a.post(room, f"m{n}") for n in range(1, 31)]
    b = server.client(124)
    b.ask("JOIN_ROOM", {"chatroom_id": room, "after_seq": 10}, expect="JOIN_ROOM_SUCCESS")
    a.post(room, "live")
    stream = b.messages(room, 0)
    got = [next(stream) for _ in range(21)]
    assert got[:20] == sent[10:] and got[20]["content"] == "live", got
    leave_all([a, b])


@scenario(fresh=True)
def nothing_acknowledged_is_lost_when_the_server_is_killed(server):
    room = server.room()
    reader = server.client(200)
    epoch = reader.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")["epoch"]
    seen = []
    for round_number in range(3):
        posters = [Poster(server, room, 201 + n, round_number) for n in range(4)]
        heard = threading.Thread(target=collect, args=(reader, room, seen))
        heard.start()
        for poster in posters:
            poster.start()
        for poster in posters:
            poster.warm.wait(30)
        server.kill()
        for poster in posters:
            poster.join(30)
        heard.join(30)
        server.start()
        reader = server.client(200, resume=[{"chatroom_id": room, "seq": len(seen), "epoch": epoch}])
        assert standing(reader, room)["recovered"] is True, reader.rooms
        assert [m["seq"] for m in seen] == list(range(1, len(seen) + 1)), "delivered without holes"

        kept = {m["message_id"]: m for m in reader.history(room)}
        assert sorted(m["seq"] for m in kept.values()) == list(range(1, len(kept) + 1)), "kept without holes"
        for message_seen in seen:
            assert kept[message_seen["message_id"]] == message_seen, "delivered is kept"
        for poster in posters:
            assert poster.acknowledged, "the round hit its window"
            for answer in poster.acknowledged:
                assert kept[answer["message_id"]]["content"] == answer["content"], "acknowledged is kept"
            # What was not answered may be asked again under its name, and is there once at the end.
            with server.client(poster.user) as again:
                for client_id in poster.unanswered:
                    again.post(room, client_id, client_message_id=client_id)
        stored = [m["content"] for m in reader.history(room)]
        assert len(stored) == len(set(stored)), "each once"
        for poster in posters:
            assert set(poster.sent) <= set(stored), "and none missing"
    leave_all([reader])


def collect(reader, room, seen):
    try:
        for got in reader.messages(room, len(seen)):
            seen.append(got)
    except Closed:
        pass


class Poster(threading.Thread):
    """Posts with many requests in flight until the server is gone."""

    def __init__(self, server, room, user, round_number):
        super().__init__(daemon=True)
        self.room, self.user, self.prefix = room, user, f"{user}-{round_number}"
        self.client = server.client(user)
        self.client.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
        self.sent, self.acknowledged, self.warm = [], [], threading.Event()

    def run(self):
        open_requests = {}
        try:
            while True:
                while len(open_requests) < 8:
                    name = f"{self.prefix}-{len(self.sent)}"
                    self.sent.append(name)
                    data = message(self.room, name, client_message_id=name)
                    open_requests[self.client.request("SEND_MESSAGE", data)] = name
                frame = self.client.take(lambda f: f["seq_id"] in open_requests, "an answer")
                del open_requests[frame["seq_id"]]
                self.acknowledged.append(frame["data"])
                self.client.inbox.clear()
                if len(self.acknowledged) == 50:
                    self.warm.set()
        except (Closed, OSError):
            answered = {answer["content"] for answer in self.acknowledged}
            self.unanswered = [name for name in self.sent if name not in answered]
