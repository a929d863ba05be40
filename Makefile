SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := $(shell for p in python3.11 python3 python; do \
	command -v $$p >/dev/null && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PINS := $(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-')
MODEL_LOG := build/model-server-install.log
# Options for `muniment up`, such as ARGS=--no-model, or names of benchmarks for `make bench`
ARGS ?=
# How long attacks are put to the packaged model by `make evaluate`; 0 leaves it out
MODEL_MINUTES ?= 0

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.PHONY: up
up: EXTRAS :=
up: install ## Install what is missing, start everything and print the address of the page
	@exec .venv/bin/muniment up $(ARGS)

.PHONY: test
test: EXTRAS := [dev]
test: install chromium check ## Check and test everything, in an environment made here
	@.venv/bin/pytest

.PHONY: test-services
test-services: EXTRAS := [dev]
test-services: install-main daemons ## Test against a real Samba and OpenLDAP, which it installs
	@.venv/bin/pytest -m services

.PHONY: check
check: EXTRAS := [dev]
check: install-main ## Lint, format, types, rules of import, dead code
	@.venv/bin/ruff check --no-cache .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/vulture

.PHONY: bench
bench: EXTRAS := [dev]
bench: install ## Measure ingestion, retrieval and the time to the first token; prints tables
	@.venv/bin/python -m bench $(ARGS)

.PHONY: samples
samples: EXTRAS := [dev]
samples: install-main ## Write the sample documents again
	@.venv/bin/python samples/generate.py

.PHONY: evaluate
evaluate: EXTRAS :=
evaluate: install-main ## Measure retrieval, checking, refusing, traps and attacks, then put the sample questions
	@.venv/bin/python -m bench quality
	.venv/bin/python -m bench claims
	.venv/bin/python -m bench mtrag
	.venv/bin/python -m bench traps
	.venv/bin/python -m bench injection --model-minutes $(MODEL_MINUTES)
	.venv/bin/muniment evaluate samples --quotes || missed=1
	.venv/bin/muniment evaluate samples || missed=1
	exit $${missed:-0}

.PHONY: clean
clean: ## Remove the environments and caches; the data folder stays
	@rm -rf .venv .venv-model build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Both environments at once; the downloads take most of the time. PyTorch comes first and is
# then taken from pip's cache for the second environment.
.PHONY: install
install: install-torch
	@mkdir -p build
	PYTHON=$(PYTHON) setsid model-server/install.sh .venv-model >$(MODEL_LOG) 2>&1 & model=$$!
	trap 'kill -- -$$model 2>/dev/null || true' EXIT
	$(MAKE) install-main EXTRAS='$(EXTRAS)'
	while kill -0 $$model 2>/dev/null; do
		printf '\r\033[K%s' "$$(grep '^model server:' $(MODEL_LOG) | tail -1) …"
		sleep 2
	done
	printf '\r\033[K'
	wait $$model || { tail -5 $(MODEL_LOG); echo "The model server could not be installed; the whole log is $(MODEL_LOG). Correct the cause and run make again, or use: make up-quotes"; exit 1; }

.PHONY: up-quotes
up-quotes: EXTRAS :=
up-quotes: install-main ## Like up, without a model: answers in the documents' own words
	@exec .venv/bin/muniment up --no-model $(ARGS)

.PHONY: install-torch
install-torch:
	@test -n "$(PYTHON)" || { echo "Python 3.11 with venv is needed and was not found. On Debian or Ubuntu: apt-get install python3.11 python3.11-venv" >&2; exit 1; }
	test -x .venv/bin/python || { echo "Making the environment .venv"; $(PYTHON) -m venv .venv; }
	test -e .venv/.torch-$(PINS) && exit 0
	echo "Installing PyTorch (the CPU build unless a GPU build is already there)"
	.venv/bin/python -m pip install -q -c constraints.txt pip
	.venv/bin/python -m pip install -q -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	touch .venv/.torch-$(PINS)

.PHONY: install-main
install-main: install-torch
	@done='$(PINS) $(EXTRAS)'
	test -e .venv/.installed && grep -qF -- "$$done" .venv/.installed && exit 0
	echo "Installing Muniment and what it stands on"
	.venv/bin/python -m pip install -q -c constraints.txt -e '.$(EXTRAS)'
	echo "$$done" >.venv/.installed

# Neither is started by the system: the tests start their own, on loopback and in their folders.
.PHONY: daemons
daemons:
	@dpkg -s samba samba-vfs-modules slapd >/dev/null 2>&1 && exit 0
	command -v apt-get >/dev/null && test "$$(id -u)" = 0 || exit 0
	echo "Installing Samba and OpenLDAP for the tests"
	test -e /usr/sbin/policy-rc.d || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
	{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends samba samba-vfs-modules slapd; } >/dev/null 2>&1 || echo "They could not be installed; the tests will be skipped and say so"

# The browser tests use Debian's Chromium; without it they are skipped and say how to get it.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null && exit 0
	command -v apt-get >/dev/null && test "$$(id -u)" = 0 || exit 0
	echo "Installing Chromium for the browser tests"
	{ apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } >/dev/null 2>&1 || echo "Chromium could not be installed; the browser tests will be skipped"
