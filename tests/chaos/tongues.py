"""One way to speak for clients of four protocols: what is asked is put in each one's words, what is heard in one set of ours.

What is heard: `("deliver", how, [message])`, `("ack", reference, seq, message_id)`, `("nack", reference, code)`,
`("page", reference, [message], has_more)`, `("joined", reference, seq, epoch)`, `("left", reference)`, `("gone", room)` (the user has left it), `("bye",)`. A message
is `(room, seq, message_id, sender, content)`.
"""

from client import Client, Unexpected
from eio import SocketioType, WsLine
from ws import ActionWsClient, TypeClient


class Action:
    """Objects with an action."""

    @staticmethod
    def told(message):
        return (
            message["chatroom_id"], message["seq"], message["message_id"], message["sender"]["user_id"], message["content"],
        )

    def sign_in(self, token, resume):
        asked = [{"chatroom_id": room, "seq": seq, "epoch": epoch} for room, (seq, epoch) in resume.items()]
        answer = self.client.connect(token, **({"resume": asked} if asked else {}))
        return {room["chatroom_id"]: room for room in answer["rooms"]}

    def send(self, room, key, content):
        fields = {"chatroom_id": room, "content": content, "message_type": "text", "client_message_id": key}
        return self.client.request("SEND_MESSAGE", fields)

    def page(self, room, after):
        return self.client.request("GET_MESSAGES", {"chatroom_id": room, "after_seq": after, "limit": 200})

    def join(self, room):
        return self.client.request("JOIN_ROOM", {"chatroom_id": room})

    def leave(self, room):
        return self.client.request("LEAVE_ROOM", {"chatroom_id": room})

    def ping(self):
        self.client.request("PING")

    def hear(self, deadline):
        """What the next frame says, if it says anything; None when the deadline has passed."""
        frame = self.client.inbox.pop(0) if self.client.inbox else self.client.receive(deadline)
        if frame is None:
            return None
        action, data, reference = frame["action"], frame["data"], frame["seq_id"]
        if action == "NEW_MESSAGE":
            heard = []
            if reference and reference.startswith("send_message_"):
                heard.append(("ack", reference, data["seq"], data["message_id"]))
            # With the client's own id it answers a repeat, and is no event.
            if "client_message_id" not in data:
                heard.append(("deliver", "live", [self.told(data)]))
            return heard
        if action == "BATCH_MESSAGES":
            messages = [self.told(message) for message in data["messages"]]
            if reference and reference.startswith("get_messages_"):
                return [("page", reference, messages, data["has_more"])]
            return [("deliver", "missed", messages)]
        if action == "JOIN_ROOM_SUCCESS":
            return [("joined", reference, data["seq"], data["epoch"])]
        if action == "LEAVE_ROOM_SUCCESS":
            return [("left", reference)]
        if action == "USER_LEFT" and data["user_id"] == self.client.user_id:
            return [("gone", data["chatroom_id"])]
        if action == "ERROR":
            return [("nack", data.get("original_seq_id"), data["error_code"])]
        if action in ("SERVER_SHUTDOWN", "SESSION_CLOSED", "CONNECT_ERROR"):
            return [("bye",)]
        return []


class ActionTcp(Action):
    def __init__(self, node):
        self.client = Client(node.tcp)


class ActionWs(Action):
    def __init__(self, node):
        self.client = ActionWsClient(node.http)


class Type:
    """Objects with a type; rooms without a name are called by their number, users without a handle by theirs."""

    def __init__(self, node):
        self.client = TypeClient(node.http)

    @staticmethod
    def told(message):
        return int(message["room"]), message["seq"], message["message_id"], int(message["user_id"]), message["text"]

    def sign_in(self, token, resume):
        asked = [{"room": str(room), "seq": seq, "epoch": epoch} for room, (seq, epoch) in resume.items()]
        answer = self.client.connect(token, **({"resume": asked} if asked else {}))
        return {room["room_id"]: room for room in answer["rooms"]}

    def send(self, room, key, content):
        return self.client.request("chat.message", {"room": str(room), "text": content, "client_message_id": key})

    def page(self, room, after):
        return self.client.request("room.history", {"room": str(room), "after_seq": after, "limit": 200})

    def join(self, room):
        return self.client.request("room.join", {"room": str(room)})

    def leave(self, room):
        return self.client.request("room.leave", {"room": str(room)})

    def ping(self):
        self.client.request("ping")

    def hear(self, deadline):
        frame = self.client.inbox.pop(0) if self.client.inbox else self.client.receive(deadline)
        if frame is None:
            return None
        kind, data, reference = frame["type"], frame.get("data"), frame.get("ref_id")
        if kind == "chat.message":
            return [("deliver", "live", [self.told(data)])]
        if kind == "chat.ack":
            return [("ack", reference, data["seq"], data["message_id"])]
        if kind == "room.messages":
            messages = [self.told(message) for message in data["messages"]]
            return [("page", reference, messages, data["has_more"]) if reference else ("deliver", "missed", messages)]
        if kind == "room.joined":
            return [("joined", reference, data["seq"], data["epoch"])]
        if kind == "room.left":
            return [("left", reference)]
        if kind == "user.left" and data["user_id"] == self.client.handle:
            return [("gone", int(data["room"]))]
        if kind == "error":
            return [("bye",)] if frame.get("reconnect") else [("nack", reference, frame["code"])]
        if kind in ("system.shutdown", "(disconnected)", "(refused)"):
            return [("bye",)]
        if kind == "ping":
            self.client.tell("pong")
        return []


class Socketio(Type):
    """The type protocol as events of Socket.IO, over WebSocket."""

    def __init__(self, node):
        self.client = SocketioType(WsLine(node.http), acks=False)


TONGUES = {"action": ActionTcp, "action-ws": ActionWs, "type": Type, "socketio": Socketio}
# What says that a connection is of no use any more, whoever notices.
LOST = (OSError, Unexpected)
