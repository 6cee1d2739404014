"""A device in Java, with nothing but the language's own library."""

import hashlib
import pathlib
import queue
import shutil
import subprocess
import threading

import needs
from client import WAIT_S
from runner import scenario
from scenarios.device_commands import CLOSED, OPEN, command, ends
from scenarios.devices import COMMANDS, fresh

HERE = pathlib.Path(__file__).resolve().parents[1]
FILES = [HERE / "E2e.java", HERE / "E2eDevice.java"]
COMMANDS_EACH = 100


def classes():
    """The folder with the compiled classes."""
    javac = shutil.which("javac")
    if not javac or not shutil.which("java"):
        raise needs.Skipped("there is no JDK (java and javac, 17 or newer)")
    made_of = hashlib.sha256(b"".join(file.read_bytes() for file in FILES)).hexdigest()[:16]
    place = needs.folder / f"java-device-{made_of}"
    if not place.is_dir():
        needs.into(place, lambda partial: [javac, "-nowarn", "-d", str(partial), *map(str, FILES)])
    return place


class Java:
    """The device at work, and what it tells."""

    def __init__(self, server, device_id):
        path = str(classes())
        words = [str(server.http), device_id, server.token(device_id, role="device")]
        self.process = subprocess.Popen(
            [shutil.which("java"), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", path, "E2eDevice", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        self.told, self.kept = queue.Queue(), []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.told.put(line.split())
        self.told.put(["ended"])

    def expect(self, word):
        while True:
            told = self.told.get(timeout=WAIT_S)
            self.kept.append(told)
            if told[0] == word:
                return told
            assert told[0] != "ended", self.kept[-5:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@scenario(config=COMMANDS, fresh=True)
def a_java_device_does_each_command_once_over_a_crash(server):
    car = fresh()
    with Java(server, car) as device:
        first = int(device.expect("welcome")[1])
        made = []
        for n in range(COMMANDS_EACH):
            answer = command(server, car, args=OPEN if n % 2 else CLOSED, wait="done", want=200)
            assert answer["state"] == "succeeded" and answer["result"] == (OPEN if n % 2 else CLOSED), answer
            made.append(answer["command_id"])
        server.kill()
        device.expect("closed")
        server.start(same_ports=True)
        assert int(device.expect("welcome")[1]) > first
        answer = command(server, car, wait="done", want=200)
        ends(server, answer, "succeeded")
        made.append(answer["command_id"])
        with server.device(car, "json"):
            device.expect("replaced")
        assert device.process.wait(WAIT_S) == 0
        done = [told[1] for told in device.kept if told[0] == "did"]
        assert done == made, "each once, in order"
