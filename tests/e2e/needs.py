"""What the tests want of others: packages by name and version, and a browser.

What is missing is installed into a folder of its own; what cannot be had is said, and what needs it is left out loudly.
"""

import functools
import pathlib
import shutil
import subprocess
import sys

WEBSOCKETS = "websockets==15.0.1"
WS = "ws@8.23.0"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_S = 300

# Where everything goes; `runner.main` may say otherwise.
folder = pathlib.Path(__file__).resolve().parents[2] / "target" / "e2e"


class Skipped(Exception):
    """What a scenario needs cannot be had on this machine."""


def python_packages():
    """The foreign WebSocket implementation, importable from here on. Without it there is no run."""
    place = folder / WEBSOCKETS.replace("==", "-")
    if not (place / "websockets").is_dir():
        print(f"== e2e: installing {WEBSOCKETS}", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        into(place, lambda partial: pip + ["--root-user-action", "ignore", "--target", str(partial), WEBSOCKETS])
    sys.path.insert(0, str(place))


@functools.cache
def node():
    """Node, and the folder whose `node_modules` has `ws`."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if not found or not npm:
        raise Skipped("there is no Node (node and npm)")
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


def into(place, command):
    """Installs into a folder that is there whole or not at all."""
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
    partial.mkdir(parents=True)
    done = subprocess.run(command(partial), capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
        done.check_returncode()
    partial.rename(place)
