"""A display as somebody writes it who has read the guide and nothing else: python-socketio, threads, Popen with a shell.

    python3 display.py PACKAGES --server URL --name NAME [--transport polling|websocket] [--namespace /switchboard] ...

PACKAGES is the folder in which one version of python-socketio is installed. What happens is told as JSON lines on stdout.
The times are the guide's unless they are given: nobody waits half a minute for a heartbeat in a test.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("packages")
    parser.add_argument("--server", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--ip", default="127.0.0.1")
    parser.add_argument("--namespace", default="/")
    parser.add_argument("--transport", choices=("polling", "websocket"))
    parser.add_argument("--heartbeat", type=float, default=30.0)
    parser.add_argument("--report", type=float, default=20.0, help="how often the processes are reported")
    parser.add_argument("--watch", type=float, default=10.0, help="how often the connection is looked at")
    parser.add_argument("--again", type=float, default=5.0, help="after which time it registers again that was refused")
    parser.add_argument("--delay-max", type=float, default=30.0, help="of the library's own reconnecting")
    return parser.parse_args()


OPTIONS = options()
sys.path.insert(0, OPTIONS.packages)

import socketio  # noqa: E402

MOUTH = threading.Lock()
GRACE_S = 5


def tell(event, /, **fields):
    with MOUTH:
        print(json.dumps({"type": event, "data": fields}, default=repr), flush=True)


class Display:
    def __init__(self, chosen):
        self.chosen, self.name, self.namespace = chosen, chosen.name, chosen.namespace
        self.began = time.time()
        self.registered, self.goes_on, self.reconnecting = False, True, threading.Lock()
        self.programs, self.lock = {}, threading.Lock()
        self.beating = None
        self.sio = socketio.Client(
            reconnection=True,
            reconnection_attempts=0,
            reconnection_delay=min(1, chosen.delay_max),
            reconnection_delay_max=chosen.delay_max,
            randomization_factor=0.5,
        )
        listens = {
            "connect": self.connected, "disconnect": self.disconnected, "registration_success": self.is_registered,
            "registration_failed": self.is_not_registered, "heartbeat_response": self.beat_answered,
            "connection_check": self.checked, "execute_command": self.execute, "stop_command": self.stop,
            "server_shutdown": self.shut_down,
        }  # fmt: skip
        for event, handler in listens.items():
            self.sio.on(event, handler, namespace=self.namespace)

    def emit(self, event, fields):
        self.sio.emit(event, fields, namespace=self.namespace)

    # The connection

    def connect(self):
        """Whether the server was there."""
        more = {"transports": [self.chosen.transport]} if self.chosen.transport else {}
        try:
            self.sio.connect(self.chosen.server, namespaces=[self.namespace], **more)
            return True
        except Exception as error:
            tell("(no connection)", error=str(error))
            return False

    def connected(self, *_):
        tell("(connected)", transport=self.sio.transport())
        self.register()

    def disconnected(self, *_):
        self.registered = False
        tell("(disconnected)")

    def reconnect(self):
        # The thread that watches and whoever was told to come back must not do it both at once.
        if not self.reconnecting.acquire(blocking=False):
            return
        try:
            if self.sio.connected:
                self.sio.disconnect()
            self.registered = False
            if self.connect():
                self.emit("reconnection_success", {"clientName": self.name, "timestamp": time.time()})
                tell("(reconnected)")
        except Exception as error:
            tell("(no connection)", error=str(error))
        finally:
            self.reconnecting.release()

    def watch(self):
        while self.goes_on:
            time.sleep(self.chosen.watch)
            if self.goes_on and not self.sio.connected:
                self.reconnect()

    # Registration and heartbeats

    def register(self):
        try:
            self.emit("register_client", {
                "name": self.name, "clientType": "python", "ip_address": self.chosen.ip, "version": "2.0",
                "capabilities": ["unreal_engine", "file_transfer"], "timestamp": time.time(),
            })  # fmt: skip
        except Exception as error:
            tell("(not said)", error=str(error))
            self.later(self.chosen.again, self.register)

    def is_registered(self, told):
        self.registered = True
        tell("registration_success", **told)
        if self.beating is None:
            self.beating = self.in_thread(self.beat)

    def is_not_registered(self, told):
        self.registered = False
        tell("registration_failed", **told)
        self.later(self.chosen.again, self.register)

    def beat(self):
        while self.goes_on:
            try:
                if self.sio.connected and self.registered:
                    self.emit("heartbeat", {
                        "clientName": self.name, "ip_address": self.chosen.ip, "timestamp": time.time(),
                        "status": "online", "uptime": time.time() - self.began, "process_count": len(self.running()),
                    })  # fmt: skip
            except Exception as error:
                tell("(not said)", error=str(error))
            time.sleep(self.chosen.heartbeat)

    def beat_answered(self, told):
        tell("heartbeat_response", **told)
        if told["status"] != "ok" and told.get("shouldReconnect"):
            self.reconnect()

    def checked(self, told):
        tell("connection_check", **told)
        self.emit("connection_check_response", {
            "clientName": self.name, "timestamp": time.time(), "status": "alive", "received_at": told.get("timestamp"),
        })  # fmt: skip

    # Programs

    def running(self):
        with self.lock:
            self.programs = {preset: it for preset, it in self.programs.items() if it[0].poll() is None}
            return dict(self.programs)

    def execute(self, told):
        tell("execute_command", **told)
        if told.get("clientName") != self.name:
            return
        command, preset = told.get("command"), told.get("presetId")
        try:
            self.reports("starting", preset)
            process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with self.lock:
                self.programs[preset] = (process, time.time())
            self.reports("running", preset, pid=process.pid, command=command, start_time=time.time())
            # Nobody reads what it writes if nobody waits for it.
            self.in_thread(process.communicate)
        except Exception as error:
            self.reports("failed", preset, error=str(error))

    def reports(self, status, preset, **details):
        tell("(said)", status=status, preset=preset, details=details)
        self.emit("execution_result", {
            "clientName": self.name, "status": status, "presetId": preset, "timestamp": time.time(), "details": details,
        })  # fmt: skip

    def stop(self, told):
        tell("stop_command", **told)
        if told.get("clientName") != self.name:
            return
        if program := self.running().get(told.get("presetId")):
            end(program[0])

    def report(self):
        while self.goes_on:
            time.sleep(self.chosen.report)
            try:
                if self.sio.connected and self.registered:
                    running = [
                        {"preset_id": preset, "pid": process.pid, "uptime": time.time() - began}
                        for preset, (process, began) in self.running().items()
                    ]
                    self.emit("process_status", {
                        "clientName": self.name, "running_process_count": len(running), "running_processes": running,
                        "status": "running" if running else "online", "timestamp": time.time(),
                    })  # fmt: skip
            except Exception as error:
                tell("(not said)", error=str(error))

    # The end

    def shut_down(self, told):
        tell("server_shutdown", **told)
        self.later(told.get("reconnectAfter", 5000) / 1000, self.reconnect)

    def start(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.leave())
        self.connect()
        self.in_thread(self.watch)
        self.in_thread(self.report)
        while True:
            time.sleep(1)

    def leave(self):
        self.goes_on = False
        for process, _ in self.running().values():
            end(process)
        if self.sio.connected:
            self.sio.disconnect()
        tell("(left)")
        sys.exit(0)

    @staticmethod
    def in_thread(function):
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        return thread

    @staticmethod
    def later(seconds, function):
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.start()


def end(process):
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    Display(OPTIONS).start()
