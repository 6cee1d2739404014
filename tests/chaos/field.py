"""What a run happens on: one node on its own file, or several on one PostgreSQL and one backplane, each node with its own
stretch of network to the backplane.
"""

import collections
import pathlib
import re
import shutil
import signal
import tempfile
import urllib.parse

from server import Server, wait_until
from servers import KINDS, Kafka, free_port
from relay import Relay

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = f'[devices]\ncatalogue = "{HERE / "catalogue.toml"}"\n'
# Short, so that a run need not wait for long; the relations between them are those of the defaults.
LIMITS = {"drain_ms": 2_000, "presence_grace_ms": 300}
TOGETHER = {"node_beat_ms": 1_000, "node_silent_ms": 4_000}
READY_S = 40.0


class Node(Server):
    def __init__(self, name, environ, **options):
        self.name = name
        # Its own for good: clients come back to them, and nobody else is given them while it is dead.
        self.http, self.tcp = free_port(), free_port()
        super().__init__(environ={**environ, "BONGSU_NODE_ID": name}, **options)

    def start(self, same_ports=True):
        super().start(same_ports)

    def stop(self):
        self.thaw()
        super().stop()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)

    def is_ready(self):
        try:
            return self.call("GET", "/readyz")[0] == 200
        except OSError:
            return False


class RelayedKafka(Kafka):
    """A broker that names each node another port of itself: of that node's stretch."""

    # One more listener than there are nodes: for whoever goes straight to it.
    def __init__(self, nodes):
        self.doors, self.advertised = [free_port() for _ in range(nodes)], None
        self.relay = Relay(self.doors)
        super().__init__()

    def prepare(self):
        super().prepare()
        text = self.settings.read_text()
        doors = "".join(f",DOOR{n}://127.0.0.1:{port}" for n, port in enumerate(self.doors))
        told = "".join(f",DOOR{n}://127.0.0.1:{port}" for n, port in enumerate(self.relay.ports))
        protocols = "".join(f",DOOR{n}:PLAINTEXT" for n in range(len(self.doors)))
        lines = []
        for line in text.splitlines():
            name = line.partition("=")[0]
            line += {"listeners": doors, "advertised.listeners": told, "listener.security.protocol.map": protocols}.get(name, "")
            lines.append(line + "\n")
        self.settings.write_text("".join(lines))


class Field:
    """All that runs. `bus` is none for one node alone."""

    def __init__(self, bus, count):
        self.nodes, self.store, self.backplane, self.relay = [], None, None, None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bongsu-chaos-"))
        try:
            if bus:
                self.beside(bus, count)
            for number in range(1, (count if bus else 1) + 1):
                self.add(f"node-{number}")
            self.whole()
        except BaseException:
            self.end()
            raise

    def beside(self, bus, count):
        self.store = KINDS["postgres"]()
        if bus == "kafka":
            self.backplane = RelayedKafka(count)
            self.relay = self.backplane.relay
        else:
            self.backplane = KINDS[bus]()
            self.relay = Relay([self.backplane.port] * count)

    def add(self, name):
        """One more node. All of them sign with one key, for who holds a token may come to any of them."""
        place = self.home / name
        key = self.home / "node-1" / "signing-key.pem"
        if key.is_file():
            place.mkdir(mode=0o700)
            shutil.copy(key, place)
        environ = {}
        if self.store:
            url = urllib.parse.urlsplit(self.backplane.url)
            there = url._replace(netloc=f"127.0.0.1:{self.relay.ports[len(self.nodes)]}")
            environ = {"BONGSU_STORE": self.store.url, "BONGSU_BUS": urllib.parse.urlunsplit(there)}
        limits = {**LIMITS, **(TOGETHER if self.store else {})}
        self.nodes.append(Node(name, environ, limits=limits, config=CONFIG, data_dir=str(place)))

    def whole(self):
        """Waits until every node can serve."""
        for node in self.nodes:
            wait_until(node.is_ready, f"{node.name} to be ready", READY_S)

    def complaints(self):
        found = collections.Counter()
        for node in self.nodes:
            for line in node.complaints():
                said = line.strip().partition(" ")[2]  # Without the moment.
                found[f"{node.name}: {re.sub(r'[0-9a-f]{8,}', '#', said)[:300]}"] += 1
        return found

    def end(self):
        for node in self.nodes:
            node.stop()
        for server in (self.backplane, self.store):
            if server:
                server.resume()
                server.end()
        if self.relay:
            self.relay.end()
        shutil.rmtree(self.home, ignore_errors=True)
