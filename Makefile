# `make run` starts a server to play with; `make test` does all that CI does.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
# One profile for clippy's dependencies, the unit tests and the server that the e2e clients meet.
BINARY ?= $(TARGET)/debug/bongsu
DENY_VERSION := 0.20.2
SEEDS ?= 500
SIM_SEEDS ?= $(SEEDS)
ECHO_PROFILE ?= release
BUS ?= nats
# Of `make chaos`.
FAULTS ?= 100
SEED ?= 1
BENCH ?= fanout rooms echo idle connect

.PHONY: help run cluster agent test fmt format tidy lint deny doc unit sim e2e test-cluster chaos asyncapi schemathesis proto proto-release socketio-parser fuzz-smoke bench peers autobahn

help:
	@echo "make run         start a server with demo data (release build)"
	@echo "make cluster     three nodes on this machine, with PostgreSQL and NATS (BUS=redis)"
	@echo "make agent       the display agent alone, a small binary without the server"
	@echo "make test        everything that CI runs: fmt tidy lint deny doc unit e2e schemathesis asyncapi proto socketio-parser autobahn"
	@echo "make format      format the code"
	@echo "make chaos       clients on three nodes that are killed, frozen and cut off (BUS=nats FAULTS=100 SEED=1)"
	@echo "make test-cluster  nodes together, on PostgreSQL, NATS and Redis, which it installs and starts"
	@echo "make sim         the simulation alone, SEEDS=$(SIM_SEEDS)"
	@echo "make schemathesis  the HTTP API against its own description (needs pip)"
	@echo "make proto       the Protobuf contract: lint, and what would break its users (needs npm)"
	@echo "make fuzz-smoke  decoders against many random inputs"
	@echo "make bench       the benchmarks, against the floor of the same run"
	@echo "make peers       install the servers that bongsu bench --beside measures (needs node and npm)"
	@echo "make autobahn    the WebSocket codec against the Autobahn suite (needs a Python 2.7)"

run:
	$(CARGO) run --release --locked -p bongsu -- serve --dev

cluster:
	@$(CARGO) build --release --locked -p bongsu
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/cluster/up.py --binary $(TARGET)/release/bongsu --bus $(BUS)

# What a display needs: no SQLite, no HTTP server.
agent:
	$(CARGO) build --release --locked -p bongsu-agent
	@echo "$(TARGET)/release/bongsu-agent"

# In this order: what fails fastest and most often comes first.
# The compression cases take longer and want a release build: `make autobahn` has them.
test: fmt tidy lint deny doc unit e2e schemathesis asyncapi proto socketio-parser
	@$(MAKE) --no-print-directory autobahn ECHO_PROFILE=dev AUTOBAHN_CASES="1.* 2.* 3.* 4.* 5.* 6.* 7.* 9.* 10.*"
	@echo "== test: all of it passed"

fmt:
	@echo "== fmt"
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --all --check; \
	else echo "== SKIPPED fmt: rustfmt is not installed (rustup component add rustfmt)"; fi

format:
	$(CARGO) fmt --all

tidy:
	@echo "== tidy"
	@$(CARGO) xtask tidy

lint:
	@echo "== lint"
	@if $(CARGO) clippy --version >/dev/null 2>&1; then \
		$(CARGO) clippy --workspace --all-targets --locked -- -D warnings; \
	else echo "== SKIPPED lint: clippy is not installed (rustup component add clippy)"; fi

deny:
	@echo "== deny"
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --quiet --locked cargo-deny@$(DENY_VERSION)
	@$(CARGO) deny check bans licenses sources
	@echo "== SKIPPED advisories: they want a clone of the advisory database; 'cargo deny check advisories' has it"

doc:
	@echo "== doc"
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

# The simulation's seeds are among these tests.
unit:
	@echo "== unit"
	@mkdir -p $(TARGET)
	@$(CARGO) test --workspace --locked 2>&1 | tee $(TARGET)/unit.log
	@awk '/^test result:/ { p += $$4; f += $$6 } END { printf "== unit: %d passed, %d failed\n", p, f }' $(TARGET)/unit.log

sim:
	BONGSU_SIM_SEEDS=$(SIM_SEEDS) $(CARGO) test --release --locked -p bongsu-sim -- --nocapture

e2e:
	@echo "== e2e"
	@$(CARGO) build --workspace --locked
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/e2e/run.py --binary $(BINARY)

# Real servers, installed where they are missing and started on free ports: first the store and the buses on them by
# themselves, then three nodes of the built server on each backplane.
test-cluster:
	@echo "== test-cluster"
	@$(CARGO) build --workspace --locked
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/cluster/servers.py with postgres nats redis -- \
		$(CARGO) test --workspace --locked --features bongsu-store/real-servers,bongsu-bus/real-servers --test postgres --test real
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/cluster/run.py --binary $(BINARY)
	@for bus in nats redis; do \
		PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/chaos/run.py --binary $(BINARY) --bus $$bus --faults 8 --seed 7; done
	@echo "== test-cluster: passed"

# What clients saw while nodes were killed, frozen and cut off, as docs/history.md has it; judged by `bongsu-sim check`.
chaos:
	@echo "== chaos"
	@$(CARGO) build --locked -p bongsu -p bongsu-sim
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/chaos/run.py --binary $(BINARY) --bus $(BUS) --faults $(FAULTS) --seed $(SEED) --verbose

# Whatever the description of the HTTP API allows, and what it does not: every answer must be one that it has.
schemathesis:
	@echo "== schemathesis"
	@$(CARGO) build --quiet --locked -p bongsu
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/openapi/run.py $(BINARY) $(TARGET)/e2e

# The descriptions as others read them. That they are what the code says is among the unit tests.
asyncapi:
	@echo "== asyncapi"
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		mkdir -p $(TARGET)/asyncapi; \
		cp tests/asyncapi/package.json tests/asyncapi/package-lock.json tests/asyncapi/check.mjs $(TARGET)/asyncapi/; \
		(cd $(TARGET)/asyncapi && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null); \
		node $(TARGET)/asyncapi/check.mjs "$(CURDIR)"; \
	else echo "== SKIPPED asyncapi: node and npm are not installed; nobody has read the descriptions"; fi

# The Protobuf contract: its style, and that nothing in it breaks whoever was built with the released one.
# `npm install`, as the lock file leaves out builds for machines on which nobody checks the contract.
proto:
	@echo "== proto"
	@if command -v npm >/dev/null; then \
		mkdir -p $(TARGET)/proto; \
		cp tests/proto/package.json tests/proto/package-lock.json $(TARGET)/proto/; \
		(cd $(TARGET)/proto && npm install --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null); \
		buf=$(TARGET)/proto/node_modules/.bin/buf; \
		$$buf lint proto; \
		$$buf format --diff --exit-code proto; \
		$$buf breaking proto --against proto/released.json; \
		echo "== proto: the contract breaks nobody"; \
	else echo "== SKIPPED proto: npm is not installed; nobody has linted the contract"; fi

# Before a release: from then on, what stands in the contract stays.
proto-release: proto
	$(TARGET)/proto/node_modules/.bin/buf build proto --exclude-source-info -o proto/released.json

# What clients of Socket.IO 1 to 4 say and read, by their own parsers.
socketio-parser:
	@echo "== socketio-parser"
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		mkdir -p $(TARGET)/socketio-parser; \
		cp tests/socketio-parser/package.json tests/socketio-parser/package-lock.json tests/socketio-parser/*.mjs $(TARGET)/socketio-parser/; \
		(cd $(TARGET)/socketio-parser && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null); \
		$(CARGO) build --quiet --locked -p bongsu-wire --example socketio_lines; \
		node --no-deprecation $(TARGET)/socketio-parser/check.mjs $(TARGET)/debug/examples/socketio_lines; \
	else echo "== SKIPPED socketio-parser: node and npm are not installed; nobody else has read what we say"; fi

fuzz-smoke:
	PROPTEST_CASES=20000 $(CARGO) test --release --locked -p bongsu-wire

bench:
	@$(CARGO) build --release --locked -p bongsu
	@for what in $(BENCH); do $(TARGET)/release/bongsu bench $$what --protocol action; done

# The bench itself fetches nothing: what it runs beside is installed here, at the versions of the lock files.
peers:
	@mkdir -p $(TARGET)/peers
	@cp -r tests/peers/. $(TARGET)/peers/
	@cd $(TARGET)/peers/socketio && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@echo "== peers: node-socketio is in $(TARGET)/peers/socketio"

# AUTOBAHN_CASES="1.* 6.4.*" runs some of them; without it, all that docs/autobahn.md lists.
autobahn:
	@echo "== autobahn"
	@$(CARGO) build --profile $(ECHO_PROFILE) --locked -p bongsu-edge --example websocket_echo
	@$(PYTHON) tests/autobahn/run.py $(TARGET)/$(if $(filter dev,$(ECHO_PROFILE)),debug,$(ECHO_PROFILE))/examples/websocket_echo $(TARGET)/autobahn $(AUTOBAHN_CASES)
