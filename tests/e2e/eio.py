"""Engine.IO and Socket.IO by hand, written from their documents: over WebSocket, and over polling with the standard library.

`Line` is what packets of Engine.IO go over, one string each; `SocketioType` speaks the type protocol in events on a line,
and `SocketioChat` the chat of the reference.
"""

import http.client
import itertools
import json
import select
import time

from client import WAIT_S, Closed, Inbox, Unexpected, brief
from ws import Link, TypeWords

PATH = "/socket.io/"
BETWEEN = "\x1e"


def query(engine, transport, sid=None, more=""):
    return f"?EIO={engine}&transport={transport}" + (f"&sid={sid}" if sid else "") + more


def payload(engine, packets):
    """What a POST carries."""
    if engine == 4:
        return BETWEEN.join(packets).encode()
    return "".join(f"{len(packet.encode('utf-16-le')) // 2}:{packet}" for packet in packets).encode()


def packets_of(engine, body):
    """What the answer to a poll carries."""
    if engine == 4:
        return body.split(BETWEEN) if body else []
    packets, units = [], body.encode("utf-16-le")
    while units:
        head, _, rest = units.partition(":".encode("utf-16-le"))
        size = 2 * int(head.decode("utf-16-le"))
        if len(rest) < size:
            raise Unexpected(f"a record of {size // 2} with {len(rest) // 2} behind it")
        packets.append(rest[:size].decode("utf-16-le"))
        units = rest[size:]
    return packets


class Status(Exception):
    """An answer of HTTP that is not 200."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body!r}")
        self.status, self.body = status, body

    @property
    def code(self):
        """Engine.IO's own code of what is wrong."""
        return json.loads(self.body)["code"]


class WsLine(Link):
    """Engine.IO over WebSocket; with a `sid`, one that is to take over from polling."""

    def __init__(self, port, engine=4, sid=None, more="", **options):
        super().__init__(port, **{"path": PATH, "query": query(engine, "websocket", sid, more), **options})
        self.engine = engine

    def send(self, *packets):
        for packet in packets:
            self.send_text(packet)

    def packet(self, deadline):
        return self.message(deadline)


class PollLine:
    """Engine.IO over polling: one connection polls, another one posts."""

    def __init__(self, port, engine=4, headers=None, more=""):
        self.port, self.engine, self.more, self.headers = port, engine, more, headers or {}
        self.arrived, self.polling, self.sid = [], False, None
        self.ear = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self.mouth = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        first = self.packet(time.monotonic() + WAIT_S)
        if first is None or first[0] != "0":
            raise Unexpected(f"the handshake was answered with {first!r}")
        self.opening = json.loads(first[1:])
        self.sid = self.opening["sid"]
        self.arrived.insert(0, first)

    def target(self):
        return PATH + query(self.engine, "polling", self.sid, self.more)

    def ask(self):
        """Sends a poll, if none is on its way."""
        if not self.polling:
            self.ear.request("GET", self.target(), headers=self.headers)
            self.polling = True

    def packet(self, deadline):
        if not self.arrived:
            self.ask()
            if not select.select([self.ear.sock], [], [], max(0, deadline - time.monotonic()))[0]:
                return None
            self.hear()
        return self.arrived.pop(0)

    def hear(self):
        """Reads the answer to the poll that is on its way."""
        try:
            answer = self.ear.getresponse()
            body = answer.read().decode("utf-8", "strict")
        except (ConnectionError, http.client.HTTPException) as error:
            raise Closed(repr(error)) from error
        self.polling = False
        if answer.status != 200:
            raise Status(answer.status, body)
        packets = packets_of(self.engine, body)
        if not packets:
            raise Unexpected("a poll was answered with nothing")
        self.arrived += packets

    def post(self, body, kind="text/plain;charset=UTF-8", hearing=False):
        """Status and body of a POST of these bytes. `hearing`: it polls on meanwhile, as clients do."""
        self.mouth.request("POST", self.target(), body, {"Content-Type": kind, **self.headers})
        while hearing:
            self.ask()
            ready, _, _ = select.select([self.ear.sock, self.mouth.sock], [], [], WAIT_S)
            if self.ear.sock in ready:
                self.hear()
            hearing = bool(ready) and self.mouth.sock not in ready
        answer = self.mouth.getresponse()
        return answer.status, answer.read().decode()

    def send(self, *packets):
        status, body = self.post(payload(self.engine, packets), hearing=True)
        if status != 200:
            raise Status(status, body)
        if body != "ok":
            raise Unexpected(f"a POST was answered with {body!r}")

    def drop(self):
        """Ends it without a word: only that nobody polls any more tells the server."""
        self.ear.close()
        self.mouth.close()

    def close(self):
        """Ends it as clients do: with a packet that says so."""
        try:
            self.post(payload(self.engine, ["1"]))
        except (OSError, http.client.HTTPException):
            pass  # The server was quicker.
        self.drop()


class Socketio(Inbox):
    """Socket.IO in one namespace on a line; events are frames of their name."""

    KIND = "type"

    def __init__(self, line, namespace="/", auth=None, joins=True):
        super().__init__()
        self.line, self.namespace, self.ack_ids = line, namespace, itertools.count(1)
        self.opening = None
        if joins and (line.engine == 4 or namespace != "/"):
            self.send("0", None if auth is None else json.dumps(auth))

    def send(self, kind, text=None, ack=""):
        """One packet of Socket.IO."""
        at = "" if self.namespace == "/" else self.namespace + ","
        self.line.send(f"4{kind}{at}{ack}{text or ''}")

    def emit(self, event, *args, ack=""):
        self.send("2", json.dumps([event, *args], ensure_ascii=False), ack)

    def receive(self, deadline):
        while True:
            packet = self.line.packet(deadline)
            if packet is None:
                return None
            kind, rest = packet[0], packet[1:]
            if kind == "0":
                self.opening = json.loads(rest)
            elif kind == "1":
                raise Closed("a close packet")
            elif kind == "2":
                self.line.send("3" + rest)
            elif kind == "4":
                return self.understood(rest)
            elif kind not in "36":
                raise Unexpected(f"no packet of Engine.IO: {brief(packet)}")

    def understood(self, packet):
        kind, rest = packet[0], packet[1:]
        if rest.startswith("/"):
            at, _, rest = rest.partition(",")
        else:
            at = "/"
        if at.partition("?")[0] != self.namespace.partition("?")[0]:
            if packet == "0" and self.line.engine == 3:
                return {"type": "(connected to /)", "data": {}, "args": []}  # Which EIO3 does unasked.
            raise Unexpected(f"in {self.namespace}: {brief(packet)}")
        digits = len(rest) - len(rest.lstrip("0123456789"))
        ack, said = rest[:digits], json.loads(rest[digits:]) if rest[digits:] else None
        if kind == "2":
            return {"type": said[0], "data": said[1] if len(said) > 1 else {}, "args": said[1:]}
        name = {"0": "(connected)", "1": "(disconnected)", "3": "(ack)", "4": "(refused)"}[kind]
        return {"type": name, "data": {"ack": ack, "said": said}, "args": said}

    def ask(self, event, *args):
        """Emits with an ack, and gives the ack's only argument."""
        number = str(next(self.ack_ids))
        self.emit(event, *args, ack=number)
        answer, = self.expect("(ack)", ack=number)["said"]
        return answer

    def drop(self):
        self.line.drop()

    def close(self):
        self.line.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SocketioChat(Socketio):
    """As the reference has it, its requests with acks."""

    def __init__(self, line, **options):
        super().__init__(line, **options)
        self.rooms = {}

    def connect(self, token, **data):
        answer = self.sign_in(token, **data)
        self.rooms = {room["room_id"]: room for room in answer["rooms"]}
        return answer

    def sign_in(self, token, **more):
        self.emit("postinit_req", {"token": token, **more})
        answer = self.take(lambda f: f["type"] in ("postinit_res", "server_error"), "postinit_res")
        if answer["type"] != "postinit_res":
            raise Unexpected(f"{brief(answer)} is no postinit_res")
        return answer["data"]

    def request(self, event, data):
        number = str(next(self.ack_ids))
        self.emit(event, data, ack=number)
        return f"#{number}"

    def understood(self, packet):
        frame = super().understood(packet)
        return {**frame, "ref_id": f"#{frame['data']['ack']}"} if frame["type"] == "(ack)" else frame


# What a request is answered with: an ack has no name of its own.
REPLIES = {
    "auth": "auth.ok", "auth_update": "auth.ok", "ping": "pong", "room.join": "room.joined", "room.leave": "room.left",
    "room.history": "room.messages", "chat.message": "chat.ack", "chat.read": "chat.read.ok",
    "user.block": "user.block.ok", "user.unblock": "user.unblock.ok", "call.create": "call.created",
    "call.join": "call.joined", "call.leave": "call.left", "call.end": "call.ended", "call.media": "call.media.ok",
}


class SocketioType(TypeWords, Socketio):
    """The type protocol as events; `acks`: its requests want one, else they carry an id."""

    def __init__(self, line, acks):
        Socketio.__init__(self, line, joins=False)
        self.acks, self.asked, self.handle, self.rooms = acks, {}, None, {}

    def connect(self, token, **data):
        """With acks by the event `auth`, else in the packet that joins the namespace."""
        if self.acks:
            self.send("0")
            return self.is_in(self.ask("auth", {"token": token, **data}, expect="auth.ok"))
        self.send("0", json.dumps({"token": token, "protocol": "type", **data}))
        return self.is_in(self.expect("auth.ok"))

    # Above those of `Socketio`.
    ask = TypeWords.ask

    def tell(self, kind, data=None):
        self.emit(kind, {} if data is None else data)

    def request(self, kind, data=None):
        # What applications say is theirs: no id of ours belongs into it.
        if not self.acks and not kind.startswith(("game.", "app.")):
            reference = f"{kind}_{next(self.numbers)}"
            self.emit(kind, {**(data or {}), "id": reference})
            return reference
        number = str(next(self.ack_ids))
        self.asked[number] = kind
        self.emit(kind, {} if data is None else data, ack=number)
        return f"#{number}"

    def understood(self, packet):
        frame = super().understood(packet)
        if frame["type"] == "(ack)":
            number, (said,) = frame["data"]["ack"], frame["data"]["said"]
            kind = self.asked.pop(number)
            if {"code", "message"} <= said.keys():
                return {**said, "type": "error", "ref_id": f"#{number}"}
            return {"type": REPLIES[kind], "data": said, "ref_id": f"#{number}"}
        data = dict(frame["data"])
        if frame["type"] == "server_error":
            return {**data, "type": "error", "ref_id": data.get("ref")}
        reference = data.pop("ref_id", None)
        return {"type": frame["type"], "data": data, **({"ref_id": reference} if reference else {})}
