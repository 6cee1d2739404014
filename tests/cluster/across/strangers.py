"""Who is none of us: tokens of others, tokens that were taken back, and noise on the backplane."""

import os
import random
import socket
import subprocess
import tempfile
import threading
import time

from client import WAIT_S
from cluster import scenario
from needs import Skipped
from scenarios.chat import leave_all, message
from across.rooms import in_one_order, not_let_in, room_over
from server import Server, wait_until


def minted(folder, *words):
    """A token of another folder's key."""
    command = [Server.binary, "token", "--data-dir", folder, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True).stdout.strip()


@scenario()
def a_token_of_another_key_is_good_nowhere(cluster):
    with tempfile.TemporaryDirectory(prefix="bongsu-stranger-") as folder:
        foreign = minted(os.path.join(folder, "data"), "--sub", "1501")
    for node in cluster:
        assert not_let_in(node, foreign)["error_code"] == "INVALID_TOKEN", node.name
        status, _ = node.call("GET", "/api/v1/nodes", token=foreign)
        assert status == 401, (node.name, status)


@scenario()
def a_token_revoked_on_one_node_is_revoked_on_all(cluster):
    cluster[1].client(1_511, "손님").close()
    _, made = cluster[1].call("POST", "/api/v1/users/1511/tokens", {}, want=201)
    with cluster[2].client() as client:
        client.connect(made["token"])
        cluster[3].call("DELETE", f"/api/v1/users/1511/tokens/{made['token_id']}", want=200)
        last = client.until_closed()[-1]
        assert last["action"] == "SESSION_CLOSED" and last["data"]["reconnect"] == "never", last
    for node in cluster:
        wait_until(lambda: not_let_in(node, made["token"])["error_code"] == "INVALID_TOKEN", f"{node.name} to know")


@scenario()
def noise_and_repeats_on_the_backplane_do_no_harm(cluster):
    """Whoever gets onto the backplane says everything again, late, twice and backwards, and nonsense between."""
    parrots = {"nats": NatsParrot, "redis": RedisParrot}
    if cluster.bus_kind not in parrots:
        raise Skipped(f"nothing here speaks {cluster.bus_kind} without a library")
    room, clients = room_over(cluster, 1_521, 1_522, 1_523)
    with parrots[cluster.bus_kind](cluster.backplane.port) as parrot:
        for n in range(50):
            for client in clients:
                client.request("SEND_MESSAGE", message(room, f"{client.user_id}:{n}"))
            parrot.says_it_all_again()
        wait_until(lambda: parrot.says_it_all_again() > 500, "noise")
    in_one_order(clients, room, 150)
    marker = clients[0].post(room, "marker")
    for client in clients[1:]:
        assert client.expect("NEW_MESSAGE", content="marker") == marker
    for client in clients:
        assert not client.kept("NEW_MESSAGE"), client.latest()
    cluster.whole()
    leave_all(clients)


class Parrot:
    """Hears everything that is said on a backplane, and says it again."""

    HELLO = b""

    def __init__(self, port):
        self.line = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self.line.sendall(self.HELLO)
        self.tail, self.kept, self.said, self.chance = b"", [], 0, random.Random(7)
        self.lock, self.done = threading.Lock(), False
        self.ears = threading.Thread(target=self.listen, daemon=True)
        self.ears.start()

    def listen(self):
        while not self.done:
            try:
                got = self.line.recv(1 << 16)
            except OSError:
                return
            if not got:
                return
            self.tail += got
            with self.lock:
                self.kept += self.heard()
                del self.kept[:-400]

    def heard(self):
        """What has come, as pairs of subject and bytes."""
        raise NotImplementedError

    def say(self, subject, what):
        raise NotImplementedError

    def says_it_all_again(self):
        """How much it has said by now."""
        with self.lock:
            known = list(self.kept)[-30:]
        for subject, what in reversed(known):
            for again in (what, what, self.noise()):
                self.say(subject, again)
                self.said += 1
        return self.said

    def noise(self):
        """What is no word. One that is, with something changed in it, is believed: nodes trust their backplane."""
        return self.chance.randbytes(self.chance.randrange(64))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.done = True
        self.line.close()


class NatsParrot(Parrot):
    HELLO = b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB > 1\r\nPING\r\n'

    def heard(self):
        found = []
        while b"\r\n" in self.tail:
            head, rest = self.tail.split(b"\r\n", 1)
            if head == b"PING":
                self.line.sendall(b"PONG\r\n")
            if not head.startswith(b"MSG "):
                self.tail = rest
                continue
            words = head.split()
            size = int(words[-1])
            if len(rest) < size + 2:
                return found
            found.append((words[1], rest[:size]))
            self.tail = rest[size + 2 :]
        return found

    def say(self, subject, what):
        self.line.sendall(b"PUB %s %d\r\n%s\r\n" % (subject, len(what), what))


class RedisParrot(Parrot):
    HELLO = b"PSUBSCRIBE *\r\n"

    def __init__(self, port):
        # Who listens may say nothing on the same connection.
        self.mouth = socket.create_connection(("127.0.0.1", port), WAIT_S)
        super().__init__(port)

    def heard(self):
        found = []
        while True:
            parsed = self.array(self.tail)
            if parsed is None:
                return found
            words, self.tail = parsed
            if words[0] == b"pmessage":
                found.append((words[2], words[3]))

    @staticmethod
    def array(data):
        """An array of strings from its beginning, and the rest; None while it is not whole."""

        def line(data):
            head, cut, rest = data.partition(b"\r\n")
            return (head, rest) if cut else None

        if not (got := line(data)):
            return None
        head, data = got
        words = []
        for _ in range(int(head[1:])):
            if not (got := line(data)):
                return None
            head, data = got
            if head[:1] == b":":
                words.append(head[1:])
                continue
            size = int(head[1:])
            if len(data) < size + 2:
                return None
            words.append(data[:size])
            data = data[size + 2 :]
        return words, data

    def say(self, subject, what):
        words = (b"PUBLISH", subject, what)
        self.mouth.sendall(b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        self.mouth.settimeout(WAIT_S)
        self.mouth.recv(1 << 10)

    def __exit__(self, *_):
        super().__exit__()
        self.mouth.close()


@scenario()
def a_backplane_that_is_too_old_is_refused_at_the_start(cluster):
    """Servers of NATS before 2.10 take new settings and ignore them."""
    if cluster.bus_kind != "nats":
        raise Skipped(f"the version of {cluster.bus_kind} does not matter")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def old():
        """A server that says that it is old, and answers what every client asks first."""
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                info = '{"server_id":"OLD","version":"2.9.10","proto":1,"host":"127.0.0.1","port":%d,"headers":true,"max_payload":1048576}'
                line.sendall(f"INFO {info % port}\r\n".encode())
                line.settimeout(WAIT_S)
                try:
                    while got := line.recv(4_096):
                        if b"PING" in got:
                            line.sendall(b"PONG\r\n")
                except OSError:
                    continue

    threading.Thread(target=old, daemon=True).start()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bongsu-old-") as folder:
        done = subprocess.run(
            [Server.binary, "serve", "--data-dir", folder, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"],
            env={**os.environ, "BONGSU_STORE": cluster.store, "BONGSU_BUS": f"nats://127.0.0.1:{port}"},
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )
    listener.close()
    assert done.returncode == 1 and "2.10" in done.stderr and "2.9.10" in done.stderr, (done.returncode, done.stderr[-500:])
    assert time.monotonic() - began < 30
