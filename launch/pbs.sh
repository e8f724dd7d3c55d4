#!/usr/bin/env bash
# Submits a run to PBS Professional or OpenPBS: `launch/pbs.sh [options of qsub] -- --cfg big.yaml [section.key=value ...]`, e.g.
#
#     launch/pbs.sh -l select=2:ncpus=32:mpiprocs=4:ngpus=4 -l walltime=24:00:00 -- --cfg big.yaml
#     launch/pbs.sh -J 1-4 -l select=1:ncpus=8 -- --cfg big.yaml run.seed=%a run.dir=runs/seed_%a
#
# A rank for each of mpiprocs. What happens then, and the environment it knows, says batch.sh. That saves UNITER_EARLY seconds
# before the walltime and submits the rest by this script again, from the node it ran on: the site must take jobs from there.
# PBS itself starts the job again after the death of a node (-r y). PBS copies no script here: this folder is seen by all nodes.
set -u

here=$(cd "$(dirname "$0")" && pwd)
options=() again=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    option=("$1")
    case $1 in
        # these have a value, perhaps in a word of its own
        -J | -W | -a) [ $# -lt 2 ] || { shift && option+=("$1"); } ;;
    esac
    options+=("${option[@]}")
    case ${option[*]} in
        # what is of the first start alone: one member of an array queues itself again, what it waited for is over
        -J* | -a* | "-W depend="* | -Wdepend=*) ;;
        *) again+=("${option[@]}") ;;
    esac
    shift
done
[ $# -gt 1 ] || {
    echo "pbs.sh: [options of qsub] -- --cfg FILE [section.key=value ...]" >&2
    exit 64
}
shift

UNITER_AGAIN=$(printf '%q ' bash "$here/pbs.sh" "${again[@]}" -- "$@")
export UNITER_AGAIN
settings=()
for name in $(compgen -e UNITER_); do settings+=("$name=${!name}"); done
exec qsub -r y -j oe "${options[@]}" -- /usr/bin/env "${settings[@]}" bash "$here/batch.sh" "$@"
