"""`make cluster`: PostgreSQL, a backplane and three nodes on this machine, to play with; Ctrl-C ends all of it."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import install
from servers import KINDS, LOOPBACK, STOP_S, Postgres, dying_with_us, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODES = 3
# Where people look first; others if somebody is there.
HTTP, TCP = 8_001, 12_351
READY_S = 60
NAMES = {"nats": "NATS", "redis": "Redis"}
# Who is there from the beginning, all of them members of one room.
USERS = (("hana", "하나"), ("duri", "두리"), ("sena", "세나"))
ROOM = "general"


def wanted(port):
    """This port if it is free, else another."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return free_port()
    return port


class Node:
    """One of the three, with its log in a file."""

    def __init__(self, number, home, options):
        self.name, self.folder = f"node-{number}", home / f"node-{number}"
        self.log = home / f"node-{number}.log"
        command = [options.binary, "serve", "--node-id", self.name, "--data-dir", self.folder]
        command += ["--http", f"{LOOPBACK}:{wanted(HTTP + number - 1)}", "--tcp", f"{LOOPBACK}:{wanted(TCP + number - 1)}"]
        command += ["--catalogue", ROOT / "docs" / "catalogue.example.toml"]
        environ = {**os.environ, "BONGSU_STORE": options.store, "BONGSU_BUS": options.bus_url}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                env=environ, start_new_session=True, preexec_fn=dying_with_us(signal.SIGTERM),
            )
        line = self.process.stdout.readline()
        if not line:
            raise install.Missing(f"{self.name} does not start:\n{self.log.read_text(errors='replace')[-2_000:]}")
        ready = json.loads(line)
        self.http, self.tcp = ready["http"], ready["tcp"]

    def end(self):
        self.process.terminate()


def keys(home, binary):
    """One key for all nodes: whoever holds a token of one may come to any."""
    first = home / "node-1"
    subprocess.run([binary, "token", "--sub", "1", "--data-dir", first], check=True, stdout=subprocess.DEVNULL, timeout=READY_S)
    for number in range(2, NODES + 1):
        folder = home / f"node-{number}"
        folder.mkdir(mode=0o700)
        shutil.copy(first / "signing-key.pem", folder)


def furnished(node, binary):
    """Makes the users and the room that there is to try things with, once for all nodes: they are in the store."""

    def bongsu(*words):
        command = [binary, *words, "--data-dir", node.folder, "--url", f"http://{node.http}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=READY_S)
        if done.returncode:
            raise install.Missing(f"bongsu {' '.join(words)}: {done.stderr or done.stdout}")

    members = []
    for number, (handle, nickname) in enumerate(USERS, 1):
        bongsu("user", "create", "--id", str(number), "--handle", handle, "--nickname", nickname)
        members += ["--member", str(number)]
    bongsu("room", "create", "--name", ROOM, "--visibility", "open", *members)


def told(nodes, postgres, backplane, options):
    """What there is, and what to try."""
    one, two, three = nodes
    bongsu = os.path.relpath(options.binary)
    folder = f"--data-dir {one.folder}"
    print(f"\nThree nodes on PostgreSQL ({postgres.url}) and {NAMES[options.bus]} ({backplane.url}):\n")
    for node in nodes:
        print(f"  {node.name}  http://{node.http}  action protocol {node.tcp}  log {node.log}")
    print(f"""
Try, in other terminals:

  a message from node 1 to node 3
    {bongsu} tail {folder} --url http://{three.http} --room {ROOM} --as sena
    {bongsu} send {folder} --url http://{one.http} --room {ROOM} --as hana "hello"

  a device on node 2, commanded through node 1
    {bongsu} device simulate {folder} --url ws://{two.http}/device --device car-1234
    {bongsu} command {folder} --url http://{one.http} car-1234 window.set position=open

  a node that dies: both go on, and the others miss it after 15 s
    kill -9 {two.process.pid}
    curl -s http://{one.http}/api/v1/nodes -H "Authorization: Bearer $({bongsu} token {folder} --sub me --role admin)"

Ctrl-C ends all of it, and nothing is kept.""", flush=True)


def run(options, home, started):
    """Starts all of it, and stays until it is told to end or a server ends by itself."""
    postgres = Postgres(durable=True)
    started.append(postgres)
    backplane = KINDS[options.bus]()
    started.append(backplane)
    options.store, options.bus_url = postgres.url, backplane.url
    keys(home, options.binary)
    nodes = []
    for number in range(1, NODES + 1):
        nodes.append(Node(number, home, options))
        started.append(nodes[-1])
    furnished(nodes[0], options.binary)
    told(nodes, postgres, backplane, options)
    while postgres.process.poll() is None and backplane.process.poll() is None:
        if all(node.process.poll() is not None for node in nodes):
            print("every node has ended", file=sys.stderr)
            return 1
        time.sleep(1)
    print("a server has ended under the nodes", file=sys.stderr)
    return 1


def main(argv):
    parser = argparse.ArgumentParser(description="Three nodes on this machine.")
    parser.add_argument("--binary", default=ROOT / "target/release/bongsu", type=pathlib.Path)
    parser.add_argument("--bus", default="nats", choices=NAMES)
    options = parser.parse_args(argv)
    if not options.binary.is_file():
        print(f"no server at {options.binary}: build it first, or name it with --binary", file=sys.stderr)
        return 2
    options.binary = options.binary.resolve()
    home, started = pathlib.Path(tempfile.mkdtemp(prefix="bongsu-cluster-")), []
    try:
        return run(options, home, started)
    except KeyboardInterrupt:
        return 0
    except install.Missing as wrong:
        print(wrong, file=sys.stderr)
        return 1
    finally:
        # Nodes first, all at once, so that they can say good-bye; then what they stand on.
        nodes = [each for each in started if isinstance(each, Node)]
        for node in nodes:
            node.end()
        for node in nodes:
            try:
                node.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                node.process.kill()
        for backing in reversed([each for each in started if not isinstance(each, Node)]):
            backing.end()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
