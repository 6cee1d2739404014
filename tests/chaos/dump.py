"""What the store has in the end, read over HTTP through one node: so it is the same for every store."""

import json
import re
from datetime import datetime

from record import digest


def written(file, node, rooms, devices):
    """Writes the dump; gives the number of commands that have not ended."""
    with open(file, "w", encoding="utf-8") as out:

        def line(kind, **fields):
            out.write(json.dumps({"kind": kind, **fields}, separators=(",", ":")) + "\n")

        for room in rooms:
            of_room(node, room, line)
        opened = sum(of_device(node, device, line) for device in devices)
        line("dumped")
    return opened


def of_room(node, room, line):
    _, shown = node.call("GET", f"/api/v1/rooms/{room}", want=200)
    line("room", room=room, seq=shown["seq"], epoch=shown["epoch"])
    after = 0
    while True:
        _, page = node.call("GET", f"/api/v1/rooms/{room}/messages?after_seq={after}&limit=200", want=200)
        for message in page["messages"]:
            after = message["seq"]
            line("message", room=room, seq=after, message_id=message["message_id"],
                 sender=message["sender"]["user_id"], hash=digest(message["content"]))
        if not page["has_more"]:
            break
    for member in pages(node, f"/api/v1/rooms/{room}/members", "members"):
        line("member", room=room, user=member["user_id"], joined=member["joined_seq"])


def of_device(node, device, line):
    opened = 0
    for command in pages(node, f"/api/v1/devices/{device}/commands", "commands"):
        steps = [{"state": step["state"], "at": milliseconds(step["at"])} for step in command["history"]]
        ends = [step["at"] for step in steps if step["state"] == command["state"]]
        superseded = [step.get("detail", "") for step in command["history"] if step["state"] == "superseded"]
        line(
            "command", command_id=command["command_id"], device=device, name=command["name"], state=command["state"],
            accepted_at=milliseconds(command["created_at"]), not_after=milliseconds(command["deadline"]),
            execution_ms=command["execution_ms"], ended_at=min(ends, default=None), steps=steps,
            maybe_written=any(re.search(r"\bwritten=maybe\b", detail) for detail in superseded),
            late=command.get("late_result", {}).get("state"),
        )
        opened += command["state"] in ("accepted", "routed", "written", "received", "in_progress")
    return opened


def pages(node, path, name):
    cursor = ""
    while True:
        _, page = node.call("GET", f"{path}?limit=200{cursor}", want=200)
        yield from page[name]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def milliseconds(moment):
    return round(datetime.fromisoformat(moment).timestamp() * 1_000)
