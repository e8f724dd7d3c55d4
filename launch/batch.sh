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
# A run under a batch system that a person can leave alone. Stopped by the time limit, by preemption or by a dead node, it is
# queued again and goes on from its last checkpoint; a mistake (wrong configuration, bad data) ends it.
#
#     sbatch [options] launch/slurm.sh --cfg big.yaml [section.key=value ...]     Slurm; slurm.sh is this file
#     launch/pbs.sh [options of qsub] -- --cfg big.yaml [section.key=value ...]   PBS Professional, OpenPBS
#     launch/lsf.sh [options of bsub] -- --cfg big.yaml [section.key=value ...]   LSF
#
# Options of sbatch on the command line win over the lines above; --signal=B:USR1@300 asks for a save 300 s before the limit
# (Slurm may send it up to 60 s earlier). Slurm copies the script it is given, so everything stands in this one file.
#
# In the arguments %a and %j become the array's index and the job's number, e.g.
#     sbatch --array=1-4 launch/slurm.sh --cfg big.yaml run.seed=%a run.dir=runs/seed_%a
#
# Environment (sbatch --export=ALL,NAME=VALUE, or set before the job is submitted):
#     UNITER_PROGRAM       build/uniter_dist where the job was submitted, else uniter_dist of PATH
#     UNITER_LAUNCHER      srun (default under Slurm) | mpirun (default elsewhere) | none: this process alone
#     UNITER_MPI           pmix (default): srun --mpi=...; what the MPI library was built with
#     UNITER_CONTAINER     an Apptainer image: every rank runs in it; launcher and MPI stay outside and must be of the
#                          same kind as those inside
#     UNITER_MAX_RESTARTS  100: so often is a job queued again, for whatever cause
#     UNITER_MAX_DEATHS    5: so many deaths in a row (of a rank, launcher, node, disk or network), each within
#     UNITER_SOON          600 seconds of its start, are taken for a mistake
#     UNITER_WAIT          600: ranks leave together; so many seconds after the first is gone the launcher is ended, too
#     UNITER_EARLY         300: PBS sends no signal ahead of its limit, so this script asks for a save so many seconds before
# Under Slurm no tool of it but the launcher is needed, so the script also works inside a container of a site.
set -u

say() { printf '%s.sh: %s %s\n' "$batch" "$(date '+%F %T')" "$*"; }
give_up() {
    say "$2"
    exit "$1"
}

# ---- the batch system: its job, place and nodes, and how it queues a job again -------------------------------------

# A file that names a host once for each rank.
count_ranks() {
    ranks=1 per_node=1 nodes=$(hostname)
    [ -s "$1" ] || return 0
    ranks=$(grep -c . "$1")
    per_node=$(sort "$1" | uniq -c | sort -n | tail -n 1 | sed 's/^ *\([0-9]*\).*/\1/')
    nodes=$(sort -u "$1" | tr '\n' ' ')
    mpirun_hosts=(--hostfile "$1")
}

batch=slurm launcher=${UNITER_LAUNCHER:-mpirun} cpus=1 mpirun_hosts=()
if [ -z "${SLURM_JOB_ID:-}" ]; then
    [ -z "${PBS_JOBID:-}" ] || batch=pbs
    [ -z "${LSB_JOBID:-}" ] || batch=lsf
fi
case $batch in
    slurm)
        job=${SLURM_JOB_ID:-} number=${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID:-}} index=${SLURM_ARRAY_TASK_ID:-}
        folder=${SLURM_SUBMIT_DIR:-.} files=uniter-${job:-0} queue_tool=scontrol restarts=${SLURM_RESTART_COUNT:-0}
        launcher=${UNITER_LAUNCHER:-srun} cpus=${SLURM_CPUS_PER_TASK:-1}
        ranks=${SLURM_NTASKS:-1} nodes=${SLURM_JOB_NODELIST:-$(hostname)}
        # the most on one node, from e.g. "2(x3),1"
        per_node=$(tr ',' '\n' <<<"${SLURM_TASKS_PER_NODE:-1}" | cut -d'(' -f1 | sort -n | tail -n 1)
        ;;
    pbs) # a job queued again is a new one (pbs.sh), with number, index and count of the first
        job=$PBS_JOBID number=${UNITER_FIRST:-${PBS_JOBID%%[!0-9]*}} index=${UNITER_INDEX:-${PBS_ARRAY_INDEX:-}}
        folder=${PBS_O_WORKDIR:-.} files=uniter-$number${index:+_$index} queue_tool=qsub restarts=${UNITER_RESTARTS:-0}
        count_ranks "${PBS_NODEFILE:-}"
        cd "$folder" || give_up 75 "$folder, where it was submitted, cannot be reached from $(hostname)" # PBS starts it at home
        ;;
    lsf)
        number=$LSB_JOBID index=${LSB_JOBINDEX:-0}
        [ "$index" != 0 ] || index=""
        job=$number${index:+[$index]} folder=${LS_SUBCWD:-.} files=uniter-$number${index:+_$index} queue_tool=brequeue
        count_ranks "${LSB_DJOB_HOSTFILE:-}"
        # LSF does not say how often a job was started
        restarts=$(($(cat "$folder/$files.starts" 2>/dev/null || echo 0)))
        echo $((restarts + 1)) >"$folder/$files.starts"
        ;;
esac
deaths_file=$folder/$files.deaths

# Does the system queue a job again by itself that ends with 75?
queues_by_itself() {
    local list=${LSB_EXIT_REQUEUE:-} part
    # from e.g. "RequeueExit = 70-75,80"
    [ $batch != slurm ] || list=$(scontrol show config 2>/dev/null | sed -n 's/^RequeueExit *= *//p')
    [ $batch != pbs ] || list=""
    for part in ${list//,/ }; do
        case $part in
            [0-9]*-[0-9]*) [ "${part%-*}" -le 75 ] && [ "${part#*-}" -ge 75 ] && return 0 ;;
            75 | all) return 0 ;;
        esac
    done
    return 1
}

# What changes when the system starts the job anew: LSF knows by itself which start it hears of.
start_mark() {
    case $batch in
        slurm) scontrol show job "$job" 2>/dev/null | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p' ;;
        pbs) qstat -f "$job" 2>/dev/null | sed -n 's/^ *stime = //p' ;;
        lsf) echo "$restarts" ;;
    esac
}

queue_again() {
    case $batch in
        slurm) scontrol requeue "$job" ;;
        # qrerun is for operators, and PBS holds a job after 21 starts
        pbs) [ -n "${UNITER_AGAIN:-}" ] && UNITER_RESTARTS=$((restarts + 1)) UNITER_FIRST=$number UNITER_INDEX=$index \
            bash -c "$UNITER_AGAIN" ;;
        lsf) brequeue "$job" ;;
    esac
}

# PBS has only TERM and a few seconds at the limit, and sends it to mpirun, too, which kills the ranks.
ask_before_limit() {
    local limit part seconds=0
    limit=$(qstat -f "$job" 2>/dev/null | sed -n 's/^ *Resource_List.walltime = //p')
    [ -n "$limit" ] || { say "qstat tells of no walltime: nothing is saved ahead of it" && return; }
    for part in ${limit//:/ }; do seconds=$((seconds * 60 + 10#${part%.*})); done
    seconds=$((seconds - ${UNITER_EARLY:-300}))
    while [ $SECONDS -lt $seconds ]; do sleep 1; done >/dev/null 2>&1
    kill -USR1 $$
}

first_mark=$restarts
[ $batch != pbs ] || first_mark=$(start_mark)

# ---- the command ------------------------------------------------------------------------------------------------

words=()
for word in "$@"; do
    word=${word//%a/${index:-%a}}
    words+=("${word//%j/${number:-%j}}")
done

program=${UNITER_PROGRAM:-}
if [ -z "$program" ]; then
    program=uniter_dist
    [ ! -x "$folder/build/uniter_dist" ] || program=$folder/build/uniter_dist
fi
run=("$program")
if [ -n "${UNITER_CONTAINER:-}" ]; then
    nv=()
    [ ! -e /dev/nvidiactl ] || nv=(--nv)
    run=(apptainer exec "${nv[@]}" "$UNITER_CONTAINER" "${UNITER_PROGRAM:-uniter_dist}")
fi

case $launcher in
    srun)
        command=(srun "--mpi=${UNITER_MPI:-pmix}" "--wait=${UNITER_WAIT:-600}")
        # srun does not take this over from sbatch
        [ -z "${SLURM_CPUS_PER_TASK:-}" ] || command+=("--cpus-per-task=$SLURM_CPUS_PER_TASK")
        ;;
    # ranks share out the cores of their node by themselves
    mpirun) command=(mpirun -np "$ranks" --bind-to none "${mpirun_hosts[@]}") ;;
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
if [ $((per_node * cpus)) -ge "$(nproc)" ]; then
    export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
fi

# ---- run it -----------------------------------------------------------------------------------------------------

child="" asked=0 caught=0 ended_by=""
# shellcheck disable=SC2317 # called by the traps
# Always USR1: mpirun answers TERM by killing the ranks, but passes USR1 on to all of them.
pass_on() {
    caught=1 asked=1
    [ "$1" != TERM ] && [ "$1" != INT ] || ended_by=$1
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
say "job ${job:-(none)}, restart $restarts, $ranks ranks on $nodes, by $launcher"
"${command[@]}" "${run[@]}" "${words[@]}" &
child=$!
watcher=""
if [ "$launcher" = mpirun ]; then
    watch_mpirun &
    watcher=$!
    disown "$watcher" # its end is no news
fi
timer=""
if [ $batch = pbs ]; then
    ask_before_limit &
    timer=$!
    disown "$timer"
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
[ -z "$timer" ] || kill -KILL "$timer" 2>/dev/null
say "the run ended with $code after $((SECONDS - started)) s"

# ---- again? -----------------------------------------------------------------------------------------------------

# This script may have been cut off from the system and its job be running elsewhere by now, under the same number.
# As long as nobody answers it cannot know, and a requeue that reaches it later would end the run elsewhere.
is_current() {
    local now="" tries=60
    [ -n "$first_mark" ] || return 0
    while [ -z "$now" ] && [ $tries -gt 0 ]; do
        [ $tries = 60 ] || sleep 5
        now=$(start_mark)
        tries=$((tries - 1))
    done
    [ "${now:-$first_mark}" = "$first_mark" ]
}

again() {
    # Slurm refuses to requeue what was cancelled; elsewhere a person who ends a job (qdel, bkill) would see it come back.
    [ $batch = slurm ] || [ -z "$ended_by" ] || give_up 143 "$1; $batch ended the job by $ended_by: the same command goes on"
    [ "$restarts" -lt "${UNITER_MAX_RESTARTS:-100}" ] ||
        give_up "$code" "$1, but it was restarted $restarts times already (UNITER_MAX_RESTARTS)"
    if [ -n "$job" ] && ! queues_by_itself && { command -v $queue_tool >/dev/null || [ $batch != slurm ]; }; then
        is_current || give_up 75 "$1; its job was restarted elsewhere in the meantime"
        queue_again || give_up 75 "$1; it could not be queued again ($queue_tool): submit the same command again"
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
        rm -f "$deaths_file" "$folder/$files.starts"
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
