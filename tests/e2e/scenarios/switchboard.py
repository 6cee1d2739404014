"""Displays come, stay and go: clients written to the guide, and by hand what no client should say."""

import itertools
import json
import re
import signal
import time
from datetime import datetime

from client import WAIT_S, Closed, Unexpected
from displays import Guide, Screen, fresh, runs
from eio import PollLine, WsLine
from runner import scenario
from server import wait_until

OPEN = '[displays]\nopen_ranges = ["127.0.0.0/8"]\n'
# A guide client whose times a test can wait for.
QUICK = {"heartbeat": 0.2, "report": 0.2, "watch": 0.5, "again": 0.5, "delay-max": 1}
WAYS = [
    (engine, transport, namespace)
    for engine, transport in itertools.product((3, 4), ("polling", "websocket", None))
    for namespace in ("/", "/switchboard")
]
TERMINAL = {"succeeded", "failed", "rejected", "timed_out", "expired", "superseded", "cancelled", "offline"}


def display(server, name):
    return server.call("GET", f"/api/v1/displays/{name}", want=200)[1]


def is_online(server, name):
    status, shown = server.call("GET", f"/api/v1/displays/{name}")
    return status == 200 and shown["online"]


def offline(server, name, seconds=WAIT_S):
    wait_until(lambda: not is_online(server, name), f"{name} to be offline", seconds)


def guide(server, name=None, **more):
    """A client of the guide that is registered."""
    client = Guide(server.http, name, **{**QUICK, **more})
    try:
        client.number = client.registered()["clientId"]
    except BaseException:
        client.end()
        raise
    return client


def screen(server, name=None, *, line=WsLine, engine=4, namespace="/switchboard", capabilities=None, **more):
    """A display by hand that is registered. `capabilities` None: it is not."""
    client = Screen(line(server.http, engine), name, namespace, **more).entered()
    if capabilities is not None:
        client.registered = client.register(capabilities=capabilities)
    return client


def refused(told, *codes):
    assert told["code"] in codes, (told, codes)
    assert told["reason"] and told["message"], told
    return told


def code(answer):
    """The code of a refusal that was awaited."""
    return answer["error"]["code"]


def over_every_way(function):
    """One scenario for each version, transport and namespace."""
    for engine, transport, namespace in WAYS:

        def over_one(server, way=(engine, transport, namespace)):
            function(server, *way)

        place = "root" if namespace == "/" else "own"
        over_one.__name__ = f"{function.__name__}__eio{engine}_{transport or 'upgrade'}_{place}"
        over_one.__module__ = function.__module__
        scenario(config=OPEN)(over_one)
    return function


@over_every_way
def a_client_of_the_guide_needs_nothing_else(server, engine, transport, namespace):
    more = {"engine": engine, "namespace": namespace, **({"transport": transport} if transport else {})}
    with guide(server, **more) as client:
        beat = client.expect("heartbeat_response")
        assert beat["status"] == "ok" and beat["nextHeartbeatIn"] == 30_000 and beat["message"], beat
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", beat["timestamp"]), beat
        at = datetime.fromisoformat(beat["timestamp"]).timestamp()
        assert abs(at - time.time()) < 60, beat
        shown = wait_until(lambda: (it := display(server, client.name)).get("uptime_ms") and it, "its uptime")
        assert shown["online"] is True and shown["client_id"] == client.number, shown
        assert shown["client_type"] == "python" and shown["version"] == "2.0", shown
        assert shown["capabilities"] == ["unreal_engine", "file_transfer"] and shown["process_count"] == 0, shown

        body = {"command": "echo a b; exec sleep 600", "preset_id": 456}
        _, made = server.call("POST", f"/api/v1/displays/{client.name}/execute", body, want=200)
        told = client.expect("execute_command")
        assert told["clientName"] == client.name and told["presetId"] == 456, told
        assert told["command"] == body["command"] and told["commandId"] == made["command_id"], (told, made)
        assert made["state"] == "in_progress", made
        client.expect("(said)", status="starting")
        pid = client.expect("(said)", status="running")["details"]["pid"]
        wait_until(
            lambda: [it["pid"] for it in display(server, client.name)["processes"]] == [pid], "its only process"
        )
        assert runs(pid)
        _, stopped = server.call("POST", f"/api/v1/displays/{client.name}/stop", {"preset_id": 456}, want=200)
        assert client.expect("stop_command")["presetId"] == 456
        assert stopped["state"] == "succeeded", stopped
        assert not runs(pid)
        done = wait_until(lambda: (it := command(server, made))["state"] in TERMINAL and it, "the program's end")
        assert done["state"] == "succeeded" and done["result"]["status"] == "stopped", done
        client.signal(signal.SIGTERM)
        assert client.ended() == 0
    # The older library leaves without a word: if it was not polling just then, it is missed when it does not come back.
    offline(server, client.name, 60)


def command(server, made):
    return server.call("GET", f"/api/v1/commands/{made['command_id']}", want=200)[1]


BAD_NAMES = [None, "", " ", "Display 01", "Display/01", "디스플레이", "x" * 129, "a\n", ["Display"], {"name": "x"}]


@scenario(config=OPEN)
def a_name_that_is_none_is_refused(server):
    with screen(server) as client:
        for name in BAD_NAMES:
            refused(client.not_registered(name=name), "INVALID_PARAM")
        for data in ("Display_01", 7, None, [], ["Display_01"]):
            client.emit("register_client", data)
            refused(client.expect("registration_failed"), "INVALID_PARAM")
        client.emit("register_client")
        refused(client.expect("registration_failed"), "INVALID_PARAM")
        fields = {"capabilities": ["x" * 5_000]}, {"capabilities": "all"}, {"running": ["no id"]}, {"token": 7}
        for wrong in fields:
            refused(client.not_registered(**wrong), "INVALID_PARAM")
        assert client.register()["clientName"] == client.name, "nothing of it counts against it"
    for name in ("a", "x" * 128, "A.b_c:d-9"):
        with screen(server, name, capabilities=[]) as client:
            assert is_online(server, name)


@scenario()
def who_may_not_is_not_registered(server):
    name, other = fresh(), fresh()
    own, others = server.token(name, role="device"), server.token(other, role="device")
    with screen(server, name) as client:
        refused(client.not_registered(), "NOT_AUTHENTICATED")
        refused(client.not_registered(token="no.such.token"), "INVALID_TOKEN")
        refused(client.not_registered(token="f" * 48), "INVALID_TOKEN", "NOT_AUTHENTICATED")
        refused(client.not_registered(token=others), "PERMISSION_DENIED")
        refused(client.not_registered(token=server.token(7, "somebody")), "PERMISSION_DENIED", "INVALID_TOKEN")
    assert server.call("GET", f"/api/v1/displays/{name}")[0] == 404, "nobody has come"
    for namespace in ("/", "/switchboard"):
        with screen(server, name, namespace=namespace) as client:
            client.register(token=own)
        offline(server, name)
    # With the connection instead.
    with Screen(WsLine(server.http, 4), name, auth={"token": own}).entered() as client:
        client.register()
    offline(server, name)
    for line, engine in itertools.product((WsLine, PollLine), (3, 4)):
        with Screen(line(server.http, engine, more=f"&token={own}"), name).entered() as client:
            client.register()
            client.beat()
        offline(server, name)
        with Screen(line(server.http, engine, more=f"&token={others}"), name).entered() as client:
            refused(client.not_registered(), "PERMISSION_DENIED")


@scenario()
def an_enrolment_token_lets_a_display_in(server):
    name, other = fresh(), fresh()
    _, made = server.call("POST", "/api/v1/devices", {"device_id": name, "kind": "display"}, want=201)
    token = made["enrolment_token"]
    with screen(server, other) as client:
        refused(client.not_registered(token=token), "PERMISSION_DENIED")
    with screen(server, name) as client:
        assert client.register(token=token)["clientId"] > 0
        client.beat()


@scenario(config='[displays]\nopen_ranges = ["192.0.2.0/24", "2001:db8::/32"]\n')
def who_comes_from_elsewhere_needs_a_token(server):
    with screen(server) as client:
        refused(client.not_registered(ip_address="192.0.2.7"), "NOT_AUTHENTICATED")
        client.register(token=server.token(client.name, role="device"))


@scenario(config=OPEN)
def a_device_of_another_kind_is_not_to_be_had_without_a_token(server):
    car = fresh()
    server.call("POST", "/api/v1/devices", {"device_id": car, "kind": "vehicle"}, want=201)
    with screen(server, car) as client:
        refused(client.not_registered(), "NOT_AUTHENTICATED", "PERMISSION_DENIED")
    # One that speaks another protocol keeps its name.
    with server.device(fresh(), "json", hello={"kind": "display"}) as device:
        with screen(server, device.device_id) as client:
            refused(client.not_registered(), "NAME_TAKEN")
        device.beat()


@scenario(config=OPEN)
def a_holder_that_lives_keeps_its_name(server):
    with guide(server) as holder:
        with screen(server, holder.name, namespace="/") as other:
            for _ in range(2):
                refused(other.not_registered(), "NAME_TAKEN")
                holder.expect("connection_check")
            assert not holder.kept("(disconnected)"), holder.latest()
            body = {"command": "sleep 600", "preset_id": 1}
            server.call("POST", f"/api/v1/displays/{holder.name}/execute", body, want=200)
            holder.expect("execute_command")
            assert not other.kept("execute_command"), other.latest()
        # A client of the guide goes on asking until the name is free.
        with Guide(server.http, holder.name, **QUICK) as newcomer:
            refused(newcomer.expect("registration_failed"), "NAME_TAKEN")
            holder.signal(signal.SIGTERM)
            assert newcomer.registered()["clientId"] == holder.number, "the name has its number"


@scenario(config=OPEN)
def who_is_dead_loses_its_name_within_three_seconds(server):
    with guide(server) as holder:
        holder.freeze()
        with screen(server, holder.name) as newcomer:
            began = time.monotonic()
            told = newcomer.register()
            took = time.monotonic() - began
            assert 2.9 < took < 5.5, f"{took:.1f} s"
            assert told["clientId"] == holder.number, told
            newcomer.beat()
            holder.thaw()
            # It finds itself out, comes back and is told that its name is another's.
            holder.expect("(disconnected)")
            deadline = time.monotonic() + 20
            while not holder.kept("registration_failed"):
                answer(newcomer, deadline)
                holder.receive_all()
            refused(holder.expect("registration_failed"), "NAME_TAKEN")
            newcomer.beat()
            assert is_online(server, newcomer.name)


def answer(client, deadline):
    """Answers what it is asked, if it is."""
    if time.monotonic() > deadline:
        raise Unexpected(f"{client.name} was asked in vain")
    frame = client.receive(time.monotonic() + 0.02)
    if frame is None:
        return
    if frame["type"] == "connection_check":
        client.alive(frame["data"])
    else:
        client.inbox.append(frame)


@scenario(config=OPEN)
def of_many_who_claim_a_name_one_has_it(server):
    name = fresh()
    claims = [screen(server, name) for _ in range(8)]
    for client in claims:
        client.emit("register_client", client.registration())
    deadline, answers = time.monotonic() + 20, {}
    while len(answers) < len(claims):
        for n, client in enumerate(claims):
            answer(client, deadline)
            for frame in client.inbox:
                if frame["type"].startswith("registration_"):
                    answers[n] = frame["type"]
            client.inbox.clear()
    won = [n for n, told in answers.items() if told == "registration_success"]
    assert len(won) == 1, answers
    assert claims[won[0]].beat()["status"] == "ok"
    for client in claims:
        client.close()


@scenario(config=OPEN)
def registering_again_on_a_connection_changes_nothing(server):
    with screen(server, capabilities=["x"]) as client:
        first = client.registered
        again = client.register()
        assert (again["clientId"], again["epoch"]) == (first["clientId"], first["epoch"]), (first, again)
        assert client.not_registered(name=fresh())["code"] == "PERMISSION_DENIED"
        assert client.beat()["status"] == "ok" and is_online(server, client.name)
    number = first["clientId"]
    offline(server, client.name)
    with screen(server, client.name, capabilities=[]) as later:
        assert later.registered["clientId"] == number and later.registered["epoch"] > first["epoch"]
    with screen(server, capabilities=[]) as other:
        assert other.registered["clientId"] != number


@scenario(config=OPEN)
def what_is_taken_is_acknowledged_where_that_is_awaited(server):
    with screen(server) as client:
        answer = client.ask("register_client", client.registration())
        assert answer == {"ok": True}, answer
        assert client.expect("registration_success")["heartbeatMs"] == 30_000
        for event, fields in (
            ("heartbeat", {"clientName": client.name}), ("reconnection_success", {"clientName": client.name}),
            ("connection_check_response", {"clientName": client.name}),
            ("process_status", {"clientName": client.name, "running_processes": []}),
            ("execution_result", client.execution("running", "77", details=None)),
        ):  # fmt: skip
            assert client.ask(event, {**fields, "more": [1]}) == {"ok": True}, event
        wrong = client.ask("execution_result", client.execution("dancing", 7))
        assert wrong["error"]["code"] == "INVALID_PARAM" and "status" in wrong["error"]["message"], wrong
        wrong = client.ask("register_client", client.registration(name=fresh()))
        assert wrong["error"]["code"] == "PERMISSION_DENIED" and wrong["error"]["message"], wrong


@scenario(config=OPEN)
def a_heartbeat_is_of_who_is_registered_here(server):
    with screen(server) as client:
        told = client.beat()
        assert told["status"] == "error" and told["shouldReconnect"] is True, told
        assert told["message"] and told["timestamp"].endswith("Z") and told["code"] == "NOT_AUTHENTICATED", told
        client.register()
        told = client.beat(name=fresh())
        assert (told["status"], told["shouldReconnect"], told["code"]) == ("error", True, "PERMISSION_DENIED"), told
        assert client.beat()["status"] == "ok"
        # What has not the right form is not mended by coming back.
        client.emit("heartbeat", "alive")
        told = client.expect("heartbeat_response")
        assert (told["status"], told["shouldReconnect"]) == ("error", False), told
        assert client.beat(uptime="12.5", process_count="3", status=None)["status"] == "ok", "as some write numbers"
        assert display(server, client.name)["process_count"] == 3


@scenario(config=OPEN)
def a_display_speaks_for_itself_alone(server):
    with screen(server, capabilities=[]) as one, screen(server, capabilities=[]) as other:
        body = {"command": "show", "preset_id": 9, "wait": "received", "timeout_ms": 10_000}
        _, made = server.call("POST", f"/api/v1/displays/{other.name}/execute", {**body, "wait": "accepted"})
        told = other.expect("execute_command")
        for lie in (
            one.execution("failed", 9, name=other.name), one.execution("failed", 9, name=other.name, commandId=told["commandId"]),
        ):  # fmt: skip
            assert code(one.ask("execution_result", lie)) == "PERMISSION_DENIED"
        # In its own name it may say what it likes of a command that is not its own: nobody listens.
        one.ask("execution_result", one.execution("failed", 9, commandId=told["commandId"]))
        one.ask("execution_result", one.execution("failed", 9))
        for event in ("process_status", "reconnection_success", "connection_check_response"):
            answer = one.ask(event, {"clientName": other.name, "running_processes": [], "timestamp": 1})
            assert code(answer) == "PERMISSION_DENIED", (event, answer)
        other.says("running", 9)
        wait_until(lambda: command(server, made)["state"] == "in_progress", "what the other has said itself")
        # Nor is there anything that one could tell another to do.
        for event in ("execute_command", "stop_command", "prepare_command", "connection_check", "server_shutdown"):
            fields = {"clientName": other.name, "command": "reboot", "presetId": 9}
            assert code(one.ask(event, fields)) == "INVALID_ACTION", event
        assert not [frame for frame in other.inbox if frame["type"] in ("execute_command", "stop_command")]
        assert command(server, made)["state"] == "in_progress"


@scenario(config=OPEN)
def a_display_is_no_user(server):
    name = fresh()
    token = server.token(name, role="device")
    with screen(server, name) as client:
        client.register(token=token)
        for event in ("message", "postinit_req", "ping", "room.join", "chat.message"):
            assert code(client.ask(event, {"token": token})) == "INVALID_ACTION", event
        assert client.beat()["status"] == "ok"
    offline(server, name)
    with screen(server, name, namespace="/") as client:
        client.register(token=token)
        answer = client.ask("message", {"to": {"type": "ROOM", "token": "0" * 48}, "content": "x"})
        assert answer["code"] == "PERMISSION_DENIED", answer
        assert client.beat()["status"] == "ok"
        for path in (f"/api/v1/displays/{name}/execute", f"/api/v1/displays/{name}/stop", "/api/v1/presets"):
            status, problem = server.call("POST", path, {"command": "x", "preset_id": 1}, token=token)
            assert status in (401, 403), (path, status, problem)
        assert server.call("GET", "/api/v1/displays", token=token)[0] in (401, 403)
    user = server.token(70_077, "driver")
    assert server.call("POST", f"/api/v1/displays/{name}/execute", {"command": "x"}, token=user)[0] == 403


@scenario(config=OPEN, limits={"display_check_ms": 400, "display_heartbeat_ms": 1_000, "display_silent_ms": 20_000})
def who_does_not_answer_two_checks_is_closed(server):
    with screen(server, capabilities=[]) as client:
        for _ in range(3):
            check = client.expect("connection_check")
            assert isinstance(check["timestamp"], float | int) and abs(check["timestamp"] - time.time()) < 60, check
            client.alive(check)
        began = time.monotonic()
        frames = client.until_closed(10)
        took = time.monotonic() - began
        assert len([frame for frame in frames if frame["type"] == "connection_check"]) == 2, frames
        assert 0.9 < took < 6, f"{took:.1f} s"
        offline(server, client.name)
    with guide(server) as client:
        for _ in range(4):
            client.expect("connection_check")
        assert not client.kept("(disconnected)")


@scenario(config=OPEN, limits={"display_check_ms": 300, "display_heartbeat_ms": 500, "display_silent_ms": 1_500})
def who_sends_no_heartbeats_is_closed(server):
    with guide(server) as well, screen(server, capabilities=[]) as client:
        assert client.registered["heartbeatMs"] == 500
        began = time.monotonic()
        while time.monotonic() < began + 2.5:
            assert client.beat()["nextHeartbeatIn"] == 500
            for check in client.kept("connection_check"):
                client.alive(check)
            client.inbox.clear()
        began, closed = time.monotonic(), False
        while not closed:
            try:
                answer(client, began + 10)
            except (Closed, OSError):
                closed = True
        assert 1.2 < time.monotonic() - began < 6
        offline(server, client.name)
        assert is_online(server, well.name) and not well.kept("(disconnected)")


@scenario(config=OPEN, limits={"sign_in_ms": 800})
def who_is_registered_need_not_sign_in(server):
    ways = itertools.product((WsLine, PollLine), (3, 4), ("/", "/switchboard"))
    clients = [screen(server, line=line, engine=engine, namespace=at, capabilities=[]) for line, engine, at in ways]
    began = time.monotonic()
    while time.monotonic() < began + 2.5:
        for client in clients:
            assert client.beat()["status"] == "ok"
    for client in clients:
        client.close()
    # Who does neither is nobody.
    with screen(server) as client:
        client.until_closed(10)


@scenario(config=OPEN)
def who_is_sent_away_comes_back_by_itself(server):
    with guide(server) as client:
        server.call("POST", f"/api/v1/devices/{client.name}/disconnect", want=204)
        client.expect("(disconnected)")
        assert client.registered()["clientId"] == client.number


@scenario(config=OPEN, fresh=True, limits={"drain_ms": 3_000})
def a_server_that_stops_has_its_displays_come_back_one_after_the_other(server):
    clients = [screen(server, capabilities=[]) for _ in range(12)]
    with guide(server, transport="websocket") as well:
        server.terminate()
        told = [client.expect("server_shutdown") for client in clients] + [well.expect("server_shutdown")]
        assert all(it["message"] for it in told), told
        times = [it["reconnectAfter"] for it in told]
        assert len(set(times)) == len(times) and min(times) >= 500 and max(times) < 60_000, times
        for client in clients:
            client.until_closed()
        assert server.wait()[0] == 0, server.log_tail()
        server.start(same_ports=True)
        assert well.registered()["clientId"] == well.number
        wait_until(lambda: is_online(server, well.name), "its being back")


@scenario(config=OPEN, fresh=True)
def a_program_goes_on_when_the_server_is_killed_and_comes_back(server):
    with guide(server) as client:
        body = {"command": "exec sleep 600", "preset_id": 5}
        _, made = server.call("POST", f"/api/v1/displays/{client.name}/execute", body, want=200)
        pid = client.expect("(said)", status="running")["details"]["pid"]
        server.kill()
        client.expect("(disconnected)")
        server.start(same_ports=True)
        client.registered()
        wait_until(
            lambda: [it["pid"] for it in display(server, client.name)["processes"]] == [pid], "what runs to be known"
        )
        assert command(server, made)["state"] == "in_progress"
        client.inbox.clear()
        _, stopped = server.call("POST", f"/api/v1/displays/{client.name}/stop", {"preset_id": 5}, want=200)
        assert stopped["state"] == "succeeded" and not runs(pid), stopped
        done = wait_until(lambda: (it := command(server, made))["state"] in TERMINAL and it, "the program's end")
        assert done["state"] == "succeeded" and done["result"]["status"] == "stopped", done
        assert not client.kept("execute_command"), "started twice"


@scenario(config=OPEN)
def displays_are_listed(server):
    with screen(server, capabilities=[]) as one, screen(server, capabilities=["barrier"]) as two:
        seen, cursor = [], ""
        while cursor is not None:
            _, page = server.call("GET", f"/api/v1/displays?limit=3{cursor and '&cursor=' + cursor}", want=200)
            seen += page["displays"]
            assert len(page["displays"]) <= 3
            cursor = page["next_cursor"]
        names = [it["name"] for it in seen]
        assert names == sorted(set(names)) and {one.name, two.name} <= set(names), names
        assert json.dumps(seen).count('"barrier"') >= 1
        assert server.call("GET", "/api/v1/displays/nobody")[0] == 404
