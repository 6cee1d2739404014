"""What operators and services do over HTTP, seen from the sessions it concerns."""

from client import Client
from runner import scenario
from scenarios.calls import call_of
from scenarios.chat import leave_all, message, trio
from server import wait_until


@scenario()
def a_kick_is_heard_by_everybody_and_ends_the_membership(server):
    room, (a, b) = trio(server, 151, 152)
    server.call("DELETE", f"/api/v1/rooms/{room}/members/152", want=204)
    for client in (a, b):
        left = client.expect("USER_LEFT", chatroom_id=room, user_id=152)
        assert left["participants_count"] == 1, left
    a.post(room, "after the kick")
    b.refused("SEND_MESSAGE", message(room, "x"), "PERMISSION_DENIED")
    assert not b.kept("NEW_MESSAGE"), b.inbox
    leave_all([a, b])


@scenario()
def a_member_added_over_http_hears_the_room(server):
    a, b = server.client(151), server.client(153)
    room = server.room(visibility="closed", members=[151])
    server.call("PUT", f"/api/v1/rooms/{room}/members/153", want=204)
    a.expect("USER_JOINED", chatroom_id=room, user_id=153)
    a.post(room, "welcome")
    b.expect("NEW_MESSAGE", content="welcome")
    leave_all([a, b])


@scenario()
def a_service_posts_and_reads(server):
    room, (a,) = trio(server, 151)
    _, posted = server.call("POST", f"/api/v1/rooms/{room}/messages", {"content": "서비스", "sender_id": 151}, want=201)
    got = a.expect("NEW_MESSAGE", content="서비스")
    assert got["message_id"] == posted["message_id"] and got["seq"] == posted["seq"], (got, posted)
    _, page = server.call("GET", f"/api/v1/rooms/{room}/messages?after_seq=0&limit=10", want=200)
    assert [m["content"] for m in page["messages"]] == ["서비스"] and page["has_more"] is False, page
    leave_all([a])


@scenario()
def a_ban_cuts_live_sessions_and_keeps_the_user_out(server):
    room, (a, b) = trio(server, 151, 154)
    second = server.client(154)
    server.call("POST", "/api/v1/users/154/ban", {"reason": "spam"}, want=204)
    for client in (b, second):
        last = client.until_closed()[-1]
        assert last["action"] == "SESSION_CLOSED", last
        assert last["data"]["error_code"] == "PERMISSION_DENIED" and last["data"]["reconnect"] == "never", last
    with Client(server.tcp) as again:
        again.request("CONNECT", {"jwt_token": server.token(154, "user154")})
        frames = again.until_closed()
        assert frames[0]["action"] == "CONNECT_ERROR", frames
        assert frames[0]["data"]["error_code"] in ("PERMISSION_DENIED", "INVALID_TOKEN"), frames
    a.post(room, "life goes on")
    server.call("DELETE", "/api/v1/users/154/ban", want=204)
    server.client(154).close()
    leave_all([a])


@scenario()
def a_ban_takes_the_user_out_of_its_call(server):
    _, call, (a, b) = call_of(server, 151, 155)
    server.call("POST", "/api/v1/users/155/ban", {"reason": "spam"}, want=204)
    a.expect("VIDEO_PARTICIPANT_LEFT", video_room_id=call, user_id=155)
    leave_all([a, b])


@scenario()
def an_announcement_reaches_every_session(server):
    clients = [server.client(user) for user in (151, 151, 156)]
    text = {"title": "서버 점검 안내", "message": "오전 2시부터", "type": "maintenance", "priority": "high"}
    _, answer = server.call("POST", "/api/v1/announcements", text, want=202)
    assert answer["delivered_to"] >= 3, answer
    for client in clients:
        frame = client.frame("SERVER_ANNOUNCEMENT", title=text["title"])
        assert frame["data"] == text and frame["seq_id"].startswith("announce_"), frame
    leave_all(clients)


@scenario()
def blocks_made_over_http_hold_for_live_sessions(server):
    room, (a, b, c) = trio(server, 151, 157, 158)
    server.call("POST", "/api/v1/users/157/blocks/151", {}, want=204)
    a.post(room, "hidden")
    c.post(room, "shown")
    b.expect("NEW_MESSAGE", content="shown")
    assert not b.kept("NEW_MESSAGE", content="hidden"), b.inbox
    server.call("DELETE", "/api/v1/users/157/blocks/151", want=204)
    a.post(room, "shown again")
    b.expect("NEW_MESSAGE", content="shown again")
    leave_all([a, b, c])


@scenario()
def the_api_refuses_whom_it_must(server):
    user = server.token(151)
    for token, status in (("nonsense", 401), (user, 403)):
        got, problem = server.call("POST", "/api/v1/announcements", {"title": "x"}, token=token)
        assert got == status and problem["code"], (got, problem)
    got, problem = server.call("GET", "/api/v1/rooms/999999999")
    assert got == 404 and problem["code"] == "ROOM_NOT_FOUND", (got, problem)
    got, problem = server.call("POST", "/api/v1/rooms", {"kind": "nonsense"})
    assert got in (400, 422) and problem["code"] == "INVALID_DATA", (got, problem)


@scenario()
def probes_and_metrics_answer(server):
    for path in ("/healthz", "/readyz", "/version", "/status", "/openapi.json"):
        server.call("GET", path, want=200)
    # A client joins them with a colon, and connects there.
    node = server.call("GET", "/status?policy=least", want=200)[1]
    assert (node["host"], node["port"]) == ("http://127.0.0.1", server.http), node
    assert isinstance(node["num_connection"], int), node
    client = server.client(151)
    status, text = server.call("GET", "/metrics", want=200)
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
    assert any("connections" in line for line in lines), lines[:20]
    client.close()
    wait_until(lambda: b"connections" in server.call("GET", "/metrics", want=200)[1], "metrics")
