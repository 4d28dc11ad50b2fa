# `make` lists the targets; `make demo` and `make test` are the ones to begin with.

BIN := .venv/bin
LOCKED := .venv/.locked
KVASIR := $(BIN)/kvasir
# The first of these that is new enough makes .venv, looked for once and only if it is needed;
# `make setup PYTHON=...` names another.
PYTHON ?= $(eval PYTHON := $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(python) -c 'import sys; sys.version_info < (3, 11) or print("$(python)")' 2>/dev/null))))$(PYTHON)

.PHONY: help setup demo test e2e check format docs vsix screenshots bench coverage lock hooks clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(KVASIR) ## build .venv, exactly as in requirements.lock; .venv/bin/kvasir is then the program

# Made anew whenever the lock file changes, so that nothing stays that it does not name.
# pip installs, not uv: it honours whatever index and certificates this machine's pip is configured for.
$(LOCKED): requirements.lock
	@test -n "$(PYTHON)" || { echo 'Kvasir needs Python 3.11 or newer: install it, or name it with "make setup PYTHON=...".' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("Kvasir needs Python 3.11 or newer, and $(PYTHON) is older: name another with \"make setup PYTHON=...\".")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments: install the package for that (Debian: python3-venv).' >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@.ci/openmp
	@touch $@

$(KVASIR): $(LOCKED) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## warm up, ask and fork about a file of this repository, with the numbers
	$(KVASIR) demo

test: setup ## run all tests
	$(BIN)/python -m pytest

e2e: setup ## run only the tests that drive the whole server and the editors
	$(BIN)/python -m pytest tests/e2e tests/editors

check: setup ## run the static checks: format, lint, types, import rules, dependencies, spelling
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/typos

format: setup ## rewrite the code as ruff formats it
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

docs: setup ## write the generated pages of docs/, and the settings of the VS Code extension
	$(BIN)/python docs/generate.py

vsix: setup ## build the VS Code extension, editors/vscode/kvasir.vsix
	$(BIN)/python editors/vscode/build.py

screenshots: setup ## take the pictures of docs/editors anew, with the tests' own editors
	$(BIN)/python -m pytest -m screenshots tests/editors/test_screenshots.py

bench: setup ## measure the ratios of docs/performance.md (minutes)
	$(BIN)/python -m pytest -m benchmark --timeout=0 tests/benchmarks

coverage: setup ## run all tests and list the lines that none of them reached
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Releases younger than a week wait. The file names no index, so it holds wherever the packages come from.
lock: setup ## pick the newest versions that pyproject.toml allows, into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --upgrade --quiet --extra local --group dev \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--exclude-newer '1 week' --custom-compile-command 'make lock' --output-file requirements.lock

hooks: setup ## run the static checks before each commit
	$(BIN)/prek install

clean: ## remove .venv and all that was built
	rm -rf .venv dist .cache .hypothesis .pytest_cache .ruff_cache .import_linter_cache .coverage*
