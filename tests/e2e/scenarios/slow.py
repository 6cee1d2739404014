"""Clients that say nothing, that read nothing, or that read slowly: nobody else may notice."""

import resource
import select
import socket
import time

from bystander import Bystander
from client import Client, Closed
from runner import scenario
from scenarios.chat import leave_all, message, trio

SLOW = {"slow_ms": 2_000, "sign_in_ms": 4_000, "connections_per_address_max": 20_000}


@scenario(limits=SLOW, fresh=True)
def ten_thousand_connections_that_say_nothing(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, hard - 500)
    others = Bystander(server)
    silent = []
    for n in range(count):
        silent.append(socket.create_connection(("127.0.0.1", server.tcp), timeout=20))
        if n % 2_000 == 1_999:
            others.check(f"{n + 1} silent connections")
    others.check("all of them")
    poll = select.poll()
    waiting = {s.fileno(): s for s in silent}
    for number in waiting:
        poll.register(number, select.POLLIN)
    deadline = time.monotonic() + 60
    while waiting and time.monotonic() < deadline:
        for number, _ in poll.poll(1_000):
            try:
                over = not waiting[number].recv(4096)
            except ConnectionError:
                over = True
            if over:
                poll.unregister(number)
                waiting.pop(number).close()
        others.check("closing them")
    assert not waiting, f"{len(waiting)} of {count} are still open"
    others.end()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@scenario(limits={"connections_per_address_max": 32}, fresh=True)
def one_address_takes_its_share_and_no_more(server):
    clients = [server.client(401) for _ in range(20)]
    extra = []
    refused = 0
    for _ in range(30):
        client = Client(server.tcp)
        extra.append(client)
        try:
            client.connect(server.token(401, "user401"))
        except (Closed, OSError):
            refused += 1
    assert refused == 18, refused
    for client in clients:
        client.ask("PING", expect="PONG")
    leave_all(clients + extra)
    # Places are given back.
    deadline = time.monotonic() + 10
    while True:
        try:
            server.client(401).close()
            break
        except (Closed, OSError):
            assert time.monotonic() < deadline, "no place was given back"


@scenario(limits=SLOW, fresh=True)
def a_client_that_never_reads_is_closed_and_costs_a_bounded_sum(server):
    room, (a, b) = trio(server, 411, 412)
    deaf = Client(server.tcp, receive_buffer=4096)
    deaf.connect(server.token(413))
    deaf.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    others = Bystander(server)
    content = "x" * 4_000
    open_sockets = server.sockets()
    n = 0
    deadline = time.monotonic() + 60
    while server.sockets() >= open_sockets:
        assert time.monotonic() < deadline, f"not closed after {n} messages"
        for _ in range(50):
            a.request("SEND_MESSAGE", message(room, f"{n} {content}"))
            n += 1
        stream = b.messages(room, n - 50)
        assert [next(stream)["seq"] for _ in range(50)] == list(range(n - 49, n + 1)), "the others miss nothing"
        a.inbox.clear()
        b.inbox.clear()
        drain(a)
        others.check("a deaf session")
    try:
        frames = deaf.until_closed()
        closed = [f["data"] for f in frames if f["action"] == "SESSION_CLOSED"]
        assert all(c["reconnect"] == "now" for c in closed), closed
    except Closed:
        pass
    others.end()
    leave_all([a, b, deaf])


def drain(client):
    """Takes what has come, without waiting."""
    while client.receive(time.monotonic() + 0.001) is not None:
        pass


@scenario(limits={"slow_ms": 30_000}, fresh=True)
def a_slow_reader_is_caught_up_in_order(server):
    room, (a, b) = trio(server, 421, 422)
    slow = Client(server.tcp, receive_buffer=4096)
    slow.connect(server.token(423))
    slow.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    content = "y" * 4_000
    total = 1_500  # Six megabytes: far past the mailbox and the kernel's buffers.
    others = Bystander(server)
    for n in range(total):
        a.request("SEND_MESSAGE", message(room, f"{n} {content}"))
        if n % 50 == 49:
            stream = b.messages(room, n - 49)
            assert [next(stream)["seq"] for _ in range(50)] == list(range(n - 48, n + 2))
            drain(a)
            a.inbox.clear()
            b.inbox.clear()
    others.check("a slow reader's backlog")
    stream = slow.messages(room, 0)
    assert [next(stream)["seq"] for _ in range(total)] == list(range(1, total + 1)), "in order, without holes"
    others.check("the catch-up")
    others.end()
    leave_all([a, b, slow])


@scenario(limits=SLOW, fresh=True)
def floods_cost_the_flooder_only(server):
    others = Bystander(server)
    flooder = server.client(431)
    flooder.socket.setblocking(False)
    ping = b'{"action":"PING","data":{},"seq_id":"x"}' * 500
    deadline = time.monotonic() + 3
    rounds = 0
    # Asks and never reads an answer: the server stops reading, or closes; it never stores without bound.
    while time.monotonic() < deadline:
        try:
            flooder.socket.send(ping)
        except BlockingIOError:
            select.select([], [flooder.socket], [], 0.05)
        except OSError:
            break
        rounds += 1
        if rounds % 20 == 0:
            others.check("a flood")
    others.check("a flood")
    flooder.close()
    others.end()
