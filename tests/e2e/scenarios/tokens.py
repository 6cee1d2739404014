"""Tokens of foreign issuers: every algorithm, key sets that rotate, and every token that must not be taken."""

import atexit
import base64
import functools
import http.server
import json
import pathlib
import tempfile
import threading
import time

from bystander import Bystander
from client import Client, pack
from runner import scenario
from server import wait_until
from signing import EdDsa, Es256, Hs256, Rs256, b64, sign_parts, token

ISSUER = "https://issuer.example"
AUDIENCE = "bongsu"
ABSENT = object()


@functools.cache
def keys():
    return {
        "HS256": Hs256("hs", b"a secret of more than thirty-two bytes"),
        "RS256": Rs256("rs", 1),
        "ES256": Es256("es", 2),
        "EdDSA": EdDsa("ed", 3),
    }


@functools.cache
def config_with_file():
    """A key set in a file that lives as long as the run."""
    folder = tempfile.TemporaryDirectory(prefix="bongsu-e2e-keys-")
    atexit.register(folder.cleanup)
    path = pathlib.Path(folder.name, "jwks.json")
    path.write_text(json.dumps({"keys": [key.jwk() for key in keys().values()]}))
    return f'[tokens]\njwks_files = ["{path}"]\nissuers = ["{ISSUER}"]\naudiences = ["{AUDIENCE}"]\n'


def claims(**more):
    now = int(time.time())
    every = {"sub": "601", "iss": ISSUER, "aud": AUDIENCE, "exp": now + 600, "nickname": "손님", **more}
    return {name: value for name, value in every.items() if value is not ABSENT}


def sign_in(server, jwt):
    """The first frame of the answer to a CONNECT with this token."""
    with Client(server.tcp) as client:
        seq_id = client.request("CONNECT", {"jwt_token": jwt})
        frame = client.take(lambda f: f["seq_id"] == seq_id, "an answer to CONNECT")
        if frame["action"] != "CONNECT_SUCCESS":
            client.until_closed()
        return frame


def must_be_taken(server, jwt):
    frame = sign_in(server, jwt)
    assert frame["action"] == "CONNECT_SUCCESS", frame
    return frame["data"]


def must_be_refused(server, what, jwt):
    frame = sign_in(server, jwt)
    assert frame["action"] == "CONNECT_ERROR", f"{what}: {frame}"
    # What does not even fit the field is a matter of the field.
    code = "INVALID_TOKEN" if 1 <= len(jwt) <= 16_384 else "INVALID_DATA"
    assert frame["data"]["error_code"] == code, f"{what}: {frame}"


@scenario(config=config_with_file)
def every_algorithm_signs_in(server):
    for number, key in enumerate(keys().values()):
        answer = must_be_taken(server, token(key, claims(sub=str(610 + number))))
        assert answer["user_id"] == 610 + number, answer
        must_be_taken(server, token(key, claims(), {"kid": None, "typ": None}))
        must_be_taken(server, token(key, claims(aud=["x", AUDIENCE])))


def bad_tokens():
    """What no server may take: what, token."""
    now = int(time.time())
    all_keys = keys()
    for name, key in all_keys.items():
        good = token(key, claims())
        head, payload, signature = good.split(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        yield f"{name}: a cut signature", f"{head}.{payload}.{b64(raw[:-1])}"
        yield f"{name}: a long signature", f"{head}.{payload}.{b64(raw + b'x')}"
        yield f"{name}: no signature", f"{head}.{payload}."
        yield f"{name}: a flipped bit", f"{head}.{payload}.{b64(bytes([raw[0] ^ 1]) + raw[1:])}"
        yield f"{name}: zeros", f"{head}.{payload}.{b64(bytes(len(raw)))}"
        yield f"{name}: another payload", f"{head}.{b64(json.dumps(claims(sub='1')).encode())}.{signature}"
        yield f"{name}: padding", good + "="
        yield f"{name}: white space", good + "\n"
        yield f"{name}: a fourth part", good + ".x"
        yield f"{name}: an unknown kid", token(key, claims(), {"kid": "nobody"})
        for alg in ("none", "None", "NONE", "", "HS512", "hs256", "PS256", 1, None, ["none"]):
            yield f"{name}: alg {alg!r}", token(key, claims(), {"alg": alg})
        for other in all_keys:
            if other != name:
                yield f"{name} as {other}", token(key, claims(), {"alg": other})
                yield f"{name} with the kid of {other}", token(key, claims(), {"kid": all_keys[other].kid})
        yield f"{name}: its own key in the header", token(
            Hs256(key.kid, b"mine"), claims(), {"jwk": Hs256("x", b"mine").jwk()}
        )
        yield f"{name}: critical extensions", token(key, claims(), {"crit": ["exp"], "exp": now + 600})
    yield from confused()
    key = all_keys["HS256"]
    none = {"alg": "none", "typ": "JWT"}
    yield "alg none without a signature", sign_parts(key, json.dumps(none).encode(), b"{}").rsplit(".", 1)[0] + "."
    for what, more in {
        "expired": {"exp": now - 120},
        "no exp": {"exp": ABSENT},
        "exp as a string": {"exp": str(now + 600)},
        "exp null": {"exp": None},
        "exp true": {"exp": True},
        "exp negative": {"exp": -1},
        "exp beyond all numbers": {"exp": 10**400},
        "exp in milliseconds": {"exp": (now + 600) * 1_000},
        "not yet valid": {"nbf": now + 300},
        "nbf as a string": {"nbf": str(now - 300)},
        "another issuer": {"iss": "https://elsewhere.example"},
        "no issuer": {"iss": ABSENT},
        "issuer as a list": {"iss": [ISSUER]},
        "another audience": {"aud": "others"},
        "no audience": {"aud": ABSENT},
        "no subject": {"sub": ABSENT},
        "an empty subject": {"sub": ""},
        "an object as subject": {"sub": {}},
        "an unknown role": {"role": "emperor"},
        "a number as role": {"role": 7},
        "a number as nickname": {"nickname": 7},
        "a long nickname": {"nickname": "x" * 300},
        "strings as rooms": {"rooms": ["1"]},
        "a number as jti": {"jti": 7},
    }.items():
        yield what, token(key, claims(**more))
    for what, payload in {
        "no JSON": b"x",
        "an array": b"[]",
        "exp twice": b'{"sub":"1","iss":"%s","aud":"%s","exp":1,"exp":%d}' % (b"i", b"a", now + 600),
        "invalid UTF-8": b'{"sub":"\xff","exp":%d}' % (now + 600),
        "nothing": b"",
    }.items():
        yield f"a payload that is {what}", sign_parts(key, b'{"alg":"HS256","kid":"hs"}', payload)
    yield "too long", token(key, claims(x="y" * 20_000))
    for what in ("", ".", "..", "...", "a.b", "a.b.c", "null", "Bearer x", "\x00", "😀", "." * 10_000):
        yield repr(what[:10]), what


def confused():
    """A public key taken for a shared secret: the signer knows nothing that is secret."""
    for name in ("RS256", "ES256", "EdDSA"):
        key = keys()[name]
        jwk = key.jwk()
        for what, secret in {
            "JWK": json.dumps(jwk).encode(),
            "coordinate": base64.urlsafe_b64decode(jwk.get("n", jwk.get("x")) + "=="),
            "coordinate's text": jwk.get("n", jwk.get("x")).encode(),
            "nothing": b"",
        }.items():
            for kid in (key.kid, None):
                jwt = token(Hs256(key.kid, secret), claims(), {"kid": kid})
                yield f"{name}: HS256 with the {what} as secret, kid {kid}", jwt


@scenario(config=config_with_file)
def tokens_that_must_not_be_taken(server):
    others = Bystander(server)
    count = 0
    for what, jwt in bad_tokens():
        must_be_refused(server, what, jwt)
        count += 1
        if count % 10 == 0:
            others.check(what)
    assert count > 120, count
    others.check("bad tokens")
    others.end()


@scenario(config=config_with_file)
def a_bad_token_in_a_refresh_ends_the_session_as_documented(server):
    client = server.client(123)
    client.request("REFRESH_TOKEN", {"jwt_token": token(keys()["HS256"], claims(exp=int(time.time()) - 120))})
    frames = client.until_closed()
    errors = [f["data"]["error_code"] for f in frames if f["action"] == "ERROR"]
    assert errors == ["INVALID_TOKEN"], frames


@scenario(config=config_with_file)
def a_token_may_bound_its_rooms(server):
    inside, outside = server.room(), server.room()
    client = Client(server.tcp)
    client.connect(token(keys()["EdDSA"], claims(sub="620", rooms=[inside])))
    client.ask("JOIN_ROOM", {"chatroom_id": inside}, expect="JOIN_ROOM_SUCCESS")
    error = client.refused("JOIN_ROOM", {"chatroom_id": outside})
    assert error["error_code"] in ("PERMISSION_DENIED", "ROOM_NOT_FOUND"), error
    client.close()


@scenario(config=config_with_file)
def the_data_folders_own_key_still_signs(server):
    must_be_taken(server, server.token(621))


class KeyServer:
    """A key set behind a URL, which may change."""

    def __init__(self, *kept):
        self.keys, self.fetches = list(kept), 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.fetches += 1
                body = json.dumps({"keys": [key.jwk() for key in outer.keys]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listener.server_port}/jwks.json"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()


@functools.cache
def key_server():
    return KeyServer(EdDsa("first", 4))


def config_with_url():
    return f'[tokens]\njwks_urls = ["{key_server().url}"]\n[tokens.fetch]\nunknown_kid_ms = 3000\n'


@scenario(config=config_with_url, fresh=True)
def a_key_set_behind_a_url_rotates(server):
    first, second = EdDsa("first", 4), EdDsa("second", 5)
    source = key_server()
    wait_until(lambda: sign_in(server, token(first, claims()))["action"] == "CONNECT_SUCCESS", "the first key")
    must_be_refused(server, "a key that is not published", token(second, claims()))
    source.keys = [first, second]
    new = token(second, claims())
    wait_until(lambda: sign_in(server, new)["action"] == "CONNECT_SUCCESS", "the second key", seconds=90)
    fetches = source.fetches
    for n in range(50):
        must_be_refused(server, "an unknown kid", token(first, claims(), {"kid": f"unknown-{n}"}))
    assert source.fetches - fetches <= 3, "unknown kids do not make the server fetch again and again"
    must_be_taken(server, token(first, claims()))


@scenario()
def a_compressed_connect_is_checked_all_the_same(server):
    with Client(server.tcp) as client:
        seq_id = client.request("CONNECT", pack({"jwt_token": server.token(123)}), compressed=True)
        assert client.take(lambda f: f["seq_id"] == seq_id, "an answer")["action"] == "CONNECT_SUCCESS"
    with Client(server.tcp) as client:
        client.request("CONNECT", pack({"jwt_token": "a.b.c"}), compressed=True)
        assert client.until_closed()[0]["data"]["error_code"] == "INVALID_TOKEN"


@scenario(config=config_with_file)
def a_revoked_token_ends_its_sessions_and_opens_none(server):
    def minted(jti):
        return token(keys()["HS256"], claims(sub="630", jti=jti))

    kept, gone = server.client(), server.client()
    kept.connect(minted("kept"))
    gone.connect(minted("gone"))
    server.call("POST", "/api/v1/tokens/revoke", {"jti": "gone", "expires_at": int(time.time()) + 600}, want=204)
    last = gone.until_closed()[-1]
    assert last["action"] == "SESSION_CLOSED" and last["data"]["error_code"] == "INVALID_TOKEN", last
    assert last["data"]["reconnect"] == "never", last
    must_be_refused(server, "a revoked token", minted("gone"))
    kept.ask("PING", expect="PONG")
    kept.close()
    must_be_taken(server, minted("kept"))
