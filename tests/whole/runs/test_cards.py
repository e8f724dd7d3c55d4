"""Gradients and parameters between cards, on cards that are not there (tests/cards): the way that comm.backend nccl takes, with
collectives that run late and beside the computation, gives the bits of MPI on any number of ranks; so does MPI through host memory.
Who shares a card is refused or falls back; a link that breaks or hangs ends the run in bounded time with a message."""
import json
import re
import shutil
import time

import runlib as R

PROGRAM = R.BUILD / "tests" / "cards" / "bin" / "uniter_dist"
# the same with comm/comm_nccl.c in it, on as much of the library as that calls; only where its headers are
NCCL = R.BUILD / "tests" / "cards" / "nccl" / "uniter_dist"
OLD = R.BUILD / "tests" / "cards" / "nccl_old" / "uniter_dist"  # and on a library that has nothing of what is newer than 2.18


def command(ranks, cfg, run_dir, *words, program=PROGRAM):
    cmd = R.command(ranks, "--cfg", cfg, f"run.dir={run_dir}", "run.threads=1", "--quiet", *words)
    return [program if str(w) == str(R.BUILD / "uniter_dist") else w for w in cmd]


def same(a, b, step, what):
    x, y = R.metrics(a), R.metrics(b)
    for p, q in zip(x, y):
        for key in p:
            if p[key] != q.get(key):
                R.fail(f"{what}: step {p['step']}: {key} is {p[key]!r} and {q.get(key)!r}")
    R.expect(len(x) == len(y) > 0 and R.metrics(a, "valid") == R.metrics(b, "valid") and R.digests(a, step) == R.digests(b, step),
             f"{what}: {len(x)} lines, validation, parameters and moments are equal to the last bit")


def ways(folder, cfg, steps):
    """On each number of ranks: MPI on the CPU, MPI through host memory of a card, between cards."""
    for n in (2, 4, 3):
        plain = folder / f"plain_{n}"
        R.run_ok(command(n, cfg, plain, "device=cpu"))
        for name, words, way in (("cards", ["comm.backend=nccl"], "between the cards"),
                                 ("auto", [], "between the cards"),
                                 ("after", ["comm.overlap=false"], "between the cards"),
                                 ("staged", ["comm.backend=mpi"], "through MPI and host memory"),
                                 ("staged_after", ["comm.backend=mpi", "comm.overlap=false"], "through MPI and host memory")):
            if R.sanitized() and name in ("auto", "staged_after"):
                continue
            run = folder / f"{name}_{n}"
            out = R.run_ok(command(n, cfg, run, "device=cuda", *words), UN_FAKE_CARDS=str(n), UN_FAKE_LATE="300")
            R.expect(way in out, f"{n} ranks, {name}: the log says {way}")
            same(plain, run, steps, f"{n} ranks, {name}")
    same(folder / "plain_2", folder / "cards_4", steps, "2 ranks on the CPU and 4 on cards")
    for program in filter(lambda p: p.exists(), (PROGRAM, NCCL)):
        library(folder, cfg, program)


def library(folder, cfg, program):
    run = folder / f"library_{program.parent.name}"
    R.run_ok(command(4, cfg, run, "device=cuda", "train.exact=false", program=program), UN_FAKE_CARDS="4", UN_FAKE_LATE="300")
    worst = max(abs(x["loss"] - y["loss"]) / abs(x["loss"]) for x, y in zip(R.metrics(folder / "plain_4"), R.metrics(run)))
    R.expect(worst < 1e-4, f"the library's order: losses within {worst:.1e}")


def nccl(folder, cfg, steps):
    """comm/comm_nccl.c in place of the fake collectives."""
    for n in (2, 4, 3):
        run = folder / f"nccl_{n}"
        out = R.run_ok(command(n, cfg, run, "device=cuda", "comm.backend=nccl", program=NCCL), UN_FAKE_CARDS=str(n), UN_FAKE_LATE="300")
        R.expect("between the cards" in out, f"{n} ranks, nccl: the log says between the cards")
        same(folder / f"plain_{n}", run, steps, f"{n} ranks, nccl")
        R.expect(all(x.get("ms/comm", 0) > 0 for x in raw(run)[1:]) and not any("comm_exposed" in x for x in raw(run)),
                 f"{n} ranks, nccl: the log has the time of the collectives")
    endings(folder, cfg, NCCL, "the fake link broke")


def told(folder, cfg, steps):
    """Memory that the library gives: how far it is told of it is said, changes no bit, and all is given back. Blocks: parameters,
    gradients, scratch."""
    before, buffers = dict(UN_FAKE_NCCL="21805"), dict(UN_FAKE_NCCL="22605")
    off = "comm.register: off, as not every rank's library can (here NCCL 2.18.5)"
    window, buffer = dict(UN_FAKE_REGISTER="1:2"), dict(UN_FAKE_REGISTER="1:2", **buffers)
    # blocks of the library on each rank; of the last communicator: registrations, windows, whether it used an all-to-all
    for name, n, words, env, said, blocks, tells in (
            ("windows", 2, ["comm.register=on"], {}, "memory registered as windows", "33", (3, 3, True)),
            ("windows of four", 4, [], {}, "memory registered as windows", "3333", (3, 3, False)),
            ("no all-to-all", 2, [], dict(UN_FAKE_NCCL="22703"), "NCCL 2.27.3: memory registered as windows", "33", (3, 3, False)),
            ("buffers", 2, ["comm.register=on"], buffers, "NCCL 2.26.5: memory registered\n", "33", (3, 0, False)),
            ("a version before", 2, [], before, off, "", (0, 0, False)),
            ("off", 2, ["comm.register=off"], {}, "", "", (0, 0, True)),
            ("a window that fails", 2, [], window, "comm.register: off, because ", "33", (0, 0, True)),
            ("a buffer that fails", 2, [], buffer, "comm.register: off, because rank 1: ", "33", (0, 0, False)),
            ("no memory for a block", 2, [], dict(UN_FAKE_MEMORY="1:2"), "memory not registered", "23", (0, 0, True))):
        run = folder / f"told_{name.replace(' ', '_')}"
        out = R.run_ok(command(n, cfg, run, "device=cuda", "comm.backend=nccl", *words, program=NCCL), UN_FAKE_CARDS=str(n),
                       UN_FAKE_LATE="300", UN_FAKE_TELL="1", **env)
        R.expect(said in out and ("comm.register" in out) == bool(said), f"{name}: the log says {said.strip() or 'nothing'}")
        same(folder / f"plain_{n}", run, steps, name)
        last = re.findall(rf"fake library: among {n}: (\d+) registrations, (\d+) of them windows, (\d+) all-to-alls", out)[-1]
        registered, windows, together = (int(x) for x in last)
        R.expect((registered, windows, together > 0) == tells, f"{name}: {registered} registrations, {windows} windows, {together} all-to-alls")
        back = "".join(sorted(re.findall(r"fake library: (\d+) blocks taken, all given back", out)))
        R.expect(back == blocks, f"{name}: blocks of the library that are given back, by rank: {back}")
    run = folder / "told_old"
    out = R.run_ok(command(2, cfg, run, "device=cuda", "comm.backend=nccl", program=OLD), UN_FAKE_CARDS="2", UN_FAKE_LATE="300")
    R.expect(off in out, "a library that lacks the calls: the log says so")
    same(folder / "plain_2", run, steps, "a library that lacks the calls")
    low, run = folder / "plain_low", folder / "told_low"
    R.run_ok(command(2, cfg, low, "device=cpu", "train.precision=bf16"))
    out = R.run_ok(command(2, cfg, run, "device=cuda", "comm.backend=nccl", "train.precision=bf16", program=NCCL), UN_FAKE_CARDS="2",
                   UN_FAKE_LATE="300", UN_FAKE_TELL="1")
    R.expect(re.search(r"parameters: [1-9]\d* of \d+ buckets go round as bf16", out) and "among 2: 6 registrations, 6 of them windows" in out and
             out.count("6 blocks taken, all given back") == 2, "bf16: its copy of the parameters and the lists of those in f32 are registered, too")
    same(low, run, steps, "bf16")
    for name, code, env, words in (("a window that fails", 74, dict(UN_FAKE_REGISTER="1:2"), "registration of memory"),
                                   ("no memory for a block", 71, dict(UN_FAKE_MEMORY="1:2"), "memory for collectives between cards"),
                                   ("a version before", 64, before, "comm.register is on, which needs")):
        refuse(f"comm.register=on, {name}", command(2, cfg, folder / "refused", "device=cuda", "comm.backend=nccl", "comm.register=on", program=NCCL),
               code, words, UN_FAKE_CARDS="2", **env)
    refuse("comm.register=on without cards", command(2, cfg, folder / "refused", "device=cpu", "comm.register=on"), 64,
           "comm.register is on, which needs cards")


def raw(run):
    """Lines of training steps with their times."""
    lines = [json.loads(x) for x in (run / "log/metrics.jsonl").read_text().splitlines()]
    return [x for x in lines if "loss" in x]


def resume(folder, cfg, steps):
    """Stopped on two cards, resumed on four, and as if never stopped."""
    run = folder / "resumed"
    for n, last in ((2, steps // 2), (4, steps)):
        R.run_ok(command(n, cfg, run, "device=cuda", f"checkpoint.every={steps // 2}", f"train.steps={steps}",
                         f"valid.every={steps // 2}", f"data.cache={'device' if n == 4 else 'none'}"),
                 UN_FAKE_CARDS=str(n), UN_FAKE_LATE="300")
        if n == 2:  # as if it had ended after the first one
            shutil.rmtree(run / f"ckpt/step_{steps:08d}")
    R.expect(R.digests(run, steps) == R.digests(folder / "plain_2", steps), "a checkpoint of two cards goes on on four")


def caches(folder, cfg, steps):
    """Features that stay on the card: the same bits, while micro-batches come late and the first of a step before the update."""
    for n in (1, 2):
        for kind in ("device", "none"):
            run = folder / f"cache_{kind}_{n}"
            R.run_ok(command(n, cfg, run, "device=cuda", f"data.cache={kind}", "loader.threads=2"), UN_FAKE_CARDS=str(n),
                     UN_FAKE_LATE="300")
            same(folder / "plain_2", run, steps, f"{n} rank(s), data.cache: {kind}")
    out = R.run_ok(command(1, cfg, folder / "check", "--check", "device=cuda", "data.cache=device"), UN_FAKE_CARDS="1")
    R.expect("on the card" in out and "cache       device: " in out and "100 % of the features" in out,
             "--check: memory of the card and of the host, and what stays on the card")
    waves(folder, cfg)


def waves(folder, cfg):
    """--check says how full a lane's products leave a card, and which lanes fill it: of base 5,632 and its multiples."""
    for tokens, want in ((8192, "128 x 128, 81 % of 128 x 256 (132 at once); 5632 or 11264 would fill all"),
                         (1024, "; 5632 would fill all"), (16896, "fills 100 % of them in tiles of 128 x 128, 100 % of 128 x 256 (132 at once)\n")):
        out = R.run_ok(command(1, cfg, folder / "check", "--check", "device=cuda", "data.cache=none", "model.preset=base",
                               "model.hidden_size=768", "model.num_attention_heads=12", "model.intermediate_size=3072",
                               f"train.tokens_per_lane={tokens}"), UN_FAKE_CARDS="1")
        R.expect(want in out, f"--check: waves of {tokens} tokens" + ("" if want in out else out))
    out = R.run_ok(command(1, cfg, folder / "check", "--check", "device=cpu"))
    R.expect("waves " not in out, "--check on a CPU: no waves")


def refuse(name, cmd, code, *words, **env):
    got, out = R.run(cmd, timeout=60, **env)
    if got != code or not all(w in out for w in words):
        print(out[-3000:])
    R.expect(got == code, f"{name}: exit code {got}, expected {code}")
    R.expect(all(w in out for w in words), f"{name}: says {', '.join(words)}")


def choices(folder, cfg):
    asked = ("device=cuda", "comm.backend=nccl")
    run = folder / "refused"
    refuse("three ranks on two cards", command(3, cfg, run, *asked), 64, "ranks 0 and 2 on", "share card fake-0",
           "comm.backend=mpi", UN_FAKE_CARDS="2")
    refuse("ranks without cards", command(2, cfg, run, "device=cpu", "comm.backend=nccl"), 64, "rank 0 on", "computes on the CPU")
    refuse("the plain program", command(2, cfg, run, "device=cpu", "comm.backend=nccl", program=R.BUILD / "uniter_dist"), 64,
           "computes on the CPU")
    refuse("one process", command(1, cfg, run, *asked), 64, "comm.backend is nccl", "1 rank", UN_FAKE_CARDS="1")
    refuse("a module of another build", command(2, cfg, run, *asked), 64, "rank 1:", "libun_nccl.so", "another build",
           UN_FAKE_CARDS="2", UN_FAKE_REFUSE="1")
    for name, why, env in (("three ranks on two cards", "share card fake-0", dict(UN_FAKE_CARDS="2")),
                           ("a module of another build", "another build", dict(UN_FAKE_CARDS="3", UN_FAKE_REFUSE="2"))):
        run = folder / f"fallback_{len(env)}"
        out = R.run_ok(command(3, cfg, run, "device=cuda"), **env)
        R.expect("comm.backend: mpi" in out and why in out and "through MPI and host memory" in out,
                 f"auto, {name}: falls back to MPI and says why")
        same(folder / "plain_3", run, 6, f"auto, {name}")


def endings(folder, cfg, program, words):
    kind = program.parent.name
    for call in (1, 40):
        refuse(f"{kind}: a link that breaks in call {call}", command(2, cfg, folder / f"{kind}_broken_{call}", "device=cuda", program=program),
               74, "error: ", words, UN_FAKE_CARDS="2", UN_FAKE_BREAK=f"1:{call}")
    limit = 12 if R.sanitized() else 4
    start = time.monotonic()
    refuse(f"{kind}: a rank that does not come",
           command(2, cfg, folder / f"{kind}_hung", "device=cuda", f"run.timeout={limit}", program=program), 74,
           "run.timeout is", "did not arrive: rank 1 (1 of 2)", UN_FAKE_CARDS="2", UN_FAKE_HANG="1:30")
    took = time.monotonic() - start
    R.expect(took < 2 * limit + 5, f"{kind}: all have ended after {took:.1f} s of run.timeout {limit}")


def main():
    if not R.has_mpi() or not PROGRAM.exists():
        R.skip("a build without MPI")
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        steps = 6
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=steps, width=128, heads=4, every=3,
                             positions=4096, extra="comm: {bucket_mb: 1}", train_extra=", precision: fp32")
        ways(folder, cfg, steps)
        resume(folder, cfg, steps)
        caches(folder, cfg, steps)
        choices(folder, cfg)
        endings(folder, cfg, PROGRAM, "the fake link of rank 1 broke in call")
        if NCCL.exists():
            nccl(folder, cfg, steps)
            told(folder, cfg, steps)
        else:
            print("skipped: comm/comm_nccl.c (its headers are not here)")


main()
