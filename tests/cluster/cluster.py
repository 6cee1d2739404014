"""Three nodes of the built server on one store and one backplane, all of them real.

Nodes are counted from 1, as people do. What has been killed or frozen in a scenario is put right before the next one.
"""

import functools
import itertools
import pathlib
import shutil
import signal
import tempfile
import time

import runner
from client import WAIT_S, Unexpected
from needs import Skipped
from scenarios.devices import COMMANDS
from server import Server, wait_until
from servers import KINDS, free_port

# Short, so that a scenario need not wait for long; the relations between them are those of the defaults.
LIMITS = {
    "node_beat_ms": 1_000,
    "node_silent_ms": 4_000,
    "presence_grace_ms": 300,
    "call_grace_ms": 500,
    "drain_ms": 2_000,
}
# What nodes cannot do together yet: a scenario or a module of them, and why it is not run.
ALONE = "a call is known only to the node that it was made on"
NOT_YET = {
    "every_event_from_every_protocol_to_every_other": ALONE,
    "calls": ALONE,
    "a_call_between_users_on_three_nodes": ALONE,
    "a_ban_takes_the_user_out_of_its_call": ALONE,
}
# A lost backplane must be noticed within this, in seconds.
NOTICED_S = 5.0
NODES = 3
databases = itertools.count(1)


class Node(Server):
    """One of them."""

    def __init__(self, name, environ, **options):
        # Its own from the first start on, for it tells others where it is.
        self.name, self.http, self.tcp = name, free_port(), free_port()
        own = {"BONGSU_NODE_ID": name, "BONGSU_ADVERTISE": f"http://127.0.0.1:{self.http}"}
        super().__init__(environ={**environ, **own}, **options)

    def start(self, same_ports=True):
        super().start(same_ports)

    def stop(self):
        self.thaw()
        super().stop()

    # What can happen to it

    def freeze(self):
        """Its sockets stay, and nobody answers."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)

    # What it says

    def readiness(self):
        """Whether it can serve, and which of its parts cannot."""
        status, told = self.call("GET", "/readyz")
        return status == 200, [part for part, how in told["parts"].items() if not how["ready"]]

    def knows(self):
        """The nodes that it knows to be alive, by name."""
        _, told = self.call("GET", "/api/v1/nodes", want=200)
        return {node["node_id"]: node for node in told["nodes"]}

    def meter(self, name):
        """A number that it counts, over all labels."""
        _, text = self.call("GET", "/metrics", want=200)
        lines = [line.split() for line in text.decode().splitlines() if line.startswith(name)]
        found = [float(line[-1]) for line in lines if line[0].partition("{")[0] == name]
        if not found:
            raise Unexpected(f"{self.name} has no meter {name}")
        return sum(found)


class Cluster:
    """What the runner takes for a server, and scenarios for all of it."""

    postgres = None
    bus_kind = None

    def __init__(self, limits=None, config="", *, count=NODES, secured=False):
        """`secured`: on servers of its own, which want TLS and a password."""
        self.nodes, self.backplane, self.own = [], None, None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bongsu-cluster-"))
        self.limits, self.config = {**LIMITS, **(limits or {})}, config or COMMANDS
        try:
            if secured:
                self.postgres = self.own = KINDS["postgres"](tls=True, password=True)
            self.backplane = KINDS[self.bus_kind](tls=secured, password=secured)
            self.store = self.postgres.create(f"cluster_{next(databases)}")
            for number in range(1, count + 1):
                self.add(f"node-{number}")
            self.whole()
        except BaseException:
            self.stop()
            raise

    def add(self, name, **environ):
        """One more node, with more in its environment if need be. All of them sign with one key, for who holds a token may come to any of them."""
        place = self.home / name
        key = self.home / "node-1" / "signing-key.pem"
        if key.is_file() and not place.is_dir():
            place.mkdir(mode=0o700)
            shutil.copy(key, place)
        environ = {"BONGSU_STORE": self.store, "BONGSU_BUS": self.backplane.url, **environ}
        node = Node(name, environ, limits=self.limits, config=self.config, data_dir=str(place))
        self.nodes.append(node)
        return node

    def __getitem__(self, number):
        """The first one is 1."""
        return self.nodes[number - 1]

    def __iter__(self):
        return iter(self.nodes)

    # Life

    def stop(self):
        for node in self.nodes:
            node.stop()
        for backing in filter(None, (self.backplane, self.own)):
            backing.end()
        shutil.rmtree(self.home, ignore_errors=True)

    def heal(self):
        """Everything runs again that a scenario before this one has killed or frozen; and is left as it is if all is well."""
        for backing in (self.postgres, self.backplane):
            backing.resume()
            if backing.process.poll() is not None:
                backing.start()
        for node in self.nodes:
            node.thaw()
            if node.process.poll() is not None:
                node.start()
        self.whole()

    def whole(self, seconds=WAIT_S):
        """Waits until every node can serve and knows every other."""
        names = {node.name for node in self.nodes}
        for node in self.nodes:
            wait_until(lambda: node.readiness()[0], f"{node.name} to be ready: {node.readiness()}", seconds)
            wait_until(lambda: serving(node) >= names, f"{node.name} to know {names}; it knows {serving(node)}", seconds)

    # What the runner asks of a server

    @property
    def process(self):
        return self

    def poll(self):
        """None while it runs: a scenario may leave nodes dead, for the next one heals them."""
        return None

    def complaints(self):
        return [f"{node.name}: {line}" for node in self.nodes for line in node.complaints()]

    def log_tail(self, size=1_500):
        return "\n".join(f"--- {node.name}\n{node.log_tail(size)}" for node in self.nodes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # For scenarios

    def seat(self, *numbers):
        """All of it as if it were one server: connections go to these nodes in turn (all of them if none is named)."""
        return Seats([self[number] for number in numbers] or self.nodes, self.nodes)

    @property
    def silent_s(self):
        """How long the death of a node may go unnoticed."""
        return self.limits["node_silent_ms"] / 1_000


class Seats(Server):
    """A cluster for those who know of one server: each connection is to the next of its seats, each call to the next node.

    Scenarios that were written for one server run on it as they are: what holds on one node holds on three.
    """

    def __init__(self, seats, nodes):
        self.seats, self.callees = itertools.cycle(seats), itertools.cycle(nodes)
        self.first = nodes[0]
        self.data_dir = self.first.data_dir
        self.connected = []

    def next_seat(self):
        node = next(self.seats)
        self.connected.append(node.name)
        return node

    @property
    def tcp(self):
        return self.next_seat().tcp

    @property
    def http(self):
        return self.next_seat().http

    def call(self, *args, **options):
        return next(self.callees).call(*args, **options)

    def token(self, *args, **options):
        return self.first.token(*args, **options)

    def stop(self):
        """It has nothing of its own."""

    def log_tail(self, size=0):
        return ""


def serving(node):
    """Who takes clients, as far as it knows."""
    try:
        return {name for name, told in node.knows().items() if told["state"] == "serving"}
    except (OSError, AssertionError):
        return set()


def scenario():
    """Registers a scenario of a whole cluster."""

    def register(function):
        @functools.wraps(function)
        def on_a_whole_cluster(cluster):
            if why := NOT_YET.get(function.__name__) or NOT_YET.get(function.__module__.rpartition(".")[2]):
                raise Skipped(why)
            cluster.heal()
            function(cluster)

        runner.scenario()(on_a_whole_cluster)
        return function

    return register


def within(seconds, condition, what):
    """Waits for something that must come about by then; gives how long it took."""
    began = time.monotonic()
    wait_until(condition, what, seconds)
    return time.monotonic() - began
