# Everything runs in a virtual environment of its own; only Python 3.11, git and the package registries are needed.
# `make e2e` needs Go as well.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := $(VENV)/.installed
DEV := $(VENV)/.dev
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml

# The tests whose branches are counted: examples alone, since a property's input is random, and a floor must not depend
# on luck. TESTS narrows `make test`; REV and ARGS are for `make bench-against`.
COUNTED := tests/unit tests/cycles tests/golden -m "not hypothesis"
TESTS ?=
REV ?=
ARGS ?=

.PHONY: help install demo test e2e check bench bench-against schemas format lock changelog clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: $(STAMP) ## make .venv with the skyray command

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "skyray needs Python 3.11 or newer; say which with: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --no-compile --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $(STAMP)

$(DEV): $(STAMP) requirements-dev.lock
	$(PIP) --no-compile --require-hashes -r requirements-dev.lock
	@touch $(DEV)

demo: $(STAMP) ## play the fill-and-spill story on a new fleet repo in ./demo
	@$(BIN)/skyray demo

test: $(DEV) ## unit, golden and integration tests, on real git and kustomize
	$(BIN)/pytest -n 2 $(TESTS)

e2e: $(DEV) ## real API servers, kube-scheduler, KubeRay, Argo CD and Flux, built with Go (cached in ~/.cache/skyray)
	@command -v go >/dev/null || test -n "$$KUBEBUILDER_ASSETS" || { echo "make e2e needs Go 1.26 or newer to build the Kubernetes, KubeRay, Argo CD and Flux programs: install Go, then run it again" >&2; exit 3; }
	$(BIN)/python -m tests.e2e.harness.parts
	$(BIN)/pytest tests/e2e --timeout 1500

check: $(DEV) ## lint, types, import contracts, dependencies, branch coverage of the pure packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python .ci/audit.py
	$(BIN)/python .ci/shape.py
	$(BIN)/towncrier build --draft --version next >/dev/null
	$(BIN)/pytest -n 2 $(COUNTED) --cov --cov-report=json:.coverage.json
	$(BIN)/python .ci/branch_coverage.py

bench: $(DEV) ## speed against floors measured in the same run
	$(BIN)/python -m benchmarks

bench-against: $(DEV) ## race an older checkout: make bench-against REV=037e108 [ARGS="--small --only place"]
	@test -n "$(REV)" || { echo "say which revision to race: make bench-against REV=037e108" >&2; exit 3; }
	$(BIN)/python -m benchmarks.against $(REV) $(ARGS)

schemas: $(DEV) ## write docs/schemas/ from the models
	$(BIN)/python -m reconciler.service.schemas docs/schemas

format: $(DEV) ## format and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(DEV) ## lock the dependencies anew
	$(LOCK) --group build -o requirements.lock
	$(LOCK) --group dev -o requirements-dev.lock

changelog: $(DEV) ## fold changes/ into CHANGELOG.md: make changelog VERSION=1.2.3
	@test -n "$(VERSION)" || { echo "say which version: make changelog VERSION=1.2.3" >&2; exit 3; }
	$(BIN)/towncrier build --yes --version $(VERSION)

clean: ## remove what make made
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
