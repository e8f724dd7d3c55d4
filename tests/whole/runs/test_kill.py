"""SIGKILL at random moments, also during a save, ten times: a resume always works from the newest complete checkpoint, and the end
is bit-identical to an undisturbed run. What is killed is the launcher and its group; ranks that outlive it for a moment hold the
folder's lock, and the next run waits for them. Saves are so frequent here that many kills fall into one."""
import random
import shutil
import time

import runlib as R

STEPS = 60


def main():
    ranks = 2 if R.has_mpi() else 1
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        straight, killed = folder / "straight", folder / "killed"
        R.run_ok(R.command(1, "--cfg",
                           R.write_config(folder / "s.yaml", data, straight, steps=STEPS, checkpoint=2, valid=False)))
        cfg = R.write_config(folder / "k.yaml", data, killed, steps=STEPS, checkpoint=2, valid=False)
        rng, kills, in_save, starts = random.Random(11), 0, 0, 0
        while kills < 10 and starts < 60:
            starts += 1
            p = R.start(R.command(ranks if starts % 2 else 1, "--cfg", cfg), folder / "k.log")
            begin = R.last_logged_step(killed)
            R.wait_for_step(p, killed, min(begin + 1, STEPS))
            deadline = time.monotonic() + rng.uniform(0, 0.4)
            aim = kills % 2 == 1  # every second kill waits for a save to be under way
            while p.poll() is None and time.monotonic() < deadline + (5 if aim else 0):
                if aim and list((killed / "ckpt").glob("*.partial")):
                    in_save += 1
                    break
                time.sleep(0.0005)
            over = p.poll() is not None
            R.end_group(p)
            if not over:
                kills += 1
            elif R.last_logged_step(killed) >= STEPS:
                shutil.rmtree(killed)  # came to its end before enough kills: once more from the start
        R.expect(kills == 10, f"10 kills in {starts} starts, {in_save} of them during a save")
        R.run_ok(R.command(ranks, "--cfg", cfg))
        R.expect(R.digests(killed, STEPS) == R.digests(straight, STEPS), "parameters and moments as undisturbed")
        R.expect(R.metrics(killed) == R.metrics(straight), "losses as undisturbed, no step twice")


main()
