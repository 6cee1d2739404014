"""Devices that take commands with a journal and move between nodes, and callers that post commands through any node.

Invariant: a device begins nothing that its journal knows, nothing that is late, nothing that an older session brought.
"""

import http.client
import json
import random
import threading
import time

from client import Closed
from device import KINDS
from record import wall_ms
from tongues import LOST
from ws import Refused

TERMINAL = {"succeeded", "failed", "rejected", "timed_out", "expired", "superseded", "cancelled", "offline"}
BEAT_S = 5.0
# A caller that is not answered asks again, under the same key.
CALL_S = 8.0
# What was said so recently may not have arrived: it is said again in the next session.
UNSURE_S = 20.0


class Car(threading.Thread):
    """A device and its journal."""

    def __init__(self, plan, log, *, name, token, transport):
        super().__init__(daemon=True, name=name)
        self.plan, self.stage, self.log, self.token, self.transport = plan, plan.stage, log, token, transport
        self.chance = random.Random(f"{plan.seed} {name}")
        self.journal = {}  # Number of a command: the last word on it, or None.
        self.due = []  # When which command is done.
        self.said_at, self.epoch = {}, 0
        self.line = self.failed = None

    @property
    def is_done(self):
        return self.line is not None and not self.due

    def run(self):
        try:
            while not self.stage.over:
                self.live()
        except Exception as error:  # Whatever it is, the run has failed, and says so.
            self.failed = error
            raise
        finally:
            self.log.close()

    def live(self):
        node, line = self.plan.somewhere(self.chance), None
        try:
            line = KINDS[self.transport](node.http, self.token)
            self.come(line, node)
            self.stay(line)
            self.log("rest")
        except (Closed, Refused, *LOST) as lost:
            self.plan.lost(lost)  # It will come back.
        finally:
            if line is not None:
                self.lose(line)
        if not self.stage.over:
            self.stage.wait(self.chance.uniform(0.05, 0.4))

    def come(self, line, node):
        self.log.node = node.name
        running = [number for number, _ in self.due][:64]
        welcome = line.hello(self.name, kind="vehicle", capabilities=["work"], running=running, clock=wall_ms())
        self.epoch = max(self.epoch, welcome["epoch"])
        self.log("connect", device=self.name, connection_epoch=welcome["epoch"])
        self.line = line
        now = time.monotonic()
        for number, said_at in list(self.said_at.items()):
            if now - said_at > UNSURE_S:
                del self.said_at[number]
            else:
                self.say(line, number)

    def lose(self, line):
        self.line = None
        self.log("close")
        try:
            # A connection that nobody ends is taken over by the next one, or dies with its node.
            how = self.chance.random()
            if how < 0.4:
                line.drop()
            elif how < 0.8:
                line.close()
            else:
                self.plan.leave_open(line)
        except (Closed, OSError):
            pass

    def stay(self, line):
        moves_at = time.monotonic() + self.chance.expovariate(1 / self.plan.stay_s)
        heard_at = beat_at = time.monotonic()
        while not self.stage.over:
            now = time.monotonic()
            if self.stage.storms and now > moves_at or now - heard_at > 2.2 * BEAT_S:
                return self.moves()
            if now > beat_at:
                beat_at = now + BEAT_S
                line.tell({"type": "heartbeat", "clock": wall_ms()})
            self.finish(line, now)
            frame = line.inbox.pop(0) if line.inbox else line.receive(now + 0.1)
            if frame is None:
                continue
            heard_at = now
            if frame["type"] == "command":
                self.take(line, frame)
            elif frame["type"] == "closing":
                return self.moves()

    def moves(self):
        raise Closed("it goes elsewhere")

    # Commands

    def take(self, line, command):
        number = command["msg_id"]
        if command["epoch"] < self.epoch:
            return
        if number in self.journal:
            return self.say(line, number)
        deadline = command["issued_at"] + command["ttl_ms"]
        if wall_ms() > deadline:
            return self.reject(line, number)
        self.journal[number] = None
        begun_at = wall_ms()
        if begun_at > deadline:
            return self.reject(line, number)
        self.log("device_start", command_id=number, device_time=begun_at, not_after=deadline)
        self.due.append((number, time.monotonic() + self.chance.choice((0.0, 0.0, 0.05, 0.3, 1.5))))
        line.say(command, "received")

    def reject(self, line, number):
        self.ends(number, {"status": "rejected", "error": "expired"})
        self.say(line, number)

    def finish(self, line, now):
        """Says what has been done by now."""
        done = [number for number, at in self.due if at <= now]
        self.due = [(number, at) for number, at in self.due if at > now]
        for number in done:
            failed = self.chance.random() < 0.1
            self.ends(number, {"status": "failed", "error": "jammed"} if failed else {"status": "ok", "result": {"n": 1}})
        for number in done:
            self.say(line, number)

    def ends(self, number, word):
        self.journal[number] = word
        self.said_at[number] = time.monotonic()
        self.log("device_result", command_id=number, status=word["status"])

    def say(self, line, number):
        word = self.journal[number] or {"status": "in_progress"}
        line.say({"msg_id": number}, **word)


class Caller(threading.Thread):
    """Someone who has devices do things, through any node."""

    def __init__(self, plan, log, *, name, token, devices):
        super().__init__(daemon=True, name=name)
        self.plan, self.stage, self.log, self.token, self.devices = plan, plan.stage, log, token, devices
        self.chance = random.Random(f"{plan.seed} {name}")
        self.asked, self.open, self.failed, self.is_done = 0, [], None, True

    def run(self):
        try:
            while not self.stage.over:
                if self.stage.speaks:
                    self.is_done = False
                    self.ask()
                    self.is_done = True
                self.look()
                self.stage.wait(self.chance.expovariate(1 / self.plan.pause_s))
        except Exception as error:  # Whatever it is, the run has failed, and says so.
            self.failed = error
            raise
        finally:
            self.log.close()

    def ask(self):
        self.asked += 1
        key, device = f"{self.name}-{self.asked}", self.chance.choice(self.devices)
        name = self.chance.choice(("work.do", "work.do", "step.do", "window.set"))
        args = {"position": self.chance.choice(("open", "closed"))} if name == "window.set" else {"n": self.asked}
        wait = self.chance.choice(("accepted", "received", "done"))
        body = {"name": name, "args": args, "wait": wait, "timeout_ms": 3_000, "idempotency_key": key}
        for _ in range(3):
            self.log("ask", key=key, device=device, name=name)
            answer = self.call("POST", f"/api/v1/devices/{device}/commands", body)
            if answer is not None:
                return self.answered(key, *answer)
            if self.stage.over:
                return
            self.stage.wait(0.2)

    def answered(self, key, status, told):
        number = told.get("command_id")
        if number:
            self.log("accepted", key=key, command_id=number)
            self.open.append(number)
        if status >= 400:
            self.log("refused", key=key, code=told.get("code", ""), command_id=number)
        elif told.get("state") in TERMINAL:
            self.log("terminal", command_id=number, state=told["state"], at=wall_ms())

    def look(self):
        """Asks what became of one of them, now and then after its end, too."""
        if not self.open:
            return
        number = self.chance.choice(self.open)
        answer = self.call("GET", f"/api/v1/commands/{number}")
        if answer and answer[0] == 200 and answer[1]["state"] in TERMINAL:
            self.log("terminal", command_id=number, state=answer[1]["state"], at=wall_ms())
            if self.chance.random() < 0.5:
                self.open.remove(number)
        del self.open[:-200]

    def call(self, method, path, body=None):
        """Status and body of an answer, or None where there is none."""
        node = self.plan.somewhere(self.chance)
        self.log.node = node.name
        connection = http.client.HTTPConnection("127.0.0.1", node.http, timeout=CALL_S)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, json.loads(raw)
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
