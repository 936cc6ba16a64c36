#!/bin/sh
# Makes .venv hold exactly what requirements.lock pins, and polyrec itself. Does nothing when that is already so.
# `make run` and `make test` call it. Variables: PYTHON, the interpreter (default: the first Python 3.10 on PATH).
set -eu
cd "$(dirname "$0")"

fail() { echo "set-up: $1" >&2; exit 2; }

# The folder belongs to the stamp: a virtual environment does not survive being moved.
wanted=$({ pwd; cat requirements.lock requirements-uv.lock setup.py bootstrap.sh; } | cksum)
stamp=.venv/.set-up
[ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && exit 0

for candidate in ${PYTHON:-} python3.10 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "${python:-}" ] || fail "Python 3.10 is needed (TFX 1.16 has no wheels for later ones) and was not found. Install it, or name it: make PYTHON=/path/to/python3.10"

echo "set-up: filling .venv from requirements.lock (once, about a minute)"
# Without a stamp an earlier set-up was interrupted, and what it left cannot be trusted.
if [ -f "$stamp" ]; then rm "$stamp"; else rm -rf .venv; fi
[ -x .venv/bin/python ] || "$python" -m venv .venv || fail "'$python -m venv' failed (on Debian the package python3.10-venv is needed)"

uv=.venv/.uv/bin/uv
rm -rf .venv/.uv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --target .venv/.uv -r requirements-uv.lock \
    || fail "pip could not install uv; is a package index reachable? (see 'pip config list')"

# uv does not read pip's configuration: a machine whose pip uses another index or certificate wants the same here.
setting() { .venv/bin/python -m pip config get "global.$1" 2>/dev/null || true; }
index=${PIP_INDEX_URL:-$(setting index-url)}
certificate=${PIP_CERT:-$(setting cert)}
if [ -n "$index" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"; fi
if [ -n "$certificate" ]; then export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificate}"; fi

# shellcheck disable=SC1091
. ./lock-dates.sh
export VIRTUAL_ENV="$PWD/.venv" UV_NO_CONFIG=1 UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
# The one package without a wheel for Python 3.10 comes first: it takes seconds to see that it cannot be built here.
source=.venv/.from-source.lock
awk '/^pyfarmhash==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements.lock > "$source"
# shellcheck disable=SC2086
"$uv" pip install --quiet --no-deps --require-hashes $LOCK_DATES -r "$source" \
    || fail "pyfarmhash (of tensorflow-data-validation) could not be fetched or built, see above. It has no wheel for Python 3.10: where it is the build that failed, a C++ compiler and Python's headers are needed: on Debian and Ubuntu 'apt install g++ python3.10-dev', on Fedora 'dnf install gcc-c++ python3.10-devel'; then run this again"
# Bytecode: importing TFX takes 12 s compiled and 45 s not.
# shellcheck disable=SC2086
"$uv" pip sync --quiet --require-hashes --compile-bytecode $LOCK_DATES requirements.lock || fail "the packages of requirements.lock could not be installed"
"$uv" pip install --quiet --offline --no-deps --no-build-isolation --editable . || fail "polyrec itself could not be installed"
.venv/bin/python -m compileall -q trainer serving components pipeline

echo "$wanted" > "$stamp.new"
mv "$stamp.new" "$stamp"
