# Everything that is done with this tree; `make help` lists it.
# Needs Python 3.11 or newer, git and make; the rest is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -p server_tests.summary
TOTAL := $(VENV)/test-results
DATA ?= .data
RUN_FLAGS ?=

comma := ,
stop = { echo 'make: $(1)' >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: compiled test-compiled promtool promtool-path record record-operator images e2e e2e-short kube-ready e2e-report crds manifests fuzz pool-test help setup run run3 fmt check test test-slow sim kill-test lin-test failover diff-test bench ci clean lock

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c '' 2>/dev/null || $(call stop,there is no $(PYTHON): install Python 3.11 or newer$(comma) or name it: make PYTHON=python3.12 ...)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  $(call stop,$(PYTHON) is older than Python 3.11: name a newer one: make PYTHON=python3.12 ...)
	@$(PYTHON) -c 'import venv$(comma) ensurepip' 2>/dev/null || \
	  $(call stop,$(PYTHON) has no venv module: on Debian and Ubuntu$(comma) apt install python3-venv)
	$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes --no-build-isolation -r requirements/dev.txt || \
	  $(call stop,the packages of requirements/dev.txt could not be installed (see above): is the package index within reach?)
	@$(PIP) --no-deps --no-build-isolation -e . || $(call stop,this tree could not be installed into $(VENV))
	@touch $@

setup: $(STAMP)  ## make .venv and install everything, with hashes checked
	@$(BIN)/python -c 'import proconsul' 2>/dev/null || $(call stop,$(VENV) does not work any more: make clean$(comma) then again)

# A copy of the package whose busiest modules are machine code: in front on PYTHONPATH it is what runs.
MACHINE_CODE := .compiled
SOURCES = $(shell find server/proconsul server/compiling -name '*.py')
# COMPILED=yes: run, run3 take it; the benchmark does unless COMPILED=no.
COMPILED ?=
ON_MACHINE_CODE := PYTHONPATH=$(CURDIR)/$(MACHINE_CODE)

$(MACHINE_CODE)/made: $(STAMP) $(SOURCES)
	@$(BIN)/python -m compiling $(MACHINE_CODE)
	@touch $@

compiled: $(MACHINE_CODE)/made  ## compile the busiest modules into .compiled (needs a C compiler, a minute): make run COMPILED=yes
	@$(ON_MACHINE_CODE) $(BIN)/python -c 'from compiling.modules import interpreted; exit(bool(interpreted()))' || \
	  $(call stop,$(MACHINE_CODE) is not whole: remove it$(comma) then again)

run: setup $(if $(filter yes,$(COMPILED)),compiled)  ## start a durable server on loopback; RUN_FLAGS adds flags
	@echo 'make run: RUN_FLAGS adds flags, as in: make run RUN_FLAGS=-http-port=8510'
	@exec env $(if $(filter yes,$(COMPILED)),$(ON_MACHINE_CODE)) $(BIN)/proconsul agent -server -bootstrap-expect=1 -data-dir=$(DATA) -bind=127.0.0.1 -client=127.0.0.1 $(RUN_FLAGS)

run3: setup $(if $(filter yes,$(COMPILED)),compiled)  ## start three servers on 127.0.0.1 to .3, which are one cluster; ^C ends them
	@trap 'trap - INT TERM; kill -INT 0; wait' INT TERM; for number in 1 2 3; do \
	  $(if $(filter yes,$(COMPILED)),$(ON_MACHINE_CODE)) $(BIN)/proconsul agent -server -bootstrap-expect=3 -node=s$$number -data-dir=$(DATA)-$$number \
	    -bind=127.0.0.$$number -client=127.0.0.$$number \
	    -retry-join=127.0.0.1 -retry-join=127.0.0.2 -retry-join=127.0.0.3 $(RUN_FLAGS) & \
	done; wait

fmt: setup  ## format the code
	$(BIN)/ruff format server operator e2e bench
	$(BIN)/ruff check --fix server operator e2e bench

check: setup  ## lint, format, types, import contracts
	$(BIN)/ruff check server operator e2e bench
	$(BIN)/ruff format --check server operator e2e bench
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup  ## all tests that need no Kubernetes and are quick
	$(PYTEST) -n $(WORKERS) -m "not slow"

test-compiled: compiled  ## the quick tests of the server, run on compiled modules
	$(ON_MACHINE_CODE) $(PYTEST) -n $(WORKERS) -m "not slow and not interpreted" server/server_tests

KUBE_PROGRAMS ?=
BARE := $(if $(KUBE_PROGRAMS),$(BIN)/python -m operator_tests.bare_kubernetes --)
test-slow: setup  ## the slow ones; KUBE_PROGRAMS=folder with etcd and kube-apiserver: those with an API server, too
	$(BARE) $(PYTEST) -n $(WORKERS) -m slow

SEEDS ?= 2000
sim: setup  ## raft under simulated faults; SEEDS=n or a..b, sums in sim.json (begin a new one when code changes)
	$(BIN)/python -m server_tests.sim.run --seeds $(SEEDS) --jobs $(WORKERS) --out sim.json

ROUNDS ?= 100
kill-test: setup  ## kill -9 under load, ROUNDS times: every acknowledged write must be there
	$(BIN)/python -m server_tests.durability.kill --rounds $(ROUNDS)

LIN_SECONDS ?= 120
LIN_FLAGS ?=
lin-test: setup  ## three servers killed, frozen and cut off for LIN_SECONDS: does any history contradict itself? (LIN_FLAGS=--help)
	$(BIN)/python -m server_tests.cluster.lin_run --seconds $(LIN_SECONDS) $(LIN_FLAGS)

FAILOVERS ?= 20
MULTIPLIER ?= 1
failover: setup  ## how long writes stand still when the leader is killed, frozen, cut off; FAILOVERS=20 times each, at MULTIPLIER=1
	$(BIN)/python -m server_tests.cluster.failover --rounds $(FAILOVERS) --multiplier $(MULTIPLIER)

diff-test: setup  ## the same requests to a real Consul 1.8.7 (CONSUL_REAL=path names it) and to ours
	$(BIN)/python -m server_tests.differential.report

FUZZ ?=
FUZZ_SECONDS ?= 60
FUZZ_FLAGS ?=
fuzz: setup  ## feed decoders changed bytes, FUZZ_SECONDS each; FUZZ="yamux http" names some (FUZZ_FLAGS=--help)
	$(BIN)/python -m server_tests.fuzz.run --seconds $(FUZZ_SECONDS) $(FUZZ_FLAGS) $(FUZZ)

WORKLOAD ?= all
SERVERS ?= 1,3
PAIRS ?= 5
SECONDS_EACH ?= 3
BENCH_FLAGS ?=
bench: setup $(if $(filter no,$(COMPILED)),,compiled)  ## speed beside the Consul 1.8.7 that CONSUL_REAL names; WORKLOAD="get put-64-64", SERVERS, PAIRS, SECONDS_EACH (BENCH_FLAGS=--help)
	$(if $(filter no,$(COMPILED)),,$(ON_MACHINE_CODE)) $(BIN)/python -m bench $(WORKLOAD) --servers $(SERVERS) --pairs $(PAIRS) --seconds $(SECONDS_EACH) $(BENCH_FLAGS)

crds: setup  ## write manifests/crds from the operator's structs
	$(BIN)/python -m operator_tests.crds manifests/crds

manifests: setup  ## render manifests/ from the charts, and the kinds into the operator's chart (needs helm)
	$(BIN)/python -m operator_tests.charts.manifests

PROMTOOL_VERSION := v0.316.0
TOOLS ?= $(HOME)/.cache/proconsul/bin
promtool:  ## build promtool, which tests the alert rules, into TOOLS (needs Go 1.26, 2 GB for a while, 5 minutes); prints its path
	@[ -x $(TOOLS)/promtool-$(PROMTOOL_VERSION) ] || { \
	  command -v go >/dev/null || $(call stop,there is no Go: install Go 1.26 or newer$(comma) or name a promtool of Prometheus 3.16 in PROMTOOL); \
	  scratch=$$(mktemp -d); trap 'chmod -R u+w $$scratch; rm -rf $$scratch' EXIT; mkdir -p $(TOOLS); \
	  GOMODCACHE=$$scratch/modules GOCACHE=$$scratch/cache GOBIN=$$scratch/bin CGO_ENABLED=0 \
	    go install -trimpath -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION) && \
	  mv $$scratch/bin/promtool $(TOOLS)/promtool-$(PROMTOOL_VERSION); }
	@echo $(TOOLS)/promtool-$(PROMTOOL_VERSION)

promtool-path:  # where it is, or will be
	@echo $(TOOLS)/promtool-$(PROMTOOL_VERSION)

record: setup  ## record anew what servers export while things go wrong, for the tests of the alert rules (root, a quarter of an hour)
	$(BIN)/python -m operator_tests.charts.record

record-operator: setup  ## the same of an operator, on KUBECONFIG's cluster, which has the images (half an hour)
	$(KUBE_LAB) $(BIN)/python -m operator_tests.charts.record_operator

POOL_SECONDS ?= 600
POOL_FLAGS ?=
pool-test: setup  ## our agents with real Consul and Serf ones: faults, then POOL_SECONDS of load; POOL_FLAGS=--encrypt
	$(BIN)/python -m server_tests.gossip_pool.everyone --faults --seconds $(POOL_SECONDS) $(POOL_FLAGS)

images:  ## build/server.tar and operator.tar by docker, podman, buildah or IMAGE_BUILD; or SERVER_IMAGE_TAR, OPERATOR_IMAGE_TAR
	@$(PYTHON) -m e2e.images

SHARD ?=
KIND_IMAGE ?=
KUBE_LAB ?=
E2E_FLAGS ?=
E2E_CLUSTER ?= $(if $(KUBECONFIG),given,kind)
# Images are for kind, and for a given cluster into which E2E_LOAD can bring them.
E2E_IMAGES := $(if $(filter kind,$(E2E_CLUSTER))$(E2E_LOAD),images)
export SHARD KIND_IMAGE E2E_CLUSTER
e2e: setup $(E2E_IMAGES)  ## the cases on kind (KIND_IMAGE), where KUBE_LAB runs it, or on KUBECONFIG's cluster; SHARD=2/6, E2E_FLAGS="-k install"
	$(KUBE_LAB) $(BIN)/python -m e2e.cluster -- $(BIN)/python -m pytest -p server_tests.summary -o timeout=2400 e2e/cases $(E2E_FLAGS)

e2e-short: E2E_FLAGS = --short --no-skip
e2e-short: e2e  ## three cases in under ten minutes, none of which may be skipped: a part of .ci/run

KUBE_READY ?= true
kube-ready:  # what .ci/run has begun to build may not be there yet
	@$(KUBE_READY)

e2e-report: setup  ## what came of each case, and which were not run at this commit
	@$(BIN)/python -m e2e.results

# Where there is a C compiler what it makes of our modules is tested, too.
CI_STEPS := check test $(if $(shell command -v $(CC)),test-compiled) $(if $(KUBE_LAB),kube-ready) test-slow $(if $(KUBE_LAB),e2e-short)
ci: setup  ## what .ci/run runs: check, test, test-slow, with KUBE_LAB e2e-short, and the sum of their results
	@rm -f $(TOTAL); code=0; for step in $(CI_STEPS); do \
	  began=$$(date +%s); \
	  TEST_RESULTS=$(TOTAL) $(MAKE) --no-print-directory $$step || { code=1; failed="$$failed $$step"; }; \
	  took="$$took $$step $$(($$(date +%s) - began)) s,"; \
	done; \
	$(BIN)/python -m server_tests.summary $(TOTAL); \
	echo "took:$${took%,}"; \
	[ -z "$$failed" ] || echo "failed:$$failed" >&2; exit $$code

lock:  ## renew requirements/ (needs uv)
	uv pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes --no-emit-index-url --extra operator --group dev -o requirements/dev.txt
	uv pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes --no-emit-index-url -c requirements/dev.txt -o requirements/run.txt
	uv pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes --no-emit-index-url -c requirements/dev.txt --extra operator -o requirements/operator.txt
	echo hatchling | uv pip compile - --python-version 3.11 --universal --generate-hashes --no-emit-index-url -c requirements/dev.txt -o requirements/build.txt
	printf 'mypy\nsetuptools\nziglang\n' | uv pip compile - --python-version 3.11 --universal --generate-hashes --no-emit-index-url -c requirements/dev.txt -o requirements/compile.txt

clean:  ## remove what was installed and cached (not .data)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .fuzz dist $(MACHINE_CODE)
