"""A client of the action protocol, written from its document with the standard library alone.

What waits for frames, and keeps those that nobody waited for, is the same for every protocol: `Inbox`.
"""

import base64
import gzip
import itertools
import json
import socket
import struct
import time
from datetime import datetime, timezone

WAIT_S = 20.0  # Generous: a busy machine is slow, a wrong server is silent for ever.


class Closed(Exception):
    """The server closed the connection."""


class Unexpected(AssertionError):
    """What came is not what was waited for."""


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def pack(data):
    """`data` as the wire carries it with `compressed: true`."""
    return base64.b64encode(gzip.compress(json.dumps(data).encode())).decode()


def brief(frame):
    text = json.dumps(frame, ensure_ascii=False)
    return text if len(text) < 300 else text[:300] + "…"


def dial(port, host="127.0.0.1", receive_buffer=None):
    """A connected socket; with a small receive buffer for who is to read slowly."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(WAIT_S)
    connection.connect((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Inbox:
    """Waits for frames that `receive` gives, whatever the protocol calls them."""

    KIND = "action"

    def __init__(self):
        self.inbox = []

    def receive(self, deadline):
        """One frame; None when the deadline passes."""
        raise NotImplementedError

    @staticmethod
    def content(frame):
        """What a frame says."""
        return frame["data"]

    def tells(self, frame, kind, fields):
        content = self.content(frame)
        return frame[self.KIND] == kind and all(content.get(k) == v for k, v in fields.items())

    def take(self, match, what, wait=WAIT_S):
        """The first frame that matches, from those kept or those to come; the others are kept."""
        for index, frame in enumerate(self.inbox):
            if match(frame):
                return self.inbox.pop(index)
        deadline = time.monotonic() + wait
        while True:
            try:
                frame = self.receive(deadline)
            except Closed as closed:
                raise Closed(f"{closed} while waiting for {what}; kept: {self.latest()}") from None
            if frame is None:
                raise Unexpected(f"waited {wait} s for {what}; kept: {self.latest()}")
            if match(frame):
                return frame
            self.inbox.append(frame)

    def expect(self, kind, wait=WAIT_S, **fields):
        """The `data` of the first event of this kind whose fields are these."""
        return self.content(self.frame(kind, wait, **fields))

    def frame(self, kind, wait=WAIT_S, **fields):
        return self.take(lambda frame: self.tells(frame, kind, fields), f"{kind} {fields or ''}", wait)

    def kept(self, kind, **fields):
        """Frames of this kind that have come and were not taken."""
        return [self.content(f) for f in self.inbox if self.tells(f, kind, fields)]

    def until_closed(self, wait=WAIT_S):
        """All frames until the server closes."""
        deadline = time.monotonic() + wait
        while True:
            try:
                frame = self.receive(deadline)
            except Closed:
                frames, self.inbox = self.inbox, []
                return frames
            if frame is None:
                raise Unexpected(f"not closed after {wait} s; kept: {self.latest()}")
            self.inbox.append(frame)

    def latest(self):
        """What was kept last, for people."""
        return [brief(frame) for frame in self.inbox[-5:]]


class Client(Inbox):
    numbers = itertools.count(1)

    def __init__(self, port, host="127.0.0.1", receive_buffer=None):
        super().__init__()
        self.socket = dial(port, host, receive_buffer)
        self.tail = b""
        self.sent = 0
        self.user_id = None
        self.rooms = {}

    # Out

    def send_raw(self, data):
        self.socket.sendall(data)
        self.sent += len(data)

    def request(self, action, data=None, *, seq_id=None, **envelope):
        """Sends a request and gives its seq_id."""
        seq_id = seq_id or f"{action.lower()}_{next(self.numbers)}"
        frame = {"action": action, "data": {} if data is None else data, "timestamp": now(), "seq_id": seq_id}
        if self.user_id is not None:
            frame["user_id"] = self.user_id
        frame.update(envelope)
        self.send_text(json.dumps(frame, ensure_ascii=False))
        return seq_id

    def send_text(self, text):
        """One JSON object, as the transport carries it."""
        self.send_raw(text.encode() + b"\n")

    def ask(self, action, data=None, *, expect=None, **envelope):
        """Sends a request and gives the `data` of its answer, which must be of the expected action."""
        seq_id = self.request(action, data, **envelope)
        answer = self.take(lambda f: answers(f, seq_id), f"an answer to {action} {seq_id}")
        if expect and answer["action"] != expect:
            raise Unexpected(f"{action} was answered with {brief(answer)}, not {expect}")
        return answer["data"]

    def refused(self, action, data=None, code=None, **envelope):
        """Sends a request that must be refused, and gives the error's `data`."""
        error = self.ask(action, data, expect="ERROR", **envelope)
        if code and error["error_code"] != code:
            raise Unexpected(f"{action} {brief(data)} was refused with {brief(error)}, not {code}")
        if error.get("original_action") != action:
            raise Unexpected(f"original_action of {brief(error)} is not {action}")
        return error

    def connect(self, token, **data):
        answer = self.ask("CONNECT", {"jwt_token": token, **data}, expect="CONNECT_SUCCESS")
        self.user_id = answer["user_id"]
        self.rooms = {room["chatroom_id"]: room for room in answer["rooms"]}
        return answer

    def post(self, room, content, **data):
        """Posts and gives the accepted message."""
        fields = {"chatroom_id": room, "content": content, "message_type": "text", **data}
        return self.ask("SEND_MESSAGE", fields, expect="NEW_MESSAGE")

    # In

    def receive(self, deadline):
        """One frame from the socket; None when the deadline passes."""
        while b"\n" not in self.tail:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                got = self.socket.recv(1 << 16)
            except TimeoutError:
                return None
            except ConnectionError as error:
                raise Closed(str(error)) from error
            if not got:
                raise Closed("end of stream")
            self.tail += got
        line, self.tail = self.tail.split(b"\n", 1)
        return self.unpack(json.loads(line.decode("utf-8", "strict")))

    @staticmethod
    def unpack(frame):
        for field in ("action", "data", "timestamp"):
            if field not in frame:
                raise Unexpected(f"no {field} in {brief(frame)}")
        frame.setdefault("seq_id", None)  # The answer to a request without one.
        datetime.strptime(frame["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
        if frame.get("compressed"):
            frame["data"] = json.loads(gzip.decompress(base64.b64decode(frame["data"], validate=True)))
            frame["was_compressed"] = True
        return frame

    def messages(self, room, after):
        """Messages of a room, in order, from NEW_MESSAGE and BATCH_MESSAGES frames, for ever."""
        while True:
            frame = self.take(lambda f: f["action"] in ("NEW_MESSAGE", "BATCH_MESSAGES"), f"messages of room {room}")
            batch = frame["data"]["messages"] if frame["action"] == "BATCH_MESSAGES" else [frame["data"]]
            for message in batch:
                if message["chatroom_id"] == room and message["seq"] > after:
                    yield message

    def history(self, room, page=200):
        """The whole history of a room, read page by page."""
        messages = []
        while True:
            after = messages[-1]["seq"] if messages else 0
            data = {"chatroom_id": room, "after_seq": after, "limit": page}
            answer = self.ask("GET_MESSAGES", data, expect="BATCH_MESSAGES")
            messages += answer["messages"]
            if not answer["has_more"]:
                return messages

    # End

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The server was quicker.

    def drop(self):
        """Ends the connection as a crash does: with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answers(frame, seq_id):
    """Whether a frame answers the request of that seq_id."""
    if frame["action"] == "ERROR":
        return frame["data"].get("original_seq_id") == seq_id
    return frame["seq_id"] == seq_id
