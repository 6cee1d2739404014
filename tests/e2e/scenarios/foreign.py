"""The Java client: one file, nothing but the language's own library."""

import pathlib
import shutil
import subprocess

from runner import scenario

FILE = pathlib.Path(__file__).resolve().parents[1] / "E2e.java"


@scenario()
def the_java_client_goes_through_the_document(server):
    java = shutil.which("java")
    assert java, "no java on this machine: install a JDK (17 or newer)"
    room = server.room()
    tokens = [server.token(user, name) for user, name in ((501, "하나"), (502, "두리"), (503, "세나"))]
    command = [java, str(FILE), "127.0.0.1", str(server.tcp), str(room), *tokens]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    print(done.stdout, end="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed, 0 failed" in done.stdout, done.stdout
