"""Who is there: the same on every node, whichever one they came to."""

from cluster import scenario, within
from scenarios.chat import leave_all
from across.rooms import HEARD_S, room_over
from server import wait_until


def there(node, room):
    """Who of a room is online, as a node says."""
    _, told = node.call("GET", f"/api/v1/rooms/{room}/presence", want=200)
    return sorted(one["user_id"] for one in told["online_participants"])


@scenario()
def who_comes_and_goes_is_told_on_every_node(cluster):
    room, (a, b, c) = room_over(cluster, 1_201, 1_202, 1_203)
    b.close()
    for client in (a, c):
        client.expect("USER_STATUS_CHANGED", user_id=1_202, is_online=False)
    for node in cluster:
        wait_until(lambda: there(node, room) == [1_201, 1_203], f"{node.name} to know who is there", HEARD_S)
    b = cluster[3].client(1_202)
    for client in (a, c):
        client.expect("USER_STATUS_CHANGED", user_id=1_202, is_online=True)
    for node in cluster:
        wait_until(lambda: there(node, room) == [1_201, 1_202, 1_203], f"{node.name} to know who is there", HEARD_S)
    leave_all([a, b, c])


@scenario()
def a_user_on_two_nodes_goes_with_the_last_session(cluster):
    room, (a, b) = room_over(cluster, 1_211, 1_212)
    phone = cluster[3].client(1_212)
    a.post(room, "both are there")
    for client in (b, phone):
        client.expect("NEW_MESSAGE", content="both are there")
    assert not a.kept("USER_STATUS_CHANGED", user_id=1_212), "a second session is no news"
    b.close()
    # Longer than the grace time: had it been the last session, it would be told by now.
    witness = cluster[2].client(1_213)
    cluster[1].call("PUT", f"/api/v1/rooms/{room}/members/1213", want=204)
    a.expect("USER_JOINED", user_id=1_213)
    witness.close()
    a.expect("USER_STATUS_CHANGED", user_id=1_213, is_online=False)
    assert not a.kept("USER_STATUS_CHANGED", user_id=1_212), "it is there still"
    phone.close()
    a.expect("USER_STATUS_CHANGED", user_id=1_212, is_online=False)
    leave_all([a])


@scenario()
def a_quick_move_to_another_node_is_no_news(cluster):
    room, (a, b) = room_over(cluster, 1_221, 1_222)
    for node in (cluster[3], cluster[1], cluster[2]):
        b.drop()
        b = node.client(1_222)
    a.post(room, "marker")
    b.expect("NEW_MESSAGE", content="marker")
    b.close()
    a.expect("USER_STATUS_CHANGED", user_id=1_222, is_online=False)
    assert not a.kept("USER_STATUS_CHANGED"), a.latest()
    leave_all([a])


@scenario()
def who_joins_is_told_who_is_there_on_other_nodes(cluster):
    room, clients = room_over(cluster, 1_231, 1_232, 1_233)
    node = cluster[2]
    with node.client(1_234, "손님") as guest:

        def online():
            told = guest.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
            assert told["participants_count"] == 4, told
            return {one["user_id"] for one in told["online_participants"]} == {1_231, 1_232, 1_233, 1_234}

        within(HEARD_S, online, "all of them")
        for client in clients:
            assert client.expect("USER_JOINED", user_id=1_234)["participants_count"] == 4
    leave_all(clients)


@scenario()
def the_users_of_a_node_that_dies_go_offline_on_the_others(cluster):
    room, (a, b, c) = room_over(cluster, 1_241, 1_242, 1_243)
    last = a.post(room, "before")["seq"]
    for client in (b, c):
        client.expect("NEW_MESSAGE", content="before")
    epoch = b.ask("GET_MESSAGES", {"chatroom_id": room, "limit": 1}, expect="BATCH_MESSAGES")["epoch"]
    cluster[2].kill()
    b.close()
    # Nobody waits for a dead node.
    took = within(2, lambda: a.post(room, "meanwhile"), "a post")
    assert took < 2
    c.expect("NEW_MESSAGE", content="meanwhile")
    limit = cluster.silent_s + cluster.limits["presence_grace_ms"] / 1_000 + 2 * cluster.limits["node_beat_ms"] / 1_000
    for client in (a, c):
        client.expect("USER_STATUS_CHANGED", wait=limit, user_id=1_242, is_online=False)
    for node in (cluster[1], cluster[3]):
        wait_until(lambda: there(node, room) == [1_241, 1_243], "who is there", HEARD_S)
        wait_until(lambda: "node-2" not in live(node), "the node to be missed", HEARD_S)
    # It comes back elsewhere and has everything.
    b = cluster[3].client(1_242, resume=[{"chatroom_id": room, "seq": last, "epoch": epoch}])
    assert next(b.messages(room, last))["content"] == "meanwhile"
    for client in (a, c):
        client.expect("USER_STATUS_CHANGED", user_id=1_242, is_online=True)
    # And the node itself, under a new boot id, which nobody takes for the old one.
    cluster.heal()
    for node in cluster:
        wait_until(lambda: there(node, room) == [1_241, 1_242, 1_243], f"{node.name} to know who is there", HEARD_S)
    leave_all([a, b, c])


def live(node):
    return {name for name, told in node.knows().items() if told["state"] == "serving"}
