# Tidegate. `make` alone prints this help.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAGE := @$(PYTHON) dev/stage.py
TESTS := $(BIN)/python -m pytest -q
# One more than cores: much of the time they wait, for leases to run out and for databases to write.
TOGETHER := -n 3 --dist loadgroup
CLIENTS := .venv-clients
TRAINING := training/.venv
CODE := api bench dev moderation tests training workers
FAST := tests/test_architecture.py $(addprefix tests/moderation/,policy signals scoring outbound test_text.py test_queue.py test_together.py) \
	$(addprefix tests/api/,test_openapi.py test_permissions.py test_comments.py)

.DEFAULT_GOAL := help

help: ## Show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.default ## Run everything on this machine until Ctrl-C
	@$(BIN)/tidegate up

demonstration: $(VENV)/.dev ## Show in three minutes, in Chromium, what a running `make up` does
	@$(BIN)/python -m dev.demonstration $(ARGS)

check: $(VENV)/.dev ## Lint, types, imports and a thousand fast tests, on SQLite alone: at most two minutes
	$(STAGE) lint 60 $(BIN)/ruff check .
	$(STAGE) form 60 $(BIN)/ruff format --check --quiet .
	$(STAGE) types 120 $(BIN)/mypy $(CODE)
	$(STAGE) imports 60 $(BIN)/lint-imports --no-cache
	$(STAGE) tests 120 $(TESTS) -n 2 -m "not (slow or system or faults or bench or browser or clients or detoxify or postgres or wordpress)" $(FAST)

test: $(VENV)/.dev $(VENV)/.detoxify ## All tests, on both databases: at most twenty minutes
	$(STAGE) lint 60 $(BIN)/ruff check .
	$(STAGE) form 60 $(BIN)/ruff format --check --quiet .
	$(STAGE) types 120 $(BIN)/mypy $(CODE)
	$(STAGE) imports 60 $(BIN)/lint-imports --no-cache
	$(STAGE) tests 900 $(TESTS) $(TOGETHER) -m "not (system or faults or bench or browser or clients or wordpress)"
	$(STAGE) system 1200 $(TESTS) $(TOGETHER) -m "(browser or system or faults) and not bench"

test-clients: $(VENV)/.dev $(CLIENTS)/.installed ## Other people's clients, as the registries have them, against a running stack
	$(STAGE) clients 600 $(TESTS) -m clients tests/clients

test-wordpress: $(VENV)/.dev ## A real WordPress from Debian's packages in front of Tidegate: about ten minutes
	$(STAGE) wordpress 1500 $(TESTS) -m wordpress tests/wordpress

bench: $(VENV)/.dev $(VENV)/.detoxify ## Measure beside the pipeline of an afternoon; writes docs/benchmarks.md
	$(STAGE) bench 2400 $(BIN)/python -m bench $(ARGS)

bench-models: $(VENV)/.detoxify ## What each choice of the bundled scorer is worth in time, one core
	@$(BIN)/python -m training.bench_models $(ARGS)

evaluate: $(TRAINING)/.installed ## Every figure of the model card, from DATA=..., and the targets beside what was reached: about forty minutes
	@$(TRAINING)/bin/python -m training.evaluation --data $(DATA) $(ARGS)

lock: $(VENV)/.dev ## Resolve the lock files anew; ARGS="--upgrade" takes newer versions
	$(BIN)/python dev/lock.py $(ARGS)

clean: ## Remove what the commands above made, except the data in .tidegate
	rm -rf $(VENV) $(CLIENTS) $(TRAINING) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it by PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "install python3-venv first (Debian: apt install python3-venv)"; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# A mark per lock file: installing again is a matter of seconds, and nothing is installed while it is the same.
$(VENV)/.default: lock/default.txt pyproject.toml | $(BIN)/python
	@$(BIN)/python dev/install.py lock/default.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m compileall -q api moderation workers # else each program of the first start does it for itself
	@echo "  (scores come from the bundled model; for Detoxify itself on torch: make $(VENV)/.detoxify)"
	@touch $@

$(VENV)/.dev: lock/dev.txt $(VENV)/.default
	@$(BIN)/python dev/install.py lock/dev.txt
	@touch $@

$(VENV)/.detoxify: lock/detoxify.txt $(VENV)/.default
	@$(BIN)/python dev/install.py lock/detoxify.txt
	@touch $@

$(CLIENTS)/.installed: dev/clients.py tests/clients/requirements.txt tests/clients/apart.txt tests/clients/node.txt | $(BIN)/python
	@$(BIN)/python dev/clients.py $(CLIENTS)
	@touch $@

$(TRAINING)/.installed: training/requirements.txt pyproject.toml | $(BIN)/python
	@$(BIN)/python -m venv $(TRAINING)
	@$(TRAINING)/bin/python -m pip install --quiet --disable-pip-version-check --requirement training/requirements.txt --editable .
	@touch $@

.PHONY: help up demonstration check test test-clients test-wordpress bench bench-models evaluate lock clean
