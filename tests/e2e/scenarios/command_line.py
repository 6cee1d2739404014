"""The command line as a person or a script meets it: what it prints where, its exit codes, its errors."""

import json
import os
import re
import socket
import stat
import subprocess
import tempfile
import threading

from client import Client, WAIT_S
from runner import scenario
from server import Server


def run(*words, **environment):
    done = subprocess.run(
        [Server.binary, *map(str, words)],
        capture_output=True, text=True, timeout=WAIT_S, stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


@scenario()
def the_ready_line_says_where(server):
    assert set(server.ready) >= {"ready", "node_id", "http", "tcp", "pid"}, server.ready
    assert re.fullmatch(r"127\.0\.0\.1:\d+", server.ready["tcp"]), server.ready


@scenario()
def a_token_is_alone_on_stdout_and_wants_no_server(_):
    with tempfile.TemporaryDirectory() as folder:
        code, out, _ = run("token", "--sub", 7, "--data-dir", f"{folder}/data")
        assert code == 0 and re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", out), (code, out)
        key = [n for n in os.listdir(f"{folder}/data") if n.endswith(".pem")]
        assert len(key) == 1, key
        mode = stat.S_IMODE(os.stat(f"{folder}/data/{key[0]}").st_mode)
        assert mode == 0o600, oct(mode)


@scenario()
def mistakes_of_usage_are_two_and_name_the_flag(_):
    with tempfile.TemporaryDirectory() as folder:
        for words, name in (
            (("serve", "--no-such-flag"), "--no-such-flag"),
            (("serve", "--tcp", "nonsense"), "tcp"),
            (("token",), "--sub"),
            (("token", "--sub", "7", "--ttl", "soon"), "ttl"),
            (("token", "--sub", "7", "--role", "emperor"), "role"),
            (("fly",), "fly"),
        ):
            code, out, err = run(*words, BONGSU_DATA_DIR=f"{folder}/data")
            assert code == 2 and out == "" and name in err, (words, code, out, err)


@scenario()
def a_port_that_is_taken_is_named(_):
    with tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = run(
            "serve", "--data-dir", f"{folder}/data", "--http", "127.0.0.1:0", "--tcp", f"127.0.0.1:{port}"
        )
        assert code == 1 and out == "" and str(port) in err, (code, out, err)


@scenario()
def a_data_folder_serves_one(server):
    code, out, err = run(
        "serve", "--data-dir", server.data_dir, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"
    )
    assert code == 1 and out == "" and server.data_dir in err, (code, out, err)
    assert stat.S_IMODE(os.stat(server.data_dir).st_mode) == 0o700


@scenario()
def demo_mode_stays_at_home(_):
    with tempfile.TemporaryDirectory() as folder:
        code, out, err = run(
            "serve", "--dev", "--data-dir", f"{folder}/data", "--http", "127.0.0.1:0", "--tcp", "0.0.0.0:0"
        )
        assert code in (1, 2) and out == "" and "0.0.0.0" in err, (code, out, err)


@scenario()
def the_default_configuration_passes_its_own_check(_):
    code, text, err = run("config", "default")
    assert code == 0 and "[limits]" in text, (code, text, err)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bongsu.toml"
        with open(path, "w") as file:
            file.write(text)
        code, _, err = run("check", "--config", path)
        assert code == 0, err


@scenario()
def a_check_finds_every_mistake_at_once_with_its_line(_):
    text = '[limits]\nframe_bytes_max = "large"\n\n[no_such_table]\nx = 1\n'
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bongsu.toml"
        with open(path, "w") as file:
            file.write(text)
        code, out, err = run("check", "--config", path)
        said = out + err
        assert code == 1, (code, said)
        assert "frame_bytes_max" in said and "no_such_table" in said, said
        assert re.search(r"\b2\b", said) and re.search(r"\b[45]\b", said), said
        code, out, err = run("serve", "--config", path, "--data-dir", f"{folder}/data")
        assert code in (1, 2) and out == "" and "frame_bytes_max" in err, (code, out, err)


@scenario()
def the_api_describes_itself(server):
    code, out, err = run("openapi")
    assert code == 0 and json.loads(out)["openapi"].startswith("3."), err
    assert json.loads(out) == server.call("GET", "/openapi.json", want=200)[1]


@scenario(fresh=True)
def demo_data_is_there(server):
    process = subprocess.Popen(
        [Server.binary, "serve", "--dev", "--data-dir", server.data_dir + "-dev"]
        + ["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=server.log,
    )
    try:
        ready = json.loads(process.stdout.readline())
        code, token, err = run("token", "--sub", 1, "--data-dir", server.data_dir + "-dev")
        assert code == 0, err
        with Client(int(ready["tcp"].rsplit(":", 1)[1])) as client:
            answer = client.connect(token.strip())
            assert {1, 2} <= {room["chatroom_id"] for room in answer["rooms"]}, answer
            assert "general" in {room["name"] for room in answer["rooms"]}, answer
            client.post(1, "봉화를 올려라")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@scenario()
def send_and_tail_talk_to_a_running_server(server):
    where = ("--data-dir", server.data_dir, "--url", f"http://127.0.0.1:{server.http}")
    room = server.room()
    with server.client(191) as listener:
        listener.ask("JOIN_ROOM", {"chatroom_id": room}, expect="JOIN_ROOM_SUCCESS")
        code, _, err = run("send", "--room", room, "--as", 191, "손으로 보낸 말", *where)
        assert code == 0, err
        listener.expect("NEW_MESSAGE", content="손으로 보낸 말")
        tail = subprocess.Popen(
            [Server.binary, "tail", "--room", str(room), "--as", "191", "--after", "0"]
            + ["--tcp", f"127.0.0.1:{server.tcp}", *where],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        watchdog = threading.Timer(WAIT_S, tail.kill)
        watchdog.start()
        try:
            for content in ("손으로 보낸 말", "뒤에 온 말"):
                while content not in (line := tail.stdout.readline()):
                    assert line, tail.stderr.read()
                if content == "손으로 보낸 말":
                    listener.post(room, "뒤에 온 말")
        finally:
            watchdog.cancel()
            tail.kill()
            tail.communicate()
    code, _, err = run("send", "--room", 999_999_999, "--as", 191, "x", *where)
    assert code == 1 and err, (code, err)
    code, out, err = run("user", "ban", 199, *where)
    assert code in (1, 2) and err, "no such user"
    code, _, err = run("send", "--room", room, "--as", 191, "x", "--data-dir", server.data_dir, "--url", "http://127.0.0.1:1")
    assert code == 1 and "127.0.0.1:1" in err, (code, err)
