"""Sign-in, tokens, heartbeat, languages, presence."""

import re
import time

from client import Client, Closed, Unexpected
from runner import scenario
from server import wait_until

# Times shortened; a second is long for a loopback and short for a test.
HASTY = {
    "sign_in_ms": 1_000,
    "frame_ms": 1_000,
    "idle_ms": 3_000,
    "ping_interval_ms": 1_000,
    "token_leeway_s": 0,
    "token_warning_ms": 3_000,
    "presence_grace_ms": 700,
    "slow_ms": 1_500,
}


@scenario()
def connect_as_in_the_document(server):
    with Client(server.tcp) as c:
        answer = c.connect(server.token(123, "사용자1"))
        assert answer["user_id"] == 123
        assert re.fullmatch(r"session_[0-9a-f]{32}", answer["session_id"]), answer
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["server_time"]), answer
        assert answer["ping_interval_ms"] == 30_000
        assert isinstance(answer["rooms"], list)
        pong = c.ask("PING", expect="PONG")
        assert pong["server_time"].endswith("Z")


@scenario()
def data_seq_id_and_timestamp_may_be_missing(server):
    with server.client(123) as c:
        c.send_raw(b'{"action":"PING"}')
        c.expect("PONG")


@scenario()
def nothing_but_connect_before_sign_in(server):
    for action, data in [("PING", {}), ("JOIN_ROOM", {"chatroom_id": 1}), ("REFRESH_TOKEN", {"jwt_token": "x"})]:
        with Client(server.tcp) as c:
            seq_id = c.request(action, data)
            frames = c.until_closed()
            errors = [f["data"] for f in frames if f["action"] == "ERROR"]
            assert errors, (action, frames)
            assert errors[0]["error_code"] == "NOT_AUTHENTICATED", errors
            assert errors[0]["original_seq_id"] == seq_id, errors


@scenario()
def a_bad_token_is_a_connect_error_in_the_asked_language(server):
    texts = {}
    for locale in ("en", "ko"):
        with Client(server.tcp) as c:
            seq_id = c.request("CONNECT", {"jwt_token": "nonsense", "locale": locale})
            frames = c.until_closed()
            assert frames[0]["action"] == "CONNECT_ERROR" and frames[0]["seq_id"] == seq_id, frames
            assert frames[0]["data"]["error_code"] == "INVALID_TOKEN", frames
            texts[locale] = frames[0]["data"]["message"]
    assert re.search("[가-힣]", texts["ko"]), texts
    assert not re.search("[가-힣]", texts["en"]), texts


@scenario()
def errors_speak_the_sessions_language(server):
    with server.client(123, locale="ko") as c:
        assert re.search("[가-힣]", c.refused("NO_SUCH_ACTION", code="INVALID_ACTION")["message"])
    with server.client(123, locale="en-GB") as c:
        assert not re.search("[가-힣]", c.refused("NO_SUCH_ACTION", code="INVALID_ACTION")["message"])


@scenario()
def a_token_is_replaced_in_band(server):
    with server.client(123) as c:
        fresh = server.token(123, ttl="2h")
        answer = c.ask("REFRESH_TOKEN", {"jwt_token": fresh}, expect="REFRESH_TOKEN_SUCCESS")
        assert answer["expires_at"].endswith("Z")
        # A second CONNECT of the same subject is a refresh as well.
        c.ask("CONNECT", {"jwt_token": fresh})
        assert not c.kept("ERROR")
        c.ask("PING", expect="PONG")


@scenario()
def another_subjects_token_is_refused(server):
    for action in ("REFRESH_TOKEN", "CONNECT"):
        with server.client(123) as c:
            seq_id = c.request(action, {"jwt_token": server.token(124)})
            answer = c.take(lambda f: f["action"] in ("ERROR", "CONNECT_ERROR"), "a refusal")
            assert answer["data"]["error_code"] == "PERMISSION_DENIED", answer
            assert seq_id in (answer["seq_id"], answer["data"].get("original_seq_id")), answer


@scenario()
def a_foreign_user_id_is_refused_and_the_session_lives(server):
    with server.client(123) as c:
        c.refused("PING", code="PERMISSION_DENIED", user_id=124)
        c.ask("PING", expect="PONG", user_id=123)


@scenario(limits=HASTY)
def a_token_that_ends_is_announced_and_ends_the_session(server):
    with Client(server.tcp) as c:
        c.connect(server.token(301, ttl="4s"))
        pings = 0
        expiring = None
        while expiring is None:
            c.ask("PING", expect="PONG")
            pings += 1
            try:
                expiring = c.expect("TOKEN_EXPIRING", wait=0.5)
            except Unexpected:
                assert pings < 20, "no TOKEN_EXPIRING"
        assert expiring["expires_at"].endswith("Z")
        frames = keep_alive_until_closed(c)
        last = frames[-1]
        assert last["action"] == "SESSION_CLOSED", frames
        assert last["data"]["error_code"] == "INVALID_TOKEN" and last["data"]["reconnect"] == "never", last


def keep_alive_until_closed(c):
    """Pings so that only the token can end the session."""
    while True:
        try:
            c.request("PING")
            c.take(lambda f: f["action"] == "PONG", "PONG", wait=1)
            c.take(lambda f: f["action"] == "SESSION_CLOSED" and c.inbox.append(f), "the end", wait=0.3)
        except Unexpected:
            continue
        except (Closed, OSError):
            try:
                return c.until_closed(wait=1)
            except (Closed, OSError):
                return c.inbox


@scenario(limits=HASTY)
def a_refreshed_session_outlives_its_first_token(server):
    with Client(server.tcp) as c:
        c.connect(server.token(302, ttl="4s"))
        c.ask("REFRESH_TOKEN", {"jwt_token": server.token(302, ttl="1h")}, expect="REFRESH_TOKEN_SUCCESS")
        # An hour is far: neither notice nor close may come while the first token ends.
        for _ in range(12):
            c.ask("PING", expect="PONG")
            try:
                frame = c.take(lambda f: f["action"] in ("TOKEN_EXPIRING", "SESSION_CLOSED"), "silence", wait=0.5)
            except Unexpected:
                continue
            raise Unexpected(f"{frame} after the token was replaced")


@scenario(limits=HASTY)
def silence_before_sign_in_is_closed(server):
    with Client(server.tcp) as c:
        frames = c.until_closed(wait=10)
        closed = [f["data"] for f in frames if f["action"] == "SESSION_CLOSED"]
        assert not frames or closed[0]["error_code"] == "NOT_AUTHENTICATED", frames


@scenario(limits=HASTY)
def silence_after_sign_in_is_closed_with_reconnect_now(server):
    with server.client(123) as c:
        last = c.until_closed(wait=15)[-1]
        assert last["action"] == "SESSION_CLOSED" and last["data"]["reconnect"] == "now", last


@scenario(limits=HASTY)
def one_byte_at_a_time_is_cut_at_the_frame_deadline(server):
    with server.client(123) as c:
        frame = b'{"action":"PING","data":{"x":"' + b"y" * 1_000
        ended = None
        for byte in frame:
            try:
                c.send_raw(bytes([byte]))
                c.receive(time.monotonic() + 0.1)
            except (Closed, OSError) as error:
                ended = error
                break
        assert ended, "a frame that never ends was not cut off"


@scenario(limits=HASTY)
def presence_is_told_once_first_in_and_last_out(server):
    room = server.room()
    with server.client(311) as a:
        a.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
        b = server.client(312)
        b.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
        a.expect("USER_JOINED", user_id=312)
        b.close()
        gone = a.expect("USER_STATUS_CHANGED", user_id=312, is_online=False)
        assert gone["last_seen"].endswith("Z"), gone
        b = server.client(312)
        a.expect("USER_STATUS_CHANGED", user_id=312, is_online=True)
        # A second device, and a change of cells within the grace time, are no news.
        second = server.client(312)
        second.close()
        b.close()
        b = server.client(312)
        a.post(room, "marker")
        b.expect("NEW_MESSAGE", content="marker")
        assert not a.kept("USER_STATUS_CHANGED", user_id=312), a.inbox
        b.close()
        a.expect("USER_STATUS_CHANGED", user_id=312, is_online=False)
        assert not a.kept("USER_STATUS_CHANGED", user_id=312), a.inbox


@scenario()
def sessions_are_listed_and_can_be_cut_by_an_operator(server):
    with server.client(321) as c:
        wait_until(lambda: server.call("GET", "/api/v1/users/321/sessions", want=200), "the session")
        status, _ = server.call("POST", "/api/v1/users/321/disconnect", {})
        assert status in (200, 202, 204), status
        last = c.until_closed()[-1]
        assert last["action"] == "SESSION_CLOSED" and last["data"]["reconnect"] == "now", last
