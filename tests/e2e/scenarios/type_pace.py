"""Too much, too fast, too slow: rates over all protocols, events that replace each other, crowds, compression."""

import asyncio
import json
import time
import zlib

from bystander import Bystander
from client import Closed
from runner import scenario
from scenarios import type_rooms
from scenarios.type_rooms import close_all, room_of
from websockets.asyncio.client import connect as connect_async
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import OP_PING, OP_TEXT
from ws import RSV1, TYPE, TypeClient, frame

SLOW = {"slow_ms": 2_000}
DEFLATE = "[server]\npermessage_deflate = true\n"


# Rates

@scenario(limits={"posts_per_s": 5, "posts_burst": 10})
def one_rate_for_all_sessions_of_a_user(server):
    a, other = room_of(server, "rates", 6_101, 6_102)
    room_id = a.join("rates")["room_id"]
    tcp, web = server.client(6_101), server.action_ws_client(6_101)
    began = time.monotonic()
    asked = []
    for n in range(12):
        asked.append((a, a.request("chat.message", {"room": "rates", "text": f"a{n}"})))
        for client in (tcp, web):
            message = {"chatroom_id": room_id, "content": f"{client.socket.fileno()} {n}", "message_type": "text"}
            asked.append((client, client.request("SEND_MESSAGE", message)))
    accepted, refused = 0, []
    for client, reference in asked:
        if client is a:
            answer = a.take(lambda f: f.get("ref_id") == reference, "an answer")
            kind, error = answer["type"], answer
        else:
            answer = client.take(lambda f: reference in (f["seq_id"], f["data"].get("original_seq_id")), "an answer")
            kind, error = answer["action"], {**answer["data"], "code": answer["data"].get("error_code", "").lower()}
        if kind.lower() == "error":
            refused.append(error)
        else:
            accepted += 1
    took = time.monotonic() - began
    assert 10 <= accepted <= 10 + 5 * took + 1, (accepted, took)
    assert all(e["code"] == "rate_limited" and e["retry_after_ms"] > 0 for e in refused), refused
    other.post("rates", "another user's rate is another rate")
    # Whoever waits as long as advised gets through.
    while True:
        answer = a.ask("chat.message", {"room": "rates", "text": "patience"})
        if answer.get("code") is None:
            break
        deadline = time.monotonic() + answer["retry_after_ms"] / 1_000
        while (left := deadline - time.monotonic()) > 0:
            try:
                a.take(lambda f: False, "nothing", wait=left)
            except AssertionError:
                pass
        assert time.monotonic() - began < 20, "no way through"
    close_all([a, other, tcp, web])


@scenario(limits={"posts_per_s": 5, "posts_burst": 10})
def events_of_applications_cost_as_much_as_posts(server):
    a, b = room_of(server, "emits", 6_103, 6_104)
    references = [a.request("game.move", {"room": "emits", "n": n}) for n in range(30)]
    a.ask("ping", expect="pong")
    errors = a.kept("error")
    assert 10 <= len(errors) <= 20 and all(e["code"] == "rate_limited" for e in errors), errors
    assert {e["ref_id"] for e in errors} <= set(references), errors
    heard = [b.expect("game.move")["n"] for _ in range(30 - len(errors))]
    assert heard == sorted(heard) and heard[:10] == list(range(10)), heard
    close_all([a, b])


@scenario(limits={"posts_per_s": 5, "posts_burst": 5, "flooder_times": 4, "flooder_ms": 2_000})
def who_goes_on_and_on_is_closed(server):
    flooder, other = room_of(server, "flood", 6_105, 6_106)
    bystanders = Bystander(server)
    began, n = time.monotonic(), 0
    try:
        while time.monotonic() - began < 15:
            for _ in range(20):
                flooder.tell("chat.message", {"room": "flood", "text": f"flood {n}"})
                n += 1
            flooder.hear(time.monotonic() + 0.05)
            flooder.arrived += flooder.protocol.events_received()
    except (Closed, OSError):
        pass
    frames = flooder.closes(4429, "later")
    took = time.monotonic() - began
    assert took > 1.5, f"{took:.1f} s: too early"
    last = frames[-1]
    assert last["type"] == "error" and last["code"] == "rate_limited" and last["reconnect"] == "later", last
    bystanders.check("a flood")
    # It may come back, and is no flooder any more.
    back = server.type_client(6_105)
    back.ask("ping", expect="pong")
    bystanders.end()
    close_all([back, other])


# Events of applications

@scenario()
def applications_tell_what_they_like(server):
    a, b = room_of(server, "apps", 6_111, 6_112)
    second = server.type_client(6_111)
    data = {"z": 1, "room": "apps", "a": {"user_id": "x", "room": 7}, "key": "k", "말": ["😀", None, 1.0]}
    a.tell("game.move", data)
    for client in (a, b, second):
        text = raw_message(client, "game.move")
        got = json.loads(text)
        assert got["data"] == {**data, "user_id": "6111"}, got
        assert list(got["data"])[0] == "room" and list(got["data"])[-1] == "user_id", text
        assert "1.0" in text, "numbers as they were"
    # The room by its number; one's own name is no lie; the least that there is.
    a.tell("app.a-b_c.1", {"room": a.join("apps")["room_id"], "user_id": "6111"})
    assert b.expect("app.a-b_c.1") == {"room": "apps", "user_id": "6111"}
    a.tell("app.x")
    # Nothing of it is kept.
    assert a.post("apps", "first")["seq"] == 1
    assert [m["text"] for m in a.history("apps")] == ["first"]
    close_all([a, b, second])


def raw_message(client, kind):
    """The text of the next message of that type."""
    deadline = time.monotonic() + 20
    while True:
        text = client.message(deadline)
        assert text is not None, f"no {kind}"
        if json.loads(text)["type"] == kind:
            return text


@scenario()
def applications_have_bounds(server):
    a, b = room_of(server, "bounds", 6_113, 6_114)
    stranger = server.type_client(6_115)
    empty = json.dumps({"room": "bounds", "x": ""}).encode()

    def of(size):
        return '{"type":"game.move","id":"s","data":{"room": "bounds", "x": "' + "x" * (size - len(empty)) + '"}}'

    for size in (8_191, 8_192):
        a.send_text(of(size))
        assert len(b.expect("game.move")["x"]) == size - len(empty)
    a.send_text(of(8_193))
    assert a.frame("error")["code"] == "message_too_large"
    for kind in (
        "chat.move", "system.shutdown", "user.joined", "call.participant_joined", "evil.move", "game", "game.", ".game",
        "Game.move", "game.Move", "game.mo ve", "game.한", "game/move", "game." + "x" * 60, "error", "auth.ok",
        "room.x", "chat.ack", "pong.x", "",
    ):
        a.refused(kind, {"room": "bounds"}, "unknown_type")
    a.tell("game." + "x" * 59, {"room": "bounds"})
    b.expect("game." + "x" * 59)
    a.refused("game.move", {"room": "bounds", "user_id": "6114"}, "permission_denied")
    a.refused("game.move", {"room": "bounds", "user_id": 6_114}, "permission_denied")
    a.refused("game.move", {"x": 1}, "invalid_data")
    a.refused("game.move", [], "invalid_data")
    a.refused("game.move", {"room": "bounds", "key": 7}, "invalid_data")
    a.refused("game.move", {"room": "bounds", "key": "x" * 65}, "invalid_data")
    error = stranger.refused("game.move", {"room": "bounds"})
    assert error["code"] in ("permission_denied", "room_not_found"), error
    b.post("bounds", "marker")
    a.expect("chat.message", text="marker")
    assert not b.kept("game.move"), b.inbox
    close_all([a, b, stranger])


@scenario(config='[policy]\napplication_domains = ["quiz"]\n')
def the_configuration_says_which_domains_are_open(server):
    a, b = room_of(server, "domains", 6_116, 6_117)
    a.tell("quiz.answer", {"room": "domains", "n": 42})
    assert b.expect("quiz.answer")["n"] == 42
    a.refused("game.move", {"room": "domains"}, "unknown_type")
    tcp = server.client(6_118)
    tcp.ask("JOIN_ROOM", {"chatroom_id": a.join("domains")["room_id"]}, expect="JOIN_ROOM_SUCCESS")
    event = {"chatroom_id": a.join("domains")["room_id"], "type": "quiz.answer", "data": {"n": 43}}
    tcp.request("SEND_EVENT", event)
    assert b.expect("quiz.answer") == {"room": "domains", "n": 43, "user_id": "6118"}
    error = tcp.refused("SEND_EVENT", {**event, "type": "game.move"})
    assert error["error_code"] in ("INVALID_DATA", "INVALID_ACTION"), error
    close_all([a, b, tcp])


@scenario(limits={"slow_ms": 30_000}, fresh=True)
def of_one_key_only_the_latest_waits_for_a_slow_receiver(server):
    a, quick = room_of(server, "conflation", 6_121, 6_122)
    slow = server.type_client(6_123, options={"receive_buffer": 4_096})
    slow.join("conflation")
    total, padding = 4_000, "x" * 6_000
    keys = ("left", "right")
    for n in range(total):
        a.tell("app.cursor", {"room": "conflation", "key": keys[n % 2], "n": n, "padding": padding})
        if n % 50 == 49:
            assert [quick.expect("app.cursor")["n"] for _ in range(50)] == list(range(n - 49, n + 1))
            drain(a)
    a.post("conflation", "marker")
    heard = {key: [] for key in keys}
    while not (heard["left"][-1:] == [total - 2] and heard["right"][-1:] == [total - 1]):
        event = slow.expect("app.cursor")
        heard[event["key"]].append(event["n"])
    for key, numbers in heard.items():
        assert numbers == sorted(numbers), f"{key}: the order of one sender's events"
        assert len(numbers) < total / 4, f"{key}: {len(numbers)} of {total / 2:.0f}: nothing was left out"
    slow.expect("chat.message", text="marker")
    close_all([a, quick, slow])


def drain(client):
    """Takes what has come, without waiting."""
    while client.receive(time.monotonic() + 0.001) is not None:
        pass
    client.inbox.clear()


# Slow readers

@scenario(limits={"slow_ms": 30_000}, fresh=True)
def a_slow_reader_disturbs_nobody_and_is_caught_up(server):
    a, b = room_of(server, "slow", 6_131, 6_132)
    slow = server.type_client(6_133, options={"receive_buffer": 4_096})
    slow.join("slow")
    others = Bystander(server)
    content, total = "y" * 4_000, 1_500
    for n in range(total):
        a.request("chat.message", {"room": "slow", "text": f"{n} {content}"})
        if n % 50 == 49:
            stream = b.messages("slow", n - 49)
            assert [next(stream)["seq"] for _ in range(50)] == list(range(n - 48, n + 2)), "the others miss nothing"
            drain(a)
            b.inbox.clear()
    others.check("a slow reader's backlog")
    stream = slow.messages("slow", 0)
    assert [next(stream)["seq"] for _ in range(total)] == list(range(1, total + 1)), "in order, without holes"
    others.check("the catch-up")
    others.end()
    close_all([a, b, slow])


@scenario(limits=SLOW, fresh=True)
def who_never_reads_is_closed_and_may_resume(server):
    a, b = room_of(server, "deaf", 6_134, 6_135)
    deaf = server.type_client(6_136, options={"receive_buffer": 4_096})
    epoch = deaf.join("deaf")["epoch"]
    others = Bystander(server)
    content, n, open_sockets = "x" * 4_000, 0, server.sockets()
    deadline = time.monotonic() + 60
    while server.sockets() >= open_sockets:
        assert time.monotonic() < deadline, f"not closed after {n} messages"
        for _ in range(50):
            a.request("chat.message", {"room": "deaf", "text": f"{n} {content}"})
            n += 1
        stream = b.messages("deaf", n - 50)
        assert [next(stream)["seq"] for _ in range(50)] == list(range(n - 49, n + 1)), "the others miss nothing"
        drain(a)
        b.inbox.clear()
        others.check("a deaf session")
    seen = [f["data"]["seq"] for f in deaf.until_closed() if f["type"] == "chat.message"]
    assert deaf.close_code in (None, 4408), deaf.close_code
    assert seen == list(range(1, len(seen) + 1)) and len(seen) < n, "what came, came in order"
    back = server.type_client(6_136, resume=[{"room": "deaf", "seq": len(seen), "epoch": epoch}])
    assert back.rooms["deaf"]["recovered"] is True, back.rooms
    stream = back.messages("deaf", 0)
    assert [next(stream)["seq"] for _ in range(n - len(seen))] == list(range(len(seen) + 1, n + 1))
    others.end()
    close_all([a, b, deaf, back])


# Crowds

@scenario()
def two_hundred_clients_hear_fifty_messages_in_order(server):
    users = [(6_200 + n, server.token(6_200 + n)) for n in range(10)]
    with server.type_client(6_199) as sender:
        sender.join("crowd")
        got = asyncio.run(crowd(server, [token for _, token in users] * 20, sender))
    want = [f"m{n}" for n in range(50)]
    assert len(got) == 200 and all(heard == want for heard in got), [heard[:5] for heard in got if heard != want][:5]


async def crowd(server, tokens, sender):
    """What each of a crowd hears; the package's own client, not ours."""
    joined, everybody = 0, asyncio.Event()

    async def member(token):
        nonlocal joined
        headers = {"Authorization": f"Bearer {token}"}
        address = f"ws://127.0.0.1:{server.http}/ws"
        async with connect_async(address, additional_headers=headers, subprotocols=[TYPE], compression=None) as socket:
            await socket.send('{"type":"room.join","data":{"room":"crowd"},"id":"j"}')
            heard = []
            async for text in socket:
                message = json.loads(text)
                if message.get("ref_id") == "j":
                    assert message["type"] == "room.joined", message
                    joined += 1
                    if joined == len(tokens):
                        everybody.set()
                elif message["type"] == "chat.message":
                    heard.append(message["data"]["text"])
                    if len(heard) == 50:
                        return heard

    async def speak():
        await everybody.wait()
        for n in range(50):
            sender.tell("chat.message", {"room": "crowd", "text": f"m{n}"})

    async with asyncio.timeout(60):
        *heard, _ = await asyncio.gather(*(member(token) for token in tokens), speak())
    return heard


# Compression

@scenario(config=DEFLATE)
def messages_are_compressed_both_ways_where_it_was_agreed(server):
    squeezed = TypeClient(server.http, deflate=True)
    squeezed.connect(server.token(6_141))
    agreed = squeezed.response.headers["Sec-WebSocket-Extensions"]
    assert "permessage-deflate" in agreed and "server_no_context_takeover" in agreed, agreed
    plain, tcp = server.type_client(6_142), server.client(6_143)
    assert "Sec-WebSocket-Extensions" not in plain.response.headers, plain.response.headers
    joined = squeezed.join("deflate")
    plain.join("deflate")
    tcp.ask("JOIN_ROOM", {"chatroom_id": joined["room_id"]}, expect="JOIN_ROOM_SUCCESS")
    text = "봉수 " * 580
    for sender in (squeezed, plain):
        before = squeezed.received, squeezed.sent
        sender.post("deflate", text.strip())
        for client in (squeezed, plain):
            assert client.expect("chat.message")["text"] == text.strip()
        assert tcp.expect("NEW_MESSAGE")["content"] == text.strip()
        assert squeezed.received - before[0] < 1_000, "the server compresses"
        assert sender is plain or squeezed.sent - before[1] < 1_000, "the client does, too"
    for n in range(20):
        squeezed.post("deflate", f"{n} {text}".strip())
    assert [m["seq"] for m in squeezed.history("deflate", page=7)] == list(range(1, 23))
    squeezed.tell("game.move", {"room": "deflate", "board": ["x"] * 1_000})
    assert plain.expect("game.move")["board"] == ["x"] * 1_000
    short = squeezed.post("deflate", "short")
    assert squeezed.expect("chat.message", seq=short["seq"])["text"] == "short"
    squeezed.refused("fly.away", {"x": "y" * 10_000}, "unknown_type")
    # What it missed comes compressed, too.
    missed = [plain.post("deflate", f"missed {n} {text}".strip()) for n in range(3)]
    squeezed.drop()
    back = TypeClient(server.http, deflate=True)
    point = {"room": "deflate", "seq": short["seq"], "epoch": joined["epoch"]}
    back.connect(server.token(6_141), resume=[point])
    stream = back.messages("deflate", short["seq"])
    assert [next(stream)["message_id"] for _ in missed] == [ack["message_id"] for ack in missed]
    # Asked for so often, it keeps the order.
    for n in range(50):
        plain.tell("chat.message", {"room": "deflate", "text": f"{n} {'z' * (n * 60)}"})
    got = [back.expect("chat.message")["text"].split()[0] for _ in range(50)]
    assert got == [str(n) for n in range(50)], got
    close_all([back, plain, tcp])


class Squeezing:
    """A server whose clients all offer compression and get it."""

    def __init__(self, server):
        self.server = server

    def __getattr__(self, name):
        return getattr(self.server, name)

    def type_client(self, *user, options=None, **data):
        client = self.server.type_client(*user, options={"deflate": True, **(options or {})}, **data)
        assert "Sec-WebSocket-Extensions" in client.response.headers, "not agreed"
        return client


@scenario(config=DEFLATE, limits={"compress_over_bytes": 1, **type_rooms.BRIEF})
def everything_is_as_it_was_when_every_byte_is_compressed(server):
    squeezing = Squeezing(server)
    for part in (
        type_rooms.a_room_is_made_by_joining_its_name,
        type_rooms.a_quick_reconnect_is_no_news_and_misses_nothing,
        type_rooms.a_place_that_never_was_is_not_resumed,
        type_rooms.a_join_from_a_place_replays_what_came_after_it,
        type_rooms.history_is_paged_in_both_directions,
        type_rooms.typing_is_on_unless_it_is_said_to_be_off,
        applications_tell_what_they_like,
    ):
        part(squeezing)


@scenario(config=DEFLATE)
def every_offer_of_compression_gets_its_answer(server):
    token = server.token(6_144)
    for factory, agreed in (
        (ClientPerMessageDeflateFactory(), True),
        (ClientPerMessageDeflateFactory(True, True, 15, 15), True),
        (ClientPerMessageDeflateFactory(server_max_window_bits=12), True),
        # Our frames are made once for everybody, with a window of 2^12.
        (ClientPerMessageDeflateFactory(server_max_window_bits=9), False),
    ):
        with TypeClient(server.http, deflate=factory, headers={"Authorization": f"Bearer {token}"}) as c:
            assert ("Sec-WebSocket-Extensions" in c.response.headers) is agreed, (factory.get_request_params(), agreed)
            c.frame("auth.ok")
            c.refused("fly.away", {"x": "y" * 10_000}, "unknown_type")
            c.ask("ping", expect="pong")
    with server.action_ws_client(6_144, options={"deflate": True}, accept_compression=True) as c:
        c.refused("FLY", {"x": "y" * 10_000})


@scenario()
def compression_is_off_unless_the_operator_wants_it(server):
    with TypeClient(server.http, deflate=True) as c:
        assert "Sec-WebSocket-Extensions" not in c.response.headers, c.response.headers
        c.connect(server.token(6_145))
        c.send_raw(frame(OP_TEXT, deflated(b'{"type":"ping"}'), reserved=RSV1))
        c.closes(1002)


def deflated(data, level=9):
    """A message as permessage-deflate has it."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert packed.endswith(b"\x00\x00\xff\xff")
    return packed[:-4]


def padded(size):
    head, tail = b'{"type":"ping","id":"p","pad":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


@scenario(config=DEFLATE)
def bombs_are_refused_before_they_go_off(server):
    others = Bystander(server)
    most = 64 * 1024
    with TypeClient(server.http, deflate=True) as c:
        c.connect(server.token(6_146))
        for size in (most - 1, most):
            c.send_raw(frame(OP_TEXT, deflated(padded(size)), reserved=RSV1))
            c.take(lambda f: f.get("ref_id") == "p", "a pong")
        # In many fragments it is the same message.
        whole = deflated(padded(most))
        c.send_raw(frame(OP_TEXT, whole[:1], reserved=RSV1, final=False))
        for byte in whole[1:-1]:
            c.send_raw(frame(0, bytes([byte]), final=False))
        c.send_raw(frame(0, whole[-1:]))
        c.take(lambda f: f.get("ref_id") == "p", "a pong")
    zeros = deflated(bytes(40 << 20))
    for what, data, code in (
        ("one byte over the limit", frame(OP_TEXT, deflated(padded(most + 1)), reserved=RSV1), 4413),
        ("a bomb", frame(OP_TEXT, zeros, reserved=RSV1), 4413),
        ("a bomb of JSON", frame(OP_TEXT, deflated(b'{"x":"' + b" " * (40 << 20) + b'"}'), reserved=RSV1), 4413),
        ("a bomb in parts", frame(OP_TEXT, zeros[:100], reserved=RSV1, final=False) + frame(0, zeros[100:]), 4413),
        ("no deflate", frame(OP_TEXT, b"\xff" * 100, reserved=RSV1), 1007),
        ("invalid UTF-8 inside", frame(OP_TEXT, deflated(b'{"x":"\xff"}'), reserved=RSV1), 1007),
        ("a compressed ping", frame(OP_PING, deflated(b"x"), reserved=RSV1), 1002),
        ("a compressed continuation", frame(OP_TEXT, b"{", final=False) + frame(0, b"}", reserved=RSV1), 1002),
    ):
        for signed_in in (True, False):
            with TypeClient(server.http, deflate=True) as c:
                if signed_in:
                    c.connect(server.token(6_146))
                for _ in range(1 if code != 4413 else 3):
                    try:
                        c.send_raw(data)
                    except OSError:
                        break  # Closed after the first.
                frames = c.closes(code)
                assert frames[-1]["type"] == "error" and frames[-1]["reconnect"] == "never", (what, frames)
                want = "message_too_large" if code == 4413 else "invalid_data"
                assert frames[-1]["code"] == want, (what, frames)
        others.check(what)
    others.end()
