"""Programs on displays: what a guide client's words make of a command, and what becomes of one that says little."""

import time

from displays import Call, fresh
from eio import PollLine, WsLine
from runner import scenario
from scenarios.switchboard import OPEN, TERMINAL, command, display, offline, over_every_way, screen
from server import wait_until


def execute(server, name, line, preset=None, **body):
    """The call that has a program run."""
    body = {"command": line, **body, **({} if preset is None else {"preset_id": preset})}
    return Call(server, "POST", f"/api/v1/displays/{name}/execute", body)


def stop(server, name, preset, **body):
    return Call(server, "POST", f"/api/v1/displays/{name}/stop", {"preset_id": preset, **body})


def state(server, made):
    return command(server, made)["state"]


def ends(server, made, wanted, what=None):
    """Waits for the end of a command; gives it."""
    done = wait_until(lambda: (it := command(server, made))["state"] in TERMINAL and it, f"the end of {made}")
    assert done["state"] == wanted, done
    if what is not None:
        said = done.get("result") or done.get("error")
        assert said and all(said.get(key) == value for key, value in what.items()), done
    return done


@over_every_way
def words_of_the_guide_make_a_command(server, engine, transport, namespace):
    line = PollLine if transport == "polling" else WsLine
    with screen(server, line=line, engine=engine, namespace=namespace, capabilities=["unreal_engine"]) as client:
        call = execute(server, client.name, "D:\\UnrealEngine\\MyProject.exe -fullscreen", 456)
        told = client.expect("execute_command")
        assert told["clientName"] == client.name and told["presetId"] == 456, told
        assert told["command"] == "D:\\UnrealEngine\\MyProject.exe -fullscreen", told
        made = {"command_id": told["commandId"]}
        assert state(server, made) in ("routed", "written"), "nobody has said anything"
        client.says("starting", "456", details=None)
        wait_until(lambda: state(server, made) == "received", "its being received")
        assert call.answer is None, "it does not run yet"
        client.says("running", 456.0, details={"pid": 4_711, "command": told["command"], "start_time": 1.5})
        answer = call.answered()
        assert (answer["command_id"], answer["state"]) == (told["commandId"], "in_progress"), answer
        process, = display(server, client.name)["processes"]
        assert (process["preset_id"], process["pid"]) == (456, 4_711), process
        call = execute(server, client.name, "no such program")
        told = client.expect("execute_command")
        assert told["presetId"] is None, told
        client.says("starting", None)
        client.says("failed", None, details={"error": "no such file"})
        answer = call.answered()
        assert answer["state"] == "failed" and answer["error"]["error"] == "no such file", answer


# Reports that come sooner after one another count as one: they may have waited somewhere.
APART_S = 5.2


def reports_twice(client):
    """Two reports of nothing that runs, which both count whatever was reported before."""
    for _ in range(2):
        said = time.monotonic()
        wait_until(lambda: time.monotonic() > said + APART_S, "its next report")
        client.reports()


@scenario(config=OPEN)
def two_reports_in_a_row_without_it_say_that_a_program_has_ended(server):
    with screen(server, capabilities=[]) as client:
        call = execute(server, client.name, "show", 456)
        client.runs()
        made = call.answered()
        # One may have been made before; nor do several that come at once say more.
        for _ in range(5):
            client.reports()
        client.reports(456, 7)
        client.reports()
        client.beat()
        assert state(server, made) == "in_progress"
        reports_twice(client)
        ends(server, made, "succeeded", {"status": "ended"})


@scenario(config=OPEN)
def ends_that_a_client_knows_are_told(server):
    with screen(server, capabilities=[]) as client:
        for word, details, wanted in (
            ("completed", {"exit_code": 0}, "succeeded"), ("failed", {"exit_code": 3}, "failed"),
            ("stopped", {"signal": 15}, "succeeded"), ("rejected", {"code": "not_allowed"}, "rejected"),
        ):  # fmt: skip
            call = execute(server, client.name, f"will be {word}", 3, wait="done", timeout_ms=10_000)
            told = client.expect("execute_command")
            if word != "rejected":
                client.says("starting", 3)
                client.says("running", 3, commandId=told["commandId"])
            client.says(word, 3, details=details, commandId=told["commandId"])
            done = call.answered()
            assert done["state"] == wanted, done
            assert details.items() <= (done.get("result") or done["error"]).items(), done
        assert not display(server, client.name)["processes"]


@scenario(config=OPEN)
def a_word_without_an_id_is_about_the_newest_of_its_preset(server):
    with screen(server, capabilities=[]) as client:
        made = []
        for n in range(2):
            call = execute(server, client.name, f"show {n}", 8)
            client.runs()
            made.append(call.answered())
        other = execute(server, client.name, "another", 9)
        client.runs()
        client.says("failed", 8, details={"error": "crashed"})
        ends(server, made[1], "failed", {"error": "crashed"})
        # Of the older one such a client says nothing any more: it knows one program of a preset.
        ends(server, made[0], "succeeded", {"status": "replaced"})
        assert state(server, other.answered()) == "in_progress"


@scenario(config=OPEN)
def a_stop_is_done_when_nothing_is_left(server):
    with screen(server, capabilities=[]) as client:
        call = execute(server, client.name, "show", 12)
        client.runs()
        made = call.answered()
        call = stop(server, client.name, 12, grace_ms=1_500)
        told = client.expect("stop_command", clientName=client.name, presetId=12)
        assert told["graceMs"] == 1_500 and told["commandId"] != made["command_id"], told
        client.reports(12)
        client.beat()
        assert call.answer is None and state(server, made) == "in_progress", "it is still there"
        client.reports()
        assert call.answered()["state"] == "succeeded"
        ends(server, made, "succeeded", {"status": "stopped"})
        # Nothing to stop, by a client that says so itself.
        call = stop(server, client.name, 12)
        told = client.expect("stop_command")
        client.says("stopped", 12)
        assert call.answered()["state"] == "succeeded"
        for body in ({}, {"preset_id": "x"}, {"preset_id": 1, "grace_ms": -1}, {"command_id": "x"}):
            status, problem = server.call("POST", f"/api/v1/displays/{client.name}/stop", body)
            assert status == 422, (body, status, problem)


@scenario(config=OPEN)
def whoever_is_away_is_not_told_later(server):
    gone, never = screen(server, capabilities=[]), fresh()
    gone.close()
    offline(server, gone.name)
    for name in (gone.name, never):
        for path, body in (("execute", {"command": "show", "preset_id": 1}), ("stop", {"preset_id": 1})):
            began = time.monotonic()
            status, problem = server.call("POST", f"/api/v1/displays/{name}/{path}", body)
            assert (status, problem["code"]) == (404, "DEVICE_OFFLINE"), (name, path, status, problem)
            assert time.monotonic() - began < 2, "at once"
    with screen(server, gone.name, capabilities=[]) as again:
        assert again.beat()["status"] == "ok"
        assert not [frame for frame in again.inbox if frame["type"] in ("execute_command", "stop_command")], again.latest()


@scenario(config=OPEN)
def who_knows_no_repeat_is_never_told_twice(server):
    first = screen(server, capabilities=[])
    call = execute(server, first.name, "show", 1, ttl_ms=2_500)
    told = first.expect("execute_command")
    first.drop()
    offline(server, first.name)
    with screen(server, first.name, capabilities=[]) as again:
        other = execute(server, first.name, "another show", 2)
        assert again.runs()["command"] == "another show"
        other.answered()
        call.join(20)
        done = wait_until(
            lambda: (it := command(server, {"command_id": told["commandId"]}))["state"] in TERMINAL and it, "its end"
        )
        assert done["state"] not in ("succeeded", "in_progress"), done
        again.beat()
        assert not again.kept("execute_command"), "told twice"


@scenario(config=OPEN)
def a_program_that_was_left_running_is_known_again(server):
    first = screen(server, capabilities=[])
    call = execute(server, first.name, "show", 31)
    first.runs()
    made = call.answered()
    first.drop()
    offline(server, first.name)
    assert state(server, made) == "in_progress"
    with screen(server, first.name, capabilities=[]) as again:
        again.reports(31)
        assert state(server, made) == "in_progress"
        reports_twice(again)
        ends(server, made, "succeeded", {"status": "ended"})


@scenario(config=OPEN)
def what_cannot_be_run_is_not_kept(server):
    with screen(server, capabilities=["command_ids"]) as client:
        for body in (
            {}, {"command": ""}, {"command": "  "}, {"command": 7}, {"command": "a\0b"}, {"command": "x" * 70_000},
            {"command": "x", "preset_id": "x"}, {"command": "x", "env": {"": "x"}}, {"command": "x", "env": {"a=b": "x"}},
            {"command": "x", "env": {"a": 7}}, {"command": "x", "env": {str(n): "x" for n in range(200)}},
            {"command": "x", "cwd": ""}, {"command": "x", "cwd": "/\0"}, {"command": "x", "stop_signal": "STOP"},
            {"command": "x", "grace_ms": 10**9}, {"command": "x", "ttl_ms": 0}, {"command": "x", "wait": "for ever"},
            {"command": "x", "shell": "yes"}, {"command": "x", "start_at": "soon"},
        ):  # fmt: skip
            status, problem = server.call("POST", f"/api/v1/displays/{client.name}/execute", body)
            assert status in (413, 422), (body, status, problem)
        assert client.beat()["status"] == "ok" and not client.kept("execute_command")
        line = "말 é '\"$(reboot) `x` \\ \t" + "가" * 20_000
        terms = {"env": {"이름": "값 $HOME"}, "cwd": "/srv/쇼 룸", "stop_signal": "INT", "grace_ms": 7}
        call = execute(server, client.name, line, shell=True, **terms)
        told = client.expect("execute_command")
        assert told["command"] == line and told["env"] == {"이름": "값 $HOME"} and told["cwd"] == "/srv/쇼 룸", told
        assert (told["shell"], told["stopSignal"], told["graceMs"]) == (True, "INT", 7), told
        assert told["ttlMs"] == 10_000 and abs(told["issuedAt"] / 1_000 - time.time()) < 60, told
        client.says("running", None, commandId=told["commandId"])
        call.answered()


@scenario(config=OPEN)
def a_line_of_64_kib_is_told_whole(server):
    line = "x" * (64 * 1024)
    with screen(server, capabilities=["command_ids"]) as client:
        call = execute(server, client.name, line)
        told = client.expect("execute_command")
        assert told["command"] == line
        client.says("running", None, commandId=told["commandId"])
        call.answered()
    with screen(server, capabilities=[]) as client:
        # Which would come back in the answer of a client of the guide, and be too much.
        status, problem = server.call("POST", f"/api/v1/displays/{client.name}/execute", {"command": line})
        assert status == 413, (status, problem)
        call = execute(server, client.name, "y" * 30_000)
        told = client.runs()
        assert call.answered()["state"] == "in_progress" and told["command"] == "y" * 30_000


@scenario(config=OPEN, limits={"display_events_per_s": 100, "display_events_burst": 20})
def a_flood_of_results_is_heard_more_slowly_and_loses_nothing(server):
    with screen(server, capabilities=["command_ids"]) as client, screen(server, capabilities=[]) as other:
        made = []
        for n in range(10):
            call = execute(server, client.name, f"show {n}", n)
            told = client.expect("execute_command")
            client.says("running", n, commandId=told["commandId"])
            made.append(call.answered())
        began = time.monotonic()
        for _ in range(29):
            for n, one in enumerate(made):
                client.emit("execution_result", client.execution("running", n, commandId=one["command_id"]))
        for n, one in enumerate(made):
            client.emit("execution_result", client.execution("completed", n, commandId=one["command_id"], details={"n": n}))
        # Others are heard as ever.
        asked = time.monotonic()
        assert other.beat()["status"] == "ok" and time.monotonic() - asked < 1.5
        for n, one in enumerate(made):
            ends(server, one, "succeeded", {"n": n})
        assert time.monotonic() - began > 2.0, "300 results at 100 a second"
        assert client.beat()["status"] == "ok"


@scenario(config=OPEN)
def a_key_has_a_program_run_once(server):
    with screen(server, capabilities=[]) as client:
        calls = [execute(server, client.name, "show", 4, idempotency_key=f"of {client.name}") for _ in range(3)]
        client.runs()
        assert len({call.answered()["command_id"] for call in calls}) == 1
        again = execute(server, client.name, "show", 4, idempotency_key=f"of {client.name}").answered()
        assert again["command_id"] == calls[0].answer[1]["command_id"]
        client.beat()
        assert not client.kept("execute_command")
        assert execute(server, client.name, "other", 4, idempotency_key=f"of {client.name}").answered(422)


CROWD = 200


@scenario(config=OPEN, fresh=True)
def two_hundred_displays_run_a_preset_at_once(server):
    screens = [screen(server, f"Crowd_{n:03}") for n in range(CROWD)]
    for client in screens:
        client.emit("register_client", client.registration())
    numbers = {client.expect("registration_success")["clientId"] for client in screens}
    assert len(numbers) == CROWD
    programs = {client.name: f"/opt/show/player --part {n}" for n, client in enumerate(screens)}
    _, preset = server.call("POST", "/api/v1/presets", {"name": "the crowd", "displays": programs}, want=201)
    began = time.monotonic()
    call = Call(server, "POST", f"/api/v1/presets/{preset['preset_id']}/execute", {})
    for client in screens:
        told = client.runs()
        assert told["command"] == programs[client.name] and told["presetId"] == preset["preset_id"], told
    results = call.answered()["results"]
    took = time.monotonic() - began
    assert [it["display"] for it in results] == sorted(programs), results[:3]
    assert all(it["state"] == "in_progress" for it in results), [it for it in results if it["state"] != "in_progress"][:3]
    assert took < 15, f"{took:.1f} s"
    for client in screens:
        client.emit("heartbeat", {"clientName": client.name})
    assert all(client.expect("heartbeat_response")["status"] == "ok" for client in screens)
    assert not [client.latest() for client in screens if client.inbox]
    for client in screens:
        client.close()
    wait_until(lambda: server.call("GET", "/api/v1/displays?limit=1")[0] == 200, "its being well")
