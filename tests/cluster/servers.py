"""PostgreSQL, Redis, NATS and Kafka on free loopback ports, started, killed, frozen and started again; they end with us.

As a program: `servers.py start nats [--tls] [--password|--token] [--port N]` prints one line of JSON when the server takes
connections and serves until its stdin closes. A line on stdin (`kill`, `stop`, `start`, `restart`, `pause`, `resume`) is
carried out and answered with a line. `servers.py with nats postgres -- COMMAND …` runs a command that is told by its
environment (`BONGSU_TEST_NATS`, …) where they are.
"""

import argparse
import atexit
import base64
import ctypes
import json
import os
import pathlib
import pwd
import random
import secrets
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

import install
from certificates import Certificates

START_S = 60.0
STOP_S = 20.0
# Below the ports that systems give to clients: a client that dials a port on which nobody listens may be given that very
# port and then talks to itself.
PORTS = range(20_000, 32_000)
LOOPBACK = "127.0.0.1"
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)
chance = random.Random(secrets.randbits(64))


def free_port():
    """A port of the loopback's on which nobody listens."""
    for _ in range(1_000):
        port = chance.choice(PORTS)
        with socket.socket() as trial:
            try:
                trial.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise install.Missing("there is no free port on the loopback")


def dying_with_us(number):
    """For a child before it runs anything: what it is sent by the kernel when the thread that made it is no more."""
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


class Backing:
    """A server that others build on: one process (with its children), a folder, a port that it keeps."""

    kind = None
    # What ends it at once when whoever started it has died.
    LAST_SIGNAL = signal.SIGKILL
    # What ends it in good order.
    GOOD_ORDER = signal.SIGTERM

    def __init__(self, *, port=0, tls=False, password=False, token=False):
        self.port, self.process, self.frozen = port or free_port(), None, []
        self.user = self.password = self.token = self.certificates = None
        if password:
            self.user, self.password = "bongsu", secrets.token_hex(12)
        if token:
            self.token = secrets.token_hex(12)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"bongsu-{self.kind}-"))
        # Its server may run as another user, who has to get to its own folder in there.
        self.home.chmod(0o711)
        atexit.register(self.end)
        try:
            if tls:
                self.certificates = Certificates(self.home)
            self.prepare()
            self.start()
        except BaseException:
            self.end()
            raise

    # What each server says of itself

    def prepare(self):
        """Makes what must be there before the first start."""

    def command(self):
        """The command line."""
        raise NotImplementedError

    def answers(self):
        """Whether it takes connections: what it says when it is spoken to, not that there is a socket."""
        raise NotImplementedError

    def scheme(self):
        return self.kind

    def runs_as(self):
        """Options of the process."""
        return {}

    # Life

    def start(self, seconds=START_S):
        """Starts it, on the port and the data that it has; returns when it takes connections."""
        assert self.process is None or self.process.poll() is not None, f"{self.kind} runs already"
        with open(self.home / "log", "ab") as log:
            self.said = log.tell()
            self.process = subprocess.Popen(
                [str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=dying_with_us(self.LAST_SIGNAL), cwd=self.home, **self.runs_as(),
            )
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not self.answers_now():
            if self.process.poll() is not None:
                raise install.Missing(f"{self.kind} ended with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise install.Missing(f"{self.kind} takes no connections after {seconds} s:\n{self.log_tail()}")
            pause.wait(0.02)
        return self

    def answers_now(self):
        try:
            return self.answers()
        except (OSError, EOFError, subprocess.SubprocessError):
            return False

    def kill(self):
        """As a crash does, with all its children."""
        for pid in self.family():
            send(pid, signal.SIGSTOP)  # So that no parent cleans up behind its children.
        for pid in self.family():
            send(pid, signal.SIGKILL)
        self.frozen = []
        self.process.wait()

    def stop(self):
        """In good order."""
        self.resume()
        self.process.send_signal(self.GOOD_ORDER)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self):
        """Kills it and starts it again."""
        if self.process.poll() is None:
            self.kill()
        self.start()

    def pause(self):
        """Freezes it: its sockets stay, and nobody answers."""
        self.frozen = self.family()
        for pid in self.frozen:
            send(pid, signal.SIGSTOP)

    def resume(self):
        for pid in reversed(self.frozen):
            send(pid, signal.SIGCONT)
        self.frozen = []

    def end(self):
        """Ends it and takes its folder away; as often as one likes."""
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)
        atexit.unregister(self.end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def family(self):
        """The process and its children, which PostgreSQL's are in sessions of their own."""
        if self.process.poll() is not None:
            return []
        found, known = [self.process.pid], {self.process.pid}
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue  # It has ended meanwhile.
                parents[int(entry.name)] = int(stat.rpartition(") ")[2].split()[1])
        grown = True
        while grown:
            more = [pid for pid, parent in parents.items() if parent in known and pid not in known]
            found += more
            known.update(more)
            grown = bool(more)
        return found

    def log_tail(self, size=3_000):
        try:
            return (self.home / "log").read_text(errors="replace")[-size:]
        except FileNotFoundError:
            return ""

    # Where it is

    @property
    def url(self):
        """As `bongsu serve` takes it."""
        who = self.token or (f"{self.user or ''}:{self.password}" if self.password else "")
        trusts = f"?ca={urllib.parse.quote(str(self.certificates.ca), safe='/')}" if self.certificates else ""
        return f"{self.scheme()}://{who}{'@' if who else ''}{LOOPBACK}:{self.port}{trusts}"

    def described(self):
        """For programs."""
        told = {"kind": self.kind, "url": self.url, "host": LOOPBACK, "port": self.port, "pid": self.process.pid}
        told |= {name: getattr(self, name) for name in ("user", "password", "token") if getattr(self, name)}
        return told | ({"ca": str(self.certificates.ca)} if self.certificates else {})

    def dial(self, seconds=2.0, tls=None):
        """A connection to it; with TLS where it has TLS from the start."""
        line = socket.create_connection((LOOPBACK, self.port), seconds)
        if self.certificates and tls is not False:
            line = ssl.create_default_context(cafile=self.certificates.ca).wrap_socket(line, server_hostname="localhost")
        return line


class Nats(Backing):
    """nats-server, without JetStream."""

    kind = "nats"
    # All that docs/operations/nats.md says that nodes need.
    MAY = '{ publish: ["bongsu.>"], subscribe: ["bongsu.>"] }'

    def prepare(self):
        self.settings = self.home / "nats.conf"
        users = f'{{ user: {self.user}, password: "{self.password}", permissions: {self.MAY} }}'
        self.settings.write_text(f"authorization {{ users: [ {users} ] }}\n" if self.password else "")
        self.settings.chmod(0o600)

    def command(self):
        words = [install.nats(), "--config", self.settings, "--addr", LOOPBACK, "--port", self.port, "--no_advertise"]
        if self.token:
            words += ["--auth", self.token]
        if self.certificates:
            words += ["--tls", "--tlscert", self.certificates.certificate, "--tlskey", self.certificates.key]
        return words

    def answers(self):
        with self.dial(tls=False) as line:
            return line.recv(5) == b"INFO "  # Before TLS, if it has TLS.

    def scheme(self):
        return "tls" if self.certificates else "nats"


class Redis(Backing):
    """redis-server, which keeps nothing."""

    kind = "redis"

    def command(self):
        words = [install.redis(), "--bind", LOOPBACK, "--dir", self.home, "--save", "", "--appendonly", "no"]
        if self.certificates:
            words += ["--port", "0", "--tls-port", self.port, "--tls-auth-clients", "no"]
            words += ["--tls-cert-file", self.certificates.certificate, "--tls-key-file", self.certificates.key]
            words += ["--tls-ca-cert-file", self.certificates.ca]
        else:
            words += ["--port", self.port]
        if self.password:
            # An account, as a production has it: its default user is nobody.
            words += ["--user", self.user, "on", f">{self.password}", "~*", "&*", "+@all", "--user", "default", "off"]
        return words

    def answers(self):
        with self.dial() as line:
            if self.password:
                line.sendall(f"AUTH {self.user} {self.password}\r\n".encode())
                if not line.recv(64).startswith(b"+OK"):
                    return False
            line.sendall(b"PING\r\n")
            return line.recv(64).startswith(b"+PONG")

    def scheme(self):
        return "rediss" if self.certificates else "redis"


class Kafka(Backing):
    """One broker of Kafka that is its own controller."""

    kind = "kafka"
    HEAP = "320m"

    def prepare(self):
        # On the way between itself and itself it needs no TLS, on ports that nobody else knows.
        self.inner, self.control = free_port(), free_port()
        protocol = ("SASL_" if self.password else "") + ("SSL" if self.certificates else "PLAINTEXT")
        lines = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.control}",
            "controller.listener.names": "CONTROL",
            "inter.broker.listener.name": "INNER",
            "listeners": f"CLIENTS://{LOOPBACK}:{self.port},INNER://{LOOPBACK}:{self.inner},CONTROL://{LOOPBACK}:{self.control}",
            "advertised.listeners": f"CLIENTS://{LOOPBACK}:{self.port},INNER://{LOOPBACK}:{self.inner}",
            "listener.security.protocol.map": f"CLIENTS:{protocol},INNER:PLAINTEXT,CONTROL:PLAINTEXT",
            "log.dirs": self.home / "data",
            # One broker has nobody to copy to, and a small machine few cores.
            **dict.fromkeys(
                ("offsets.topic.replication.factor", "transaction.state.log.replication.factor",
                 "transaction.state.log.min.isr", "share.coordinator.state.topic.replication.factor",
                 "share.coordinator.state.topic.min.isr", "offsets.topic.num.partitions",
                 "transaction.state.log.num.partitions", "num.recovery.threads.per.data.dir"), 1,
            ),
            "num.network.threads": 2,
            "num.io.threads": 2,
            "background.threads": 2,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.enable": "false",
            "log.segment.bytes": 16 << 20,
        }
        if self.password:
            login = "org.apache.kafka.common.security.plain.PlainLoginModule"
            lines["sasl.enabled.mechanisms"] = "PLAIN"
            lines["listener.name.clients.plain.sasl.jaas.config"] = (
                f'{login} required user_{self.user}="{self.password}";'
            )
        if self.certificates:
            lines["listener.name.clients.ssl.keystore.type"] = "PEM"
            lines["listener.name.clients.ssl.keystore.location"] = self.certificates.both
        self.settings = self.home / "server.properties"
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        self.settings.chmod(0o600)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        form = self.java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", self.settings)
        done = subprocess.run(form, capture_output=True, text=True, timeout=START_S)
        if done.returncode:
            raise install.Missing(f"the storage of Kafka cannot be made: {done.stdout}{done.stderr}")

    def java(self, main, *words):
        java, jars = install.kafka()
        # What takes seconds of a start is the compiler; a broker that lives for minutes does without its second stage.
        machine = [f"-Xmx{self.HEAP}", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        logs = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.log.kafka.server=info"]
        return [str(word) for word in (java, *machine, *logs, "-cp", jars, main, *words)]

    def command(self):
        return self.java("kafka.Kafka", self.settings)

    def answers(self):
        # Its listeners are bound before it answers on them: it says itself when it does.
        with open(self.home / "log", "rb") as log:
            log.seek(self.said)
            if b"Kafka Server started" not in log.read():
                return False
        self.dial().close()
        return True


class Postgres(Backing):
    """PostgreSQL with a fresh cluster, its superuser `bongsu` and a database of that name."""

    kind = "postgres"
    # Its children have sessions of their own: the postmaster ends them at once when it is told so.
    LAST_SIGNAL = signal.SIGQUIT
    GOOD_ORDER = signal.SIGINT
    DATABASE = "bongsu"

    def __init__(self, *, durable=False, settings=None, **options):
        """`durable`: keeps its word when the machine dies, too; without it, when only the process does."""
        self.durable, self.settings, self.made = durable, settings or {}, False
        super().__init__(**options)

    def prepare(self):
        self.user, self.bin, self.data = "bongsu", install.postgres(), self.home / "data"
        self.data.mkdir(mode=0o700)
        (self.home / "password").write_text(self.password or "none")
        mine = [self.data, self.home / "password"]
        if self.certificates:
            mine += [self.certificates.key, self.certificates.certificate]
        if self.runs_as():
            for path in mine:
                shutil.chown(path, self.runs_as()["user"], self.runs_as()["group"])
        initdb = [self.bin / "initdb", "--pgdata", self.data, "--username", self.user, "--pwfile", self.home / "password"]
        initdb += ["--encoding", "UTF8", "--no-locale", "--auth", "scram-sha-256" if self.password else "trust", "--no-sync"]
        done = subprocess.run(list(map(str, initdb)), capture_output=True, text=True, timeout=START_S, cwd="/", **self.runs_as())
        if done.returncode:
            raise install.Missing(f"initdb: {done.stdout}{done.stderr}")
        who = "hostssl" if self.certificates else "host"
        (self.data / "pg_hba.conf").write_text(
            f"{who} all all {LOOPBACK}/32 {'scram-sha-256' if self.password else 'trust'}\n"
        )

    def start(self, seconds=START_S):
        super().start(seconds)
        if not self.made:
            self.create(self.DATABASE)
            self.made = True
        return self

    def command(self):
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "64MB",
            "dynamic_shared_memory_type": "posix",
            "password_encryption": "scram-sha-256",
            "log_min_messages": "warning",
            **({} if self.durable else {"fsync": "off", "full_page_writes": "off"}),
            **self.settings,
        }
        if self.certificates:
            files = {"ssl": "on", "ssl_cert_file": self.certificates.certificate, "ssl_key_file": self.certificates.key}
            settings |= files
        words = [self.bin / "postgres", "-D", self.data]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        return words

    def answers(self):
        return self.ask("SELECT 1", database="template1").returncode == 0

    def runs_as(self):
        """It refuses to be root."""
        if os.geteuid() != 0:
            return {}
        for name in ("postgres", "nobody"):
            try:
                user = pwd.getpwnam(name)
            except KeyError:
                continue
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        raise install.Missing("PostgreSQL refuses to be root, and there is neither a user postgres nor nobody")

    def ask(self, sql, database=None):
        """What psql makes of it."""
        environ = {**os.environ, "PGCONNECT_TIMEOUT": "5"}
        for name in [name for name in environ if name.startswith("PG") and name != "PGCONNECT_TIMEOUT"]:
            del environ[name]
        environ |= {"PGPASSWORD": self.password} if self.password else {}
        if self.certificates:
            environ |= {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(self.certificates.ca)}
        words = [self.bin / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", LOOPBACK, "-p", self.port]
        words += ["-U", self.user, "-d", database or self.DATABASE, "-c", sql]
        return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=START_S, env=environ)

    def create(self, database):
        """Makes a database and gives its URL."""
        done = self.ask(f'CREATE DATABASE "{database}"', database="template1")
        if done.returncode:
            raise install.Missing(f"the database {database} cannot be made: {done.stderr}")
        return self.url_of(database)

    def url_of(self, database):
        who = f"{self.user}:{self.password}" if self.password else self.user
        return f"postgres://{who}@{LOOPBACK}:{self.port}/{database}{self.options()}"

    def options(self):
        if not self.certificates:
            return ""
        return "?sslmode=verify-full&sslrootcert=" + urllib.parse.quote(str(self.certificates.ca), safe="/")

    @property
    def url(self):
        return self.url_of(self.DATABASE)


KINDS = {each.kind: each for each in (Postgres, Nats, Redis, Kafka)}


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # It was quicker.


# As a program

ORDERS = ("kill", "stop", "start", "restart", "pause", "resume")


def serve(options):
    """One server, until stdin closes."""
    with KINDS[options.kind](
        port=options.port, tls=options.tls, password=options.password, token=options.token
    ) as server:
        tell({"ready": True, **server.described()})
        for line in sys.stdin:
            order = line.strip()
            if order not in ORDERS:
                tell({"error": f"{order!r} is none of {', '.join(ORDERS)}"})
                continue
            try:
                getattr(server, order)()
            except (AssertionError, install.Missing) as wrong:
                tell({"error": str(wrong)})
            else:
                tell({"did": order, **server.described()})
    return 0


def beside(options):
    """A command beside servers, which it finds by its environment."""
    started = []
    try:
        for kind in options.kinds:
            started.append(KINDS[kind](tls=options.tls, password=options.password))
        environ = {**os.environ, **environ_of(started)}
        return subprocess.run(options.command, env=environ, preexec_fn=dying_with_us(signal.SIGTERM)).returncode
    finally:
        for server in reversed(started):
            server.end()


def environ_of(started):
    """What tests are told of servers: where each is, and how to have one of their own."""
    own = shlex.join([sys.executable, str(pathlib.Path(__file__).resolve())])
    return {"BONGSU_TEST_SERVERS": own} | {f"BONGSU_TEST_{it.kind.upper()}": it.url for it in started}


def tell(what):
    print(json.dumps(what), flush=True)


def main(argv):
    command = []
    if "--" in argv:
        cut = argv.index("--")
        argv, command = argv[:cut], argv[cut + 1 :]
    parser = argparse.ArgumentParser(description="The servers that a cluster runs on, for tests.")
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("start", help="one server, until stdin closes")
    one.add_argument("kind", choices=KINDS)
    one.add_argument("--port", type=int, default=0)
    one.add_argument("--token", action="store_true", help="who connects must show a token (NATS)")
    one.set_defaults(run=serve)
    many = verbs.add_parser("with", help="a command (behind --) beside servers")
    many.add_argument("kinds", nargs="+", choices=KINDS)
    many.set_defaults(run=beside)
    for each in (one, many):
        each.add_argument("--tls", action="store_true")
        each.add_argument("--password", action="store_true", help="who connects must give user and password")
    options = parser.parse_args(argv)
    options.command = command
    if options.run is beside and not command:
        parser.error("a command is needed behind --")
    # Ended from outside, it still ends the servers that it started.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(143))
    try:
        return options.run(options)
    except install.Missing as wrong:
        print(wrong, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
