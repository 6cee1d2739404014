"""Byte streams that are not what they should be: one table, each with its code, and whether the session ends."""

import base64
import gzip
import json
import pathlib
import re
import tarfile
import zlib

from bystander import Bystander
from client import Client, Closed, pack
from runner import scenario

INVALID, LARGE = "INVALID_DATA", "MESSAGE_TOO_LARGE"
FRAME_MAX = 64 * 1024
SUITE = pathlib.Path(__file__).resolve().parents[2] / "suites" / "jsontestsuite-1ef36fa.tar.gz"


def ping_of(size):
    """A PING that is exactly this long."""
    head, tail = b'{"action":"PING","data":{},"pad":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


# Streams that end the session. `at`: the offset that the text must name, where one byte is clearly to blame.
ENDING = [
    ("words", b"hello\n", INVALID, 0),
    ("an array", b"[]\n", INVALID, 0),
    ("a string", b'"x"\n', INVALID, 0),
    ("a number", b"123\n", INVALID, 0),
    ("null", b"null\n", INVALID, 0),
    ("a closing brace", b"}\n", INVALID, 0),
    ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", INVALID, 0),
    ("a TLS hello", bytes.fromhex("16030100c8010000c40303"), INVALID, 0),
    ("a byte order mark", b"\xef\xbb\xbf{}", INVALID, 0),
    ("an array after a good frame", b'{"action":"PING"} [', INVALID, 18),
    ("an array bomb", b"[" * 100_000, INVALID, 0),
    ("100,000 nested objects", b'{"a":' * 100_000, INVALID, 32 * 5),
    ("100,000 nested arrays in data", b'{"action":"PING","data":' + b"[" * 100_000, INVALID, 24 + 31),
    ("nesting over the limit", b'{"action":"PING","data":{"x":' + b"[" * 40 + b"]" * 40 + b"}}", INVALID, None),
    ("one byte over the limit", ping_of(FRAME_MAX + 1), LARGE, None),
    ("a seq_id of a megabyte", b'{"action":"PING","seq_id":"' + b"x" * 1_000_000 + b'"}', LARGE, None),
    ("a key of a megabyte", b'{"' + b"x" * 1_000_000 + b'":1}', LARGE, None),
    ("white space in a frame without end", b"{" + b" " * 100_000, LARGE, None),
    ("a raw NUL between frames", b'{"action":"PING"}\x00{"action":"PING"}', INVALID, 17),
]

# Balanced braces, and still no JSON: refused, with the place; the session lives.
NO_JSON = [
    ("a raw NUL in a string", b'{"action":"PING","data":{"x":"\x00"}}'),
    ("a raw newline in a string", b'{"action":"PI\nNG"}'),
    ("single quotes", b"{'action':'PING'}"),
    ("a comment", b'{"action":"PING"/* x */}'),
    ("a trailing comma", b'{"action":"PING",}'),
    ("no colon", b'{"action" "PING"}'),
    ("no key", b'{"PING"}'),
    ("NaN", b'{"action":"PING","data":{"x":NaN}}'),
    ("a leading zero", b'{"action":"PING","data":{"x":01}}'),
    ("a bad escape", b'{"action":"PING","data":{"x":"\\x41"}}'),
    ("a mismatched bracket", b'{"action":"PING","data":[}'),
    ("brackets closed that were never opened", b'{"action":"PING"]]]]}'),
    ("a word", b'{"action":"PING","data":{"x":True}}'),
]

# Frames that are refused; the session lives.
REFUSED = [
    ("no action", {"seq_id": "s"}, INVALID),
    ("an unknown action", {"action": "FLY", "seq_id": "s"}, "INVALID_ACTION"),
    ("an action in lower case", {"action": "ping", "seq_id": "s"}, "INVALID_ACTION"),
    ("an empty action", {"action": "", "seq_id": "s"}, "INVALID_ACTION"),
    ("a long action", {"action": "X" * 1_000, "seq_id": "s"}, "INVALID_ACTION"),
    ("a server's action", {"action": "NEW_MESSAGE", "seq_id": "s", "data": {}}, "INVALID_ACTION"),
    ("a number as action", {"action": 7, "seq_id": "s"}, INVALID),
    ("null as action", {"action": None, "seq_id": "s"}, INVALID),
    ("a string as data", {"action": "PING", "data": "x", "seq_id": "s"}, INVALID),
    ("an array as data", {"action": "PING", "data": [], "seq_id": "s"}, INVALID),
    ("a number as seq_id", {"action": "PING", "data": {}, "seq_id": 7}, INVALID),
    ("an object as seq_id", {"action": "PING", "data": {}, "seq_id": {}}, INVALID),
    ("a long seq_id", {"action": "PING", "data": {}, "seq_id": "x" * 129}, INVALID),
    ("a string as user_id", {"action": "PING", "data": {}, "seq_id": "s", "user_id": "123"}, INVALID),
    ("a fraction as user_id", {"action": "PING", "data": {}, "seq_id": "s", "user_id": 1.5}, INVALID),
    ("a number as compressed", {"action": "PING", "data": {}, "seq_id": "s", "compressed": 1}, INVALID),
]


def gz(data, level=9):
    return base64.b64encode(gzip.compress(data, level)).decode()


def broken_gzip():
    """`data` strings that are no gzip of an object."""
    whole = gzip.compress(json.dumps({"chatroom_id": 1}).encode())
    bad_sum = bytearray(whole)
    bad_sum[-8] ^= 1
    return [
        ("a bomb", gz(b'{"x":"' + b" " * (40 << 20) + b'"}'), LARGE),
        ("a bomb that is no JSON", gz(bytes(40 << 20)), LARGE),
        ("one byte over the limit", gz(b'{"x":"' + b"y" * ((1 << 20) - 7) + b'"}'), LARGE),
        ("an object instead of a string", {}, INVALID),
        ("nothing", "", INVALID),
        ("no base64", "!!!!", INVALID),
        ("base64 of the wrong length", "abc", INVALID),
        ("base64 that is no gzip", base64.b64encode(b"hello world").decode(), INVALID),
        ("zlib", base64.b64encode(zlib.compress(b"{}")).decode(), INVALID),
        ("a wrong checksum", base64.b64encode(bytes(bad_sum)).decode(), INVALID),
        ("a header alone", base64.b64encode(whole[:10]).decode(), INVALID),
        ("gzip in gzip", gz(gz(b"{}").encode()), INVALID),
        ("a JSON string of gzip", gz(json.dumps(gz(b"{}")).encode()), INVALID),
        ("an array", gz(b"[]"), INVALID),
        ("no JSON", gz(b"hello"), INVALID),
        ("invalid UTF-8", gz(b'{"x":"\xff"}'), INVALID),
        ("nesting", gz(b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"), INVALID),
    ] + [
        (f"the first {n} bytes", base64.b64encode(whole[:n]).decode(), INVALID) for n in range(1, len(whole))
    ]


def ends_with_error(server, stream, code, at=None, what=None):
    """Sends a stream; the server must say why, and close."""
    with server.client(123) as client:
        connect_bytes = client.sent
        try:
            client.send_raw(stream)
        except OSError:
            pass  # Closed before all of it was sent.
        frames = client.until_closed()
        errors = [f["data"] for f in frames if f["action"] == "ERROR"]
        assert errors, f"{what}: closed without an error: {frames}"
        assert errors[0]["error_code"] == code, f"{what}: {errors}"
        if at is not None:
            offset = connect_bytes + at
            assert re.search(rf"\b{offset}\b", errors[0]["message"]), f"{what}: offset {offset}: {errors}"


@scenario()
def streams_that_end_the_session(server):
    others = Bystander(server)
    for what, stream, code, at in ENDING:
        ends_with_error(server, stream, code, at, what)
        others.check(what)
    others.end()


@scenario()
def the_same_streams_before_sign_in(server):
    others = Bystander(server)
    for what, stream, code, _ in ENDING:
        if b'{"action":"PING"}' in stream:
            continue  # A good frame before sign-in is another matter.
        with Client(server.tcp) as client:
            try:
                client.send_raw(stream)
            except OSError:
                pass
            errors = [f["data"] for f in client.until_closed() if f["action"] == "ERROR"]
            assert errors and errors[0]["error_code"] == code, (what, errors)
        others.check(what)
    others.end()


@scenario()
def frames_at_the_limit(server):
    with server.client(123) as client:
        for size in (FRAME_MAX - 1, FRAME_MAX):
            client.send_raw(ping_of(size) + b"\n")
            client.expect("PONG")
    ends_with_error(server, ping_of(FRAME_MAX + 1) + b"\n", LARGE, what="limit + 1")


@scenario()
def frames_that_are_refused_and_the_session_lives(server):
    others = Bystander(server)
    with server.client(123) as client:
        for what, frame, code in REFUSED:
            client.send_raw(json.dumps(frame).encode() + b"\n")
            error = client.expect("ERROR")
            assert error["error_code"] == code, (what, error)
            if isinstance(frame.get("seq_id"), str) and len(frame["seq_id"]) <= 128:
                assert error["original_seq_id"] == frame["seq_id"], (what, error)
            client.ask("PING", expect="PONG")
            others.check(what)
        for what, stream in NO_JSON:
            client.send_raw(stream)
            error = client.expect("ERROR")
            assert error["error_code"] == INVALID and re.search(r"\d", error["message"]), (what, error)
            client.ask("PING", expect="PONG")
            assert not client.kept("PONG"), what
            others.check(what)
    others.end()


@scenario()
def duplicate_keys_of_the_envelope_are_refused(server):
    others = Bystander(server)
    twice = {
        "action": (b'"PING"', b'"JOIN_ROOM"'),
        "data": (b"{}", b'{"chatroom_id":1}'),
        "seq_id": (b'"a"', b'"b"'),
        "user_id": (b"123", b"124"),
        "compressed": (b"false", b"true"),
        "timestamp": (b'"a"', b'"b"'),
    }
    for key, (one, two) in twice.items():
        rest = b"" if key == "action" else b',"action":"PING"'
        stream = b'{"%s":%s,"%s":%s%s}' % (key.encode(), one, key.encode(), two, rest)
        with server.client(123) as client:
            client.send_raw(stream)
            assert client.expect("ERROR")["error_code"] == INVALID, key
            assert not client.kept("PONG"), key
        others.check(f"{key} twice")
    # The same key in another spelling is the same key.
    with server.client(123) as client:
        client.send_raw(b'{"action":"PING","\\u0061ction":"JOIN_ROOM"}')
        assert client.expect("ERROR")["error_code"] == INVALID
    others.end()


@scenario()
def invalid_utf8_at_each_position(server):
    others = Bystander(server)
    frame = b'{"action":"PING","data":{"x":"y"},"seq_id":"s"}'
    for position in range(len(frame)):
        ends_with_error(server, frame[:position] + b"\xff" + frame[position:], INVALID, what=f"0xFF at {position}")
    others.check("invalid UTF-8")
    for what, bad in (
        ("an overlong NUL", b"\xc0\x80"),
        ("an overlong slash", b"\xe0\x80\xaf"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("past the last character", b"\xf4\x90\x80\x80"),
        ("a continuation alone", b"\x80"),
        ("cut by the quote", b"\xe2\x82"),
        ("cut by the quote, four bytes", b"\xf0\x9f\x98"),
    ):
        for stream in (b'{"action":"PING","data":{"x":"' + bad + b'"}}', b'{"action":"PING","' + bad + b'":1}'):
            ends_with_error(server, stream, INVALID, what=what)
    others.check("bad sequences")
    others.end()


@scenario()
def lone_surrogates_and_nul_escapes_never_reach_anybody(server):
    others = Bystander(server)
    room = others.room
    for escape in (b"\\ud800", b"\\udc00", b"\\ud800\\ud800", b"\\udc00\\ud800", b"\\ud83dx", b"\\u0000"):
        with server.client(123) as client:
            client.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
            client.send_raw(
                b'{"action":"SEND_MESSAGE","seq_id":"s","data":{"chatroom_id":%d,"content":"a%sb","message_type":"text"}}'
                % (room, escape)
            )
            error = client.expect("ERROR")
            assert error["error_code"] in (INVALID, "MESSAGE_REJECTED"), (escape, error)
        others.check(escape)
    others.end()


@scenario()
def gzip_that_is_none(server):
    others = Bystander(server)
    with server.client(123) as client:
        for what, data, code in broken_gzip():
            client.refused("JOIN_ROOM", data, code, compressed=True)
            others.check(what)
        client.ask("PING", pack({"x": "y" * ((1 << 20) - 16)}), expect="PONG", compressed=True)
    others.end()


@scenario()
def any_cut_and_any_white_space(server):
    frames = [
        {"action": "PING", "data": {"x": '}{]["\\ 봉수 😀'}, "seq_id": "하나"},
        {"action": "GET_MESSAGES", "data": {"chatroom_id": 999_999_999}, "seq_id": "둘"},
        {"action": "PING", "seq_id": "셋"},
    ]
    compact = "".join(json.dumps(f, ensure_ascii=False) for f in frames).encode()
    pretty = "\r\n\r\n\t ".join(json.dumps(f, ensure_ascii=False, indent=3) for f in frames).encode() + b"\n"
    escaped = "\n".join(json.dumps(f) for f in frames).encode()
    with server.client(123) as client:
        for stream in (compact, pretty, escaped):
            for cut in range(1, len(stream)):
                client.send_raw(stream[:cut])
                client.send_raw(stream[cut:])
                expect_all(client)
            for byte in stream:
                client.send_raw(bytes([byte]))
            expect_all(client)
            client.send_raw(stream * 20)
            for _ in range(20):
                expect_all(client)


def expect_all(client):
    for seq_id in ("하나", "셋"):
        client.take(lambda f, s=seq_id: f["seq_id"] == s, f"PONG {seq_id}")
    error = client.expect("ERROR")
    assert error["original_seq_id"] == "둘" and error["error_code"] == "ROOM_NOT_FOUND", error


@scenario()
def the_json_test_suite(server):
    others = Bystander(server)
    counts = {"y": 0, "n": 0, "i": 0}
    with tarfile.open(SUITE) as archive:
        for member in archive.getmembers():
            kind, _, rest = pathlib.PurePath(member.name).name.partition("_")
            if not member.isfile() or not rest.endswith(".json") or kind not in counts:
                continue
            document = archive.extractfile(member).read()
            suite_case(server, kind, rest, document)
            counts[kind] += 1
            if sum(counts.values()) % 20 == 0:
                others.check(member.name)
    assert counts["y"] > 90 and counts["n"] > 180 and counts["i"] > 30, counts
    others.end()


def suite_case(server, kind, name, document):
    """A document of the suite as a value inside `data`: y is answered, n never unrefused, i survived."""
    with server.client(123) as client:
        try:
            client.send_raw(b'{"action":"PING","data":{"x":' + document + b'},"seq_id":"s"}\n')
            client.half_close()
        except OSError:
            pass
        frames = client.until_closed()
        answered = any(f["action"] == "PONG" and f["seq_id"] == "s" for f in frames)
        refused = any(f["action"] == "ERROR" and f["data"]["error_code"] in (INVALID, LARGE) for f in frames)
        if kind == "y":
            assert answered and not refused, (name, frames)
        elif kind == "n":
            assert refused or not answered, (name, frames)


@scenario()
def half_frames_and_sudden_ends_leave_nothing(server):
    others = Bystander(server)
    whole = b'{"action":"PING","data":{"x":"y"},"seq_id":"s"}'
    for cut in range(len(whole)):
        client = server.client(123)
        client.send_raw(whole[:cut])
        if cut % 2:
            client.drop()
        else:
            client.half_close()
            try:
                client.until_closed()
            except Closed:
                pass
            client.close()
    others.check("half frames")
    others.end()
