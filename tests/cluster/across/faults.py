"""The backplane or the store is away: what goes on, what is refused, and that everything comes when it is back."""

import threading

from client import WAIT_S, Closed
from cluster import NOTICED_S, scenario, within
from scenarios.chat import leave_all, message
from scenarios.device_commands import OPEN, waiting
from scenarios.devices import fresh
from across.rooms import in_one_order, room_over

# A client of a store or a backplane that was away tries again within this, in seconds.
BACK_S = 10.0
# What a node must tell its operators when its store goes: of a write that had begun nobody knows the end.
IN_DOUBT = "the store was lost while it was writing"


def without_the_backplane(cluster, first, take, give):
    """`first` and the four behind it are users of its own."""
    room, (a, b, c) = room_over(cluster, first, first + 1, first + 2)
    beside = cluster[1].client(first + 3)
    cluster[1].call("PUT", f"/api/v1/rooms/{room}/members/{first + 3}", want=204)
    a.expect("USER_JOINED", user_id=first + 3)
    car, own = fresh(), fresh()
    device, near = cluster[2].device(car, "json"), cluster[1].device(own, "json")
    everybody = (a, b, c, beside)
    a.post(room, "before")
    for client in everybody[1:]:
        client.expect("NEW_MESSAGE", content="before")
    take()
    try:
        # On the same node nothing is any different, from the first moment on.
        for n in range(10):
            a.post(room, f"{n} on node-1")
            assert beside.expect("NEW_MESSAGE", content=f"{n} on node-1")["seq"] == 2 + n
        for node in cluster:
            within(NOTICED_S, lambda: node.readiness()[1] == ["bus"], f"{node.name} to say that its bus is lost: {node.readiness()}")
            assert node.call("GET", "/readyz", want=503)[1]["state"] == "degraded"
        for n in range(10):
            b.post(room, f"{n} on node-2")
        # A device beside the caller is reached, and of another node's nobody knows.
        call = waiting(cluster[1], own, wait="done")
        near.does("window.set")
        assert call.answered(200)["state"] == "succeeded"
        status, problem = cluster[1].call("POST", f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": OPEN, "wait": "done"})
        assert status == 503 and problem["code"] == "DEVICE_UNKNOWN_STATE", (status, problem)
        # Who comes now comes all the same.
        with cluster[3].client(first + 4) as late:
            late.ask("PING", expect="PONG")
    finally:
        give()
    for node in cluster:
        within(BACK_S, lambda: node.readiness()[0], f"{node.name} to have its bus back: {node.readiness()}")
    # What was missed comes without anybody saying anything.
    in_one_order([c], room, 20, after=1)
    in_one_order([b], room, 10, after=1)
    for client in (a, beside):
        in_one_order([client], room, 10, after=11)
    # Who was out of sight meanwhile comes back into it.
    for client in everybody:
        for gone in client.kept("USER_STATUS_CHANGED", is_online=False):
            if gone["user_id"] != first + 4:
                client.expect("USER_STATUS_CHANGED", user_id=gone["user_id"], is_online=True)
    call = waiting(cluster[1], car, wait="done")
    device.does("window.set")
    assert call.answered(200)["state"] == "succeeded"
    device.close()
    near.close()
    leave_all(everybody)


@scenario()
def the_backplane_is_killed_and_started_again(cluster):
    without_the_backplane(cluster, 1_401, cluster.backplane.kill, cluster.backplane.start)


@scenario()
def the_backplane_freezes_and_thaws(cluster):
    without_the_backplane(cluster, 1_421, cluster.backplane.pause, cluster.backplane.resume)


@scenario()
def the_store_is_killed_and_started_again(cluster):
    room, (a, b) = room_over(cluster, 1_411, 1_412)
    car = fresh()
    device = cluster[2].device(car, "json")
    a.post(room, "before")
    acked, answered = [], threading.Event()

    def posts():
        """Posts without a pause, and keeps what was acknowledged and what was refused."""
        number = 0
        while not answered.wait(0.01):
            number += 1
            reference = a.request("SEND_MESSAGE", message(room, f"m{number}", client_message_id=f"m{number}"))
            answer = a.take(lambda f: reference in (f["seq_id"], f["data"].get("original_seq_id")), "an answer", 2 * WAIT_S)
            if answer["action"] == "ERROR":
                codes.add(answer["data"]["error_code"])
            else:
                acked.append(answer["data"])

    codes = set()
    poster = threading.Thread(target=posts, daemon=True)
    poster.start()
    try:
        within(WAIT_S, lambda: len(acked) > 20, "posts")
        cluster.postgres.kill()
        for node in cluster:
            within(NOTICED_S + 5, lambda: node.readiness()[1] == ["store"], f"{node.name} to say that its store is lost: {node.readiness()}")
        within(WAIT_S, lambda: codes, "a refusal")
        # Sessions stay, and what needs no store goes on.
        b.ask("PING", expect="PONG")
        device.beat()
        status, problem = cluster[1].call("POST", f"/api/v1/devices/{car}/commands", {"name": "window.set", "args": OPEN, "wait": "done"})
        assert status == 503 and problem["code"] in ("OVERLOADED", "DEVICE_UNKNOWN_STATE"), (status, problem)
        before = len(acked)
        cluster.postgres.start()
        for node in cluster:
            within(BACK_S, lambda: node.readiness()[0], f"{node.name} to have its store back: {node.readiness()}")
        within(BACK_S, lambda: len(acked) > before + 20, "posts once more")
    finally:
        answered.set()
        poster.join(3 * WAIT_S)
        if cluster.postgres.process.poll() is not None:
            cluster.postgres.start()
    # What was being written when the store went is in doubt, and is not said to be untried.
    assert "OVERLOADED" in codes and codes <= {"OVERLOADED", "INTERNAL_ERROR"}, codes
    for line in cluster.complaints():
        assert IN_DOUBT in line, line
    # What was acknowledged is kept, once; what was refused may be, once.
    history = b.history(room)
    kept = [m["message_id"] for m in history]
    assert len(set(kept)) == len(kept) and {m["message_id"] for m in acked} <= set(kept)
    assert [m["seq"] for m in history] == list(range(1, len(history) + 1)), "no holes"
    heard = b.messages(room, 0)
    assert [next(heard)["message_id"] for _ in kept] == kept, "and it was heard in that order"
    call = waiting(cluster[1], car, wait="done")
    device.does("window.set")
    assert call.answered(200)["state"] == "succeeded"
    device.close()
    try:
        leave_all([a, b])
    except Closed:
        pass
