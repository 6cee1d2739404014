"""A Chromium without a window, driven over its own debugging protocol; and pages for it, from a loopback server."""

import functools
import http.client
import http.server
import itertools
import json
import os
import pathlib
import subprocess
import tempfile
import threading

import needs
from client import WAIT_S, Unexpected
from server import wait_until
from websockets.sync.client import connect

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--no-default-browser-check", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--remote-debugging-port=0",
]
START_S = 60


class Pages:
    """An origin of its own: the files of one folder on a free port of the loopback, and single ones from elsewhere."""

    def __init__(self, folder, **elsewhere):
        handler = functools.partial(Quiet, directory=str(folder), elsewhere=elsewhere)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args, elsewhere, **options):
        self.elsewhere = elsewhere
        super().__init__(*args, **options)

    def translate_path(self, path):
        found = self.elsewhere.get(path.strip("/").removesuffix(".js"))
        return str(found) if found else super().translate_path(path)

    def log_message(self, *_):
        pass


class Chromium:
    def __init__(self):
        self.home = tempfile.TemporaryDirectory(prefix="bongsu-e2e-chromium-", ignore_cleanup_errors=True)
        self.log = open(os.path.join(self.home.name, "log"), "ab")
        command = [needs.browser(), *FLAGS, f"--user-data-dir={self.home.name}", "about:blank"]
        # A group of its own: a browser is many processes, and all of them end with it.
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)
        told = pathlib.Path(self.home.name, "DevToolsActivePort")
        try:
            text = wait_until(lambda: self.ready(told), "a debugging port", START_S)
        except BaseException:
            self.close()
            raise
        self.port = int(text.split()[0])

    def ready(self, told):
        if self.process.poll() is not None:
            raise AssertionError(f"Chromium ended with {self.process.poll()}: {self.log_tail()}")
        return told.exists() and "\n" in (text := told.read_text()) and text

    def log_tail(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")[-2_000:]

    def page(self, address):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request("PUT", "/json/new?about:blank")
            target = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return Page(target["webSocketDebuggerUrl"], address)

    def close(self):
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        self.home.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Page:
    """One page; `complaints` are its exceptions, and what the browser refused it."""

    def __init__(self, debugger, address):
        self.socket = connect(debugger, max_size=16 << 20, compression=None)
        self.numbers, self.complaints = itertools.count(1), []
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'", "the page")

    def call(self, method, **params):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=WAIT_S))
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                return message["result"]
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"])
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"])

    def evaluate(self, expression):
        """The value of an expression, of a promise once it is kept."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise Unexpected(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, expression, what, seconds=WAIT_S):
        return wait_until(lambda: self.evaluate(expression), what, seconds)

    def lines(self, kind):
        """What the page of `page/` shows of this kind."""
        return self.evaluate(f"[...document.querySelectorAll('li.{kind}')].map(it => it.textContent)")

    def say(self, text):
        """As a hand would: into the field, then the button."""
        self.evaluate(f"document.getElementById('text').value = {json.dumps(text)}")
        self.evaluate("document.getElementById('say').click()")

    def close(self):
        self.socket.close()
