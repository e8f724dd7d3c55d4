#!/usr/bin/env bash
# Daily work:
#   ci/dev.sh help           this text, and the wings that have tests
#   ci/dev.sh build          the programs and tests in build/, for this machine's processor
#   ci/dev.sh test WING      builds and runs the tests of one wing, e.g. io/feed or model
#   ci/dev.sh format         formats all sources
#   ci/dev.sh rules          who includes whom, words in their places, formatting
#   ci/dev.sh hook           rules, format and message are checked at every commit from now on
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-help}" in
    help)
        sed -n '2,8s/^# \{0,1\}//p' ci/dev.sh
        ./ci/test.sh wings | xargs echo "wings:" | fold -sw 100
        ;;
    build)
        cmake --preset dev >/dev/null
        cmake --build --preset dev -j "$(nproc)"
        ;;
    test) exec ./ci/test.sh "${2:?which wing? see ci/dev.sh help}" ;;
    format) ./ci/format.sh --fix ;;
    rules)
        python3 ci/rooms.py
        ./ci/format.sh
        ;;
    hook)
        git config core.hooksPath ci/hooks
        echo "ci/hooks: rules and format before every commit, the form of its message after"
        ;;
    *)
        ./ci/dev.sh help >&2
        exit 64
        ;;
esac
