"""Clients that nobody here wrote, over WebSocket: Node's `ws`, and a page in a browser."""

import functools
import json
import pathlib
import queue
import subprocess
import threading
import urllib.parse

import needs
from browser import Chromium, Pages
from client import WAIT_S
from runner import scenario
from server import wait_until

HERE = pathlib.Path(__file__).resolve().parents[1]


class NodeChat:
    """chat.mjs at work: what it is told to say, and what it tells."""

    def __init__(self, server, user, room):
        node, modules = needs.node()
        url = f"ws://127.0.0.1:{server.http}/ws"
        self.process = subprocess.Popen(
            [node, str(HERE / "chat.mjs"), str(modules), url, server.token(user, "마디"), room],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )
        self.told, self.kept = queue.Queue(), []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.told.put(json.loads(line))
        self.told.put(None)

    def expect(self, event, **fields):
        """Takes what it tells until it tells this."""
        while True:
            told = self.told.get(timeout=WAIT_S)
            assert told is not None, f"it ended before {event}: {self.kept[-5:]}"
            self.kept.append(told)
            assert told["event"] not in ("hole", "binary"), told
            if told["event"] == event and all(told.get(name) == value for name, value in fields.items()):
                return told

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(WAIT_S) == 0, self.kept[-5:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@scenario(fresh=True, limits={"drain_ms": 500})
def a_node_client_chats_and_survives_a_restart(server):
    room = server.room(name="node")
    tcp = server.client(9_001)
    joined = tcp.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    with NodeChat(server, 9_002, "node") as node:
        assert node.expect("open")["protocol"] == "bongsu.type.v1"
        node.expect("joined")
        tcp.expect("USER_JOINED", user_id=9_002)
        node.say("안녕 from Node 😀")
        got = tcp.expect("NEW_MESSAGE", content="안녕 from Node 😀")
        assert got["sender"] == {"user_id": 9_002, "nickname": "마디"}, got
        assert node.expect("accepted")["seq"] == 1
        tcp.post(room, "hello from TCP")
        assert node.expect("heard", text="hello from TCP")["user_id"] == "9001"

        # A crash: what was said into the void is said again, and is there once.
        server.kill()
        assert node.expect("closed")["code"] == 1006
        node.say("said while it was away")
        server.start(same_ports=True)
        back = server.client(9_001, resume=[{"chatroom_id": room, "seq": 2, "epoch": joined["epoch"]}])
        assert back.rooms[room]["recovered"] is True, back.rooms
        assert node.expect("signed in")["recovered"] is True
        node.expect("accepted", seq=3)
        back.expect("NEW_MESSAGE", content="said while it was away")
        back.post(room, "after the crash")
        node.expect("heard", text="after the crash")

        # A stop: announced, with its own code, and what was said meanwhile comes with the resume.
        server.terminate()
        assert server.wait()[0] == 0, server.log_tail()
        closed = node.expect("closed", code=4503)
        assert closed["reason"] == "reconnect=later", closed
        server.start(same_ports=True)
        assert node.expect("signed in")["recovered"] is True
        tcp = server.client(9_001)
        for n in range(100):
            tcp.request("SEND_MESSAGE", {"chatroom_id": room, "content": f"m{n}", "message_type": "text"})
        node.expect("heard", text="m99")
        heard = [told for told in node.kept if told["event"] == "heard"]
        assert [told["seq"] for told in heard] == list(range(1, 105)), "in order, each once"
        node.end()
        wait_until(lambda: tcp.kept("USER_STATUS_CHANGED") or tcp.ask("PING") is None, "its going offline")
        tcp.close()


# Pages

@functools.cache
def pages():
    """Two origins: the one that is let in, and another one."""
    return Pages(HERE / "page"), Pages(HERE / "page")


@functools.cache
def socketio_pages():
    """The same with the latest socket.io-client, as it ships for pages."""
    _, modules = needs.socketio_node()
    library = modules / "node_modules" / "socketio4" / "dist" / "socket.io.js"
    return Pages(HERE / "page", socketio_library=library), Pages(HERE / "page", socketio_library=library)


def config(of=pages):
    friend, _ = of()
    return f'[server]\npermessage_deflate = true\ncors_origins = ["{friend.origin}"]\n'


def address(origin, server, token, room):
    given = {"url": f"ws://127.0.0.1:{server.http}/ws", "token": token, "room": room}
    return f"{origin}/index.html#{urllib.parse.urlencode(given)}"


@scenario(config=config, fresh=True)
def a_page_in_a_browser_chats_with_a_tcp_client(server):
    friend, stranger = pages()
    room = server.room(name="page")
    tcp = server.client(9_011)
    tcp.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
    with Chromium() as chromium:
        page = chromium.page(address(friend.origin, server, server.token(9_012, "쪽"), "page"))
        page.until("document.getElementById('state').textContent.startsWith('joined page bongsu.type.v1')", "the join")
        assert "permessage-deflate" in page.evaluate("document.getElementById('state').textContent")
        tcp.expect("USER_JOINED", user_id=9_012)
        page.say("안녕 from a page 😀 <b>")
        got = tcp.expect("NEW_MESSAGE")
        assert got["content"] == "안녕 from a page 😀 <b>" and got["sender"]["nickname"] == "쪽", got
        tcp.request("TYPING", {"chatroom_id": room, "is_typing": True})
        tcp.post(room, "<script>alert(1)".replace("script", "i") + " from TCP")
        event = {"chatroom_id": room, "type": "game.move", "data": {"말": [1, None]}}
        tcp.request("SEND_EVENT", event)
        long = "가나다 " * 400
        tcp.post(room, long.strip())
        page.until("document.querySelectorAll('li.message').length === 3", "three messages")
        want = ["쪽: 안녕 from a page 😀 <b>", "user9011: <i>alert(1) from TCP", f"user9011: {long.strip()}"]
        assert page.lines("message") == want, page.lines("message")
        assert page.lines("typing") == ["user9011 true"], page.lines("typing")
        page.until("document.querySelectorAll('li.move').length === 1", "a move")
        assert json.loads(page.lines("move")[0]) == {"room": "page", "말": [1, None], "user_id": "9011"}
        assert not page.complaints, page.complaints

        # The same page under another address gets nowhere, good as its token is.
        other = chromium.page(address(stranger.origin, server, server.token(9_012, "쪽"), "page"))
        other.until("document.getElementById('state').textContent.startsWith('closed')", "the refusal")
        assert other.evaluate("document.getElementById('state').textContent").startswith("closed 1006")
        assert not other.lines("message"), other.lines("message")

        # A ban is a code that a page can read.
        server.call("POST", "/api/v1/users/9012/ban", {"reason": "spam"}, want=204)
        page.until("document.getElementById('state').textContent.startsWith('closed')", "the ban")
        assert page.evaluate("document.getElementById('state').textContent") == "closed 4403 reconnect=never"
        assert page.lines("error") == ["permission_denied"], page.lines("error")
        page.close()
        other.close()
    tcp.close()


def socketio_address(origin, server, token, **more):
    given = {"url": f"http://127.0.0.1:{server.http}", "token": token, **more}
    return f"{origin}/socketio.html#{urllib.parse.urlencode(given)}"


@scenario(config=functools.partial(config, socketio_pages), fresh=True)
def a_page_with_socketio_chats_with_a_tcp_client(server):
    friend, stranger = socketio_pages()
    server.user(9_031, "tcp", "봉수")
    server.user(9_032, "page", "쪽")
    room = server.room(members=[9_031, 9_032])
    tcp, token = server.client(9_031, "봉수"), server.token(9_032, "쪽")
    with Chromium() as chromium:
        page = chromium.page(socketio_address(friend.origin, server, token))
        page.until("document.getElementById('state').textContent === 'in 1 rooms as 쪽'", "the sign-in")
        # It may have changed before its sign-in was answered: then it never knew another.
        page.until("[...document.querySelectorAll('li.transport')].at(-1)?.textContent === 'websocket'", "the upgrade")
        assert page.lines("transport")[:-1] in ([], ["polling"]), page.lines("transport")
        page.say("안녕 from a page 😀 <b>")
        assert tcp.expect("NEW_MESSAGE")["content"] == "안녕 from a page 😀 <b>"
        tcp.post(room, "hello from TCP 日本")
        page.until("document.querySelectorAll('li.message').length === 2", "two messages")
        want = ["쪽: 안녕 from a page 😀 <b>", "봉수: hello from TCP 日本"]
        assert page.lines("message") == want and page.lines("ack") == ["1"], page.lines("message")
        assert not page.complaints and not page.lines("error"), page.complaints

        # Another origin gets nowhere, whatever it begins with and good as its token is.
        for transports in ("polling", "websocket"):
            other = chromium.page(socketio_address(stranger.origin, server, token, transports=transports))
            other.until("document.getElementById('state').textContent.startsWith('refused')", "the refusal")
            assert not other.lines("transport") and not other.lines("message"), other.lines("message")
            other.close()
        page.close()
    tcp.close()


# As the README has it, in the console of the server's own page.
IN_THE_CONSOLE = """new Promise((resolve, reject) => {
  const ws = new WebSocket(`ws://${location.host}/ws`), heard = [];
  ws.onopen = () => {
    ws.send(JSON.stringify({type: "auth", data: {token: TOKEN}}));
    ws.send('{"type":"room.join","data":{"room":"console"},"id":"0"}');
    ws.send('{"type":"chat.message","data":{"room":"console","text":"hello from a page"},"id":"1"}');
  };
  ws.onmessage = ({data}) => {
    heard.push(JSON.parse(data).type);
    if (heard.includes("chat.message") && heard.includes("chat.ack")) resolve(heard);
  };
  ws.onclose = ({code, reason}) => reject(`${code} ${reason}`);
})"""


@scenario(fresh=True)
def the_servers_own_page_shows_everything_and_may_connect(server):
    with Chromium() as chromium:
        page = chromium.page(f"http://127.0.0.1:{server.http}/docs")
        for shown in ("chat.message", "SEND_MESSAGE", "/api/v1/rooms"):
            page.until(f"document.body.innerText.includes({json.dumps(shown)})", f"{shown} on the page")
        assert not page.complaints, page.complaints
        heard = page.evaluate(IN_THE_CONSOLE.replace("TOKEN", json.dumps(server.token(9_021))))
        assert heard[0] == "auth.ok" and "room.joined" in heard, heard
        page.close()
