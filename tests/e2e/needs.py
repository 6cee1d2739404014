"""What the tests want of others: packages by name and version, and a browser.

What is missing is installed into a folder of its own; what cannot be had is said, and what needs it is left out loudly.
"""

import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

WEBSOCKETS = "websockets==15.0.1"
WS = "ws@8.23.0"
# The Socket.IO clients of Python and Java that speak Engine.IO 3, and those that speak 4. Node's are in `socketio/`.
SOCKETIO_PYTHON = {
    3: ["python-socketio==4.6.1", "python-engineio==3.14.2", "requests==2.34.2", "websocket-client==1.9.2"],
    4: ["python-socketio==5.18.1", "python-engineio==4.15.1", "requests==2.34.2", "websocket-client==1.9.2"],
}
SOCKETIO_JAVA = {3: "1.0.2", 4: "2.1.2"}
GRPC = ["grpcio==1.85.1", "grpcio-tools==1.85.1"]
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_S = 300

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
SOCKETIO = pathlib.Path(__file__).resolve().parent / "socketio"
# Where everything goes; `runner.main` may say otherwise.
folder = pathlib.Path(__file__).resolve().parents[2] / "target" / "e2e"


class Skipped(Exception):
    """What a scenario needs cannot be had on this machine."""


def python_packages():
    """The foreign WebSocket implementation, importable from here on. Without it there is no run."""
    sys.path.insert(0, str(pip(WEBSOCKETS)))


def pip(*packages):
    """The folder that these packages are importable from; the first one names it."""
    place = folder / packages[0].replace("==", "-")
    if not place.is_dir():
        print(f"== e2e: installing {' '.join(packages)}", flush=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        into(place, lambda partial: install + ["--root-user-action", "ignore", "--target", str(partial), *packages])
    return place


def node_and_npm():
    found, npm = shutil.which("node"), shutil.which("npm")
    if not found or not npm:
        raise Skipped("there is no Node (node and npm)")
    return found, npm


@functools.cache
def node():
    """Node, and the folder whose `node_modules` has `ws`."""
    found, npm = node_and_npm()
    place = folder / WS.replace("@", "-")
    if not (place / "node_modules" / "ws").is_dir():
        print(f"== e2e: installing {WS}", flush=True)
        quiet = ["--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts"]
        try:
            into(place, lambda partial: [npm, "install", *quiet, "--prefix", str(partial), WS])
        except subprocess.SubprocessError as error:
            raise Skipped(f"{WS} cannot be installed: {error}") from error
    return found, place


@functools.cache
def socketio_node():
    """Node, and the folder whose `node_modules` has every version of socket.io-client that `socketio/` pins."""
    found, npm = node_and_npm()
    lock = SOCKETIO / "package-lock.json"
    place = folder / f"socketio-node-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not (place / "node_modules").is_dir():
        print("== e2e: installing socket.io-client, as tests/e2e/socketio/package.json has it", flush=True)
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            into(place, lambda partial: [npm, "ci", *quiet, "--prefix", str(partial)], (SOCKETIO / "package.json", lock))
        except subprocess.SubprocessError as error:
            raise Skipped(f"socket.io-client cannot be installed: {error}") from error
    return found, place


@functools.cache
def socketio_python(engine):
    """The folder with the python-socketio that speaks this version of Engine.IO."""
    try:
        return pip(*SOCKETIO_PYTHON[engine])
    except subprocess.SubprocessError as error:
        raise Skipped(f"{SOCKETIO_PYTHON[engine][0]} cannot be installed: {error}") from error


@functools.cache
def grpc():
    """The contract of devices and of control as Python modules, importable from here on, with gRPC's own library."""
    try:
        tools = pip(*GRPC)
    except subprocess.SubprocessError as error:
        raise Skipped(f"{GRPC[0]} cannot be installed: {error}") from error
    files = sorted((PROTO / "bongsu" / "v1").glob("*.proto"))
    made_of = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    place = folder / f"proto-python-{made_of}"
    if not place.is_dir():
        compiler = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO}"]
        paths = [str(file.relative_to(PROTO)) for file in files]
        into(place, lambda partial: [*compiler, f"--python_out={partial}", *paths], environ={"PYTHONPATH": str(tools)})
    sys.path[:0] = [str(tools), str(place)]


@functools.cache
def socketio_java(engine):
    """Java, and the class path with the driver on the client that speaks this version of Engine.IO."""
    tools = [shutil.which(tool) for tool in ("java", "javac", "mvn")]
    if not all(tools):
        raise Skipped("there is no Java with Maven (java, javac and mvn)")
    java, javac, maven = tools
    version, source, pom = SOCKETIO_JAVA[engine], SOCKETIO / "Driver.java", SOCKETIO / "pom.xml"
    made_of = hashlib.sha256(source.read_bytes() + pom.read_bytes()).hexdigest()[:16]
    place = folder / f"socketio-java-{version}-{made_of}"
    if not place.is_dir():
        print(f"== e2e: installing io.socket:socket.io-client:{version}", flush=True)
        copy = [maven, "--quiet", "--batch-mode", COPY_JARS, f"-Dclient={version}"]
        try:
            into(
                place,
                lambda partial: [*copy, "--file", str(partial / "pom.xml"), f"-DoutputDirectory={partial}"],
                (pom,),
                lambda partial: [javac, "-nowarn", "-d", str(partial), "-cp", f"{partial}/*", str(source)],
            )
        except subprocess.SubprocessError as error:
            raise Skipped(f"io.socket:socket.io-client:{version} cannot be installed: {error}") from error
    return java, f"{place}:{place}/*"


@functools.cache
def browser():
    """A Chromium; installed where we may."""
    found = find_browser()
    if not found and shutil.which("apt-get") and sys.platform == "linux":
        print("== e2e: installing chromium", flush=True)
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            try:
                subprocess.run(["apt-get", "-qq", *command], capture_output=True, timeout=INSTALL_S)
            except subprocess.TimeoutExpired:
                break
        found = find_browser()
    if not found:
        raise Skipped(f"there is no Chromium ({', '.join(BROWSERS)})")
    return found


def find_browser():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def into(place, command, files=(), then=None, environ=None):
    """Installs into a folder that is there whole or not at all. `files` are copied first; `then` is a second command."""
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in files:
        shutil.copy(file, partial)
    for step in filter(None, (command, then)):
        environment = {**os.environ, **(environ or {})}
        done = subprocess.run(step(partial), capture_output=True, text=True, timeout=INSTALL_S, env=environment)
        if done.returncode:
            print(done.stdout + done.stderr, flush=True)
            done.check_returncode()
    partial.rename(place)
