#!/bin/sh
# Makes .venv hold exactly what a lock pins, and polyrec itself. Does nothing when that is already so.
# `make run` and `make test` call it. requirements.lock where this system and a Python that is here can take it, else
# requirements-glibc236.lock. Variables: PYTHON, the interpreter (default: the first one found that fits).
set -eu
cd "$(dirname "$0")"

fail() { echo "set-up: $1" >&2; exit 2; }

# The folder belongs to the stamp: a virtual environment does not survive being moved.
wanted=$({ pwd; echo "${PYTHON:-}"; cat requirements.lock requirements-glibc236.lock requirements-uv.lock setup.py bootstrap.sh; } | cksum)
stamp=.venv/.set-up
[ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && exit 0

[ "$(uname -sm)" = "Linux x86_64" ] || fail "polyrec runs on Linux on x86-64 only: TFX's libraries and ScaNN have no wheels for $(uname -sm). The client for a server that runs elsewhere does install: pip install 'polyrec[client]' (docs/install.md)"

# Every candidate is run: a version manager's name for a Python that is not there exists too, and fails.
pythons() {
    for minor in $1; do
        echo "python3.$minor"
        # pyenv's own, whichever version is the chosen one.
        echo "$PATH" | tr : '\n' | sed -n 's|/shims$|/versions|p' | while read -r versions; do
            for found in "$versions/3.$minor".*/bin/python3; do echo "$found"; done
        done
    done
}
first() {
    minors=$1
    for candidate in ${PYTHON:-$(pythons "$minors"; echo python3 python)}; do
        if "$candidate" -c "import ensurepip, venv, sys; sys.exit(sys.version_info[0] != 3 or str(sys.version_info[1]) not in '$minors'.split())" 2>/dev/null; then
            echo "$candidate"; return
        fi
    done
}

today='13 12 11' older='10 11'
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc //p')
[ -n "$glibc" ] || fail "glibc is needed (Debian, Ubuntu, Fedora and their like); the C library of this system is another, and the wheels do not load with it"
# TensorFlow Data Validation and ML Metadata of today load with glibc 2.39 and later.
if [ "$(printf '%s\n' 2.39 "$glibc" | sort -V | head -n 1)" = 2.39 ]; then
    lock=requirements.lock versions=$today python=$(first "$today")
    if [ -z "$python" ]; then
        python=$(first '10')
        if [ -n "$python" ]; then
            lock=requirements-glibc236.lock
            echo "set-up: no Python 3.11 to 3.13 with venv here: the older stack (TFX 1.16) is taken, for $("$python" --version)"
        fi
    fi
else
    lock=requirements-glibc236.lock versions=$older python=$(first "$older")
fi

# Without a stamp an earlier set-up was interrupted, and what it left cannot be trusted.
if [ -f "$stamp" ] && [ "$(cat .venv/.lock 2>/dev/null)" = "$lock $python" ]; then rm "$stamp"; else rm -rf .venv; fi
if [ -z "$python" ]; then
    newest=${versions%% *}
    needed="Python $(echo "$versions" | sed 's/\([0-9]*\)/3.\1/g; s/ / or /g') with venv is needed on this system (glibc $glibc)"
    [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is $("$PYTHON" --version 2>/dev/null || echo 'no Python'): $needed. Name one of them, or leave PYTHON out"
    # Any Python with pip can install uv, which can fetch another.
    mkdir -p .venv
    echo "set-up: $needed and was not found: trying to fetch 3.$newest"
    python3 -m pip install --quiet --disable-pip-version-check --require-hashes --target .venv/.uv -r requirements-uv.lock >/dev/null 2>&1 \
        && .venv/.uv/bin/uv python install --quiet --no-bin --install-dir .python "3.$newest" >/dev/null 2>&1 \
        && python=$(ls -d "$PWD/.python/cpython-3.$newest".*/bin/python3 2>/dev/null | head -n 1)
    [ -n "$python" ] || { rm -rf .venv; fail "$needed. None was found, and 3.$newest could not be fetched: install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3.$newest"; }
fi

echo "set-up: filling .venv from $lock with $("$python" --version) (once, about a minute)"
[ -x .venv/bin/python ] || "$python" -m venv .venv || fail "'$python -m venv' failed (on Debian the package python3-venv is needed)"
echo "$lock $python" > .venv/.lock

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
export VIRTUAL_ENV="$PWD/.venv" UV_NO_CONFIG=1 UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
# shellcheck disable=SC1091
. ./lock-dates.sh

# The packages of the lock whose names match, with their hashes; `but` those that do not.
part() { awk -v wanted="$1" -v but="$2" '/^[a-z0-9]/ { of = ($0 ~ wanted) != but } of' "$lock"; }

if [ "$lock" = requirements.lock ]; then
    # shellcheck disable=SC2086
    "$uv" pip sync --quiet --require-hashes --compile-bytecode $LOCK_DATES "$lock" || fail "the packages of $lock could not be installed"
else
    # The one package without a wheel comes first: it takes seconds to see that it cannot be built here.
    source=.venv/.from-source.lock own=.venv/.own-range.lock rest=.venv/.rest.lock
    part '^pyfarmhash==' 0 > "$source"
    # TFX says "below 3.11" of itself, and all that it is made of has wheels for 3.11.
    part '^(tfx|ml-pipelines-sdk)==' 0 > "$own"
    part '^(tfx|ml-pipelines-sdk)==' 1 > "$rest"
    # shellcheck disable=SC2086
    "$uv" pip install --quiet --no-deps --require-hashes $OLDER_LOCK_DATES -r "$source" \
        || fail "pyfarmhash (of tensorflow-data-validation) could not be fetched or built, see above. It has no wheel: where it is the build that failed, a C++ compiler and Python's headers are needed: on Debian and Ubuntu 'apt install g++ python3-dev', on Fedora 'dnf install gcc-c++ python3-devel'; then run this again"
    # shellcheck disable=SC2086
    "$uv" pip sync --quiet --require-hashes --compile-bytecode $OLDER_LOCK_DATES "$rest" || fail "the packages of $lock could not be installed"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python --require-hashes -r "$own" \
        || fail "TFX of $lock could not be installed"
fi
"$uv" pip install --quiet --offline --no-deps --no-build-isolation --editable . || fail "polyrec itself could not be installed"
# Importing TFX takes 12 s compiled and 45 s not.
.venv/bin/python -m compileall -q trainer serving components pipeline

echo "$wanted" > "$stamp.new"
mv "$stamp.new" "$stamp"
