# Two commands are enough for a visitor: `make demo` and `make test`. Each makes the environment it needs.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Which lock is installed: `auto` lets the machine decide, see `lock` in forensics/doctor.py; or name one of the two.
LOCK   ?= auto
STAMP  := $(VENV)/.installed

.PHONY: demo test check docs notes dist fuzz hostile lint format lock wheels dist samples-digests bench gpu gpu-wheels clean

demo: $(STAMP)  ## a report on a picture that the embedded checkpoint drew; the last line is the path of the PDF
	@$(BIN)/forensics demo -o out/demo --force

# A process for each core, four at most (each takes 2 GB), one thread each (tests/conftest.py); a file stays in one process.
test: $(STAMP)  ## the whole test suite
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

fuzz: $(STAMP)  ## every entrance for foreign bytes with damaged ones, 200,000 times, twenty minutes at most
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.studies.fuzz --seconds 1200

hostile: $(STAMP)  ## hostile files, one command line each; changed bytes; failing machines; runs killed at random moments
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.studies.hostile
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.studies.flips
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.studies.machines
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.studies.interrupted --rerun

lint: $(STAMP)  ## style, types and the layers of the imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Without networks and pages to be drawn: what most changes break first.
FAST := tests/statistics tests/cli/test_group.py tests/cli/test_console.py tests/test_docs.py tests/test_findings.py \
	tests/test_house.py tests/test_intake.py tests/test_jurisdictions.py tests/test_packed.py tests/test_path_names.py \
	tests/test_readme.py tests/test_registry.py tests/test_schema.py tests/test_settings.py
check: lint  ## style, types, layers and the tests that take a minute: before every commit
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow and not gpu" $(FAST)

# In an environment of its own: nothing of the site is needed to examine anything, so the lock does not hold it.
DOCS_ENV := build/docs-env
docs: $(STAMP)  ## the documentation site, in which nothing is asked of another machine: build/site/index.html
	@test -x $(DOCS_ENV)/bin/mkdocs || $(PYTHON) -m venv $(DOCS_ENV)
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["docs"], sep="\n")' \
		> $(DOCS_ENV)/needs.txt
	@$(DOCS_ENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(DOCS_ENV)/needs.txt
	@$(BIN)/python -m tests.studies.command_pages
	@NO_MKDOCS_2_WARNING=1 $(DOCS_ENV)/bin/mkdocs build --quiet --strict
	@echo build/site/index.html

format: $(STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The lock holds every package, for every platform, with the digests of its files, and no address of an index. Each has
# a ready-made wheel: a bare machine has no compiler.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --no-build \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
	$(PYTHON) -m tests.studies.cpu_lock

wheels: $(STAMP)  ## every file that the lock names, for machines without a network: wheels/
	@lock="$(LOCK)"; test "$$lock" != auto || lock=requirements.lock; \
		$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --dest wheels -r "$$lock" \
		&& version="$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" \
		&& printf '%s\n' "These files are for Python $$version. A container of them, without a package index:" \
			"podman build -t forensics --build-arg PYTHON=$$version --build-arg LOCK=$$lock \\" \
			"    --build-arg PIP_ARGS='--no-index --find-links /src/wheels' ."

# The version stands in the source, because every report states it and a case is verified against it without git. A tag
# that says another is found here.
dist: $(STAMP)  ## the wheel, samples and templates inside: dist/
	@tag="$$(git describe --exact-match --tags 2>/dev/null)"; version="$$($(BIN)/python -c 'import forensics; print(forensics.__version__)')"; \
		test -z "$$tag" || test "$$tag" = "v$$version" \
		|| { echo "The tag is $$tag and the source says $$version: set the version in pyproject.toml and forensics/__init__.py." >&2; exit 1; }
	@$(BIN)/python -m hatchling build --target wheel --directory dist

samples-digests:  ## SHA-256 of every file under samples/
	cd samples && find . -type f ! -path './recipe/*' ! -name digests.txt ! -name '*.pyc' -printf '%P\n' | LC_ALL=C sort \
		| xargs -d '\n' sha256sum > digests.txt

CHANGELOG ?= CHANGELOG.md
notes:  ## what changed, for a release: the newest section of CHANGELOG.md, or that of V=0.1.0
	@awk -v wanted="$(V)" '/^## \[/ { n++; found = wanted == "" ? n == 1 : index($$0, "## [" wanted "]") == 1; next } found' $(CHANGELOG)

bench: $(STAMP)  ## every stage beside what a user would run instead: tests/benchmarks/bench.json
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench

gpu: $(STAMP)  ## everything that needs a card, eight minutes: out/gpu/gpu.json
	@$(BIN)/python -m tests.benchmarks.gpu --out out/gpu

# For a machine that has torch, transformers and the common scientific packages and reaches no package index:
# `bash tests/benchmarks/gpu.sh WHEELS --out FOLDER` there. Python 3.12 on Linux x86-64; versions as locked.
WHEELS   ?= .whl
CARRIED  := diffusers open-clip-torch lpips ftfy wcwidth importlib-metadata lazy-importer asn1crypto platformdirs
gpu-wheels:  ## the packages that `tests/benchmarks/gpu.sh` brings to a bare machine
	@mkdir -p $(WHEELS)
	@$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest $(WHEELS) \
		--python-version 3.12 --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
		--platform manylinux2014_x86_64 \
		$(foreach name,$(CARRIED),$(shell sed -n 's/^\($(name)==[^ ;]*\).*/\1/p' requirements.lock | head -1))

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# What only the system's own package manager can supply comes first, before gigabytes are fetched: installed where the
# user is root or sudo asks for no password, else asked for in one line.
$(STAMP): requirements.lock requirements-cpu.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m forensics.doctor --fix
	@$(PYTHON) -m venv $(VENV)
	@lock="$(LOCK)"; test "$$lock" != auto || lock="$$($(BIN)/python -m forensics.doctor --lock)"; \
		echo "Installing $$lock" >&2; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$$lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)
