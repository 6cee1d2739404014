"""What a WebSocket should not bring: one table for each layer, each entry with its error or its close code.

While all of it goes on, two sessions chat, and the server's memory stays where it was.
"""

import select
import socket
import time

from bystander import Bystander
from client import Closed
from runner import scenario
from scenarios.http_edges import raw, status_of
from websockets.frames import OP_BINARY, OP_CLOSE, OP_CONT, OP_PING, OP_PONG, OP_TEXT
from ws import RSV1, RSV2, RSV3, TypeClient, frame, text_frame

MOST = 64 * 1024
INVALID, LARGE = "invalid_data", "message_too_large"
# Deadlines that a test can wait for.
HASTY = {"frame_ms": 1_000, "sign_in_ms": 2_000, "http_header_ms": 1_000, "slow_ms": 2_000}


def ping_of(size):
    """A ping that is exactly this long."""
    head, tail = b'{"type":"ping","id":"p","pad":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


# Text messages that are refused, and the session lives: text, code, the reference if it can be read.
REFUSED = [
    ("words", "hello", INVALID, None),
    ("nothing", "", INVALID, None),
    ("white space", " \n", INVALID, None),
    ("an array", "[]", INVALID, None),
    ("a string", '"x"', INVALID, None),
    ("a number", "7", INVALID, None),
    ("null", "null", INVALID, None),
    ("half an object", '{"type":"ping"', INVALID, None),
    ("two objects", '{"type":"ping"}{"type":"ping"}', INVALID, None),
    ("an object and a comma", '{"type":"ping"},', INVALID, None),
    ("a byte order mark", '\ufeff{"type":"ping"}', INVALID, None),
    ("an action frame", '{"action":"PING","data":{},"seq_id":"s"}', INVALID, None),
    ("no type", '{"data":{},"id":"i"}', INVALID, "i"),
    ("a number as type", '{"type":7,"id":"i"}', INVALID, "i"),
    ("null as type", '{"type":null,"id":"i"}', INVALID, "i"),
    ("an object as type", '{"type":{},"id":"i"}', INVALID, "i"),
    ("an unknown type", '{"type":"fly.away","id":"i"}', "unknown_type", "i"),
    ("a type in capitals", '{"type":"PING","id":"i"}', "unknown_type", "i"),
    ("an empty type", '{"type":"","id":"i"}', "unknown_type", "i"),
    ("a long type", '{"type":"' + "x" * 10_000 + '","id":"i"}', "unknown_type", "i"),
    ("an event as request", '{"type":"user.joined","id":"i","data":{}}', "unknown_type", "i"),
    ("a reply as request", '{"type":"auth.ok","id":"i","data":{}}', "unknown_type", "i"),
    ("a string as data", '{"type":"ping","data":"x","id":"i"}', INVALID, "i"),
    ("an array as data", '{"type":"ping","data":[],"id":"i"}', INVALID, "i"),
    ("a number as id", '{"type":"ping","id":7}', INVALID, None),
    ("an object as id", '{"type":"ping","id":{}}', INVALID, None),
    ("a long id", '{"type":"ping","id":"' + "x" * 129 + '"}', INVALID, None),
    ("a long id in few characters", '{"type":"ping","id":"' + "가" * 43 + '"}', INVALID, None),
    ("a type twice", '{"type":"ping","type":"room.join"}', INVALID, None),
    ("a type twice, in another spelling", '{"type":"ping","\\u0074ype":"room.join"}', INVALID, None),
    ("data twice", '{"type":"ping","data":{},"data":{}}', INVALID, None),
    ("an id twice", '{"type":"ping","id":"a","id":"b"}', INVALID, None),
    ("a token twice", '{"type":"auth_update","token":"a","token":"b"}', INVALID, None),
    ("a field of data twice", '{"type":"room.join","id":"i","data":{"room":"a","room":"b"}}', INVALID, "i"),
    ("50,000 nested arrays", "[" * 50_000, INVALID, None),
    ("50,000 nested arrays in data", '{"type":"ping","data":' + "[" * 50_000, INVALID, None),
    ("nested objects, closed", '{"a":' * 5_000 + "1" + "}" * 5_000, INVALID, None),
    ("nesting over the limit", '{"type":"ping","data":{"x":' + "[" * 40 + "]" * 40 + "}}", INVALID, None),
    ("a raw NUL in a string", '{"type":"ping","id":"\x00"}', INVALID, None),
    ("a raw newline in a string", '{"type":"pi\nng"}', INVALID, None),
    ("single quotes", "{'type':'ping'}", INVALID, None),
    ("a comment", '{"type":"ping"/* x */}', INVALID, None),
    ("a trailing comma", '{"type":"ping",}', INVALID, None),
    ("NaN", '{"type":"ping","data":{"x":NaN}}', INVALID, None),
    ("a bad escape", '{"type":"ping","data":{"x":"\\x41"}}', INVALID, None),
    ("half a surrogate in the id", '{"type":"ping","id":"\\ud800"}', INVALID, None),
    ("half a surrogate in a text", '{"type":"chat.message","id":"i","data":{"room":"bad","text":"\\udc00"}}', None, "i"),
    ("a NUL in the text", '{"type":"chat.message","id":"i","data":{"room":"bad","text":"a\\u0000b"}}', None, "i"),
    ("an object as text", '{"type":"chat.message","id":"i","data":{"room":"bad","text":{}}}', INVALID, "i"),
    ("a room beyond all numbers", '{"type":"room.join","id":"i","data":{"room":9223372036854775808}}', INVALID, "i"),
    ("a number with an exponent as seq", '{"type":"chat.read","id":"i","data":{"room":"bad","seq":1e2}}', INVALID, "i"),
]


@scenario()
def texts_that_are_refused_and_the_session_lives(server):
    others = Bystander(server)
    with server.type_client(8_001) as client:
        client.join("bad")
        for what, text, code, reference in REFUSED:
            client.send_raw(text_frame(text))
            error = client.frame("error")
            # None: the text is fine as JSON, and not as a message.
            assert error["code"] in ([code] if code else [INVALID, "message_rejected"]), (what, error)
            assert error.get("ref_id") == reference and "reconnect" not in error, (what, error)
            client.ask("ping", expect="pong")
            assert not client.kept("pong") and not client.kept("chat.message"), what
            others.check(what)
    others.end()


def claims(length, opcode=OP_TEXT):
    """The header of a frame of so many bytes, and none of them."""
    return frame(opcode, b"", length=length)


def fragments(count, of=b""):
    """A message in so many fragments."""
    return frame(OP_TEXT, of, final=False) + frame(OP_CONT, of, final=False) * (count - 2) + frame(OP_CONT, of)


# Frames that end the connection: what, bytes, close code, error code.
ENDING = [
    ("a binary frame", frame(OP_BINARY, b'{"type":"ping"}'), 4400, INVALID),
    ("an empty binary frame", frame(OP_BINARY, b""), 4400, INVALID),
    ("a binary message in fragments", frame(OP_BINARY, b"{", final=False) + frame(OP_CONT, b"}"), 4400, INVALID),
    ("one byte over the limit", frame(OP_TEXT, ping_of(MOST + 1)), 4413, LARGE),
    ("100,000 nested arrays", frame(OP_TEXT, b"[" * 100_000), 4413, LARGE),
    ("the header of 65,537 bytes", claims(MOST + 1), 4413, LARGE),
    ("the header of a gigabyte", claims(1 << 30), 4413, LARGE),
    ("the header of an exabyte", claims(1 << 60), 4413, LARGE),
    ("a length with its highest bit", claims((1 << 63) + 1), 1002, INVALID),
    ("a length in too many bytes", bytes([0x81, 0xFE, 0, 5]) + bytes(4) + b"hello", 1002, INVALID),
    (
        "fragments over the limit",
        frame(OP_TEXT, b"x" * 40_000, final=False) + frame(OP_CONT, b"x" * 40_000), 4413, LARGE,
    ),
    (
        "fragments over the limit, by their headers",
        frame(OP_TEXT, b"x" * 40_000, final=False) + claims(40_000, OP_CONT), 4413, LARGE,
    ),
    ("10,001 fragments", fragments(10_001, b" "), 4400, INVALID),
    ("10,001 empty fragments", fragments(10_001), 4400, INVALID),
    (
        "fragments without end",
        frame(OP_TEXT, b"{", final=False) + frame(OP_CONT, b" ", final=False) * 11_000, 4400, INVALID,
    ),
    ("a frame without a mask", frame(OP_TEXT, b'{"type":"ping"}', mask=False), 1002, INVALID),
    ("a close without a mask", frame(OP_CLOSE, b"", mask=False), 1002, INVALID),
    ("the first reserved bit", frame(OP_TEXT, b"{}", reserved=RSV1), 1002, INVALID),
    ("the second reserved bit", frame(OP_TEXT, b"{}", reserved=RSV2), 1002, INVALID),
    ("the third reserved bit", frame(OP_PING, b"", reserved=RSV3), 1002, INVALID),
    ("an unknown opcode", frame(3, b""), 1002, INVALID),
    ("an unknown control opcode", frame(15, b""), 1002, INVALID),
    ("a ping in fragments", frame(OP_PING, b"x", final=False) + frame(OP_CONT, b"x"), 1002, INVALID),
    ("a close in fragments", frame(OP_CLOSE, b"", final=False), 1002, INVALID),
    ("a ping of 126 bytes", frame(OP_PING, b"x" * 126), 1002, INVALID),
    ("a pong of a megabyte", claims(1 << 20, OP_PONG), 1002, INVALID),
    ("nothing to continue", frame(OP_CONT, b"x"), 1002, INVALID),
    ("a message inside a message", frame(OP_TEXT, b"{", final=False) + frame(OP_TEXT, b"{}"), 1002, INVALID),
    ("a close of one byte", frame(OP_CLOSE, b"\x03"), 1002, INVALID),
    ("a close code that nobody may send", frame(OP_CLOSE, (1005).to_bytes(2, "big")), 1002, INVALID),
    ("a close code of 999", frame(OP_CLOSE, (999).to_bytes(2, "big")), 1002, INVALID),
    ("a close reason that is no UTF-8", frame(OP_CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007, INVALID),
    ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002, INVALID),
    ("a TLS hello", bytes.fromhex("16030100c8010000c40303"), 1002, INVALID),
    ("a line of the action protocol", b'{"action":"PING","data":{}}\n', 1002, INVALID),
]
BAD_UTF8 = [
    ("0xFF", b'{"type":"ping","id":"\xff"}'),
    ("an overlong NUL", b'{"type":"ping","id":"\xc0\x80"}'),
    ("a surrogate", b'{"type":"ping","id":"\xed\xa0\x80"}'),
    ("past the last character", b'{"type":"ping","id":"\xf4\x90\x80\x80"}'),
    ("a continuation alone", b'{"type":"ping","id":"\x80"}'),
    ("a character that the end cuts", '{"type":"ping","id":"가'.encode()[:-1]),
    ("nothing but half a character", b"\xf0\x9f\x98"),
]
ENDING += [(f"invalid UTF-8: {what}", frame(OP_TEXT, bad), 1007, INVALID) for what, bad in BAD_UTF8]
ENDING += [
    (
        f"invalid UTF-8 in fragments: {what}",
        frame(OP_TEXT, bad[:-2], final=False) + frame(OP_CONT, bad[-2:-1], final=False) + frame(OP_CONT, bad[-1:]),
        1007, INVALID,
    )
    for what, bad in BAD_UTF8
]


def ends_with(server, what, stream, close_code, code, signed_in):
    """Sends bytes; the server must say why, and close with that code."""
    with server.type_client(8_002 if signed_in else None) as client:
        try:
            client.send_raw(stream)
        except OSError:
            pass  # Closed before all of it was sent.
        frames = client.until_closed()
        assert client.close_code == close_code, (what, signed_in, client.close_code, frames)
        assert frames and frames[-1]["type"] == "error" and frames[-1]["code"] == code, (what, signed_in, frames)
        assert frames[-1]["reconnect"] == "never" == client.close_reason.removeprefix("reconnect="), (what, frames)


@scenario()
def frames_that_end_the_connection(server):
    others = Bystander(server)
    for what, stream, close_code, code in ENDING:
        for signed_in in (True, False):
            ends_with(server, what, stream, close_code, code, signed_in)
        others.check(what)
    others.end()


@scenario()
def the_action_protocol_in_frames_is_as_strict(server):
    others = Bystander(server)
    for what, stream, close_code, code in ENDING:
        with server.action_ws_client(8_003) as client:
            try:
                client.send_raw(stream)
            except OSError:
                pass
            frames = client.until_closed()
            assert client.close_code == close_code, (what, client.close_code, frames)
            errors = [f["data"]["error_code"].lower() for f in frames if f["action"] == "ERROR"]
            assert errors == [code], (what, frames)
        others.check(what)
    with server.action_ws_client(8_003) as client:
        for text in ("hello", "[]", "{", '{"seq_id":"s"}', "[" * 50_000, '{"action":"PING"}{"action":"PING"}'):
            client.send_raw(text_frame(text))
            assert client.expect("ERROR")["error_code"] == "INVALID_DATA", text[:50]
            client.ask("PING", expect="PONG")
            others.check(text[:50])
    others.end()


@scenario()
def messages_at_the_limit(server):
    with server.type_client(8_004) as client:
        for size in (MOST - 1, MOST):
            client.send_raw(frame(OP_TEXT, ping_of(size)))
            client.take(lambda f: f.get("ref_id") == "p", "a pong")
        whole = ping_of(MOST)
        for count in (2, 3, 9_999, 10_000):
            cuts = [len(whole) * n // count for n in range(count + 1)]
            parts = [whole[a:b] for a, b in zip(cuts, cuts[1:])]
            stream = b"".join(
                frame(OP_TEXT if n == 0 else OP_CONT, part, final=n == count - 1) for n, part in enumerate(parts)
            )
            client.send_raw(stream)
            client.take(lambda f: f.get("ref_id") == "p", f"a pong to {count} fragments")


@scenario()
def any_cut_and_anything_in_between(server):
    text = '{"type":"ping","id":"하나 😀","data":{"x":"봉수"}}'.encode()
    whole = text_frame(text.decode())
    with server.type_client(8_005) as client:

        def answered():
            client.take(lambda f: f.get("ref_id") == "하나 😀", "a pong")

        for cut in range(1, len(whole)):
            client.send_raw(whole[:cut])
            client.send_raw(whole[cut:])
            answered()
        for byte in whole:
            client.send_raw(bytes([byte]))
        answered()
        # In the middle of characters, with pings in between, of which each is answered.
        for cut in range(1, len(text)):
            client.send_raw(
                frame(OP_TEXT, text[:cut], final=False) + frame(OP_PING, b"between") + frame(OP_CONT, b"", final=False)
                + frame(OP_PONG, b"unasked") + frame(OP_CONT, text[cut:])
            )
            answered()
        client.send_raw(whole * 100)
        for _ in range(100):
            answered()


@scenario()
def floods_of_control_frames_cost_the_flooder_only(server):
    others = Bystander(server)
    for what, burst in (
        ("pings", frame(OP_PING, b"x" * 125) * 200),
        ("pongs", frame(OP_PONG, b"x" * 125) * 200),
        ("empty fragments", frame(OP_TEXT, b"", final=False) + frame(OP_CONT, b"", final=False) * 200),
        ("nonsense", text_frame("x") * 200),
    ):
        for signed_in in (True, False):
            client = server.type_client(8_006 if signed_in else None)
            client.socket.setblocking(False)
            deadline, rounds = time.monotonic() + 0.6, 0
            # Never reads an answer: the server stops reading, refuses or closes; it never stores without bound.
            while time.monotonic() < deadline:
                try:
                    client.socket.send(burst)
                except BlockingIOError:
                    select.select([], [client.socket], [], 0.05)
                except OSError:
                    break
                rounds += 1
                if rounds % 100 == 0:
                    others.check(what)
            client.close()
            others.check(what)
    others.end()


@scenario(limits={"requests_per_s": 20, "requests_burst": 20, "flooder_times": 2, "flooder_ms": 1_000})
def pings_are_rated_and_a_flooder_is_closed(server):
    others = Bystander(server)
    for burst in (frame(OP_PING, b"x") * 50, text_frame("nonsense") * 50):
        with server.type_client(8_007) as client:
            deadline = time.monotonic() + 10
            try:
                while time.monotonic() < deadline and not client.protocol.close_rcvd:
                    client.send_raw(burst)
                    # Who floods faster than it reads cannot be told why it is closed: the word never fits.
                    while not client.ended and client.hear(time.monotonic() + 0.02):
                        pass
            except (Closed, OSError):
                pass
            client.arrived += client.protocol.events_received()
            frames = client.closes(4429, "later")
            assert any(f["type"] == "error" and f["code"] == "rate_limited" for f in frames), frames[-3:]
        others.check("a flood of pings")
    others.end()


@scenario(limits=HASTY)
def frames_that_are_never_finished_are_cut(server):
    others = Bystander(server)
    for what, beginning, drip in (
        ("a header", b"\x81", b""),
        ("half a frame", text_frame('{"type":"ping"}')[:-3], b""),
        ("a byte at a time", frame(OP_TEXT, b"", length=10_000, key=bytes(4)), b"x"),
        ("a fragment at a time", frame(OP_TEXT, b"{", final=False), frame(OP_CONT, b" ", final=False)),
        ("a ping at a time", frame(OP_TEXT, b"{", final=False), frame(OP_PING, b"")),
    ):
        with server.type_client(8_008) as client:
            client.send_raw(beginning)
            began = time.monotonic()
            while client.close_code is None:
                assert time.monotonic() - began < 6, f"{what}: not cut"
                try:
                    if drip:
                        client.send_raw(drip)
                    got = client.receive(time.monotonic() + 0.1)
                except (Closed, OSError):
                    break
                if got is not None:
                    client.inbox.append(got)
            frames = client.until_closed()
            assert time.monotonic() - began > 0.7, f"{what}: too early"
            assert client.close_code == 4400, (what, client.close_code, frames)
            assert frames[-1]["type"] == "error" and "reconnect" in frames[-1], (what, frames)
        others.check(what)
    others.end()


HEAD = b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n"
ASKS = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@scenario(limits=HASTY)
def handshakes_that_go_wrong(server):
    others = Bystander(server)
    for what, data, statuses in (
        ("half a handshake, then the end", HEAD + ASKS, (None, 400, 408)),
        ("headers of 17 KiB", HEAD + ASKS + b"X: " + b"x" * 17_000 + b"\r\n\r\n", (431, 400)),
        ("a thousand headers", HEAD + ASKS + b"".join(b"X-%d: y\r\n" % n for n in range(1_000)) + b"\r\n", (431, 400)),
        ("an address of a megabyte", b"GET /ws?token=" + b"x" * (1 << 20) + b" HTTP/1.1\r\n", (431, 414, 400, None)),
        ("no host", b"GET /ws HTTP/1.1\r\n" + ASKS + b"\r\n", (400,)),
        ("two hosts", HEAD + b"Host: evil.example\r\n" + ASKS + b"\r\n", (400,)),
        ("two keys", HEAD + ASKS + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", (400,)),
        ("a POST", HEAD.replace(b"GET", b"POST") + ASKS + b"Content-Length: 0\r\n\r\n", (405,)),
    ):
        with socket.create_connection(("127.0.0.1", server.http), timeout=10) as connection:
            try:
                connection.sendall(data)
                if not data.endswith(b"\r\n\r\n"):
                    connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(1 << 16)
            except OSError:
                answer = b""
        assert status_of(answer) in statuses, (what, answer[:200])
        others.check(what)
    answer = raw(server, b"GET /ws HTTP/1.0\r\nHost: 127.0.0.1\r\n" + ASKS + b"\r\n")
    assert answer.startswith(b"HTTP/1.0 400 "), answer[:200]
    # A good one, at one byte a time, and one that is never finished.
    with socket.create_connection(("127.0.0.1", server.http), timeout=10) as slow:
        for byte in HEAD + ASKS + b"\r\n":
            slow.sendall(bytes([byte]))
        assert status_of(slow.recv(1 << 16)) == 101
    began = time.monotonic()
    lines = [socket.create_connection(("127.0.0.1", server.http), timeout=10) for _ in range(50)]
    for line in lines:
        line.sendall(HEAD + ASKS)
    for line in lines:
        try:
            while line.recv(4_096):
                continue
        except ConnectionError:
            pass
        line.close()
    assert time.monotonic() - began < 8, "handshakes that are never finished were not cut"
    others.check("slow handshakes")
    others.end()


@scenario(limits=HASTY)
def half_frames_and_sudden_ends_leave_nothing(server):
    others = Bystander(server)
    whole = text_frame('{"type":"ping","data":{"x":"y"},"id":"s"}')
    for cut in range(0, len(whole), 2):
        client = server.type_client(8_009 if cut % 4 else None)
        client.send_raw(whole[:cut])
        if cut % 3 == 0:
            client.drop()
        elif cut % 3 == 1:
            client.socket.shutdown(socket.SHUT_WR)
            client.until_closed()
            client.close()
        else:
            client.close()
    others.check("half frames")
    others.end()


@scenario(limits=HASTY, fresh=True)
def thousands_that_never_say_anything(server):
    others = Bystander(server)
    silent = [server.type_client() for _ in range(1_000)]
    others.check("a thousand silent WebSockets")
    for client in silent:
        client.closes(4401)
        client.close()
    others.check("closing them")
    others.end()


@scenario()
def memory_is_not_bought_with_unfinished_messages(server):
    others = Bystander(server)
    # Each of them owns a whole message but its last byte: the limit is what it may cost, and no more.
    clients = [server.type_client() for _ in range(200)]
    for client in clients:
        client.send_raw(frame(OP_TEXT, b"x" * (MOST - 1), final=False))
    others.check("200 unfinished messages")
    for client in clients:
        client.drop()
    others.end()
    # And who only claims to send much has bought nothing.
    before = server.rss()
    clients = [server.type_client() for _ in range(200)]
    for client in clients:
        client.send_raw(claims(MOST))
    server.type_client(8_010).close()
    grown = server.rss() - before
    assert grown < 8 << 20, f"{grown >> 20} MiB for 200 headers"
    for client in clients:
        client.drop()


@scenario()
def nobody_speaks_over_http_what_belongs_in_frames(server):
    for data in (
        HEAD + b"Connection: close\r\n\r\n",
        b"GET /ws/ HTTP/1.1\r\nHost: x\r\n" + ASKS + b"\r\n",
        b"GET /wss HTTP/1.1\r\nHost: x\r\n" + ASKS + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + ASKS.replace(b"Upgrade\r", b"Upgrade, close\r", 1) + b"\r\n",
    ):
        status = status_of(raw(server, data, wait=0.5))
        assert status != 101, data


@scenario()
def a_token_is_taken_once_and_never_from_a_second_place(server):
    good, other = server.token(8_011), server.token(8_012)
    # The header is what a program sets on purpose; the address may be what someone made it click.
    with TypeClient(server.http, query=f"?token={other}", headers={"Authorization": f"Bearer {good}"}) as client:
        assert client.frame("auth.ok")["data"]["user_id"] == "8011"
    with TypeClient(server.http, query="?token=" + "x" * 17_000) as client:
        frames = client.until_closed()
        assert client.close_code in (4400, 4401) and frames[-1]["type"] == "error", (client.close_code, frames)
    for headers in ({"Authorization": "Bearer"}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}):
        with TypeClient(server.http, headers=headers) as client:
            client.connect(good)
