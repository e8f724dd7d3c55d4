#!/usr/bin/env bash
# The whole gate in one command: installs what tests need, checks rooms and format, builds twice (release and with
# sanitizers, warnings are errors) and runs everything. `ci/test.sh --quick` leaves out the sanitizer build and
# the tests labelled `long`.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=0
[ "${1:-}" = --quick ] && quick=1
jobs=$(nproc)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export OMP_WAIT_POLICY=passive
export UBSAN_OPTIONS=print_stacktrace=1

step() { printf '\n== %s (%s s since the start)\n' "$1" "$SECONDS"; }

step "packages"
./ci/packages.sh test

step "rooms and format"
python3 ci/rooms.py --self-test
python3 ci/rooms.py
./ci/format.sh

step "build, release"
cmake --preset ci >/dev/null
cmake --build --preset ci -j "$jobs" -- --quiet 2>&1 || cmake --build --preset ci -j "$jobs"

step "tests, release"
exclude=()
[ $quick = 1 ] && exclude=(-LE long)
ctest --test-dir build-ci --no-tests=error --output-on-failure "${exclude[@]}"

if [ $quick = 0 ]; then
    step "build, sanitizers"
    cmake --preset debug >/dev/null
    cmake --build --preset debug -j "$jobs"
    step "tests, sanitizers"
    ctest --test-dir build-debug --no-tests=error --output-on-failure -LE 'long|release'
fi

# one plain line at the end, counted from what ctest wrote
python3 - build-ci build-debug <<'PY'
import pathlib, re, sys
passed = failed = skipped = 0
for folder in sys.argv[1:]:
    log = pathlib.Path(folder, "Testing/Temporary/LastTest.log")
    if not log.exists():
        continue
    text = log.read_text(errors="replace")
    passed += len(re.findall(r"^Test Passed\.$", text, re.M))
    failed += len(re.findall(r"^Test Failed\.$", text, re.M))
    skipped += len(re.findall(r"^Test Skipped", text, re.M))
print(f"{passed} passed, {failed} failed, {skipped} skipped")
PY
