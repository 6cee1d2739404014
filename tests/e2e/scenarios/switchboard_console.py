"""Displays and presets by hand: `bongsu display` and `bongsu preset` against a server, an agent and a client of the guide."""

import json

from displays import fresh, runs
from runner import scenario
from scenarios.agent import agent, pids
from scenarios.command_line import run
from scenarios.switchboard import OPEN, guide, offline
from server import wait_until


def console(server, *words, code=0):
    """What a command says on stdout."""
    where = {"BONGSU_URL": f"http://127.0.0.1:{server.http}", "BONGSU_DATA_DIR": server.data_dir}
    got, out, err = run(*words, **where)
    assert got == code, (words, got, out, err)
    return out


@scenario(config=OPEN)
def a_preset_is_made_run_and_stopped_by_hand(server):
    with agent(server) as machine, guide(server) as plain:
        name = f"by hand {machine.name}"
        shows = [f"--display={machine.name}=/bin/sleep 600", f"--display={plain.name}=exec sleep 600"]
        console(server, "preset", "create", *shows, name)
        assert name in console(server, "preset", "list")
        shown = json.loads(console(server, "preset", "--json", "show", name))
        assert shown["displays"][machine.name]["command"] == "/bin/sleep 600", shown
        told = console(server, "preset", "run", name, "--wait")
        assert machine.name in told and plain.name in told, told
        pid, = wait_until(lambda: pids(server, machine), "its process")
        listed = console(server, "display", "list", "--limit", 200)
        assert machine.name in listed and plain.name in listed, listed
        assert str(pid) in console(server, "display", "show", machine.name)
        console(server, "preset", "stop", name)
        assert not runs(pid)
        # One that is away is said, and the others run.
        away = fresh()
        console(server, "preset", "set", name, f"--display={away}=/bin/true", f"--display={machine.name}=/bin/true")
        told = console(server, "preset", "run", name, "--wait=done", "--display", machine.name)
        assert machine.name in told and away not in told, told
        assert away in console(server, "preset", "run", name, "--wait", code=1)
        console(server, "preset", "delete", name)
        assert name not in console(server, "preset", "list")


@scenario(config=OPEN)
def a_program_is_run_by_hand_and_its_end_is_the_exit_code(server):
    with agent(server) as machine:
        console(server, "display", "run", "--wait", "done", machine.name, "/bin/sh", "-c", "echo $1 > said", "x", "two words")
        assert machine.wrote("said") == ["two words"], "words stay words"
        out = console(server, "display", "run", "--wait", "done", machine.name, "/bin/sh -c 'exit 7'", code=1)
        assert "7" in out, out
        made = json.loads(console(server, "display", "--json", "run", machine.name, "/bin/sleep 600"))
        pid, = wait_until(lambda: pids(server, machine), "its process")
        console(server, "display", "stop", machine.name, "--command", made["command_id"])
        assert not runs(pid)
        explained = console(server, "explain", "command", made["command_id"])
        assert made["command_id"] in explained and machine.name in explained, explained
        assert machine.leaves() == 0
    offline(server, machine.name)
    console(server, "display", "run", machine.name, "/bin/true", code=1)


@scenario()
def displays_are_added_and_renamed_by_hand(server):
    one, other, later = fresh(), fresh(), fresh()
    out = console(server, "display", "add", one, other)
    tokens = dict(line.split()[:2] for line in out.splitlines() if line.strip())
    assert set(tokens) == {one, other}, out
    with agent(server, one, token=tokens[one]) as machine:
        assert one in console(server, "display", "list", "--limit", 200)
        assert machine.leaves() == 0
    offline(server, one)
    console(server, "display", "rename", one, later)
    with agent(server, later, token=tokens[one]):
        pass
