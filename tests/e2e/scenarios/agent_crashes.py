"""Agents, supervisors and servers that are killed, frozen and started twice: nothing is begun twice, every end is known."""

import itertools
import random
import signal
import time

from agents import Agent, kill, parent
from displays import fresh, runs
from runner import scenario
from scenarios.agent import BACK_S, BRISK, agent, done, online, pids, running
from scenarios.device_tls import CAR, authority
from scenarios.device_tls import config as tls
from scenarios.switchboard import OPEN, TERMINAL, command, display, is_online, offline, screen
from scenarios.switchboard_presets import KNOWING, nothing_came, preset, run, says
from scenarios.switchboard_programs import ends, execute, state, stop
from server import wait_until

ROUNDS = 12


@scenario(config=OPEN, limits={**BRISK, "command_retry_ms": 300})
def however_often_the_agent_is_killed_nothing_starts_twice(server):
    """The kills fall anywhere between the command's coming in and its program's end."""
    chance = random.Random(6)
    with agent(server) as machine:
        script = machine.script("once.sh", 'echo "$1" >> starts; exit 5')
        calls = []
        for n in range(ROUNDS):
            online(server, machine.name, BACK_S)
            calls.append(execute(server, machine.name, f"{script} {n}", n, wait="accepted", ttl_ms=20_000))
            hit = time.monotonic() + chance.uniform(0, 0.12)
            wait_until(lambda: time.monotonic() >= hit, "the moment")
            machine.kill()
            machine.start()
        made = [call.answered(202) if call.join(20) is None and call.answer[0] == 202 else None for call in calls]
        online(server, machine.name, BACK_S)
        for n, one in enumerate(made):
            if one is None:
                continue  # It was not accepted: so it must not have been begun.
            wait_until(lambda: state(server, one) in TERMINAL, f"the end of {n}: {command(server, one)}", 40)
        started = machine.wrote("starts")
        assert len(started) == len(set(started)), started
        for n, one in enumerate(made):
            told = command(server, one) if one else {"state": "refused"}
            ran = str(n) in started
            if told["state"] == "failed" and told["error"].get("exit_code") == 5:
                assert ran, (n, told)
            elif told["state"] in ("refused", "rejected", "offline"):
                assert not ran, (n, told)
        assert len(started) >= ROUNDS // 3, f"most of them ran: {started}"
        wait_until(lambda: done_or_none(server, machine), "its being itself again", BACK_S)


@scenario(config=OPEN)
def a_program_ends_with_its_supervisor(server):
    with agent(server) as machine:
        made = running(server, machine, "/bin/sh -c 'sleep 601 & sleep 602'", n=1)
        pid, = wait_until(lambda: pids(server, machine), "its process")
        supervisor = parent(pid)
        assert supervisor not in (1, machine.group.pid), "it has one of its own"
        kill(supervisor)
        told = ends(server, made, "failed")
        assert "supervisor" in str(told["error"]), told
        wait_until(lambda: not runs(pid), "the program's end")
        # And without anybody to see it.
        made = running(server, machine, "/bin/sleep 603", n=2)
        pid, = wait_until(lambda: pids(server, machine), "its process")
        supervisor = parent(pid)
        machine.kill()
        kill(supervisor)
        offline(server, machine.name)
        machine.start()
        told = ends(server, made, "failed")
        assert "supervisor" in str(told["error"]), told
        wait_until(lambda: not runs(pid), "the program's end")


@scenario(config=OPEN)
def a_data_folder_has_one_agent(server):
    with agent(server) as machine, Agent(server.http, start=False) as other:
        at = other.command.index("--data")
        other.command[at + 1] = machine.home / "data"
        other.start()
        assert other.group.ended() == 1, other.tail()
        assert is_online(server, machine.name) and done(server, machine, "/bin/true")["state"] == "succeeded"


@scenario(config=OPEN, fresh=True, limits=BRISK)
def a_server_that_is_frozen_for_a_while_loses_nothing(server):
    with agent(server) as machine:
        script = machine.script("brief.sh", "echo started >> starts; while [ ! -e go ]; do sleep 0.1; done; exit 4")
        brief, long = running(server, machine, str(script), n=3), running(server, machine, "/bin/sleep 600", n=4)
        server.process.send_signal(signal.SIGSTOP)
        (machine.home / "go").touch()
        frozen = time.monotonic()
        wait_until(lambda: time.monotonic() > frozen + 9, "its waking up")
        server.process.send_signal(signal.SIGCONT)
        ends(server, brief, "failed", {"exit_code": 4})
        online(server, machine.name, BACK_S)
        assert state(server, long) == "in_progress" and machine.wrote("starts") == ["started"]
        wait_until(lambda: len(pids(server, machine)) == 1, "the one that is left")
        wait_until(lambda: done_or_none(server, machine), "its being itself again", BACK_S)


def done_or_none(server, machine):
    """Whether a program runs to its end: a session that is just being given up takes none."""
    call = execute(server, machine.name, "/bin/true", wait="done", timeout_ms=10_000)
    call.join(30)
    return call.answer and call.answer[0] == 200


@scenario(config=OPEN, fresh=True)
def a_barrier_that_dies_with_its_server_starts_nothing(server):
    names = [fresh(), fresh()]
    clients = [screen(server, name, capabilities=KNOWING) for name in names]
    made = preset(server, "never", dict.fromkeys(names, "x"))
    run(server, made, barrier=True)
    asked = [client.expect("prepare_command") for client in clients]
    says(clients[0], asked[0], "prepared")
    clients[0].beat()
    server.kill()
    server.start(same_ports=True)
    again = [screen(server, name, capabilities=KNOWING) for name in names]
    for client, told in zip(again, asked):
        says(client, told, "prepared")
    for client in again:
        nothing_came(client, "execute_command")
        client.close()
    states = {one["name"]: one["state"] for one in commands(server, names[0])}
    assert "display.run" not in states, states


def commands(server, name):
    return server.call("GET", f"/api/v1/devices/{name}/commands", want=200)[1]["commands"]


@scenario(config=tls, fresh=True)
def a_certificate_lets_an_agent_in(server):
    folder, port = authority(), int(server.ready["https"].rsplit(":", 1)[1])
    url, ca = f"https://localhost:{port}", folder / "ca.pem"
    own = {"ca": ca, "cert": folder / "car.pem", "key": folder / "car.key"}
    with agent(server, CAR, url=url, **own) as machine:
        assert done(server, machine, "/bin/sh -c 'exit 3'")["error"]["exit_code"] == 3
        assert machine.leaves() == 0
    for name, files, told in (
        (fresh(), own, "PERMISSION_DENIED"), (CAR, {"ca": ca}, "NOT_AUTHENTICATED"),
        (CAR, {"ca": folder / "foreign.pem"}, "certificate"),
    ):  # fmt: skip
        with Agent(server.http, name, url=url, **files) as machine:
            wait_until(lambda: told in machine.tail(), f"{told} in {machine.tail()}")
    token = server.token(CAR, role="device")
    with agent(server, CAR, url=url, ca=ca, token=token) as machine:
        assert done(server, machine, "/bin/true")["state"] == "succeeded"


@scenario(config=OPEN, limits=BRISK)
def whatever_is_broken_off_is_taken_up_again(server):
    """Many short lives of a session, with a program that runs through all of them."""
    with agent(server) as machine:
        made = running(server, machine, "/bin/sh -c 'echo started >> starts; exec sleep 600'", n=5)
        for _ in itertools.repeat(None, 4):
            since = wait_until(lambda: registered_at(server, machine.name), "its being there", BACK_S)
            server.call("POST", f"/api/v1/devices/{machine.name}/disconnect", want=204)
            wait_until(lambda: registered_at(server, machine.name) not in (None, since), "its being back", BACK_S)
        wait_until(lambda: len(pids(server, machine)) == 1, "its program")
        assert state(server, made) == "in_progress"
        assert stop(server, machine.name, 5).answered()["state"] == "succeeded"
        assert machine.wrote("starts") == ["started"]


def registered_at(server, name):
    """Since when it is there; None if it is not."""
    return display(server, name).get("registered_at")
