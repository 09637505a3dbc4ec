# One .venv serves everything here; it is made again when what it is made from changes.
# HOST, PORT and VESTIBULE_* reach the service through the environment.
.DEFAULT_GOAL := help
.PHONY: help run test cover check prove bench lock format clean
.DELETE_ON_ERROR:

BIN := .venv/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore $(BIN)/python -m pip --quiet
READY := .venv/ready

help:  ## This list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1	\2/p' Makefile

run: $(READY)  ## Start the service on http://localhost:8000
	@exec $(BIN)/vestibule serve

test: $(READY)  ## Run the tests, on SQLite and on a PostgreSQL of their own
	@.ci/services
	@$(BIN)/pytest -q -n 2 --dist worksteal $(WITH)

cover: WITH = --cov
cover: test  ## Run the tests, and see that they reach every line that they must (half as slow again)

check: $(READY)  ## Read the code: form, lint, types, locks, addresses
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/pytest -qq -n 0 --no-cov tests/architecture/test_imports.py
	@.ci/lock --check
	@.ci/addresses
	@if [ -f docs/settings.py ]; then $(BIN)/python docs/settings.py --check; fi
	@echo "check: all good"

prove: $(READY)  ## Measure the stated sizes and timings
	@.ci/services
	@$(BIN)/pytest -m prove -n 0 -s

bench: $(READY)  ## Measure the service beside its peers (make bench QUICK=1: a trial)
	@.ci/services
	@$(BIN)/python bench/table.py $(if $(QUICK),--quick)

lock: $(READY)  ## Lock what pyproject.toml asks for (make lock UPGRADE=1: the newest of it)
	@.ci/lock $(if $(UPGRADE),--upgrade)

format: $(READY)  ## Write the code in its form
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

clean:  ## Remove what was built and measured, never data/
	@rm -rf .venv .venv-peers dist build htmlcov tests/oidc/node_modules .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/locked: requirements/dev.txt .ci/venv
	@echo "Making .venv; this takes a minute, once."
	@.ci/venv
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(READY): .venv/locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
