"""One room, several protocols: whatever anybody says in one of them is heard in every other with equal meaning.

`PROTOCOLS` are the columns, `ROWS` the events. A protocol brings its words for what one can ask, and one function that
says what an event means; the next one adds its column here and needs no row of its own.
"""

import copy
import itertools
from unittest.mock import ANY

from client import Unexpected, brief
from runner import scenario
from server import Server

TEXT = '여러 "줄"의\n\t글 \\ 😀 é 𝄞 👩‍👩‍👧 </b> ' + "가" * 500
METADATA = {"폭": 640, "of": [1, 2.5, -0.0, None, True, {"깊이": "{}[]\\\""}], "big": 9007199254740993, "": ""}
PAYLOAD = {"x": 10, "말": "😀", "of": [{"a": [1.5, None]}, "\u0000\n"], "type": "chat.message", "data": {"room": 1}}
MEDIA = {"audio_enabled": True, "video_enabled": False, "screen_sharing": True}
CANDIDATE = {"candidate": "candidate:1 1 UDP 2130706431 192.168.1.2 54400 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


def described(kind, who):
    return {"type": kind, "sdp": f"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=- {who} 한\r\n"}


class Names:
    """Who and what everything is called: by number on one wire, by name on the other."""

    def __init__(self):
        self.rooms, self.people = {}, {}
        # As the reference's chat knows them: by tokens.
        self.room_tokens, self.by_token = {}, {}

    def room_id(self, name):
        return next(number for number, known in self.rooms.items() if known == name)

    def user_id(self, handle):
        return next(number for number, (known, _) in self.people.items() if known == handle)

    def nickname(self, handle):
        return next(nickname for known, nickname in self.people.values() if known == handle)


# What one can ask, and what it is called. Fields that are not listed have the same name everywhere.

ACTION_VERBS = {
    "join": "JOIN_ROOM", "leave": "LEAVE_ROOM", "post": "SEND_MESSAGE", "typing": "TYPING", "read": "MARK_READ",
    "emit": "SEND_EVENT", "history": "GET_MESSAGES", "block": "BLOCK_USER", "unblock": "UNBLOCK_USER",
    "create a call": "CREATE_VIDEO_ROOM", "join a call": "JOIN_VIDEO_ROOM", "leave a call": "LEAVE_VIDEO_ROOM",
    "end a call": "END_VIDEO_ROOM", "media": "MEDIA_STATUS_CHANGE", "offer": "SDP_OFFER", "answer": "SDP_ANSWER",
    "candidate": "ICE_CANDIDATE", "fly": "FLY",
}
TYPE_VERBS = {
    "join": "room.join", "leave": "room.leave", "post": "chat.message", "typing": "chat.typing", "read": "chat.read",
    "history": "room.history", "block": "user.block", "unblock": "user.unblock", "create a call": "call.create",
    "join a call": "call.join", "leave a call": "call.leave", "end a call": "call.end", "media": "call.media",
    "offer": "call.offer", "answer": "call.answer", "candidate": "call.candidate", "fly": "fly.away",
}
CALL_FIELDS = {"call": "video_room_id", "name": "video_room_name", "media": "media_status", "to": "target_user_id"}
ACTION_FIELDS = {"room": "chatroom_id", "user": "user_id", "text": "content", "kind": "message_type", **CALL_FIELDS}
TYPE_FIELDS = {"user": "user_id", "kind": "message_type", **CALL_FIELDS}


def action_words(verb, fields, names):
    """A request of the action protocol."""
    if verb == "emit":
        fields = {**fields, "type": fields["kind"], "data": fields["payload"]}
        del fields["kind"], fields["payload"]
    said = {ACTION_FIELDS.get(name, name): value for name, value in fields.items()}
    if "chatroom_id" in said:
        said["chatroom_id"] = names.room_id(said["chatroom_id"])
    for field in ("user_id", "target_user_id"):
        if field in said:
            said[field] = names.user_id(said[field])
    if verb == "post":
        said.setdefault("message_type", "text")
    return ACTION_VERBS[verb], said


def type_words(verb, fields, names):
    """A request of the type protocol."""
    if verb == "emit":
        fields = dict(fields)
        kind, payload = fields.pop("kind"), fields.pop("payload")
        return kind, {**payload, **fields}
    return TYPE_VERBS[verb], {TYPE_FIELDS.get(name, name): value for name, value in fields.items()}


# What an event means.

ACTION_EVENTS = {
    "NEW_MESSAGE": "message", "TYPING": "typing", "MESSAGE_READ": "read", "USER_JOINED": "joined", "USER_LEFT": "left",
    "USER_STATUS_CHANGED": "status", "NEW_EVENT": "application", "VIDEO_ROOM_CREATED": "call created",
    "VIDEO_PARTICIPANT_JOINED": "call joined", "VIDEO_PARTICIPANT_LEFT": "call left",
    "VIDEO_HOST_CHANGED": "call host changed", "VIDEO_ROOM_ENDED": "call ended",
    "PARTICIPANT_MEDIA_CHANGED": "call media changed", "SDP_OFFER": "offer", "SDP_ANSWER": "answer",
    "ICE_CANDIDATE": "candidate", "SERVER_ANNOUNCEMENT": "announcement", "BATCH_MESSAGES": "page", "ERROR": "error",
    "JOIN_VIDEO_ROOM_SUCCESS": "in the call",
}
TYPE_EVENTS = {
    "chat.message": "message", "chat.ack": "message", "chat.typing": "typing", "chat.read": "read",
    "user.joined": "joined", "user.left": "left", "user.status": "status", "call.created": "call created",
    "call.participant_joined": "call joined", "call.participant_left": "call left",
    "call.host_changed": "call host changed", "call.ended": "call ended", "call.media_changed": "call media changed",
    "call.offer": "offer", "call.answer": "answer", "call.candidate": "candidate",
    "system.announcement": "announcement", "room.messages": "page", "error": "error", "call.joined": "in the call",
}
MEANING = {
    "user_id": "user", "from_user_id": "user", "host_user_id": "host", "nickname": "username",
    "message_type": "kind", "participants_count": "count", "video_room_id": "call", "video_room_name": "name",
    "media_status": "media",
}
ACTION_MEANING = {**MEANING, "chatroom_id": "room", "content": "text", "created_at": "ts"}
CODES = {"invalid_action": "unknown_type"}


def action_meaning(frame, names):
    """What a frame of the action protocol means; None for what is no event."""
    event, data = ACTION_EVENTS.get(frame["action"]), dict(frame["data"])
    if event is None:
        return None
    if event == "error":
        code = data["error_code"].lower()
        return {"event": event, "code": CODES.get(code, code)}
    if event == "application":
        data["payload"], data["kind"] = data.pop("data"), data.pop("type")
    data |= data.pop("sender", {})
    if event == "page":
        messages = [{"action": "NEW_MESSAGE", "data": message} for message in data["messages"]]
        data["messages"] = [action_meaning(message, names) for message in messages]
    if event == "in the call":
        data.pop("ice_servers")
        data["participants"] = [meant(one, ACTION_MEANING, names) for one in data["participants"]]
    means = {"event": event, **meant(data, ACTION_MEANING, names)}
    means.pop("client_message_id", None)  # The sender's own business.
    if event == "typing":
        means["username"] = names.nickname(means["user"])  # Which this protocol does not say.
    return means


def type_meaning(frame, names):
    """What a message of the type protocol means; None for what is no event."""
    kind = frame["type"]
    event = "application" if kind.startswith(("game.", "app.")) else TYPE_EVENTS.get(kind)
    if event is None:
        return None
    if event == "error":
        return {"event": event, "code": frame["code"]}
    data = dict(frame["data"])
    if event == "application":
        own = {name: data.pop(name) for name in ("room", "user_id", "key") if name in data}
        means = {"event": event, "kind": kind, "payload": data, **meant(own, MEANING, names)}
        means["username"] = names.nickname(means["user"])  # Which this protocol does not say.
        return means
    if "chatroom_id" in data:
        assert names.rooms[data.pop("chatroom_id")] == data["room"], frame
    if event == "page":
        messages = [{"type": "chat.message", "data": message} for message in data["messages"]]
        data["messages"] = [type_meaning(message, names) for message in messages]
    if event == "in the call":
        data.pop("ice_servers")
        data["participants"] = [meant(one, MEANING, names) for one in data["participants"]]
    means = {"event": event, **meant(data, MEANING, names)}
    means.pop("client_message_id", None)
    return means


def meant(data, meaning, names):
    """Fields under the names that they have here; rooms by their names, users by their handles."""
    means = {meaning.get(name, name): value for name, value in data.items()}
    if isinstance(means.get("room"), int):
        means["room"] = names.rooms[means["room"]]
    for who in ("user", "host"):
        if isinstance(means.get(who), int):
            means[who] = names.people[means[who]][0]
    return means


# Only Socket.IO's own words for what is wrong.
SOCKETIO_CODES = {"invalid_param": "invalid_data", "invalid_action": "unknown_type"}


def socketio_meaning(frame, names):
    """What an event of Socket.IO means that is named as the type protocol has it."""
    if frame["type"] == "error":
        code = frame["code"].lower()
        return {"event": "error", "code": SOCKETIO_CODES.get(code, code)}
    return type_meaning(frame, names)


def chat_words(verb, fields, names):
    """A request of the reference's chat, which has one."""
    assert verb == "post" and not fields.keys() - {"room", "text", "kind", "client_message_id"}, (verb, fields)
    said = {"to": {"type": "ROOM", "token": names.room_tokens[fields["room"]]}, "content": fields["text"]}
    said |= {"type": fields["kind"].upper()} if "kind" in fields else {}
    return "message", said | {name: fields[name] for name in ("client_message_id",) if name in fields}


def chat_meaning(frame, names):
    """What the reference's chat says of a message; of what else happens it says nothing."""
    if frame["type"] == "(ack)":
        said, = frame["data"]["said"]
        return {"event": "error", "code": said["code"]} if "code" in said else {"event": "accepted", **said}
    if frame["type"] != "message":
        return None
    message = frame["data"]
    handle, nickname = names.people[names.by_token[message["from"]["token"]]]
    assert set(message["from"]["nick"].values()) == {nickname}, message
    room, = (name for name, token in names.room_tokens.items() if message["to"] == {"type": "ROOM", "token": token})
    return {
        "event": "message", "room": room, "user": handle, "username": nickname, "text": message["content"],
        "kind": message["type"].lower(), "profile_img": message["from"]["avatar"]["profile_img"],
        "ts": message["sent_time"], "seq": message["seq"], "message_id": message["message_id"],
    }


class Protocol:
    """A column: how to connect, how to ask, what is meant."""

    def __init__(self, name, connect, words, normalise, resume):
        self.name, self.connect, self.words, self.normalise, self.resume = name, connect, words, normalise, resume


def action_resume(room, seq, epoch, names):
    return {"chatroom_id": names.room_id(room), "seq": seq, "epoch": epoch}


def type_resume(room, seq, epoch, names):
    return {"room": room, "seq": seq, "epoch": epoch}


PROTOCOLS = [
    Protocol("tcp-action", Server.client, action_words, action_meaning, action_resume),
    Protocol("ws-action", Server.action_ws_client, action_words, action_meaning, action_resume),
    Protocol("ws-type", Server.type_client, type_words, type_meaning, type_resume),
    Protocol("socketio", Server.socketio_client, type_words, socketio_meaning, type_resume),
    Protocol("socketio-polling", Server.socketio_polling_client, type_words, socketio_meaning, type_resume),
]
# No column, for it has a word for messages and for nothing else.
CHAT = Protocol("socketio-chat", Server.socketio_chat, chat_words, chat_meaning, type_resume)


class Party:
    """A user, in one protocol."""

    def __init__(self, stage, protocol, user_id, role):
        self.stage, self.protocol, self.user_id, self.client = stage, protocol, user_id, None
        self.handle, self.nickname = f"{role}-{protocol.name}-{user_id}", f"{role} 봉수 {user_id}"
        stage.names.people[user_id] = (self.handle, self.nickname)
        profile = {"profile_img": f"https://pictures.example/{user_id}.png"}
        made = stage.server.user(user_id, self.handle, self.nickname, avatar=profile)
        stage.names.by_token[made["public_token"]] = user_id

    def in_another(self, protocol):
        """The same user once more, in that protocol."""
        other = copy.copy(self)
        other.protocol = protocol
        other.connect()
        return other

    def connect(self, **options):
        self.client = self.protocol.connect(self.stage.server, self.user_id, self.nickname, **options)

    def tell(self, verb, **fields):
        self.client.request(*self.protocol.words(verb, fields, self.stage.names))

    def ask(self, verb, **fields):
        """The answer's meaning, if it has one: an error is one."""
        kind, data = self.protocol.words(verb, fields, self.stage.names)
        reference = self.client.request(kind, data)

        def answers(frame):
            ours = (frame.get("seq_id"), frame.get("ref_id"), (frame.get("data") or {}).get("original_seq_id"))
            return reference in ours

        answer = self.client.take(answers, f"an answer to {kind}")
        return self.protocol.normalise(answer, self.stage.names)

    def done(self, verb, **fields):
        """The answer's meaning, which must not be an error."""
        answer = self.ask(verb, **fields)
        assert not answer or answer["event"] != "error", (self.protocol.name, verb, answer)
        return answer

    def hears(self, want):
        """Takes the event that means this."""
        same = []

        def match(frame):
            means = self.protocol.normalise(frame, self.stage.names)
            if means and means["event"] == want["event"]:
                same.append(means)
            return means == want

        try:
            self.client.take(match, want["event"])
        except Unexpected:
            shown = "\n  ".join(map(brief, same)) or "nothing of the kind"
            raise Unexpected(f"{self.protocol.name} wants\n  {want}\nand heard\n  {shown}") from None

    def rest(self, *events):
        """Events of these kinds that nobody has taken."""
        kept = [self.protocol.normalise(frame, self.stage.names) for frame in self.client.inbox]
        return [means for means in kept if means and means["event"] in events]


class Stage:
    """A room with a sender in one protocol and a receiver in each."""

    user_ids = itertools.count(7_001)

    def __init__(self, server, protocol):
        self.server, self.names = server, Names()
        self.sender = Party(self, protocol, next(self.user_ids), "sender")
        self.receivers = [Party(self, each, next(self.user_ids), "receiver") for each in PROTOCOLS]
        self.guest = Party(self, protocol, next(self.user_ids), "guest")
        self.room = f"matrix-{self.sender.user_id}"
        members = [party.user_id for party in (self.sender, *self.receivers)]
        self.names.rooms[server.room(name=self.room, members=members)] = self.room
        self.sender.connect()
        self.first = self.sender.done("post", room=self.room, text="first")["message_id"]
        for party in (*self.receivers, self.guest):
            party.connect()
        self.call = None

    def by(self, party, **fields):
        return {"user": party.handle, "username": party.nickname, **fields}

    def message(self, **fields):
        picture = f"https://pictures.example/{self.sender.user_id}.png"
        usual = {"room": self.room, "seq": ANY, "message_id": ANY, "ts": ANY, "kind": "text", "profile_img": picture}
        return {"event": "message", **usual, **self.by(self.sender), **fields}

    def create_call(self):
        answer = self.sender.done("create a call", room=self.room, name="영상 😀", max_participants=7)
        self.call = answer["call"]

    def all_join_the_call(self):
        """Who made the call is in it from the start; then come the receivers, and last the guest."""
        there = [self.by(self.sender, media={"audio_enabled": False, "video_enabled": False})]
        for party in (*self.receivers, self.guest):
            answer = party.done("join a call", call=self.call, media=MEDIA)
            assert answer["participants"] == there, (party.protocol.name, answer, there)
            there.append(self.by(party, media=MEDIA))

    def close(self):
        for party in (self.sender, self.guest, *self.receivers):
            party.client.close()


class Row:
    """An event: what the sender does, and what everybody else is to understand. `to`: it goes to one receiver only."""

    def __init__(self, name, does, want, to=False):
        self.name, self.does, self.want, self.to = name, does, want, to

    def run(self, stage):
        if not self.to:
            self.does(stage)
        for receiver in stage.receivers:
            if self.to:
                self.does(stage, receiver)
            try:
                receiver.hears(self.want(stage))
            except (Unexpected, AssertionError) as error:
                raise Unexpected(f"{self.name}, {stage.sender.protocol.name}: {error}") from None


def signal(verb, value):
    """A row for what is relayed to one participant."""
    field = "candidate" if verb == "candidate" else "sdp"
    return Row(
        f"call {verb}",
        lambda s, to: s.sender.tell(verb, call=s.call, to=to.handle, **{field: value}),
        lambda s: {"event": verb, "call": s.call, "user": s.sender.handle, field: value},
        to=True,
    )


def call_created(s):
    return {
        "event": "call created", "call": s.call, "room": s.room, "name": "영상 😀", "host": s.sender.handle,
        "max_participants": 7,
    }


def announce(s):
    s.server.call("POST", "/api/v1/announcements", ANNOUNCEMENT, want=202)


ANNOUNCEMENT = {"title": "점검 \"안내\"", "message": "오전 2시\n부터 😀", "type": "maintenance", "priority": "high"}

ROWS = [
    Row("a message", lambda s: s.sender.done("post", room=s.room, text="hi"), lambda s: s.message(text="hi")),
    Row(
        "a message with every field",
        lambda s: s.sender.done(
            "post", room=s.room, text=TEXT, kind="image", metadata=METADATA, reply_to=s.first, client_message_id="m-1"
        ),
        lambda s: s.message(text=TEXT, kind="image", metadata=METADATA, reply_to=s.first),
    ),
    Row(
        "typing",
        lambda s: s.sender.tell("typing", room=s.room, is_typing=True),
        lambda s: {"event": "typing", "room": s.room, **s.by(s.sender), "is_typing": True},
    ),
    Row(
        "typing no more",
        lambda s: s.sender.tell("typing", room=s.room, is_typing=False),
        lambda s: {"event": "typing", "room": s.room, **s.by(s.sender), "is_typing": False},
    ),
    Row(
        "a read mark",
        lambda s: s.sender.done("read", room=s.room, seq=2),
        lambda s: {"event": "read", "room": s.room, "user": s.sender.handle, "seq": 2},
    ),
    Row(
        "an application's event",
        lambda s: s.sender.tell("emit", room=s.room, kind="game.move", payload=PAYLOAD),
        lambda s: {
            "event": "application", "kind": "game.move", "room": s.room, **s.by(s.sender), "payload": PAYLOAD
        },
    ),
    Row(
        "an application's event with a key",
        lambda s: s.sender.tell("emit", room=s.room, kind="app.cursor_1.at-x", key="마우스", payload={}),
        lambda s: {
            "event": "application", "kind": "app.cursor_1.at-x", "room": s.room, **s.by(s.sender), "key": "마우스",
            "payload": {},
        },
    ),
    Row(
        "a join",
        lambda s: s.guest.done("join", room=s.room),
        lambda s: {"event": "joined", "room": s.room, **s.by(s.guest), "count": len(s.receivers) + 2},
    ),
    Row(
        "a user goes offline",
        lambda s: s.guest.client.close(),
        lambda s: {"event": "status", "user": s.guest.handle, "is_online": False, "last_seen": ANY},
    ),
    Row(
        "a user comes online",
        lambda s: s.guest.connect(),
        lambda s: {"event": "status", "user": s.guest.handle, "is_online": True, "last_seen": ANY},
    ),
    Row("a call is created", Stage.create_call, call_created),
    Row(
        "a participant joins",
        Stage.all_join_the_call,
        lambda s: {
            "event": "call joined", "call": s.call, **s.by(s.guest), "media": MEDIA, "count": len(s.receivers) + 2
        },
    ),
    Row(
        "a participant changes its media",
        lambda s: s.sender.done("media", call=s.call, media={"audio_enabled": False, "video_enabled": False}),
        lambda s: {
            "event": "call media changed", "call": s.call, **s.by(s.sender),
            "media": {"audio_enabled": False, "video_enabled": False},
        },
    ),
    signal("offer", described("offer", "봉수")),
    signal("answer", described("answer", "봉수")),
    signal("candidate", CANDIDATE),
    signal("candidate", None),
    Row(
        "the host ends the call",
        lambda s: s.sender.tell("end a call", call=s.call),
        lambda s: {"event": "call ended", "call": s.call, "room": s.room, "reason": "ended_by_host"},
    ),
    Row("another call is created", Stage.create_call, call_created),
    Row(
        "a participant leaves",
        lambda s: (s.all_join_the_call(), s.sender.done("leave a call", call=s.call)),
        lambda s: {
            "event": "call left", "call": s.call, **s.by(s.sender), "count": len(s.receivers) + 1, "reason": "left"
        },
    ),
    Row(
        "the host changes",
        lambda s: None,
        lambda s: {
            "event": "call host changed", "call": s.call, "host": s.receivers[0].handle,
            "username": s.receivers[0].nickname,
        },
    ),
    Row(
        "a leave",
        lambda s: s.guest.done("leave", room=s.room),
        lambda s: {"event": "left", "room": s.room, **s.by(s.guest), "count": len(s.receivers) + 1},
    ),
    Row("an announcement", announce, lambda s: {"event": "announcement", **ANNOUNCEMENT}),
]


@scenario(limits={"presence_grace_ms": 300})
def every_event_from_every_protocol_to_every_other(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        for row in ROWS:
            row.run(stage)
        stage.sender.done("post", room=stage.room, text="marker")
        for receiver in stage.receivers:
            receiver.hears(stage.message(text="marker"))
            twice = receiver.rest("message", "typing", "read", "application", "joined", "left", "call created")
            assert not twice, f"{protocol.name} to {receiver.protocol.name}: heard once more: {twice}"
        stage.close()


@scenario()
def a_message_of_and_to_the_chat_of_socketio(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        chat = Party(stage, CHAT, next(stage.user_ids), "chat")
        _, room = server.call("GET", f"/api/v1/rooms/{stage.room}", want=200)
        stage.names.room_tokens[stage.room] = room["token"]
        server.call("PUT", f"/api/v1/rooms/{stage.room}/members/{chat.user_id}", want=204)
        chat.connect()
        stage.sender.done("post", room=stage.room, text=TEXT, kind="image", metadata=METADATA, reply_to=stage.first)
        chat.hears(stage.message(text=TEXT, kind="image"))
        stage.sender.tell("typing", room=stage.room, is_typing=True)
        accepted = chat.done("post", room=stage.room, text=TEXT, kind="file")
        picture = f"https://pictures.example/{chat.user_id}.png"
        want = stage.message(text=TEXT, kind="file", **stage.by(chat, profile_img=picture))
        want |= {name: accepted[name] for name in ("seq", "message_id")}
        for party in (chat, *stage.receivers):
            party.hears(want)
        chat.client.close()
        stage.close()


@scenario()
def a_sender_hears_itself_in_every_protocol(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        others = [stage.sender.in_another(each) for each in PROTOCOLS]
        stage.sender.done("post", room=stage.room, text="to myself")
        stage.sender.tell("emit", room=stage.room, kind="game.move", payload={"x": 1})
        for mine in others:
            mine.hears(stage.message(text="to myself"))
            by = stage.by(stage.sender)
            mine.hears({"event": "application", "kind": "game.move", "room": stage.room, **by, "payload": {"x": 1}})
            mine.client.close()
        stage.close()


@scenario()
def a_page_of_history_is_the_same_in_every_protocol(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        texts = [f"m{n} 한 😀" for n in range(5)]
        for text in texts:
            stage.sender.done("post", room=stage.room, text=text, metadata=METADATA, reply_to=stage.first)
        want = [stage.message(text=text, metadata=METADATA, reply_to=stage.first) for text in texts]
        for asked in ({"after_seq": 1}, {"before_seq": 7, "limit": 5}, {"limit": 5}):
            pages = [receiver.done("history", room=stage.room, **asked) for receiver in stage.receivers]
            for receiver, page in zip(stage.receivers, pages):
                assert page["messages"] == want, (protocol.name, receiver.protocol.name, asked, page)
                assert page == pages[0], (protocol.name, receiver.protocol.name, asked, page, pages[0])
        stage.close()


@scenario()
def a_resume_replays_the_same_in_every_protocol(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        for receiver in stage.receivers:
            page = receiver.done("history", room=stage.room)
            receiver.seen = (page["messages"][-1]["seq"], page["epoch"])
            receiver.client.close()
        texts = [f"missed {n}" for n in range(3)]
        for text in texts:
            stage.sender.done("post", room=stage.room, text=text, metadata=METADATA)
        for receiver in stage.receivers:
            receiver.connect(resume=[receiver.protocol.resume(stage.room, *receiver.seen, stage.names)])
            standing, = receiver.client.rooms.values()
            assert standing["recovered"] is True, (receiver.protocol.name, standing)
            missed = []
            while len(missed) < len(texts):
                frame = receiver.client.take(lambda _: True, "what was missed")
                means = receiver.protocol.normalise(frame, stage.names)
                if means and means["event"] in ("page", "message"):
                    missed += means["messages"] if means["event"] == "page" else [means]
            want = [stage.message(text=text, metadata=METADATA) for text in texts]
            assert missed == want, (protocol.name, receiver.protocol.name, missed)
        stage.close()


@scenario()
def a_repeat_is_a_repeat_in_every_protocol(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        asked = {"room": stage.room, "text": "once", "client_message_id": "k-1"}
        first = stage.sender.done("post", **asked)
        for each in PROTOCOLS:
            again = stage.sender.in_another(each)
            answer = again.done("post", **asked)
            same = {name: answer[name] for name in ("room", "seq", "message_id", "ts")}
            assert same == {name: first[name] for name in same}, (protocol.name, each.name, answer, first)
            again.client.close()
        stage.sender.done("post", room=stage.room, text="marker")
        for receiver in stage.receivers:
            receiver.hears(stage.message(text="marker"))
            once = [means for means in receiver.rest("message") if means["text"] == "once"]
            assert once == [stage.message(text="once")], (protocol.name, receiver.protocol.name, once)
        stage.close()


# What everybody is refused, and why: the same in every protocol. Of rooms: `here` is the sender's, `closed` is one that
# exists and is none of its business, `absent` is none.
ERRORS = [
    ("fly", {}, "unknown_type"),
    ("join", {"room": "closed"}, "room_not_found"),
    ("post", {"room": "here"}, "invalid_data"),
    ("post", {"room": "here", "text": 7}, "invalid_data"),
    ("post", {"room": "here", "text": "x" * 4_097}, "message_too_large"),
    ("post", {"room": "here", "text": "x", "kind": "nonsense"}, "invalid_data"),
    ("post", {"room": "here", "text": "x", "metadata": []}, "invalid_data"),
    ("post", {"room": "here", "text": "x", "reply_to": "X" * 32}, "invalid_data"),
    ("post", {"room": "here", "text": "x", "client_message_id": "x" * 65}, "invalid_data"),
    ("post", {"room": "here", "text": "<script>alert(1)</script>"}, "message_rejected"),
    ("typing", {"room": "here", "is_typing": 1}, "invalid_data"),
    ("read", {"room": "here", "seq": -1}, "invalid_data"),
    ("history", {"room": "here", "limit": 0}, "invalid_data"),
    ("history", {"room": "here", "limit": 201}, "invalid_data"),
    ("history", {"room": "here", "after_seq": 1, "before_seq": 2}, "invalid_data"),
    ("emit", {"room": "here", "kind": "game.move", "payload": {"x": "y" * 8_192}}, "message_too_large"),
    ("emit", {"room": "here", "kind": "game.move", "key": "x" * 65, "payload": {}}, "invalid_data"),
    ("create a call", {"room": "here", "name": "x", "max_participants": 1}, "invalid_data"),
    ("join a call", {"call": 999_999, "media": MEDIA}, "video_room_not_found"),
    ("leave a call", {"call": 999_999}, "video_room_not_found"),
    ("end a call", {"call": 999_999}, "video_room_not_found"),
    ("media", {"call": 999_999, "media": MEDIA}, "video_room_not_found"),
    ("offer", {"call": 999_999, "to": "sender", "sdp": described("offer", "x")}, "video_room_not_found"),
    ("candidate", {"call": 999_999, "to": "sender", "candidate": None}, "video_room_not_found"),
]
# What one may ask of a room: who is no member learns nothing, not even whether there is one.
OF_ROOMS = [
    ("join", {}),
    ("leave", {}),
    ("post", {"text": "x"}),
    ("typing", {"is_typing": True}),
    ("read", {"seq": 1}),
    ("history", {}),
    ("emit", {"kind": "game.move", "payload": {}}),
    ("create a call", {"name": "x", "max_participants": 2}),
]


@scenario(config="[policy]\ncreate_rooms_by_name = false\n")
def errors_are_the_same_in_every_protocol(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        closed = f"closed-{protocol.name}"
        stage.names.rooms[server.room(name=closed, visibility="closed")] = closed
        stage.names.rooms[999_999_999] = absent = "absent"
        rooms = {"here": stage.room, "closed": closed, "absent": absent}
        for verb, fields, code in ERRORS:
            meant = {**fields, **({"room": rooms[fields["room"]]} if "room" in fields else {})}
            meant |= {"to": stage.sender.handle} if "to" in fields else {}
            answer = stage.sender.ask(verb, **meant)
            assert answer == {"event": "error", "code": code}, (protocol.name, verb, brief(fields), answer)
        for verb, fields in OF_ROOMS:
            for room in (closed, absent):
                answer = stage.sender.ask(verb, room=room, **fields)
                wanted = {"event": "error", "code": "room_not_found"}
                assert answer == wanted, (protocol.name, verb, room, answer)
        stage.sender.done("post", room=stage.room, text="the session is well")
        stage.close()


@scenario()
def blocks_hold_across_protocols(server):
    for protocol in PROTOCOLS:
        stage = Stage(server, protocol)
        for receiver in stage.receivers:
            receiver.done("block", user=stage.sender.handle)
        # The block is in force once it is answered; what the guest says is a marker behind what must not come.
        stage.guest.done("join", room=stage.room)
        stage.sender.done("post", room=stage.room, text="unheard")
        stage.sender.tell("typing", room=stage.room, is_typing=True)
        stage.sender.tell("emit", room=stage.room, kind="game.move", payload={})
        stage.sender.done("read", room=stage.room, seq=1)
        stage.guest.done("post", room=stage.room, text="heard")
        picture = f"https://pictures.example/{stage.guest.user_id}.png"
        for receiver in stage.receivers:
            receiver.hears(stage.message(text="heard", **stage.by(stage.guest, profile_img=picture)))
            heard = receiver.rest("message", "typing", "application")
            assert not heard, (protocol.name, receiver.protocol.name, heard)
            receiver.done("unblock", user=stage.sender.handle)
        stage.sender.done("post", room=stage.room, text="heard again")
        for receiver in stage.receivers:
            receiver.hears(stage.message(text="heard again"))
        stage.close()
