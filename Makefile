# `make demo` shows both jobs on two simulated orgs; `make test` proves them. Both start from Python >= 3.11 alone.
.PHONY: help setup check format test parity bench demo lock clean
.DEFAULT_GOAL := help
BIN := .venv/bin
# Half of CI's two cores' worth of processes each start a PostgreSQL of their own.
TEST_PROCESSES ?= 2
ARGS ?=

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv/ with everything the product needs
	@tools/setup.sh run

demo: setup ## two simulated orgs, a real audit, a real sync; ARGS=--exit ends by itself
	@$(BIN)/isthmus demo $(ARGS)

check: ## format, lint, types, architecture contracts, catalogue lints
	@tools/setup.sh test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/integration/db/test_gate.py

format: ## mend what the formatter and the linter can mend
	@tools/setup.sh test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: ## everything: unit, integration, end to end, adversarial, parity, types
	@tools/setup.sh test
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile $(ARGS)

parity: ## orgsim against jsforce, the sf command line and SFDMU from npm
	@tools/setup.sh test
	$(BIN)/pytest -m npm -n $(TEST_PROCESSES) tests/parity $(ARGS)

bench: setup ## measure; prints figures, judges nothing
	$(BIN)/python -m tests.bench $(ARGS)

lock: ## resolve the dependencies anew into the lock files (hashes, no addresses)
	@tools/setup.sh run
	echo uv | .tools/bin/uv pip compile -q --upgrade - --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -o tools/uv.lock
	.tools/bin/uv pip compile -q --upgrade pyproject.toml --group build --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -o requirements.lock
	.tools/bin/uv pip compile -q pyproject.toml --group build --group dev --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -c requirements.lock -o requirements-dev.lock

clean: ## remove what set-up made
	rm -rf .venv .tools node_modules isthmus/portal/static/vendor demo-output
