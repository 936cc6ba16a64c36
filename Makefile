.DEFAULT_GOAL := run
.PHONY: help run test fast check unit smoke other-stack coverage format docs set-up wheel lock clean
PYTHON ?=
BIN = .venv/bin
COMPILE = .venv/.uv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header
QUICK = $(addprefix tests/trainer/,layers losses metrics models) tests/test_architecture.py tests/test_docs.py

SMOKE = tests/test_architecture.py::test_every_module_imports tests/pipeline/test_kubeflow_runner.py \
    tests/serving/validation/test_validate.py::test_a_good_bundle_is_blessed tests/serving/test_deploy.py \
    tests/e2e/test_pipeline.py::test_a_first_run_trains_both_models_and_pushes

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: set-up  ## the whole way on MovieLens-100K: from nothing to recommendations
	$(BIN)/polyrec demo

test: check unit other-stack  ## what CI runs: lint, types, all tests, and the smoke tests on the other stack

fast: check  ## lint, types and the quick tests: under two minutes of CPU
	$(BIN)/python -m pytest $(QUICK)

check: set-up  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: set-up  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

smoke: set-up  ## the least that shows that a stack works: imports, two models, a run, a server, a compile
	$(BIN)/python -m pytest $(SMOKE)
	$(BIN)/python -m pytest tests/conformance -k "shrinkage or comirec_sa"

other-stack:  ## the smoke tests on the stack that this machine lacks, where that can be done
	@tests/other_stack.sh || [ $$? -eq 3 ]

coverage: set-up  ## all tests, then the share of lines and branches they reach, file by file
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report term-missing:skip-covered

format: set-up  ## format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: set-up  ## the tables of settings in docs/, from the settings classes
	$(BIN)/python -m pipeline.config.settings_tables

set-up:  ## fill .venv from the lock that fits this system
	@PYTHON="$(PYTHON)" ./bootstrap.sh

wheel: set-up  ## dist/: the wheel, and beside it the exact packages that each stack is tested with
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir dist .
	for lock in requirements*.lock; do [ $$lock = requirements-uv.lock ] || cp $$lock dist/polyrec-$${lock%.lock}.txt; done
	rm -rf build

lock: set-up  ## *.in -> the locks of both stacks, and the part of today's that the server's image needs
	. ./lock-dates.sh && $(COMPILE) requirements.in --universal --python-version 3.11 --override requirements-overrides.txt \
	    $$LOCK_DATES --output-file requirements.lock
	. ./lock-dates.sh && $(COMPILE) serving/deploy/requirements.in --universal --python-version 3.11 $$LOCK_DATES \
	    --override requirements-overrides.txt --constraint requirements.lock --output-file serving/deploy/requirements.lock
	. ./lock-dates.sh && $(COMPILE) requirements-glibc236.in --python-version 3.10 $$OLDER_LOCK_DATES \
	    --output-file requirements-glibc236.lock
	$(COMPILE) requirements-uv.in --universal --python-version 3.9 --output-file requirements-uv.lock

clean:  ## remove .venv and what builds leave
	rm -rf .venv .python build dist *.egg-info
