"""What a client of Socket.IO should not bring: one table for each layer, each entry with what comes of it.

While all of it goes on, two sessions chat, and the server's memory stays where it was.
"""

import http.client
import json
import secrets
import socket
import time

from bystander import Bystander
from client import Closed, Unexpected
from eio import PATH, PollLine, SocketioChat, Status, WsLine, payload, query
from runner import scenario
from scenarios.http_edges import raw, status_of
from server import wait_until
from websockets.frames import OP_BINARY
from ws import Refused, frame

MOST = 64 * 1024
# Deadlines that a test can wait for.
HASTY = {
    "frame_ms": 1_000, "sign_in_ms": 2_000, "slow_ms": 2_000, "http_header_ms": 1_000, "engine_upgrade_ms": 500,
    "engine_ping_interval_ms": 600, "engine_ping_timeout_ms": 400, "presence_grace_ms": 100,
}
TEXT, OCTETS = "text/plain;charset=UTF-8", "application/octet-stream"
EVENT = '42["message",{}]'


def chat(server, user=None, line=WsLine, **options):
    """Somebody who is connected, and signed in as a user."""
    client = SocketioChat(line(server.http, **options))
    client.expect("(connected)")
    if user is not None:
        client.sign_in(server.token(user))
    return client


def over(line):
    """Waits until a line is ended by the server; what it said until then."""
    said = []
    deadline = time.monotonic() + 10
    try:
        while (packet := line.packet(deadline)) is not None:
            if packet == "1":
                return said
            said.append(packet)
    except (Closed, Status, OSError):
        return said
    raise Unexpected(f"not ended; it said {said[-3:]}")


def gone(server, line):
    """Nothing is left of a polling session: whoever asks for it is told that there is none."""
    line.drop()
    nothing = payload(line.engine, ["6"])
    wait_until(lambda: answered(server, line.target(), "POST", nothing)[0] == 400, "the session to be unknown")


def answered(server, target, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.http, timeout=10)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def still_well(client):
    assert "server_time" in client.ask("ping", {})


# Addresses and methods of the handshake: method, address, status, Engine.IO's own code.
HANDSHAKES = [
    ("GET", PATH, 400, 0),
    ("GET", PATH + "?EIO=4", 400, 0),
    ("GET", PATH + "?EIO=4&transport=carrier-pigeon", 400, 0),
    ("GET", PATH + "?transport=polling", 400, 5),
    ("GET", PATH + "?EIO=2&transport=polling", 400, 5),
    ("GET", PATH + "?EIO=5&transport=polling", 400, 5),
    ("GET", PATH + "?EIO=4&EIO=3&transport=polling", 400, 3),
    ("GET", PATH + "?EIO=4&transport=websocket", 400, 3),
    ("POST", PATH + query(4, "polling"), 400, 2),
    ("GET", PATH + query(4, "polling", "x"), 400, 1),
    ("GET", PATH + query(4, "polling", "%00%ff"), 400, 1),
    ("GET", PATH + query(3, "polling", "x" * 2_000), 400, 1),
    ("POST", PATH + query(4, "polling", "x"), 400, 1),
]


@scenario()
def handshakes_that_are_none(server):
    others = Bystander(server)
    for method, target, status, code in HANDSHAKES:
        answer, body = answered(server, target, method, b"40" if method == "POST" else None)
        assert answer == status and json.loads(body)["code"] == code, (method, target, answer, body)
    for method in ("PUT", "DELETE", "PATCH"):
        assert answered(server, PATH + query(4, "polling"), method)[0] in (400, 405), method
    for sid in ("nonsense", "0" * 41, "00000000-" + "0" * 32):
        try:
            WsLine(server.http, sid=sid).close()
        except Refused as refused:
            assert refused.status == 400 and json.loads(refused.body)["code"] == 1, refused
        else:
            raise Unexpected(f"{sid} was upgraded")
    others.check("handshakes")
    others.end()


@scenario()
def nobody_guesses_a_session(server):
    others = Bystander(server)
    with chat(server, 8_201, PollLine) as client:
        node, _, own = client.opening["sid"].partition("-")
        assert len(own) == 32 and int(own, 16), client.opening
        near = [f"{int(own, 16) ^ (1 << bit):032x}" for bit in range(0, 128, 8)]
        for guess in near + [secrets.token_hex(16) for _ in range(200)] + [own.upper() + "0", own[:-1]]:
            status, body = answered(server, PATH + query(4, "polling", f"{node}-{guess}"), "POST", b"41")
            assert status == 400 and json.loads(body)["code"] == 1, (guess, status, body)
        # Nor is one spoken to in another version of the protocol.
        status, _ = answered(server, PATH + query(3, "polling", client.opening["sid"]), "POST", b"2:41")
        assert status == 400, status
    with chat(server, 8_201, PollLine) as client:
        sid = client.opening["sid"]
        # The poll that waits is hung up on its way to the socket: that is no loss, for it was given nothing.
        client.line.ask()
        # Whoever has changed its transport is not polled for any more, and not upgraded twice.
        with WsLine(server.http, sid=sid) as line:
            line.send("2probe")
            assert line.packet(time.monotonic() + 5) == "3probe"
            try:
                WsLine(server.http, sid=sid).close()
            except Refused as refused:
                assert refused.status == 400, refused
            else:
                raise Unexpected("two upgrades at once")
            line.send("5")
            client.line.drop()
            client.line = line
            still_well(client)
            assert answered(server, PATH + query(4, "polling", sid))[0] == 400
            try:
                WsLine(server.http, sid=sid).close()
            except Refused as refused:
                assert refused.status == 400, refused
            else:
                raise Unexpected("an upgrade of what is a WebSocket already")
            still_well(client)
    others.check("guesses")
    others.end()


# Bodies that end a polling session: what, version, body, content type, statuses.
BODIES = [
    ("nothing", 4, b"", TEXT, (400,)),
    ("nothing", 3, b"", TEXT, (400,)),
    ("separators", 4, b"\x1e\x1e", TEXT, (400,)),
    ("an unknown packet", 4, b"9", TEXT, (400,)),
    ("a letter", 4, b"x", TEXT, (400,)),
    ("an opening", 4, b'0{"sid":"x"}', TEXT, (400,)),
    ("a ping from the client", 4, b"2", TEXT, (400,)),
    ("a pong from the client", 3, b"1:3", TEXT, (400,)),
    ("a message of nothing", 4, b"4", TEXT, (400,)),
    ("no base64", 4, b"b!!!", TEXT, (400,)),
    ("half of base64", 4, b"bAAA", TEXT, (400,)),
    ("base64 of nobody's", 4, b"bAAAA", TEXT, (400,)),
    ("no UTF-8", 4, b"4\xff\xfe", TEXT, (400,)),
    ("a length of more", 3, b"100:42", TEXT, (400,)),
    ("a length of less", 3, b"1:" + EVENT.encode(), TEXT, (400,)),
    ("no length", 3, b":40", TEXT, (400,)),
    ("no colon", 3, b"2", TEXT, (400,)),
    ("a negative length", 3, b"-1:40", TEXT, (400,)),
    ("a length with zeros in front", 3, b"002:40", TEXT, (400,)),
    ("a length beyond numbers", 3, b"99999999999999999999999:40", TEXT, (400,)),
    ("a length of many digits", 3, b"9" * 60_000 + b":40", TEXT, (400,)),
    ("a length in the middle of a character", 3, "4:4 😀".encode(), TEXT, (400,)),
    ("no base64", 3, b"5:b4!!!", TEXT, (400,)),
    ("half a record of bytes", 3, b"\x00\x05\xff40", OCTETS, (400,)),
    ("a record without an end of its length", 3, b"\x00" + b"\x09" * 50_000, OCTETS, (400,)),
    ("a record of no kind", 3, b"\x02\x01\xff4", OCTETS, (400,)),
    ("digits as text in a record of bytes", 3, b"\x002\xff40", OCTETS, (400,)),
    ("bytes in version 4", 4, b"\x00\x02\xff40", OCTETS, (400,)),
    ("JSON", 4, b'{"type":"ping"}', "application/json", (400,)),
    ("a form", 4, b"d=40", "application/x-www-form-urlencoded", (400,)),
    ("10,001 packets", 4, b"\x1e".join([b"6"] * 10_001), TEXT, (400, 413)),
    ("10,001 packets", 3, b"1:6" * 10_001, TEXT, (400, 413)),
    ("over the limit by one", 4, b"4" + b"2" * MOST, TEXT, (413,)),
    ("ten megabytes", 4, b"4" + b"2" * (10 << 20), TEXT, (413,)),
]


@scenario()
def bodies_that_end_a_polling_session(server):
    others = Bystander(server)
    for what, engine, body, kind, statuses in BODIES:
        for user in (None, 8_202):
            client = chat(server, user, PollLine, engine=engine)
            try:
                status, said = client.line.post(body, kind)
            except OSError:
                status, said = statuses[0], ""  # Closed before all of it was sent.
            assert status in statuses, (what, engine, user, status, said)
            gone(server, client.line)
        others.check(what)
    others.end()


@scenario(limits=HASTY)
def bodies_that_do_not_come(server):
    others = Bystander(server)
    chunk = b"8000\r\n" + b"4" * 0x8000 + b"\r\n"
    for what, head, reaches_it in (
        ("a body that is never sent", b"Content-Length: 60000\r\n\r\n", True),
        ("half a body", b"Content-Length: 60000\r\n\r\n4", True),
        ("a gigabyte that is announced", b"Content-Length: 1073741824\r\n\r\n4", True),
        ("a length that is none", b"Content-Length: x\r\n\r\n4", False),
        ("two lengths", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n401", False),
        ("chunks without end", b"Transfer-Encoding: chunked\r\n\r\n" + chunk, True),
        ("chunks over the limit", b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 9, True),
    ):
        client = chat(server, 8_203, PollLine)
        began = time.monotonic()
        start = f"POST {client.line.target()} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {TEXT}\r\n".encode()
        answer = raw(server, start + head, wait=4)
        assert status_of(answer) in (400, 408, 413), (what, answer[:200])
        assert time.monotonic() - began < 4, what
        if reaches_it:
            gone(server, client.line)
        client.line.drop()
        others.check(what)
    others.end()


@scenario()
def polls_and_posts_that_overlap(server):
    others = Bystander(server)
    # Two polls: one of them is of nobody who can know what it gets, so the session ends.
    client = chat(server, 8_204, PollLine)
    client.line.ask()
    wait_until(lambda: answered(server, client.line.target())[0] == 400, "the second poll to be refused")
    assert not [packet for packet in over(client.line) if packet != "6"]
    gone(server, client.line)
    others.check("two polls")
    # Two bodies at once: neither is first.
    client = chat(server, 8_204, PollLine)
    with socket.create_connection(("127.0.0.1", server.http), timeout=10) as slow:
        head = f"POST {client.line.target()} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n4"
        slow.sendall(head.encode())
        wait_until(lambda: client.line.post(EVENT)[0] == 400, "a second body to be refused")
    gone(server, client.line)
    others.check("two bodies")
    # A poll that waits and a body beside it are as it should be.
    with chat(server, 8_204, PollLine) as client:
        client.line.ask()
        still_well(client)
    others.end()


@scenario(limits=HASTY)
def upgrades_that_go_wrong(server):
    others = Bystander(server)
    for what, says in (
        ("nothing", []),
        ("no probe", [EVENT]),
        ("an upgrade without a probe", ["5"]),
        ("another probe", ["2nonsense"]),
        ("a probe, and then no upgrade", ["2probe"]),
        ("a probe, and then a message", ["2probe", EVENT]),
        ("a close", ["1"]),
    ):
        with chat(server, 8_205, PollLine) as client:
            began = time.monotonic()
            with WsLine(server.http, sid=client.opening["sid"]) as line:
                line.send(*says)
                if says[:1] == ["2probe"]:
                    assert line.packet(time.monotonic() + 5) == "3probe"
                # Meanwhile it polls on: it is told to hold, and nothing is lost.
                over_with = []
                while line.close_code is None and not line.ended:
                    assert time.monotonic() - began < 5, f"{what}: not ended"
                    packet = client.line.packet(time.monotonic() + 0.05)
                    if packet is not None:
                        over_with.append(packet)
                        if packet == "2":
                            client.line.send("3")
                    try:
                        line.packet(time.monotonic() + 0.05)
                    except Closed:
                        break
            still_well(client)
        others.check(what)
    # And many who never get further: each costs its deadline and no more.
    with chat(server, 8_205, PollLine) as client:
        for _ in range(20):
            try:
                WsLine(server.http, sid=client.opening["sid"]).drop()
            except Refused as refused:
                assert refused.status == 400, refused
        still_well(client)
    others.end()


PLACEHOLDER = '{"_placeholder":true,"num":%d}'
BINARY = b"\x01\x02\x03"
# Packets that end a connection: what is sent one after another; bytes are binary frames.
ENDING = [
    ("an empty packet", ["4"]),
    ("an unknown packet", ["47"]),
    ("an unknown packet of Engine.IO", ["8"]),
    ("nothing at all", [""]),
    ("an event without data", ["42"]),
    ("an event that is an object", ["42{}"]),
    ("an event that is a string", ['42"message"']),
    ("an event without a name", ["42[]"]),
    ("a number as name", ["42[7]"]),
    ("null as name", ["42[null]"]),
    ("an object as name", ['42[{"message":1}]']),
    ("a name of an array", ['42[["message"]]']),
    ("half an event", ['42["message"']),
    ("two events in a packet", ['42["a"]["b"]']),
    ("an id beyond numbers", ['42999999999999999999999["message"]']),
    ("a name that is the library's own", ['42["connect"]']),
    ("another name that is the library's own", ['42["disconnect","x"]']),
    ("an ack without a number", ["43[]"]),
    ("an error from a client", ['44{"message":"x"}']),
    ("a namespace that was not joined", ['42/chat,["message",{}]']),
    ("a namespace that there is not", ['42/nowhere,["message",{}]']),
    ("joining twice", ["40"]),
    ("50,000 nested arrays", ['42["message",' + "[" * 50_000]),
    ("nesting over the limit", ['42["message",' + "[" * 40 + "]" * 40 + "]"]),
    ("NaN", ['42["message",NaN]']),
    ("no attachments, and a place for one", ['450-["message",' + PLACEHOLDER % 0 + "]"]),
    ("nine attachments", ['459-["message",' + ",".join(PLACEHOLDER % n for n in range(9)) + "]"]),
    ("attachments beyond numbers", ['4599999999999999999999-["message",' + PLACEHOLDER % 0 + "]"]),
    ("a number of attachments that is none", ['45x-["message"]']),
    ("no number of attachments", ['45-["message",' + PLACEHOLDER % 0 + "]"]),
    ("a place out of range", ['451-["message",' + PLACEHOLDER % 5 + "]", BINARY]),
    ("a negative place", ['451-["message",' + PLACEHOLDER % -1 + "]", BINARY]),
    ("an attachment without a place", ['451-["message",{}]', BINARY]),
    ("text instead of an attachment", ['451-["message",' + PLACEHOLDER % 0 + "]", EVENT]),
    ("bytes that nobody announced", [BINARY]),
    ("one attachment too many", ['451-["message",' + PLACEHOLDER % 0 + "]", BINARY, BINARY]),
    ("no UTF-8", [b"\xff"]),
]


@scenario()
def packets_that_end_the_connection(server):
    others = Bystander(server)
    for what, packets in ENDING:
        for user in (None, 8_206):
            client = chat(server, user)
            try:
                for packet in packets:
                    if isinstance(packet, bytes):
                        client.line.send_raw(frame(OP_BINARY, packet))
                    else:
                        client.line.send(packet)
            except (Closed, OSError):
                pass  # Closed before all of it was sent.
            try:
                said = over(client.line)
            except Unexpected as error:
                raise Unexpected(f"{what}, {user}: {error}") from None
            assert client.line.close_code is not None, (what, user, said)
            assert len(said) <= 3, (what, user, said)
            client.line.close()
        others.check(what)
    # The same over polling, where bytes are base64.
    for what, packets in ENDING[:10] + ENDING[-13:-1]:
        client = chat(server, 8_206, PollLine)
        texts = [packet if isinstance(packet, str) else "bAQID" for packet in packets]
        status, _ = client.line.post(payload(4, texts))
        assert status == 400, (what, status)
        gone(server, client.line)
        others.check(what)
    others.end()


# Events that are refused, and the session lives: what, arguments, code.
REFUSED = [
    ("no argument", ["message"], "INVALID_PARAM"),
    ("null", ["message", None], "INVALID_PARAM"),
    ("a string", ["message", "x"], "INVALID_PARAM"),
    ("an array", ["message", []], "INVALID_PARAM"),
    ("an empty object", ["message", {}], "INVALID_PARAM"),
    ("an unknown event", ["fly.away", {}], "INVALID_ACTION"),
    ("an event of no letters", ["", {}], "INVALID_ACTION"),
    ("a long name", ["x" * 10_000, {}], "INVALID_ACTION"),
    ("a reply as request", ["postinit_res", {"success": True}], "INVALID_ACTION"),
    ("an event as request", ["user.joined", {}], "INVALID_ACTION"),
    ("a room of nobody", ["message", {"to": {"type": "ROOM", "token": "0" * 48}, "content": "x"}], "ROOM_NOT_FOUND"),
    ("a user as room", ["message", {"to": {"type": "USER", "token": "0" * 48}, "content": "x"}], "INVALID_PARAM"),
    ("a token that is none", ["message", {"to": {"type": "ROOM", "token": "../x"}, "content": "x"}], "INVALID_PARAM"),
    ("a sign-in with a number", ["postinit_req", {"token": 7}], "INVALID_PARAM"),
    ("a sign-in with nothing", ["postinit_req"], "INVALID_PARAM"),
    ("an id that is none", ["message", {"id": {}}], "INVALID_PARAM"),
]


@scenario()
def events_that_are_refused_and_the_session_lives(server):
    others = Bystander(server)
    for line in (WsLine, PollLine):
        with chat(server, 8_207, line) as client:
            for what, args, code in REFUSED:
                error = client.ask(*args)
                assert error["code"] == code and error["message"], (what, error)
                client.emit(*args)
                error = client.expect("server_error")
                assert error["code"] == code, (what, error)
                still_well(client)
                assert not client.kept("message") and not client.kept("postinit_res"), what
            # One may answer what was not asked, and leave where one is not.
            client.send("3", '["nobody asked"]', "7")
            still_well(client)
            others.check("refused events")
    others.end()


# Attachments of events that would have none: what, the packet. They are waited for, and the session lives.
ATTACHED = [
    ("as the argument", '451-["message",' + PLACEHOLDER % 0 + "]"),
    ("deep inside", '451-["message",{"to":[[' + PLACEHOLDER % 0 + "]]}]"),
    ("a place twice", '451-["message",' + PLACEHOLDER % 0 + "," + PLACEHOLDER % 0 + "]"),
    ("of an unknown event", '451-["fly.away",' + PLACEHOLDER % 0 + "]"),
    ("of an application's event", '451-["game.move",' + PLACEHOLDER % 0 + "]"),
]


@scenario()
def attachments_are_refused_and_the_session_lives(server):
    others = Bystander(server)
    with chat(server, 8_214) as client, chat(server, 8_214, PollLine) as poller:
        for what, packet in ATTACHED:
            client.line.send(packet)
            client.line.send_raw(frame(OP_BINARY, BINARY))
            error = client.expect("server_error")
            assert error["code"] == "INVALID_PARAM" and "reconnect" not in error, (what, error)
            still_well(client)
            poller.line.send(packet, "bAQID")
            assert poller.expect("server_error")["code"] == "INVALID_PARAM", what
            still_well(poller)
            poller.line.send(packet)
            poller.line.send("bAQID")
            assert poller.expect("server_error")["code"] == "INVALID_PARAM", what
            others.check(what)
    others.end()


@scenario(limits=HASTY)
def attachments_that_never_come_are_not_waited_for(server):
    others = Bystander(server)
    client = chat(server, 8_208)
    began = time.monotonic()
    client.line.send('452-["message",' + PLACEHOLDER % 0 + "," + PLACEHOLDER % 1 + "]")
    client.line.send_raw(frame(OP_BINARY, BINARY))
    over(client.line)
    assert 0.7 < time.monotonic() - began < 5
    client.line.close()
    # And who keeps sending the first part buys no memory with it.
    before = server.rss()
    clients = [chat(server) for _ in range(100)]
    for each in clients:
        each.line.send('458-["message",' + ",".join(PLACEHOLDER % n for n in range(8)) + ',"' + "x" * 50_000 + '"]')
        for _ in range(7):
            each.line.send_raw(frame(OP_BINARY, b"x" * 60_000))
    others.check("attachments to come")
    assert server.rss() - before < 32 << 20, f"{(server.rss() - before) >> 20} MiB"
    for each in clients:
        each.line.drop()
    others.end()


@scenario(limits=HASTY)
def a_poller_that_vanishes_is_let_go(server):
    others = Bystander(server)
    server.user(8_209, "poller", "poller")
    server.user(8_210, "peer", "peer")
    room = server.room(members=[8_209, 8_210])
    with server.client(8_210) as peer:
        for what, ending in (("polls no more", False), ("breaks off its poll", True)):
            client = chat(server, 8_209, PollLine)
            peer.expect("USER_STATUS_CHANGED", user_id=8_209, is_online=True)
            if ending:
                client.line.ask()
                client.line.drop()
            # What is said meanwhile waits for it within its budget.
            for n in range(400):
                peer.request("SEND_MESSAGE", {"chatroom_id": room, "content": "가" * 1_300, "message_type": "text"})
            peer.expect("USER_STATUS_CHANGED", user_id=8_209, is_online=False)
            gone(server, client.line)
            peer.ask("PING", expect="PONG")
            peer.inbox.clear()
            others.check(f"somebody who {what}")
    others.end()


@scenario(limits=HASTY)
def whoever_answers_no_ping_is_closed(server):
    others = Bystander(server)
    for line, engine in ((PollLine, 4), (WsLine, 4), (PollLine, 3), (WsLine, 3)):
        client = chat(server, 8_211, line, engine=engine)
        began = time.monotonic()
        # It polls, reads pings, and answers none; with version 3 it never sends one.
        said = over(client.line)
        took = time.monotonic() - began
        assert took < 5, (line.__name__, engine, took)
        if engine == 4:
            assert "2" in said, (line.__name__, said)
        client.line.drop()
        others.check("no pong")
    # Who does answer stays: over several times the deadline.
    for line in (PollLine, WsLine):
        with chat(server, 8_211, line) as client:
            deadline = time.monotonic() + 2.5
            while client.receive(deadline) is not None:
                continue
            still_well(client)
    others.end()


@scenario(limits={"requests_per_s": 20, "requests_burst": 20, "flooder_times": 2, "flooder_ms": 1_000})
def a_flooder_is_refused_and_then_closed(server):
    others = Bystander(server)
    for line in (WsLine, PollLine):
        client = chat(server, 8_213, line)
        burst = ['42["ping",{}]'] * 50
        codes, deadline = set(), time.monotonic() + 10
        try:
            while time.monotonic() < deadline:
                client.line.send(*burst)
                while (packet := client.line.packet(time.monotonic() + 0.01)) is not None:
                    if packet.startswith('42["server_error"'):
                        codes.add(json.loads(packet[2:])[1]["code"])
            raise Unexpected(f"{line.__name__}: not closed; {codes}")
        except (Closed, Status, OSError):
            pass
        assert "RATE_LIMITED" in codes, (line.__name__, codes)
        client.line.drop()
        others.check("a flood of events")
    others.end()


@scenario()
def floods_without_an_ear_cost_the_flooder_only(server):
    others = Bystander(server)
    for signed_in in (True, False):
        client = chat(server, 8_212 if signed_in else None)
        burst = frame(1, b'421["fly.away",{}]') * 500
        client.line.socket.setblocking(False)
        deadline = time.monotonic() + 0.6
        while time.monotonic() < deadline:
            try:
                client.line.socket.send(burst)
            except BlockingIOError:
                continue
            except OSError:
                break
        client.line.drop()
        others.check("events whose acks are not read")
        client = chat(server, 8_212 if signed_in else None, PollLine)
        deadline = time.monotonic() + 0.6
        while time.monotonic() < deadline:
            try:
                if client.line.post(payload(4, ['421["fly.away",{}]'] * 200))[0] != 200:
                    break
            except OSError:
                break
        client.line.drop()
        others.check("the same over polling")
    others.end()


@scenario(limits=HASTY, fresh=True)
def thousands_that_never_say_anything(server):
    others = Bystander(server)
    before = server.rss()
    polling = [answered(server, PATH + query(4, "polling"))[0] for _ in range(1_000)]
    assert set(polling) == {200}, set(polling)
    others.check("a thousand handshakes")
    per = (server.rss() - before) / 1_000
    assert per < 24 << 10, f"{per:.0f} bytes for each handshake"
    lines = [WsLine(server.http) for _ in range(200)]
    for line in lines:
        over(line)
        line.close()
    others.check("silent WebSockets")
    others.end()
