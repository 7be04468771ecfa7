# Everything that is done with this tree; `make help` lists it.
# Needs Python 3.11 or newer, git and make; the rest is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -p server_tests.summary
DATA ?= .data
RUN_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run fmt check test test-slow kill-test diff-test bench ci clean lock

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "make: needs Python 3.11 or newer as $(PYTHON); name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "make: $(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(STAMP)  ## make .venv and install everything, with hashes checked

run: setup  ## start a durable server on loopback; RUN_FLAGS adds flags
	@exec $(BIN)/proconsul agent -server -bootstrap-expect=1 -data-dir=$(DATA) -bind=127.0.0.1 -client=127.0.0.1 $(RUN_FLAGS)

fmt: setup  ## format the code
	$(BIN)/ruff format server
	$(BIN)/ruff check --fix server

check: setup  ## lint, format, types, import contracts
	$(BIN)/ruff check server
	$(BIN)/ruff format --check server
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup  ## all tests that need no Kubernetes and are quick
	$(PYTEST) -n $(WORKERS) -m "not slow"

test-slow: setup  ## the slow ones
	$(PYTEST) -n $(WORKERS) -m slow

ROUNDS ?= 100
kill-test: setup  ## kill -9 under load, ROUNDS times: every acknowledged write must be there
	$(BIN)/python -m server_tests.durability.kill --rounds $(ROUNDS)

diff-test: setup  ## the same requests to the real Consul (CONSUL_REAL) and to ours, by endpoint
	$(BIN)/python -m server_tests.differential.report

ci: check test test-slow  ## what .ci/run runs

lock:  ## renew requirements/ (needs uv)
	uv pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes --no-emit-index-url --group dev -o requirements/dev.txt
	uv pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes --no-emit-index-url -c requirements/dev.txt -o requirements/run.txt

clean:  ## remove what was installed and cached (not .data)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
