"""Devices on one node, commanded through another: as if they were on the same, and told apart when nobody knows."""

import threading
import time

from client import WAIT_S, Closed, Unexpected
from device import TRANSPORTS
from cluster import scenario, within
from scenarios.device_commands import CLOSED, OPEN, TERMINAL, command, ends, refused, shown, states, waiting
from scenarios.device_control import Control
from scenarios.device_state import Events, state, write
from scenarios.devices import fresh, is_online, state_of
from across.rooms import HEARD_S
from server import wait_until

# A takeover waits for nobody longer than this, in seconds, and a busy machine needs some time itself.
TAKEOVER_S = 2.0 + 2.0


def over_every_transport(function):
    for transport in TRANSPORTS:

        def over_one(cluster, transport=transport):
            function(cluster, transport)

        over_one.__name__ = f"{function.__name__}__{transport}"
        over_one.__module__ = function.__module__
        scenario()(over_one)


@over_every_transport
def is_commanded_through_another_node(cluster, transport):
    car = fresh()
    with cluster[2].device(car, transport) as device:
        for node in cluster:
            call = waiting(node, car, wait="done", timeout_ms=10_000)
            done = device.does("window.set", result={"through": node.name})
            answer = call.answered(200)
            assert answer["command_id"] == done["msg_id"] and answer["state"] == "succeeded", answer
            assert answer["result"] == {"through": node.name}, answer
        # Everybody can read how it went, and the steps name the node that took them.
        for node in cluster:
            assert states(node, answer)[-2:] == ["received", "succeeded"], shown(node, answer)
            assert is_online(node, car)
        with Control(cluster[1]) as control:
            answers = []
            waits = threading.Thread(target=lambda: answers.append(control.execute(car, wait="done", timeout_ms=10_000)), daemon=True)
            waits.start()
            asked = device.does("window.set", result=7)
            waits.join(WAIT_S)
            answer, = answers
            assert answer.command_id == asked["msg_id"] and control.state(answer) == "succeeded", answer
        call = waiting(cluster[3], car, wait="received")
        asked = device.command()
        device.say(asked, "received")
        assert call.answered(200)["state"] == "received"
        device.say(asked, "failed", error="jammed")
        ends(cluster[1], {"command_id": asked["msg_id"]}, "failed")
        device.hears_nothing_but_heartbeats()


@scenario()
def who_is_on_no_node_is_offline_at_once(cluster):
    gone = fresh()
    cluster[2].device(gone, "json").close()
    wait_until(lambda: not is_online(cluster[1], gone), "its going offline")
    for car in (gone, fresh()):
        for node in cluster:
            began = time.monotonic()
            refused(node, 404, "DEVICE_OFFLINE", node.call(
                "POST", f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": OPEN, "wait": "done"}
            ))
            assert time.monotonic() - began < 2.0, "at once, not after a while"


@scenario()
def a_command_is_taken_back_through_another_node(cluster):
    car = fresh()
    with cluster[2].device(car, "json") as device:
        first = command(cluster[1], car, "firmware.install", {"image": "a"}, want=202)
        second = command(cluster[3], car, "firmware.install", {"image": "b"}, want=202)
        asked = device.command("firmware.install")
        assert asked["msg_id"] == first["command_id"], (asked, first, second)
        status, _ = cluster[1].call("DELETE", f"/api/v1/commands/{second['command_id']}")
        assert status in (200, 202, 204), status
        ends(cluster[3], second, "cancelled")
        device.say(asked, "ok")
        ends(cluster[3], first, "succeeded")
        device.hears_nothing_but_heartbeats()


@scenario()
def only_the_newest_of_two_nodes_wishes_is_sent(cluster):
    car = fresh()
    with cluster[2].device(car, "json") as device:
        first = command(cluster[1], car, args=OPEN, want=202)
        asked = device.command()
        older = command(cluster[3], car, args=CLOSED, want=202)
        newer = command(cluster[1], car, args=OPEN, want=202)
        ends(cluster[2], older, "superseded")
        device.say(asked, "ok")
        ends(cluster[3], first, "succeeded")
        assert device.does()["msg_id"] == newer["command_id"]
        ends(cluster[3], newer, "succeeded")
        device.hears_nothing_but_heartbeats()


@scenario()
def a_queued_command_comes_with_the_device_to_any_node(cluster):
    car = fresh()
    cluster[1].device(car, "json").close()
    wait_until(lambda: not is_online(cluster[3], car), "its going offline")
    made = command(cluster[3], car, "lamp.set", {"on": True}, want=202)
    with cluster[2].device(car, "json") as device:
        assert device.does("lamp.set")["msg_id"] == made["command_id"]
        ends(cluster[1], made, "succeeded")


@scenario()
def its_state_is_written_and_watched_through_other_nodes(cluster):
    car = fresh()
    with cluster[2].device(car, "proto") as device, Events(cluster[3], f"/api/v1/devices/{car}/state/watch") as watch:
        watch.next()
        status, written, _ = write(cluster[1], "PATCH", car, {"mode": "eco"})
        assert status == 200, written
        delta = device.expect("state.delta")
        assert delta["state"] == {"mode": "eco"} and delta["version"] == written["version"], delta
        device.report({"mode": "eco"}, delta["version"])
        watch.until(lambda told: told["reported"] == {"mode": "eco"} and told["delta"] == {})
        wait_until(lambda: state(cluster[1], car)["delta"] == {}, "its word on the other node", HEARD_S)
        with Events(cluster[1], f"/api/v1/devices/{car}/telemetry/watch") as measured:
            # Whoever watches is known to its node a moment later; what is measured is said again and again.
            done = threading.Event()

            def measures():
                while not done.wait(0.1):
                    device.telemetry(speed=61.5)

            teller = threading.Thread(target=measures, daemon=True)
            teller.start()
            try:
                measured.until(lambda told: told["values"].get("speed", {}).get("value") == 61.5)
            finally:
                done.set()
                teller.join()


@over_every_transport
def a_newer_session_on_another_node_takes_the_place(cluster, transport):
    car = fresh()
    first = cluster[2].device(car, transport)
    began = time.monotonic()
    with cluster[3].device(car, transport) as second:
        assert time.monotonic() - began < TAKEOVER_S, "a takeover has a deadline"
        first.closes(4409, "never", "replaced")
        assert second.epoch > first.epoch, (first.epoch, second.epoch)
        call = waiting(cluster[1], car, wait="done")
        second.does("window.set")
        assert call.answered(200)["state"] == "succeeded"
        second.hears_nothing_but_heartbeats()


@scenario()
def moves_between_nodes_while_it_is_commanded(cluster):
    """Each command ends once, and none is carried out twice by a device that knows what it has carried out."""
    car, made, wrong, carried = fresh(), [], [], {}
    done = threading.Event()

    def commands():
        number = 0
        while not done.wait(0.05):
            number += 1
            body = {"name": "firmware.install", "args": {"image": str(number)}, "if_offline": "queue"}
            status, answer = cluster[1].call("POST", f"/api/v1/devices/{car}/commands", body)
            (made if status in (200, 202) else wrong).append(answer)

    def carries_out(device, seconds):
        """What a device does that remembers what it has done."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                asked = device.command(wait=max(0.01, deadline - time.monotonic()))
            except (Unexpected, Closed, OSError):
                return
            number = asked["msg_id"]
            if number not in carried:
                carried[number] = asked["args"]["image"]
                device.say(asked, "received")
            device.say(asked, "ok", result=carried[number])

    cluster[2].device(car, "json").close()
    teller = threading.Thread(target=commands, daemon=True)
    teller.start()
    try:
        for node in (cluster[2], cluster[3], cluster[1], cluster[3], cluster[2]):
            device = node.device(car, "json")
            carries_out(device, 0.8)
            # At times it leaves, at times the old connection hangs where it was.
            if node is cluster[3]:
                device.drop()
    finally:
        done.set()
        teller.join(WAIT_S)
    assert len(made) > 10, (made, wrong)
    with cluster[3].device(car, "json") as device:
        last = threading.Thread(target=carries_out, args=(device, WAIT_S), daemon=True)
        last.start()
        for one in made:
            wait_until(lambda: state_of(cluster[1], one) in TERMINAL, f"the end of {one}")
            got = shown(cluster[1], one)
            terminal = [step["state"] for step in got["history"] if step["state"] in TERMINAL]
            assert len(set(terminal)) == 1, got
            if got["state"] == "succeeded":
                assert got["result"] == carried[one["command_id"]], (got, carried.get(one["command_id"]))
            else:
                assert got["state"] in ("expired", "timed_out", "offline", "cancelled"), got
    succeeded = [one for one in made if state_of(cluster[1], one) == "succeeded"]
    assert len(succeeded) > len(made) // 2, f"{len(succeeded)} of {len(made)}"
    refusals = {problem["code"] for problem in wrong}
    assert refusals <= {"DEVICE_OFFLINE", "DEVICE_UNKNOWN_STATE"}, refusals


@scenario()
def whose_node_is_dead_is_not_offline_but_unknown(cluster):
    car = fresh()
    device = cluster[2].device(car, "json")
    cluster[2].kill()
    with_dead = cluster[1].call("POST", f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": OPEN, "wait": "done", "timeout_ms": 3_000})
    status, problem = with_dead
    assert (status, problem["code"]) in ((503, "DEVICE_UNKNOWN_STATE"), (504, "COMMAND_TIMEOUT")), with_dead

    def is_unknown():
        status, problem = cluster[1].call("POST", f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": OPEN, "wait": "done", "timeout_ms": 1_000})
        return status == 503 and problem["code"] == "DEVICE_UNKNOWN_STATE"

    within(cluster.silent_s + 4, is_unknown, "its node to be missed")
    try:
        device.until_closed()
    except Closed:
        pass
    with cluster[3].device(car, "json") as device:
        call = waiting(cluster[1], car, wait="done")
        device.does("window.set")
        assert call.answered(200)["state"] == "succeeded"


@scenario()
def a_frozen_node_is_fenced_when_it_thaws(cluster):
    """A node that slept through a takeover believes that it has the device; nobody believes it."""
    car = fresh()
    zombie = cluster[2].device(car, "json")
    cluster[2].freeze()
    began = time.monotonic()
    with cluster[3].device(car, "json") as device:
        assert time.monotonic() - began < TAKEOVER_S, "a frozen node delays nobody"
        call = waiting(cluster[1], car, wait="done")
        asked = device.does("window.set")
        assert call.answered(200)["state"] == "succeeded"
        cluster[2].thaw()
        # It is told, or finds out; what it is told meanwhile by its device counts for nothing.
        try:
            zombie.tell({"reply_to": asked["msg_id"], "status": "failed", "epoch": zombie.epoch})
        except (OSError, Closed):
            pass
        zombie.until_closed()
        assert shown(cluster[1], {"command_id": asked["msg_id"]})["state"] == "succeeded"
        call = waiting(cluster[2], car, wait="done")
        device.does("window.set")
        assert call.answered(200)["state"] == "succeeded"
        device.hears_nothing_but_heartbeats()
