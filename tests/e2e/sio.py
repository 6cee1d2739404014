"""Socket.IO clients that others wrote, each version of them behind a driver that is told what to do in JSON lines.

A driver is one process with any number of clients in it. `Sio` is one client: an inbox of the events that it heard,
and of what became of its connection, under names in parentheses: (connected), (disconnected), (refused), (ack), ...
"""

import functools
import itertools
import json
import pathlib
import queue
import socket
import struct
import subprocess
import sys
import threading
import time

import needs
from client import Closed, Inbox, Unexpected, brief

HERE = pathlib.Path(__file__).resolve().parent / "socketio"
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}
# What a client listens to that cannot listen to everything.
LISTEN = [
    "postinit_res", "server_error", "message", "auth.ok", "room.joined", "room.left", "chat.message",
    "chat.ack", "chat.typing", "chat.read", "chat.read.ok", "game.move", "user.joined", "user.left", "user.status",
    "room.messages", "pong", "system.announcement",
]


class Kind:
    """A client library of one version: `engine` is the Engine.IO that it speaks."""

    def __init__(self, name, engine, command):
        self.name, self.engine, self.command = name, engine, command

    def __str__(self):
        return self.name


def node(package):
    def command():
        found, modules = needs.socketio_node()
        return [found, str(HERE / "driver.mjs"), str(modules), package]

    return command


def python(engine):
    return lambda: [sys.executable, str(HERE / "driver.py"), str(needs.socketio_python(engine))]


def java(engine):
    def command():
        found, path = needs.socketio_java(engine)
        # Little memory and no second compiler: there are several of them beside a server under test.
        return [found, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", path, "Driver"]

    return command


KINDS = {
    kind.name: kind
    for kind in (
        Kind("js_1_7", 3, node("socketio1")),
        Kind("js_2_5", 3, node("socketio2")),
        Kind("js_3_1", 4, node("socketio3")),
        Kind("js_4_8", 4, node("socketio4")),
        Kind("python_4_6", 3, python(3)),
        Kind("python_5", 4, python(4)),
        Kind("java_1_0", 3, java(3)),
        Kind("java_2_1", 4, java(4)),
    )
}


class Driver:
    """A process with clients in it."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.clients, self.mouth = {}, threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if client := self.clients.get(told.pop("as")):
                client.told.put(told)
        for client in list(self.clients.values()):
            client.told.put(None)

    def tell(self, **command):
        with self.mouth:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@functools.cache
def driver(kind):
    """The process of this kind, started once for all scenarios."""
    return Driver(KINDS[kind].command())


class Sio(Inbox):
    """One client of a kind, over one transport."""

    KIND = "type"
    numbers = itertools.count(1)

    def __init__(self, kind, transport, port, *, namespace="/", auth=None, query=None, headers=None):
        super().__init__()
        self.kind, self.transport, self.namespace = KINDS[kind], transport, namespace
        self.name, self.told = f"{kind}-{transport}-{next(self.numbers)}", queue.Queue()
        self.driver = driver(kind)
        self.driver.clients[self.name] = self
        self.acks = itertools.count(1)
        self.driver.tell(**{
            "do": "connect", "as": self.name, "url": f"http://127.0.0.1:{port}", "namespace": namespace,
            "transports": TRANSPORTS[transport], "auth": auth, "query": query, "headers": headers, "listen": LISTEN,
        })

    def __str__(self):
        return self.name

    # Out

    def emit(self, event, *args):
        self.driver.tell(**{"do": "emit", "as": self.name, "event": event, "args": args})

    def ask(self, event, *args, do="emit", wait=None, **more):
        """Emits with an ack, and gives the ack's only argument."""
        number = next(self.acks)
        self.driver.tell(**{"do": do, "as": self.name, "event": event, "args": args, "ack": number, **more})
        args = self.expect("(ack)", **({"wait": wait} if wait else {}), ack=number)["args"]
        if len(args) != 1:
            raise Unexpected(f"{self}: {event} was acknowledged with {brief(args)}, not one argument")
        return args[0]

    def attach(self, event, *args, size=9):
        """The same with bytes in the last argument."""
        return self.ask(event, *args, do="attach", size=size)

    def refused(self, event, *args, code=None):
        """Asks for what must be refused, and gives the error."""
        error = self.ask(event, *args)
        if not {"code", "message"} <= error.keys() or code and error["code"] != code:
            raise Unexpected(f"{self}: {event} {brief(args)} was answered with {brief(error)}, not {code}")
        return error

    # In

    def receive(self, deadline):
        try:
            told = self.told.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if told is None:
            raise Closed(f"{self}: the driver ended")
        if told["told"] != "event":
            return {"type": f"({told.pop('told')})", "data": told, "args": []}
        args = told["args"]
        data = args[0] if args and isinstance(args[0], dict) else {"args": args}
        return {"type": told["event"], "data": data, "args": args}

    # The reference's own words

    def connected(self):
        return self.expect("(connected)")

    def disconnected(self):
        return self.expect("(disconnected)")

    def sign_in(self, token, **more):
        """The reference's way; gives `postinit_res`."""
        self.emit("postinit_req", {"token": token, **more})
        return self.is_in()

    def is_in(self):
        def answers(frame):
            # What a session is told that ends, before it comes back, is no answer.
            ends = "reconnect" in frame["data"]
            return frame["type"] == "postinit_res" or frame["type"] == "server_error" and not ends

        answer = self.take(answers, f"{self}: postinit_res")
        if answer["type"] != "postinit_res" or answer["data"].get("success") is not True:
            raise Unexpected(f"{self}: {brief(answer)} is no postinit_res")
        return answer["data"]

    def on_its_transport(self):
        """Waits until it is on the transport that it is to end up on."""
        want = "polling" if self.transport == "polling" else "websocket"
        while True:
            self.driver.tell(**{"do": "transport", "as": self.name})
            if (told := self.expect("(transport)"))["transport"] == want:
                return
            if self.transport != "upgrade":
                raise Unexpected(f"{self} is on {told}, not on {want}")

    def close(self):
        self.driver.tell(**{"do": "disconnect", "as": self.name})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self.driver.clients.pop(self.name, None)


class Wire:
    """A stretch of network between clients and a server, that can be cut: every connection on it ends.

    A socket is closed by the last thread that carries it, never under one that reads it; others only shut it down.
    """

    def __init__(self, port):
        self.to, self.ears = port, socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.ears.getsockname()[1]
        self.lock, self.lines, self.whole = threading.Lock(), set(), True
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with self.ears:
            while True:
                try:
                    near, _ = self.ears.accept()
                except ConnectionError:
                    continue  # Whoever came has gone again.
                except OSError:
                    return
                self.connect(near)

    def connect(self, near):
        with self.lock:
            far = None
            try:
                if not self.whole:
                    raise ConnectionError("cut")
                far = socket.create_connection(("127.0.0.1", self.to))
                for line in (near, far):
                    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                for line in filter(None, (near, far)):
                    hang_up(line)
                    line.close()
                return
            self.lines |= {near, far}
        ways = [(near, far), (far, near)]
        for here, there in tuple(ways):
            threading.Thread(target=self.carry, args=(here, there, ways), daemon=True).start()

    def carry(self, here, there, ways):
        try:
            while got := here.recv(1 << 16):
                there.sendall(got)
            there.shutdown(socket.SHUT_WR)
        except OSError:
            for line in (here, there):
                hang_up(line)
        with self.lock:
            ways.remove((here, there))
            if not ways:
                self.lines -= {here, there}
                here.close()
                there.close()

    def cut(self):
        with self.lock:
            self.whole = False
            for line in self.lines:
                hang_up(line)

    def mend(self):
        with self.lock:
            self.whole = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
        self.ears.shutdown(socket.SHUT_RDWR)


def hang_up(line):
    """Ends a connection at once: who waits on it in another thread wakes up, and once it is closed it is reset."""
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
