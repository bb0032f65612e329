# Two commands are enough for a visitor: `make demo` and `make test`. Each makes the environment it needs.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test lint format lock samples-digests clean

demo: $(STAMP)  ## a report on the memorised sample; the last line is the path of the PDF
	@$(BIN)/forensics analyze samples/disputed/memorised.png --case samples/case.toml -o out/demo --force

test: $(STAMP)  ## the whole test suite
	@$(BIN)/python -m pytest

lint: $(STAMP)  ## style, types and the layers of the imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The lock holds every package, for every platform, with the digests of its files, and no address of an index. Each has
# a ready-made wheel: a bare machine has no compiler.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --no-build \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

samples-digests:  ## SHA-256 of every file under samples/
	cd samples && find . -type f ! -path './recipe/*' ! -name digests.txt ! -name '*.pyc' -printf '%P\n' | LC_ALL=C sort \
		| xargs -d '\n' sha256sum > digests.txt

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# What only the system's own package manager can supply is looked for first, before gigabytes are fetched.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m forensics.doctor
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)
