# Two commands do everything: `make serve` and `make test`. Each installs what it lacks.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m mediaanalysis
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint deploy/constraints.txt

FUZZ = 5000
FUZZ_SEED = $(shell date +%s)

.PHONY: help serve worker migrate rollback psql test check format bench chaos fuzz ffmpeg clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name about; do printf '  make %-9s %s\n' "$$name" "$$about"; done

serve: $(VENV)/.runtime ffmpeg ## Install, start PostgreSQL if none is given, migrate, serve
	@exec $(RUN) serve --migrate

worker: $(VENV)/.runtime ffmpeg ## Run jobs without serving HTTP
	@exec $(RUN) worker

migrate: $(VENV)/.runtime ## Bring the schema up to date
	@$(RUN) migrate

rollback: $(VENV)/.runtime ## Undo the latest migration
	@$(RUN) migrate --rollback

psql: $(VENV)/.runtime ## Open psql on the database
	@$(RUN) psql

test: check ffmpeg ## Check, and run the tests on a real PostgreSQL and ffmpeg
	$(BIN)/pytest -n 2 --dist loadgroup --cov --cov-report=term --cov-fail-under=90 -m "not slow and not fuzz"

check: $(VENV)/.development ## Format, lint, types and layers
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.development ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.benches ffmpeg ## Measure, against floors and peers side by side
	$(BIN)/python -m tests.bench $(BENCH)

chaos: $(VENV)/.development ffmpeg ## The long runs of kills, freezes, restarts and failing vendors
	$(BIN)/pytest -m slow tests/worker tests/analysis

fuzz: $(VENV)/.development ffmpeg ## Long random runs, from a new seed (PARTS=tests/fuzz FUZZ=1 FUZZ_SEED=4711: a part, one again)
	@seed=$(FUZZ_SEED); echo "FUZZ=$(FUZZ) FUZZ_SEED=$$seed"; FUZZ=$(FUZZ) FUZZ_SEED=$$seed $(BIN)/pytest -m fuzz $(PARTS)

ffmpeg:
	@sh deploy/ffmpeg.sh

clean: ## Remove what was installed and built here
	rm -rf $(VENV) dist build .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed as python3: install it and run make again" >&2; exit 1; }
	@python3 -m venv $(VENV) || { echo "python3 cannot make a venv: install the package python3-venv and run make again" >&2; exit 1; }

$(VENV)/.runtime: $(BIN)/python pyproject.toml deploy/constraints.txt
	@echo "Installing the packages into $(VENV) (the first time takes about a minute)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime
	@$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.benches: $(VENV)/.development
	@$(PIP) --editable '.[dev,bench]'
	@touch $@
