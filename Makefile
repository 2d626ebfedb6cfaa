# Everything a developer or an operator does, by name. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := services shared pulseline deploy tests bench
# A second worker pays on two cores: half of an integration test's time is spent waiting for a broker.
WORKERS ?= 2
PYTEST := $(BIN)/pytest
ARGS ?=

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "  ARGS=... is passed on: make up ARGS='--detach'; make test-unit ARGS='-k silence'"

# ── Environment ─────────────────────────────────────────────────────────────────────────────────────────────────────
.PHONY: setup setup-dev
setup: $(VENV)/.runtime ## Make .venv with everything the product needs (again only when requirements change)
setup-dev: $(VENV)/.dev ## ... and everything tests and linters need

$(VENV)/.created:
	@deploy/make-venv $(VENV)

$(VENV)/.runtime: requirements/build.txt requirements/runtime.txt pyproject.toml | $(VENV)/.created
	@echo "── installing the product's packages (hashes checked) into $(VENV)"
	@$(BIN)/python deploy/install_requirements.py requirements/build.txt
	@$(BIN)/python deploy/install_requirements.py requirements/runtime.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m shared.embedded.warm
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "── installing test and lint tools (hashes checked) into $(VENV)"
	@$(BIN)/python deploy/install_requirements.py requirements/dev.txt
	@touch $@

.PHONY: requirements
requirements: setup-dev ## Re-resolve requirements/*.in into pinned, hashed *.txt (run it on Python 3.11)
	@cd requirements; for name in build runtime dev; do echo "── $$name"; \
	  ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras \
	    --allow-unsafe --no-header --output-file $$name.txt $$name.in $(ARGS); done

# ── Running ─────────────────────────────────────────────────────────────────────────────────────────────────────────
.PHONY: up down status
up: setup ## Start everything on this machine and stay in the foreground until Ctrl-C
	@exec $(BIN)/pulseline up $(ARGS)
down: setup ## Stop what `up` started
	@$(BIN)/pulseline down $(ARGS)
status: setup ## Show every process, its address and health
	@$(BIN)/pulseline status $(ARGS)

# ── Tests ───────────────────────────────────────────────────────────────────────────────────────────────────────────
.PHONY: test test-unit test-integration test-slow test-chaos test-browser test-cluster test-drills test-previous
test: setup-dev ## Unit, property, contract and integration tests on the embedded Kafka and PostgreSQL
	@$(PYTEST) -n $(WORKERS) --dist loadgroup -m "not slow and not chaos and not browser and not cluster and not drills" $(ARGS)
test-unit: setup-dev ## Unit, property and contract tests: nothing is started
	@$(PYTEST) tests/unit tests/property tests/contract -m "not slow" $(ARGS)
test-integration: setup-dev ## Tests on the embedded Kafka and PostgreSQL only
	@$(PYTEST) -m "integration and not slow and not chaos and not browser and not cluster and not drills" $(ARGS)
test-slow: setup-dev ## Whole public logs, fits, models' figures, fuzzing: what takes minutes
	@$(PYTEST) -n $(WORKERS) --dist loadgroup -m "slow and not chaos and not browser and not cluster" $(ARGS)
test-chaos: setup-dev ## Kill processes under load, and `make up` itself, from outside (slow)
	@$(PYTEST) -m chaos --timeout 900 $(ARGS)
test-browser: setup-dev ## Drive the console in a real Chromium
	@$(PYTEST) -m browser --timeout 300 $(ARGS)
test-cluster: setup-dev ## Tests on three Kafka nodes
	@$(PYTEST) -m "cluster and not chaos" --timeout 300 $(ARGS)
test-drills: setup-dev ## Make every alert rule's fault on running services; see it fire and clear (five minutes)
	@$(PYTEST) -m drills -s $(ARGS)
test-previous: setup-dev ## The previous version's code and tests on this schema (needs git's history)
	@$(BIN)/python -m tests.migration.previous_version $(ARGS)

# ── Code ────────────────────────────────────────────────────────────────────────────────────────────────────────────
.PHONY: lint format types layers
lint: setup-dev ## Style, mistakes and formatting (ruff), the Dockerfile (hadolint)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/hadolint --no-color deploy/Dockerfile
format: setup-dev ## Format the code and fix what can be fixed
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)
types: setup-dev ## Types (mypy --strict, tests included)
	@$(BIN)/mypy services shared pulseline deploy tests
layers: setup-dev ## Who may import whom (import-linter)
	@$(BIN)/lint-imports

# ── Measurements and documents ──────────────────────────────────────────────────────────────────────────────────────
.PHONY: bench bench-engine docs clean
bench: setup-dev ## Benchmarks, every peer side by side
	@$(BIN)/python -m bench $(ARGS)
bench-engine: setup-dev ## The engine's overhead against its peers
	@$(BIN)/python -m bench.engine $(ARGS)
docs: setup-dev ## Regenerate the reference documents from the code
	@$(BIN)/python -m services.cli.reference docs/reference
clean: ## Remove the environment and caches; .pulseline (your data) stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
