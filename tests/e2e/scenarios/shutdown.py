"""A server that is told to stop says so, keeps everything, and ends well."""

import signal

from client import Client
from runner import scenario
from scenarios.chat import trio


@scenario(fresh=True, limits={"drain_ms": 2_000})
def sigterm_is_announced_and_leaves_nothing_behind(server):
    room, (a, b) = trio(server, 161, 162)
    sent = [a.post(room, f"m{n}") for n in range(20)]
    server.terminate()
    for client in (a, b):
        frames = client.until_closed()
        notices = [f["data"] for f in frames if f["action"] == "SERVER_SHUTDOWN"]
        assert len(notices) == 1, frames
        assert notices[0]["resume"] is True and notices[0]["reconnect_after_ms"] >= 0, notices
        assert notices[0]["message"], notices
    code, rest = server.wait()
    assert code == 0, (code, server.log_tail())
    assert rest == b"", f"nothing but the ready line on stdout: {rest!r}"
    server.start()
    back = server.client(162)
    assert back.history(room) == sent, "everything is there"
    back.close()


@scenario(fresh=True)
def sigint_stops_as_well(server):
    server.process.send_signal(signal.SIGINT)
    assert server.wait()[0] == 0, server.log_tail()


@scenario(fresh=True, limits={"drain_ms": 2_000})
def sessions_that_do_not_read_do_not_hold_up_the_end(server):
    silent = Client(server.tcp)
    deaf = server.client(163)
    server.terminate()
    assert server.wait(15)[0] == 0, server.log_tail()
    silent.close()
    deaf.close()
