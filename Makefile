# Every target sets up .venv by itself, from pinned and hashed requirements. `make help` lists the targets.
# PYTHON=python3.13 make test     picks another Python; .venv is made anew when its version differs

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV   := .venv
PY     := $(VENV)/bin/python
UV     := $(VENV)/bin/uv
PROTOS := $(sort $(wildcard proto/featurama/v1/*.proto proto/featurama/wire/v1/*.proto))
# Generated packages: the public contract, and the wire twin of its columns.
STUBS  := featurama/v1 featurama/wire/v1
TESTS  ?= tests
SEEK   := python3.13 python3.12 python3.11 python3

# A python is good when it runs (shims may not), is of a supported version and can make environments.
GOOD    := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
VERSION := import sys; print(sys.version_info[:2])

ifdef PYTHON
  # Asked for by name: an environment of another version is replaced.
  ifneq ($(shell $(PYTHON) -c '$(VERSION)' 2>&1),$(shell $(PY) -c '$(VERSION)' 2>&1))
    REPLACE := replace
  endif
endif

# The development set holds all of the demo's packages, so once it is installed it serves the demo as well.
ifeq ($(REPLACE)$(wildcard $(VENV)/.dev),$(VENV)/.dev)
  DEMO := $(VENV)/.dev
else
  DEMO := $(VENV)/.demo
endif
DEV := $(VENV)/.dev

.PHONY: help demo test unit extras bench bench-compare bench-feast fuzz faults mutants check docs proto types lock venv clean replace

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

demo: $(DEMO) ## build the Futurama world, ingest, serve, train and predict, and print figures (ARGS="--json FILE")
	$(VENV)/bin/featurama demo $(ARGS)

# Bytecode is kept also where the environment says otherwise: every worker and every process that a test starts would
# compile its modules anew.
test unit: export PYTHONDONTWRITEBYTECODE :=
test: $(DEV) ## run every test (TESTS=tests/unit ARGS="-k late" for some)
	$(PY) -m pytest -n 4 --dist loadgroup -m "not extras" $(ARGS) $(TESTS)

unit: $(DEV) ## run the pure tests, in seconds
	$(PY) -m pytest -n 2 $(ARGS) tests/unit

extras: $(DEV) ## install every extra alone and run it
	$(PY) -m pytest -m extras $(ARGS) tests/service/test_extras.py

bench bench-feast: export PYTHONDONTWRITEBYTECODE :=
bench: $(DEV) ## measure, and print the targets with the figures (ARGS="serving --seconds 10" for some)
	$(PY) -m benchmarks $(ARGS)

bench-compare: $(DEV) ## compare the figures of two runs: A=before.json B=after.json
	$(PY) -m benchmarks.compare $(ARGS) $(A) $(B)

bench-feast: $(DEV) build/feast/.done ## measure Feast in an environment of its own, beside Featurama
	$(PY) -m benchmarks.feast $(ARGS)

build/feast/.done: benchmarks/feast/requirements.txt $(VENV)/.uv
	rm -rf $(@D) && mkdir -p build && $(PY) -m venv --without-pip $(@D)
	$(UV) pip sync --quiet --compile-bytecode --python $(@D)/bin/python --require-hashes $<
	@touch $@

# `test` tries 400 inputs of each kind.
fuzz: export FEATURAMA_FUZZ_INPUTS := $(or $(INPUTS),100000)
fuzz: $(DEV) ## read 100,000 damaged files and as many odd frames (INPUTS=N for others)
	$(PY) -m pytest -q -n auto tests/frames/files/test_fuzz.py $(ARGS)

# `test` sets a fault at every fifth.
faults: export FEATURAMA_FAULT_STRIDE := 1
faults: $(DEV) ## set a fault at every statement of a write, on both storages
	$(PY) -m pytest -n 3 $(ARGS) tests/faults/test_law_5_statements.py tests/faults/test_law_5_cluster_statements.py

# It takes an hour or so and is no part of `test`; what was found is kept, so it may be stopped and gone on with.
mutants: export PYTHONDONTWRITEBYTECODE :=
mutants: $(DEV) ## count the changes of the rules that no test notices (MODULES="visibility plan" for some, ARGS=--fresh)
	$(PY) -m tools.mutants --jobs $(or $(JOBS),2) $(ARGS) $(MODULES)

# Without its cache: a package that is added later leaves wrong edges in it.
check: $(DEV) ## lint, format, types, import rules, contract, generated code
	$(VENV)/bin/ruff check --no-cache
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/buf lint
	@$(call generate,$(VENV)/generated)
	@for each in $(STUBS); do \
	  diff -r --exclude=__pycache__ $(VENV)/generated/$$each libs/$$each \
	    || { echo "libs/$$each is not what proto/ says: run \`make proto\`" >&2; exit 1; }; \
	done
	@$(call types) | diff - libs/featurama/sync.pyi \
	  || { echo "libs/featurama/sync.pyi is not what the asynchronous classes say: run \`make types\`" >&2; exit 1; }
	@echo 'Generated code is up to date.'

docs: $(DEV) ## build the site of the documentation into build/site; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet

proto: $(DEV) ## generate libs/featurama/v1 and libs/featurama/wire/v1 from proto/
	@$(call generate,$(VENV)/generated)
	for each in $(STUBS); do \
	  mkdir -p libs/$$each && rm -f libs/$$each/*.py libs/$$each/*.pyi && cp $(VENV)/generated/$$each/* libs/$$each/; \
	done

types: $(DEV) ## generate libs/featurama/sync.pyi, the types of the blocking stores
	$(call types) > $(VENV)/sync.pyi && cp $(VENV)/sync.pyi libs/featurama/sync.pyi

# The stub as text.
types = $(PY) tools/sync_types.py \
  | $(VENV)/bin/ruff check --quiet --select I --fix-only --stdin-filename sync.pyi - \
  | $(VENV)/bin/ruff format --stdin-filename sync.pyi -

# $(call generate,FOLDER): the generated packages below FOLDER. The twin is no service: no grpc stubs of it.
define generate
rm -rf $(1) && mkdir -p $(1)/featurama && \
PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m grpc_tools.protoc --proto_path=proto \
  --python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS) && \
find $(1) -name '*_pb2_grpc.py*' ! -name '*_service_pb2_grpc.py*' -delete && \
echo '"""The public contract, generated from proto/featurama/v1 by `make proto`. Never edited."""' > $(1)/featurama/v1/__init__.py && \
echo '"""The wire twin, generated from proto/featurama/wire/v1 by `make proto`. Never edited."""' > $(1)/featurama/wire/v1/__init__.py
endef

venv: $(DEV) ## make .venv with everything for development

$(VENV)/pyvenv.cfg: $(REPLACE)
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  for each in $(SEEK); do \
	    if $$each -c '$(GOOD)' >/dev/null 2>&1; then python=$$each; break; fi; \
	  done; \
	elif ! $$python -c '$(GOOD)'; then python=; fi; \
	if [ -z "$$python" ]; then \
	  echo 'No Python 3.11, 3.12 or 3.13 that can make environments. On Debian: apt-get install python3-venv' >&2; exit 1; \
	fi; \
	echo "$(VENV): $$($$python --version), packages as pinned in requirements/"; \
	rm -rf $(VENV); $$python -m venv $(VENV)

$(VENV)/.uv: requirements/uv.txt $(VENV)/pyvenv.cfg
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

define install
@$(UV) pip sync --quiet --compile-bytecode --python $(PY) --require-hashes $(1) requirements/uv.txt
@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --no-index --editable .
@touch $@
endef

$(VENV)/.demo: requirements/demo.txt pyproject.toml $(VENV)/.uv
	$(call install,requirements/demo.txt)

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(VENV)/.uv
	$(call install,requirements/dev.txt)

# One resolution for all supported Pythons and systems; the smaller sets take the versions of the development set.
# `make lock ARGS=--upgrade` takes newer ones.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock"
lock: $(DEV) ## pin requirements/*.txt again from pyproject.toml
	$(LOCK) $(ARGS) requirements/uv.in -o requirements/uv.txt
	$(LOCK) $(ARGS) pyproject.toml requirements/build.in --extra dev -o requirements/dev.txt
	$(LOCK) pyproject.toml requirements/build.in --extra cli -c requirements/dev.txt -o requirements/demo.txt
	$(LOCK) benchmarks/feast/requirements.in -o benchmarks/feast/requirements.txt
	$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	for extra in online ingest gateway trainer cli; do \
	  $(LOCK) pyproject.toml --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt; \
	done

clean: ## remove .venv, caches and built files
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
