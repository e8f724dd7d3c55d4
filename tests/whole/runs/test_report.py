"""uniter report: the page's own data are the numbers of metrics.jsonl; long curves keep their spikes; verdicts in words; no request to
anywhere. In headless Chromium, where it is installed: no error, every chart drawn, light and dark, 1,200 and 400 pixels wide."""
import html.parser
import json
import random
import re
import shutil
import subprocess
import time

import runlib as R

STEPS = 20
SCRIPT = """<script>window.addEventListener("error", (e) => window.wrong.push(e.message)); window.wrong = [];
const warn = console.error; console.error = (...a) => { window.wrong.push(a.join(" ")); warn(...a); };
window.addEventListener("load", () => setTimeout(() => {
  document.querySelector("#controls input[type=range]").value = 0.5;
  document.querySelectorAll("#controls input").forEach((i) => { if (i.type === "checkbox") i.checked = true; i.dispatchEvent(new Event("input")); });
  document.querySelector(".uplot").dispatchEvent(new KeyboardEvent("keydown", {key: "+"}));
  const wide = document.documentElement.scrollWidth > window.innerWidth;
  document.title = JSON.stringify({wrong: window.wrong, drawn: document.querySelectorAll(".uplot canvas").length, wide: wide,
    legends: document.querySelectorAll(".u-legend .u-series").length, still: [...document.querySelectorAll(".still")].filter((s) => !s.hidden).length});
}, 300));</script>"""


def page(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))


class Balance(html.parser.HTMLParser):
    """Tags close in order, and nothing is fetched."""
    EMPTY = {"meta", "link", "line", "input"}

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            R.fail(f"</{tag}> closes something else")


def written(path, *words):
    R.run_ok([R.BUILD / "uniter", "report", *words, "-o", path])
    text, balance = path.read_text(), Balance()
    balance.feed(text)
    R.expect(not balance.open and not balance.links and "@import" not in text and "url(" not in text, f"{path.name}: whole, and nothing from elsewhere")
    return text


def numbers(run):
    out = {}
    for line in map(json.loads, (run / "log/metrics.jsonl").read_text().splitlines()):
        for key, value in line.items():
            if key != "step":
                out.setdefault(key, []).append((line["step"], value))
    return out


def same(text, at, run):
    curves, want = page(text)["runs"][at]["curves"], numbers(run)
    found = {key: list(zip(c["step"], c["value"])) for key, c in curves.items()}
    R.expect(found == want, f"{run.name}: {len(want)} curves, {sum(map(len, want.values()))} numbers as in metrics.jsonl")
    charted = {c["key"] for chart in page(text)["charts"] for c in chart["curves"] if c["run"] == at}
    left = sorted(k for k in want if k not in charted and k not in ("ms/step", "ms/save", "ms/comm"))
    R.expect(not left, f"{run.name}: every curve has a chart {left}")


def browse(path, charts):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        print("no Chromium here: pages are not opened")
        return
    probe = path.with_name("probe.html")
    probe.write_text(path.read_text().replace("<script", SCRIPT + "<script", 1))
    for width in (1200, 400):
        for dark in (False, True):
            begin = time.monotonic()
            p = subprocess.run([program, "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom",
                                "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={width},900", f"--user-data-dir={path.parent}/chrome",
                                *(["--blink-settings=preferredColorScheme=0"] if dark else []), f"file://{probe}"],
                               capture_output=True, text=True, timeout=120)
            title = re.search(r"<title>(.*?)</title>", p.stdout, re.S)
            told = json.loads(html.unescape(title.group(1)))
            R.expect(told["wrong"] == [] and told["drawn"] == charts and told["still"] == 0 and not told["wide"] and told["legends"] > charts,
                     f"{path.name}, {width} pixels, {'dark' if dark else 'light'}: {told}, {time.monotonic() - begin:.1f} s with the browser's start")


def verdict(text):
    return re.sub(r"<[^>]*>", "", re.search(r'class="verdict".*?</section>', text, re.S).group(0))


def made_run(folder, lines, config="# made\ntrain:\n  steps: 100  # default\n"):
    (folder / "log").mkdir(parents=True)
    (folder / "log/metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    (folder / "config.yaml").write_text(config)
    return folder


def long_run(folder):
    rng, spike = random.Random(3), 61234
    keys = [f"loss/o{i}" for i in range(18)] + ["loss", "lr", "ms/step", "ms/data", "ms/compute", "grad_norm", "tokens"]
    line = {k: 1.0 for k in keys}
    with_spike = (dict(line, step=s, loss=99.0 if s == spike else rng.random()) for s in range(1, 100001))
    run = made_run(folder / "long", with_spike)
    begin = time.monotonic()
    text = written(folder / "long.html", run)
    took, curve = time.monotonic() - begin, page(text)["runs"][0]["curves"]["loss"]
    limit = 60 if R.sanitized() else 6  # 3 s are asked for; other tests run beside this one
    R.expect(took < limit and len(text) < 5e6, f"100,000 steps of {len(keys)} curves: {took:.1f} s, {len(text) / 1e6:.2f} MB")
    R.expect((spike, 99.0) in zip(curve["step"], curve["value"]) and len(curve["step"]) <= 2002, f"{len(curve['step'])} points, the spike among them")
    R.expect(curve["step"][0] == 1 and curve["step"][-1] == 100000 and curve["step"] == sorted(curve["step"]), "both ends, in order")
    steps = {tuple(page(text)["runs"][0]["curves"][k]["step"]) for k in ("ms/step", "ms/data", "ms/compute")}
    R.expect(len(steps) == 1, "times that are added up keep the same lines")


def verdicts(folder):
    good = [{"step": s, "loss": 5 - s / 50} for s in range(1, 101)]
    text = verdict(written(folder / "a.html", made_run(folder / "whole", good)))
    R.expect("finished: all 100 updates" in text, f"whole: {text[:80]}")
    text = verdict(written(folder / "a.html", made_run(folder / "half", good[:50])))
    R.expect("stopped at update 50 of 100" in text, f"half: {text[:80]}")
    text = verdict(written(folder / "a.html", made_run(folder / "lost", good[:50] + [{"step": 51, "loss": None, "skipped/loss": 4}])))
    R.expect("diverged" in text and "4 updates skipped" in text, f"lost: {text[:80]}")
    text = verdict(written(folder / "a.html", made_run(folder / "risen", good[:50] + [{"step": 51, "loss": 4.9}])))
    R.expect("the loss rose: 4.9 now, 4 at update 50" in text, f"risen: {text[:100]}")
    text = written(folder / "a.html", made_run(folder / "<b>&\"x", [{"step": 1, "loss/</script><b>": 2}]))
    R.expect("<b>" not in text and page(text)["runs"][0]["curves"], "names are escaped")


def follows(folder, cfg):
    """--every while the run goes on: written more than once, and at last as finished."""
    run, page_of, said = folder / "live", folder / "live.html", folder / "live.log"
    p = R.start(R.command(1, "--cfg", cfg, f"run.dir={run}", "train.steps=300", "log.every=1", "optim.warmup_steps=2"), folder / "p.log")
    R.wait_for_step(p, run, 2)
    q = R.start([str(R.BUILD / "uniter"), "report", str(run), "-o", str(page_of), "--every", "0.2"], said)
    R.expect(p.wait(120) == 0 and q.wait(60) == 0, "a run and its report come to their end")
    lines = [line for line in said.read_text().splitlines() if "live.html" in line]
    R.expect(len(lines) > 1 and all("under way" in x for x in lines[:-1]) and "under way" not in lines[-1], f"written {len(lines)} times")
    R.expect("finished: all 300 updates" in verdict(page_of.read_text()), "and at last as finished")


def main():
    with R.Folder() as folder:
        data, one, two = R.synth(folder / "data"), folder / "one", folder / "two"
        cfg = R.write_config(folder / "c.yaml", data, one, steps=STEPS, checkpoint=5, every=5)
        R.run_ok(R.command(1, "--cfg", cfg, "log.every=1", "train.steps=10", "optim.warmup_steps=2"))
        R.run_ok(R.command(1, "--cfg", cfg, "log.every=1", "optim.warmup_steps=2"))
        R.run_ok(R.command(2 if R.has_mpi() else 1, "--cfg", cfg, f"run.dir={two}", "optim.lr=0.002"))
        text = written(folder / "one.html", one)
        same(text, 0, one)
        told = page(text)["runs"][0]
        R.expect(told["starts"] == [0, 10] and STEPS in told["saves"], f"starts behind {told['starts']}, checkpoints {told['saves']}")
        R.expect(f"finished: all {STEPS} updates, in 2 starts" in verdict(text) and "valid/loss: best" in verdict(text), "finished, in two starts")
        R.run_ok([R.BUILD / "uniter", "report", one])
        R.expect((one / "report.html").exists(), "without -o: into the run")
        text = written(folder / "both.html", one, two)
        same(text, 0, one)
        same(text, 1, two)
        R.expect("optim:   lr: 0.002" in text.replace("&quot;", '"'), "what differs in the configurations")
        browse(folder / "one.html", len(page((folder / "one.html").read_text())["charts"]))
        verdicts(folder)
        long_run(folder)
        browse(folder / "long.html", len(page((folder / "long.html").read_text())["charts"])) if not R.sanitized() else None
        code, out = R.run([R.BUILD / "uniter", "report", folder / "none"])
        R.expect(code == 74 and "metrics.jsonl" in out, "no run: said")
        code, out = R.run([R.BUILD / "uniter", "report", one, "--every", "0.2", "--quiet"])
        R.expect(code == 0, "--every ends when the run has")
        follows(folder, cfg)


main()
