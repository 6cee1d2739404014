"""Devices, written from docs/protocols/device.md: JSON over WebSocket, Protobuf over WebSocket, Protobuf over gRPC.

Whatever carries them, frames are what JSON makes of them; a command is of the type `command`, a word on it of none. The
Protobuf is made from the contract by its own compiler, and gRPC's own library speaks HTTP/2: nothing here is the server's.
"""

import json
import queue
import threading
import time

import needs
from client import WAIT_S, Closed, Inbox, Unexpected, brief
from websockets.frames import OP_BINARY
from ws import Link

JSON, PROTO = "bongsu.device.json.v1", "bongsu.device.proto.v1"
TRANSPORTS = ("json", "proto", "grpc")


class Device(Inbox):
    """What devices do, whatever carries their frames."""

    KIND = "type"
    device_id = epoch = None

    @staticmethod
    def content(frame):
        return frame

    def tell(self, frame):
        """Sends one frame."""
        raise NotImplementedError

    # Out

    def begin(self, device_id, **fields):
        """The hello, whatever is answered."""
        self.device_id = device_id
        self.tell({"type": "hello", "device_id": device_id, **fields})

    def hello(self, device_id, **fields):
        """Comes, and gives the welcome."""
        self.begin(device_id, **fields)
        welcome = self.expect("welcome")
        if not welcome["session_id"].startswith("session_") or not welcome["epoch"] > 0:
            raise Unexpected(f"{brief(welcome)} is no welcome")
        self.epoch = welcome["epoch"]
        return welcome

    def say(self, command, status, **fields):
        """A word on a command."""
        self.tell({"reply_to": command["msg_id"], "status": status, "epoch": self.epoch, **fields})

    def does(self, cmd=None, result=None):
        """Takes the next command and carries it out; gives it."""
        command = self.command(cmd)
        self.say(command, "received")
        self.say(command, "ok", result=command["args"] if result is None else result)
        return command

    def report(self, state, version=None):
        self.tell({"type": "state.reported", "state": state, **({} if version is None else {"version": version})})

    def telemetry(self, **data):
        self.tell({"type": "telemetry", "data": data})

    def beat(self):
        """A heartbeat, and the answer to it."""
        clock = int(time.time() * 1_000)
        self.tell({"type": "heartbeat", "clock": clock})
        return self.expect("heartbeat", clock=clock)

    # In

    def command(self, cmd=None, wait=WAIT_S):
        """The next command."""
        command = self.expect("command", wait, **({"cmd": cmd} if cmd else {}))
        if command["epoch"] != self.epoch or not command["ttl_ms"] > 0 or not command["issued_at"] > 0:
            raise Unexpected(f"{brief(command)} in epoch {self.epoch}")
        return command

    def hears_nothing_but_heartbeats(self):
        """What waited for it comes between the answers to two heartbeats, as answers come first: it must be nothing."""
        self.beat()
        self.beat()
        if self.inbox:
            raise Unexpected(f"{self.device_id} has heard {self.latest()}")

    def understood(self, frame):
        if "type" not in frame:
            frame["type"] = "command" if "cmd" in frame else "?"
        return frame

    def closes(self, code, reconnect=None, reason=None):
        """All frames until the server ends the session like this; the last of them says why."""
        frames = self.until_closed()
        last = frames[-1] if frames else {}
        said = {"close_code": code, "reconnect": reconnect or last.get("reconnect"), "reason": reason or last.get("reason")}
        told = {name: last.get(name) for name in said}
        if last.get("type") != "closing" or told != said or self.close_code != code:
            raise Unexpected(f"ended with {self.close_code} after {brief(last)}, not with {said}")
        return frames


class WsDevice(Device, Link):
    """A device on a WebSocket."""

    SUBPROTOCOL = None

    def __init__(self, port, token=None, *, path="/device", named=True, headers=None, **options):
        if token is not None:
            headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        offered = [self.SUBPROTOCOL] if named else None
        Link.__init__(self, port, path=path, headers=headers, subprotocols=offered, **options)
        if self.protocol.subprotocol != (self.SUBPROTOCOL if named else None):
            raise Unexpected(f"the server speaks {self.protocol.subprotocol}")

    def closes(self, code, reconnect=None, reason=None):
        frames = Device.closes(self, code, reconnect, reason)
        if reconnect and self.close_reason != f"reconnect={reconnect}":
            raise Unexpected(f"closed with the reason {self.close_reason!r}, not reconnect={reconnect}")
        return frames

    def receive(self, deadline):
        message = self.message(deadline)
        return None if message is None else self.understood(message)


class JsonDevice(WsDevice):
    SUBPROTOCOL = JSON

    def tell(self, frame):
        self.send_text(json.dumps(frame, ensure_ascii=False))

    @staticmethod
    def read(whole):
        return json.loads(whole.decode("utf-8", "strict"))


class ProtoDevice(WsDevice):
    SUBPROTOCOL, OPCODE = PROTO, OP_BINARY

    def __init__(self, *args, **options):
        needs.grpc()
        super().__init__(*args, **options)

    def tell(self, frame):
        self.send_bytes(packet(frame).SerializeToString())

    def send_bytes(self, data):
        self.protocol.send_binary(data)
        self.send_raw(b"".join(self.protocol.data_to_send()))

    @staticmethod
    def read(whole):
        return unpacked(contract().WebSocketPacket.FromString(whole))


class GrpcDevice(Device):
    """A device on a stream of gRPC."""

    def __init__(self, port, token=None, *, credentials=None):
        needs.grpc()
        import grpc

        super().__init__()
        target, options = f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]
        if credentials:
            self.channel = grpc.secure_channel(target, credentials, options)
        else:
            self.channel = grpc.insecure_channel(target, options)
        self.out, self.told = queue.Queue(), queue.Queue()
        self.status = self.close_code = None
        connect = self.channel.stream_stream(
            "/bongsu.v1.DeviceGateway/Connect",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=contract().WebSocketPacket.FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token else None
        self.call = connect(iter(self.out.get, None), metadata=metadata)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        import grpc

        try:
            for message in self.call:
                self.told.put(unpacked(message))
            self.status = self.call.code()
        except grpc.RpcError as error:
            self.status = error.code()
        self.told.put(None)

    def tell(self, frame):
        if self.status is not None:
            raise Closed(f"ended with {self.status}")
        self.out.put(packet(frame))

    def receive(self, deadline):
        try:
            frame = self.told.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if frame is None:
            self.told.put(None)
            raise Closed(f"ended with {self.status}")
        if frame["type"] == "closing":
            self.close_code = frame["close_code"]  # The status behind it knows fewer.
        return self.understood(frame)

    def drop(self):
        self.call.cancel()
        self.channel.close()

    def close(self):
        self.out.put(None)
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


KINDS = {"json": JsonDevice, "proto": ProtoDevice, "grpc": GrpcDevice}


# Frames and packets

def contract():
    """The messages of the contract."""
    from bongsu.v1 import device_pb2

    return device_pb2


# How the fields of JSON's frames are named in the contract, where they are named otherwise.
PAYLOADS = {
    "hello": "hello", "heartbeat": "ping", "telemetry": "telemetry", "state.reported": "reported",
    "auth_update": "auth_update", "welcome": "welcome", "command": "command", "state.delta": "delta",
    "auth_updated": "auth_updated", "token_expiring": "token_expiring", "error": "error", "closing": "closing",
}  # fmt: skip
TYPES = {payload: kind for kind, payload in PAYLOADS.items()}


def value(plain):
    """A JSON value in the contract's form."""
    from bongsu.v1 import value_pb2

    if plain is None:
        return value_pb2.Value(null_value=True)
    if isinstance(plain, bool):
        return value_pb2.Value(bool_value=plain)
    if isinstance(plain, int):
        return value_pb2.Value(**{"int_value" if plain < 1 << 63 else "uint_value": plain})
    if isinstance(plain, float):
        return value_pb2.Value(double_value=plain)
    if isinstance(plain, str):
        return value_pb2.Value(string_value=plain)
    if isinstance(plain, list):
        return value_pb2.Value(list_value=value_pb2.ListValue(values=map(value, plain)))
    return value_pb2.Value(fields_value=value_pb2.Fields(fields=values(plain)))


def values(plain):
    return {name: value(one) for name, one in plain.items()}


def plain(message):
    """A JSON value from the contract's form."""
    kind = message.WhichOneof("kind")
    if kind is None:
        raise Unexpected("a value without a kind")
    if kind == "null_value":
        return None
    if kind == "list_value":
        return [plain(one) for one in message.list_value.values]
    if kind == "fields_value":
        return plains(message.fields_value.fields)
    return getattr(message, kind)


def plains(fields):
    return {name: plain(one) for name, one in fields.items()}


def packet(frame):
    """A device's frame as a packet."""
    made, frame = contract().WebSocketPacket(), dict(frame)
    if "reply_to" in frame:
        status = contract().ReplyStatus.Value(f"REPLY_STATUS_{frame.pop('status').upper()}")
        for name in ("result", "error"):
            if name in frame:
                frame[name] = value(frame[name])
        reply_to = bytes.fromhex(frame.pop("reply_to"))
        made.reply.CopyFrom(contract().CommandReply(reply_to=reply_to, status=status, **frame))
        return made
    payload = getattr(made, PAYLOADS[frame.pop("type")])
    payload.SetInParent()
    if (reported := frame.pop("reported", None)) is not None:
        payload.reported.SetInParent()
        for name, one in reported.items():
            payload.reported.fields[name].CopyFrom(value(one))
    for name in ("data", "state"):
        for key, one in frame.pop(name, {}).items():
            if name == "data" and key in payload.DESCRIPTOR.fields_by_name and isinstance(one, int | float):
                setattr(payload, key, one)
            else:
                getattr(payload, name)[key].CopyFrom(value(one))
    for number in frame.pop("running", []):
        payload.running.append(bytes.fromhex(number))
    for name in frame.pop("capabilities", []):
        payload.capabilities.append(name)
    for name, one in frame.items():
        setattr(payload, name, one)
    return made


def unpacked(message):
    """The frame that a packet of the gateway's is."""
    name = message.WhichOneof("payload")
    if name is None:
        raise Unexpected("a packet without a payload")
    payload, frame = getattr(message, name), {"type": TYPES[name]}
    for field in payload.DESCRIPTOR.fields:
        optional = field.message_type is not None and not field.is_repeated or field.has_presence
        if optional and not payload.HasField(field.name):
            continue
        one = getattr(payload, field.name)
        if field.name in ("args", "state"):
            one = plains(one)
        elif field.name == "delta":
            one = {"version": one.version, "state": plains(one.state)}
        elif field.name == "msg_id":
            one = one.hex()
        elif field.name == "reconnect":
            one = field.enum_type.values_by_number[one].name.removeprefix("RECONNECT_").lower()
        elif field.name == "attempt" and one == 0:
            continue
        frame[field.name] = one
    return frame
