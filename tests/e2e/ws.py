"""Clients over WebSocket. Frames and handshakes are the `websockets` package's, which shares no code with the server;
the socket is ours, so that a test can read slowly, keep its pongs to itself, and send what no library would."""

import itertools
import json
import secrets
import time

from client import WAIT_S, Client, Closed, Inbox, Unexpected, brief, dial
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import OP_CLOSE, OP_CONT, OP_PING, OP_TEXT
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

TYPE, ACTION = "bongsu.type.v1", "bongsu.action.v1"
# As long as the frames that a server of ours may send.
FRAME_MAX = 16 << 20
FINAL, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
MASKED = 0x80


class Refused(Exception):
    """The server did not upgrade the connection."""

    def __init__(self, response):
        super().__init__(f"HTTP {response.status_code}: {response.body!r}")
        self.status, self.headers, self.body = response.status_code, response.headers, response.body

    @property
    def problem(self):
        """The problem document; that it is one is checked."""
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("application/problem+json"):
            raise Unexpected(f"{kind} is no problem document: {self}")
        return json.loads(self.body)


def frame(opcode, payload=b"", *, final=True, reserved=0, mask=True, length=None, key=None):
    """One frame by hand. `length`: the length that its header claims; `key`: of its mask."""
    length = len(payload) if length is None else length
    head = bytes([(FINAL if final else 0) | reserved | opcode])
    bit = MASKED if mask else 0
    if length < 126:
        head += bytes([bit | length])
    elif length < 1 << 16:
        head += bytes([bit | 126]) + length.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + length.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = key or secrets.token_bytes(4)
    pad = (key * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(payload), "big")
    return head + key + masked


def text_frame(text):
    return frame(OP_TEXT, text.encode() if isinstance(text, str) else text)


class Link(Inbox):
    """A WebSocket: text messages out and in."""

    OPCODE = OP_TEXT

    def __init__(
        self, port, *, path="/ws", query="", headers=None, subprotocols=None, deflate=None, host=None, origin=None,
        receive_buffer=None, tls=None,
    ):
        """`deflate`: True to offer compression as usual, or the factory of another offer; `headers`: None takes one away."""
        Inbox.__init__(self)
        self.socket = dial(port, receive_buffer=receive_buffer)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        offer = ClientPerMessageDeflateFactory() if deflate is True else deflate
        self.protocol = ClientProtocol(
            parse_uri(f"ws://127.0.0.1:{port}{path}{query}"),
            origin=origin, extensions=[offer] if offer else None, subprotocols=subprotocols, max_size=FRAME_MAX,
        )
        self.arrived, self.parts, self.response, self.ended = [], [], None, False
        self.close_code = self.close_reason = None
        self.pings = self.received = self.sent = 0
        self.pongs_back = True
        request = self.protocol.connect()
        if host is not None:
            del request.headers["Host"]
            request.headers["Host"] = host
        for name, value in (headers or {}).items():
            if name in request.headers:
                del request.headers[name]
            if value is not None:
                request.headers[name] = value
        self.protocol.send_request(request)
        try:
            self.settle()
        except BaseException:
            self.socket.close()
            raise

    def settle(self):
        """Waits until the handshake is done, one way or the other."""
        self.flush()
        deadline = time.monotonic() + WAIT_S
        while True:
            for event in self.protocol.events_received():
                if not isinstance(event, Response):
                    self.arrived.append(event)
                    continue
                if event.status_code != 101:
                    raise Refused(event)
                if self.protocol.handshake_exc:
                    raise Unexpected(f"not a handshake: {self.protocol.handshake_exc}")
                self.response = event
            if self.response:
                return  # What came behind it waits in `arrived`, be it the close.
            if self.protocol.handshake_exc:
                raise Closed(f"no handshake: {self.protocol.handshake_exc!r}")
            if not self.hear(deadline):
                raise Unexpected("no answer to the handshake")

    def hear(self, deadline):
        """Gives what the socket has to the protocol; False when the deadline passes."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self.socket.settimeout(left)
        try:
            got = self.socket.recv(1 << 16)
        except TimeoutError:
            return False
        except ConnectionError:
            got = b""
        self.received += len(got)
        if got:
            self.protocol.receive_data(got)
        else:
            self.protocol.receive_eof()
            self.ended = True
        self.flush()
        return True

    def flush(self):
        """Sends what the protocol wants sent: handshakes, messages, and answers to pings and closes."""
        data = b"".join(self.protocol.data_to_send())
        if data and not self.ended:
            try:
                self.socket.settimeout(WAIT_S)
                self.socket.sendall(data)
            except OSError:
                pass  # The server was quicker to close; what it said is still to be read.

    # Out

    def send_raw(self, data):
        """Bytes as they are, past the protocol."""
        self.socket.settimeout(WAIT_S)
        self.socket.sendall(data)
        self.sent += len(data)

    def send_text(self, text):
        if self.protocol.state is not State.OPEN:
            raise Closed(f"closed with {self.close_code}")
        self.protocol.send_text(text.encode())
        self.send_raw(b"".join(self.protocol.data_to_send()))

    # In

    @staticmethod
    def read(whole):
        """A message from its bytes."""
        return whole.decode("utf-8", "strict")

    def message(self, deadline):
        """One message; None when the deadline passes."""
        while True:
            while self.arrived:
                event = self.arrived.pop(0)
                if event.opcode is OP_PING:
                    self.pings += 1
                elif event.opcode is OP_CLOSE:
                    self.close_code = self.protocol.close_rcvd and self.protocol.close_rcvd.code
                    self.close_reason = self.protocol.close_rcvd and self.protocol.close_rcvd.reason
                    raise Closed(f"{self.close_code} {self.close_reason}")
                elif event.opcode in (self.OPCODE, OP_CONT):
                    self.parts.append(event.data)
                    if event.fin:
                        whole, self.parts = b"".join(self.parts), []
                        return self.read(whole)
            if self.close_code is not None:
                raise Closed(f"{self.close_code} {self.close_reason}")
            if self.ended:
                raise Closed("end of stream without a close frame")
            if self.protocol.parser_exc:
                raise Unexpected(f"the server sent no WebSocket frame: {self.protocol.parser_exc!r}")
            if not self.pongs_back:
                self.hear_in_silence(deadline)
            elif not self.hear(deadline):
                return None
            self.arrived += self.protocol.events_received()
            if not self.arrived and time.monotonic() >= deadline:
                return None

    def hear_in_silence(self, deadline):
        """Hears, and answers nothing: neither pings nor closes."""
        flush, self.flush = self.flush, lambda: self.protocol.data_to_send()
        try:
            self.hear(deadline)
        finally:
            self.flush = flush

    def closes(self, code, reconnect=None, wait=WAIT_S):
        """All messages until the server closes with this code and this advice."""
        frames = self.until_closed(wait)
        if self.close_code != code:
            raise Unexpected(f"closed with {self.close_code} {self.close_reason!r}, not {code}; {frames[-3:]}")
        if reconnect and self.close_reason != f"reconnect={reconnect}":
            raise Unexpected(f"closed with the reason {self.close_reason!r}, not reconnect={reconnect}")
        return frames

    # End

    def drop(self):
        """Ends the connection as a crash does: with a reset."""
        Client.drop(self)

    def good_bye(self):
        """Ends the connection as RFC 6455 has it, and gives the server's close code."""
        self.protocol.send_close(1000)
        self.flush()
        self.until_closed()
        self.socket.close()
        return self.close_code

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ActionWsClient(Link, Client):
    """The action protocol, one object in each text frame."""

    def __init__(self, port, **options):
        Link.__init__(self, port, **{"subprotocols": [ACTION], **options})
        self.user_id = None
        self.rooms = {}

    def receive(self, deadline):
        text = self.message(deadline)
        return None if text is None else self.unpack(json.loads(text))


class TypeWords(Inbox):
    """What one says in the type protocol, written from its document, whatever carries it: `tell` and `receive` do."""

    KIND = "type"
    numbers = itertools.count(1)

    # Out

    def tell(self, kind, data=None, **envelope):
        """Sends a message that wants no answer."""
        raise NotImplementedError

    def request(self, kind, data=None, **envelope):
        """Sends a request and gives its id."""
        reference = envelope.pop("id", None) or f"{kind}_{next(self.numbers)}"
        self.tell(kind, data, id=reference, **envelope)
        return reference

    def ask(self, kind, data=None, *, expect=None, **envelope):
        """Sends a request and gives what its answer says, which must be of the expected type."""
        reference = self.request(kind, data, **envelope)
        answer = self.take(lambda f: f.get("ref_id") == reference, f"an answer to {kind} {reference}")
        if expect and answer["type"] != expect:
            raise Unexpected(f"{kind} was answered with {brief(answer)}, not {expect}")
        return self.content(answer)

    def refused(self, kind, data=None, code=None, **envelope):
        """Sends a request that must be refused, and gives the error."""
        error = self.ask(kind, data, expect="error", **envelope)
        if code and error["code"] != code:
            raise Unexpected(f"{kind} {brief(data)} was refused with {brief(error)}, not {code}")
        return error

    def connect(self, token, **data):
        return self.is_in(self.ask("auth", {"token": token, **data}, expect="auth.ok"))

    def is_in(self, answer):
        """Takes over what `auth.ok` says."""
        self.handle = answer["user_id"]
        self.rooms = {room["room"]: room for room in answer["rooms"]}
        return answer

    def join(self, room, **data):
        return self.ask("room.join", {"room": room, **data}, expect="room.joined")

    def post(self, room, text, **data):
        """Posts and gives the acknowledgement."""
        return self.ask("chat.message", {"room": room, "text": text, **data}, expect="chat.ack")

    # In

    @staticmethod
    def content(frame):
        """Errors are flat; everything else says it in `data`."""
        return frame if frame["type"] == "error" else frame["data"]

    def messages(self, room, after):
        """Messages of a room, in order, from chat.message and room.messages, for ever."""
        while True:
            frame = self.take(lambda f: f["type"] in ("chat.message", "room.messages"), f"messages of {room}")
            batch = frame["data"]["messages"] if frame["type"] == "room.messages" else [frame["data"]]
            for message in batch:
                if message["room"] == room and message["seq"] > after:
                    yield message

    def history(self, room, page=200):
        """The whole history of a room, read page by page."""
        messages = []
        while True:
            after = messages[-1]["seq"] if messages else 0
            data = {"room": room, "after_seq": after, "limit": page}
            answer = self.ask("room.history", data, expect="room.messages")
            messages += answer["messages"]
            if not answer["has_more"]:
                return messages


class TypeClient(TypeWords, Link):
    """The type protocol, one object in each text frame."""

    def __init__(self, port, **options):
        Link.__init__(self, port, **{"subprotocols": [TYPE], **options})
        self.handle = None
        self.rooms = {}

    def tell(self, kind, data=None, **envelope):
        self.send_text(json.dumps({"type": kind, "data": {} if data is None else data, **envelope}, ensure_ascii=False))

    def receive(self, deadline):
        text = self.message(deadline)
        if text is None:
            return None
        message = json.loads(text)
        expected = {"type", "code", "message"} if message.get("type") == "error" else {"type", "data"}
        if not expected <= message.keys():
            raise Unexpected(f"no {expected - message.keys()} in {brief(message)}")
        return message
