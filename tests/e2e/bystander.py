"""Everybody else: two sessions that chat while somebody misbehaves, and an eye on the server's memory."""

import time

from server import wait_until

MEMORY_MAX = 48 << 20  # More than any one session may cost, less than any leak or bomb.
PATIENCE_S = 5.0


class Bystander:
    def __init__(self, server, *users):
        first, second = users or (901, 902)
        self.server = server
        self.room = server.room()
        self.a, self.b = server.client(first), server.client(second)
        for client in (self.a, self.b):
            client.ask("JOIN_ROOM", {"chatroom_id": self.room}, expect="JOIN_ROOM_SUCCESS")
        self.count = 0
        self.rss = server.rss()
        self.sockets = server.sockets()

    def check(self, what):
        """A message still gets through, soon, and memory is where it was."""
        self.count += 1
        began = time.monotonic()
        self.a.post(self.room, f"still here {self.count}")
        self.b.expect("NEW_MESSAGE", content=f"still here {self.count}")
        took = time.monotonic() - began
        assert took < PATIENCE_S, f"{took:.1f} s for a message after {what}"
        grown = self.server.rss() - self.rss
        assert grown < MEMORY_MAX, f"{grown >> 20} MiB more after {what}"
        self.a.inbox.clear()
        self.b.inbox.clear()

    def end(self, allowed=4):
        """Sockets of those who misbehaved are given back."""
        most = self.sockets + allowed
        wait_until(lambda: self.server.sockets() <= most, f"{self.server.sockets()} file descriptors to be {most}")
        self.a.close()
        self.b.close()
