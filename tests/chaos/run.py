"""Breaks a cluster while clients use it, and has what they saw judged: `tests/chaos/run.py --bus nats --faults 100 --seed 7`."""

import argparse
import collections
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "cluster")]

import needs  # noqa: E402

# Whoever is not answered within this goes elsewhere: a frozen node keeps nobody.
PATIENCE_S = 3.0
BUSES = ("nats", "redis", "kafka")
# A new message after the storm is timed, so there must be some.
CALM_S = 6.0
QUIET_S = 45.0
MEMBERS_ONLY, WANDERED = 3, 1


def tell(text):
    print(text, flush=True)


class Plan:
    """What all clients of a run share."""

    def __init__(self, options, field, stage):
        self.seed, self.stage, self.nodes = options.seed, stage, field.nodes
        # Half of the pauses of one client: so many a second of all of them.
        self.pause_s = options.chatters * 1.5 / options.rate
        self.stay_s = options.stay
        self.left_open, self.why_lost = [], collections.Counter()

    def lost(self, why):
        """A connection is over: why, with what is different each time left out."""
        self.why_lost[re.sub(r"[0-9a-f]{8,}|\d+", "#", f"{type(why).__name__}: {why}")[:160]] += 1

    def somewhere(self, chance):
        return chance.choice(self.nodes)

    def leave_open(self, line):
        """A connection that nobody cares for any more."""
        self.left_open.append(line)
        del self.left_open[:-40]


def rooms_of(node, log, users, chance):
    """Makes users and rooms: two in three are in each room; the last room is the one that some leave and join."""
    for user in users:
        node.call("POST", "/api/v1/users", {"user_id": user, "nickname": f"user{user}"}, want=201)
    rooms = []
    for number in range(MEMBERS_ONLY + WANDERED):
        members = [user for user in users if chance.random() < 0.67] or users[:1]
        room = node.room(visibility="open", members=members)
        rooms.append(room)
        for user in members:
            log("join", room=room, user=user, seq=0)
    return rooms


def cast(options, plan, field, folder):
    """All clients, in their threads; and what the dump is to be of."""
    from cars import Caller, Car
    from chatters import Chatter
    from record import Log
    from tongues import TONGUES

    node, chance = field.nodes[0], random.Random(f"{options.seed} cast")
    shared = options.chatters // 6
    users = list(range(1, options.chatters - shared + 1))
    operator = Log(folder, "operator")
    rooms = rooms_of(node, operator, users, chance)
    operator.close()
    threads = []
    for number in range(options.chatters):
        name, user = f"chatter-{number}", users[number % len(users)]
        # Who has two devices stays a member, so that each knows what the other may hear.
        alone = shared <= number < len(users)
        threads.append(Chatter(
            plan, Log(folder, name), name=name, user=user, token=node.token(user, f"user{user}", ttl="12h"),
            tongue=list(TONGUES)[number % len(TONGUES)], rooms=rooms,
            wanders=rooms[-1] if alone and number % 3 == 0 else None,
        ))
    devices = [f"car-{number}" for number in range(options.cars)]
    for number, device in enumerate(devices):
        token = node.token(device, role="device", ttl="12h")
        transport = ("json", "proto")[number % 2]
        threads.append(Car(plan, Log(folder, device), name=device, token=token, transport=transport))
    for number in range(options.callers):
        name = f"caller-{number}"
        token = node.token(name, role="service", ttl="12h")
        threads.append(Caller(plan, Log(folder, name), name=name, token=token, devices=devices))
    return threads, rooms, devices


def settles(threads, field, rooms, seconds):
    """Waits until nobody waits for anything, and everybody has everything, as far as they know."""
    from chatters import Chatter

    deadline, heads = time.monotonic() + seconds, {}
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if not all(thread.is_done for thread in threads if thread.is_alive()):
            continue
        try:
            heads = {room: field.nodes[0].call("GET", f"/api/v1/rooms/{room}", want=200)[1]["seq"] for room in rooms}
        except (OSError, AssertionError):
            continue
        behind = [
            thread.name for thread in threads if isinstance(thread, Chatter)
            and any(seq != heads.get(room) for room, (seq, _) in list(thread.places.items()))
        ]
        if not behind:
            return
    waiting = [thread.name for thread in threads if not thread.is_done]
    tell(f"== chaos: not calm after {seconds:.0f} s; waiting: {waiting}")


def commands_end(field, devices, seconds):
    """Waits until no command is open: each has its time to end in."""
    from dump import pages

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        states = [command["state"] for device in devices
                  for command in pages(field.nodes[0], f"/api/v1/devices/{device}/commands", "commands")]
        if not {"accepted", "routed", "written", "received", "in_progress"} & set(states):
            return
        time.sleep(0.5)


def once(options, folder):
    """One run; the exit code."""
    import dump
    from faults import Storm, schedule
    from field import Field
    from record import Log, Stage

    began, stage = time.monotonic(), Stage()
    faults = schedule(options.seed, options.faults, options.nodes if options.bus else 1, options.only, bool(options.bus))
    field, failed = Field(options.bus, options.nodes), []
    try:
        plan = Plan(options, field, stage)
        threads, rooms, devices = cast(options, plan, field, folder)
        for thread in threads:
            thread.start()
        chaos = Log(folder, "chaos")
        Storm(field, chaos, tell if options.verbose else lambda _: None).rages(faults)
        chaos.close()
        stage.to("calm")
        field.whole()
        time.sleep(CALM_S)
        stage.to("quiet")
        settles(threads, field, rooms, QUIET_S)
        stage.to("rest")
        for thread in threads:
            thread.join(20)
        commands_end(field, devices, 20)
        dump.written(folder / "dump.jsonl", field.nodes[0], rooms, devices)
        failed = [f"{thread.name}: {thread.failed!r}" for thread in threads if thread.failed or thread.is_alive()]
        for line, times in field.complaints().most_common(20):
            tell(f"== chaos: in the log, {times} times: {line}")
        for why, times in plan.why_lost.most_common(12) if options.verbose else ():
            tell(f"{times:6} connections over: {why}")
        if options.keep:
            for node in field.nodes:
                shutil.copy(node.log.name, folder / f"{node.name}.log")
    finally:
        stage.changed.set()
        field.end()
    for line in failed:
        tell(f"== chaos: FAILED {line}")
    files = sorted(str(file) for file in folder.glob("*.jsonl"))
    done = subprocess.run([str(options.judge), "check", *files], text=True, capture_output=True)
    tell(done.stdout.strip() or done.stderr.strip())
    code = max(done.returncode, bool(failed))
    tell(f"== chaos on {options.bus or 'one node'}, seed {options.seed}, {options.faults} faults: "
         f"{'FAILED' if code else 'passed'} in {time.monotonic() - began:.0f} s")
    return code


def options_of(argv):
    target = HERE.parent.parent / "target/debug"
    parser = argparse.ArgumentParser(description="Real clients, real servers, and all that can go wrong between them.")
    parser.add_argument("--binary", default=target / "bongsu", type=pathlib.Path)
    parser.add_argument("--judge", type=pathlib.Path, help="bongsu-sim; beside the binary")
    parser.add_argument("--bus", choices=BUSES, help="the backplane; without one, a single node on its own file")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--faults", type=int, default=10)
    parser.add_argument("--only", action="append", help="this kind of faults; may be given again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chatters", type=int, default=20)
    parser.add_argument("--cars", type=int, default=6)
    parser.add_argument("--callers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=60.0, help="messages a second")
    parser.add_argument("--stay", type=float, default=12.0, help="seconds that a client stays on a node, about")
    parser.add_argument("--log", type=pathlib.Path, help="where the history goes; beside the binary's folder")
    parser.add_argument("--keep", action="store_true", help="keep the history, and the logs of the nodes")
    parser.add_argument("--verbose", action="store_true", help="say each fault")
    parser.add_argument("--work", type=pathlib.Path, help="where what is installed goes; beside the binary's folder")
    options = parser.parse_args(argv)
    options.binary = options.binary.resolve()
    options.judge = options.judge or options.binary.parent / "bongsu-sim"
    for binary in (options.binary, options.judge):
        if not binary.is_file():
            parser.error(f"there is no {binary}: build it first")
    return options


def main(argv):
    options = options_of(argv)
    beside = options.binary.parent.parent
    needs.folder = (options.work or beside / "e2e").resolve()
    needs.python_packages()
    needs.grpc()
    for module in ("client", "ws", "eio", "device"):
        __import__(module)
        sys.modules[module].WAIT_S = PATIENCE_S
    from server import Server

    Server.binary = str(options.binary)
    folder = options.log or beside / "chaos" / f"{options.bus or 'one'}-{options.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    code = once(options, folder)
    if code == 0 and not options.keep:
        shutil.rmtree(folder)
    elif code:
        tell(f"== chaos: the history is in {folder}")
    return code


if __name__ == "__main__":
    # Ended from outside, it still ends the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
