"""Ranks that would not train the same thing are refused before the first step, with rank, host, key and both values: another
key, another command, another file of equal shape, another program, another kind of kernels. A resume says what changed."""
import os
import shutil
import socket

import runlib as R

HOST = socket.gethostname()
SETS = ("coco",)


def pair(*second, first=(), ranks=(1, 2), env=()):
    """`first` on the first rank(s), `second` on the others; bounded, as what is not refused may hang."""
    program = [str(R.BUILD / "uniter_dist")]
    words = ["timeout", "-s", "KILL", "60", "mpirun", "--oversubscribe", "-np", ranks[0], *program, *first, ":", "-np", ranks[1],
             *(["env", *env] if env else []), *program, *second]
    return R.run(words)


def refused(what, answer, *texts):
    code, out = answer
    if code != 64 or not all(t in out for t in texts):
        print(out[-2500:])
        R.fail(f"{what}: exit code {code}, expected 64 and {texts}")
    R.expect(out.count("not as rank 0") == 1, f"{what}: refused, told once with host, key and both values")


def keys(cfg, run_dir):
    for key, mine, theirs in (("run.seed", "6", "5"), ("optim.lr", "0.002", "0.001"), ("train.mixing", "batch", "sample"),
                              ("checkpoint.every", "2", "0"), ("train.lanes", "6", "4"), ("model.hidden_size", "64", "32"),
                              ("data.train.0.mix.mlm", "3", "8"), ("run.dir", f"{run_dir}_b", str(run_dir))):
        answer = pair("--cfg", cfg, f"{key}={mine}", first=("--cfg", cfg))
        refused(key, answer, f"rank 1: host {HOST}", f"{key} is {mine}, rank 0 on host {HOST} has {theirs}", "2 ranks differ")
        R.expect(not run_dir.exists(), f"{key}: the run's folder is not touched")
    answer = pair("--cfg", cfg, "--resume", "none", first=("--cfg", cfg))
    refused("--resume", answer, "--resume is none, rank 0 on host", "has auto")
    answer = pair("--cfg", cfg, "--check", first=("--cfg", cfg), ranks=(1, 1))
    refused("--check", answer, "--check is given, rank 0 on host", "has not given")


def same_values(cfg, folder, run_dir):
    """Written in another way, but the same."""
    other = folder / "other.yaml"
    other.write_text(cfg.read_text().replace("1.0e-3", "0.001"))
    code, out = pair("--cfg", other, first=("--cfg", cfg))
    R.expect(code == 0 and "done: 4 updates" in out, "the same values from another file, written otherwise, train together"
             if code == 0 else out[-2000:])
    shutil.rmtree(run_dir)


def files(folder, data, cfg):
    """A stale copy of a file on one node: a folder of data that is a link, and leads elsewhere for one rank."""
    stale = shutil.copytree(data, folder / "stale")
    path = stale / "coco_train.img.h5"
    text = bytearray(path.read_bytes())
    text[-3] ^= 1
    path.write_bytes(bytes(text))
    relative = folder / "relative.yaml"
    relative.write_text(cfg.read_text().replace(str(data), "here"))
    for name, target in (("a", data), ("b", stale)):
        (folder / name).mkdir()
        os.symlink(target, folder / name / "here")
    code, out = R.run(["timeout", "-s", "KILL", "60", "mpirun", "--oversubscribe", "-np", "1", "-wdir", folder / "a",
                       R.BUILD / "uniter_dist", "--cfg", relative, ":", "-np", "1", "-wdir", folder / "b",
                       R.BUILD / "uniter_dist", "--cfg", relative])
    refused("a file of equal shape", (code, out), f"rank 1: host {HOST}", "file here/coco_train.img.h5 is", "bytes, sample")
    shutil.rmtree(folder / "run", ignore_errors=True)


def machines(cfg, folder, run_dir):
    env = ("OPENBLAS_CORETYPE=Prescott",)
    code, out = pair("--cfg", cfg, first=("--cfg", cfg), ranks=(1, 1), env=env)
    if code == 0:
        print("no other kernels here: an OpenBLAS of one kind")
        return
    refused("other kernels", (code, out), "the device with its kernels is cpu, OpenBLAS", "Prescott, rank 0 on host")
    words = ("--cfg", cfg, "run.mixed_machines=true")
    code, out = pair(*words, "run.threads=1", first=words, ranks=(1, 1), env=env)
    R.expect(code == 0 and "warning: host" in out and "the device with its kernels is" in out,
             "run.mixed_machines: a warning, and it trains" if code == 0 else out[-2000:])
    shutil.rmtree(run_dir, ignore_errors=True)
    words = ("--cfg", cfg, "train.exact=false")
    code, out = pair(*words, first=words, ranks=(1, 1), env=env)
    R.expect(code == 0 and "warning: host" in out, "train.exact=false: a warning" if code == 0 else out[-2000:])
    code, out = R.run(R.command(1, "--cfg", cfg, "train.exact=false", "train.steps=5"))
    R.expect(code == 0 and "another kind of machine" not in out, "a resume on the same kind of machine does not warn")
    code, out = R.run(R.command(1, "--cfg", cfg, "train.exact=false", "train.steps=6"), OPENBLAS_CORETYPE="Prescott")
    R.expect(code == 0 and out.count("made on another kind of machine") == 1, "on another kind it warns, once")
    shutil.rmtree(run_dir, ignore_errors=True)


def another_program(cfg, folder):
    """The same sources, another file."""
    old = folder / "uniter_dist"
    shutil.copy(R.BUILD / "uniter_dist", old)
    with open(old, "ab") as f:
        f.write(b"\0")
    code, out = R.run(["timeout", "-s", "KILL", "60", "mpirun", "--oversubscribe", "-np", "1", R.BUILD / "uniter_dist", "--cfg",
                       cfg, ":", "-np", "1", old, "--cfg", cfg])
    refused("another program", (code, out), "the program's build is version", "bytes")


def changes(cfg, run_dir):
    R.run_ok(R.command(1, "--cfg", cfg))
    first = (run_dir / "config.yaml").read_bytes()
    out = R.run_ok(R.command(1, "--cfg", cfg, "train.steps=8", "optim.lr=5e-4", "model.dropout=0.2"))
    for line in ("model.dropout was 0.1, is 0.2", "train.steps was 4, is 8", "optim.lr was 0.001, is 0.0005"):
        R.expect(out.count(f"changed since the earlier start: {line}\n") == 1, f"resume: {line}")
    R.expect(out.count("changed since") == 3, "resume: nothing else is said to have changed")
    R.expect("learning rate of update 5: was to be 1e-08, is 0.0003" in out, "resume: the learning rate before and after")
    R.expect((run_dir / "config_before_start_2.yaml").read_bytes() == first, "resume: config.yaml of the earlier start is kept")
    code, out = R.run(R.command(1, "--cfg", cfg, "train.steps=9", "run.seed=6", "optim.lr=5e-4", "model.dropout=0.2"))
    R.expect(code == 64 and "run.seed was 5, is 6" in out and "set it back to go on, or begin another run" in out,
             "a refused change is named and told what to do instead")
    out = R.run_ok(R.command(1, "--cfg", cfg, "train.steps=8", "optim.lr=5e-4", "model.dropout=0.2"))
    R.expect("changed since" not in out and len(list(run_dir.glob("config_before*"))) == 1, "the same again: nothing is said or kept")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        run_dir = folder / "run"
        cfg = R.write_config(folder / "c.yaml", data, run_dir, steps=4, lanes=4, tokens=96, sets=SETS, valid=False)
        if R.has_mpi():
            keys(cfg, run_dir)
            same_values(cfg, folder, run_dir)
            files(folder, data, cfg)
            another_program(cfg, folder)
            machines(cfg, folder, run_dir)
        changes(cfg, run_dir)


main()
