"""Finds the servers that a cluster runs on, and installs those that are missing; what cannot be had is said in full.

Go's and Maven's go into a folder of ours; Debian's are the machine's own packages. Nothing that is found is changed.
"""

import functools
import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Where what is built or gathered goes. `BONGSU_TOOLS` names another place, for those who have a place for such things.
TOOLS = pathlib.Path(os.environ.get("BONGSU_TOOLS") or HERE.parent.parent / "target" / "tools").resolve()

NATS = "github.com/nats-io/nats-server/v2@v2.10.27"
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
NATS_MIN, REDIS_MIN, POSTGRES_MIN = (2, 10), (6, 2), (13,)
INSTALL_S = 900


class Missing(Exception):
    """A server cannot be had on this machine; the text says what would help."""


def say(text):
    """To people, loudly; stdout may be somebody's JSON."""
    print(f"== cluster: {text}", file=sys.stderr, flush=True)


@functools.cache
def postgres():
    """The folder with the programs of PostgreSQL, the newest there is."""
    found = find_postgres()
    if not found:
        apt("postgresql")
        found = find_postgres()
    if not found:
        raise Missing(f"there is no PostgreSQL {POSTGRES_MIN[0]} or newer (initdb, postgres, psql): install Debian's postgresql")
    return found


def find_postgres():
    named = [os.path.realpath(path) for path in (shutil.which("postgres"), shutil.which("initdb")) if path]
    folders = {os.path.dirname(path) for path in named} | set(glob.glob("/usr/lib/postgresql/*/bin"))
    whole = [f for f in folders if all(os.access(f"{f}/{tool}", os.X_OK) for tool in ("initdb", "postgres", "psql"))]
    versions = sorted((version(f"{folder}/postgres", "--version"), folder) for folder in whole)
    return pathlib.Path(versions[-1][1]) if versions and versions[-1][0] >= POSTGRES_MIN else None


@functools.cache
def redis():
    """redis-server."""
    found = find("redis-server", REDIS_MIN, "--version")
    if not found:
        apt("redis-server")
        found = find("redis-server", REDIS_MIN, "--version")
    if not found:
        raise Missing(f"there is no redis-server {dotted(REDIS_MIN)} or newer: install Debian's redis-server")
    return found


@functools.cache
def nats():
    """nats-server. Debian 12's is too old, so that it is built from its module where Go is."""
    found = find("nats-server", NATS_MIN, "--version")
    if found:
        return found
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not go:
        raise Missing(f"there is no nats-server {dotted(NATS_MIN)} or newer, and no Go to build {NATS} with")
    say(f"installing {NATS} into {TOOLS}")
    TOOLS.mkdir(parents=True, exist_ok=True)
    done(
        f"{NATS} cannot be built",
        [go, "install", NATS],
        env={**os.environ, "GOBIN": str(TOOLS), "GOFLAGS": "-trimpath -ldflags=-s"},
    )
    return find("nats-server", NATS_MIN, "--version")


@functools.cache
def kafka():
    """Java, and the class path of a broker."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if not java:
        raise Missing("there is no Java 17 or newer for Kafka: install a JRE, such as Debian's default-jre-headless")
    pom = HERE / "kafka" / "pom.xml"
    place = TOOLS / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"
    if not place.is_dir():
        if not maven:
            apt("maven")
            maven = shutil.which("mvn")
        if not maven:
            raise Missing("there is no Maven to gather Kafka's jars with: install Debian's maven")
        say(f"gathering Kafka's jars, as tests/cluster/kafka/pom.xml has them, into {place}")
        partial = place.with_name(f"{place.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        # A copy, for Maven writes beside the file that it reads.
        shutil.copy(pom, partial)
        copy = [maven, "--quiet", "--batch-mode", COPY_JARS, "--file", str(partial / "pom.xml")]
        done("Kafka's jars cannot be gathered", [*copy, f"-DoutputDirectory={partial}"])
        try:
            partial.rename(place)
        except OSError:  # Another was quicker.
            shutil.rmtree(partial)
    return java, f"{place}/*"


def openssl():
    """The program that makes certificates."""
    found = shutil.which("openssl")
    if not found:
        apt("openssl")
        found = shutil.which("openssl")
    if not found:
        raise Missing("there is no openssl to make certificates with")
    return found


def find(program, least, flag):
    """A program that is at least as new, in our own folder or in the PATH."""
    for path in (shutil.which(program, path=TOOLS), shutil.which(program)):
        if path and version(path, flag) >= least:
            return path
    return None


def version(program, flag):
    """The first number with a dot or a space before it, as a tuple; () if it says none."""
    try:
        told = subprocess.run([program, flag], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    number = re.search(r"(?:v=|\bv| )(\d+(?:\.\d+)*)", told)
    return tuple(map(int, number[1].split("."))) if number else ()


def dotted(numbers):
    return ".".join(map(str, numbers))


def apt(package):
    """Installs a package of Debian's where that is how things are installed, and where we may."""
    tool = shutil.which("apt-get")
    if not tool:
        raise Missing(f"{package} is missing, and this is no Debian on which apt-get could install it")
    if os.geteuid() != 0:
        raise Missing(f"{package} is missing, and only root may install it: sudo apt-get install {package}")
    say(f"INSTALLING THE PACKAGE {package} of this machine's distribution with apt-get")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [tool, "-qq", "install", "--yes", "--no-install-recommends", package]
    try:
        done("", install, env=environ)
    except Missing:  # What apt knows of may be older than what there is.
        done(f"{package} cannot be installed", [tool, "-qq", "update"], env=environ)
        done(f"{package} cannot be installed", install, env=environ)


def done(wrong, command, env=None):
    """Runs a command that must succeed."""
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=INSTALL_S, env=env
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"{wrong}: {error}") from error
    if ran.returncode:
        raise Missing(f"{wrong}: {' '.join(command)} ended with {ran.returncode}:\n{ran.stdout[-2_000:]}")
