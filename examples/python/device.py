#!/usr/bin/env python3
"""A device that takes commands: JSON over WebSocket, nothing but the package `websockets`.

    pip install websockets
    BONGSU_TOKEN=$(bongsu token --sub car-1234 --role device) ./device.py car-1234

What it must get right is short: do each command at most once, and never one that is late.
docs/protocols/device.md says it all.
"""

import argparse
import asyncio
import json
import os
import random
import time

import websockets


class Journal:
    """Which commands were begun, and the first answer to each, across restarts: a line for each."""

    def __init__(self, path):
        self.answers = {}  # msg_id -> the answer; None for a command that was begun and not ended
        try:
            with open(path, "rb+") as file:
                whole = 0
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # Torn by a crash while it was written: it was not begun.
                    entry = json.loads(line)
                    self.answers[entry["msg_id"]] = entry["answer"]
                    whole += len(line)
                file.truncate(whole)
        except FileNotFoundError:
            pass
        self.file = open(path, "ab")
        # It may have been done, half done or not at all. It is never begun again.
        self.interrupted = {it: {"status": "failed", "error": "interrupted"} for it in self.answers if not self.answers[it]}
        for msg_id, answer in self.interrupted.items():
            self.keep(msg_id, answer)

    def keep(self, msg_id, answer):
        """On the disk when this returns. A device that runs for months also drops lines a day after their deadline."""
        self.file.write(json.dumps({"msg_id": msg_id, "answer": answer}).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.answers[msg_id] = answer


class Clock:
    """The gateway's time, on a base that no change of the wall clock touches."""

    def __init__(self):
        self.samples = []  # (length of the way there and back, how far the gateway is ahead), in milliseconds

    @staticmethod
    def own():
        # CLOCK_BOOTTIME goes on while the machine sleeps, as deadlines do.
        return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000

    def measured(self, sent, server_time):
        way = self.own() - sent
        self.samples = self.samples[-7:] + [(way, server_time - sent - way // 2)]

    def is_late(self, deadline):
        way, ahead = min(self.samples)
        # When in doubt it is late: the best sample may be off by half its way.
        return self.own() + ahead + way // 2 + 1 >= deadline


class Device:
    def __init__(self, options):
        self.options = options
        self.journal = Journal(options.journal)
        self.epoch, self.socket = 0, None
        # Answers that may have been lost on the way, and which of them were said before the last heartbeat.
        self.untold, self.told = dict(self.journal.interrupted), []
        self.state = {"window": {"position": "closed"}}
        self.tasks = set()

    async def window_set(self, args):
        """Carries the command out; returns the result, or raises to say that it failed."""
        await asyncio.sleep(self.options.delay)
        self.state["window"] = {"position": args["position"]}
        await self.say({"type": "state.reported", "state": self.state})
        return self.state["window"]

    commands = {"window.set": window_set}

    async def run(self):
        failures = 0
        while True:
            began = time.monotonic()
            try:
                advice = await self.session()
            except (OSError, websockets.WebSocketException, asyncio.TimeoutError) as fault:
                advice = self.advice_of(fault)
            self.socket = None
            if advice == "never":
                return print("the gateway does not want this device back", flush=True)
            failures = 0 if time.monotonic() - began > 10 else failures + 1
            # Any part of a time that doubles: devices that were cut off together come back apart.
            await asyncio.sleep(random.uniform(0, min(30, 0.5 * 2 ** min(failures, 10))))

    @staticmethod
    def advice_of(fault):
        if isinstance(fault, websockets.InvalidStatus) and fault.response.status_code in (401, 403):
            return "never"
        close = getattr(fault, "rcvd", None)
        return "never" if close and (close.code == 4409 or close.reason == "reconnect=never") else "later"

    async def session(self):
        options, clock = self.options, Clock()
        headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
        async with websockets.connect(
            options.url, subprotocols=["bongsu.device.json.v1"], additional_headers=headers, ping_interval=None
        ) as socket:
            sent = clock.own()
            running = [msg_id for msg_id, answer in self.journal.answers.items() if answer is None]
            hello = {"type": "hello", "device_id": options.device, "kind": "vehicle", "running": running, "clock": sent}
            await socket.send(json.dumps(hello | {"capabilities": list(self.commands), "reported": self.state}))
            welcome = json.loads(await asyncio.wait_for(socket.recv(), 10))
            if welcome["type"] != "welcome":
                print(f"not welcome: {welcome}", flush=True)
                return welcome.get("reconnect")
            if welcome["epoch"] <= self.epoch:
                return "later"  # The echo of something past.
            self.epoch, self.socket = welcome["epoch"], socket
            clock.measured(sent, welcome["server_time"])
            print(f"connected, epoch {self.epoch}", flush=True)
            for msg_id, answer in list(self.untold.items()):
                await self.answer(msg_id, answer)
            if "delta" in welcome:
                await self.become(welcome["delta"])
            beats = asyncio.create_task(self.heartbeats(socket, clock, welcome["heartbeat_ms"] / 1000))
            try:
                while True:
                    frame = json.loads(await asyncio.wait_for(socket.recv(), 3 * welcome["heartbeat_ms"] / 1000))
                    if frame.get("epoch") != self.epoch:
                        continue  # Of another session: nothing of it counts.
                    if frame.get("type") == "closing":
                        print(f"closing: {frame['message']}", flush=True)
                        return frame["reconnect"]
                    await self.heard(frame, clock)
            finally:
                beats.cancel()

    async def heartbeats(self, socket, clock, seconds):
        while True:
            self.told = list(self.untold)
            await socket.send(json.dumps({"type": "heartbeat", "clock": clock.own()}))
            await asyncio.sleep(seconds)

    async def heard(self, frame, clock):
        match frame.get("type"):
            case None if "msg_id" in frame:
                await self.ordered(frame, clock)
            case "heartbeat":
                clock.measured(frame["clock"], frame["server_time"])
                for msg_id in self.told:  # What was said before a heartbeat that is answered was heard.
                    self.untold.pop(msg_id, None)
                self.told = []
            case "state.delta":
                await self.become(frame)
            case "error":
                print(f"refused: {frame['code']} {frame['message']}", flush=True)

    async def ordered(self, order, clock):
        msg_id = order["msg_id"]
        if msg_id in self.journal.answers:  # It came again: the first answer is the only one.
            return await self.answer(msg_id, self.journal.answers[msg_id] or {"status": "received"})
        deadline = order["issued_at"] + order["ttl_ms"]
        refusal = "expired" if clock.is_late(deadline) else None if order["cmd"] in self.commands else "unknown_command"
        if not refusal:
            self.journal.keep(msg_id, None)
            if clock.is_late(deadline):  # The disk may have taken its time.
                refusal = "expired"
        if refusal:
            return await self.end(msg_id, {"status": "rejected", "error": refusal})
        await self.answer(msg_id, {"status": "received"})
        task = asyncio.create_task(self.carry_out(msg_id, order))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def carry_out(self, msg_id, order):
        print(f"{order['cmd']} {order['args']}", flush=True)
        try:
            answer = {"status": "ok", "result": await self.commands[order["cmd"]](self, order["args"])}
        except Exception as fault:  # Whatever it is, whoever asked is told.
            answer = {"status": "failed", "error": repr(fault)}
        await self.end(msg_id, answer)

    async def end(self, msg_id, answer):
        self.journal.keep(msg_id, answer)
        self.untold[msg_id] = answer  # Said again in the next session, unless a heartbeat after it is answered.
        await self.answer(msg_id, answer)

    async def answer(self, msg_id, answer):
        await self.say({"reply_to": msg_id, **answer})

    async def become(self, delta):
        for part, wanted in delta["state"].items():
            if part in self.state and wanted is not None:
                self.state[part] = wanted
        await self.say({"type": "state.reported", "version": delta["version"], "state": self.state})

    async def say(self, frame):
        try:
            if self.socket:
                await self.socket.send(json.dumps(frame | ({"epoch": self.epoch} if "reply_to" in frame else {})))
        except websockets.ConnectionClosed:
            pass  # The next session begins with it.


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A device that takes commands.")
    parser.add_argument("device", help="its id, such as car-1234")
    parser.add_argument("--url", default="ws://127.0.0.1:8000/device")
    parser.add_argument("--token", default=os.environ.get("BONGSU_TOKEN"), help="default: $BONGSU_TOKEN")
    parser.add_argument("--journal", default="device.journal", help="the file that remembers commands")
    parser.add_argument("--delay", type=float, default=0.3, help="seconds that a command takes")
    try:
        asyncio.run(Device(parser.parse_args()).run())
    except KeyboardInterrupt:
        pass
