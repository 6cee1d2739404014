"""What a display should not say: a table for each event, and many events that chance has made of good ones."""

import json
import random

from bystander import Bystander
from client import Closed, Unexpected
from displays import fresh
from eio import PollLine, WsLine
from runner import scenario
from scenarios.switchboard import OPEN, code, display, is_online, offline, screen
from scenarios.switchboard_programs import execute, state
from server import wait_until

EVENTS = [
    "register_client", "heartbeat", "execution_result", "process_status", "connection_check_response",
    "reconnection_success",
]  # fmt: skip
HUGE = [10**400, -(10**400), 1e308, -1, -0.0, 0.5, "9223372036854775808", "-1", "0x10", "７", "seven", ""]
# Fields that are refused: event, what is wrong with it.
WRONG = [
    ("heartbeat", {"clientName": None}), ("heartbeat", {"clientName": {}}), ("heartbeat", {"uptime": "long"}),
    ("heartbeat", {"uptime": []}), ("heartbeat", {"process_count": "many"}), ("heartbeat", {"status": {"x": 1}}),
    ("heartbeat", {"status": "x" * 5_000}),
    ("execution_result", {"status": None}), ("execution_result", {"status": 7}), ("execution_result", {"status": "Running"}),
    ("execution_result", {"status": ""}), ("execution_result", {"details": "text"}), ("execution_result", {"details": [1]}),
    ("execution_result", {"commandId": "x"}), ("execution_result", {"commandId": 7}), ("execution_result", {"commandId": "F" * 33}),
    ("execution_result", {"presetId": {}}), ("execution_result", {"presetId": [7]}), ("execution_result", {"presetId": "seven"}),
    ("execution_result", {"presetId": True}),
    *(("execution_result", {"presetId": value}) for value in HUGE if value not in (-1, -0.0, "-1")),
    ("process_status", {"running_processes": {}}), ("process_status", {"running_processes": "none"}),
    ("process_status", {"running_processes": [7]}), ("process_status", {"running_processes": [[]]}),
    ("process_status", {"running_processes": [{"preset_id": {}}]}), ("process_status", {"running_processes": [{"pid": "x"}]}),
    ("process_status", {"running_processes": [{"uptime": {}}]}), ("process_status", {"running_processes": [{"commandId": 1}]}),
    ("process_status", {"running_processes": [{"preset_id": n} for n in range(257)]}),
    ("connection_check_response", {"clientName": 0.5}), ("reconnection_success", {"clientName": []}),
]  # fmt: skip


def good(client, event):
    """What a display says of itself."""
    return {
        "heartbeat": {"clientName": client.name, "status": "online", "uptime": 1.5, "process_count": 0, "timestamp": 1.5},
        "execution_result": client.execution("running", 7, details={"pid": 7}),
        "process_status": {"clientName": client.name, "running_processes": [{"preset_id": 7, "pid": 1, "uptime": 1.5}]},
        "connection_check_response": {"clientName": client.name, "timestamp": 1.5, "status": "alive", "received_at": 1.5},
        "reconnection_success": {"clientName": client.name, "timestamp": 1.5},
        "register_client": client.registration(),
    }[event]  # fmt: skip


@scenario(config=OPEN, limits={"display_events_per_s": 10_000, "display_events_burst": 10_000})
def fields_that_are_wrong_are_refused_and_change_nothing(server):
    others = Bystander(server)
    with screen(server, capabilities=[]) as client:
        call = execute(server, client.name, "show", 7)
        client.runs()
        made = call.answered()
        for event, wrong in WRONG:
            answer = client.ask(event, {**good(client, event), **wrong})
            assert code(answer) in ("INVALID_PARAM", "PERMISSION_DENIED"), (event, wrong, answer)
        for event in EVENTS[1:]:
            for args in ([], [None], [7], ["words"], [[]], [[{}]], [{}], [True], ["x" * 30_000]):
                answer = client.ask(event, *args)
                assert code(answer) == "INVALID_PARAM", (event, args, answer)
        client.inbox.clear()
        assert client.beat()["status"] == "ok" and state(server, made) == "in_progress"
        assert not display(server, client.name)["status"] in ({"x": 1}, "x" * 5_000)
    others.check("wrong fields")
    others.end()


@scenario(config=OPEN)
def what_is_said_before_registration_is_refused(server):
    with screen(server) as client:
        for event in EVENTS[2:]:
            assert code(client.ask(event, good(client, event))) == "NOT_AUTHENTICATED", event
            client.emit(event, good(client, event))
            assert client.expect("server_error")["code"] == "NOT_AUTHENTICATED", event
        client.register()


@scenario(config=OPEN)
def details_of_any_kind_are_kept_as_they_are(server):
    deep = value = {}
    for _ in range(20):
        value["가"] = value = {}
    with screen(server, capabilities=[]) as client:
        for details in ({"말": ["예", None, 1e300, -0.5, True, {"": ""}]}, deep, {"x": "y" * 20_000}, {str(n): n for n in range(500)}):
            call = execute(server, client.name, f"show {len(str(details))}", 7, wait="done", timeout_ms=10_000)
            told = client.expect("execute_command")
            client.says("failed", told["presetId"], details=details)
            error = call.answered()["error"]
            assert {**error, **details} == error, (str(details)[:200], str(error)[:200])
    # More than is kept, and more than is read.
    with screen(server, capabilities=[]) as client:
        call = execute(server, client.name, "show", 7, wait="done", timeout_ms=5_000)
        told = client.expect("execute_command")
        too_deep = json.loads('{"x":' * 40 + "1" + "}" * 40)
        try:
            answer = client.ask("execution_result", client.execution("failed", 7, details=too_deep))
            assert code(answer) in ("INVALID_PARAM", "MESSAGE_TOO_LARGE"), answer
            client.says("failed", 7, details={"short": 1})
            assert call.answered()["error"]["short"] == 1
        except Closed:
            pass  # Nested deeper than anything that is read: the connection ends, as for every event.
    assert server.call("GET", "/healthz")[0] == 200


def spoilt(chance, value):
    """A value of another kind, or the same."""
    kinds = [None, True, 7, -1, 0.5, 10**30, "", "x", "\0", "가" * 300, [], {}, [[]], {"clientName": 7}, value]
    return chance.choice(kinds)


def mutated(chance, event, fields):
    """A good event with something wrong in it, or with more in it."""
    event = chance.choice([event, event, event, event.upper(), event + "_", ""])
    for _ in range(chance.randint(0, 3)):
        name = chance.choice([*fields, "token", "running", "more", "__proto__"])
        if chance.random() < 0.3:
            fields.pop(name, None)
        else:
            fields[name] = spoilt(chance, fields.get(name))
    return event, chance.choice([[fields], [fields], [fields], [fields, fields], [[fields]], []])


@scenario(config=OPEN, limits={"display_events_per_s": 10_000, "display_events_burst": 10_000})
def what_chance_makes_of_events_harms_nobody(server):
    others = Bystander(server)
    with screen(server, capabilities=[]) as well:
        for seed, (line, engine, namespace) in enumerate(
            [(WsLine, 4, "/switchboard"), (WsLine, 3, "/"), (PollLine, 4, "/"), (PollLine, 3, "/switchboard")]
        ):
            chance, client, closed = random.Random(seed), None, 0
            for n in range(250):
                client = client or screen(server, fresh(), line=line, engine=engine, namespace=namespace, capabilities=[])
                event = chance.choice(EVENTS)
                made, args = mutated(chance, event, dict(good(client, event)))
                try:
                    client.emit(made, *args, ack=chance.choice(["", str(n)]))
                    if n % 10 == 9:
                        client.inbox.clear()
                        assert client.beat()["status"] in ("ok", "error")
                        client.inbox.clear()
                except (Closed, OSError):
                    client, closed = None, closed + 1
                except Unexpected as error:
                    raise Unexpected(f"seed {seed}, event {n}: {made} {args}: {error}") from error
            if client:
                client.close()
            assert closed < 50, f"{closed} of 250 closed their connections"
            others.check(f"seed {seed}")
        assert well.beat()["status"] == "ok"
    others.end(allowed=8)


@scenario(config=OPEN)
def who_registers_and_leaves_again_and_again_leaves_nothing(server):
    others = Bystander(server)
    name = fresh()
    for n in range(150):
        client = screen(server, name if n % 2 else fresh(), line=PollLine if n % 5 == 4 else WsLine, capabilities=["x"])
        # Who polls is missed by its poll alone, so it says that it goes.
        if n % 3 and n % 5 != 4:
            client.drop()
        else:
            client.close()
        if n % 2:
            # Its name is held until it is missed, which is at once.
            offline(server, name)
    others.check("150 short lives")
    wait_until(lambda: not is_online(server, name), "its end")
    others.end()
