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
rm -f build-ci/*.xml build-debug/*.xml
ctest --test-dir build-ci --no-tests=error --output-on-failure --output-junit junit.xml -LE "cluster$([ $quick = 0 ] || echo '|long')"
if [ $quick = 0 ]; then
    # hosts, links and Slurm share two cores here and meet real deadlines: one repeat, in the open, before it counts
    step "tests on several hosts"
    ctest --test-dir build-ci --no-tests=error --output-on-failure --output-junit cluster.xml -L cluster --repeat until-pass:2

    step "build, sanitizers"
    cmake --preset debug >/dev/null
    cmake --build --preset debug -j "$jobs"
    step "tests, sanitizers"
    ctest --test-dir build-debug --no-tests=error --output-on-failure --output-junit junit.xml -LE 'cluster|long|release'
fi

# one plain line at the end, counted from what ctest wrote
python3 - build-ci/junit.xml build-ci/cluster.xml build-debug/junit.xml <<'PY'
import pathlib, sys
import xml.etree.ElementTree as xml
passed = failed = skipped = 0
for path in map(pathlib.Path, sys.argv[1:]):
    for case in xml.parse(path).getroot().iter("testcase") if path.exists() else ():
        status = case.get("status")
        passed += status == "run"
        failed += status == "fail"
        skipped += status not in ("run", "fail")
print(f"{passed} passed, {failed} failed, {skipped} skipped")
PY
