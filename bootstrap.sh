#!/usr/bin/env bash
# From a clone to FFCV for Windows, on Linux: ./bootstrap.sh
#
#   ./bootstrap.sh            the whole build
#   ./bootstrap.sh test       the tests; "test fast": those that take no more than two minutes
#   ./bootstrap.sh ARG ...    anything else goes on to doit: list, info, clean, verify, ...
#
# Safe to run again: what is there already is not made again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '%s\n' "$*"; }
fail() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

if [ "${1:-}" = "-h" ] || [ "${1:-}" = "--help" ]; then
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
fi

# A Python 3.11 or newer that can make virtual environments.
python=
for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done

# Debian packages: as root, or through sudo where it asks for no password.
missing=()
command -v wine >/dev/null 2>&1 || command -v wine64 >/dev/null 2>&1 || missing+=(wine wine64)
command -v nasm >/dev/null 2>&1 || missing+=(nasm)
if [ -z "$python" ]; then
    missing+=(python3 python3-venv)
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=(python3-venv)
fi
if [ ${#missing[@]} -gt 0 ] && [ -z "${FFCVWIN_NO_APT:-}" ]; then
    as_root=
    if [ "$(id -u)" != 0 ]; then
        as_root="sudo -n"
        sudo -n true 2>/dev/null || as_root=none
    fi
    if command -v apt-get >/dev/null 2>&1 && [ "$as_root" != none ]; then
        say "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        if ! { $as_root apt-get update -qq &&
            $as_root apt-get install -y -qq "${missing[@]}"; } >apt.log 2>&1; then
            say "WARN  apt-get could not install ${missing[*]}:"
            tail -n 3 apt.log
        else
            rm -f apt.log
        fi
    else
        say "WARN  not installed: ${missing[*]}. Get them with: sudo apt-get install ${missing[*]}"
    fi
    [ -n "$python" ] || python=$(command -v python3 || true)
fi
[ -n "$python" ] || fail "there is no Python 3.11 or newer; install python3 and python3-venv, then run this again"

# The environment that runs doit, from pinned and hashed requirements.
# Its programs hold its path: in a clone that was moved or copied it is made anew.
stamp=.venv/.requirements
wanted() { printf '# %s\n' "$PWD/.venv"; cat envs/runner.txt; }
if ! wanted | cmp -s - "$stamp"; then
    say "installing the pinned requirements into .venv"
    rm -rf .venv
    "$python" -m venv .venv ||
        fail "$python cannot make a virtual environment; install python3-venv, then run this again"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: -r envs/runner.txt ||
        fail "the requirements could not be installed; is the network there? Run this again to go on"
    wanted >"$stamp"
fi

export PATH="$PWD/.venv/bin:$PATH"
if [ "${1:-}" = test ]; then
    shift
    if [ "${1:-}" = fast ]; then
        shift
        set -- -m "not integration" "$@"
    fi
    exec .venv/bin/python -m pytest -n auto "$@"
fi
# Ctrl-C and the like wait until they can be answered (tasks/core/ending.py), if env can do that.
held="env --block-signal=INT,TERM,HUP"
$held true 2>/dev/null || held=
# shellcheck disable=SC2086
exec $held .venv/bin/python -m tasks "$@"
