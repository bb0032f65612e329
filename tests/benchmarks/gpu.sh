#!/usr/bin/env bash
# One call on a bare machine with a card: packages that it lacks are installed from wheels brought along, into a folder
# that goes away again, and `tests.benchmarks.gpu` runs with the arguments that follow.
#
#   bash tests/benchmarks/gpu.sh WHEELS --out FOLDER [--minutes 8] [...]
#
# WHEELS is a folder of .whl files (`make gpu-wheels` fills one); nothing is fetched, and nothing they depend on is
# installed. PYTHON names the interpreter that has torch and transformers; python3 unless it is set.
set -eu
wheels=$1
shift
python=${PYTHON:-python3}
cd "$(dirname "$0")/../.."
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
"$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check \
    --target "$site" "$wheels"/*.whl
export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
"$python" -m tests.benchmarks.gpu "$@"
