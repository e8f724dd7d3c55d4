#!/usr/bin/env bash
# The whole gate in one command: installs what tests need, checks rooms and format, builds twice (release and with
# sanitizers, warnings are errors) and runs everything. `ci/test.sh --quick` leaves out the sanitizer build, the tests on
# several hosts and those labelled `long`; `ci/test.sh io/feed` builds (preset dev) and runs the tests of one wing,
# `ci/test.sh wings` names them.
# Ends with the seconds of each stage, what tests repeated by themselves, and one line of counts.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export OMP_WAIT_POLICY=passive
export UBSAN_OPTIONS=print_stacktrace=1

# ---- one wing ----

# folders of tests/unit with tests in them, and those above
wings() { find tests/unit -name '*.c' -printf '%P\n' | awk -F/ '{ name = $1; print name; for (i = 2; i < NF; i++) print name = name "/" $i }' | sort -u; }

one_wing() {
    local wing=$1 target targets=()
    if [ "$wing" = wings ]; then wings; exit; fi
    wings | grep -qx -- "$wing" || { printf 'no wing "%s" has tests; these have:\n' "$wing" >&2; wings | sed 's/^/  /' >&2; exit 64; }
    grep -qsE '^UN_TESTS:[A-Z]+=(ON|AUTO)$' build/CMakeCache.txt || cmake --preset dev -DUN_TESTS=ON
    for target in $(cmake --build build --target help | grep -oE 'tests_of_[a-z0-9_]+' | sort -u); do
        [[ "${target}_" != "tests_of_${wing//\//_}_"* ]] || targets+=("$target")
    done
    cmake --build build -j "$jobs" --target "${targets[@]}" -- --quiet
    ctest --test-dir build --no-tests=error --output-on-failure -j "$jobs" -L "^$wing(/|\$)"
}

case "${1:-}" in
    "") quick=0 ;;
    --quick) quick=1 ;;
    -*) sed -n '2,6p' ci/test.sh >&2; exit 64 ;;
    *) one_wing "$1"; exit ;;
esac

# ---- the whole ----

names=() starts=() failed=0
stage() {
    names+=("$1")
    starts+=("$SECONDS")
    printf '\n== %s (%s s since the start)\n' "$1" "$SECONDS"
}

# build PRESET: in few words, and once more in many where it fails
build() {
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1" -j "$jobs" -- --quiet || cmake --build --preset "$1" -j "$jobs"
}

# tests FOLDER REPORT ctest's options: failures are counted at the end; two more at a time than there are cores, as many of
# them mostly wait. A test that needs more cores, no other beside it or no other with deadlines says so where it is registered.
tests() {
    ctest --test-dir "$1" --no-tests=error --output-on-failure -j $((jobs + 2)) --output-junit "$2" \
        --test-output-size-passed 1000000 "${@:3}" || failed=1
}

# The real reader of event files, from where a network reaches; the test has a reader of its own beside it.
tensorboard() {
    local folder=$PWD/build-tensorboard
    if ! "$folder/bin/python" -c "import tensorboard" 2>/dev/null; then
        { python3 -m venv "$folder" && timeout 200 "$folder/bin/pip" install -q tensorboard; } >/dev/null 2>&1 || {
            echo "no tensorboard (PyPI): event files are read by our own reader alone"
            return 0
        }
    fi
    export UN_TENSORBOARD_PYTHON=$folder/bin/python
}

stage "packages"
./ci/packages.sh test
tensorboard

stage "rules and format"
python3 ci/rooms.py --self-test
python3 ci/circles.py --self-test
python3 ci/rooms.py
./ci/format.sh

stage "build, release"
build ci
python3 ci/circles.py build-ci
rm -f build-ci/*.xml build-debug/*.xml

stage "tests, release"
tests build-ci junit.xml -LE "cluster$([ $quick = 0 ] || echo '|long')"

if [ $quick = 0 ]; then
    stage "clang-tidy"
    ./ci/tidy.sh
    stage "tests on several hosts"
    tests build-ci cluster.xml -L cluster

    stage "build, sanitizers"
    build debug
    stage "tests, sanitizers"
    tests build-debug junit.xml -LE 'cluster|long|release|chaos'
fi

printf '\n== stages, seconds\n'
starts+=("$SECONDS")
for i in "${!names[@]}"; do printf '%6d  %s\n' $((starts[i + 1] - starts[i])) "${names[i]}"; done
printf '%6d  all\n' "$SECONDS"

# counted from what ctest wrote; the last line is one for machines
python3 - build-ci/junit.xml build-ci/cluster.xml build-debug/junit.xml <<'PY'
import pathlib, re, sys
import xml.etree.ElementTree as xml
passed = failed = skipped = 0
repeats = []
for path in map(pathlib.Path, sys.argv[1:]):
    for case in xml.parse(path).getroot().iter("testcase") if path.exists() else ():
        status = case.get("status")
        passed += status == "run"
        failed += status == "fail"
        skipped += status not in ("run", "fail")
        said = re.findall("^repeated: (.*)", case.findtext("system-out") or "", re.M)
        repeats += [f"{case.get('name')}: {text}" for text in said]
print(f"repeats: {len(repeats)}", *repeats, sep="\n  ")
print(f"{passed} passed, {failed} failed, {skipped} skipped")
PY
exit $failed
