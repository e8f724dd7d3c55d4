#!/usr/bin/env bash
# Faults that clang-tidy 14 finds (.clang-tidy says which are looked for) in the C files that BUILD compiles, tests excepted:
#   ci/tidy.sh [BUILD] [--analyze] [--since COMMIT] [FILE ...]
# BUILD has a compile_commands.json, as every preset makes one (default: build-ci, else build). Without files: all, or those
# changed since a commit. All take 16 CPU seconds. The analyzer (clang-analyzer-*) follows paths and takes many times as long:
# only with --analyze. What it says is to be read, not obeyed: it cannot see that un_fail never returns UN_OK, so it walks on
# where the code has left.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '3s/^# */usage: /p' ci/tidy.sh >&2; exit 64; }
build="" analyzer=",-clang-analyzer-*" since="" files=()
for folder in build build-ci; do
    if [ -f "$folder/compile_commands.json" ]; then build=$folder; fi
done
if [ $# -gt 0 ] && [ -d "$1" ]; then build=$1 && shift; fi
while [ $# -gt 0 ]; do
    case "$1" in
        --analyze) analyzer="" ;;
        --since) since=${2:?which commit?}; shift ;;
        -*) usage ;;
        *) files+=("$1") ;;
    esac
    shift
done

tool=$(command -v clang-tidy-14 || true)
if [ -z "$tool" ]; then
    echo "tidy: skipped, clang-tidy-14 is not installed"
    exit 0
fi
[ -f "${build:-.}/compile_commands.json" ] || { echo "tidy: no ${build:-build}/compile_commands.json; configure with a preset" >&2; exit 66; }

if [ -n "$since" ]; then
    mapfile -t -O "${#files[@]}" files < <(git diff --name-only --diff-filter=d "$since" -- '*.c')
    [ "${#files[@]}" -gt 0 ] || { echo "tidy: no C file changed since $since"; exit 0; }
fi

# what the build knows of them, each once
mapfile -t chosen < <(python3 - "$build" "${files[@]}" <<'PY'
import json, os, sys
build, wanted = sys.argv[1], {os.path.abspath(name) for name in sys.argv[2:]}
root = os.getcwd()
known = set()
for entry in json.load(open(f"{build}/compile_commands.json")):
    path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
    name = os.path.relpath(path, root)
    if name.endswith(".c") and not name.startswith(("tests/", "..")) and (not wanted or path in wanted):
        known.add(name)
print("\n".join(sorted(known)))
PY
)
[ -n "${chosen[*]}" ] || { echo "tidy: $build compiles none of these"; exit 0; }

# warnings of the compiler are the compiler's: it builds with gcc and its own options
printf '%s\0' "${chosen[@]}" |
    xargs -0 -P "$(nproc)" -n 4 "$tool" -p "$build" --quiet --checks="$analyzer" --extra-arg=-Wno-error \
        --extra-arg=-Wno-everything 2> >(grep -vE 'warnings? generated|^Suppressed|^Use -header' >&2) ||
    { echo "tidy: faults found"; exit 1; }
echo "tidy: ${#chosen[@]} files without faults"
