"""Runs every scenario: `python3 tests/e2e/run.py [--binary PATH] [--only TEXT]`."""

import sys

import runner

if __name__ == "__main__":
    sys.exit(runner.main(sys.argv[1:]))
