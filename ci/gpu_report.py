#!/usr/bin/env python3
"""What ci/gpu.sh counts with.

  losses CPU FP32 BF16    last losses of three trainings (metrics.jsonl): off by at most 2 % from the CPU's, else exit code 1
  tests JUNIT             exit code 1 if a test failed or was skipped
  collect FOLDER          all logs of a run as one JSON
  show FILE               the figures that have a bar, beside it
"""
import datetime
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

LAST = 20  # steps a last loss is averaged over
BAR = 0.02


def last_losses(path):
    lines = [json.loads(line) for line in open(path)]
    steps = [line for line in lines if "loss" in line][-LAST:]
    keys = [k for k in steps[-1] if k == "loss" or re.fullmatch(r"loss/(mlm|mrfr|mrc|mrckl|itm)", k)]
    return {k: sum(s[k] for s in steps if k in s) / sum(k in s for s in steps) for k in keys}


def losses(cpu, *others):
    want, bad = last_losses(cpu), False
    for path in others:
        got = last_losses(path)
        for key in want:
            off = abs(got[key] - want[key]) / abs(want[key])
            judged = key == "loss"
            bad |= judged and not off <= BAR
            print(f"{pathlib.Path(path).stem} {key} {got[key]:.6f} cpu {want[key]:.6f} off {off:.2e}" + ("" if judged else " (not judged)"))
    return 1 if bad else 0


def read(folder, name):
    path = pathlib.Path(folder) / f"{name}.log"
    return path.read_text(errors="replace") if path.exists() else ""


def number(pattern, text):
    found = re.search(pattern, text, re.M)
    return float(found.group(1)) if found else None


def bench(text):
    ratios = [float(r) for r in re.findall(r"^step .* ratio ([\d.]+)$", text, re.M)]
    return {"device": (re.search(r"^device\s+(.*)$", text, re.M) or [None, None])[1],
            "tokens_per_s": number(r"^tokens/s\s+([\d.]+)", text), "TFLOP_per_s": number(r"^model\s+([\d.]+)", text),
            "matrix_TFLOP_per_s": number(r"gemm\s+([\d.]+) TFLOP", text), "ratio": number(r"^ratio\s+([\d.]+)", text),
            "ratios_of_steps": sorted(ratios), "ms_data": number(r"^data\s+([\d.]+)", text),
            "ms_compute": number(r"^compute\s+([\d.]+)", text), "ms_update": number(r"^update\s+([\d.]+)", text)}


def peer(text):
    return {"real_tokens_per_s": number(r"(\d+) real tokens/s", text), "padding_percent": number(r"([\d.]+) % padding", text),
            "ms_transport_256_pairs": number(r"forward: ([\d.]+) ms", text)}


def junit(path):
    if not path.exists():
        return None
    cases = [(c.get("name"), c.get("status")) for c in xml.parse(path).getroot().iter("testcase")]
    return {"passed": sum(s == "run" for _, s in cases), "failed": [n for n, s in cases if s == "fail"],
            "skipped": [n for n, s in cases if s not in ("run", "fail")]}


def tests(path):
    found = junit(pathlib.Path(path))
    if found is None or found["failed"] or found["skipped"] or not found["passed"]:
        print(f"not all tests passed: {found}")
        return 1
    return 0


def worst(text):
    """Largest error over its tolerance, by task, of a run of the parity program."""
    found = {}
    for task, error, tolerance in re.findall(r"^\S+\s+\S+\s+(\S+)\s.*: worst (\S+), tolerance (\S+),", text, re.M):
        if float(tolerance) > 0:
            found[task] = max(found.get(task, 0), float(error) / float(tolerance))
    last = re.search(r"^(\d+) passed, (\d+) failed", text, re.M)
    return {"passed": int(last[1]), "failed": int(last[2]), "worst_of_tolerance": {task: round(w, 4) for task, w in found.items()}} if last else None


def objects(text):
    """The lines that are JSON: the last one of a program that was ended may be cut."""
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError:
                print(f"not JSON: {line}", file=sys.stderr)


def collect(folder):
    folder = pathlib.Path(folder)
    lines = list(objects(read(folder, "kernels")))
    rates, kernels = next((k for k in lines if "copy_GB_per_s" in k), None), [k for k in lines if "op" in k]
    steps = folder / "steps.tsv"
    steps = [line.split("\t") for line in steps.read_text().splitlines()] if steps.exists() else []
    card = re.search(r"NVIDIA (H\d+[^|]*?|[A-Z]\d+[^|]*?)\s+(?:On|Off)", read(folder, "nvidia-smi"))
    result = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M"),
              "card": card[1].strip() if card else None,
              "steps": {name: {"status": int(status), "seconds": round(float(seconds), 1)} for name, status, seconds in steps},
              "ops": junit(folder / "ops.xml"), "parity_fp32": worst(read(folder, "parity_fp32")),
              "parity_bf16": worst(read(folder, "parity_bf16")), "train": read(folder, "train").splitlines()[-12:],
              "repeat": read(folder, "repeat").splitlines(), "rates": rates, "kernels": kernels}
    for name in ("bench_base", "bench_base_fp32", "bench_large"):
        result[name] = bench(read(folder, name))
    for name in ("peer_base", "peer_large"):
        result[name] = peer(read(folder, name))
    json.dump(result, sys.stdout, indent=1)
    print()
    return 0


def show(path):
    r = json.load(open(path))
    get = lambda *keys: None if any(v is None for v in keys) else keys
    kernel = lambda word: next((k for k in r["kernels"] if word in k["op"]), None)
    rows = []
    for size, tokens, share in (("base", 0.9e6, 0.54), ("large", 0.29e6, 0.58)):
        b, p = r[f"bench_{size}"], r[f"peer_{size}"]
        rows.append((f"{size}: tokens/s", b["tokens_per_s"], f">= {tokens:.0f}", b["tokens_per_s"] and b["tokens_per_s"] >= tokens))
        rows.append((f"{size}: of the matrix rate", b["ratio"], f">= {share}", b["ratio"] and b["ratio"] >= share))
        if get(b["tokens_per_s"], p["real_tokens_per_s"]):
            rows.append((f"{size}: times PyTorch", b["tokens_per_s"] / p["real_tokens_per_s"], ">= 2",
                         b["tokens_per_s"] / p["real_tokens_per_s"] >= 2))
    forward, backward, b = kernel("transport_fwd ipot"), kernel("transport_bwd"), r["bench_base"]
    if get(forward, backward, b["ms_compute"], b["ms_update"]):
        share = (forward["us"] + backward["us"]) / 1e3 / (b["ms_compute"] + b["ms_update"])
        rows.append(("transport of 256 pairs, share of the step", share, "< 0.01", share < 0.01))
        if r["peer_base"]["ms_transport_256_pairs"]:
            rows.append(("transport forward, times PyTorch", r["peer_base"]["ms_transport_256_pairs"] * 1e3 / forward["us"], "", True))
    for name, value, bar, good in rows:
        print(f"{'ok    ' if good else 'SHORT ' if value is not None else 'absent'} {name}: {value if value is None else round(value, 4)} {bar}")
    for k in r["kernels"]:
        if k["of_copy"] < 0.7 and "of_matrix" not in k:
            print(f"below 0.70 of the copy rate: {k['op']}: {k['of_copy']} ({k['us']} us)")
    for name, s in r["steps"].items():
        if s["status"] not in (0, 77):
            print(f"FAILED {name} ({s['status']})")
    return 0


if __name__ == "__main__":
    commands = {"losses": losses, "tests": tests, "collect": collect, "show": show}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]))
