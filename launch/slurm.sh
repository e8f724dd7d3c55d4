#!/usr/bin/env bash
#SBATCH --job-name=uniter
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
##SBATCH --gpus-per-node=8      as many as --ntasks-per-node: a rank takes the card of its place on the node
##SBATCH --cpus-per-task=8      threads of a rank: compute on CPUs, else readers
##SBATCH --exclusive
##SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=uniter-%j.log
# A run under Slurm that a person can leave alone: `sbatch [options] launch/slurm.sh --cfg big.yaml [section.key=value ...]`.
# Stopped by the time limit, by preemption or by a dead node, it is requeued and goes on from its last checkpoint; a
# mistake (wrong configuration, bad data) ends it. Options of sbatch on the command line win over the lines above;
# --signal=B:USR1@300 asks for a save 300 s before the limit (Slurm may send it up to 60 s earlier).
#
# In the arguments %a and %j become the array's index and the job's number, e.g.
#     sbatch --array=1-4 launch/slurm.sh --cfg big.yaml run.seed=%a run.dir=runs/seed_%a
#
# Environment (sbatch --export=ALL,NAME=VALUE, or set before sbatch):
#     UNITER_PROGRAM       build/uniter_dist where sbatch was called, else uniter_dist of PATH
#     UNITER_LAUNCHER      srun (default) | mpirun | none: this process alone
#     UNITER_MPI           pmix (default): srun --mpi=...; what the MPI library was built with
#     UNITER_CONTAINER     an Apptainer image: every rank runs in it; launcher and MPI stay outside and must be of the
#                          same kind as those inside
#     UNITER_MAX_RESTARTS  100: so often is a job requeued, for whatever cause
#     UNITER_MAX_DEATHS    5: so many deaths in a row (of a rank, launcher, node, disk or network), each within
#     UNITER_SOON          600 seconds of its start, are taken for a mistake
#     UNITER_WAIT          600: ranks leave together; so many seconds after the first is gone the launcher is ended, too
# No tool of Slurm but the launcher is needed, so the script also works inside a container of a site.
set -u

say() { printf 'slurm.sh: %s %s\n' "$(date '+%F %T')" "$*"; }
give_up() {
    say "$2"
    exit "$1"
}

job=${SLURM_JOB_ID:-}
restarts=${SLURM_RESTART_COUNT:-0}
launcher=${UNITER_LAUNCHER:-srun}
deaths_file=${SLURM_SUBMIT_DIR:-.}/uniter-${job:-0}.deaths

# ---- the command ------------------------------------------------------------------------------------------------

words=()
for word in "$@"; do
    word=${word//%a/${SLURM_ARRAY_TASK_ID:-%a}}
    words+=("${word//%j/${SLURM_ARRAY_JOB_ID:-${job:-%j}}}")
done

program=${UNITER_PROGRAM:-}
if [ -z "$program" ]; then
    program=uniter_dist
    [ ! -x "${SLURM_SUBMIT_DIR:-.}/build/uniter_dist" ] || program=${SLURM_SUBMIT_DIR:-.}/build/uniter_dist
fi
run=("$program")
if [ -n "${UNITER_CONTAINER:-}" ]; then
    nv=()
    [ ! -e /dev/nvidiactl ] || nv=(--nv)
    run=(apptainer exec "${nv[@]}" "$UNITER_CONTAINER" "${UNITER_PROGRAM:-uniter_dist}")
fi

# The most ranks on one node, from e.g. "2(x3),1".
ranks_on_node() {
    tr ',' '\n' <<<"${SLURM_TASKS_PER_NODE:-1}" | cut -d'(' -f1 | sort -n | tail -n 1
}

case $launcher in
    srun)
        command=(srun "--mpi=${UNITER_MPI:-pmix}" "--wait=${UNITER_WAIT:-600}")
        # srun does not take this over from sbatch
        [ -z "${SLURM_CPUS_PER_TASK:-}" ] || command+=("--cpus-per-task=$SLURM_CPUS_PER_TASK")
        ;;
    # ranks share out the cores of their node by themselves
    mpirun) command=(mpirun -np "${SLURM_NTASKS:-1}" --bind-to none) ;;
    none) command=() ;;
    *) give_up 64 "UNITER_LAUNCHER=$launcher is none of srun, mpirun, none" ;;
esac
[ "$launcher" = none ] || command -v "$launcher" >/dev/null ||
    give_up 69 "$launcher is not here; set UNITER_LAUNCHER to srun, mpirun or none"

# Open MPI: notice a dead network within 10 s (the default is minutes); ranks that share cores must not spin.
export OMPI_MCA_oob_tcp_keepalive_time=${OMPI_MCA_oob_tcp_keepalive_time:-5}
export OMPI_MCA_oob_tcp_keepalive_intvl=${OMPI_MCA_oob_tcp_keepalive_intvl:-1}
export OMPI_MCA_oob_tcp_keepalive_probes=${OMPI_MCA_oob_tcp_keepalive_probes:-3}
# It waits for ever for hosts that do not answer while they are started, if nobody says otherwise.
export OMPI_MCA_orte_startup_timeout=${OMPI_MCA_orte_startup_timeout:-600}
if [ $(($(ranks_on_node) * ${SLURM_CPUS_PER_TASK:-1})) -ge "$(nproc)" ]; then
    export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
fi

# ---- run it -----------------------------------------------------------------------------------------------------

child="" asked=0 caught=0
# shellcheck disable=SC2317 # called by the traps
# Always USR1: mpirun answers TERM by killing the ranks, but passes USR1 on to all of them.
pass_on() {
    caught=1 asked=1
    say "signal $1: asking the ranks to save and stop"
    [ -z "$child" ] || kill -USR1 "$child" 2>/dev/null
}
# mpirun has no --wait. It waits for ever for a rank that was stopped when all others had left, and for a host that was cut off
# while it ends the job; nobody is alive then who could say so. Looks at its ranks on this node.
ranks_here() {
    local pid word n=0
    for pid in $(cat "/proc/$child/task/"*/children 2>/dev/null); do
        { IFS= read -rd '' word <"/proc/$pid/cmdline"; } 2>/dev/null || continue # a dead one's line is empty
        [ "$word" != "${run[0]}" ] || n=$((n + 1))
    done
    echo "$n"
}
watch_mpirun() {
    local most=0 now pid looks=0 left=${UNITER_WAIT:-600}
    trap '' USR1 USR2 TERM INT HUP XCPU
    while [ "$left" -gt 0 ]; do
        looks=$((looks + 1))
        if [ $looks -lt 25 ]; then sleep 0.2; else sleep 1; fi >/dev/null 2>&1 # a short run has come and gone in a second
        now=$(ranks_here)
        [ "$now" -le "$most" ] || most=$now
        [ "$now" -ge "$most" ] || [ $looks -lt 25 ] || left=$((left - 1))
    done
    say "of $most ranks here $now are left, and mpirun does not end; ended"
    for pid in $(cat "/proc/$child/task/"*/children 2>/dev/null); do kill -KILL "$pid"; done
    kill -KILL "$child"
}
trap 'pass_on USR1' USR1
trap 'pass_on USR2' USR2
trap 'pass_on TERM' TERM
trap 'pass_on INT' INT
trap 'pass_on HUP' HUP
trap 'pass_on XCPU' XCPU

started=$SECONDS
say "job ${job:-(none)}, restart $restarts, ${SLURM_NTASKS:-1} ranks on ${SLURM_JOB_NODELIST:-$(hostname)}, by $launcher"
"${command[@]}" "${run[@]}" "${words[@]}" &
child=$!
watcher=""
if [ "$launcher" = mpirun ]; then
    watch_mpirun &
    watcher=$!
    disown "$watcher" # its end is no news
fi
[ $asked = 0 ] || kill -USR1 "$child" 2>/dev/null # it came before there was a child

code=127
while :; do
    caught=0
    wait "$child"
    now=$?
    [ $now = 127 ] && [ $code != 127 ] || code=$now # 127 the second time: it was waited for already
    [ $caught = 1 ] || break
done
[ -z "$watcher" ] || kill -KILL "$watcher" 2>/dev/null
say "the run ended with $code after $((SECONDS - started)) s"

# ---- again? -----------------------------------------------------------------------------------------------------

# Does the site requeue a job that ends with 75? From e.g. "RequeueExit = 70-75,80".
site_requeues() {
    local list part
    list=$(scontrol show config 2>/dev/null | sed -n 's/^RequeueExit *= *//p')
    for part in ${list//,/ }; do
        case $part in
            [0-9]*-[0-9]*) [ "${part%-*}" -le 75 ] && [ "${part#*-}" -ge 75 ] && return 0 ;;
            75) return 0 ;;
        esac
    done
    return 1
}

# This script may have been cut off from Slurm and its job be running elsewhere by now, under the same number.
# As long as nobody answers it cannot know, and a requeue that reaches Slurm later would end the run elsewhere.
is_current() {
    local now="" tries=60
    while [ -z "$now" ] && [ $tries -gt 0 ]; do
        [ $tries = 60 ] || sleep 5
        now=$(scontrol show job "$job" 2>/dev/null | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')
        tries=$((tries - 1))
    done
    [ "${now:-$restarts}" = "$restarts" ]
}

again() {
    [ "$restarts" -lt "${UNITER_MAX_RESTARTS:-100}" ] ||
        give_up "$code" "$1, but it was restarted $restarts times already (UNITER_MAX_RESTARTS)"
    if [ -n "$job" ] && command -v scontrol >/dev/null && ! site_requeues; then
        is_current || give_up 75 "$1; its job was restarted elsewhere in the meantime"
        scontrol requeue "$job" || give_up 75 "$1; Slurm did not requeue it: submit the same command again"
    fi
    give_up 75 "$1; to be requeued"
}

# Counts deaths, as long as each comes soon after its start.
count_death() {
    local n=0
    if [ "$restarts" -gt 0 ] && [ $((SECONDS - started)) -lt "${UNITER_SOON:-600}" ]; then
        n=$(cat "$deaths_file" 2>/dev/null || echo 0)
    fi
    echo $((n + 1)) >"$deaths_file"
    [ "$n" -lt $((${UNITER_MAX_DEATHS:-5} - 1)) ] ||
        give_up "$code" "died $((n + 1)) times in a row, soon after its start (UNITER_MAX_DEATHS); not again"
}

case $code in
    0 | 64 | 65 | 70 | 71 | 126 | 127) # the program's own words, and a command that cannot be run
        rm -f "$deaths_file"
        exit "$code"
        ;;
    75)
        rm -f "$deaths_file"
        again "stopped early after a checkpoint"
        ;;
    *) # 74: a disk, a network, the watchdog; else a launcher or rank that died: 205 mpirun lost a node, 137 killed ...
        # a rank that is asked before it can listen dies of the signal; that is no trouble of its own
        [ $asked = 1 ] || count_death
        again "it died ($code)"
        ;;
esac
