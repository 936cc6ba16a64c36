# make run    set-up, then the main job on MovieLens-100K: from nothing to recommendations
# make test   set-up, then lint, types and tests
# make docs   tables of settings in docs/, from the settings classes
# make lock   requirements.in -> requirements.lock, and the part of it that the server's image needs
.PHONY: run test check unit docs set-up lock clean
PYTHON ?=
BIN = .venv/bin

run: set-up
	$(BIN)/polyrec demo

test: check unit

check: set-up
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: set-up
	$(BIN)/python -m pytest -n 2 --dist loadfile

docs: set-up
	$(BIN)/python -m pipeline.settings_tables

set-up:
	@PYTHON="$(PYTHON)" ./bootstrap.sh

lock: set-up
	. ./lock-dates.sh && .venv/.uv/bin/uv pip compile requirements.in --python-version 3.10 $$LOCK_DATES \
	    --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
	. ./lock-dates.sh && .venv/.uv/bin/uv pip compile serving/deploy/requirements.in --constraint requirements.lock \
	    --python-version 3.10 $$LOCK_DATES --generate-hashes --no-emit-index-url --no-header \
	    --output-file serving/deploy/requirements.lock
	.venv/.uv/bin/uv pip compile requirements-uv.in --python-version 3.10 --universal \
	    --generate-hashes --no-emit-index-url --no-header --output-file requirements-uv.lock

clean:
	rm -rf .venv build dist *.egg-info
