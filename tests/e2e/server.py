"""Starts the built server, mints its tokens, calls its HTTP API and watches its memory."""

import functools
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from client import Client, WAIT_S
from device import KINDS as DEVICES
from eio import PollLine, SocketioChat, SocketioType, WsLine
from ws import ActionWsClient, TypeClient

# Far above what a scenario does, so that only the scenarios about rates meet them.
ROOMY = {
    "posts_per_s": 100_000,
    "posts_burst": 100_000,
    "signals_per_s": 100_000,
    "signals_burst": 100_000,
    "joins_per_s": 100_000,
    "joins_burst": 100_000,
    "requests_per_s": 100_000,
    "requests_burst": 100_000,
    "connections_per_address_max": 20_000,
}


class Server:
    binary = None

    def __init__(self, limits=None, config="", data_dir=None, environ=None):
        self.environ = {**os.environ, **(environ or {})}
        self.home = tempfile.TemporaryDirectory(prefix="bongsu-e2e-")
        self.data_dir = data_dir or os.path.join(self.home.name, "data")
        self.config = pathlib.Path(self.home.name, "bongsu.toml")
        limits = {**ROOMY, **(limits or {})}
        lines = [f"{name} = {value}" for name, value in limits.items()]
        self.config.write_text(config + "\n[limits]\n" + "\n".join(lines) + "\n")
        self.process = None
        self.log = open(os.path.join(self.home.name, "log"), "ab")
        self.looked = 0
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    # Life

    def start(self, same_ports=False):
        """On free ports, or on those that it had before: for clients that come back by themselves."""
        web, tcp = (self.http, self.tcp) if same_ports else (0, 0)
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", self.config, "--data-dir", self.data_dir]
            + ["--http", f"127.0.0.1:{web}", "--tcp", f"127.0.0.1:{tcp}"],
            stdout=subprocess.PIPE,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            env=self.environ,
        )
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise AssertionError(f"the server did not become ready: {self.log_tail()}")
        ready = json.loads(line)
        assert ready["ready"] is True and ready["pid"] == self.process.pid, ready
        self.ready = ready
        self.tcp = int(ready["tcp"].rsplit(":", 1)[1])
        self.http = int(ready["http"].rsplit(":", 1)[1])

    def kill(self):
        """As a crash does."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=WAIT_S):
        """The exit code, and what else was printed on stdout: must be nothing."""
        code = self.process.wait(seconds)
        return code, self.process.stdout.read()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.log.close()
        self.home.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log_tail(self, size=2000):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")[-size:]

    def complaints(self):
        """What the log says since the last look that must never be there: a task that panicked ends no process."""
        self.log.flush()
        with open(self.log.name, errors="replace") as log:
            log.seek(self.looked)
            lines = log.readlines()
            self.looked = log.tell()
        return [line for line in lines if "panicked at" in line or " ERROR " in line]

    # Tokens and clients

    @functools.lru_cache(maxsize=None)
    def token(self, sub, nickname=None, role="user", ttl="1h"):
        command = [self.binary, "token", "--sub", str(sub), "--role", role, "--ttl", ttl, "--data-dir", self.data_dir]
        if nickname:
            command += ["--nickname", nickname]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1, f"the token alone, not {done.stdout!r}"
        return done.stdout.strip()

    def client(self, user=None, nickname=None, **data):
        """A connection; signed in when a user is given."""
        return self.signed_in(Client(self.tcp), user, nickname, data)

    def type_client(self, user=None, nickname=None, *, options=None, **data):
        """A WebSocket that speaks the type protocol; signed in by its first frame when a user is given."""
        return self.signed_in(TypeClient(self.http, **(options or {})), user, nickname, data)

    def action_ws_client(self, user=None, nickname=None, *, options=None, **data):
        """A WebSocket that speaks the action protocol; signed in when a user is given."""
        return self.signed_in(ActionWsClient(self.http, **(options or {})), user, nickname, data)

    def socketio_client(self, user=None, nickname=None, *, line=WsLine, **data):
        """Socket.IO that speaks the type protocol; signed in where it connects, its requests with ids."""
        return self.signed_in(SocketioType(line(self.http), acks=False), user, nickname, data)

    def socketio_polling_client(self, user=None, nickname=None, **data):
        """The same over polling, in the older version; signed in by an event, its requests with acks."""
        return self.signed_in(SocketioType(PollLine(self.http, engine=3), acks=True), user, nickname, data)

    def socketio_chat(self, user=None, nickname=None, *, line=WsLine, **data):
        """Socket.IO as the reference has it."""
        return self.signed_in(SocketioChat(line(self.http)), user, nickname, data)

    def device(self, device_id, transport="json", *, token=True, hello=None, **options):
        """A device on its connection. `token`: None for none, or a text; `hello`: more fields, or False to say nothing."""
        if token is True:
            token = self.token(device_id, role="device")
        device = DEVICES[transport](self.http, token, **options)
        if hello is not False:
            device.welcome = device.hello(device_id, **(hello or {}))
        return device

    def signed_in(self, client, user, nickname, data):
        if user is not None:
            client.connect(self.token(user, nickname or f"user{user}"), **data)
        return client

    # HTTP

    def call(self, method, path, body=None, *, token=None, headers=None, want=None):
        """Status and body (parsed where it is JSON) of a call as a service."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=WAIT_S)
        try:
            sent = {"Authorization": f"Bearer {token or self.token('back-end', role='service')}", **(headers or {})}
            payload = None
            if body is not None:
                payload = json.dumps(body).encode()
                sent["Content-Type"] = "application/json"
            connection.request(method, path, payload, sent)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        kind = answer.getheader("Content-Type") or ""
        parsed = json.loads(raw) if "json" in kind and raw else raw
        if want is not None and answer.status != want:
            raise AssertionError(f"{method} {path}: {answer.status} {parsed!r}, not {want}")
        return answer.status, parsed

    def user(self, user_id, handle, nickname, **body):
        """Makes a user whose handle is not its number, and gives it."""
        user = {"user_id": user_id, "handle": handle, "nickname": nickname, **body}
        return self.call("POST", "/api/v1/users", user, want=201)[1]

    def room(self, **body):
        """Makes a room and gives its number."""
        _, room = self.call("POST", "/api/v1/rooms", {"kind": "group", "visibility": "open", **body}, want=201)
        return room["room_id"]

    # Memory

    def rss(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def sockets(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def wait_until(condition, what, seconds=WAIT_S):
    """Waits for a condition that nothing announces; gives its first true value."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        pause.wait(0.02)
