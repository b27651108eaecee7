# Everything is installed into .venv from the locked, hashed requirements.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PYTHONDONTWRITEBYTECODE ?=

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: $(READY)  ## Show the main job in a sandbox: push, webhook, diff, apply, drift, healing
	@$(BIN)/towline demo

test: $(READY)  ## Run the tests; say what was skipped and why
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not cluster"
	@echo "Left out: the tests on a real API server (make controlplane builds one, make test-cluster runs them)"

test-cluster: $(READY)  ## Run the tests that need a real API server, on one that is started once
	$(BIN)/python -m pytest -m cluster -n auto --dist worksteal

controlplane:  ## Build etcd, kube-apiserver and kube-controller-manager for test-cluster (needs Go)
	@$(PYTHON) tests/controlplane/build.py

check: $(READY)  ## Lint, formatting, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

run: $(READY)  ## Run the Procfile's processes with the settings of the environment
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/honcho start --port "$${PORT:-8080}"

bench: $(READY)  ## Measure the engine beside other tools, and its memory; write docs/benchmarks.md
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python -m benchmarks.engine

bench-quick: $(READY)  ## The same with small numbers, in two minutes; writes nothing
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python -m benchmarks.engine --quick

lock: $(READY)  ## Resolve the dependencies anew and write requirements/ (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --all-extras --group dev pyproject.toml --output-file requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    pyproject.toml --constraints requirements/dev.txt --output-file requirements/production.txt

clean:  ## Remove what was installed and cached here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

.PHONY: help demo test test-cluster controlplane check run bench bench-quick lock clean
