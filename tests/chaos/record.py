"""What clients write down of what they do and hear: one file each, one line of JSON for each event, see docs/history.md."""

import hashlib
import json
import threading
import time


def clock_ms():
    """The clock that all of them share."""
    return time.monotonic_ns() / 1e6


def wall_ms():
    return time.time_ns() // 1_000_000


def digest(content):
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


class Log:
    """One client's file; lines are appended and never changed."""

    def __init__(self, folder, client):
        self.client, self.node, self.lock = client, None, threading.Lock()
        self.file = open(folder / f"{client}.jsonl", "a", encoding="utf-8", buffering=1 << 16)

    def __call__(self, kind, **fields):
        line = {"t_ms": clock_ms(), "client": self.client, "node": self.node, "kind": kind, **fields}
        with self.lock:
            self.file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")

    def close(self):
        with self.lock:
            self.file.close()


class Stage:
    """How far a run is; all its threads look here."""

    ORDER = ("storm", "calm", "quiet", "rest")

    def __init__(self):
        self.name = "storm"
        self.changed = threading.Event()

    def to(self, name):
        assert self.ORDER.index(name) > self.ORDER.index(self.name), (self.name, name)
        self.name = name
        if name == "rest":
            self.changed.set()

    @property
    def storms(self):
        """Clients move about, and come and go."""
        return self.name == "storm"

    @property
    def speaks(self):
        """New things are said."""
        return self.name in ("storm", "calm")

    @property
    def over(self):
        return self.name == "rest"

    def wait(self, seconds):
        """A pause that the end cuts short."""
        self.changed.wait(seconds)
