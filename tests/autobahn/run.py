"""Runs the Autobahn test suite against the echo server of `crates/bongsu-edge/examples/websocket_echo.rs`.

The suite needs Python 2.7, which is looked for and never installed; everything else goes into a folder of its own.
Prints one summary line; ends with 1 if a case failed or did not run. Use: run.py ECHO_SERVER WORK_FOLDER [CASE ...]
"""

import collections
import fnmatch
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv

SUITE = "autobahntestsuite==25.10.1"
# The last one that makes environments for Python 2.7.
VIRTUALENV = "virtualenv==20.15.1"
AGENT = "bongsu"
# Groups of cases and how many each has; a case that did not run is a failure.
GROUPS = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126}
# Compression in all its settings, with messages of 16 bytes to 8 KiB, whole and in fragments. Those with larger ones
# send some hundred megabytes each and take a quarter of an hour: "12.*" "13.*".
COMPRESSION = [
    f"{group}.{setting}.{size}"
    for group, settings in (("12", 5), ("13", 7))
    for setting in range(1, settings + 1)
    for size in (1, 2, 3, 4, 5, 6, 11)
]
CASES = [f"{group}.*" for group in GROUPS if group not in ("12", "13")] + COMPRESSION
SUITE_SECONDS_MAX = 3600


class Skipped(Exception):
    """The suite cannot be had on this machine."""


def find_python():
    """A Python 2.7: PYTHON27, one on the path, or one that pyenv keeps."""
    roots = [os.environ.get("PYENV_ROOT"), os.path.expanduser("~/.pyenv")]
    kept = [found for root in roots if root for found in glob.glob(os.path.join(root, "versions/2.7*/bin/python2.7"))]
    for candidate in [os.environ.get("PYTHON27"), "python2.7", "python2", *sorted(kept, reverse=True)]:
        path = candidate and shutil.which(candidate)
        asks = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
        if path and subprocess.run([path, "-c", asks], capture_output=True).returncode == 0:
            return path
    raise Skipped("there is no Python 2.7 (PYTHON27=/path/to/python2.7 names one)")


def install(folder):
    """The path of `wstest`, in an environment that is made once."""
    wstest = os.path.join(folder, "python2", "bin", "wstest")
    if os.path.exists(wstest):
        return wstest
    python = find_python()
    tools, suite = os.path.join(folder, "python3"), os.path.join(folder, "python2")
    print(f"== autobahn: installing {SUITE} for {python}", flush=True)
    try:
        venv.create(tools, clear=True, with_pip=True)
        pip = [os.path.join(tools, "bin", "python"), "-m", "pip", "install", "--quiet", VIRTUALENV]
        subprocess.run(pip, check=True)
        virtualenv = [os.path.join(tools, "bin", "virtualenv"), "--quiet", "--clear", "-p", python, suite]
        subprocess.run(virtualenv, check=True)
        # Pip for Python 2.7 warns of its age in every second line.
        pip = [os.path.join(suite, "bin", "pip"), "--no-python-version-warning", "install", "--quiet", SUITE]
        subprocess.run(pip, check=True)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(suite, ignore_errors=True)
        raise Skipped(f"the suite cannot be installed: {error}") from error
    return wstest


def run_cases(wstest, server, cases, folder):
    """Runs the cases; what `index.json` says of each."""
    reports = os.path.join(folder, "reports")
    shutil.rmtree(reports, ignore_errors=True)
    with open(os.path.join(folder, "echo.log"), "w") as log:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        echo = subprocess.Popen([server, "--deflate"], text=True, **pipes)
    try:
        address = echo.stdout.readline().strip()
        if not address:
            sys.exit("== autobahn: the echo server did not start")
        spec = {
            "outdir": reports,
            "servers": [{"agent": AGENT, "url": f"ws://{address}", "options": {"version": 18}}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".json") as file:
            json.dump(spec, file)
            file.flush()
            with open(os.path.join(folder, "wstest.log"), "w") as log:
                run = [wstest, "-m", "fuzzingclient", "-s", file.name]
                subprocess.run(run, check=True, stdout=log, stderr=log, cwd=folder, timeout=SUITE_SECONDS_MAX)
    finally:
        # It ends when its input does.
        echo.stdin.close()
        try:
            echo.wait(timeout=5)
        except subprocess.TimeoutExpired:
            echo.kill()
            echo.wait()
    with open(os.path.join(reports, "index.json")) as file:
        return json.load(file)[AGENT]


def sort_key(case):
    return [int(part) for part in case.split(".")]


def summarize(results, cases):
    """Prints what happened, and whether all of it is good."""
    counts = collections.Counter(result["behavior"] for result in results.values())
    closes = {"OK", "INFORMATIONAL", "UNIMPLEMENTED"}
    bad = {
        case: f"{result['behavior']}, close {result['behaviorClose']}"
        for case, result in results.items()
        if result["behavior"] not in ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")
        or result["behaviorClose"] not in closes
    }
    loose = [case for case, result in results.items() if result["behavior"] == "NON-STRICT"]
    groups = collections.defaultdict(collections.Counter)
    for case, result in results.items():
        groups[case.split(".")[0]][result["behavior"]] += 1
    for group in sorted(groups, key=int):
        said = ", ".join(f"{count} {name.lower()}" for name, count in sorted(groups[group].items()))
        print(f"   {group}: {said}")
    for case in sorted(loose, key=sort_key):
        print(f"   non-strict: {case}")
    for case in sorted(bad, key=sort_key):
        print(f"   FAILED: {case} ({bad[case]})")
    wanted = {f"{group}.*": count for group, count in GROUPS.items()}
    missing = [case for case in cases if len(fnmatch.filter(results, case)) < wanted.get(case, 1)]
    for case in missing:
        print(f"   FAILED: {case} did not run, or not all of it")
    print(
        f"== autobahn: {counts['OK']} ok, {counts['NON-STRICT']} non-strict, {counts['INFORMATIONAL']} informational, "
        f"{len(bad) + len(missing)} failed, {counts['UNIMPLEMENTED']} not negotiated"
    )
    return not bad and not missing and bool(results)


def main():
    server, folder, *cases = sys.argv[1:]
    server, folder = os.path.abspath(server), os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    try:
        wstest = install(folder)
    except Skipped as reason:
        print(f"== SKIPPED autobahn: {reason}")
        return 0
    cases = cases or CASES
    return 0 if summarize(run_cases(wstest, server, cases, folder), cases) else 1


if __name__ == "__main__":
    sys.exit(main())
