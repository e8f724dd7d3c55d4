#!/usr/bin/env bash
# A run on this machine alone: `launch/local.sh --cfg my.yaml [section.key=value ...]`. Takes as many ranks as there are
# cards, or one for every UNITER_THREADS cores (default 4), made a divisor of train.lanes so that all have the same work;
# one rank is started without mpirun. Ctrl-C once: save and stop; start the same command again to go on.
#
# Environment: UNITER_PROGRAM (build/uniter_dist, else of PATH), UNITER_RANKS (a number instead of the choice above),
# UNITER_THREADS.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
program=${UNITER_PROGRAM:-}
if [ -z "$program" ]; then
    program=uniter_dist
    [ ! -x "$here/build/uniter_dist" ] || program=$here/build/uniter_dist
fi

# Cards that this process may use.
cards() {
    if [ -n "${CUDA_VISIBLE_DEVICES+x}" ]; then
        tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | grep -c . || true
    else
        { nvidia-smi -L 2>/dev/null || true; } | grep -c '^GPU' || true
    fi
}

# train.lanes in force: the plan says it, with the data sets and all overrides.
lanes() { sed -n 's/.*\b\([0-9][0-9]*\) lanes\b.*/\1/p' <<<"$1" | head -n 1; }

divisor_up_to() {
    local n=$2
    [ "$n" -le "$1" ] || n=$1
    while [ $(($1 % n)) != 0 ]; do n=$((n - 1)); done
    echo "$n"
}

ranks=${UNITER_RANKS:-}
if [ -z "$ranks" ]; then
    plan=$("$program" "$@" --check) # says by itself what is wrong with the configuration
    lanes=$(lanes "$plan")
    most=$(cards)
    [ "$most" -gt 0 ] || most=$(($(nproc) / ${UNITER_THREADS:-4}))
    [ "$most" -gt 0 ] || most=1
    ranks=$(divisor_up_to "${lanes:?local.sh: the plan tells of no lanes}" "$most")
fi

echo "local.sh: $ranks rank(s) of $program"
[ "$ranks" != 1 ] || exec "$program" "$@"

# as root (in a container) Open MPI wants to be asked twice; ranks that fill the cores must not spin
export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun --oversubscribe --bind-to none -np "$ranks" "$program" "$@" &
child=$! caught=1 code=127
# mpirun answers INT and TERM by killing the ranks, but passes USR1 on: they save and stop
trap 'caught=1; kill -USR1 $child 2>/dev/null || true' INT TERM USR1 USR2
while [ $caught = 1 ]; do
    caught=0 now=0
    wait "$child" || now=$?
    [ $now = 127 ] && [ $code != 127 ] || code=$now # 127 the second time: it was waited for already
done
exit "$code"
