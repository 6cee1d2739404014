"""Collects scenarios, gives each the server it asks for, and counts what passed."""

import sys
import time
import traceback

import needs
from needs import Skipped

SCENARIOS = []


def scenario(limits=None, config="", fresh=False):
    """Registers a scenario. Those with the same limits share a server, unless one asks for a fresh one.

    `config` is the text of the configuration above its limits, or a function that gives it when it is needed.
    """

    def register(function):
        SCENARIOS.append((function, limits or {}, config, fresh))
        return function

    return register


def run(make_server, only=None):
    """Runs all scenarios whose name has `only` in it; the exit code."""
    servers, passed, failed, skipped = {}, 0, [], []
    chosen = [s for s in SCENARIOS if not only or only in name_of(s[0])]
    try:
        for function, limits, config, fresh in chosen:
            key = (tuple(sorted(limits.items())), config, function if fresh else None)
            began = time.monotonic()
            try:
                server = servers.get(key)
                if server is None or server.process.poll() is not None:
                    text = config() if callable(config) else config
                    server = servers[key] = make_server(limits=limits, config=text)
                function(server)
                alive = fresh or server.process.poll() is None
                assert alive, f"the server ended with {server.process.poll()}"
                complaints = server.complaints()
                assert not complaints, f"in the server's log: {complaints[:3]}"
            except Skipped as reason:
                skipped.append(name_of(function))
                print(f"== SKIPPED {name_of(function)}: {reason}", flush=True)
            except Exception:
                failed.append(name_of(function))
                print(f"FAILED {name_of(function)}\n{traceback.format_exc()}", flush=True)
                if server := servers.get(key):
                    print(f"  end of the server's log:\n{server.log_tail()}", flush=True)
            else:
                passed += 1
                print(f"ok     {name_of(function)} ({time.monotonic() - began:.1f} s)", flush=True)
            if fresh and key in servers:
                servers.pop(key).stop()
    finally:
        for server in servers.values():
            server.stop()
    for name in failed:
        print(f"FAILED {name}")
    for name in skipped:
        print(f"== SKIPPED {name}")
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} SKIPPED" if skipped else ""))
    return 1 if failed or not passed else 0


def name_of(function):
    return f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}"


def main(argv):
    import argparse
    import importlib
    import pathlib

    here = pathlib.Path(__file__).parent
    parser = argparse.ArgumentParser(description="The built server against clients that were not built with it.")
    parser.add_argument("--binary", default=here.parent.parent / "target/debug/bongsu", type=pathlib.Path)
    parser.add_argument("--only", help="run the scenarios with this in their name")
    parser.add_argument("--work", type=pathlib.Path, help="where what is installed goes; beside the binary's folder")
    options = parser.parse_args(argv)
    if not options.binary.is_file():
        print(f"no server at {options.binary}: build it first, or name it with --binary", file=sys.stderr)
        return 2
    needs.folder = (options.work or options.binary.resolve().parent.parent / "e2e").resolve()
    needs.python_packages()
    from server import Server

    Server.binary = str(options.binary.resolve())
    for file in sorted((here / "scenarios").glob("[a-z]*.py")):
        importlib.import_module(f"scenarios.{file.stem}")
    return run(Server, options.only)
