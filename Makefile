# Recipes can be repeated: what is in place is left as it is, and once installed nothing needs the network.
.DEFAULT_GOAL := help
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
# Linters load the settings, which want keys: a clone without .env lends them those of the tests.
TESTING := DJANGO_SETTINGS_MODULE=tests.settings
export PYTHON
# Compiled modules are kept: tests start dozens of processes, and pytest compiles each test's assertions.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help environment development keys setup demo sandbox worker test simulate check lint types imports migrations lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  Pass arguments with ARGS, for example: make demo ARGS="--once --json"'

environment:
	@scripts/environment requirements.txt

development:
	@scripts/environment requirements-dev.txt

keys: environment
	@$(BIN)/python scripts/make_env.py
	@mkdir -p static # where collectstatic puts files; the web server asks for it at its start

setup: keys ## Environment, .env with new keys, migrated database: for your own ServiceNow and Salesforce
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) createcachetable --verbosity 0
	@echo "Ready. Next: $(MANAGE) createsuperuser, then $(MANAGE) runserver and $(MANAGE) worker (docs/production.md)." >&2

demo: keys ## Look-alikes of both systems, console and worker, configured and synchronising; no accounts needed
	@$(MANAGE) demo $(ARGS)

sandbox: keys ## The look-alikes of ServiceNow and Salesforce alone
	@$(MANAGE) sandbox $(ARGS)

worker: setup ## Schedules, queue and watchdog, beside a running console
	@$(MANAGE) worker $(ARGS)

test: development ## All tests, each on its own scratch database
	@$(BIN)/python -m pytest $(ARGS)

simulate: development ## 20,000 schedules of faults and crashes over the engine, or one again: SEED=7
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(ARGS)

check: lint types imports migrations test ## Everything CI runs

lint: development ## Ruff
	@$(BIN)/ruff check .

types: development ## Mypy, strict
	@$(TESTING) $(BIN)/mypy .

imports: development ## Which package may import which
	@$(BIN)/lint-imports

migrations: development ## That no model changed without its migration
	@$(TESTING) $(MANAGE) makemigrations --check --dry-run --verbosity 1

lock: development ## Pin anew what requirements*.in ask for, with hashes (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 2; }
	UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal --generate-hashes -p 3.11 requirements.in -o requirements.txt
	UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal --generate-hashes -p 3.11 requirements-dev.in -o requirements-dev.txt

clean: ## Remove the environment and caches; .env and databases stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
