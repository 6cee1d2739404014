"""Runs what is asked of several nodes, on each backplane: `tests/cluster/run.py [--binary PATH] [--bus NAME] [--only TEXT]`."""

import argparse
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import install  # noqa: E402
import needs  # noqa: E402
import runner  # noqa: E402
from servers import Postgres  # noqa: E402

# Those that the server speaks over.
BUSES = ("nats", "redis")


def scenarios():
    """All of them, registered."""
    import importlib

    from across import spread

    spread.register()
    own = [file.stem for file in sorted((HERE / "across").glob("[a-z]*.py")) if file.stem != "spread"]
    for module in own:
        importlib.import_module(f"across.{module}")


def over(bus, only):
    """All scenarios on one backplane; the exit code."""
    from cluster import Cluster

    print(f"== cluster on {bus}", flush=True)
    began = time.monotonic()
    Cluster.bus_kind = bus
    code = runner.run(Cluster, only)
    print(f"== cluster on {bus}: {'FAILED' if code else 'passed'} in {time.monotonic() - began:.0f} s", flush=True)
    return code


def main(argv):
    parser = argparse.ArgumentParser(description="Three nodes of the built server on real servers.")
    parser.add_argument("--binary", default=HERE.parent.parent / "target/debug/bongsu", type=pathlib.Path)
    parser.add_argument("--bus", action="append", help="only this backplane; may be given again")
    parser.add_argument("--only", help="run the scenarios with this in their name")
    parser.add_argument("--work", type=pathlib.Path, help="where what is installed goes; beside the binary's folder")
    options = parser.parse_args(argv)
    if not options.binary.is_file():
        print(f"no server at {options.binary}: build it first, or name it with --binary", file=sys.stderr)
        return 2
    needs.folder = (options.work or options.binary.resolve().parent.parent / "e2e").resolve()
    needs.python_packages()
    from cluster import Cluster
    from server import Server

    Server.binary = str(options.binary.resolve())
    scenarios()
    try:
        with Postgres() as Cluster.postgres:
            return max(over(bus, options.only) for bus in options.bus or BUSES)
    except (install.Missing, subprocess.SubprocessError) as wrong:
        print(f"FAILED: {wrong}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    # Ended from outside, it still ends the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
