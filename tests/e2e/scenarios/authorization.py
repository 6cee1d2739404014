"""Who may do what, as a table: every request of a room, by every role, on rooms of every standing, in every protocol.

Nothing is allowed that the table does not allow, and what must not be revealed is answered as if it were not there.
"""

import itertools
from types import SimpleNamespace

from client import brief
from eio import Socketio
from runner import scenario
from scenarios.matrix import MEDIA, PROTOCOLS, Names, Party, Stage, described

ALLOWED, DENIED, UNKNOWN = None, "permission_denied", "room_not_found"
# One's own room; one that anybody may enter; one that one knows nothing of; none at all; one's own where others speak.
ROOMS = ("own", "open", "closed", "absent", "broadcast")
FIELDS = {
    "post": {"text": "x"},
    "typing": {"is_typing": True},
    "read": {"seq": 0},
    "history": {},
    "emit": {"kind": "game.move", "payload": {}},
    "create a call": {"name": "x", "max_participants": 2},
    "leave": {},
    "join": {},
}
TABLE = {
    #                 own      open     closed   absent   broadcast
    "post":          (ALLOWED, DENIED,  UNKNOWN, UNKNOWN, DENIED),
    "typing":        (ALLOWED, DENIED,  UNKNOWN, UNKNOWN, DENIED),
    "read":          (ALLOWED, DENIED,  UNKNOWN, UNKNOWN, ALLOWED),
    "history":       (ALLOWED, DENIED,  UNKNOWN, UNKNOWN, ALLOWED),
    "emit":          (ALLOWED, DENIED,  UNKNOWN, UNKNOWN, DENIED),
    "create a call": (ALLOWED, DENIED,  UNKNOWN, UNKNOWN, DENIED),
    "leave":         (ALLOWED, DENIED,  UNKNOWN, UNKNOWN, ALLOWED),
    "join":          (ALLOWED, ALLOWED, UNKNOWN, UNKNOWN, ALLOWED),
}
# Operators speak and read everywhere, and enter what is closed. They are no members for that.
OPERATORS = {
    "post":    (ALLOWED, ALLOWED, ALLOWED, UNKNOWN, ALLOWED),
    "history": (ALLOWED, ALLOWED, ALLOWED, UNKNOWN, ALLOWED),
    "join":    (ALLOWED, ALLOWED, ALLOWED, UNKNOWN, ALLOWED),
}
ROLES = {"user": TABLE, "service": {**TABLE, **OPERATORS}, "admin": {**TABLE, **OPERATORS}}


class Actor(Party):
    """A user that acts in a role, with a room of each standing."""

    user_ids = itertools.count(7_501)

    def __init__(self, server, protocol, role):
        super().__init__(SimpleNamespace(server=server, names=Names()), protocol, next(self.user_ids), role)
        self.rooms = {standing: f"{standing}-{self.user_id}" for standing in ROOMS}
        self.home = f"home-{self.user_id}"
        for standing, body in {
            "own": {"members": [self.user_id]},
            "open": {},
            "closed": {"visibility": "closed"},
            "broadcast": {"kind": "broadcast", "members": [self.user_id]},
        }.items():
            self.know(self.rooms[standing], server.room(name=self.rooms[standing], **body))
        self.know(self.home, server.room(name=self.home, members=[self.user_id]))
        self.know(self.rooms["absent"], 888_000_000 + self.user_id)
        self.client = protocol.connect(server)
        self.client.connect(server.token(self.user_id, self.nickname, role=role))

    def know(self, name, number):
        self.stage.names.rooms[number] = name

    def attempt(self, verb, **fields):
        """The code with which it is refused, if it is. Some requests have no answer: what is asked behind them has."""
        reference = self.client.request(*self.protocol.words(verb, fields, self.stage.names))
        self.done("history", room=self.home, limit=1)
        kept, self.client.inbox = self.client.inbox, []
        for frame in kept:
            ours = (frame.get("ref_id"), (frame.get("data") or {}).get("original_seq_id"))
            means = self.protocol.normalise(frame, self.stage.names)
            if reference in ours and means and means["event"] == "error":
                return means["code"]
        return None


@scenario(config="[policy]\ncreate_rooms_by_name = false\n")
def everybody_may_do_what_the_table_says_and_nothing_else(server):
    for protocol, (role, table) in itertools.product(PROTOCOLS, ROLES.items()):
        actor = Actor(server, protocol, role)
        for verb, expected in table.items():
            for standing, want in zip(ROOMS, expected):
                got = actor.attempt(verb, room=actor.rooms[standing], **FIELDS[verb])
                assert got == want, (protocol.name, role, verb, standing, got)
        actor.client.close()


@scenario(config="[policy]\ncreate_rooms_by_name = false\n")
def calls_of_others_are_as_good_as_none(server):
    for protocol in PROTOCOLS:
        host, stranger = Actor(server, protocol, "user"), Actor(server, protocol, "user")
        call = host.done("create a call", room=host.rooms["own"], name="x", max_participants=3)["call"]
        stranger.stage.names.people |= host.stage.names.people
        for verb, fields in (
            ("join a call", {"media": MEDIA}),
            ("leave a call", {}),
            ("end a call", {}),
            ("media", {"media": MEDIA}),
            ("offer", {"to": host.handle, "sdp": described("offer", "x")}),
            ("answer", {"to": host.handle, "sdp": described("answer", "x")}),
            ("candidate", {"to": host.handle, "candidate": None}),
        ):
            for of in (call, 999_999):
                got = stranger.attempt(verb, call=of, **fields)
                assert got == "video_room_not_found", (protocol.name, verb, of, got)
        assert host.attempt("end a call", call=call) is None
        assert not [f for f in host.client.inbox if "offer" in brief(f)], host.client.inbox
        host.client.close()
        stranger.client.close()


@scenario()
def devices_do_not_chat(server):
    for protocol in PROTOCOLS:
        client = protocol.connect(server)
        token = server.token("car-1234", role="device")
        if isinstance(client, Socketio):
            client.send("0")
            client.refused("auth", {"token": token}, "PERMISSION_DENIED")
            client.close()  # It might try again with another one.
            continue
        kind, field = ("auth", "token") if client.KIND == "type" else ("CONNECT", "jwt_token")
        client.request(kind, {field: token})
        first = client.until_closed()[0]
        code = first["code"] if client.KIND == "type" else first["data"]["error_code"].lower()
        assert code == "permission_denied", (protocol.name, first)


@scenario()
def nobody_speaks_in_anothers_name(server):
    """Every request that could claim to come from somebody, over every protocol."""
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        other = stage.receivers[0]
        if stage.sender.client.KIND == "type":
            code = "PERMISSION_DENIED" if isinstance(stage.sender.client, Socketio) else "permission_denied"
            for lie in (other.handle, other.user_id, "nobody"):
                stage.sender.client.refused("game.move", {"room": stage.room, "user_id": lie}, code)
            # Elsewhere it is no field of the request: it is not heeded.
            lie = {"user_id": other.handle, "username": other.nickname, "sender": {"user_id": other.handle}}
            stage.sender.client.ask("chat.message", {"room": stage.room, "text": "mine", **lie}, expect="chat.ack")
        else:
            asked = {"chatroom_id": stage.names.room_id(stage.room), "content": "x", "message_type": "text"}
            stage.sender.client.refused("SEND_MESSAGE", asked, "PERMISSION_DENIED", user_id=other.user_id)
            event = {"chatroom_id": asked["chatroom_id"], "type": "game.move", "data": {}}
            stage.sender.client.refused("SEND_EVENT", event, "PERMISSION_DENIED", user_id=other.user_id)
            lie = {"sender": {"user_id": other.user_id}, "sender_id": other.user_id}
            stage.sender.client.ask("SEND_MESSAGE", {**asked, "content": "mine", **lie}, expect="NEW_MESSAGE")
        for receiver in stage.receivers:
            receiver.hears(stage.message(text="mine"))
            assert not receiver.rest("message", "application"), receiver.client.inbox
        stage.close()
