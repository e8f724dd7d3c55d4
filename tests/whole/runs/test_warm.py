"""data.warm: the same run to the last bit, with the rows read in the order of the files before the first step or beside the training;
stops at once; nothing where memory is too small for it."""
import collections
import signal

import runlib as R

STEPS = 6
PASS = 12  # columns of four files: features, boxes, soft labels; words, alignments
LEAST = 1500  # bytes: no image's rows are so many, every column of a rank's part is


def main():
    shim = R.BUILD / "tests" / "libslow_reads.so"
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=192)
        cfg = R.write_config(folder / "c.yaml", data, folder / "off", steps=STEPS)
        base = dict(LD_PRELOAD=str(shim), UN_TEST_READ_BYTES=str(LEAST), ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0")

        def go(name, ranks, warm, **more):
            """Exit code, output, reads of columns as (process, file, at, bytes)."""
            log = folder / f"{name}.reads"
            code, out = R.run(R.command(ranks, "--cfg", cfg, f"run.dir={folder / name}", f"data.warm={warm}"),
                              **dict(base, UN_TEST_READS=str(log), **more))
            reads = [(int(a), b, int(c), int(d)) for a, b, c, d in map(str.split, log.read_text().splitlines())]
            return code, out, reads

        def of_each(reads):
            """Large reads of each process: of the index, of what ranks compare, and then of the sequential pass."""
            return collections.Counter(r[0] for r in reads)

        code, out, index = go("off", 1, "off")
        R.expect(code == 0 and "data.warm" not in out, "off: nothing is said of it")
        counts = (1, 2) if R.has_mpi() else (1,)
        without = {1: [len(index)]} # of a host's ranks only the first reads the index
        for ranks in counts[1:]:
            code, out, reads = go(f"off{ranks}", ranks, "off")
            without[ranks] = sorted(of_each(reads).values())
            R.expect(len(without[ranks]) == ranks, f"{ranks} ranks read")
        for ranks in counts:
            for warm in ("before", "beside"):
                name = f"{warm}{ranks}"
                code, out, reads = go(name, ranks, warm)
                same = (code == 0 and R.digests(folder / name, STEPS) == R.digests(folder / "off", STEPS)
                        and R.metrics(folder / name) == R.metrics(folder / "off"))
                R.expect(same, f"{warm}, {ranks} rank(s): bit-identical")
                R.expect("MiB of rank 0's part read in the order of the files" in out, f"{warm}, {ranks} rank(s): said")
                if warm != "before":
                    continue
                counts_of = of_each(reads)
                R.expect(sorted(counts_of.values()) == [n + PASS for n in without[ranks]], f"{ranks} rank(s): {PASS} reads more, of each")
                for process in counts_of:
                    own = [r[1:] for r in reads if r[0] == process][-PASS:]
                    files = [f for i, (f, _, _) in enumerate(own) if i == 0 or own[i - 1][0] != f]
                    forward = all(b[1] >= a[1] + a[2] for a, b in zip(own, own[1:]) if a[0] == b[0])
                    R.expect(len(files) == len(set(files)) == 4 and forward,
                             f"{ranks} rank(s): {len(own)} reads of {len(files)} files, each forwards, once")

        def stopped(warm, words):
            """SIGTERM (before) or the end of the run (beside) while each column takes a while to read."""
            run_dir, log, reads = folder / f"stop{warm}", folder / f"stop{warm}.log", folder / f"stop{warm}.reads"
            begun = R.time.monotonic()
            p = R.start(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", f"data.warm={warm}", *words), log,
                        **dict(base, UN_TEST_READS=str(reads), UN_TEST_READ_S="0.4", UN_TEST_READ_SKIP=str(len(index))))
            beats = run_dir / "log" / "beats"
            while warm == "before" and p.poll() is None and R.time.monotonic() < begun + 100:
                if beats.exists() and b"data.warm" in beats.read_bytes():
                    break
                R.time.sleep(0.02)
            if warm == "before":
                p.send_signal(signal.SIGTERM)
            code = p.wait(120)
            if code not in (0, 75):
                print(log.read_text(errors="replace")[-2000:])
            return code, len(reads.read_text().splitlines()) - len(index) if reads.exists() else 0

        code, read = stopped("before", ["run.timeout=100"])
        R.expect(code == 75 and read < PASS, f"SIGTERM before the first step: {read} of {PASS} columns, exit code {code}")
        code, read = stopped("beside", ["train.steps=1", "optim.warmup_steps=0", "valid.every=0"])
        R.expect(code == 0 and read < PASS, f"the end of the run ends the thread: {read} of {PASS} columns")

        small = folder / "meminfo"
        small.write_text("MemTotal: 100 kB\nMemAvailable: 100 kB\n")
        for ranks in counts:
            code, out, reads = go(f"small{ranks}", ranks, "before", UN_TEST_MEMINFO=str(small))
            R.expect(code == 0 and f"{ranks} of {ranks} ranks is more than memory would keep" in out
                     and sorted(of_each(reads).values()) == without[ranks], f"{ranks} rank(s): too little memory: said, nothing read")
            R.expect(R.metrics(folder / f"small{ranks}") == R.metrics(folder / "off"), "the run goes on, the same")
        code, out = R.run(R.command(1, "--cfg", cfg, "--check", "data.warm=during"))
        R.expect(code == 64 and "data.warm" in out and "beside" in out, "another word is refused")


main()
