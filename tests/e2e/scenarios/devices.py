"""Devices that share no code with the server come, stay, are replaced, and are sent away."""

import itertools
import json
import pathlib
import re
import time

from client import Closed, Unexpected
from device import TRANSPORTS, contract, packet, unpacked
from runner import scenario
from server import wait_until
from ws import text_frame

import needs

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parents[2] / "vectors"
COMMANDS = f'[devices]\ncatalogue = "{HERE.parent / "catalogue.toml"}"\n'
numbers = itertools.count(1)


def fresh():
    """The id of a device that nobody has heard of."""
    return f"car-{next(numbers)}"


def over_every_transport(function=None, **options):
    """One scenario for each way in."""

    def register(function):
        for transport in TRANSPORTS:

            def over_one(server, transport=transport):
                function(server, transport)

            over_one.__name__ = f"{function.__name__}__{transport}"
            over_one.__module__ = function.__module__
            scenario(config=COMMANDS, **options)(over_one)

    return register(function) if function else register


def is_online(server, device_id):
    return server.call("GET", f"/api/v1/devices/{device_id}", want=200)[1]["online"]


@over_every_transport
def comes_and_stays(server, transport):
    car, before = fresh(), time.time() * 1_000
    with server.device(car, transport, hello={"kind": "vehicle", "version": "1.4.0", "capabilities": ["window.set"],
                                              "clock": 12_345}) as device:
        welcome = device.welcome
        assert welcome["heartbeat_ms"] == 15_000 and welcome["clock"] == 12_345, welcome
        assert abs(welcome["server_time"] - before) < 60_000 and "delta" not in welcome, welcome
        answer = device.beat()
        assert answer["epoch"] == device.epoch and abs(answer["server_time"] - before) < 60_000, answer
        _, shown = server.call("GET", f"/api/v1/devices/{car}", want=200)
        assert shown["device_id"] == car and shown["kind"] == "vehicle" and shown["online"] is True, shown
        assert shown["version"] == "1.4.0" and shown["capabilities"] == ["window.set"], shown
    wait_until(lambda: not is_online(server, car), "its going offline")
    with server.device(car, transport) as again:
        assert again.epoch > device.epoch, (again.epoch, device.epoch)


@over_every_transport
def a_newer_session_takes_the_place_of_the_older(server, transport):
    car = fresh()
    first = server.device(car, transport)
    with server.device(car, transport) as second:
        first.closes(4409, "never", "replaced")
        assert second.epoch > first.epoch
        # Whoever believes to be in another epoch is not heard.
        _, made = server.call("POST", f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": {"position": "open"}})
        command = second.command("window.set")
        assert command["msg_id"] == made["command_id"], (command, made)
        second.tell({"reply_to": command["msg_id"], "status": "ok", "epoch": first.epoch})
        assert second.expect("error")["epoch"] == second.epoch
        assert server.call("GET", f"/api/v1/commands/{made['command_id']}", want=200)[1]["state"] != "succeeded"
        second.say(command, "ok")
        wait_until(lambda: state_of(server, made) == "succeeded", "its word in its own epoch")
        assert is_online(server, car)
    first.close()


def state_of(server, made):
    return server.call("GET", f"/api/v1/commands/{made['command_id']}", want=200)[1]["state"]


@over_every_transport
def who_it_is_not_is_sent_away(server, transport):
    car, other = fresh(), fresh()
    for token, code in ((server.token(other, role="device"), 4403), (None, 4401), ("no.such.token", 4401),
                        (server.token("7", role="user"), 4403), ("f" * 48, 4401)):
        with server.device(car, transport, token=token, hello=False) as device:
            try:
                device.begin(car)
            except (Closed, OSError):
                pass  # The server was quicker.
            frames = device.closes(code, "never")
            assert [frame["type"] for frame in frames] == ["closing"], frames
    status, _ = server.call("GET", f"/api/v1/devices/{car}")
    assert status == 404, "nobody has come"
    with server.device(car, transport, token=None, hello={"token": server.token(car, role="device")}):
        assert is_online(server, car)


@over_every_transport
def an_enrolment_token_lets_it_in(server, transport):
    car = fresh()
    _, made = server.call("POST", "/api/v1/devices", {"device_id": car, "kind": "vehicle"}, want=201)
    assert made["device_id"] == car, made
    token = made["enrolment_token"]
    with server.device(car, transport, token=token):
        assert is_online(server, car)
    with server.device(car, transport, token=None, hello={"token": token}) as device:
        device.beat()
    with server.device(fresh(), transport, token=token, hello=False) as stranger:
        stranger.begin(fresh())
        stranger.closes(4403, "never")


@over_every_transport(limits={"device_heartbeat_ms": 300})
def who_misses_three_heartbeats_is_gone(server, transport):
    car = fresh()
    with server.device(car, transport) as device:
        assert device.welcome["heartbeat_ms"] == 300
        alive = time.monotonic()
        while time.monotonic() < alive + 1.5:
            device.beat()
        device.closes(4408, "now", "idle")
        assert time.monotonic() > alive + 1.5 + 0.6
    wait_until(lambda: not is_online(server, car), "its going offline")


@over_every_transport
def a_token_is_replaced_in_the_session(server, transport):
    car = fresh()
    with server.device(car, transport, token=server.token(car, role="device", ttl="30s")) as device:
        ends = device.expect("token_expiring")["expires_at"]
        assert ends - time.time() * 1_000 < 61_000
        device.tell({"type": "auth_update", "token": server.token(fresh(), role="device")})
        device.expect("error")
        device.tell({"type": "auth_update", "token": server.token(car, role="device")})
        updated = device.expect("auth_updated")
        assert updated["expires_at"] > ends + 600_000, (updated, ends)
        device.beat()


@over_every_transport
def what_makes_no_sense_is_told_and_the_session_goes_on(server, transport):
    with server.device(fresh(), transport) as device:
        if transport == "json":
            device.send_text("nonsense")
            assert device.expect("error")["code"] == "INVALID_DATA"
            device.tell({"type": "fly.away"})
            assert device.expect("error")["code"] == "INVALID_ACTION"
            device.tell({"reply_to": "0" * 32, "status": "done"})
            assert device.expect("error", field="status")["code"] == "INVALID_DATA"
        # A word on a command that nobody gave is for nobody.
        device.tell({"reply_to": "f" * 32, "status": "ok"})
        device.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS)
def unknown_bytes_end_a_socket_of_protobuf(server):
    for what in ("\xff\xff bytes", "empty", "text", "no payload"):
        with server.device(fresh(), "proto") as device:
            match what:
                case "empty":
                    device.send_bytes(b"")
                case "text":
                    device.send_raw(text_frame('{"type":"heartbeat"}'))
                case "no payload":
                    device.send_bytes(bytes([0xFA, 0x3F, 0]))
                case _:
                    device.send_bytes(b"\xff\xff\xff")
            device.closes(4400, "never")


@over_every_transport
def whoever_says_no_hello_first_is_sent_away(server, transport):
    with server.device(fresh(), transport, hello=False) as device:
        device.tell({"type": "heartbeat"})
        device.closes(4400, "never")


@scenario(config=COMMANDS)
def without_a_subprotocol_json_is_spoken(server):
    car = fresh()
    with server.device(car, "json", named=False) as device:
        device.beat()
    address = f"/device?token={server.token(car, role='device')}"
    with server.device(car, "json", token=None, path=address) as device:
        device.beat()


@over_every_transport(fresh=True, limits={"drain_ms": 500})
def a_server_that_stops_tells_its_devices(server, transport):
    with server.device(fresh(), transport) as device:
        server.terminate()
        device.closes(4503, "later")
        assert server.wait()[0] == 0, server.log_tail()


@scenario(config=COMMANDS)
def an_operator_sends_a_device_away(server):
    car = fresh()
    with server.device(car, "json") as device:
        server.call("POST", f"/api/v1/devices/{car}/disconnect", want=204)
        device.closes(4403, "now", "disconnected")
    with server.device(car, "json") as device:
        server.call("DELETE", f"/api/v1/devices/{car}", want=204)
        device.until_closed()
    assert server.call("GET", f"/api/v1/devices/{car}")[0] == 404


@scenario(config=COMMANDS)
def the_vectors_are_what_another_compiler_makes_of_them(server):
    needs.grpc()
    checked = 0
    for file in sorted(VECTORS.glob("device_*.txt")):
        parts = dict(re.findall(r"-- (\w+)\n(.*?)(?=\n-- |\Z)", file.read_text(), re.S))
        if "device_proto" not in parts:
            continue
        frame = json.loads(parts["device_json"])
        theirs = contract().WebSocketPacket.FromString(bytes.fromhex("".join(parts["device_proto"].split())))
        if file.name.startswith("device_told"):
            told = unpacked(theirs)
            if "epoch" not in frame:
                assert told.pop("epoch") == 0, file.name
            frame.setdefault("type", "command")
            if told != frame:
                raise Unexpected(f"{file.name}: {told}, not {frame}")
        elif packet(frame) != theirs:
            raise Unexpected(f"{file.name}: {packet(frame)}, not {theirs}")
        checked += 1
    assert checked > 20, checked
