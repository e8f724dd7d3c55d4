"""64 real ranks, tiny: do they send the bytes that the scaling model (tests/bench/scaling.py) says?

All ranks live in a network namespace of their own and talk over TCP through its loopback device, whose counters say what was sent,
headers included. Two runs of different length; what differs is the longer one's additional steps, without start and end. The
count does not care which algorithm the library chose."""
import importlib.util
import re
import subprocess

import clusterlib as C
import runlib as R

RANKS, SHORT, LONG = 64, 2, 4
# TCP and IP headers in segments of 64 KiB and less, acknowledgements, small collectives of a step: counts, norms, losses, agreement
LEAST, MOST = 0.99, 1.25


def model():
    spec = importlib.util.spec_from_file_location("scaling", R.ROOT / "tests/bench/scaling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sent(folder, cfg, steps):
    """(bytes, packets, parameters) of a whole run."""
    inner = (f"ip link set lo up && mpirun --oversubscribe -np {RANKS} --mca btl tcp,self --mca btl_tcp_if_include lo {R.BUILD}/uniter_dist --cfg {cfg} --quiet "
             f"run.dir={folder}/run_{steps} train.steps={steps} 1>&2 && cat /sys/class/net/lo/statistics/tx_bytes "
             "/sys/class/net/lo/statistics/tx_packets")
    p = subprocess.run(["unshare", "-n", "-m", "--propagation", "private", "bash", "-c", "mount -t sysfs sysfs /sys; " + inner],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(R.ENV, OMP_NUM_THREADS="1"), timeout=280)
    if p.returncode != 0:
        R.fail(f"exit code {p.returncode}: {p.stderr[-3000:]}")
    count, packets = map(int, p.stdout.split())
    return count, packets, int(re.search(r": (\d+) parameters", p.stderr)[1])


def main():
    C.need("mpirun")
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=2 * RANKS)
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", lanes=RANKS, tokens=64, width=128, layers=2, valid=False)
        cfg.write_text(cfg.read_text().replace("warmup_steps: 3", "warmup_steps: 1"))
        short, packets_short, parameters = sent(folder, cfg, SHORT)
        long, packets_long, _ = sent(folder, cfg, LONG)
        a_step = (long - short) / (LONG - SHORT)
        said = model().bytes_per_step(parameters, RANKS)
        print(f"{RANKS} ranks, {parameters} parameters: {a_step / 1e6:.2f} MB and {(packets_long - packets_short) / (LONG - SHORT):.0f} packets "
              f"a step by the device, {said / 1e6:.2f} MB by the model")
        R.expect(LEAST <= a_step / said <= MOST, f"counted over said: {a_step / said:.4f}")


main()
