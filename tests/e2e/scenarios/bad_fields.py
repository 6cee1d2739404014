"""Wrong types in every field of every request, generated from one table per protocol; every answer names the field."""

import json

from bystander import Bystander
from client import Client
from runner import scenario

BIG = 2**63
WRONG = {
    "id": ["1", 1.5, True, [], {}, BIG, -BIG - 1, 10**400],
    "seq": ["1", 1.5, False, [], {}, BIG, -1],
    "text": [1, 1.5, True, [], {}],
    "flag": [0, 1, "true", [], {}],
    "object": [1, "x", True, []],
    "list": [1, "x", True, {}],
    # The type protocol names rooms and users by strings or by numbers.
    "room": [1.5, True, [], {}, "", "x" * 65, BIG, -BIG - 1],
    "user": [1.5, True, [], {}, "", "x" * 256, BIG],
}
REQUIRED = [None]

# field: (kind, required, more wrong values)
MEDIA = {
    "audio_enabled": ("flag", True, []),
    "video_enabled": ("flag", True, []),
    "screen_sharing": ("flag", False, []),
}
ROOM = {"chatroom_id": ("id", True, [])}
CALL = {"video_room_id": ("id", True, [])}
TARGET = {**CALL, "target_user_id": ("id", True, [])}
TABLE = {
    "REFRESH_TOKEN": {"jwt_token": ("text", True, [])},
    "JOIN_ROOM": {**ROOM, "after_seq": ("seq", False, [])},
    "LEAVE_ROOM": ROOM,
    "SEND_MESSAGE": {
        **ROOM,
        "content": ("text", True, []),
        "message_type": ("text", True, ["", "TEXT", "poem"]),
        "client_message_id": ("text", False, ["", "x" * 65, "가" * 22]),
        "reply_to": ("text", False, ["", "xyz", "0" * 31, "0" * 33, "g" * 32]),
        "metadata": ("object", False, []),
    },
    "SEND_EVENT": {
        **ROOM,
        "type": ("text", True, ["", "move", "chat.move", "Game.move"]),
        "key": ("text", False, ["", "x" * 65, "가" * 22]),
        "data": ("object", True, []),
    },
    "TYPING": {**ROOM, "is_typing": ("flag", True, [])},
    "MARK_READ": {**ROOM, "seq": ("seq", True, [])},
    "GET_MESSAGES": {
        **ROOM,
        "after_seq": ("seq", False, []),
        "before_seq": ("seq", False, []),
        "limit": ("seq", False, [0, 201, 2**40]),
    },
    "CREATE_VIDEO_ROOM": {
        **ROOM,
        "video_room_name": ("text", True, ["", "x" * 256]),
        "max_participants": ("id", True, [-1, 0, 1, 51, 2**40]),
    },
    "JOIN_VIDEO_ROOM": {**CALL, "media_status": ("object", True, [])},
    "LEAVE_VIDEO_ROOM": CALL,
    "END_VIDEO_ROOM": CALL,
    "SDP_OFFER": {**TARGET, "sdp": ("object", True, [])},
    "SDP_ANSWER": {**TARGET, "sdp": ("object", True, [])},
    "ICE_CANDIDATE": {**TARGET, "candidate": ("object", False, [])},
    "MEDIA_STATUS_CHANGE": {**CALL, "media_status": ("object", True, [])},
    "BLOCK_USER": {"user_id": ("id", True, [])},
    "UNBLOCK_USER": {"user_id": ("id", True, [])},
    "BATCH_MESSAGES": {"messages": ("list", True, [])},
}
NAMED = {"room": ("room", True, [])}
WHOM = {"user_id": ("user", True, [])}
ASIDE = {**CALL, "target_user_id": ("user", True, [])}
TYPES = {
    "auth_update": {"token": ("text", True, [])},
    "room.join": {**NAMED, "after_seq": ("seq", False, [])},
    "room.leave": NAMED,
    "room.history": {**NAMED, **{name: TABLE["GET_MESSAGES"][name] for name in ("after_seq", "before_seq", "limit")}},
    "chat.message": {
        **NAMED,
        "text": ("text", True, []),
        **{name: TABLE["SEND_MESSAGE"][name] for name in ("client_message_id", "reply_to", "metadata")},
        "message_type": ("text", False, ["", "TEXT", "poem"]),
    },
    "chat.typing": {**NAMED, "is_typing": ("flag", False, [])},
    "chat.read": {**NAMED, "seq": ("seq", True, [])},
    "user.block": WHOM,
    "user.unblock": WHOM,
    "call.create": {
        **NAMED, **{name: TABLE["CREATE_VIDEO_ROOM"][name] for name in ("video_room_name", "max_participants")}
    },
    "call.join": TABLE["JOIN_VIDEO_ROOM"],
    "call.leave": CALL,
    "call.end": CALL,
    "call.offer": {**ASIDE, "sdp": ("object", True, [])},
    "call.answer": {**ASIDE, "sdp": ("object", True, [])},
    "call.candidate": {**ASIDE, "candidate": ("object", False, [])},
    "call.media": TABLE["MEDIA_STATUS_CHANGE"],
    "game.move": {**NAMED, "key": ("text", False, ["x" * 65, "가" * 22])},
}
GOOD = {
    "room": "no-such-room",
    "token": "a.b.c",
    "text": "x",
    "type": "game.move",
    "data": {},
    "jwt_token": "a.b.c",
    "chatroom_id": 999_999_999,
    "content": "x",
    "message_type": "text",
    "is_typing": True,
    "seq": 1,
    "video_room_name": "x",
    "max_participants": 2,
    "video_room_id": 999_999_999,
    "media_status": {"audio_enabled": True, "video_enabled": True},
    "target_user_id": 123,
    "sdp": {"type": "offer", "sdp": "v=0"},
    "candidate": None,
    "user_id": 124,
    "messages": [],
}


def cases(table):
    """Every wrong request: action or type, the field to blame, data."""
    for action, fields in table.items():
        good = {name: GOOD[name] for name, (_, required, _) in fields.items() if required or name == "candidate"}
        for name, (kind, required, more) in fields.items():
            if required:
                yield action, name, {k: v for k, v in good.items() if k != name}
            for value in WRONG[kind] + more + (REQUIRED if required else []):
                yield action, name, {**good, name: value}
            if name == "media_status":
                yield from nested(action, name, good)


def nested(action, name, good):
    for inner, (kind, required, _) in MEDIA.items():
        if required:
            missing = {k: v for k, v in GOOD[name].items() if k != inner}
            yield action, inner, {**good, name: missing}
        for value in WRONG[kind]:
            yield action, inner, {**good, name: {**GOOD[name], inner: value}}


@scenario()
def wrong_types_in_every_field_of_every_action(server):
    others = Bystander(server)
    everything = list(cases(TABLE))
    assert len(everything) > 300, len(everything)
    with server.client(123) as client:
        last = None
        for action, field, data in everything:
            if action != last:
                others.check(last)
                last = action
            error = client.refused(action, data)
            assert error["error_code"] == "INVALID_DATA", (action, data, error)
            assert field in error["message"], f"{action} {json.dumps(data)[:200]}: {field} is not in {error}"
        client.ask("PING", expect="PONG")
    others.end()


@scenario()
def wrong_types_in_every_field_of_every_type(server):
    others = Bystander(server)
    everything = list(cases(TYPES))
    assert len(everything) > 300, len(everything)
    with server.type_client(123) as client:
        last = None
        for kind, field, data in everything:
            if kind != last:
                others.check(last)
                last = kind
            error = client.refused(kind, data)
            assert error["code"] == "invalid_data", (kind, data, error)
            assert f"`{field}`" in error["message"] or f".{field}`" in error["message"], (kind, data, error)
        client.ask("ping", expect="pong")
    others.end()


@scenario()
def the_same_in_korean(server):
    with server.client(123, locale="ko") as client:
        for action, field, data in list(cases(TABLE))[::7]:
            error = client.refused(action, data, "INVALID_DATA")
            assert field in error["message"], (action, data, error)


@scenario()
def wrong_types_in_connect(server):
    token = server.token(123)
    point = {"chatroom_id": 1, "seq": 0, "epoch": "0" * 16}
    wrong = [{}, {"jwt_token": None}]
    wrong += [{"jwt_token": value} for value in WRONG["text"]]
    wrong += [{"jwt_token": token, "locale": value} for value in WRONG["text"]]
    wrong += [{"jwt_token": token, "accept_compression": value} for value in WRONG["flag"]]
    wrong += [{"jwt_token": token, "resume": value} for value in WRONG["list"]]
    wrong += [{"jwt_token": token, "resume": [value]} for value in [1, "x", None, []]]
    wrong += [{"jwt_token": token, "resume": [{**point, "chatroom_id": value}]} for value in WRONG["id"]]
    wrong += [{"jwt_token": token, "resume": [{**point, "seq": value}]} for value in WRONG["seq"]]
    wrong += [{"jwt_token": token, "resume": [{**point, "epoch": v}]} for v in WRONG["text"]]
    wrong += [{"jwt_token": token, "resume": [point] * 1_001}]
    others = Bystander(server)
    for data in wrong:
        with Client(server.tcp) as client:
            seq_id = client.request("CONNECT", data)
            first = client.until_closed()[0]
            assert first["action"] == "CONNECT_ERROR" and first["seq_id"] == seq_id, (data, first)
            code = first["data"]["error_code"]
            assert code in ("INVALID_DATA", "INVALID_TOKEN"), (data, first)
            if data.get("jwt_token"):
                assert code == "INVALID_DATA" or data["jwt_token"] != token, (data, first)
    others.check("wrong CONNECTs")
    others.end()


@scenario()
def an_epoch_that_is_none_recovers_nothing(server):
    with server.client(123) as client:
        room = server.room()
        client.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    for epoch in ("", "xyz", "0" * 15, "0" * 17, "X" * 16, "가"):
        with server.client(123, resume=[{"chatroom_id": room, "seq": 0, "epoch": epoch}]) as client:
            assert client.rooms[room]["recovered"] is False, (epoch, client.rooms)


@scenario()
def numbers_beyond_every_type(server):
    with server.client(123) as client:
        for text in (b"9223372036854775808", b"-9223372036854775809", b"1e400", b"1" * 5_000, b"0.1e-99999", b"1e18"):
            client.send_raw(b'{"action":"JOIN_ROOM","seq_id":"s","data":{"chatroom_id":' + text + b"}}")
            error = client.expect("ERROR")
            assert error["error_code"] == "INVALID_DATA", (text[:40], error)
        for number in (2**63 - 1, -(2**63), 0, -1):
            error = client.refused("JOIN_ROOM", {"chatroom_id": number})
            assert error["error_code"] in ("ROOM_NOT_FOUND", "INVALID_DATA"), (number, error)


@scenario()
def too_large_but_well_formed(server):
    room = server.room()
    others = Bystander(server)
    with server.client(123) as client:
        client.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
        post = {"chatroom_id": room, "content": "x", "message_type": "text"}
        fits = {"x": "y" * (4096 - len('{"x":""}'))}
        client.ask("SEND_MESSAGE", {**post, "metadata": fits}, expect="NEW_MESSAGE")
        client.refused("SEND_MESSAGE", {**post, "metadata": {"x": "y" * 5_000}}, "MESSAGE_TOO_LARGE")
        client.refused("SEND_MESSAGE", {**post, "content": "y" * 60_000}, "MESSAGE_TOO_LARGE")
    others.check("large fields")
    others.end()
