#!/usr/bin/env bash
# All C, C++ and CUDA sources are as clang-format 14 and .clang-format would have them. `format.sh --fix` makes them so.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$tool" ]; then
    echo "format: skipped, clang-format is not installed"
    exit 0
fi
version=$("$tool" --version | grep -oE 'version [0-9]+' | cut -d' ' -f2)
if [ "$version" != 14 ]; then
    echo "format: skipped, clang-format $version formats otherwise than 14"
    exit 0
fi

mapfile -t files < <(git ls-files --cached --others --exclude-standard -- '*.c' '*.h' '*.cu' '*.cuh' '*.cpp' |
    while read -r file; do [ -f "$file" ] && echo "$file"; done)
if [ "${1:-}" = --fix ]; then
    "$tool" -i "${files[@]}"
    echo "format: ${#files[@]} files formatted"
    exit 0
fi

bad=0
for file in "${files[@]}"; do
    # one line a file says enough; --fix does the rest
    if ! out=$("$tool" --dry-run --Werror "$file" 2>&1); then
        echo "${out%%: error*}: not formatted; run ci/format.sh --fix"
        bad=$((bad + 1))
    fi
done
[ "$bad" = 0 ] || { echo "format: $bad of ${#files[@]} files differ"; exit 1; }
echo "format: ${#files[@]} files are formatted"
