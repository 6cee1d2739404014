"""Presets: kept, run on several displays at once or behind a barrier, and stopped; and what is told of it."""

import threading
import time

from displays import Call, fresh, runs
from runner import scenario
from scenarios.device_state import Events
from scenarios.switchboard import OPEN, guide, offline, refused, screen
from server import wait_until

KNOWING = ["command_ids", "barrier"]


def preset(server, name, displays):
    return server.call("POST", "/api/v1/presets", {"name": name, "displays": displays}, want=201)[1]


def run(server, made, **body):
    return Call(server, "POST", f"/api/v1/presets/{made['preset_id']}/execute", body)


def end(server, made, **body):
    return Call(server, "POST", f"/api/v1/presets/{made['preset_id']}/stop", body)


def problem(call, status, code=None):
    got, told = call
    assert got == status and code in (None, told["code"]), (got, told)
    return told


def says(client, told, status, **more):
    """A word with the command's id."""
    client.says(status, told["presetId"], commandId=told["commandId"], **more)


def nothing_came(client, *events):
    """Nothing of these has come until now."""
    client.beat()
    assert not [frame for frame in client.inbox if frame["type"] in events], client.latest()


@scenario(config=OPEN)
def presets_are_made_read_changed_and_deleted(server):
    full = {
        "command": "show 쇼 \"a b\"", "shell": True, "cwd": "/srv/쇼 룸", "env": {"DISPLAY": ":0"}, "stop_signal": "INT", "grace_ms": 0,
    }  # fmt: skip
    displays = {"Display_a": "clock --full", "Display_b": full, "not.yet:known": {"command": "x"}}
    made = preset(server, "opening 개장", displays)
    assert made["name"] == "opening 개장" and made["preset_id"] > 0, made
    assert made["displays"] == {**displays, "Display_a": {"command": "clock --full"}}, made
    path = f"/api/v1/presets/{made['preset_id']}"
    assert server.call("GET", path, want=200)[1] == made
    assert server.call("GET", "/api/v1/presets/opening%20%EA%B0%9C%EC%9E%A5", want=200)[1] == made
    problem(server.call("POST", "/api/v1/presets", {"name": made["name"], "displays": {}}), 409)
    other = preset(server, "another", {})
    problem(server.call("PUT", path, {"name": "another", "displays": {}}), 409)
    _, put = server.call("PUT", path, {"name": "opening", "displays": {"Display_c": "z"}}, want=200)
    assert (put["preset_id"], put["name"], put["created_at"]) == (made["preset_id"], "opening", made["created_at"]), put
    assert put["displays"] == {"Display_c": {"command": "z"}} and put["updated_at"] >= made["updated_at"], put
    for wrong in (
        {}, {"name": "x"}, {"name": "", "displays": {}}, {"name": "x" * 200, "displays": {}}, {"name": 7, "displays": {}},
        {"name": "12", "displays": {}}, {"name": "x", "displays": ["Display_a"]}, {"name": "x", "displays": {"a b": "x"}},
        {"name": "x", "displays": {"a": ""}}, {"name": "x", "displays": {"a": 7}}, {"name": "x", "displays": {"a": {}}},
        {"name": "x", "displays": {"a": {"command": "x", "grace_ms": -1}}}, {"name": "x", "displays": {"a": "x\0"}},
        {"name": "x", "displays": {f"d{n}": "x" for n in range(1_001)}},
    ):  # fmt: skip
        status, told = server.call("POST", "/api/v1/presets", wrong)
        assert status in (413, 422), (wrong, status, told)
    _, page = server.call("GET", "/api/v1/presets?limit=200", want=200)
    names = [one["name"] for one in page["presets"]]
    assert {"opening", "another"} <= set(names) and "x" not in names, names
    for one in (put, other):
        server.call("DELETE", f"/api/v1/presets/{one['preset_id']}", want=204)
    for method, more, body in (
        ("GET", "", None), ("PUT", "", {"name": "y", "displays": {}}), ("DELETE", "", None), ("POST", "/execute", {}),
        ("POST", "/stop", {}),
    ):  # fmt: skip
        problem(server.call(method, path + more, body), 404, "PRESET_NOT_FOUND")
    again = preset(server, "opening", {})
    assert again["preset_id"] > other["preset_id"], "a number is never given twice"
    user = server.token(70_078, "somebody")
    for method, body in (("GET", None), ("POST", {"name": "mine", "displays": {}})):
        problem(server.call(method, "/api/v1/presets", body, token=user), 403)


@scenario(config=OPEN)
def a_preset_runs_on_three_displays_and_stops_on_all(server):
    with guide(server) as one, guide(server, engine=3) as two, guide(server, transport="polling") as three:
        clients = [one, two, three]
        programs = {client.name: f"exec sleep {600 + n}" for n, client in enumerate(clients)}
        made = preset(server, "three", programs)
        answer = run(server, made).answered()
        assert answer["ok"] is True and answer["preset_id"] == made["preset_id"], answer
        assert [it["display"] for it in answer["results"]] == sorted(programs), answer
        assert all(it["state"] == "in_progress" for it in answer["results"]), answer
        pids = []
        for client in clients:
            told = client.expect("execute_command")
            assert (told["command"], told["presetId"]) == (programs[client.name], made["preset_id"]), told
            pids.append(client.expect("(said)", status="running")["details"]["pid"])
        assert all(map(runs, pids))
        answer = end(server, made, displays=[two.name]).answered()
        assert [(it["display"], it["state"]) for it in answer["results"]] == [(two.name, "succeeded")], answer
        assert [runs(pid) for pid in pids] == [True, False, True]
        answer = end(server, made).answered()
        assert answer["ok"] is True and len(answer["results"]) == 3, answer
        assert not any(map(runs, pids))
        problem(server.call("POST", f"/api/v1/presets/{made['preset_id']}/execute", {"displays": [fresh()]}), 422)


@scenario(config=OPEN)
def each_display_has_its_own_answer(server):
    away = fresh()
    with screen(server, capabilities=[]) as well, screen(server, capabilities=[]) as ill:
        made = preset(server, f"own answers of {away}", {away: "x", well.name: "y", ill.name: "z"})
        call = run(server, made)
        well.runs()
        told = ill.expect("execute_command")
        ill.says("failed", told["presetId"], details={"error": "no such file"})
        answer = call.answered()
        results = {it["display"]: it for it in answer["results"]}
        assert answer["ok"] is False and results[away]["code"] == "DEVICE_OFFLINE" and results[away]["message"], answer
        assert results[well.name]["state"] == "in_progress", answer
        assert results[ill.name]["state"] == "failed" and results[ill.name]["error"]["error"] == "no such file", answer


@scenario(config=OPEN)
def behind_a_barrier_nobody_starts_before_all_are_ready(server):
    with screen(server, capabilities=KNOWING) as one, screen(server, capabilities=KNOWING) as two, guide(server) as plain:
        made = preset(server, f"barrier {one.name}", {one.name: "a", two.name: "b", plain.name: "exec sleep 600"})
        call = run(server, made, barrier=True)
        asked = [client.expect("prepare_command") for client in (one, two)]
        assert [it["command"] for it in asked] == ["a", "b"] and asked[0]["presetId"] == made["preset_id"], asked
        says(one, asked[0], "prepared")
        nothing_came(one, "execute_command")
        nothing_came(two, "execute_command")
        plain.expect("heartbeat_response")
        plain.expect("heartbeat_response")
        assert not plain.kept("execute_command"), "before all are ready"
        ready_ms = time.time() * 1_000
        says(two, asked[1], "prepared")
        told = [client.expect("execute_command") for client in (one, two)]
        assert told[0]["when"] == told[1]["when"], told
        assert ready_ms < told[0]["when"] < ready_ms + 5_000, (told, ready_ms)
        plain.expect("execute_command")
        # No client of the guide is told before the moment has come.
        assert time.time() * 1_000 >= told[0]["when"] - 5, (time.time(), told)
        for client, it in zip((one, two), told):
            says(client, it, "running", details={"pid": 1})
        answer = call.answered()
        assert answer["ok"] is True and len(answer["results"]) == 3, answer


@scenario(config=OPEN)
def behind_a_barrier_one_that_cannot_keeps_all_from_starting(server):
    with screen(server, capabilities=KNOWING) as one, screen(server, capabilities=KNOWING) as two, guide(server) as plain:
        made = preset(server, f"no start {one.name}", {one.name: "a", two.name: "b", plain.name: "exec sleep 600"})
        call = run(server, made, barrier=True)
        says(one, one.expect("prepare_command"), "prepared")
        says(two, two.expect("prepare_command"), "rejected", details={"code": "not_allowed"})
        answer = call.answered()
        results = {it["display"]: it for it in answer["results"]}
        assert answer["ok"] is False and results[two.name]["error"]["code"] == "not_allowed", answer
        assert results[one.name]["code"] == results[plain.name]["code"] == "COMMAND_REFUSED", answer
        # And one that is away.
        away = fresh()
        made = preset(server, f"no start {away}", {one.name: "a", away: "b", plain.name: "exec sleep 600"})
        call = run(server, made, barrier=True)
        says(one, one.expect("prepare_command"), "prepared")
        answer = call.answered()
        results = {it["display"]: it for it in answer["results"]}
        assert answer["ok"] is False and results[away]["code"] == "DEVICE_OFFLINE", answer
        nothing_came(one, "execute_command")
        nothing_came(two, "execute_command")
        plain.expect("heartbeat_response")
        assert not plain.kept("execute_command")


@scenario(config=OPEN)
def a_start_can_be_set_for_later(server):
    with screen(server, capabilities=KNOWING) as knowing, screen(server, capabilities=[]) as plain:
        made = preset(server, f"later {plain.name}", {knowing.name: "a", plain.name: "b"})
        start_ms = int(time.time() * 1_000) + 2_500
        call = run(server, made, start_at=start_ms)
        told = knowing.expect("execute_command")
        assert told["when"] == start_ms and time.time() * 1_000 < start_ms - 500, told
        says(knowing, told, "starting")
        plain.runs()
        assert time.time() * 1_000 >= start_ms - 5, "a client of the guide starts at once what it is told"
        says(knowing, told, "running")
        assert call.answered()["ok"] is True
        for start in (start_ms + 10**9, "soon", -5.5, True):
            problem(server.call("POST", f"/api/v1/presets/{made['preset_id']}/execute", {"start_at": start}), 422)


@scenario(config=OPEN)
def displays_are_registered_and_renamed_many_at_once(server):
    names = [fresh() for _ in range(5)]
    body = {"displays": [*names, {"name": fresh()}, "no name", names[0]]}
    _, answer = server.call("POST", "/api/v1/displays", body)
    results = answer["results"]
    assert [it["name"] for it in results[:5]] == names, answer
    assert all(it["client_id"] > 0 and it["enrolment_token"] for it in results[:6]), answer
    assert len({it["client_id"] for it in results[:6]}) == 6, answer
    assert results[6]["code"] == "INVALID_DATA" and results[7]["code"] == "NAME_TAKEN", answer
    tokens = {it["name"]: it["enrolment_token"] for it in results[:5]}
    with screen(server, names[0]) as client:
        assert client.register(token=tokens[names[0]])["clientId"] == results[0]["client_id"]
        status, _ = server.call("POST", "/api/v1/displays/rename", {"renames": [{"from": names[0], "to": fresh()}]})
        assert status == 409, "it would come back under its old name"
    offline(server, names[0])
    made = preset(server, f"renamed {names[1]}", {names[1]: "one", names[2]: "two"})
    swap = [{"from": names[1], "to": names[2]}, {"from": names[2], "to": names[1]}, {"from": names[3], "to": "Lobby_01"}]
    _, answer = server.call("POST", "/api/v1/displays/rename", {"renames": swap}, want=200)
    assert answer["renamed"] == 3, answer
    _, followed = server.call("GET", f"/api/v1/presets/{made['preset_id']}", want=200)
    assert followed["displays"] == {names[2]: {"command": "one"}, names[1]: {"command": "two"}}, followed
    with screen(server, names[2]) as client:
        refused(client.not_registered(token=tokens[names[2]]), "PERMISSION_DENIED", "INVALID_TOKEN")
        assert client.register(token=tokens[names[1]])["clientId"] == results[1]["client_id"], "its number goes with it"
    taken = [{"from": names[4], "to": "Lobby_01"}]
    for renames in ([], taken, [{"from": "nobody", "to": fresh()}], [{"from": names[4], "to": "no name"}], "all"):
        status, told = server.call("POST", "/api/v1/displays/rename", {"renames": renames})
        assert status in (404, 409, 422), (renames, status, told)


class Feed(threading.Thread):
    """What a live feed tells, as it comes."""

    def __init__(self, server, kinds):
        super().__init__(daemon=True)
        self.events, self.told = Events(server, f"/api/v1/events?kinds={kinds}"), []
        self.start()

    def run(self):
        try:
            while True:
                self.told.append(self.events.next())
        except (OSError, ValueError, AttributeError):
            pass  # The scenario is over.

    def hears(self, kind, **fields):
        """The first event of a kind with these fields."""

        def found():
            for event in self.told:
                if event["kind"] == kind and all(event.get(name) == value for name, value in fields.items()):
                    return event

        return wait_until(found, f"{kind} {fields}; heard {self.told[-5:]}")


@scenario(config=OPEN, fresh=True)
def what_happens_is_told_live_and_noted(server):
    feed = Feed(server, "display.,device.,preset.,command.")
    with screen(server, capabilities=[]) as client:
        feed.hears("device.online", device_id=client.name)
        registered = feed.hears("display.registered", device_id=client.name)
        assert registered["at"].endswith("Z"), registered
        with screen(server, client.name) as other:
            other.emit("register_client", other.registration())
            client.alive(client.expect("connection_check"))
            refused(other.expect("registration_failed"), "NAME_TAKEN")
        feed.hears("display.refused", device_id=client.name)
        made = preset(server, "told", {client.name: "x"})
        number = made["preset_id"]
        feed.hears("preset.created", preset_id=number)
        call = run(server, made)
        told = client.runs()
        call.answered()
        feed.hears("preset.executed", preset_id=number)
        for kind in ("accepted", "routed", "written", "received", "in_progress"):
            feed.hears(f"command.{kind}", command_id=told["commandId"], device_id=client.name)
        client.reports(number)
        feed.hears("display.processes", device_id=client.name)
        call = end(server, made)
        client.expect("stop_command")
        client.reports()
        call.answered()
        feed.hears("preset.stopped", preset_id=number)
        feed.hears("command.succeeded", command_id=told["commandId"])
        server.call("PUT", f"/api/v1/presets/{number}", {"name": "told again", "displays": {}}, want=200)
        server.call("DELETE", f"/api/v1/presets/{number}", want=204)
        feed.hears("preset.updated", preset_id=number)
        feed.hears("preset.deleted", preset_id=number)
    feed.hears("device.offline", device_id=client.name)
    feed.events.connection.close()
    _, page = server.call("GET", "/api/v1/audit?limit=100", want=200)
    actions = {entry["action"]: entry for entry in page["entries"]}
    assert {"preset.create", "preset.update", "preset.delete", "preset.execute", "preset.stop"} <= set(actions), sorted(actions)
    assert actions["preset.create"]["object"] == f"preset:{number}", actions["preset.create"]
    ran = actions["preset.execute"]
    assert ran["object"] == f"preset:{number}" and ran["actor"] == "back-end" and "displays=1" in ran["detail"], ran
