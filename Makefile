.DEFAULT_GOAL := run
.PHONY: help run test fast check unit coverage format docs set-up lock clean
PYTHON ?=
BIN = .venv/bin
QUICK = $(addprefix tests/trainer/,layers losses metrics models) tests/test_architecture.py tests/test_docs.py

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: set-up  ## the whole way on MovieLens-100K: from nothing to recommendations
	$(BIN)/polyrec demo

test: check unit  ## what CI runs: lint, types and all tests

fast: check  ## lint, types and the quick tests: under two minutes of CPU
	$(BIN)/python -m pytest $(QUICK)

check: set-up  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: set-up  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

coverage: set-up  ## all tests, then the share of lines and branches they reach, file by file
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report term-missing:skip-covered

format: set-up  ## format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: set-up  ## the tables of settings in docs/, from the settings classes
	$(BIN)/python -m pipeline.config.settings_tables

set-up:  ## fill .venv from requirements.lock
	@PYTHON="$(PYTHON)" ./bootstrap.sh

lock: set-up  ## requirements.in -> requirements.lock, and the part of it that the server's image needs
	. ./lock-dates.sh && .venv/.uv/bin/uv pip compile requirements.in --python-version 3.10 $$LOCK_DATES \
	    --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
	. ./lock-dates.sh && .venv/.uv/bin/uv pip compile serving/deploy/requirements.in --constraint requirements.lock \
	    --python-version 3.10 $$LOCK_DATES --generate-hashes --no-emit-index-url --no-header \
	    --output-file serving/deploy/requirements.lock
	.venv/.uv/bin/uv pip compile requirements-uv.in --python-version 3.10 --universal \
	    --generate-hashes --no-emit-index-url --no-header --output-file requirements-uv.lock

clean:  ## remove .venv and what builds leave
	rm -rf .venv build dist *.egg-info
