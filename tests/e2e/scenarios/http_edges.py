"""HTTP under bad input, and the promises of its API: idempotency, paging, problem documents."""

import json
import socket
import time

from bystander import Bystander
from runner import scenario
from scenarios.chat import trio

SLOW = {"http_header_ms": 1_000}


def raw(server, data, wait=10.0):
    """Sends bytes and gives everything until the server closes or is silent too long."""
    with socket.create_connection(("127.0.0.1", server.http), timeout=wait) as connection:
        try:
            connection.sendall(data)
        except OSError:
            pass
        got = b""
        try:
            while chunk := connection.recv(1 << 16):
                got += chunk
        except (TimeoutError, ConnectionError):
            pass
        return got


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


@scenario(limits=SLOW)
def headers_that_are_none(server):
    others = Bystander(server)
    close = b"Host: x\r\nConnection: close\r\n\r\n"
    for what, data, statuses in (
        ("words", b"hello\r\n\r\n", (400, None)),
        ("a NUL", b"GET /\x00 HTTP/1.1\r\n" + close, (400, None)),
        ("an action frame", b'{"action":"PING"}\r\n\r\n', (400, None)),
        ("no such path", b"GET /nowhere HTTP/1.1\r\n" + close, (404,)),
        ("a path upwards", b"GET /../../etc/passwd HTTP/1.1\r\n" + close, (400, 404)),
        ("no such method", b"BREW /healthz HTTP/1.1\r\n" + close, (405,)),
        ("a long header", b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n" + close, (431, 400)),
        ("many headers", b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + close, (431, 400)),
        ("two lengths", b"POST /api/v1/rooms HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" + close, (400, None)),
    ):
        answer = raw(server, data)
        assert status_of(answer) in statuses, (what, answer[:200])
        others.check(what)
    others.end()


@scenario(limits=SLOW)
def slow_headers_are_cut(server):
    others = Bystander(server)
    lines = [socket.create_connection(("127.0.0.1", server.http), timeout=10) for _ in range(100)]
    for line in lines:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
    began = time.monotonic()
    for line in lines:
        try:
            while line.recv(4096):
                continue
        except ConnectionError:
            pass
        line.close()
    assert time.monotonic() - began < 9, "slow headers were not cut"
    others.check("slow headers")
    others.end()


@scenario()
def bodies_that_are_none(server):
    others = Bystander(server)
    token = server.token("back-end", role="service")
    head = f"Authorization: Bearer {token}\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    for what, body, statuses in (
        ("no JSON", b"{", (400, 422)),
        ("an array", b"[]", (400, 422)),
        ("nothing", b"", (400, 422)),
        ("invalid UTF-8", b'{"name":"\xff"}', (400, 422)),
        ("nesting", b'{"name":' + b"[" * 10_000 + b"]" * 10_000 + b"}", (400, 422)),
        ("a wrong type", b'{"max_members":"many"}', (400, 422)),
        ("a name that is a number", b'{"name":"12345"}', (400, 422)),
        ("a name of capitals", b'{"name":"General Room"}', (400, 422)),
        ("an unknown member", b'{"members":[987654321]}', (400, 404, 422)),
        ("more than a megabyte", b'{"name":"' + b"x" * (1 << 20) + b'"}', (413,)),
    ):
        request = f"POST /api/v1/rooms HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
        answer = raw(server, request + body)
        assert status_of(answer) in statuses, (what, answer[:300])
        problem = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        assert problem["code"] and problem["status"] in statuses, (what, problem)
        assert b"application/problem+json" in answer.split(b"\r\n\r\n")[0].lower(), (what, answer[:300])
        others.check(what)
    others.end()


@scenario()
def an_idempotency_key_makes_a_call_once(server):
    headers = {"Idempotency-Key": f"key-{time.monotonic_ns()}"}
    body = {"kind": "group", "visibility": "open"}
    first = server.call("POST", "/api/v1/rooms", body, headers=headers, want=201)
    again = server.call("POST", "/api/v1/rooms", body, headers=headers, want=201)
    assert first == again, (first, again)
    status, problem = server.call("POST", "/api/v1/rooms", {**body, "max_members": 7}, headers=headers)
    assert status in (409, 422) and problem["code"], (status, problem)


@scenario()
def users_call_what_concerns_themselves(server):
    room, (a, b) = trio(server, 171, 172)
    stranger = server.token(173)
    server.client(173).close()
    mine = server.token(171, "user171")
    path = f"/api/v1/rooms/{room}/messages"
    _, posted = server.call("POST", path, {"content": "by HTTP"}, token=mine, want=201)
    assert b.expect("NEW_MESSAGE", content="by HTTP")["sender"]["user_id"] == 171
    assert posted["seq"] == 1, posted
    _, page = server.call("GET", path, token=mine, want=200)
    assert [m["content"] for m in page["messages"]] == ["by HTTP"], page
    for method, other, body in (
        ("GET", path, None),
        ("POST", path, {"content": "x"}),
        ("DELETE", f"/api/v1/rooms/{room}/members/172", None),
        ("POST", "/api/v1/users/172/ban", {"reason": "x"}),
        ("POST", "/api/v1/users/172/tokens", {}),
        ("POST", "/api/v1/users/172/blocks/171", {}),
        ("GET", "/api/v1/audit", None),
    ):
        status, problem = server.call(method, other, body, token=stranger)
        assert status in (403, 404), (method, other, status, problem)
    status, _ = server.call("POST", path, {"content": "x", "sender_id": 172}, token=mine)
    assert status in (400, 403, 422), "only services post for others"
    a.close()
    b.close()


@scenario()
def what_operators_do_is_in_the_audit(server):
    server.client(174).close()
    server.call("POST", "/api/v1/users/174/ban", {"reason": "for the audit"}, want=204)
    server.call("DELETE", "/api/v1/users/174/ban", want=204)
    _, audit = server.call("GET", "/api/v1/audit", want=200)
    assert "for the audit" in json.dumps(audit) or "user:174" in json.dumps(audit), audit


@scenario()
def users_are_made_and_their_tokens_shown_once(server):
    body = {"user_id": 181, "handle": "abc181", "nickname": "손님"}
    _, user = server.call("POST", "/api/v1/users", body, want=201)
    assert user["user_id"] == 181 and user["handle"] == "abc181" and user["nickname"] == "손님", user
    status, problem = server.call("POST", "/api/v1/users", body)
    assert status == 409 and problem["code"], (status, problem)
    _, minted = server.call("POST", "/api/v1/users/181/tokens", {}, want=201)
    assert minted["token"], minted
    _, listed = server.call("GET", "/api/v1/users/181", want=200)
    assert minted["token"] not in json.dumps(listed), "shown once"
