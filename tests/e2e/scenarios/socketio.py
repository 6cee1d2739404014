"""Socket.IO's own clients, of every generation, in three languages, over polling, WebSocket and the upgrade between them."""

import itertools
import re
import time
import types
from unittest.mock import ANY

from client import Closed, Unexpected, brief
from needs import Skipped
from runner import scenario
from sio import KINDS, TRANSPORTS, Sio, Wire, driver

NICK = {"en": "humble squid", "ko": "겸손한 꼴뚜기", "ja": "謙虚なるい"}
AVATAR = {
    "profile_img": "https://pictures.example/77975cfec23541f689e4.png",
    "profile_thumb": "https://pictures.example/thumb_77975cfec23541f689e4.jpg",
}
PROFILE = {"nick": NICK, "avatar": AVATAR, "region": "KR", "language": "ko", "gender": "M"}
TEXTS = [
    "호옹", "謙虚なるいか、こんにちは", "😀 👩‍👩‍👧 𝄞 é", 'a "quoted" \\ line\n\tand </b>', "ÿþ Ã©",
    "가" * 900,
]
user_ids = itertools.count(20_001)


class Member:
    """A user as a back end provides it: a profile that everybody sees, and a token that is its own."""

    def __init__(self, server):
        self.user_id = next(user_ids)
        self.handle = f"squid-{self.user_id}"
        user = {"user_id": self.user_id, "handle": self.handle, "nickname": f"꼴뚜기 {self.user_id}", **PROFILE}
        _, made = server.call("POST", "/api/v1/users", user, want=201)
        self.public_token = made["public_token"]
        _, made = server.call("POST", f"/api/v1/users/{self.user_id}/tokens", {}, want=201)
        self.token = made["token"]
        assert re.fullmatch("[0-9a-f]{48}", self.token) and self.token != self.public_token, made


class Place:
    """A room with members, and one of them on TCP."""

    def __init__(self, server, *members):
        self.members = members
        self.peer_id = next(user_ids)
        self.peer = server.client(self.peer_id, "봉수")
        body = {"kind": "group", "visibility": "open", "members": [self.peer_id, *(it.user_id for it in members)]}
        _, room = server.call("POST", "/api/v1/rooms", body, want=201)
        self.number, self.token = room["room_id"], room["token"]
        self.to = {"type": "ROOM", "token": self.token}

    def says(self, content):
        return self.peer.post(self.number, content)

    def hears(self, content):
        return self.peer.expect("NEW_MESSAGE", content=content)


def with_every_client(function):
    """One scenario for each kind of client, over all transports."""
    for kind in KINDS:

        def over_all_transports(server, kind=kind):
            for transport in TRANSPORTS:
                try:
                    function(server, kind, transport)
                except (AssertionError, Closed) as error:
                    raise Unexpected(f"{kind} over {transport}: {error}") from error

        over_all_transports.__name__ = f"{function.__name__}__{kind}"
        over_all_transports.__module__ = function.__module__
        scenario()(over_all_transports)


def all_that_can_be_had():
    """Every kind that this machine has, over every transport; what it has not is skipped loudly elsewhere."""
    for kind in KINDS:
        try:
            driver(kind)
        except Skipped:
            continue
        yield from ((kind, transport) for transport in TRANSPORTS)


def invalid_member_token(error):
    assert error["code"] == "INVALID_PARAM" and error["message"] == "invalid member_token", error


@with_every_client
def goes_through_the_reference(server, kind, transport):
    member = Member(server)
    place = Place(server, member)
    with Sio(kind, transport, server.http) as client:
        client.connected()
        client.refused("message", {"to": place.to, "type": "TEXT", "content": "x"}, code="NOT_AUTHENTICATED")
        client.emit("postinit_req", {"token": "f" * 48})
        invalid_member_token(client.expect("server_error"))
        client.emit("postinit_req", {"token": member.public_token})
        invalid_member_token(client.expect("server_error"))
        signed_in = client.sign_in(member.token)
        user = {"token": member.public_token, "user_id": ANY, "handle": member.handle, "nickname": ANY, **PROFILE}
        assert signed_in["user"] == user, signed_in
        room, = signed_in["rooms"]
        assert room["token"] == place.token and room["seq"] == 0, signed_in

        client.on_its_transport()
        for seq, text in enumerate(TEXTS, 1):
            from_client(client, place, member, text, 2 * seq - 1)
            place.says(text)
            frame = client.frame("message", content=text)
            assert frame["data"]["seq"] == 2 * seq and frame["data"]["from"]["nick"] == {
                "en": "봉수", "ko": "봉수", "ja": "봉수"
            }, frame
        refusals(client, place)
        with_bytes(client, place)
        assert not client.kept("message") and not client.kept("server_error"), client.latest()
    place.peer.close()


def from_client(client, place, member, text, seq):
    """What a client says is acknowledged to it, heard by itself in the reference's shape, and by others."""
    before = time.time()
    answer = client.ask("message", {"to": place.to, "type": "TEXT", "content": text})
    frame = client.frame("message", content=text)
    message = frame["data"]
    assert message == {
        "message_id": answer["message_id"], "type": "TEXT", "from": {"token": member.public_token, **PROFILE},
        "to": place.to, "content": text, "sent_time": ANY, "seq": seq,
    }, message
    assert answer == {"message_id": ANY, "seq": seq}, answer
    assert re.fullmatch("[0-9a-f]{32}", message["message_id"]), message
    assert abs(message["sent_time"] / 1_000 - before) < 60 and isinstance(message["sent_time"], int), message
    assert len(frame["args"]) == 1, frame
    got = place.hears(text)
    assert got["seq"] == seq and got["sender"]["user_id"] == member.user_id, got


def refusals(client, place):
    """With an ack they are its argument, else an event; the session lives."""
    client.refused("message", {"to": place.to, "type": "TEXT"}, code="INVALID_PARAM")
    client.refused("message", {"to": {"type": "ROOM", "token": "0" * 48}, "content": "x"}, code="ROOM_NOT_FOUND")
    client.refused("message", "words", code="INVALID_PARAM")
    client.refused("message", code="INVALID_PARAM")
    client.refused("message", {"to": place.to, "type": "SONG", "content": "x"}, code="INVALID_PARAM")
    client.refused("fly.away", {}, code="INVALID_ACTION")
    client.emit("message", {"to": place.to, "content": 7, "id": "mine"})
    error = client.expect("server_error", code="INVALID_PARAM")
    assert error["ref"] == "mine" and error["message"], error


def with_bytes(client, place):
    error = client.attach("message", {"to": place.to, "type": "FILE", "content": "bytes"}, size=300)
    assert error["code"] == "INVALID_PARAM", error
    error = client.attach("game.move", {"room": place.number}, size=1)
    assert error["code"] == "INVALID_PARAM", error
    answer = client.ask("message", {"to": place.to, "type": "IMAGE", "content": "still well"})
    assert client.expect("message", content="still well")["type"] == "IMAGE"
    assert place.hears("still well")["seq"] == answer["seq"]


@with_every_client
def signs_in_in_every_way(server, kind, transport):
    token, recent = server.token(next(user_ids)), KINDS[kind].engine == 4
    ways = [
        {"query": f"token={token}"},
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"query": f"token={token}", "namespace": "/chat"},
        {"headers": {"Authorization": f"Bearer {token}"}, "namespace": "/chat"},
    ]
    if recent:
        ways += [{"auth": {"token": token}}, {"auth": {"token": token}, "namespace": "/chat"}]
    if kind == "js_2_5":
        ways += [{"namespace": f"/chat?token={token}"}, {"namespace": f"/chat?x=1&token={token}"}]
    for way in ways:
        with Sio(kind, transport, server.http, **way) as client:
            client.connected()
            assert client.is_in()["success"] is True, way
    with Sio(kind, transport, server.http, namespace="/chat?x=1" if kind == "js_2_5" else "/chat") as client:
        client.connected()
        client.sign_in(token)
        client.refused("fly.away", {}, code="INVALID_ACTION")
    wrong = [{"query": "token=nonsense"}, {"headers": {"Authorization": "Bearer nonsense"}}]
    wrong += [{"auth": {"token": "nonsense"}}, {"auth": {"token": "f" * 48}, "namespace": "/chat"}] if recent else []
    for way in wrong:
        with Sio(kind, transport, server.http, **way) as client:
            told = client.expect("(refused)", refusal=True)
            assert told["message"], (way, told)
            if recent:
                assert told["data"]["code"] == "INVALID_TOKEN", (way, told)
            assert not client.kept("postinit_res"), client.latest()
    with Sio(kind, transport, server.http, namespace="/nowhere") as client:
        assert client.expect("(refused)", refusal=True)["message"] == "Invalid namespace"


@with_every_client
def speaks_types_as_events(server, kind, transport):
    user, room = next(user_ids), f"sio-{kind}-{transport}".replace("_", "-")
    place = Place(server)
    place.number = server.room(name=room, members=[place.peer_id])
    recent = KINDS[kind].engine == 4
    auth = {"token": server.token(user, "마디"), "protocol": "type"} if recent else None
    with Sio(kind, transport, server.http, auth=auth) as client:
        client.connected()
        if recent:
            assert client.expect("auth.ok")["user_id"] == str(user)
        else:
            client.sign_in(server.token(user, "마디"))
        joined = client.ask("room.join", {"room": room})
        assert joined["room"] == room and joined["participants_count"] == 2, joined
        place.peer.expect("USER_JOINED", user_id=user)
        client.on_its_transport()
        ack = client.ask("chat.message", {"room": room, "text": "안녕 types 😀"})
        assert ack["seq"] == 1 and re.fullmatch("[0-9a-f]{32}", ack["message_id"]), ack
        own = client.expect("chat.message", text="안녕 types 😀")
        assert own["user_id"] == str(user) and own["username"] == "마디" and own["seq"] == 1, own
        place.hears("안녕 types 😀")
        place.says("from TCP 日本")
        assert client.expect("chat.message", text="from TCP 日本")["user_id"] == str(place.peer_id)
        place.peer.request("TYPING", {"chatroom_id": place.number, "is_typing": True})
        assert client.expect("chat.typing")["is_typing"] is True
        client.emit("chat.typing", {"room": room})
        place.peer.expect("TYPING", user_id=user)
        client.emit("game.move", {"room": room, "말": [1, None, "😀"]})
        assert place.peer.expect("NEW_EVENT", type="game.move")["data"] == {"말": [1, None, "😀"]}
        event = {"chatroom_id": place.number, "type": "game.move", "data": {"x": "가"}}
        place.peer.request("SEND_EVENT", event)
        assert client.expect("game.move", x="가")["user_id"] == str(place.peer_id)
        error = client.refused("chat.message", {"room": room, "text": 7}, code="INVALID_PARAM")
        assert "ref_id" not in error, error
        client.emit("room.history", {"room": room, "id": "h-1"})
        page = client.expect("room.messages")
        assert page["ref_id"] == "h-1" and [it["seq"] for it in page["messages"]] == [1, 2], page
        client.emit("room.join", {"room": 7.5, "id": "j-1"})
        assert client.expect("server_error", code="INVALID_PARAM")["ref"] == "j-1"
        assert not client.kept("message"), "the other style"
    place.peer.close()


class Ears:
    """One client that keeps count of what it heard in a room, and says so when it signs in again."""

    def __init__(self, server, kind, transport, place, port=None, recovery=False):
        """With `recovery` it signs in where it connects, and never again."""
        self.token, self.place, self.seqs = server.token(place.next_member()), place, []
        auth = {"token": self.token, "recovery": True} if recovery else None
        self.client = Sio(kind, transport, port or server.http, auth=auth)

    def sign_in(self):
        resume = [{"room": self.place.number, "seq": self.seq, "epoch": self.epoch}] if self.seqs else []
        answer = self.client.sign_in(self.token, **({"resume": resume} if resume else {}))
        room, = answer["rooms"]
        self.epoch = room["epoch"]
        return room

    @property
    def seq(self):
        return self.seqs[-1]

    def hears_up_to(self, content):
        """Hears messages until this one; each must be the next one."""
        while True:
            try:
                message = self.client.expect("message", to=self.place.to)
            except Unexpected as error:
                raise Unexpected(f"{self.client} after {self.seqs[-3:]}: {error}") from None
            if self.seqs and message["seq"] != self.seq + 1:
                raise Unexpected(f"{self.client} heard {message['seq']} after {self.seq}")
            self.seqs.append(message["seq"])
            if message["content"] == content:
                return

    def close(self):
        self.client.__exit__()


class Hall(Place):
    """A room for one of every client."""

    def __init__(self, server, kinds):
        ids = [next(user_ids) for _ in kinds]
        for number in ids:
            server.user(number, f"listener-{number}", f"listener {number}")
        super().__init__(server, *(types.SimpleNamespace(user_id=number) for number in ids))
        self.next_member = iter(ids).__next__

    def listeners(self, server, kinds, port=None, recovery=False):
        """All of them, there and signed in."""
        ears = [Ears(server, kind, transport, self, port, recovery) for kind, transport in kinds]
        for one in ears:
            told = one.client.connected()
            assert told["recovered"] in (None, False), told
            one.client.is_in() if recovery else one.sign_in()
        return ears


SPEAKERS, EACH = 20, 100


@scenario()
def everybody_hears_two_thousand_quick_messages_in_order(server):
    kinds = list(all_that_can_be_had())
    hall = Hall(server, kinds)
    ears = hall.listeners(server, kinds)
    hall.says("first")
    speakers = [server.client(next(user_ids)) for _ in range(SPEAKERS)]
    for speaker in speakers:
        speaker.ask("JOIN_ROOM", {"chatroom_id": hall.number}, expect="JOIN_ROOM_SUCCESS")
    for n in range(EACH):
        for speaker in speakers:
            post = {"chatroom_id": hall.number, "content": f"빠른 {n}", "message_type": "text"}
            speaker.request("SEND_MESSAGE", post)
    for speaker in speakers:
        speaker.expect("NEW_MESSAGE", content=f"빠른 {EACH - 1}", sender={"user_id": speaker.user_id, "nickname": ANY})
    hall.says("last")
    for one in ears:
        one.hears_up_to("last")
        assert one.seqs == list(range(1, SPEAKERS * EACH + 3)), one.client
        one.close()
    for speaker in speakers:
        speaker.close()


@scenario(fresh=True, limits={"drain_ms": 500})
def everybody_comes_back_by_itself_after_a_restart(server):
    kinds = list(all_that_can_be_had())
    hall = Hall(server, kinds)
    ears = hall.listeners(server, kinds)
    hall.says("before")
    for one in ears:
        one.hears_up_to("before")
        one.client.on_its_transport()
    for way in ("crash", "stop"):
        if way == "crash":
            server.kill()
        else:
            server.terminate()
            assert server.wait()[0] == 0, server.log_tail()
        server.start(same_ports=True)
        hall.peer.close()
        hall.peer = server.client(hall.peer_id, "봉수")
        for n in range(5):
            hall.says(f"missed {way} {n}")
        for one in ears:
            one.client.connected()
            room = one.sign_in()
            assert room["recovered"] is True, (str(one.client), way, room)
        hall.says(f"after the {way}")
        for one in ears:
            one.hears_up_to(f"after the {way}")
    for one in ears:
        assert one.seqs == list(range(1, len(one.seqs) + 1)) and len(one.seqs) == 13, (str(one.client), one.seqs)
        assert not one.client.kept("message"), one.client
        told = {(it["code"], it["reconnect"]) for it in one.client.kept("server_error")}
        assert told <= {("SHUTTING_DOWN", "later")}, told
        one.close()


@scenario(fresh=True, limits={"drain_ms": 500})
def what_the_latest_client_missed_is_recovered_without_asking(server):
    kinds = [("js_4_8", transport) for transport in TRANSPORTS]
    driver("js_4_8")
    with Wire(server.http) as wire:
        hall = Hall(server, kinds)
        ears = hall.listeners(server, kinds, wire.port, recovery=True)
        hall.says("before")
        for one in ears:
            one.hears_up_to("before")
        for way in ("a cut", "a stop", "another cut"):
            if way != "a stop":
                wire.cut()
            else:
                server.terminate()
                assert server.wait()[0] == 0, server.log_tail()
                wire.cut()
                server.start(same_ports=True)
                hall.peer.close()
                hall.peer = server.client(hall.peer_id, "봉수")
            for n in range(3):
                hall.says(f"missed {way} {n}")
            for one in ears:
                # Who polls has no connection at times, and would not notice a cut that was mended meanwhile.
                one.client.disconnected()
            wire.mend()
            for one in ears:
                again = one.client.connected()
                assert again["recovered"] is True, (str(one.client), way, again)
            hall.says(f"after {way}")
            for one in ears:
                one.hears_up_to(f"after {way}")
        for one in ears:
            assert one.seqs == list(range(1, len(one.seqs) + 1)), (str(one.client), one.seqs)
            one.close()


@scenario()
def a_cut_connection_comes_back_and_resumes(server):
    kinds = list(all_that_can_be_had())
    with Wire(server.http) as wire:
        hall = Hall(server, kinds)
        ears = hall.listeners(server, kinds, wire.port)
        hall.says("before")
        for one in ears:
            one.hears_up_to("before")
        wire.cut()
        hall.says("missed 1")
        hall.says(f"missed 2 {brief(NICK)}")
        for one in ears:
            # Who polls has no connection at times, and would not notice a cut that was mended meanwhile.
            one.client.disconnected()
        wire.mend()
        for one in ears:
            one.client.connected()
            assert one.sign_in()["recovered"] is True, one.client
        hall.says("after")
        for one in ears:
            one.hears_up_to("after")
            assert one.seqs == [1, 2, 3, 4], (str(one.client), one.seqs)
            one.close()
