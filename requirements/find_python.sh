# Prints a Python that can run Staffroom; where the machine lacks something, says what and which Debian package brings it.
#
#     sh requirements/find_python.sh [PYTHON]
set -eu

fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

found=""
for python in ${1:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found=$python
        break
    fi
done

if [ -z "$found" ]; then
    have=$("${1:-python3}" -V 2>/dev/null || echo "no ${1:-python3}")
    fail "Staffroom needs Python 3.11 or newer; this machine has $have" \
        "on Debian 12 or newer: sudo apt install python3 python3-venv; or name one: make hire PYTHON=/path/to/python3"
fi
if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
    minor=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$found cannot make environments (the modules venv and ensurepip are missing)" \
        "on Debian: sudo apt install python3-venv (for this one: python$minor-venv), then the same command again"
fi
if ! "$found" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then
    fail "the OpenMP library libgomp.so.1 is missing; llama.cpp computes with it" \
        "on Debian: sudo apt install libgomp1, then the same command again"
fi
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) fail "the pinned packages are for Linux on x86_64 and aarch64; this is $(uname -s) on $(uname -m)" \
        "run it in a Linux machine or container" ;;
esac
printf '%s\n' "$found"
