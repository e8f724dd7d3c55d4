"""ci/gpu.sh and ci/gpu_report.py without a card: what the logs of a run are judged as, both ways; and the script in a tree of its own
with a cmake that fails or hangs: it ends in time, goes on with the other steps, and the JSON is there."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import runlib as R  # noqa: E402

REPORT = R.ROOT / "ci/gpu_report.py"
BENCH = """device    cuda 0: NVIDIA H200, 141 GB
step 1 mlm 16800 tokens ratio 0.55
step 2 itm 16700 tokens ratio 0.57
tokens/s  {tokens}
model     431.2 TFLOP/s
ratio     {ratio}
data      0.10
compute   {compute}
update    2.10
"""
PARITY = """ok     tiny.h5 mlm   loss: worst 1e-06, tolerance 2e-05, at 0: 1.5, reference 1.5
ok     tiny.h5 itm   grad itm_output.bias l2: worst 1e-05, tolerance 2e-05, at (0,0): 1, reference 1
2 passed, 0 failed
"""
KERNELS = """{"device": "cuda 0", "copy_GB_per_s": 4100.0, "matrix_TFLOP_per_s": 800.0}
{"op": "transport_fwd ipot, 256 pairs", "us": 50.0, "GB_per_s": 700, "of_copy": 0.17}
{"op": "transport_bwd 256 pairs", "us": 30.0, "GB_per_s": 3100, "of_copy": 0.75}
{"op": "gemm qkv forward", "us": 100.0, "GB_per_s": 900, "of_copy": 0.2, "TFLOP_per_s": 700, "of_matrix": 0.87}
{"op": "adamw 110 M", "us": 8"""
JUNIT = '<testsuite><testcase name="card_gemm" status="{0}"/><testcase name="card_loss" status="run"/></testsuite>'


def report(*words):
    p = subprocess.run([sys.executable, REPORT, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return p.returncode, p.stdout


def losses(folder):
    def run(name, last):
        lines = [{"step": i, "loss": 9 - i * (9 - last) / 80, "loss/mlm": last + 1} for i in range(60)]
        lines += [{"step": 60 + i, "loss": last, "loss/mlm": 2 * last} for i in range(20)]
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines + [{"valid": 1}]))
        return folder / name
    cpu, near, far = run("cpu.jsonl", 4.0), run("near.jsonl", 4.07), run("far.jsonl", 4.09)
    code, out = report("losses", cpu, near)
    R.expect(code == 0 and "near loss 4.07" in out and "near loss/mlm" in out, "losses off by 1.75 % pass")
    R.expect(report("losses", cpu, near, far)[0] == 1, "losses off by 2.25 % do not")
    R.expect(report("losses", cpu, run("nan.jsonl", float("nan")))[0] == 1, "a loss that is no number does not")


def tests(folder):
    for status, code in (("run", 0), ("fail", 1), ("notrun", 1)):
        (folder / "ops.xml").write_text(JUNIT.format(status))
        R.expect(report("tests", folder / "ops.xml")[0] == code, f"a test with status {status} gives {code}")
    R.expect(report("tests", folder / "absent.xml")[0] == 1, "no report of tests is no pass")


def logs(folder, tokens, ratio, compute):
    folder.mkdir()
    (folder / "steps.tsv").write_text("build\t0\t80.1\nops\t1\t30\nkernels\t124\t90\npeer_large\t77\t1\nops\t0\t31\n")
    (folder / "kernels.log").write_text(KERNELS)
    (folder / "bench_base.log").write_text(BENCH.format(tokens=tokens, ratio=ratio, compute=compute))
    (folder / "parity_fp32.log").write_text(PARITY)
    (folder / "ops.xml").write_text(JUNIT.format("run"))
    (folder / "peer_base.log").write_text("400000 real tokens/s, 12.5 % padding\ntransport forward: 2.5 ms\n")
    code, out = report("collect", folder)
    R.expect(code == 0, "logs are collected")
    (folder / "gpu.json").write_text(out)
    return json.loads(out), report("show", folder / "gpu.json")


def figures(folder):
    found, (code, out) = logs(folder / "good", 950000, 0.56, 15.0)
    R.expect(found["rates"]["copy_GB_per_s"] == 4100 and len(found["kernels"]) == 3, "whole lines of the kernels are kept, the cut one is not")
    R.expect(found["steps"]["ops"]["status"] == 0 and found["ops"]["passed"] == 2, "a step that was run again counts as its last run")
    R.expect(found["parity_fp32"] == {"passed": 2, "failed": 0, "worst_of_tolerance": {"mlm": 0.05, "itm": 0.5}}, "parity")
    R.expect(found["bench_base"]["tokens_per_s"] == 950000 and found["bench_base"]["ratios_of_steps"] == [0.55, 0.57], "benchmark")
    R.expect(found["parity_bf16"] is None and found["bench_large"]["ratio"] is None, "what was not run is null")
    for line in ("ok     base: tokens/s", "ok     base: of the matrix rate", "ok     base: times PyTorch: 2.375", "absent large: tokens/s",
                 "ok     transport of 256 pairs, share of the step: 0.0047", "below 0.70 of the copy rate: transport_fwd", "FAILED kernels (124)"):
        R.expect(code == 0 and line in out, f"shown: {line}")
    R.expect("FAILED peer_large" not in out and "FAILED ops" not in out and "gemm qkv" not in out, "and no more than that")
    _, (_, out) = logs(folder / "bad", 700000, 0.4, 4.0)
    for line in ("SHORT  base: tokens/s", "SHORT  base: of the matrix rate", "SHORT  base: times PyTorch", "SHORT  transport of 256 pairs"):
        R.expect(line in out, f"shown: {line}")


def script(folder, cmake, *words):
    """gpu.sh in a copy of what it reads, with a cmake of ours: exit code, gpu.json, output, seconds."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "bin").mkdir(parents=True)
    shutil.copytree(R.ROOT / "ci", tree / "ci")
    shutil.copytree(R.ROOT / "configs", tree / "configs")
    for name in ("cmake", "ctest"):
        (tree / "bin" / name).write_text(f"#!/usr/bin/env bash\n{cmake}\n")
        (tree / "bin" / name).chmod(0o755)
    start = time.monotonic()
    p = subprocess.run(["bash", tree / "ci/gpu.sh", "--device", "cpu", "--out", folder / "out", *words], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, env=dict(os.environ, PATH=f"{tree}/bin:{os.environ['PATH']}"))
    took = time.monotonic() - start
    found = folder / "out/gpu.json"
    return p.returncode, json.loads(found.read_text()) if found.exists() else None, p.stdout, took


def scripts(folder):
    code, found, out, _ = script(folder, "echo no compiler; exit 3", "--only", "build,ops,parity,kernels")
    R.expect(code == 1 and found["steps"]["build"]["status"] == 3 and "no compiler" in out, "a build that fails is said and is not the end")
    R.expect(found["steps"]["ops"]["status"] != 0 and found["ops"] is None, "nor do tests pass that were not run")
    R.expect(found["steps"]["parity_fp32"]["status"] in (77, 127) and found["steps"]["kernels"]["status"] == 77, "the other steps are tried")
    with tarfile.open(folder / "out/logs.tar.gz") as logs_file:
        R.expect({"./build.log", "./steps.tsv", "./ops.log"} <= set(logs_file.getnames()), "all logs are in one file")
    R.expect(len(list((folder / "out").iterdir())) == 2, "and no more files than that come back")
    code, found, out, took = script(folder, "sleep 60 & wait", "--seconds", "6", "--only", "build,ops,train")
    R.expect(code == 1 and found["steps"]["build"]["status"] == 124 and took < 25, f"a build that hangs is ended ({took:.0f} s)")
    R.expect(found["steps"]["train"]["status"] == 124 and "train: no time left" in out, "then no time is left for the rest")
    parts = {part: set(script(folder, "exit 3", "--part", part)[1]["steps"]) for part in ("first", "second")}
    R.expect(parts["first"] & parts["second"] == {"build"} and "peer_base" in parts["second"] and "bench_large" in parts["first"],
             f"two parts, and both build: {parts}")
    asked = re.findall(r"step (\S+) (\w+) (\d+) \d+ \w", (R.ROOT / "ci/gpu.sh").read_text())
    for part in parts:
        expected = sum(int(seconds) for of, _, seconds in asked if part in of.split(","))
        R.expect(300 < expected < 400, f"part {part} expects to take {expected} s of 540")
    R.expect(script(folder, "exit 0", "--part", "other")[0] == 64, "a part that is none is refused")
    code, _, out, _ = script(folder, "exit 0", "--what")
    R.expect(code == 64 and "--libs FOLDER" in out, "an unknown word is a question how it is called")


def main():
    with R.Folder() as folder:
        for check in (losses, tests, figures, scripts):
            check(folder)


main()
