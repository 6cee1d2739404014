"""Runs every scenario: `python3 tests/e2e/run.py [--binary PATH] [--only TEXT]`."""

import signal
import sys

import runner

if __name__ == "__main__":
    # Ended from outside, it still ends the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(runner.main(sys.argv[1:]))
