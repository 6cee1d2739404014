"""Back ends that command devices over gRPC, with gRPC's own library."""

import threading

import needs
from client import WAIT_S, Unexpected
from device import plain, plains, values
from runner import scenario
from scenarios.device_commands import OPEN, ends, shown
from scenarios.devices import COMMANDS, fresh


class Control:
    """The service `bongsu.v1.Control`."""

    def __init__(self, server, token=None):
        needs.grpc()
        import grpc
        from bongsu.v1 import control_pb2

        self.said = control_pb2
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.http}", [("grpc.enable_http_proxy", 0)])
        token = token or server.token("back-end", role="service")
        self.more = {"metadata": [("authorization", f"Bearer {token}")], "timeout": WAIT_S}

    def made(self, kind, name, request):
        answer = getattr(self.said, name.replace("Request", "Response"))
        make = getattr(self.channel, kind)
        path = f"/bongsu.v1.Control/{name.removesuffix('Request')}"
        call = make(path, request_serializer=lambda it: it.SerializeToString(), response_deserializer=answer.FromString)
        return call(request, **self.more)

    def execute(self, device_id, name="window.set", args=OPEN, **more):
        wait = self.said.Wait.Value(f"WAIT_{more.pop('wait', 'accepted').upper()}")
        request = self.said.ExecuteRequest(device_id=device_id, name=name, args=values(args), wait=wait, **more)
        return self.made("unary_unary", "ExecuteRequest", request)

    def cancel(self, command_id):
        return self.made("unary_unary", "CancelRequest", self.said.CancelRequest(command_id=command_id))

    def watch(self, command_id):
        return self.made("unary_stream", "WatchRequest", self.said.WatchRequest(command_id=command_id))

    def watch_state(self, device_id):
        return self.made("unary_stream", "WatchStateRequest", self.said.WatchStateRequest(device_id=device_id))

    def state(self, answer):
        return self.said.CommandState.Name(answer.state).removeprefix("COMMAND_STATE_").lower()

    def refused(self, status, code, call):
        import grpc

        try:
            answer = call()
        except grpc.RpcError as error:
            told = dict(error.trailing_metadata() or ())
            if error.code().name != status or told.get("bongsu-code") != code:
                raise Unexpected(f"{error.code()} {told}, not {status} {code}") from None
            return told
        raise Unexpected(f"{answer} is no refusal")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


@scenario(config=COMMANDS)
def a_back_end_commands_over_grpc(server):
    car = fresh()
    with Control(server) as control, server.device(car, "json") as device:
        answers = []
        call = lambda: answers.append(control.execute(car, wait="done", timeout_ms=10_000))  # noqa: E731
        waits = threading.Thread(target=call, daemon=True)
        waits.start()
        asked = device.does("window.set", result={"half": 0.5, "말": ["예", None, 7]})
        waits.join(WAIT_S)
        answer, = answers
        assert answer.command_id == asked["msg_id"] and control.state(answer) == "succeeded", answer
        assert plain(answer.result) == {"half": 0.5, "말": ["예", None, 7]}, answer

        made = control.execute(car, "firmware.install", {"image": "x"})
        watched = control.watch(made.command_id)
        asked = device.command("firmware.install")
        device.say(asked, "in_progress")
        behind = control.execute(car, "firmware.install", {"image": "y"})
        assert control.state(control.cancel(behind.command_id)) == "cancelled"
        ends(server, {"command_id": behind.command_id}, "cancelled")
        device.say(asked, "ok", result=1)
        steps = list(watched)
        seen = [control.state(step) for step in steps]
        assert seen[0] == "accepted" and seen[-1] == "succeeded" and "in_progress" in seen, seen
        assert plain(steps[-1].result) == 1 and all(step.at and step.node for step in steps), steps
        assert shown(server, {"command_id": made.command_id})["state"] == "succeeded"
        device.hears_nothing_but_heartbeats()


@scenario(config=COMMANDS)
def grpc_refuses_as_http_does(server):
    car = fresh()
    with Control(server) as control:
        control.refused("FAILED_PRECONDITION", "DEVICE_OFFLINE", lambda: control.execute(car, wait="done"))
        control.refused("NOT_FOUND", "COMMAND_NOT_FOUND", lambda: control.cancel("0" * 32))
        with server.device(car, "json") as device:
            control.refused("PERMISSION_DENIED", "COMMAND_REFUSED", lambda: control.execute(car, "brake.apply", {}))
            control.refused("PERMISSION_DENIED", "COMMAND_REFUSED", lambda: control.execute(car, "fly.away", {}))
            control.refused("INVALID_ARGUMENT", "INVALID_DATA", lambda: control.execute(car, args={"position": 7}))
            device.hears_nothing_but_heartbeats()
    with Control(server, token="nonsense") as stranger:
        stranger.refused("UNAUTHENTICATED", "INVALID_TOKEN", lambda: stranger.execute(car))


@scenario(config=COMMANDS)
def a_state_is_watched_over_grpc(server):
    car = fresh()
    with Control(server) as control, server.device(car, "proto", hello={"reported": {"mode": "eco"}}) as device:
        watched = control.watch_state(car)
        first = next(watched)
        assert plains(first.reported) == {"mode": "eco"} and not first.desired, first
        server.call("PATCH", f"/api/v1/devices/{car}/state", {"desired": {"mode": "sport"}}, want=200)
        for told in watched:
            if plains(told.delta) == {"mode": "sport"}:
                break
        device.report({"mode": "sport"}, device.expect("state.delta")["version"])
        for told in watched:
            if plains(told.reported) == {"mode": "sport"}:
                assert not told.delta and plains(told.desired) == {"mode": "sport"}, told
                break
