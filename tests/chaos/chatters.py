"""Clients of rooms: each is one application that sends, hears, loses its connection, comes back on another node and says
what it has; what it hears it is given as it comes, and what it missed and was not replayed it reads.

Invariant: what is written down is what came, not what should have come.
"""

import random
import threading
import time

from client import Closed
from record import digest
from tongues import LOST, TONGUES
from ws import Refused

# An answer that takes longer never comes: in a storm; after it, the judge wants to see how long it takes.
ANSWER_S, PATIENT_S = 4.0, 12.0
# One in so many rooms is taken up again as if its history had been another: nothing is replayed then, and it reads.
AFRESH_IN = 12
NO_EPOCH = "0" * 16
PING_S = 15.0
# Refusals after which one tries again.
LATER = {"RATE_LIMITED", "OVERLOADED", "SHUTTING_DOWN", "INTERNAL_ERROR"}


class Reading:
    """What a client reads of a room's history: what it does not hear, up to where it began to hear the room again."""

    def __init__(self, upto):
        self.upto, self.asked, self.held = upto, None, []


class Chatter(threading.Thread):
    """One application of a user. `wanders`: the room that it leaves and joins again."""

    def __init__(self, plan, log, *, name, user, token, tongue, rooms, wanders=None):
        super().__init__(daemon=True, name=name)
        self.plan, self.stage, self.log = plan, plan.stage, log
        self.user, self.token, self.tongue, self.rooms, self.wanders = user, token, TONGUES[tongue], rooms, wanders
        self.chance = random.Random(f"{plan.seed} {name}")
        self.places = {}  # Room: its last number and epoch.
        self.again, self.sent, self.failed = [], 0, None
        self.leaves = False  # A leave was not answered: some node may carry it out yet.
        self.line, self.waiting, self.reading, self.asked = None, {}, {}, {}

    @property
    def is_done(self):
        """Nothing that it waits for is left, as far as it knows."""
        return self.line is not None and not (self.waiting or self.again or self.reading or self.asked)

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
        """One connection, from its beginning to its end."""
        node = self.plan.somewhere(self.chance)
        line = None
        try:
            line = self.tongue(node)
            self.come(line, node)
            self.line = line
            self.stay(line)
            self.log("rest")
        except (Closed, Refused, *LOST) as lost:
            self.plan.lost(lost)  # It will come back.
        finally:
            self.lose(line)
        if not self.stage.over:
            self.stage.wait(self.chance.uniform(0.05, 0.5))

    def come(self, line, node):
        self.log.node = node.name
        resume = dict(self.places)
        for room, (seq, _) in self.places.items():
            if not self.chance.randrange(AFRESH_IN):
                resume[room] = (seq, NO_EPOCH)
            self.log("resume", room=room, after=seq, epoch=resume[room][1])
        rooms = line.sign_in(self.token, resume)
        self.log("connect", user=self.user)
        for room in list(self.places):
            if room not in rooms:
                self.log("gone", room=room)
                del self.places[room]
        for room, told in rooms.items():
            if room not in self.places:
                self.places[room] = (told["seq"], told["epoch"])
                self.log("hears", room=room, seq=told["seq"], epoch=told["epoch"])
                continue
            recovered = told.get("recovered", False)
            if recovered and resume[room][1] == NO_EPOCH:
                raise AssertionError(f"room {room} was taken up again from another history: {told}")
            self.log("recovered", room=room, recovered=recovered, seq=told["seq"], epoch=told["epoch"])
            if not recovered:
                self.log("gap", room=room)
                self.reading[room] = Reading(told["seq"])
                self.read(line, room)

    def lose(self, line):
        if line is None:
            return
        self.line = None
        for key, _ in self.waiting.values():
            self.log("timeout", client_message_id=key)
        self.again = [(room, key) for key, room in self.waiting.values()] + self.again
        self.waiting, self.reading = {}, {}
        self.leaves = bool(self.asked) and self.wanders in self.places or self.leaves
        self.asked = {}
        self.log("close")
        try:
            line.client.drop() if self.chance.random() < 0.5 else line.client.close()
        except (Closed, OSError):
            pass

    # While it is connected

    def stay(self, line):
        moves_at = time.monotonic() + self.chance.expovariate(1 / self.plan.stay_s)
        wanders_at = time.monotonic() + self.chance.expovariate(1 / 3.0)
        sends_at = time.monotonic()
        answered = pinged = time.monotonic()
        while not self.stage.over:
            now = time.monotonic()
            if not (self.waiting or self.asked or self.reading):
                answered = now
            patience = ANSWER_S if self.stage.storms else PATIENT_S
            if now - answered > patience or (self.stage.storms and now > moves_at):
                return self.moves()
            if now > pinged + PING_S:
                pinged = now
                line.ping()
            if now >= sends_at:
                sends_at = now + self.chance.expovariate(1 / self.plan.pause_s)
                self.speak(line)
            if self.wanders and self.stage.storms and now > wanders_at:
                wanders_at = now + self.chance.expovariate(1 / 3.0)
                self.wander(line)
            heard = line.hear(min(sends_at, now + 0.2))
            for what, *rest in heard or ():
                if what == "bye":
                    return self.moves()
                if what != "deliver":
                    answered = time.monotonic()
                getattr(self, f"on_{what}")(line, *rest)

    def moves(self):
        raise Closed("it goes elsewhere")

    def speak(self, line):
        """Sends what it has to send again, else something new; sometimes several at once."""
        for _ in range(self.chance.choice((1, 1, 1, 3))):
            if self.again:
                room, key = self.again.pop(0)
            elif self.stage.speaks and (rooms := [room for room in self.places if room not in self.reading]):
                self.sent += 1
                room, key = self.chance.choice(rooms), f"{self.name}-{self.sent}"
            else:
                return
            content = f"{key} {'x' * (len(key) * 7 % 60)}"
            self.log("send", room=room, client_message_id=key, hash=digest(content))
            # Noted before it is known under which reference: what fails while it is sent may have been sent.
            self.waiting[key] = (key, room)
            reference = line.send(room, key, content)
            self.waiting[reference] = self.waiting.pop(key)

    def wander(self, line):
        room = self.wanders
        busy = self.asked or room in self.reading or any(where == room for _, where in self.waiting.values())
        if busy or any(where == room for where, _ in self.again):
            return
        leaves = room in self.places
        self.log("leaving" if leaves else "joining", room=room)
        self.asked["?"] = room
        reference = line.leave(room) if leaves else line.join(room)
        self.asked = {reference: room}

    def read(self, line, room):
        """Reads a page of what it has not, or is given what came meanwhile."""
        reading = self.reading[room]
        if self.places[room][0] < reading.upto:
            reading.asked = line.page(room, self.places[room][0])
            return
        del self.reading[room]
        for how, message in reading.held:
            self.given(how, message)

    # What it hears

    def on_ack(self, line, reference, seq, message_id):
        key, room = self.waiting.pop(reference, (None, None))
        if key:
            self.log("ack", room=room, client_message_id=key, seq=seq, message_id=message_id)

    def on_nack(self, line, reference, code):
        if reference in self.waiting:
            key, room = self.waiting.pop(reference)
            self.log("nack", client_message_id=key, code=code)
            if code.upper() in LATER:
                self.again.append((room, key))
        elif reference in self.asked or any(reference == it.asked for it in self.reading.values()):
            # What it does not get here it gets elsewhere.
            self.moves()

    def on_deliver(self, line, how, messages):
        for message in messages:
            room = message[0]
            if room in self.reading:
                self.reading[room].held.append((how, message))
            else:
                self.given(how, message)

    def on_page(self, line, reference, messages, has_more):
        room = next((room for room, it in self.reading.items() if it.asked == reference), None)
        if room is None:
            return
        upto = self.reading[room].upto
        wanted = [message for message in messages if message[1] <= upto]
        for message in wanted:
            self.given("page", message)
        if not wanted and not has_more:
            raise AssertionError(f"room {room} has nothing behind {self.places[room]}, and said that there is {upto}")
        self.read(line, room)

    def on_joined(self, line, reference, seq, epoch):
        if (room := self.asked.pop(reference, None)) is not None:
            self.log("join", room=room, seq=seq, epoch=epoch)
            self.places[room] = (seq, epoch)

    def on_left(self, line, reference):
        if (room := self.asked.pop(reference, None)) is not None:
            self.log("leave", room=room)
            self.places.pop(room, None)
            self.again = [(where, key) for where, key in self.again if where != room]

    def on_gone(self, line, room):
        if self.leaves and room == self.wanders and room in self.places and not self.asked:
            self.log("gone", room=room)
            self.places.pop(room)
            self.again = [(where, key) for where, key in self.again if where != room]

    def given(self, how, message):
        room, seq, message_id, sender, content = message
        self.log("deliver", room=room, seq=seq, message_id=message_id, sender=sender, hash=digest(content), how=how)
        if room in self.places:
            self.places[room] = (max(seq, self.places[room][0]), self.places[room][1])
