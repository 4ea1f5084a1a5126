# Two commands carry this project: `make up` and `make test`. Both do all the set-up they need.
CACHE  := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dialplane
WHEELS := $(CACHE)/wheels
VENV   := .venv
PYTHON ?= python3
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where the environment forbids bytecode, each of a test run's thousand processes would compile all modules.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(VENV)/.ready ## the Python environment, from wheels kept in the user's cache

# The lock's hash names the wheel folder: a new lock downloads (hashes checked), an old one works offline.
LOCK_ID = $(shell sha256sum requirements.lock | cut -c1-16)
$(VENV)/.ready: requirements.lock pyproject.toml
	@test -x $(VENV)/bin/python || { echo "setup: making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@if ! test -f $(WHEELS)/$(LOCK_ID)/.complete; then \
	    echo "setup: fetching the locked packages into $(WHEELS)/$(LOCK_ID)"; \
	    $(VENV)/bin/pip wheel --require-hashes --no-deps -r requirements.lock -w $(WHEELS)/$(LOCK_ID) && \
	    touch $(WHEELS)/$(LOCK_ID)/.complete; fi
	@echo "setup: installing into $(VENV)"
	@$(VENV)/bin/pip install -q --no-deps --no-index $(WHEELS)/$(LOCK_ID)/*.whl
	@$(VENV)/bin/pip install -q --no-deps --no-index --no-build-isolation -e .
	@touch $@

SITE ?= examples/office
PY   := $(VENV)/bin/python

# The test bed is tested again only where it changed since all of its tests passed on this machine.
BED     = $(shell find testbed tests/testbed requirements.lock -type f ! -name '*.pyc' | LC_ALL=C sort | xargs cat | sha256sum | cut -c1-16)
BED_RAN = $(CACHE)/tested/testbed-$(BED)

.PHONY: up check test lint format crds docs lock testbed bench soak
up: setup ## run a site on a real Asterisk on this machine (SITE=DIR, ONCE=1 for scripts)
	@$(PY) -m testbed up $(SITE) $(if $(ONCE),--once)

check: lint ## lint, then every test that needs no real parts: what to run at each change
	@$(PY) -m pytest -n 3 --dist loadgroup -m "not real" $(PYTEST)

test: lint ## lint, then every test, with the real parts
	@bed=; if test -z "$(PYTEST)" && test -f $(BED_RAN); then bed=--ignore=tests/testbed; \
	    echo "test: the test bed is as it was when its tests passed: they are left out (rm -r $(CACHE)/tested runs them)"; fi; \
	$(PY) -m tests --parts -n 4 --dist loadgroup --no-loadscope-reorder $$bed $(PYTEST) || exit 1; \
	if test -z "$(PYTEST)"; then mkdir -p $(CACHE)/tested && touch $(BED_RAN); fi

testbed: setup ## fetch or build the real parts that the tests need
	@$(PY) -m testbed all

bench: setup ## measure against yardsticks, 15 minutes (ONLY=cold,change,steady,storm,standalone,commands,messages,leases,calls,devices,voice; KEEP=1; QUICK=1)
	@$(PY) -m bench run $(if $(ONLY),--only $(ONLY)) $(if $(KEEP),--merge) $(if $(QUICK),--quick)

soak: setup ## nothing grows or is lost (ONLY=changes,messages,leases,devices; SOAK_CHANGES, SOAK_MESSAGES=1000, SOAK_LEASES=50000)
	@$(PY) -m bench soak $(if $(ONLY),--only $(ONLY)) $(if $(SOAK_CHANGES),--changes $(SOAK_CHANGES)) \
	    $(if $(SOAK_MESSAGES),--messages $(SOAK_MESSAGES)) $(if $(SOAK_LEASES),--leases $(SOAK_LEASES))

lint: setup ## ruff, mypy strict, import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: setup ## let ruff lay the code out
	@$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

crds: setup ## write crds/ and the kinds in the chart's Role from the models
	@$(PY) -m dialplane.cli crds -o crds
	@$(PY) -m dialplane.resources.chart_kinds charts/dialplane/templates/_kinds.tpl

docs: setup ## write the reference in docs/kinds from the models
	@$(PY) -m dialplane.cli docs -o docs/kinds

lock: setup ## resolve the dependencies anew (needs uv)
	@uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --all-extras --group dev \
	    --no-emit-index-url --no-header --no-annotate -o requirements.lock pyproject.toml
