"""python-socketio, told what to do: one JSON object a line on stdin, what happens on stdout.

    python3 driver.py PACKAGES

PACKAGES is the folder in which one version is installed. Commands are {"do", "as", ..}: `as` names a client.
"""

import json
import sys
import threading

sys.path.insert(0, sys.argv[1])

import engineio  # noqa: E402
import socketio  # noqa: E402

RECENT = hasattr(socketio.Client, "_handle_connect") and "auth" in socketio.Client.connect.__code__.co_varnames
CLIENTS = {}
MOUTH = threading.Lock()


def tell(name, told, **fields):
    line = json.dumps({"as": name, "told": told, **fields}, default=repr)
    with MOUTH:
        print(line, flush=True)


class Engine(engineio.Client):
    """The library hears each packet in a thread of its own, in any order; here they are heard as they come."""

    def _trigger_event(self, event, *args, **options):
        return super()._trigger_event(event, *args, **{**options, "run_async": False})


class Client(socketio.Client):
    """Everything that happens passes `_trigger_event`, whatever it is called."""

    def __init__(self, name, namespace):
        super().__init__(reconnection_delay=0.05, reconnection_delay_max=0.2, randomization_factor=0)
        self.name, self.its_namespace = name, namespace

    def _engineio_client_class(self):
        return Engine

    def _trigger_event(self, event, namespace, *args):
        if namespace == self.its_namespace:
            if event == "connect":
                tell(self.name, "connected", sid=self.sid, recovered=None, transport=self.transport())
            elif event == "disconnect":
                tell(self.name, "disconnected", reason=args[0] if args else None)
            elif event == "connect_error":
                refused(self.name, args[0] if args else None)
            elif not event.startswith("__"):
                tell(self.name, "event", event=event, args=args)
        return super()._trigger_event(event, namespace, *args)


def refused(name, error):
    parts = error if isinstance(error, dict) else {"message": error}
    message = str(parts.get("message"))
    # What the library says itself of a server that is not there is no refusal.
    own = any(words in message for words in ("refused by the server", "Connection error", "HTTPConnectionPool"))
    tell(name, "refused", message=message, data=parts.get("data"), refusal=not own)


def connect(command):
    name, namespace = command["as"], command["namespace"]
    client = CLIENTS[name] = Client(name, namespace)
    url = command["url"] + ("?" + command["query"] if command.get("query") else "")
    more = {"auth": command.get("auth"), "wait": False} if RECENT else {}
    try:
        client.connect(
            url, headers=command.get("headers") or {}, transports=command["transports"], namespaces=[namespace], **more
        )
    except socketio.exceptions.ConnectionError as error:
        refused(name, str(error))
        return
    if len(command["transports"]) > 1 and client.transport() == "websocket":
        tell(name, "upgraded", transport="websocket")


def emit(command):
    client = CLIENTS[command["as"]]
    callback = None
    if "ack" in command:
        def callback(*args):
            tell(command["as"], "ack", ack=command["ack"], args=args)

    client.emit(command["event"], tuple(command["args"]), namespace=client.its_namespace, callback=callback)


def attach(command):
    *others, last = command["args"]
    emit({**command, "args": [*others, {**last, "file": bytes([7]) * command["size"]}]})


def transport(command):
    tell(command["as"], "transport", transport=CLIENTS[command["as"]].transport())


def disconnect(command):
    # In a thread, for it may wait for the poll that is under way.
    threading.Thread(target=end, args=(CLIENTS[command["as"]],), daemon=True).start()


def end(client):
    try:
        client.disconnect()
    except AttributeError:
        pass  # Its library stumbles over a connection that was never made.


COMMANDS = {"emit": emit, "attach": attach, "transport": transport, "disconnect": disconnect}

for line in sys.stdin:
    command = json.loads(line)
    if command["do"] == "connect":
        threading.Thread(target=connect, args=(command,), daemon=True).start()
    else:
        COMMANDS[command["do"]](command)
# Its threads are not waited for: who told it what to do is gone.
sys.stdout.flush()
import os  # noqa: E402

os._exit(0)
