#!/bin/sh
# Runs tests on the stack that this machine does not have: in a Debian of its own, below a folder of its own.
#   tests/other_stack.sh            the smoke tests (make smoke)
#   tests/other_stack.sh test       another target of the Makefile
# On a system with glibc before 2.39 that is Debian 13 with Python 3.13 (requirements.lock), else Debian 12 with
# Python 3.11 (requirements-glibc236.lock). Needs root, and Debian's packages and a package index within reach: where
# the Debian cannot be made it says why and exits with 3. OTHER_STACK: the folder (default: .other-stack), which is kept.
set -eu
cd "$(dirname "$0")/.."
target=${1:-smoke}

impossible() { echo "other stack: NOT RUN: $1" >&2; exit 3; }

[ "$(uname -sm)" = "Linux x86_64" ] || impossible "it needs Linux on x86-64"
[ "$(id -u)" = 0 ] || impossible "making and entering a Debian needs root"
unshare --mount true 2>/dev/null || impossible "this machine does not let root have mounts of its own (unshare)"

glibc=$(getconf GNU_LIBC_VERSION | sed 's/^glibc //')
if [ "$(printf '%s\n' 2.39 "$glibc" | sort -V | head -n 1)" = 2.39 ]; then
    suite=bookworm packages=git,make,python3-venv,python3-dev,g++
else
    suite=trixie packages=git,make,python3-venv
fi
mkdir -p "${OTHER_STACK:=.other-stack}"
root=$(cd "$OTHER_STACK" && pwd)/$suite

if [ ! -f "$root/.made" ]; then
    echo "other stack: making Debian $suite in $root (once, some minutes)"
    debootstrap=debootstrap
    if ! command -v debootstrap >/dev/null; then
        # Unpacked beside the Debian, so that nothing is installed on this machine.
        tools=$(dirname "$root")/tools
        mkdir -p "$tools"
        (cd "$tools" && { apt-get download -q debootstrap || { apt-get update -q && apt-get download -q debootstrap; }; } && dpkg-deb -x debootstrap_*.deb .) >"$tools/log" 2>&1 \
            || impossible "there is no debootstrap here and apt could not fetch it (see $tools/log)"
        export DEBOOTSTRAP_DIR="$tools/usr/share/debootstrap"
        debootstrap=$tools/usr/sbin/debootstrap
    fi
    rm -rf "$root"
    mkdir -p "$root"
    "$debootstrap" --variant=minbase --include="ca-certificates,$packages" "$suite" "$root" >"$root.log" 2>&1 \
        || impossible "debootstrap could not make Debian $suite (see $root.log)"
    touch "$root/.made"
fi

# What git would check out, without what earlier runs left but with the packages they installed.
[ -d "$root/polyrec" ] && find "$root/polyrec" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
mkdir -p "$root/polyrec" "$root/tmp" "$root/root"
git ls-files --cached --others --exclude-standard | while read -r file; do [ ! -e "$file" ] || echo "$file"; done \
    | tar --create --files-from - | tar --extract --directory "$root/polyrec"
cp /etc/resolv.conf "$root/etc/resolv.conf"
certificates=/etc/ssl/certs/ca-certificates.crt
cp "${SSL_CERT_FILE:-$certificates}" "$root$certificates"

setting() { python3 -m pip config get "global.$1" 2>/dev/null || true; }
index=${PIP_INDEX_URL:-$(setting index-url)}
echo "other stack: make $target on $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "$root/etc/os-release")"
# Mounts and processes of its own: nothing is left when it ends, however it ends.
exec unshare --mount --pid --fork sh -eu -c '
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount --rbind /sys "$1/sys"
    exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CI="${CI:-}" ${3:+"PIP_INDEX_URL=$3"} \
        PIP_CERT="$4" SSL_CERT_FILE="$4" REQUESTS_CA_BUNDLE="$4" \
        chroot "$1" sh -c "cd /polyrec && git config --global --add safe.directory /polyrec && make $2"
' - "$root" "$target" "$index" "$certificates"
