"""Runs Schemathesis over what a server says of its HTTP API: `run.py SERVER WORK_FOLDER [--max-time SECONDS] [MORE …]`.

Every operation of `/openapi.json` gets what the description allows and what it does not, alone and one after the other
as links between operations suggest; every answer must be one that the description has. Ends with 1 if one is not.
"""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import needs

SCHEMATHESIS = "schemathesis==4.32.5"
# WebSockets are no answers of HTTP, and a stream of events has no end: clients of these are among the e2e scenarios.
WITHOUT = r"^/ws$|^/device$|/watch$|/events$"
CATALOGUE = f'[devices]\ncatalogue = "{HERE.parent / "e2e" / "catalogue.toml"}"\n'
# The same cases in every run; another seed finds what no one has thought of.
SEED = os.environ.get("SCHEMATHESIS_SEED", "20261121")


def command(python, server, options):
    return [
        python, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run", f"http://127.0.0.1:{server.http}/openapi.json",
        "--header", f"Authorization: Bearer {server.token('reviewer', role='admin', ttl='2h')}",
        "--exclude-path-regex", WITHOUT,
        "--seed", SEED, "--max-examples", str(options.examples), "--workers", "2",
        "--request-timeout", "30", "--no-color", "--continue-on-failure",
        *options.more,
    ]


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--examples", type=int, default=25, help="cases of each kind for each operation")
    parser.add_argument("--seconds", type=int, default=300, help="after so long it is stopped, which is a failure")
    options, options.more = parser.parse_known_args(argv)
    needs.folder = options.work.resolve()
    try:
        needs.python_packages()
        place = needs.pip(SCHEMATHESIS)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"== SKIPPED schemathesis: {SCHEMATHESIS} cannot be installed ({error}); nobody has tried the HTTP API")
        return 0
    from server import Server

    Server.binary = str(options.server.resolve())
    with Server(config=CATALOGUE) as server:
        done = subprocess.run(
            command(sys.executable, server, options),
            env={**os.environ, "PYTHONPATH": str(place)}, cwd=server.home.name, timeout=options.seconds,
        )
        complaints = server.complaints()
        if server.process.poll() is not None or complaints:
            print(f"== schemathesis: the server ended, or complained: {complaints[:3]}")
            return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
