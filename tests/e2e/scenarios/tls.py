"""TLS with certificates that openssl made, met by Python's own ssl module and by the `websockets` package."""

import functools
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

from client import Client, Closed, WAIT_S
from needs import Skipped
from runner import scenario
from server import Server, wait_until

AUTHORITY = """
[ca]
default_ca = d
[d]
dir = {dir}
database = $dir/index.txt
new_certs_dir = $dir
serial = $dir/serial
crlnumber = $dir/crlnumber
certificate = $dir/ca.pem
private_key = $dir/ca-key.pem
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""
REFUSED = (ssl.SSLError, ConnectionError, EOFError)


class Authority:
    """Who issues certificates, as files of openssl."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.config = self.folder / "openssl.cnf"
        self.config.write_text(AUTHORITY.format(dir=self.folder))
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n")):
            (self.folder / file).write_text(text)
        self.run(
            "req", "-x509", *self.new_key("ca"), "-out", self.file("ca"), "-days", "30", "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )
        self.write_list()

    def file(self, name):
        return str(self.folder / f"{name}.pem")

    @staticmethod
    def run(*words):
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 0, done.stderr

    def new_key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.file(f"{name}-key")]

    def issue(self, name, names, usage, dates=()):
        """A certificate; `dates`: from when to when it is good, where that is not now."""
        request = self.folder / f"{name}.csr"
        self.run(
            "req", "-new", *self.new_key(name), "-out", request, "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={names}", "-addext", f"extendedKeyUsage={usage}",
        )
        times = ["-startdate", dates[0], "-enddate", dates[1]] if dates else []
        self.run("ca", "-batch", "-config", self.config, "-in", request, "-out", self.file(name), "-notext", *times)
        return self.file(name), self.file(f"{name}-key")

    def device(self, name, dates=()):
        return self.issue(name, f"URI:urn:bongsu:device:{name}", "clientAuth", dates)

    def revoke(self, name):
        self.run("ca", "-config", self.config, "-revoke", self.file(name))
        self.write_list()

    def write_list(self):
        self.run("ca", "-config", self.config, "-gencrl", "-out", self.file("crl"))


class Fleet:
    """The certificates of one test."""

    def __init__(self):
        if not shutil.which("openssl"):
            raise Skipped("there is no openssl")
        self.home = tempfile.TemporaryDirectory(prefix="bongsu-tls-")
        self.ca = Authority(f"{self.home.name}/fleet", "fleet")
        self.other = Authority(f"{self.home.name}/other", "other")
        self.ca.issue("server", "DNS:localhost,IP:127.0.0.1", "serverAuth")
        self.good = self.ca.device("car-1")
        self.expired = self.ca.device("car-2", ("20200101000000Z", "20210101000000Z"))
        self.early = self.ca.device("car-3", ("20900101000000Z", "20910101000000Z"))
        self.revoked = self.ca.device("car-4")
        self.ca.revoke("car-4")
        self.strange = self.other.device("car-1")

    def config(self, auth):
        ca = self.ca
        asked = f'client_ca = ["{ca.file("ca")}"]\ncrl = ["{ca.file("crl")}"]\n' if auth != "none" else ""
        return (
            '[server]\nhttps = "127.0.0.1:0"\ntcps = "127.0.0.1:0"\n'
            f'[tls]\ncertificate = "{ca.file("server")}"\nkey = "{ca.file("server-key")}"\nclient_auth = "{auth}"\n{asked}'
        )

    def context(self, shows=None, version=None, alpn=()):
        context = ssl.create_default_context(cafile=self.ca.file("ca"))
        if shows:
            context.load_cert_chain(*shows)
        if version:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


@functools.cache
def fleet():
    return Fleet()


def config(auth):
    return functools.cache(lambda: fleet().config(auth))


NONE, OPTIONAL, REQUIRED = config("none"), config("optional"), config("required")


def port(server, name):
    return int(server.ready[name].rsplit(":", 1)[1])


def dial(server, name, context, session=None):
    plain = socket.create_connection(("127.0.0.1", port(server, name)), WAIT_S)
    return context.wrap_socket(plain, server_hostname="localhost", session=session)


def asks(stream, path="/healthz"):
    """The status of an answer of HTTP; with TLS 1.3 a client learns only here what was thought of its certificate."""
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        got = stream.recv(4096)
        if not got:
            raise EOFError("closed")
        head += got
    return int(head.split(b" ", 2)[1])


class SecureClient(Client):
    """The action protocol over TLS."""

    def __init__(self, server, context):
        super().__init__(server.tcp)
        self.socket.close()
        self.socket = dial(server, "tcps", context)
        self.socket.settimeout(WAIT_S)

    def receive(self, deadline):
        try:
            return super().receive(deadline)
        except ssl.SSLError as error:
            raise Closed(str(error)) from error


@scenario(config=REQUIRED)
def only_good_certificates_of_the_right_authority_are_let_in(server):
    them = fleet()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with dial(server, "https", them.context(them.good, version)) as stream:
            assert asks(stream) == 200
            assert stream.version() == version.name.replace("_", "."), stream.version()
        for what in ("strange", "expired", "early", "revoked", None):
            shown = getattr(them, what) if what else None
            for name in ("https", "tcps"):
                try:
                    with dial(server, name, them.context(shown, version)) as stream:
                        status = asks(stream)
                except REFUSED:
                    continue
                raise AssertionError(f"{what} was let in at {name} with {version.name}: {status}")


@scenario(config=OPTIONAL)
def who_need_show_nothing_must_show_nothing_bad(server):
    them = fleet()
    with dial(server, "https", them.context()) as stream:
        assert asks(stream) == 200
    try:
        with dial(server, "https", them.context(them.revoked)) as stream:
            asks(stream)
    except REFUSED:
        return
    raise AssertionError("a revoked certificate was let in")


@scenario(config=OPTIONAL)
def a_session_is_not_resumed_where_certificates_are_asked_for(server):
    them = fleet()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = them.context(them.good, version)
        with dial(server, "https", context) as stream:
            asks(stream)
            before = stream.session
        with dial(server, "https", context, before) as stream:
            asks(stream)
            assert not stream.session_reused, version.name


@scenario(config=NONE)
def a_session_is_resumed_where_they_are_not(server):
    context = fleet().context(version=ssl.TLSVersion.TLSv1_3)
    with dial(server, "https", context) as stream:
        asks(stream)
        before = stream.session
    with dial(server, "https", context, before) as stream:
        asks(stream)
        assert stream.session_reused


@scenario(config=NONE)
def http_2_is_offered_by_name(server):
    for offered, chosen in ((("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)):
        with dial(server, "https", fleet().context(alpn=offered)) as stream:
            assert stream.selected_alpn_protocol() == chosen, offered


@scenario(config=NONE)
def old_versions_are_not_spoken(server):
    context = fleet().context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        dial(server, "https", context).close()
    except REFUSED:
        return
    raise AssertionError("TLS 1.1 was spoken")


@scenario(config=NONE)
def who_speaks_no_tls_is_told_so(server):
    with socket.create_connection(("127.0.0.1", port(server, "https")), WAIT_S) as stream:
        assert asks(stream) == 400
    for name in ("https", "tcps"):
        with socket.create_connection(("127.0.0.1", port(server, name)), WAIT_S) as stream:
            stream.sendall(b"\x00\x01\x02\x03")
            assert stream.recv(10) == b""


@scenario(config=NONE)
def messages_cross_between_tls_and_none(server):
    secure, plain = SecureClient(server, fleet().context()), server.client(902)
    secure.connect(server.token(901, "secure"))
    room = server.room(room_id=9001, members=[901, 902])
    for client in (secure, plain):
        client.ask("JOIN_ROOM", {"chatroom_id": room})
    text = "봉수 " * 500
    for count in range(20):
        sender, hearer = (secure, plain) if count % 2 else (plain, secure)
        sender.post(room, f"{count} {text}")
        content = f"{count} {text}".strip()
        hearer.take(
            lambda f: f["action"] == "NEW_MESSAGE" and f["data"]["content"].strip() == content, f"message {count}"
        )
    assert len(secure.history(room)) == 20
    secure.close()
    plain.close()


@scenario(config=OPTIONAL)
def a_websocket_of_the_websockets_package_is_served(server):
    from websockets.sync.client import connect

    them = fleet()
    url = f"wss://localhost:{port(server, 'https')}/ws"
    with connect(url, ssl=them.context(them.good), open_timeout=WAIT_S) as one:
        one.send(json.dumps({"type": "auth", "id": "a", "data": {"token": server.token(903)}}))
        assert json.loads(one.recv(WAIT_S))["type"] == "auth.ok"
        one.send(json.dumps({"type": "room.join", "id": "j", "data": {"room": "secure-lounge"}}))
        text = "x" * 4000
        for count in range(30):
            data = {"room": "secure-lounge", "text": f"{count} {text}"}
            one.send(json.dumps({"type": "chat.message", "id": str(count), "data": data}))
        heard = 0
        while heard < 30:
            frame = json.loads(one.recv(WAIT_S))
            assert frame["type"] != "error", frame
            heard += frame["type"] == "chat.message"


@scenario(config=OPTIONAL, fresh=True)
def who_is_revoked_is_cut_at_reload_and_nobody_else(server):
    them = fleet()
    stays_with, goes_with = them.ca.device("stays"), them.ca.device("goes")
    stays = SecureClient(server, them.context(stays_with))
    goes = SecureClient(server, them.context(goes_with))
    nameless = SecureClient(server, them.context())
    for user, client in ((904, stays), (905, goes), (906, nameless)):
        client.connect(server.token(user))
    them.ca.revoke("goes")
    server.process.send_signal(signal.SIGHUP)
    goes.until_closed()
    for client in (stays, nameless):
        client.refused("GET_MESSAGES", {"chatroom_id": 0})
        client.close()
    try:
        with dial(server, "https", them.context(goes_with)) as stream:
            asks(stream)
    except REFUSED:
        return
    raise AssertionError("it was let in again")


@scenario(config=NONE, fresh=True)
def a_new_certificate_is_for_new_connections(server):
    them = fleet()
    before = dial(server, "https", them.context())
    first = before.getpeercert()["serialNumber"]
    them.ca.issue("server", "DNS:localhost,IP:127.0.0.1", "serverAuth")
    server.process.send_signal(signal.SIGHUP)

    def serial():
        with dial(server, "https", them.context()) as stream:
            return stream.getpeercert()["serialNumber"]

    wait_until(lambda: serial() != first, "the new certificate")
    assert asks(before) == 200, "the old connection goes on"
    before.close()


@scenario()
def what_pki_makes_is_taken_by_others(_):
    with tempfile.TemporaryDirectory() as folder:
        made = f"{folder}/pki"
        for words in (("ca",), ("server",), ("device", "--device", "car-9"), ("device", "--device", "car-10")):
            done = subprocess.run([Server.binary, "pki", *words, "--dir", made], capture_output=True, timeout=WAIT_S)
            assert done.returncode == 0, done.stderr
        text = (
            '[server]\nhttps = "127.0.0.1:0"\ntcps = "off"\n'
            f'[tls]\ncertificate = "{made}/server.pem"\nkey = "{made}/server-key.pem"\n'
            f'client_auth = "required"\nclient_ca = ["{made}/ca.pem"]\ncrl = ["{made}/crl.pem"]\n'
        )
        revoke = [Server.binary, "pki", "revoke", "--device", "car-10", "--dir", made]
        done = subprocess.run(revoke, capture_output=True, timeout=WAIT_S)
        assert done.returncode == 0, done.stderr
        with Server(config=text) as server:
            assert "tcps" not in server.ready, server.ready
            for device, taken in (("car-9", True), ("car-10", False)):
                context = ssl.create_default_context(cafile=f"{made}/ca.pem")
                context.verify_flags |= ssl.VERIFY_X509_STRICT
                context.load_cert_chain(f"{made}/device-{device}.pem", f"{made}/device-{device}-key.pem")
                try:
                    with dial(server, "https", context) as stream:
                        assert asks(stream) == 200 and taken, device
                except REFUSED:
                    assert not taken, device
