"""The built `bongsu agent` in a folder of its own, with everything it starts: programs outlive it, but not their scenario."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading

from client import WAIT_S, Unexpected
from cut import Ears, Line
from displays import Group, fresh, runs
from server import Server, wait_until


def program():
    return Server.binary, "agent"


class Agent:
    """A machine with an agent on it. Ends with all that was started in its folder, whoever its parent is by then."""

    def __init__(self, port, name=None, *, url=None, allow=None, inside=(), environ=None, start=True, **options):
        """`allow`: the text of a manifest, or None for anything; `inside`: what its command begins with."""
        url = url or f"http://127.0.0.1:{port}"
        self.place = tempfile.TemporaryDirectory(prefix="bongsu-e2e-agent-")
        self.home = pathlib.Path(self.place.name).resolve()
        self.name, self.port, self.group = name or fresh(), port, None
        self.environ = {**os.environ, "HOME": str(self.home), **(environ or {})}
        self.command = [*inside, *program(), "--server", url, "--name", self.name]
        self.command += ["--data", self.home / "data", "--cwd", self.home]
        if allow is None:
            self.command += ["--allow-any"]
        else:
            (self.home / "allow.toml").write_text(allow)
            self.command += ["--allow", self.home / "allow.toml"]
        for option, value in options.items():
            self.command += [f"--{option.replace('_', '-')}", value]
        self.log = open(self.home / "agent.log", "ab")
        if start:
            self.start()

    # Life

    def start(self):
        self.group = Group(self.command, stdout=self.log, stderr=self.log, env=self.environ, cwd=self.home)

    def kill(self):
        """As a crash does; its programs go on."""
        self.group.kill()

    def leaves(self, seconds=WAIT_S):
        """Is asked to end; its exit code."""
        self.group.signal(signal.SIGTERM)
        return self.group.ended(seconds)

    def end(self):
        self.group and self.group.end()
        for _ in range(50):
            left = mine(self.home)
            if not left:
                break
            for pid in left:
                kill(pid)
        self.log.close()
        self.place.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f"  end of {self.name}'s log:\n{self.tail()}", flush=True)
        self.end()

    # What there is to be seen of it

    def tail(self, size=2_000):
        return (self.home / "agent.log").read_text(errors="replace")[-size:]

    def rss(self):
        """Resident bytes of the agent alone."""
        for line in pathlib.Path(f"/proc/{self.group.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def asked(self, *question, code=0):
        """What `bongsu agent logs` or `list` says, as bytes."""
        command = [*program(), question[0], "--data", self.home / "data", *question[1:]]
        done = subprocess.run([str(part) for part in command], capture_output=True, timeout=WAIT_S, env=self.environ)
        if done.returncode != code:
            raise Unexpected(f"{command[1:]}: {done.returncode} {done.stderr[-500:]!r}")
        return done.stdout

    def wrote(self, name):
        """The lines of a file that its programs write; none if there is no such file yet."""
        try:
            return (self.home / name).read_text().splitlines()
        except FileNotFoundError:
            return []

    def script(self, name, text):
        """A program in its folder."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path


def mine(home):
    """The processes that have to do with a folder: by their command line, where they are, or their environment."""
    found, text = [], os.fsencode(home)
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            known = text in (entry / "cmdline").read_bytes() or text in (entry / "environ").read_bytes()
            if (known or os.fsencode(os.readlink(entry / "cwd")).startswith(text)) and runs(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue  # It has ended meanwhile.
    return found


def parent(pid):
    """Whose child a process is."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(") ")[2].split()[1])


def marked(mark):
    """The processes that have this in their environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes() and runs(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    try:
        wait_until(lambda: not runs(pid), f"the end of {pid}", 5)
    except AssertionError:
        pass  # Asked again.


class NoUpgrade:
    """A proxy as there are some: whatever wants to be a WebSocket is refused, all else is passed on."""

    def __init__(self, port):
        listener = socket.create_server(("127.0.0.1", 0))
        self.goes = threading.Event()
        self.goes.set()
        self.port, self.refused = listener.getsockname()[1], 0
        self.ears = Picky(self, listener, port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ears.stop()


class Picky(Ears):
    def __init__(self, proxy, listener, port):
        self.proxy = proxy
        super().__init__(listener, port, proxy.goes)

    def carry(self, near, far):
        PickyLine(self.proxy, near, far)


class PickyLine(Line):
    def __init__(self, proxy, near, far):
        self.proxy, self.near = proxy, near
        super().__init__(near, far, proxy.goes)

    def passes(self, one, got):
        if one is self.near and b"upgrade: websocket" in got.lower():
            self.proxy.refused += 1
            self.near.sendall(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        return True
