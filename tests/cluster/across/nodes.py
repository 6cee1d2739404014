"""The nodes themselves: each knows the others, is drained, dies, and comes back."""

import pathlib
import re
import threading

from client import Client, Closed, Unexpected
from cluster import scenario, serving, within
from scenarios.chat import leave_all, message
from scenarios.devices import fresh
from across.rooms import HEARD_S, in_one_order, room_over
from server import wait_until


@scenario()
def every_node_names_all_nodes(cluster):
    names = {node.name for node in cluster}
    with cluster[2].client(1_301), cluster[2].device(fresh(), "json"):
        for node in cluster:
            def shown():
                known = node.knows()
                assert set(known) >= names, known
                told = known["node-2"]["figures"]
                return told["connections"] >= 2 and told["sessions"] >= 1 and told["devices"] >= 1

            wait_until(shown, f"{node.name} to hear how node-2 is", 3 * cluster.limits["node_beat_ms"] / 1_000 + HEARD_S)
            known = node.knows()
            for each in cluster:
                told = known[each.name]
                assert told["state"] == "serving" and told["is_here"] is (each is node), told
                assert told["address"] == f"http://127.0.0.1:{each.http}", told
                assert told["version"] and told["started_at"].endswith("Z"), told
                assert told["silent_ms"] < cluster.limits["node_silent_ms"], told
                assert told["figures"]["memory_bytes"] > 1_000_000, told
            assert len({told["boot_id"] for told in known.values()}) == len(known), known
            _, told = node.call("GET", "/readyz", want=200)
            assert told["state"] == "ready" and told["nodes"]["serving"] == len(names), told


@scenario()
def whoever_asks_for_a_node_is_sent_to_the_emptier_one(cluster):
    crowd = [cluster[1].client(1_370 + n) for n in range(12)]

    def least(node):
        _, told = node.call("GET", "/status?policy=least", want=200)
        return told["port"]

    try:
        for node in cluster:
            wait_until(lambda: least(node) != cluster[1].http, f"{node.name} to name another than node-1")
            assert least(node) in {each.http for each in cluster}, least(node)
    finally:
        leave_all(crowd)


@scenario()
def a_node_is_drained_through_another(cluster):
    room, (a, b) = room_over(cluster, 1_321, 1_322)
    car = fresh()
    device = cluster[2].device(car, "json")
    cluster[1].call("POST", "/api/v1/nodes/node-2/drain", {}, want=202)
    frames = b.until_closed()
    notices = [f["data"] for f in frames if f["action"] == "SERVER_SHUTDOWN"]
    assert len(notices) == 1 and notices[0]["reconnect_after_ms"] >= 0 and notices[0]["resume"] is True, frames
    device.closes(4503)
    for node in (cluster[1], cluster[3]):
        wait_until(lambda: "node-2" not in serving(node), f"{node.name} to hear of it", HEARD_S)
        _, told = node.call("GET", "/status?policy=least", want=200)
        assert told["port"] != cluster[2].http, told
    assert not cluster[2].readiness()[0]
    try:
        with Client(cluster[2].tcp) as late:
            late.request("CONNECT", {"jwt_token": cluster[2].token(1_323)})
            first = late.until_closed()[0]
            assert first["data"]["error_code"] == "SHUTTING_DOWN", first
    except (Closed, OSError):
        pass
    # Its clients are elsewhere, and nobody was missing for long.
    b = cluster[3].client(1_322)
    a.post(room, "welcome")
    b.expect("NEW_MESSAGE", content="welcome")
    with cluster[3].device(car, "json"):
        pass
    cluster[1].call("POST", "/api/v1/nodes/node-2/drain", {"on": False}, want=202)
    for node in cluster:
        wait_until(lambda: "node-2" in serving(node), f"{node.name} to hear of it", HEARD_S)
    cluster[2].client(1_323).close()
    leave_all([a, b])


@scenario()
def a_node_sheds_some_of_its_clients(cluster):
    """After a node was added: the surplus moves at a stated rate, and the rest stays."""
    crowd = [cluster[2].client(1_345 + n) for n in range(5)]
    cluster[1].call("POST", "/api/v1/nodes/node-2/shed", {"sessions": 3, "per_s": 100}, want=202)

    def gone(client):
        try:
            client.ask("PING", expect="PONG")
        except (Closed, OSError):
            return True
        return False

    wait_until(lambda: sum(map(gone, crowd)) >= 3, "three of them to go")
    assert sum(map(gone, crowd)) == 3 and cluster[2].readiness()[0], "and no more"
    leave_all(crowd)


@scenario()
def a_node_that_stops_says_so_to_the_others(cluster):
    room, (a, b) = room_over(cluster, 1_331, 1_332)
    cluster[2].terminate()
    assert [f for f in b.until_closed() if f["action"] == "SERVER_SHUTDOWN"]
    assert cluster[2].wait()[0] == 0, cluster[2].log_tail()
    # It says good-bye: nobody waits until it has been silent for long.
    wait_until(lambda: "node-2" not in serving(cluster[1]), "its last word", HEARD_S)
    a.expect("USER_STATUS_CHANGED", wait=cluster.limits["presence_grace_ms"] / 1_000 + HEARD_S, user_id=1_332, is_online=False)
    leave_all([a])


@scenario()
def nodes_are_asked_by_operators_only(cluster):
    user = cluster[1].token(1_341)
    for method, path in (("GET", "/api/v1/nodes"), ("POST", "/api/v1/nodes/node-2/drain")):
        for token, want in (("nonsense", 401), (user, 403)):
            status, problem = cluster[1].call(method, path, {} if method == "POST" else None, token=token)
            assert status == want, (method, path, status, problem)
    status, problem = cluster[1].call("POST", "/api/v1/nodes/node-9/drain", {})
    assert status == 404, problem
    assert cluster[2].readiness()[0]


class Wanderer:
    """A client that goes to the next node whenever its own ends the connection, and says again what was not answered."""

    def __init__(self, cluster, seat, user, room):
        self.cluster, self.seat, self.user, self.room = cluster, seat, user, room
        self.client, self.seen, self.epoch, self.heard, self.acked = None, 0, None, [], []
        self.come()

    def come(self):
        for _ in range(60):
            node = self.cluster[1 + self.seat % len(self.cluster.nodes)]
            self.seat += 1
            try:
                resume = [{"chatroom_id": self.room, "seq": self.seen, "epoch": self.epoch}] if self.epoch else []
                self.client = node.client(self.user, resume=resume)
                self.stream = self.client.messages(self.room, self.seen)
                if not self.epoch:
                    page = self.client.ask("GET_MESSAGES", {"chatroom_id": self.room, "limit": 1}, expect="BATCH_MESSAGES")
                    self.epoch = page["epoch"]
                return
            except (Closed, OSError, Unexpected):
                threading.Event().wait(0.1)
        raise Unexpected(f"no node takes {self.user}")

    def over(self, act):
        """Does something for as often as it takes."""
        while True:
            try:
                return act()
            except (Closed, OSError):
                self.client.close()
                self.come()

    def says(self, text):
        posted = self.over(lambda: self.client.post(self.room, text, client_message_id=text))
        self.acked.append(posted["message_id"])

    def hears(self, count):
        while len(self.heard) < count:
            got = self.over(lambda: next(self.stream))
            assert got["seq"] == self.seen + 1, f"{self.user} heard {got['seq']} behind {self.seen}"
            self.seen = got["seq"]
            self.heard.append(got["message_id"])


@scenario()
def a_rolling_restart_loses_and_doubles_nothing(cluster):
    users = [1_351, 1_352, 1_353]
    for user in users:
        cluster[1].user(user, f"user-{user}", f"user{user}")
    room = cluster[1].room(members=users)
    a, b, c = (Wanderer(cluster, n, 1_351 + n, room) for n in range(3))
    stop = threading.Event()

    def chatters(who):
        number = 0
        while not stop.wait(0.02):
            number += 1
            who.says(f"{who.user}:{number}")

    talkers = [threading.Thread(target=chatters, args=(who,), daemon=True) for who in (a, b)]
    for talker in talkers:
        talker.start()
    try:
        for node in list(cluster):
            node.terminate()
            assert node.wait(30)[0] == 0, node.log_tail()
            node.start()
            cluster.whole()
    finally:
        stop.set()
        for talker in talkers:
            talker.join(60)
    total = len(a.acked) + len(b.acked)
    assert total > 50, total
    c.hears(total)
    assert len(set(c.heard)) == total and set(c.heard) == {*a.acked, *b.acked}
    history = c.client.history(room)
    assert [m["message_id"] for m in history] == c.heard, "what is kept is what was heard"
    leave_all([a.client, b.client, c.client])


@scenario()
def a_message_is_there_whichever_node_dies_behind_its_answer(cluster):
    room, (a, b, c) = room_over(cluster, 1_361, 1_362, 1_363)
    for n, (node, client) in enumerate(((cluster[2], b), (cluster[3], c))):
        for one in range(5):
            client.request("SEND_MESSAGE", message(room, f"{n}:{one}"))
        acked = [client.frame("NEW_MESSAGE", content=f"{n}:{one}")["data"] for one in range(5)]
        node.kill()
        got = in_one_order([a], room, 5, after=5 * n)
        assert [m["message_id"] for m in got] == [m["message_id"] for m in acked]
        client.close()
        cluster.heal()
    within(HEARD_S, lambda: a.post(room, "marker"), "a post")
    leave_all([a])


@scenario()
def what_is_shown_and_what_alarms_is_counted(cluster):
    """The dashboard and the alarms are about figures that a node really has."""
    room, (a, b) = room_over(cluster, 1_391, 1_392)
    a.post(room, "to be counted")
    b.expect("NEW_MESSAGE", content="to be counted")
    leave_all([a, b])

    def counted():
        found = set()
        for node in cluster:
            _, text = node.call("GET", "/metrics", want=200)
            found |= {re.match(r"\w+", line)[0] for line in text.decode().splitlines() if line and line[0] != "#"}
        return found

    folder = pathlib.Path(__file__).resolve().parents[3] / "packaging" / "compose"
    for file in ("grafana/bongsu.json", "alerts.yml"):
        named = set(re.findall(r"\b(?:bongsu|process)_[a-z_]+\b", (folder / file).read_text()))
        assert len(named) > 5, (file, named)
        wait_until(lambda: named <= counted(), f"{file}: nobody counts {named - counted()}")
