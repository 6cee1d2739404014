"""What goes wrong when: a schedule from a seed, and how each fault is done and undone.

Invariant: a fault has ended when what it broke runs again; nothing is broken twice at once, and one node is left alone.
"""

import dataclasses
import heapq
import random
import time

from record import wall_ms

# What can happen: how often, and for how long, in seconds. `node`, `bus` and `store` say to what.
NODE = {"kill": (4, 0.3, 4.0), "freeze": (4, 1.0, 9.0), "drain": (2, 2.0, 5.0)}
BUS = {"bus-kill": (2, 0.3, 4.0), "bus-freeze": (2, 1.0, 9.0)}
NET = {"cut": (2, 0.5, 8.0), "hole": (1, 2.0, 12.0), "hole_out": (1, 2.0, 12.0), "hole_in": (1, 2.0, 12.0)}
STORE = {"store-kill": (2, 0.2, 2.0), "store-freeze": (1, 0.5, 4.0)}
# One in so many frozen nodes stays frozen for half a minute: others have long taken its place when it comes back.
ZOMBIE_IN, ZOMBIE_S = 8, 30.0
# A node that is told to end has done so by then, beyond its own time: what it waits for may be frozen.
DRAIN_S = 60.0


@dataclasses.dataclass(order=True)
class Fault:
    begins: float
    ends: float
    number: int
    kind: str
    target: int  # Of a node or its stretch of network; -1 for what all share.

    @property
    def what(self):
        at = f" node-{self.target + 1}" if self.target >= 0 else ""
        return f"{self.number} {self.kind}{at}"


def schedule(seed, count, nodes, only=None, shared=True, gap_s=(0.2, 3.0)):
    """So many faults. `shared`: there are a backplane and a store that can fail; `only`: the kinds that may be."""
    chance = random.Random(f"{seed} faults")
    kinds = {**NODE, **(BUS | NET | STORE if shared else {})}
    kinds = {kind: how for kind, how in kinds.items() if not only or kind in only}
    faults, now, busy = [], 1.0, {}
    while len(faults) < count:
        now += chance.uniform(*gap_s)
        kind = chance.choices(list(kinds), [how[0] for how in kinds.values()])[0]
        _, least, most = kinds[kind]
        lasts = chance.uniform(least, most)
        if kind == "freeze" and not chance.randrange(ZOMBIE_IN):
            lasts = ZOMBIE_S
        target = chance.randrange(nodes) if kind in NODE or kind in NET else -1
        part = part_of(kind)
        hurt = {at for at, until in busy.items() if until > now}
        hurt_nodes = {at for at in hurt if at[0] == "node"}
        if (part, target) in hurt or (part == "node" and len(hurt_nodes) >= max(1, nodes - 1)):
            continue
        fault = Fault(now, now + lasts, len(faults) + 1, kind, target)
        busy[(part, target)] = fault.ends
        faults.append(fault)
    return faults


def part_of(kind):
    """What a fault breaks, whichever of them."""
    return "node" if kind in NODE else "net" if kind in NET else kind.partition("-")[0]


class Storm:
    """Carries a schedule out, in the thread that started all servers: they end with it."""

    def __init__(self, field, log, tell):
        self.field, self.log, self.tell = field, log, tell

    def rages(self, faults):
        began = time.monotonic()
        due = [(fault.begins, 0, fault) for fault in faults]
        heapq.heapify(due)
        down, hurt = set(), set()
        while due:
            at, ends, fault = heapq.heappop(due)
            time.sleep(max(0, began + at - time.monotonic()))
            # A node that is to start wants its store, and nobody else brings that back.
            if ends and fault.kind in ("kill", "drain") and down:
                heapq.heappush(due, (max(at, time.monotonic() - began) + 0.2, 1, fault))
                continue
            # Nor does it end while its store does not answer: everything else goes on meanwhile.
            if ends and fault.kind == "drain" and self.field.nodes[fault.target].process.poll() is None:
                if time.monotonic() - began > fault.ends + DRAIN_S:
                    raise AssertionError(f"{fault.what} has not ended: {self.field.nodes[fault.target].log_tail()}")
                heapq.heappush(due, (time.monotonic() - began + 0.2, 1, fault))
                continue
            shared = fault.target < 0 or fault.kind in NET
            whose = (part_of(fault.kind), fault.target)
            # What broke it before has taken longer to end than was planned.
            if not ends and whose in hurt:
                heapq.heappush(due, (time.monotonic() - began + 0.3, 0, fault))
                continue
            if ends:
                self.undo(fault)
                hurt.discard(whose)
                down.discard(fault.what)
                self.log("fault_end", what=fault.what, at=wall_ms())
            else:
                self.tell(f"{at:6.1f} s  {fault.what} for {fault.ends - fault.begins:.1f} s")
                self.log("fault_begin", what=fault.what, at=wall_ms())
                self.do(fault)
                hurt.add(whose)
                down.update({fault.what} if shared else ())
                fault.ends = max(at, time.monotonic() - began) + fault.ends - fault.begins
                heapq.heappush(due, (fault.ends, 1, fault))

    def do(self, fault):
        field, kind = self.field, fault.kind
        if kind == "kill":
            field.nodes[fault.target].kill()
        elif kind == "freeze":
            field.nodes[fault.target].freeze()
        elif kind == "drain":
            field.nodes[fault.target].terminate()
        elif kind in NET:
            field.relay.become(fault.target, kind)
        else:
            server = field.backplane if kind.startswith("bus") else field.store
            server.kill() if kind.endswith("kill") else server.pause()

    def undo(self, fault):
        field, kind = self.field, fault.kind
        if kind == "kill":
            field.nodes[fault.target].start()
        elif kind == "freeze":
            field.nodes[fault.target].thaw()
        elif kind == "drain":
            node = field.nodes[fault.target]
            code, said = node.wait(45)
            if code != 0 or said:
                raise AssertionError(f"{node.name} ended its drain with {code} and {said!r}: {node.log_tail()}")
            node.process.stdout.close()
            node.start()
        elif kind in NET:
            field.relay.become(fault.target, "pass")
        else:
            server = field.backplane if kind.startswith("bus") else field.store
            server.start() if kind.endswith("kill") else server.resume()
