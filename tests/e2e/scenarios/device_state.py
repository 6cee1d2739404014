"""How a device should be, how it says it is, and what the two differ in; what it measures."""

import http.client
import json
import time

from client import WAIT_S, Unexpected
from runner import scenario
from scenarios.device_commands import CLOSED, OPEN, command
from scenarios.devices import COMMANDS, fresh, over_every_transport
from server import wait_until


class Events:
    """A stream of server-sent events."""

    def __init__(self, server, path):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.http, timeout=WAIT_S)
        token = server.token("back-end", role="service")
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()
        kind = self.answer.getheader("Content-Type", "")
        if self.answer.status != 200 or not kind.startswith("text/event-stream"):
            raise Unexpected(f"{path}: {self.answer.status} {kind} {self.answer.read()[:300]!r}")

    def next(self):
        """The data of the next event."""
        lines = []
        while True:
            line = self.answer.readline().decode().rstrip("\r\n")
            if line.startswith("data:"):
                lines.append(line[5:].strip())
            elif not line and lines:
                return json.loads("\n".join(lines))

    def until(self, match):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if match(data := self.next()):
                return data
        raise Unexpected("it never came")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def state(server, car):
    return server.call("GET", f"/api/v1/devices/{car}/state", want=200)[1]


def write(server, method, car, desired, ttl_ms=None, **headers):
    """Status, answer and tag of a write of what it should be."""
    body = {"desired": desired, **({"ttl_ms": ttl_ms} if ttl_ms else {})}
    connection = http.client.HTTPConnection("127.0.0.1", server.http, timeout=WAIT_S)
    try:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        token = server.token("back-end", role="service")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, **headers}
        connection.request(method, f"/api/v1/devices/{car}/state", json.dumps(body), headers)
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw else None, answer.getheader("ETag")
    finally:
        connection.close()


@over_every_transport
def what_should_be_reaches_the_device_and_what_is_comes_back(server, transport):
    car = fresh()
    with server.device(car, transport, hello={"reported": {"window": CLOSED, "doors": ["locked", None, 1, 0.5]}}) as device:
        now = state(server, car)
        assert now["reported"] == {"window": CLOSED, "doors": ["locked", None, 1, 0.5]} and now["delta"] == {}, now
        status, written, tag = write(server, "PUT", car, {"window": OPEN, "mode": "eco"})
        assert status == 200 and written["delta"] == {"window": OPEN, "mode": "eco"}, (status, written)
        assert tag == f'"{written["version"]}"', (tag, written)
        delta = device.expect("state.delta")
        assert delta["state"] == {"window": OPEN, "mode": "eco"} and delta["version"] == written["version"], delta
        device.report({"window": OPEN}, delta["version"])
        wait_until(lambda: state(server, car)["delta"] == {"mode": "eco"}, "its word")
        status, patched, second = write(server, "PATCH", car, {"mode": None, "lamp": {"on": True}}, **{"If-Match": f'"{state(server, car)["version"]}"'})
        assert status == 200 and patched["desired"] == {"window": OPEN, "lamp": {"on": True}}, (status, patched)
        assert device.expect("state.delta", version=patched["version"])["state"] == {"lamp": {"on": True}}
        status, problem, _ = write(server, "PATCH", car, {"mode": "sport"}, **{"If-Match": tag})
        assert status == 412 and problem["code"] == "INVALID_DATA", (status, problem)
        assert state(server, car)["desired"] == {"window": OPEN, "lamp": {"on": True}}
    # While it is away; then at once, with the welcome.
    status, away, _ = write(server, "PATCH", car, {"window": CLOSED})
    assert status == 200
    with server.device(car, transport) as device:
        delta = device.welcome["delta"]
        assert delta == {"version": away["version"], "state": {"window": CLOSED, "lamp": {"on": True}}}, delta
        device.report({"window": CLOSED, "lamp": {"on": True}, "doors": None}, delta["version"])
        wait_until(lambda: state(server, car)["delta"] == {}, "its word")
        assert state(server, car)["reported"] == {"window": CLOSED, "lamp": {"on": True}}
    with server.device(car, transport) as device:
        assert "delta" not in device.welcome, device.welcome


@scenario(config=COMMANDS)
def states_that_cannot_be_are_refused(server):
    car = fresh()
    assert write(server, "PUT", car, {"a": 1})[1]["code"] == "DEVICE_NOT_FOUND"
    assert server.call("GET", f"/api/v1/devices/{car}/state")[0] == 404
    with server.device(car, "json") as device:
        for body in ([1], "x", 7):
            assert write(server, "PUT", car, body)[0] in (400, 422), body
        assert write(server, "PUT", car, {"big": "x" * 70_000})[0] in (413, 422)
        assert state(server, car)["desired"] == {}
        status, problem, _ = write(server, "PUT", car, {"a": 1}, **{"If-Match": "nonsense"})
        assert status in (412, 422), problem
        device.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS)
def a_wish_past_its_time_is_dropped(server):
    car = fresh()
    with server.device(car, "json") as device:
        status, _, _ = write(server, "PUT", car, {"mode": "eco", "lamp": "on"}, {"mode": 300})
        assert status == 200
        device.expect("state.delta")
    wait_until(lambda: state(server, car)["desired"] == {"lamp": "on"}, "its time")
    with server.device(car, "json") as device:
        assert device.welcome["delta"]["state"] == {"lamp": "on"}, device.welcome


@over_every_transport
def a_command_with_a_target_is_a_wish_that_is_no_delta(server, transport):
    car = fresh()
    with server.device(car, transport) as device:
        command(server, car, want=202)
        asked = device.command()
        now = state(server, car)
        assert now["desired"] == {"window": OPEN}, now
        device.say(asked, "failed", error="jammed")
        wait_until(lambda: state(server, car)["desired"] == {}, "the wish to be taken back")
        command(server, car, want=202)
        device.does()
        device.report({"window": OPEN})
        wait_until(lambda: state(server, car)["reported"] == {"window": OPEN}, "its word")
        assert state(server, car)["delta"] == {}
        assert not device.kept("state.delta"), "the command says it already"


@over_every_transport
def a_state_is_watched(server, transport):
    car = fresh()
    with server.device(car, transport) as device, Events(server, f"/api/v1/devices/{car}/state/watch") as watch:
        assert watch.next()["desired"] == {}
        _, written, _ = write(server, "PATCH", car, {"mode": "eco"})
        seen = watch.until(lambda data: data["version"] >= written["version"])
        assert seen["desired"] == {"mode": "eco"} and seen["delta"] == {"mode": "eco"}, seen
        device.report({"mode": "eco"}, written["version"])
        watch.until(lambda data: data["reported"] == {"mode": "eco"} and data["delta"] == {})


@over_every_transport
def the_latest_of_what_it_measures_is_kept(server, transport):
    car = fresh()
    path = f"/api/v1/devices/{car}/telemetry"

    def measured():
        values = server.call("GET", path, want=200)[1]["values"]
        return {name: one["value"] for name, one in values.items()}

    with server.device(car, transport) as device:
        device.telemetry(speed=63.4, battery_level=85, trips=3, note="빠름")
        wait_until(lambda: measured().get("speed") == 63.4, "it")
        device.telemetry(speed=12.5)
        wait_until(lambda: measured().get("speed") == 12.5, "the next one")
        assert measured() == {"speed": 12.5, "battery_level": 85, "trips": 3, "note": "빠름"}, measured()
        with Events(server, f"{path}/watch") as watch:
            device.telemetry(speed=1.5)
            watch.until(lambda data: data["values"].get("speed", {}).get("value") == 1.5)
    assert server.call("GET", f"/api/v1/devices/{fresh()}/telemetry")[0] == 404
