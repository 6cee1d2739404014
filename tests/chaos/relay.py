"""Stretches of network between nodes and what they are built on, in a process of their own, that can be cut and frozen.

A line of JSON on stdin says how a stretch is: `pass`; `cut` (every connection is reset, and no new one is taken); `hole`
(nothing goes either way, and nobody is told), `hole_out` and `hole_in` (the same, one way: from whoever connects, or to
it). What waited in a hole goes on when it is gone, as the network's own repeats would have it. No namespaces and no
privileges are needed.
"""

import json
import pathlib
import selectors
import socket
import struct
import subprocess
import sys

RESET = struct.pack("ii", 1, 0)
CHUNK = 1 << 16
# What has been read and not been taken; then it reads no more.
HELD_MAX = 1 << 18


class Way:
    """One direction of a connection."""

    def __init__(self, here, there):
        self.here, self.there, self.held, self.ended = here, there, bytearray(), False


class Stretch:
    """Everything between one node and one server."""

    def __init__(self, selector, to):
        self.selector, self.to, self.mode, self.ways = selector, to, "pass", {}
        self.ears = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.ears.setblocking(False)
        self.port = self.ears.getsockname()[1]
        selector.register(self.ears, selectors.EVENT_READ, (self, None))

    def accept(self):
        try:
            near, _ = self.ears.accept()
        except OSError:
            return
        if self.mode == "cut":
            reset(near)
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.to), 1.0)
        except OSError:
            reset(near)
            return
        for line in (near, far):
            line.setblocking(False)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        out, back = Way(near, far), Way(far, near)
        self.ways[near], self.ways[far] = (out, back, "out"), (back, out, "in")
        self.look(near)
        self.look(far)

    def is_open(self, which):
        return self.mode not in ("hole", f"hole_{which}")

    def look(self, line):
        """Waits for what this socket can do now."""
        if line not in self.ways:
            return
        way, back, which = self.ways[line]
        wanted = 0
        if self.is_open(which) and not way.ended and len(way.held) < HELD_MAX:
            wanted |= selectors.EVENT_READ
        other = "in" if which == "out" else "out"
        if back.held and self.is_open(other):
            wanted |= selectors.EVENT_WRITE
        known = self.selector.get_map().get(line)
        if known and not wanted:
            self.selector.unregister(line)
        elif known and known.events != wanted:
            self.selector.modify(line, wanted, (self, line))
        elif wanted and not known:
            self.selector.register(line, wanted, (self, line))

    def serve(self, line, events):
        if line not in self.ways:
            return
        way, back, _ = self.ways[line]
        try:
            if events & selectors.EVENT_READ:
                got = line.recv(CHUNK)
                way.held += got
                way.ended = not got
            for one in (way, back):
                if line in self.ways:
                    self.carry(one)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            return self.end(line)
        self.look(way.here)
        self.look(way.there)

    def carry(self, way):
        _, _, which = self.ways[way.here]
        if not self.is_open(which):
            return
        if way.held:
            try:
                del way.held[: way.there.send(way.held)]
            except BlockingIOError:
                return
        if way.ended and not way.held:
            self.end(way.here)

    def end(self, line):
        if line not in self.ways:
            return
        way, _, _ = self.ways[line]
        for one in (way.here, way.there):
            self.ways.pop(one, None)
            if one in self.selector.get_map():
                self.selector.unregister(one)
            reset(one)

    def becomes(self, mode):
        self.mode = mode
        for line in list(self.ways):
            if mode == "cut":
                self.end(line)
            else:
                self.look(line)


def reset(line):
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError:
        pass
    line.close()


def main(argv):
    selector = selectors.DefaultSelector()
    stretches = [Stretch(selector, int(port)) for port in argv]
    print(json.dumps([stretch.port for stretch in stretches]), flush=True)
    selector.register(sys.stdin, selectors.EVENT_READ, (None, None))
    while True:
        for key, events in selector.select():
            stretch, line = key.data
            if stretch is None:
                order = sys.stdin.readline()
                if not order:
                    return 0
                told = json.loads(order)
                stretches[told["stretch"]].becomes(told["mode"])
                print(json.dumps(told), flush=True)
            elif line is None:
                stretch.accept()
            else:
                stretch.serve(line, events)


class Relay:
    """That process, for others: one stretch for each port that it is given."""

    def __init__(self, ports):
        words = [sys.executable, str(pathlib.Path(__file__).resolve()), *map(str, ports)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports = json.loads(self.process.stdout.readline())

    def become(self, stretch, mode):
        self.process.stdin.write(json.dumps({"stretch": stretch, "mode": mode}) + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
