# Tidegate. `make` alone prints this help.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

help: ## Show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "install python3-venv first"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	timeout 1500 $(BIN)/pip install --quiet --upgrade pip
	timeout 1500 $(BIN)/pip install --quiet --editable '.[dev,detoxify]'
	@touch $@

setup: $(STAMP) ## Create .venv and install what development needs

check: $(STAMP) ## The fast part: lint, types, unit tests (under two minutes)
	timeout 60 $(BIN)/ruff check moderation tests training
	timeout 240 $(BIN)/mypy moderation tests
	timeout 300 $(BIN)/python -m pytest -q -m "not slow and not system and not faults"

test: $(STAMP) ## Everything
	timeout 60 $(BIN)/ruff check moderation tests training
	timeout 240 $(BIN)/mypy moderation tests
	timeout 900 $(BIN)/python -m pytest -q

.PHONY: help setup check test
