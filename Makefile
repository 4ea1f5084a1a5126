# Two commands carry this project: `make up` and `make test`. Both do all the set-up they need.
CACHE  := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dialplane
WHEELS := $(CACHE)/wheels
VENV   := .venv
PYTHON ?= python3
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

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
