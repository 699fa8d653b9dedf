# `make demo` and `make test` need nothing but Python 3.11+ and a package index.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps
# uv installs in a tenth of pip's time, but does not know an index that only pip is told of
define install
	$(BIN)/uv pip install --quiet --no-deps --compile-bytecode --python $(BIN)/python $(1) 2>/dev/null || $(PIP) $(1)
endef

.DEFAULT_GOAL := help
.PHONY: help demo check test quick pytest lint bench soak containers lock typeface clean

help: ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/installed ## Run everything on a simulated bank, until Ctrl-C
	@exec $(BIN)/heartbeat up --demo

check: $(VENV)/installed-dev ## Style, types, contracts and the quick tests: a minute and a half
	@$(MAKE) --no-print-directory --jobs 2 lint quick

test: $(VENV)/installed-dev ## Check and test everything
	@sh tests/acceptance/provide_chromium.sh $(BIN)/python
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

# beside the checks, which take a core while a worker waits
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

pytest: $(VENV)/installed-dev
	$(BIN)/pytest $(WORKERS) tests/acceptance tests/integration tests/unit

# tests/conftest.py says which tests are heavy
quick: $(VENV)/installed-dev
	$(BIN)/pytest -q $(WORKERS) -m "not heavy" tests/integration tests/unit

lint: $(VENV)/installed-dev ## Style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile tests/containers/stand_ins/*.Dockerfile

bench: $(VENV)/installed-bench ## Side-by-side measurements
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

soak: $(VENV)/installed-dev ## Hours of random business and of killed processes
	HEARTBEAT_SOAK=1 $(BIN)/pytest --timeout 0 tests/integration/test_committed_states.py tests/integration/test_landing_states.py tests/integration/test_landing_killed.py \
		tests/integration/test_forkserver_launcher.py tests/integration/test_api_memory.py tests/acceptance/test_refresh.py tests/acceptance/test_comes_back.py \
		tests/acceptance/test_cockpit_in_a_browser.py

containers: $(VENV)/installed-dev ## Build the image and try the containers for real, where a Docker engine is
	$(BIN)/pytest --timeout 0 tests/containers

lock: ## Write the lock files anew from pyproject.toml (needs uv)
	echo uv | uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 -o requirements-installer.lock -
	uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 -o requirements.lock pyproject.toml
	uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --extra bench -c requirements.lock -o requirements-bench.lock pyproject.toml

typeface: $(VENV)/installed-dev ## Make the shipped letters anew from the locked package of Inter
	$(BIN)/python -m tests.typeface

clean: ## Remove the environment; .heartbeat, the demo's state, stays
	rm -rf $(VENV)

$(VENV)/installer: requirements-installer.lock
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed; install it, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes --requirement requirements-installer.lock || echo "Going on without uv, with pip"
	@touch $@

$(VENV)/installed: $(VENV)/installer requirements.lock pyproject.toml
	@echo "Installing the locked packages"
	@$(call install,--require-hashes --requirement requirements.lock)
	@$(call install,--no-build-isolation --editable .)
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	@echo "Installing the locked development packages"
	@$(call install,--require-hashes --requirement requirements-dev.lock)
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-dev requirements-bench.lock
	@echo "Installing the locked packages that are measured against"
	@$(call install,--require-hashes --requirement requirements-bench.lock)
	@touch $@
