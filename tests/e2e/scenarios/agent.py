"""The agent on its machine, and a server: programs run once, are watched through every restart, and end as a whole."""

import re
import time

from agents import Agent, NoUpgrade, marked
from cut import network
from displays import fresh, runs
from runner import scenario
from scenarios.switchboard import OPEN, command, display, guide, is_online, offline
from scenarios.switchboard_presets import end, preset, run
from scenarios.switchboard_programs import ends, execute, state, stop
from server import wait_until

# A display that is heard of every two seconds, and given up after six.
BRISK = {"display_heartbeat_ms": 2_000, "display_silent_ms": 6_000, "display_check_ms": 2_000}
BACK_S = 60  # Its rests grow to 30 s, and half as much more.


def online(server, name, seconds=20):
    wait_until(lambda: is_online(server, name), f"{name} to be online", seconds)


def agent(server, name=None, **more):
    """A machine whose agent is registered."""
    machine = Agent(more.pop("port", server.http), name, **more)
    try:
        online(server, machine.name)
    except BaseException:
        print(machine.tail(), flush=True)
        machine.end()
        raise
    return machine


def running(server, machine, line, *, n=None, **body):
    """Has a program run; gives its command."""
    answer = execute(server, machine.name, line, n, **body).answered()
    assert answer["state"] == "in_progress", answer
    return answer


def done(server, machine, line, *, n=None, **body):
    """Has a program run to its end; gives the command."""
    return execute(server, machine.name, line, n, wait="done", **{"timeout_ms": 20_000, **body}).answered()


def pids(server, machine):
    return [it["pid"] for it in display(server, machine.name)["processes"]]


@scenario(config=OPEN)
def two_agents_run_what_they_are_told(server):
    with agent(server) as one, agent(server) as two:
        for machine in (one, two):
            shown = display(server, machine.name)
            assert {"command_ids", "barrier"} <= set(shown["capabilities"]) and shown["version"], shown
        assert display(server, one.name)["client_id"] != display(server, two.name)["client_id"]
        made = running(server, one, "/bin/sleep 600", n=1)
        pid, = wait_until(lambda: pids(server, one), "its process")
        assert runs(pid) and not pids(server, two)
        assert stop(server, one.name, 1).answered()["state"] == "succeeded"
        assert not runs(pid)
        ends(server, made, "succeeded", {"status": "stopped"})
        for machine in (one, two):
            assert machine.leaves() == 0, machine.tail()
            offline(server, machine.name)


@scenario(config=OPEN)
def an_end_is_known_at_once(server):
    with agent(server) as machine:
        for line, wanted, what in (
            ("/bin/true", "succeeded", {"status": "completed", "exit_code": 0}),
            ("/bin/sh -c 'exit 3'", "failed", {"exit_code": 3}),
            ("/bin/sh -c 'exit 255'", "failed", {"exit_code": 255}),
            ("/bin/sh -c 'kill -SEGV $$'", "failed", {"signal": 11}),
            ("/bin/sh -c 'sleep 0.3; kill -9 $$'", "failed", {"signal": 9}),
        ):
            began = time.monotonic()
            answer = done(server, machine, line)
            assert time.monotonic() - began < 4, "not only with its next report"
            said = answer.get("result") or answer.get("error")
            assert answer["state"] == wanted and what.items() <= said.items(), (line, answer)
        assert done(server, machine, "exit 5", shell=True)["error"]["exit_code"] == 5
        assert done(server, machine, "true && echo $((1 + 1)) > sum", shell=True)["state"] == "succeeded"
        assert machine.wrote("sum") == ["2"]
        for line, codes in (
            ("/no/such/program", {"not_found"}), ("no-such-program", {"not_found"}), ("/etc/passwd", {"not_executable"}),
            ("/tmp", {"not_executable", "not_found"}), ("'open", {"bad_line"}),
        ):  # fmt: skip
            answer = done(server, machine, line)
            assert answer["state"] in ("failed", "rejected") and answer["error"]["code"] in codes, (line, answer)
        answer = done(server, machine, "/bin/true", cwd="/no/such/folder")
        assert answer["state"] in ("failed", "rejected") and answer["error"]["code"] == "bad_program", answer
        assert not pids(server, machine)


@scenario(config=OPEN)
def who_has_the_name_keeps_it_as_long_as_it_lives(server):
    with agent(server) as first, Agent(server.http, first.name) as second:
        running(server, first, "/bin/sleep 600", n=2)
        wait_until(lambda: "NAME_TAKEN" in second.tail() or "NameTaken" in second.tail(), "its being refused")
        assert pids(server, first) and not second.wrote("x")
        since = display(server, first.name)["registered_at"]
        first.group.freeze()
        # It is asked whether it is there, and is not.
        wait_until(lambda: display(server, first.name).get("registered_at", since) != since, "the newcomer", 40)
        made = execute(server, first.name, "/bin/sh -c 'echo here > x'", wait="done", timeout_ms=20_000).answered()
        assert made["state"] == "succeeded" and second.wrote("x") == ["here"] and not first.wrote("x")


LEFT = """trap '' TERM INT HUP
sleep 1000 &
setsid sleep 1001 &
(setsid sh -c 'sleep 1002 & wait' &)
while :; do wait; sleep 1; done"""


@scenario(config=OPEN)
def a_stop_ends_all_that_a_program_has_started(server):
    with agent(server) as machine:
        mark = f"E2E_MARK={machine.home}/stubborn"
        name, _, value = mark.partition("=")
        made = running(server, machine, LEFT, n=3, shell=True, env={name: value}, grace_ms=700)
        before = wait_until(lambda: (it := marked(mark)) and len(it) >= 5 and it, "its children")
        began = time.monotonic()
        assert stop(server, machine.name, 3).answered()["state"] == "succeeded"
        took = time.monotonic() - began
        assert not [pid for pid in before if runs(pid)] and not marked(mark), (before, marked(mark))
        assert 0.6 < took < 10, f"{took:.1f} s: asked first, and killed then"
        ends(server, made, "succeeded", {"status": "stopped"})
        # One that listens is not waited for.
        line = "/bin/sh -c 'trap \"exit 0\" INT; while :; do sleep 0.1; done'"
        made = running(server, machine, line, n=4, stop_signal="INT", grace_ms=60_000)
        began = time.monotonic()
        assert stop(server, machine.name, 4).answered()["state"] == "succeeded"
        assert time.monotonic() - began < 8
        # By its command, and beside another of its preset.
        one, began = running(server, machine, "/bin/sleep 601", n=5), time.monotonic()
        # Sooner it would be the same program: see below.
        wait_until(lambda: time.monotonic() > began + 0.7, "another to be meant")
        two = running(server, machine, "/bin/sleep 602", n=5)
        body = {"command_id": one["command_id"]}
        _, answer = server.call("POST", f"/api/v1/displays/{machine.name}/stop", body, want=200)
        assert answer["state"] == "succeeded", answer
        ends(server, one, "succeeded", {"status": "stopped"})
        assert state(server, two) == "in_progress"
        assert stop(server, machine.name, 99).answered()["state"] == "succeeded", "nothing to stop"


@scenario(config=OPEN)
def what_a_program_leaves_behind_ends_with_it(server):
    with agent(server) as machine:
        mark = f"E2E_MARK={machine.home}/orphans"
        name, _, value = mark.partition("=")
        line = "setsid sleep 1000 & (setsid sh -c 'sleep 1001' &); exit 4"
        answer = done(server, machine, line, shell=True, env={name: value})
        assert answer["error"]["exit_code"] == 4, answer
        wait_until(lambda: not marked(mark), f"the end of {marked(mark)}")


@scenario(config=OPEN)
def programs_go_on_without_their_agent_and_are_known_to_the_next(server):
    with agent(server) as machine:
        long = machine.script("long.sh", "echo started >> starts; sleep 600")
        short = machine.script("short.sh", "echo started >> short; while [ ! -e go ]; do sleep 0.1; done; exit 7")
        made, brief = running(server, machine, str(long), n=6), running(server, machine, str(short), n=7)
        before = wait_until(lambda: len(pids(server, machine)) == 2 and pids(server, machine), "both")
        machine.kill()
        offline(server, machine.name)
        assert all(map(runs, before)), "nothing that happens to the agent happens to them"
        # One of them ends while nobody is there.
        (machine.home / "go").touch()
        wait_until(lambda: len([pid for pid in before if runs(pid)]) == 1, "the end of one")
        machine.start()
        online(server, machine.name)
        ends(server, brief, "failed", {"exit_code": 7})
        assert state(server, made) == "in_progress"
        left = wait_until(lambda: len(it := pids(server, machine)) == 1 and it, "the other")
        assert runs(left[0]) and left[0] in before
        for _ in range(2):
            machine.kill()
            offline(server, machine.name)
            machine.start()
            online(server, machine.name)
        assert stop(server, machine.name, 6).answered()["state"] == "succeeded"
        ends(server, made, "succeeded", {"status": "stopped"})
        assert not runs(left[0]) and machine.wrote("starts") == ["started"] and machine.wrote("short") == ["started"]


@scenario(config=OPEN, fresh=True)
def a_server_that_was_killed_hears_what_became_of_programs(server):
    with agent(server) as machine:
        script = machine.script("brief.sh", "echo started >> starts; while [ ! -e go ]; do sleep 0.1; done; exit 9")
        brief, long = running(server, machine, str(script), n=8), running(server, machine, "/bin/sleep 600", n=9)
        before = wait_until(lambda: len(pids(server, machine)) == 2 and pids(server, machine), "both")
        server.kill()
        (machine.home / "go").touch()
        wait_until(lambda: len([pid for pid in before if runs(pid)]) == 1, "the end of one")
        server.start(same_ports=True)
        online(server, machine.name, BACK_S)
        ends(server, brief, "failed", {"exit_code": 9})
        assert state(server, long) == "in_progress" and machine.wrote("starts") == ["started"]
        wait_until(lambda: len(pids(server, machine)) == 1, "the one that is left")


@scenario(config=OPEN, fresh=True, limits={"drain_ms": 2_000})
def a_server_that_stops_is_waited_for_as_it_says(server):
    with agent(server) as machine:
        made = running(server, machine, "/bin/sleep 600", n=10)
        server.terminate()
        assert server.wait()[0] == 0, server.log_tail()
        server.start(same_ports=True)
        online(server, machine.name, BACK_S)
        assert state(server, made) == "in_progress"


CUT_S = 40


@scenario(config=OPEN, fresh=True, limits=BRISK)
def a_network_that_is_silent_for_forty_seconds_starts_nothing_twice(server):
    with network(server.http) as way, agent(server, port=way.port, inside=way.inside) as machine:
        script = machine.script("brief.sh", "echo started >> starts; while [ ! -e go ]; do sleep 0.1; done; exit 6")
        brief, long = running(server, machine, str(script), n=11), running(server, machine, "/bin/sleep 600", n=12)
        before = wait_until(lambda: len(pids(server, machine)) == 2 and pids(server, machine), "both")
        way.cut()
        began = time.monotonic()
        # Told to nobody: it ends, one way or the other, and nothing comes of it later.
        late = execute(server, machine.name, "/bin/sh -c 'echo late >> late'", 13, ttl_ms=3_000)
        (machine.home / "go").touch()
        offline(server, machine.name, 30)
        wait_until(lambda: len([pid for pid in before if runs(pid)]) == 1, "the end of one")
        status, problem = server.call("POST", f"/api/v1/displays/{machine.name}/execute", {"command": "/bin/true"})
        assert (status, problem["code"]) == (404, "DEVICE_OFFLINE"), (status, problem)
        late.join(30)
        wait_until(lambda: time.monotonic() - began > CUT_S, "the network", CUT_S + 10)
        assert state(server, brief) == state(server, long) == "in_progress"
        way.mend()
        online(server, machine.name, BACK_S)
        ends(server, brief, "failed", {"exit_code": 6})
        assert state(server, long) == "in_progress"
        assert stop(server, machine.name, 12).answered()["state"] == "succeeded"
        ends(server, long, "succeeded", {"status": "stopped"})
        assert machine.wrote("starts") == ["started"] and not machine.wrote("late"), machine.wrote("late")
        assert late.answer and late.answer[0] in (404, 504), late.answer


@scenario(config=OPEN, limits={"command_retry_ms": 300})
def a_command_that_comes_many_times_is_carried_out_once(server):
    with agent(server) as machine:
        machine.group.freeze()
        call = execute(server, machine.name, "/bin/sh -c 'echo started >> starts; sleep 600'", 14)
        made = wait_until(lambda: open_command(server, machine.name), "its being written")
        wait_until(lambda: attempts(server, made) >= 4, "its being sent again and again")
        machine.group.thaw()
        assert call.answered()["state"] == "in_progress"
        assert len(pids(server, machine)) == 1
        # So is a second one of its preset that comes while the first has only begun.
        assert stop(server, machine.name, 14).answered()["state"] == "succeeded"
        assert machine.wrote("starts") == ["started"]
        machine.kill()
        offline(server, machine.name)
        machine.start()
        online(server, machine.name)
        assert done(server, machine, "/bin/true")["state"] == "succeeded"
        assert machine.wrote("starts") == ["started"]


def open_command(server, name):
    """The newest command of a display that was sent."""
    _, page = server.call("GET", f"/api/v1/devices/{name}/commands", want=200)
    for one in page["commands"]:
        if one["state"] in ("written", "routed"):
            return one
    return None


def attempts(server, made):
    return len([step for step in command(server, made)["history"] if step["state"] == "written"])


@scenario(config=OPEN)
def the_same_preset_again_at_once_is_the_same_program(server):
    with agent(server) as machine:
        made = preset(server, f"twice {machine.name}", {machine.name: "/bin/sh -c 'echo started >> starts; exec sleep 600'"})
        calls = [run(server, made) for _ in range(3)]
        answers = [call.answered()["results"][0] for call in calls]
        assert all(it["state"] == "in_progress" for it in answers), answers
        assert machine.wrote("starts") == ["started"] and len(pids(server, machine)) == 1, answers
        assert end(server, made).answered()["ok"] is True


@scenario(config=OPEN)
def a_gigabyte_of_output_costs_neither_memory_nor_disk(server):
    with agent(server, log_bytes_max="1M", log_files=3) as machine:
        line = "yes 'and so on' | head -c 1000000000; echo the end; echo to stderr >&2"
        began, most = time.monotonic(), 0
        made = running(server, machine, line, shell=True)
        while state(server, made) == "in_progress":
            most = max(most, machine.rss())
            assert time.monotonic() - began < 120, "still writing"
        ends(server, made, "succeeded", {"exit_code": 0})
        assert most < 48 << 20, f"{most >> 20} MiB"
        kept = sum(path.stat().st_size for path in (machine.home / "data").rglob("*") if path.is_file())
        assert kept < 6 << 20, f"{kept >> 20} MiB"
        logs = machine.asked("logs", made["command_id"])
        assert logs.endswith(b"and so on\nthe end\n") or logs.endswith(b"the end\n"), logs[-100:]
        assert 1 << 20 <= len(logs) <= 3 << 20, len(logs)
        assert machine.asked("logs", made["command_id"], "--stderr") == b"to stderr\n"
        assert machine.asked("logs", made["command_id"], "-n", "1") == b"the end\n"


@scenario(config=OPEN)
def a_line_of_64_kib_reaches_its_program(server):
    with agent(server) as machine:
        word = "길" * 21_000
        line = f"/bin/echo '{word}' " + "x" * (65_536 - 13 - 3 * 21_000)
        assert len(line.encode()) == 65_536, len(line.encode())
        made = done(server, machine, line)
        assert made["state"] == "succeeded", made
        assert machine.asked("logs", made["command_id"]).decode() == line.removeprefix("/bin/echo ").replace("'", "") + "\n"


@scenario(config=OPEN)
def paths_and_words_of_any_language_reach_a_program(server):
    with agent(server) as machine:
        path = machine.script("쇼 룸 é/내 프로그램's.sh", 'pwd; printf "<%s>" "$@"; echo; echo "$이름 $A"')
        quoted = str(path).replace("'", "'\\''")
        line = f"'{quoted}' 'a  b' \"c $HOME d\" e\\ f '' $(reboot) `x` * ~ ; true && x | y > z"
        made = done(server, machine, line, cwd=str(path.parent), env={"A": "값 é $HOME `x`"})
        assert made["state"] == "succeeded", made
        where, words, values = machine.asked("logs", made["command_id"]).decode().splitlines()
        assert where == str(path.parent), where
        # Words as a shell makes them, and nothing that a shell would do with them.
        wanted = ["a  b", "c $HOME d", "e f", "", "$(reboot)", "`x`", "*", "~", ";", "true", "&&", "x", "|", "y", ">", "z"]
        assert re.findall("<(.*?)>(?=<|$)", words) == wanted, words
        assert values.endswith("값 é $HOME `x`"), values
        assert not (path.parent / "z").exists()


ALLOW = """
[[program]]
path = "/bin/echo"
args = ["hello|goodbye"]

[[program]]
path = "{home}/shows/*"
more_args = "[a-z]+"

[[shell]]
line = "exit [0-9]"
"""


@scenario(config=OPEN)
def only_what_is_allowed_is_run(server):
    with Agent(server.http, start=False, allow="") as machine:
        (machine.home / "allow.toml").write_text(ALLOW.format(home=machine.home))
        machine.script("shows/show.sh", "echo shown \"$@\"")
        machine.script("other.sh", "echo not allowed > ran")
        (machine.home / "shows" / "link.sh").symlink_to(machine.home / "other.sh")
        (machine.home / "hello").symlink_to("/bin/echo")
        machine.start()
        online(server, machine.name)
        for line, shell in (("/bin/echo hello", False), (f"{machine.home}/shows/show.sh a bc", False), ("exit 0", True)):
            answer = done(server, machine, line, shell=shell)
            assert answer["state"] == "succeeded", (line, answer)
        for line, shell in (
            ("/bin/echo", False), ("/bin/echo hello x", False), ("/bin/echo 'hello;reboot'", False), ("/bin/true", False),
            (f"{machine.home}/other.sh", False), (f"{machine.home}/shows/link.sh", False),
            (f"{machine.home}/shows/../other.sh", False), (f"{machine.home}/shows/show.sh A", False),
            ("exit 0; echo x > ran", True), ("exit 10", True), ("/bin/echo hello", True),
        ):  # fmt: skip
            answer = done(server, machine, line, shell=shell)
            assert answer["state"] == "rejected" and answer["error"]["code"] == "not_allowed", (line, answer)
        for more in ({"env": {"LD_PRELOAD": "/x.so"}}, {"cwd": "/"}):
            answer = done(server, machine, "/bin/echo hello", **more)
            assert answer["state"] == "rejected" and answer["error"]["code"] == "not_allowed", (more, answer)
        assert not machine.wrote("ran") and not (machine.home / "shows" / "ran").exists()
    with Agent(server.http, start=False) as nothing:
        nothing.command.remove("--allow-any")
        nothing.start()
        assert nothing.group.ended() == 2, nothing.tail()


@scenario(config=OPEN)
def a_program_has_a_clean_environment(server):
    secrets = {"SECRET_OF_MINE": "x", "LD_PRELOAD": "", "BONGSU_AGENT_TOKEN_OF": "y", "TZ": "Asia/Seoul"}
    with agent(server, environ=secrets) as machine:
        made = done(server, machine, "/usr/bin/env", env={"GIVEN": "값"})
        env = dict(line.split("=", 1) for line in machine.asked("logs", made["command_id"]).decode().splitlines())
        assert env["GIVEN"] == "값" and env["TZ"] == "Asia/Seoul" and "PATH" in env, env
        strange = {name for name in env if name.startswith(("SECRET", "LD_", "PYTHON")) or "TOKEN" in name}
        assert not strange, strange
        fds = done(server, machine, "/bin/ls -l /proc/self/fd")
        listed = machine.asked("logs", fds["command_id"]).decode()
        assert "socket" not in listed and "journal" not in listed, listed


@scenario(config=OPEN)
def whoever_ends_the_agent_says_what_becomes_of_programs(server):
    with agent(server, on_exit="stop") as machine:
        made = running(server, machine, "/bin/sleep 600", n=15)
        pid, = pids(server, machine)
        assert machine.leaves() == 0 and not runs(pid), machine.tail()
        offline(server, machine.name)
        if state(server, made) == "in_progress":
            machine.start()
        ends(server, made, "succeeded", {"status": "stopped"})
    with agent(server, on_exit="leave") as machine:
        made = running(server, machine, "/bin/sh -c 'while [ ! -e go ]; do sleep 0.1; done; exit 8'", n=16)
        pid, = pids(server, machine)
        assert machine.leaves() == 0 and runs(pid), machine.tail()
        offline(server, machine.name)
        assert state(server, made) == "in_progress"
        (machine.home / "go").touch()
        wait_until(lambda: not runs(pid), "its end")
        machine.start()
        ends(server, made, "failed", {"exit_code": 8})


@scenario(config=OPEN)
def what_programs_write_is_there_to_be_read(server):
    with agent(server) as machine:
        first = done(server, machine, "/bin/sh -c 'for n in 1 2 3; do echo line $n; done; echo bad >&2; exit 2'", n=17)
        second = running(server, machine, "/bin/sh -c 'echo one more; exec sleep 600'", n=18)
        assert machine.asked("logs", first["command_id"]) == b"line 1\nline 2\nline 3\n"
        assert machine.asked("logs", "17", "-n", "2") == b"line 2\nline 3\n"
        assert machine.asked("logs", "17", "--stderr") == b"bad\n"
        wait_until(lambda: machine.asked("logs", "18") == b"one more\n", "what it writes")
        assert machine.asked("logs") == b"one more\n", "the youngest"
        listed = machine.asked("list").decode()
        assert first["command_id"] in listed and second["command_id"] in listed and "exit 2" in listed, listed
        assert first["command_id"] not in machine.asked("list", "--running").decode()
        machine.asked("logs", "4711", code=1)


@scenario(config=OPEN)
def an_agent_behind_a_proxy_that_knows_no_websockets_polls(server):
    with NoUpgrade(server.http) as proxy, agent(server, port=proxy.port) as machine:
        assert proxy.refused, "it prefers a WebSocket"
        assert done(server, machine, "/bin/sh -c 'exit 3'")["error"]["exit_code"] == 3
        made = running(server, machine, "/bin/sleep 600", n=19)
        assert stop(server, machine.name, 19).answered()["state"] == "succeeded"
        ends(server, made, "succeeded", {"status": "stopped"})
        assert machine.leaves() == 0
        offline(server, machine.name)


@scenario()
def an_agent_needs_a_token_where_one_is_needed(server):
    name = fresh()
    with Agent(server.http, name) as stranger:
        wait_until(lambda: "NOT_AUTHENTICATED" in stranger.tail() or "NotAuthenticated" in stranger.tail(), "its being refused")
    _, made = server.call("POST", "/api/v1/devices", {"device_id": name, "kind": "display"}, want=201)
    with agent(server, name, token=made["enrolment_token"]) as machine:
        assert done(server, machine, "/bin/true")["state"] == "succeeded"
        cmdline = open(f"/proc/{machine.group.pid}/cmdline", "rb").read()
        assert cmdline


@scenario(config=OPEN)
def agents_and_a_client_of_the_guide_start_together(server):
    with agent(server) as one, agent(server) as two, guide(server) as plain:
        line = "/bin/sh -c 'date +%s%3N > began; exec sleep 600'"
        made = preset(server, f"mixed {one.name}", {one.name: line, two.name: line, plain.name: "exec sleep 600"})
        began_ms = time.time() * 1_000
        answer = run(server, made, barrier=True).answered()
        assert answer["ok"] is True and all(it["state"] == "in_progress" for it in answer["results"]), answer
        starts = [int(wait_until(lambda: machine.wrote("began"), "its start")[0]) for machine in (one, two)]
        assert min(starts) - began_ms > 400, "not before all had their time"
        assert max(starts) - min(starts) < 1_000, starts
        plain.expect("(said)", status="running")
        assert end(server, made).answered()["ok"] is True
        # One that cannot keeps all the others.
        programs = {one.name: "/no/such/program", two.name: "/bin/sh -c 'echo x > ran'", plain.name: "true"}
        made = preset(server, f"mixed no {one.name}", programs)
        answer = run(server, made, barrier=True).answered()
        results = {it["display"]: it for it in answer["results"]}
        assert answer["ok"] is False and results[one.name]["error"]["code"] == "not_found", answer
        assert results[two.name]["code"] == "COMMAND_REFUSED", answer
        plain.inbox.clear()
        plain.expect("heartbeat_response")
        assert not two.wrote("ran") and not plain.kept("execute_command")


@scenario(config=OPEN)
def an_agent_starts_when_it_is_told_to(server):
    with agent(server) as machine:
        start_ms = int(time.time() * 1_000) + 2_500
        call = execute(server, machine.name, "/bin/sh -c 'date +%s%3N > began; sleep 600'", 20, start_at=start_ms)
        assert call.answered()["state"] == "in_progress"
        began = int(wait_until(lambda: machine.wrote("began"), "its start")[0])
        assert start_ms - 50 <= began < start_ms + 2_000, (start_ms, began)
