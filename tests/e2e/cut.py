"""A stretch of network between a client and a server that goes silent: nothing is closed, nothing gets through.

Where this user may have a network of its own, packets vanish in that; else a relay holds back what it is given. Which of
the two it is is said aloud. What was on its way when the network comes back arrives, as far as both ends waited for it.
"""

import functools
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from client import WAIT_S

TUNNEL = pathlib.Path(__file__).resolve().parent / "tunnel.py"


@functools.cache
def may_have_a_network():
    """Why not, or None."""
    for tool in ("unshare", "nsenter", "ip", "tc"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    silent = "ip link set lo up && tc qdisc add dev lo root blackhole"
    tried = subprocess.run(["unshare", "-rn", "sh", "-c", silent], capture_output=True, text=True, timeout=WAIT_S)
    return None if tried.returncode == 0 else tried.stderr.strip() or "it is not allowed"


def network(port):
    """A network that reaches the server at this port of loopback."""
    if (why := may_have_a_network()) is not None:
        print(f"== e2e: no network of its own ({why}): a relay holds back what it is given instead", flush=True)
        return Relay(port)
    print("== e2e: a network of its own, in which packets vanish", flush=True)
    return Namespace(port)


class Line(threading.Thread):
    """Carries bytes both ways until one end ends, while it is let."""

    def __init__(self, near, far, goes):
        super().__init__(daemon=True)
        self.ends, self.goes = {near: far, far: near}, goes
        self.start()

    def run(self):
        try:
            while self.ends:
                for one in select.select(list(self.ends), [], [])[0]:
                    self.goes.wait()
                    got = one.recv(1 << 16)
                    if not got or not self.passes(one, got):
                        return
                    self.ends[one].sendall(got)
        except OSError:
            pass
        finally:
            for one in self.ends:
                one.close()

    def passes(self, one, got):
        """Whether bytes from this end go on; if not, neither does the line."""
        return True


class Ears(threading.Thread):
    """Takes connections, and carries each of them to the server."""

    def __init__(self, listener, port, goes):
        super().__init__(daemon=True)
        self.listener, self.port, self.goes = listener, port, goes
        self.start()

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.goes.wait()
            try:
                far = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                near.close()
            else:
                self.carry(near, far)

    def carry(self, near, far):
        Line(near, far, self.goes)

    def stop(self):
        self.goes.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Relay:
    """What is said while it is cut stays in it."""

    inside = ()

    def __init__(self, port):
        self.goes = threading.Event()
        self.goes.set()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.ears = listener.getsockname()[1], Ears(listener, port, self.goes)

    def cut(self):
        self.goes.clear()

    def mend(self):
        self.goes.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ears.stop()


class Namespace:
    """Another network, with a tunnel out of it. `inside` is what a command begins with that runs in it."""

    def __init__(self, port):
        self.home, goes = tempfile.TemporaryDirectory(prefix="bongsu-e2e-net-"), threading.Event()
        goes.set()
        path = pathlib.Path(self.home.name, "out")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        self.ears = Ears(listener, port, goes)
        self.tunnel = subprocess.Popen(
            ["unshare", "-rn", sys.executable, str(TUNNEL), str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.port = int(self.tunnel.stdout.readline())
        self.inside = ("nsenter", "-t", str(self.tunnel.pid), "-U", "-n", "--preserve-credentials", "--")

    def cut(self):
        self.tell("cut")

    def mend(self):
        self.tell("mend")

    def tell(self, what):
        self.tunnel.stdin.write(what + "\n")
        self.tunnel.stdin.flush()
        done = self.tunnel.stdout.readline().strip()
        assert done == what, done

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tunnel.kill()
        self.tunnel.wait()
        self.ears.stop()
        self.home.cleanup()
