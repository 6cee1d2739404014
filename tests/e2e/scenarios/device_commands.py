"""Commands from HTTP to devices and back: each ends once, is carried out at most once, and never late."""

import http.client
import json
import os
import re
import subprocess
import threading
import time

from client import WAIT_S, Unexpected
from runner import scenario
from scenarios.devices import COMMANDS, fresh, over_every_transport, state_of
from server import wait_until

OPEN, CLOSED = {"position": "open"}, {"position": "closed"}
TERMINAL = {"succeeded", "failed", "rejected", "timed_out", "expired", "superseded", "cancelled", "offline"}


def command(server, device_id, name="window.set", args=OPEN, *, want=None, token=None, **body):
    body = {"name": name, "args": args, **body}
    return server.call("POST", f"/api/v1/devices/{device_id}/commands", body, token=token, want=want)[1]


def refused(server, status, code, call):
    got, problem = call
    assert got == status and problem["code"] == code, (got, problem)
    return problem


def shown(server, made):
    return server.call("GET", f"/api/v1/commands/{made['command_id']}", want=200)[1]


def states(server, made):
    """The states of its history, each once."""
    seen = []
    for step in shown(server, made)["history"]:
        if not seen or seen[-1] != step["state"]:
            seen.append(step["state"])
    return seen


def ends(server, made, state, seconds=WAIT_S):
    wait_until(lambda: state_of(server, made) in TERMINAL, f"the end of {made}", seconds)
    got = shown(server, made)
    assert got["state"] == state, got
    terminal = [step for step in got["history"] if step["state"] in TERMINAL]
    assert {step["state"] for step in terminal} == {state}, got
    return got


class Waiting(threading.Thread):
    """A call that waits for its answer, beside what the test does meanwhile."""

    def __init__(self, server, *call, **more):
        super().__init__(daemon=True)
        self.server, self.call, self.more, self.answer, self.took = server, call, more, None, None
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            self.answer = self.server.call(*self.call, **self.more)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.answer = (None, error)
        self.took = time.monotonic() - began

    def answered(self, status):
        self.join(WAIT_S + 10)
        assert self.answer and self.answer[0] == status, (self.answer, status)
        return self.answer[1]


def waiting(server, device_id, name="window.set", args=OPEN, *, token=None, headers=None, **body):
    body = {"name": name, "args": args, **body}
    return Waiting(server, "POST", f"/api/v1/devices/{device_id}/commands", body, token=token, headers=headers)


@over_every_transport
def is_carried_out_in_the_same_call(server, transport):
    car = fresh()
    with server.device(car, transport) as device:
        call = waiting(server, car, wait="done", timeout_ms=10_000)
        done = device.does("window.set", result={"position": "open", "moved_mm": 412, "half": 0.5, "말": ["예", None]})
        assert done["args"] == OPEN and re.fullmatch("[0-9a-f]{32}", done["msg_id"]) and "attempt" not in done, done
        answer = call.answered(200)
        assert answer["command_id"] == done["msg_id"] and answer["state"] == "succeeded", answer
        assert answer["result"] == {"position": "open", "moved_mm": 412, "half": 0.5, "말": ["예", None]}, answer
        got = shown(server, answer)
        assert got["device_id"] == car and got["name"] == "window.set" and got["args"] == OPEN, got
        assert got["created_at"] and got["deadline"] > got["created_at"], got
        assert states(server, answer)[-2:] == ["received", "succeeded"], got
        assert all(step["at"] and step["node"] for step in got["history"]), got
        call = Waiting(server, "POST", f"/api/v1/vehicle/{car}/window/close")
        assert device.does("window.set")["args"] == CLOSED
        assert call.answered(200)["state"] == "succeeded"
        call = Waiting(server, "POST", f"/api/v1/vehicles/{car}/window/open")
        device.does("window.set")
        assert call.answered(200)["result"] == OPEN
        for status, error, fields in (("failed", "JAMMED", {"error": {"code": "JAMMED"}}), ("rejected", "busy", {"error": "busy"})):
            call = waiting(server, car, wait="done")
            asked = device.command()
            device.say(asked, "in_progress")
            device.say(asked, status, **fields)
            answer = call.answered(200)
            assert answer["state"] == status and error in json.dumps(answer), answer
        device.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS)
def whoever_is_connected_nowhere_is_offline_at_once(server):
    unknown, known = fresh(), fresh()
    server.call("POST", "/api/v1/devices", {"device_id": known, "kind": "vehicle"}, want=201)
    gone = fresh()
    server.device(gone, "json").close()
    wait_until(lambda: server.call("GET", f"/api/v1/devices/{gone}")[1]["online"] is False, "its going offline")
    for car in (unknown, known, gone):
        for path, body in ((f"/api/v1/vehicle/{car}/window/open", None),
                           (f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": OPEN, "wait": "done"})):
            began = time.monotonic()
            refused(server, 404, "DEVICE_OFFLINE", server.call("POST", path, body))
            assert time.monotonic() - began < 1.5, "at once"


@scenario(config=COMMANDS)
def what_the_catalogue_does_not_allow_is_refused(server):
    car = fresh()
    with server.device(car, "json") as device:
        path = f"/api/v1/devices/{car}/commands"
        for body, status, code in (
            ({"name": "fly.away", "args": {}}, 403, "COMMAND_REFUSED"),
            ({"name": "brake.apply", "args": {}}, 403, "COMMAND_REFUSED"),
            ({"name": "seat.set", "args": {"tilt": 4}}, 403, None),
            ({"name": "window.set", "args": {"position": "ajar"}}, 422, "INVALID_DATA"),
            ({"name": "window.set", "args": {}}, 422, "INVALID_DATA"),
            ({"name": "window.set"}, 422, "INVALID_DATA"),
            ({"name": "window.set", "args": {**OPEN, "speed": 1}}, 422, "INVALID_DATA"),
            ({"args": OPEN}, 422, "INVALID_DATA"),
            ({"name": "window.set", "args": OPEN, "wait": "for ever"}, 422, "INVALID_DATA"),
            ({"name": "window.set", "args": OPEN, "ttl_ms": 0}, 422, "INVALID_DATA"),
            ({"name": "window.set", "args": OPEN, "ttl_ms": 10**12}, 422, "INVALID_DATA"),
        ):
            got, problem = server.call("POST", path, body)
            assert got == status and code in (None, problem["code"]), (body, got, problem)
        refused(server, 403, "COMMAND_REFUSED", server.call("POST", f"/api/v1/vehicle/{car}/brake/apply"))
        assert server.call("POST", f"/api/v1/vehicle/{car}/window/fly")[0] in (403, 404)
        body = {"name": "window.set", "args": OPEN}
        server.user(70_001, "driver", "운전자")
        refused(server, 403, "PERMISSION_DENIED", server.call("POST", path, body, token=server.token(70_001)))
        assert server.call("POST", path, body, token=server.token(car, role="device"))[0] in (401, 403)
        admin = server.token("admin", role="admin")
        for n in range(2):
            command(server, car, "seat.set", {"tilt": n}, token=admin, want=202)
        problem = refused(server, 429, "RATE_LIMITED", server.call("POST", path, {"name": "seat.set", "args": {"tilt": 9}}, token=admin))
        assert problem["retry_after_ms"] > 0, problem
        # The second one waits for the end of the first, of the same target.
        assert device.command()["cmd"] == "seat.set"
        device.hears_nothing_but_heartbeats()


@over_every_transport
def the_same_tap_again_joins_the_first(server, transport):
    car = fresh()
    with server.device(car, transport) as device:
        calls = [waiting(server, car, "lamp.set", {"on": True}, wait="done", timeout_ms=10_000)]
        asked = device.command("lamp.set")
        calls += [waiting(server, car, "lamp.set", {"on": True}, wait="done", timeout_ms=10_000) for _ in range(4)]
        wait_until(lambda: len(shown(server, {"command_id": asked["msg_id"]})["history"]) >= 5, "the others")
        device.say(asked, "ok", result="lit")
        answers = [call.answered(200) for call in calls]
        assert {answer["command_id"] for answer in answers} == {asked["msg_id"]}, answers
        assert all(answer["result"] == "lit" for answer in answers), answers
        assert [answer.get("coalesced", False) for answer in answers] == [False] + [True] * 4, answers
        device.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS)
def a_key_has_a_command_done_once(server):
    car = fresh()
    with server.device(car, "json") as device:
        key = f"key of {car}"
        call = waiting(server, car, idempotency_key=key, wait="done")
        asked = device.does()
        first = call.answered(200)
        assert first["command_id"] == asked["msg_id"]
        again = command(server, car, idempotency_key=key, wait="done", want=200)
        assert again["command_id"] == first["command_id"] and again["result"] == first["result"], (first, again)
        got, problem = server.call(
            "POST", f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": CLOSED, "idempotency_key": key}
        )
        assert got == 422, (got, problem)
        # Another caller's key is another one.
        other = waiting(server, car, idempotency_key=key, wait="done", token=server.token("other", role="service"))
        assert device.does()["msg_id"] != first["command_id"]
        other.answered(200)
        # Both at once: one command.
        calls = [waiting(server, car, idempotency_key=key + "2", wait="done") for _ in range(5)]
        device.does()
        assert len({call.answered(200)["command_id"] for call in calls}) == 1
        device.hears_nothing_but_heartbeats()


@over_every_transport
def what_was_not_acknowledged_comes_again(server, transport):
    car = fresh()
    first = server.device(car, transport)
    made = command(server, car, "firmware.install", {"image": "가"}, want=202)
    asked = first.command("firmware.install")
    first.drop()
    with server.device(car, transport) as second:
        again = second.command("firmware.install")
        assert again["msg_id"] == asked["msg_id"] == made["command_id"], (asked, again)
        assert again["args"] == {"image": "가"} and again["issued_at"] == asked["issued_at"], (asked, again)
        assert again["attempt"] >= 1, again
        second.say(again, "ok", result=7)
        assert ends(server, made, "succeeded")["result"] == 7
        second.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS, limits={"command_retry_ms": 300})
def what_is_not_answered_is_sent_again_in_the_session(server):
    car = fresh()
    with server.device(car, "json") as device:
        made = command(server, car, "firmware.install", {}, ttl_ms=3_000, want=202)
        asked = [device.command() for _ in range(3)]
        assert {one["msg_id"] for one in asked} == {made["command_id"]}, asked
        assert [one.get("attempt", 0) for one in asked] == [0, 1, 2], asked
        device.say(asked[0], "received")
        device.say(asked[0], "ok")
        ends(server, made, "succeeded")


@over_every_transport
def who_took_it_ends_it_in_the_next_session(server, transport):
    car = fresh()
    first = server.device(car, transport)
    made = command(server, car, "firmware.install", {}, want=202)
    asked = first.command()
    first.say(asked, "in_progress")
    wait_until(lambda: state_of(server, made) == "in_progress", "its being noted")
    first.drop()
    with server.device(car, transport, hello={"running": [asked["msg_id"]]}) as second:
        second.hears_nothing_but_heartbeats()
        second.say(asked, "ok", result="installed")
        assert ends(server, made, "succeeded")["result"] == "installed"


@over_every_transport
def only_the_newest_for_a_target_comes_out_of_the_tunnel(server, transport):
    car = fresh()
    first = server.device(car, transport)
    taps = [command(server, car, args=OPEN, want=202)]
    asked = first.command()
    for n in range(4):
        taps.append(command(server, car, args=CLOSED if n % 2 else OPEN, want=202))
    first.drop()
    with server.device(car, transport) as second:
        newest = second.command()
        assert newest["msg_id"] == taps[-1]["command_id"] != asked["msg_id"], (newest, taps)
        assert newest["args"] == CLOSED, newest
        second.say(newest, "received")
        second.say(newest, "ok")
        ends(server, taps[-1], "succeeded")
        for tap in taps[:-1]:
            ends(server, tap, "superseded")
        second.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS)
def a_queued_command_waits_for_its_device(server):
    car = fresh()
    server.call("POST", "/api/v1/devices", {"device_id": car, "kind": "lamp"}, want=201)
    on = command(server, car, "lamp.set", {"on": True}, want=202)
    off = command(server, car, "lamp.set", {"on": False}, want=202)
    short = command(server, car, "firmware.install", {}, if_offline="queue", ttl_ms=100, want=202)
    ends(server, short, "expired")
    ends(server, on, "superseded")
    with server.device(car, "json") as device:
        asked = device.does("lamp.set")
        assert asked["msg_id"] == off["command_id"], (asked, off)
        ends(server, off, "succeeded")
        device.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS, limits={"device_unsent_bytes": 4_096})
def a_device_that_does_not_read_is_never_given_what_is_late(server):
    """The tunnel: what the kernel has not taken by its deadline is not sent when the way is free again."""
    car = fresh()
    with server.device(car, "json", receive_buffer=2_048) as device:
        made = []
        for n in range(60):
            body = {"name": "picture.show", "args": {"picture": f"{n}:" + "x" * 30_000}, "ttl_ms": 600}
            made.append(server.call("POST", f"/api/v1/devices/{car}/commands", body)[1])
        kept = [one for one in made if "command_id" in one]
        assert kept, made
        for one in kept:
            wait_until(lambda: state_of(server, one) in TERMINAL, f"the end of {one}")
        expired = [one for one in kept if state_of(server, one) == "expired"]
        assert expired, [state_of(server, one) for one in kept]
        late = {one["command_id"] for one in expired}
        after = command(server, car, "window.set", OPEN, want=202)
        asked = device.command("window.set")
        assert asked["msg_id"] == after["command_id"]
        came = {frame["msg_id"] for frame in device.kept("command")}
        assert not came & late, "what has expired was sent"
        device.say(asked, "ok")
        ends(server, after, "succeeded")


@over_every_transport
def a_command_is_taken_back(server, transport):
    car = fresh()
    with server.device(car, transport) as device:
        call = waiting(server, car, "firmware.install", {}, wait="done", timeout_ms=10_000)
        asked = device.command()
        device.say(asked, "received")
        behind = command(server, car, "firmware.install", {"image": "2"}, want=202)
        path = f"/api/v1/commands/{behind['command_id']}"
        assert server.call("DELETE", path)[0] in (200, 202, 204)
        ends(server, behind, "cancelled")
        assert server.call("DELETE", f"/api/v1/commands/{asked['msg_id']}")[0] in (200, 202, 204)
        assert call.answered(200)["state"] == "cancelled"
        device.say(asked, "ok", result="too late")
        late = wait_until(lambda: shown(server, {"command_id": asked["msg_id"]}).get("late_result"), "what came late")
        assert "too late" in json.dumps(late), late
        ends(server, {"command_id": asked["msg_id"]}, "cancelled")
        device.hears_nothing_but_heartbeats()
    assert server.call("DELETE", f"/api/v1/commands/{'0' * 32}")[0] == 404
    refused(server, 404, "COMMAND_NOT_FOUND", server.call("GET", f"/api/v1/commands/{'0' * 32}"))


@over_every_transport
def what_comes_after_the_end_is_kept_beside_it(server, transport):
    car = fresh()
    with server.device(car, transport) as device:
        call = waiting(server, car, wait="done", ttl_ms=700, timeout_ms=5_000)
        asked = device.command()
        problem = call.answered(504)
        assert problem["code"] == "COMMAND_TIMEOUT" and problem["command_id"] == asked["msg_id"], problem
        ends(server, problem, "timed_out")
        device.say(asked, "ok", result="after all")
        late = wait_until(lambda: shown(server, problem).get("late_result"), "what came late")
        assert late["state"] == "succeeded" and late["result"] == "after all", late
        ends(server, problem, "timed_out")


@scenario(config=COMMANDS)
def who_waits_less_than_it_takes_is_told_how_far_it_is(server):
    car = fresh()
    with server.device(car, "json") as device:
        call = waiting(server, car, "firmware.install", {}, wait="received", timeout_ms=5_000)
        asked = device.command()
        device.say(asked, "received")
        assert call.answered(200)["state"] == "received"
        device.say(asked, "ok")
        call = waiting(server, car, "firmware.install", {}, wait="done", timeout_ms=300)
        asked = device.command()
        assert call.answered(504)["code"] == "COMMAND_TIMEOUT"
        device.say(asked, "ok")
        call = waiting(server, car, "firmware.install", {}, wait="done", timeout_ms=1_000)
        asked = device.command()
        device.say(asked, "in_progress")
        answer = call.answered(202)
        assert answer["command_id"] == asked["msg_id"] and answer["state"] in ("received", "in_progress"), answer
        device.say(asked, "ok")
        ends(server, answer, "succeeded")
        listed = server.call("GET", f"/api/v1/devices/{car}/commands?limit=2", want=200)[1]
        assert len(listed["commands"]) == 2 and listed["next_cursor"], listed


@scenario(config=COMMANDS)
def one_operator_has_the_device(server):
    car = fresh()
    mine, other = server.token("operator-1", role="service"), server.token("operator-2", role="service")
    path = f"/api/v1/devices/{car}/lease"
    with server.device(car, "json") as device:
        _, lease = server.call("POST", path, {"ttl_ms": 20_000}, token=mine)
        problem = refused(server, 409, "DEVICE_LEASED", server.call("POST", path, {"ttl_ms": 20_000}, token=other))
        assert "operator-1" in json.dumps(problem), problem
        body = {"name": "window.set", "args": OPEN}
        calls = f"/api/v1/devices/{car}/commands"
        problem = refused(server, 409, "DEVICE_LEASED", server.call("POST", calls, body, token=other))
        assert "operator-1" in json.dumps(problem), problem
        device.hears_nothing_but_heartbeats()
        server.call("POST", calls, body, token=mine, want=202)
        device.does()
        _, renewed = server.call("POST", path, {"ttl_ms": 20_000}, token=mine)
        assert renewed["fence"] == lease["fence"], (lease, renewed)
        server.call("DELETE", path, token=mine, want=204)
        _, taken = server.call("POST", path, {"ttl_ms": 500, "at_lapse": {"name": "window.set", "args": CLOSED}}, token=other)
        assert taken["fence"] > lease["fence"], (lease, taken)
        # Nobody renews it: what it names is sent, and the device is free.
        lapsed = device.does("window.set")
        assert lapsed["args"] == CLOSED, lapsed
        wait_until(lambda: server.call("POST", calls, body, token=mine)[0] == 202, "the end of the lease")


@over_every_transport(fresh=True)
def a_command_that_a_crash_cuts_off_ends_once(server, transport):
    cars = [fresh() for _ in range(4)]
    devices = {car: server.device(car, transport) for car in cars}
    made = {car: command(server, car, "firmware.install", {}, ttl_ms=20_000, want=202) for car in cars}
    asked = {car: device.command() for car, device in devices.items()}
    devices[cars[1]].say(asked[cars[1]], "in_progress")
    wait_until(lambda: state_of(server, made[cars[1]]) == "in_progress", "its being noted")
    short = command(server, cars[3], "window.set", OPEN, ttl_ms=1_500, want=202)
    server.kill()
    for device in devices.values():
        device.close()
    server.start(same_ports=True)
    for car in cars:
        # What was kept before the crash is kept.
        assert shown(server, made[car])["state"] not in TERMINAL | {"succeeded"}, shown(server, made[car])
    # One comes back without having said anything, one with what it had begun; two never do.
    with server.device(cars[0], transport) as device:
        again = device.command()
        assert again["msg_id"] == asked[cars[0]]["msg_id"] and again["attempt"] >= 1, again
        device.say(again, "ok", result=0)
        ends(server, made[cars[0]], "succeeded")
    with server.device(cars[1], transport, hello={"running": [asked[cars[1]]["msg_id"]]}) as device:
        device.say(asked[cars[1]], "ok", result=1)
        assert ends(server, made[cars[1]], "succeeded")["result"] == 1
    ends(server, short, "timed_out", 15)
    server.call("DELETE", f"/api/v1/commands/{made[cars[2]]['command_id']}")
    ends(server, made[cars[2]], "cancelled")
    ends(server, made[cars[3]], "timed_out", 40)


@scenario(config=COMMANDS)
def the_command_line_sends_and_explains(server):
    car = fresh()
    token = server.token("back-end", role="service")
    where = {"BONGSU_URL": f"http://127.0.0.1:{server.http}", "BONGSU_TOKEN": token, "LC_ALL": "C"}

    def run(*words):
        environment = {**os.environ, **where}
        return subprocess.run([server.binary, *words], capture_output=True, text=True, timeout=WAIT_S, env=environment)

    with server.device(car, "json") as device:
        done = []
        words = ["command", car, "window.set", "position=open", "--wait", "done"]
        sender = threading.Thread(target=lambda: done.append(run(*words)), daemon=True)
        sender.start()
        asked = device.does("window.set")
        sender.join(WAIT_S)
        assert done and done[0].returncode == 0, done
        assert "succeeded" in done[0].stdout, done
        told = run("explain", "command", asked["msg_id"])
        assert told.returncode == 0, told
        for words_of_it in (asked["msg_id"], car, "back-end asked for it", "the device has it", "window.set"):
            assert words_of_it in told.stdout, (words_of_it, told.stdout)
        words[words.index("window.set")] = "brake.apply"
        assert run(*words).returncode == 1
    if not done:
        raise Unexpected("the command line said nothing")
