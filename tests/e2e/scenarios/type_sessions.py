"""The type protocol's connections: handshakes, sign-in, tokens, origins, heartbeat, the end."""

import base64
import json
import re
import time

from client import Closed, Unexpected
from runner import scenario
from scenarios.sessions import HASTY
from server import wait_until
from ws import ACTION, TYPE, Link, Refused, TypeClient

NEVER, LATER, NOW = "never", "later", "now"
# Shorter than any patience, and still three pings.
QUIET = {"ping_interval_ms": 300, "idle_ms": 1_200}


def last_error(frames, code, reconnect):
    """The last message before a close says why, and whether to come back."""
    assert frames and frames[-1]["type"] == "error", frames
    error = frames[-1]
    assert error["code"] == code and error["reconnect"] == reconnect and error["message"], frames
    return error


def signs_in(server, user, **options):
    """A client that brought its token with the handshake, and the `auth.ok` that comes unasked."""
    client = TypeClient(server.http, **options)
    answer = client.frame("auth.ok")
    assert "ref_id" not in answer, answer
    client.is_in(answer["data"])
    assert client.handle == str(user), answer
    return client


# Sign-in

@scenario()
def the_first_frame_signs_in(server):
    with server.type_client() as c:
        reference = c.request("auth", {"token": server.token(5_001, "사용자1"), "unknown": [1]}, beside="x", id="내 것")
        assert reference == "내 것"
        frame = c.take(lambda f: True, "the first answer")
        assert frame["type"] == "auth.ok" and frame["ref_id"] == "내 것", frame
        answer = frame["data"]
        assert answer["user_id"] == "5001" and answer["username"] == "사용자1" and answer["rooms"] == [], answer
        assert re.fullmatch(r"session_[0-9a-f]{32}", answer["session_id"]), answer
        for moment in ("server_time", "expires_at"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer[moment]), answer
        assert answer["ping_interval_ms"] == 30_000, answer
        assert answer["expires_at"] > answer["server_time"], answer
        pong = c.ask("ping", expect="pong")
        assert pong.keys() == {"server_time"}, pong
        assert c.good_bye() == 1000


@scenario()
def a_token_in_the_address_or_in_a_header_signs_in(server):
    token = server.token(5_002)
    with signs_in(server, 5_002, query=f"?token={token}") as c:
        c.ask("ping", expect="pong")
    with signs_in(server, 5_002, headers={"Authorization": f"Bearer {token}"}) as c:
        c.ask("ping", expect="pong")
    with signs_in(server, 5_002, query=f"?locale=ko&token={token}") as c:
        assert re.search("[가-힣]", c.refused("fly.away", code="unknown_type")["message"])
    with signs_in(server, 5_002, query=f"?locale=en&token={token}") as c:
        assert not re.search("[가-힣]", c.refused("fly.away", code="unknown_type")["message"])
    assert token not in server.log_tail(1 << 20), "a token in the address is in no log"


@scenario()
def what_is_sent_behind_the_handshake_at_once_is_not_lost(server):
    token = server.token(5_003)
    with TypeClient(server.http, query=f"?token={token}") as c:
        # Before the answer to the token was read; and it counts as said after the sign-in.
        for n in range(20):
            c.request("ping", id=f"p{n}")
        for n in range(20):
            c.take(lambda f, n=n: f.get("ref_id") == f"p{n}", f"pong {n}")
        assert c.kept("auth.ok"), c.inbox


def expired(server):
    """A token that was good for a second, a while ago."""
    token = server.token(5_004, ttl="1s")
    payload = token.split(".")[1]
    ends = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    wait_until(lambda: time.time() > ends + 0.1, "the end of a token")
    return token


@scenario(limits={"token_leeway_s": 0})
def a_token_that_is_none_is_refused_whichever_way_it_comes(server):
    good = server.token(5_004)
    head, payload, signature = good.split(".")
    for what, token in (
        ("nonsense", "nonsense"),
        ("a cut signature", f"{head}.{payload}.{signature[:-4]}"),
        ("no signature", f"{head}.{payload}."),
        ("expired", expired(server)),
    ):
        for options in ({"query": f"?token={token}"}, {"headers": {"Authorization": f"Bearer {token}"}}):
            with TypeClient(server.http, **options) as c:
                last_error(c.closes(4401, NEVER), "invalid_token", NEVER)
        with server.type_client() as c:
            c.request("auth", {"token": token}, id="a1")
            error = last_error(c.closes(4401, NEVER), "invalid_token", NEVER)
            assert error["ref_id"] == "a1", (what, error)


@scenario()
def a_revoked_token_ends_its_session(server):
    token = server.token(5_005)
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    c = signs_in(server, 5_005, query=f"?token={token}")
    server.call("POST", "/api/v1/tokens/revoke", {"jti": claims["jti"], "expires_at": claims["exp"]}, want=204)
    last_error(c.closes(4401, NEVER), "invalid_token", NEVER)
    with TypeClient(server.http, query=f"?token={token}") as again:
        last_error(again.closes(4401, NEVER), "invalid_token", NEVER)


@scenario()
def nothing_but_auth_before_sign_in(server):
    for kind, data in (
        ("ping", {}), ("room.join", {"room": "general"}), ("chat.message", {"room": "general", "text": "x"}),
        ("auth_update", {"token": server.token(5_006)}), ("game.move", {"room": "general"}),
    ):
        with server.type_client() as c:
            reference = c.request(kind, data)
            error = last_error(c.closes(4401, NEVER), "not_authenticated", NEVER)
            assert error["ref_id"] == reference, error


@scenario()
def nonsense_before_sign_in_ends_the_connection(server):
    of_envelopes = ('{"data":{}}', '{"type":7}', '{"type":"fly.away"}', '{"type":"auth"}')
    for text in ("hello", "[]", "{", "[" * 50_000, *of_envelopes):
        with server.type_client() as c:
            c.send_text(text)
            frames = c.closes(4400, NEVER)
            assert len(frames) == 1 and frames[0]["code"] in ("invalid_data", "unknown_type"), (text[:50], frames)
            assert frames[0]["reconnect"] == NEVER, frames


@scenario(limits=HASTY)
def who_does_not_sign_in_in_time_is_closed(server):
    for connect in (server.type_client, server.action_ws_client):
        with connect() as c:
            began = time.monotonic()
            frames = c.closes(4401, LATER, wait=10)
            assert time.monotonic() - began > 0.7, "too early"
            if isinstance(c, TypeClient):
                last_error(frames, "not_authenticated", LATER)


# Tokens of sessions

@scenario()
def a_token_is_replaced_in_band(server):
    with server.type_client(5_011) as c:
        first = server.token(5_011, "user5011")
        fresh = server.token(5_011, ttl="2h")
        # At the top level, as the reference shows it, or in data.
        for said in ({"data": None, "token": fresh}, {"data": {"token": fresh}}, {"data": {}, "token": fresh}):
            answer = c.ask("auth_update", expect="auth.ok", **said)
            assert answer["user_id"] == "5011" and "rooms" in answer, answer
        later = answer["expires_at"]
        assert c.ask("auth_update", {"token": first}, expect="auth.ok")["expires_at"] < later
        # A second auth of the same subject is a renewal, too.
        assert c.ask("auth", {"token": fresh})["expires_at"] == later
        c.refused("auth_update", {"token": fresh}, "invalid_data", token=fresh)
        c.refused("auth_update", {}, "invalid_data")
        c.refused("auth_update", {"token": 7}, "invalid_data")
        for kind in ("auth", "auth_update"):
            c.refused(kind, {"token": server.token(5_012)}, "permission_denied")
        c.ask("ping", expect="pong")
        c.request("auth_update", {"token": "nonsense"})
        last_error(c.closes(4401, NEVER), "invalid_token", NEVER)


@scenario(limits=HASTY)
def a_token_that_ends_is_announced_and_ends_the_session(server):
    with signs_in(server, 5_013, query=f"?token={server.token(5_013, ttl='4s')}") as c:
        pings, expiring = 0, None
        while expiring is None:
            c.ask("ping", expect="pong")
            pings += 1
            try:
                expiring = c.expect("system.token_expiring", wait=0.5)
            except Unexpected:
                assert pings < 20, "no system.token_expiring"
        assert expiring.keys() == {"expires_at"} and expiring["expires_at"].endswith("Z"), expiring
        last_error(until_closed_pinging(c), "invalid_token", NEVER)
        assert c.close_code == 4401, c.close_code


def until_closed_pinging(c):
    """Pings, so that nothing but its token can end the session; everything that came."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            c.request("ping")
            c.take(lambda f: False, "the end", wait=0.3)
        except Unexpected:
            continue
        except (Closed, OSError):
            return c.until_closed() if c.close_code is None else c.inbox
    raise Unexpected("not closed")


@scenario(limits=HASTY)
def a_renewed_session_outlives_its_first_token(server):
    with signs_in(server, 5_014, query=f"?token={server.token(5_014, ttl='4s')}") as c:
        c.ask("auth_update", expect="auth.ok", token=server.token(5_014))
        # An hour is far: neither notice nor close may come while the first token ends.
        for _ in range(11):
            c.ask("ping", expect="pong")
            try:
                frame = c.take(lambda f: f["type"] in ("system.token_expiring", "error"), "silence", wait=0.5)
            except Unexpected:
                continue
            raise Unexpected(f"{frame} after the token was replaced")


@scenario()
def operators_cut_and_ban(server):
    with server.type_client(5_015) as c:
        server.call("POST", "/api/v1/users/5015/disconnect", {})
        frames = c.until_closed()
        assert c.close_code == 4403 and c.close_reason == "reconnect=now", (c.close_code, c.close_reason, frames)
    with server.type_client(5_015) as c:
        server.call("POST", "/api/v1/users/5015/ban", {"reason": "spam"}, want=204)
        last_error(c.closes(4403, NEVER), "permission_denied", NEVER)
    with server.type_client() as c:
        c.request("auth", {"token": server.token(5_015, "user5015")})
        error = last_error(c.closes(4403, NEVER), "invalid_token", NEVER)
        assert error["reason"] == "banned", error


# Handshakes

def refused(server, status, code, **options):
    """The problem document with which a handshake is refused."""
    try:
        Link(server.http, **options).close()
    except Refused as refusal:
        assert refusal.status == status, (options, refusal)
        problem = refusal.problem
        assert problem["status"] == status and problem["code"] == code and problem["detail"], (options, problem)
        return refusal
    raise Unexpected(f"upgraded in spite of {options}")


ORIGINS = '[server]\ncors_origins = ["https://chat.example", "http://page.example:8080"]\nhosts = ["gate.example"]\n'


@scenario(config=ORIGINS)
def pages_of_strangers_are_refused(server):
    here = f"127.0.0.1:{server.http}"
    taken = [
        {},
        {"origin": f"http://{here}"},
        {"origin": f"http://localhost:{server.http}", "host": f"localhost:{server.http}"},
        {"origin": "https://chat.example"},
        {"origin": "http://page.example:8080"},
        {"origin": "https://chat.example", "host": "gate.example"},
        {"origin": "http://gate.example", "host": "gate.example"},
    ]
    for options in taken:
        Link(server.http, **options).close()
    for origin in (
        "https://evil.example", "null", "http://chat.example", "https://chat.example:444",
        "https://chat.example.evil.example", "https://evilchat.example", "http://page.example", f"https://evil.example/{here}", "file://", "",
        f"http://127.0.0.1:{server.http + 1}",
    ):
        refused(server, 403, "PERMISSION_DENIED", headers={"Origin": origin})
        # The token is good, and does not help.
        headers = {"Origin": origin, "Authorization": f"Bearer {server.token(5_021)}"}
        refused(server, 403, "PERMISSION_DENIED", headers=headers)
    # A name of the page's own that was made to point here.
    for host in ("evil.example", f"evil.example:{server.http}", "gate.example.evil.example"):
        refused(server, 403, "PERMISSION_DENIED", origin=f"http://{host}", host=host)


@scenario()
def subprotocols_are_negotiated(server):
    token = server.token(5_022)
    for offered, chosen, speaks in (
        (None, None, "type"),
        ([TYPE], TYPE, "type"),
        ([ACTION], ACTION, "action"),
        ([ACTION, TYPE], ACTION, "action"),
        ([TYPE, ACTION], TYPE, "type"),
        (["graphql-ws", ACTION], ACTION, "action"),
    ):
        with Link(server.http, query=f"?token={token}", subprotocols=offered) as c:
            assert c.protocol.subprotocol == chosen, (offered, c.protocol.subprotocol)
            first = json.loads(c.message(time.monotonic() + 20))
            assert speaks in first, (offered, first)
    for unknown in (["graphql-ws"], ["bongsu.type.v2"], ["BONGSU.TYPE.V1"], ["a", "b"]):
        refused(server, 400, "INVALID_DATA", subprotocols=unknown)


@scenario()
def handshakes_that_are_none(server):
    old = refused(server, 426, "INVALID_DATA", headers={"Sec-WebSocket-Version": "12"})
    assert old.headers["Sec-WebSocket-Version"] == "13", old.headers
    refused(server, 426, "INVALID_DATA", headers={"Sec-WebSocket-Version": None})
    for headers in (
        {"Upgrade": None}, {"Upgrade": "h2c"}, {"Connection": "close"}, {"Sec-WebSocket-Key": None},
        {"Sec-WebSocket-Key": "c2hvcnQ="}, {"Sec-WebSocket-Key": "!" * 24},
    ):
        refused(server, 400, "INVALID_DATA", headers=headers)
    status, problem = server.call("GET", "/ws")
    assert status == 400 and problem["code"] == "INVALID_DATA", (status, problem)
    status, problem = server.call("POST", "/ws", {})
    assert status == 405, (status, problem)
    server.type_client(5_023).close()


# Heartbeat

@scenario(limits=QUIET)
def a_quiet_client_is_pinged_and_stays(server):
    for connect in (server.type_client, server.action_ws_client):
        with connect(5_031) as c:
            deadline = time.monotonic() + 2.6
            while time.monotonic() < deadline:
                assert not c.kept("error"), c.inbox
                frame = c.receive(deadline)
                if frame is not None:
                    c.inbox.append(frame)
            # Its pongs kept it, two idle times over.
            c.ask("PING" if c.KIND == "action" else "ping")
            assert c.pings >= 3, c.pings
            if c.KIND == "type":
                assert len(c.kept("ping")) >= 3, c.inbox
                c.tell("pong")
                c.ask("ping", expect="pong")


@scenario(limits=QUIET)
def the_message_pong_is_as_good_as_a_frame(server):
    with server.type_client(5_033) as c:
        c.pongs_back = False
        for _ in range(8):
            assert c.expect("ping") == {}
            c.tell("pong")
        c.ask("ping", expect="pong")


@scenario(limits=QUIET)
def who_answers_no_ping_is_closed(server):
    for connect in (server.type_client, server.action_ws_client):
        with connect(5_034) as c:
            c.pongs_back = False
            frames = c.closes(4408, NOW, wait=10)
            if c.KIND == "type":
                assert any(f["type"] == "ping" for f in frames), frames
                assert frames[-1]["type"] == "error" and frames[-1]["reconnect"] == NOW, frames


@scenario()
def pings_of_the_client_are_answered_in_kind(server):
    with server.type_client(5_036) as c:
        for payload in (b"", b"x" * 125, bytes(range(125))):
            c.protocol.send_ping(payload)
            c.flush()
            deadline = time.monotonic() + 20
            while not any(event.opcode == 10 and event.data == payload for event in c.arrived):
                assert c.hear(deadline), "no pong"
                c.arrived += c.protocol.events_received()
            c.arrived.clear()
        for code in (1000, 1001, 3000, 4999):
            with server.type_client(5_036) as leaving:
                leaving.protocol.send_close(code, "안녕")
                leaving.flush()
                leaving.until_closed()
                assert leaving.close_code == code, (leaving.close_code, code)


# The end

@scenario(fresh=True, limits={"drain_ms": 500})
def sigterm_is_announced_and_advises_to_come_back_later(server):
    typed, action = server.type_client(5_041), server.action_ws_client(5_042)
    silent = server.type_client()
    typed.join("lobby")
    sent = [typed.post("lobby", f"m{n}") for n in range(10)]
    server.terminate()
    frames = typed.closes(4503, LATER)
    notices = [f["data"] for f in frames if f["type"] == "system.shutdown"]
    assert len(notices) == 1 and notices[0]["reconnect_after_ms"] >= 0 and notices[0]["message"], frames
    last_error(frames, "shutting_down", LATER)
    frames = action.closes(4503, LATER)
    assert [f["action"] for f in frames][-1:] == ["SESSION_CLOSED"], frames
    assert any(f["action"] == "SERVER_SHUTDOWN" for f in frames), frames
    silent.until_closed()
    code, rest = server.wait()
    assert code == 0 and rest == b"", (code, rest, server.log_tail())
    server.start()
    with server.type_client(5_041) as back:
        kept = back.history("lobby")
        assert [m["message_id"] for m in kept] == [m["message_id"] for m in sent], kept


@scenario(fresh=True, limits={"drain_ms": 1_500})
def who_comes_while_the_server_stops_is_told_to_come_later(server):
    stays, late = server.type_client(5_043), server.type_client()
    token = server.token(5_044)
    server.terminate()
    stays.expect("system.shutdown")
    late.request("auth", {"token": token})
    last_error(late.closes(4503, LATER), "shutting_down", LATER)
    stays.closes(4503, LATER)
    assert server.wait()[0] == 0, server.log_tail()
