"""Displays: programs written to the guide, each of them a process that is told nothing more; and `Screen`, by hand.

Nothing of it outlives its scenario: a display is the leader of a process group, in which its programs are, too.
"""

import http.client
import itertools
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

import needs
from client import WAIT_S, Closed, Inbox, Unexpected, brief
from eio import Socketio
from server import wait_until

GUIDE = pathlib.Path(__file__).resolve().parent / "socketio" / "display.py"
numbers = itertools.count(1)


def fresh():
    """A display's name that nobody has used."""
    return f"Display_{next(numbers):02}"


class Group:
    """A process and whatever it starts, in a group of its own that ends as a whole."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, start_new_session=True, **options
        )

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        """To the process alone."""
        self.process.send_signal(number)

    def freeze(self):
        self.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(self.pid) == "T", "its being frozen")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """As a crash does: the process alone."""
        self.process.kill()
        self.process.wait()

    def ended(self, seconds=WAIT_S):
        """Its exit code."""
        return self.process.wait(seconds)

    def end(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Guide(Group, Inbox):
    """A display as the guide has it: what it hears and does are frames."""

    KIND = "type"

    def __init__(self, port, name=None, *, engine=4, **times):
        """`times`: options of the program, such as `heartbeat=0.2` or `transport="polling"`."""
        Inbox.__init__(self)
        self.name, self.told = name or fresh(), queue.Queue()
        command = [sys.executable, GUIDE, needs.socketio_python(engine)]
        command += ["--server", f"http://127.0.0.1:{port}", "--name", self.name]
        for option, value in times.items():
            command += [f"--{option.replace('_', '-')}", value]
        Group.__init__(self, command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.told.put(json.loads(line))
        self.told.put(None)

    def receive(self, deadline):
        try:
            told = self.told.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if told is None:
            raise Closed(f"{self.name} has ended")
        return told

    def receive_all(self):
        """Keeps what has come."""
        while (frame := self.receive(time.monotonic())) is not None:
            self.inbox.append(frame)

    def registered(self, wait=WAIT_S):
        return self.expect("registration_success", wait, clientName=self.name)


class Screen(Socketio):
    """A display by hand, on any line, in either namespace."""

    def __init__(self, line, name=None, namespace="/switchboard", auth=None):
        super().__init__(line, namespace, auth)
        self.name = name or fresh()

    def understood(self, packet):
        if self.namespace != "/" and packet[0] in "124" and packet[1:2] != "/":
            # Version 3 enters `/` unasked, where a display's token signs nobody in; and who is nobody yet, or ends, is told so there.
            return {"type": "(in /)", "data": {}, "args": []}
        return super().understood(packet)

    def entered(self):
        if self.line.engine == 3 and self.namespace == "/":
            self.expect("(connected)")
        else:
            self.take(lambda frame: frame["type"] == "(connected)", "its namespace")
        return self

    def registration(self, **fields):
        return {"name": self.name, "clientType": "by hand", "ip_address": "127.0.0.1", "version": "1",
                "capabilities": [], "timestamp": time.time(), **fields}  # fmt: skip

    def register(self, **fields):
        self.emit("register_client", self.registration(**fields))
        answer = self.take(lambda it: it["type"] in ("registration_success", "registration_failed"), "its registration")
        if answer["type"] != "registration_success":
            raise Unexpected(f"{self.name}: {brief(answer)}")
        return answer["data"]

    def not_registered(self, wait=WAIT_S, **fields):
        """Registers, which must fail."""
        self.emit("register_client", self.registration(**fields))
        answer = self.take(
            lambda it: it["type"] in ("registration_success", "registration_failed"), "its registration", wait
        )
        if answer["type"] != "registration_failed":
            raise Unexpected(f"{self.name}: {brief(answer)}")
        return answer["data"]

    def beat(self, name=None, **fields):
        self.emit("heartbeat", {
            "clientName": name or self.name, "ip_address": "127.0.0.1", "timestamp": time.time(), "status": "online",
            "uptime": 12.5, "process_count": 0, **fields,
        })  # fmt: skip
        return self.expect("heartbeat_response")

    def alive(self, check, name=None):
        self.emit("connection_check_response", {
            "clientName": name or self.name, "timestamp": time.time(), "status": "alive",
            "received_at": check["timestamp"],
        })  # fmt: skip

    def execution(self, status, preset, name=None, **more):
        details = more.pop("details", {})
        return {"clientName": name or self.name, "status": status, "presetId": preset, "timestamp": time.time(),
                "details": details, **more}  # fmt: skip

    def says(self, status, preset, **more):
        self.emit("execution_result", self.execution(status, preset, **more))

    def reports(self, *running, name=None):
        """Which presets run."""
        running = [{"preset_id": preset, "pid": 4_000 + n, "uptime": 1.5} for n, preset in enumerate(running)]
        self.emit("process_status", {
            "clientName": name or self.name, "running_process_count": len(running), "running_processes": running,
            "status": "running" if running else "online", "timestamp": time.time(),
        })  # fmt: skip

    def runs(self, wait=WAIT_S):
        """Takes the next program and says that it runs; gives what it was told."""
        told = self.expect("execute_command", wait)
        self.says("starting", told["presetId"])
        self.says("running", told["presetId"], details={"pid": 4_711, "command": told["command"]})
        return told


class Call(threading.Thread):
    """A call of the HTTP API that is on its way."""

    def __init__(self, server, *call, **more):
        super().__init__(daemon=True)
        self.server, self.call, self.more, self.answer, self.took = server, call, more, None, None
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            self.answer = self.server.call(*self.call, **self.more)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.answer = (None, error)
        self.took = time.monotonic() - began

    def answered(self, status=200, wait=WAIT_S + 10):
        self.join(wait)
        if not self.answer or self.answer[0] != status:
            raise Unexpected(f"{self.call}: {self.answer}, not {status}")
        return self.answer[1]


# Processes of this machine

def state_of(pid):
    """The letter of a process's state; None if there is no such process."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(") ")[2][0]


def runs(pid):
    """Whether a process runs, and is not only waiting to be buried."""
    return state_of(pid) not in (None, "Z", "X")
