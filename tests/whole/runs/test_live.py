"""The live line on a terminal: what stands in it at 200, 80 and 40 columns, a window that changes its width, log lines that take
its place; nothing of it in files, on dumb terminals and with --quiet. And a run with everything on that a person looks at has the
numbers of one with everything off."""
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import runlib as R

STEPS = 60


class Screen:
    """A terminal that breaks lines anew when its width changes: lines as they were written, and a cursor (line, offset)."""

    def __init__(self, columns):
        self.columns, self.lines, self.line, self.at = columns, [""], 0, 0

    def put(self, text):
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|.", text, re.S):
            if part == "\r":
                self.at -= self.at % self.columns
            elif part == "\n":
                if self.line + 1 == len(self.lines):
                    self.lines.append("")
                self.line, self.at = self.line + 1, 0
            elif part == "\x1b[J":
                self.lines[self.line:] = [self.lines[self.line][:self.at]]
            elif part[0] < " ":
                R.fail(f"an unknown control sequence {part!r}")
            else:
                old = self.lines[self.line].ljust(self.at)
                self.lines[self.line] = old[:self.at] + part + old[self.at + 1:]
                self.at += 1

    def bars(self):
        return [x for x in self.lines if re.search(r"\d+/\d+ \| \w", x)]


def width(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


class Terminal:
    """A command on a pseudo-terminal, its output and its screen."""

    def __init__(self, cmd, columns, **env):
        self.master, slave = pty.openpty()
        width(self.master, columns)
        self.screen, self.text, self.rest, self.most = Screen(columns), "", "", 0
        self.process = subprocess.Popen(list(map(str, cmd)), stdin=slave, stdout=slave, stderr=slave, cwd=R.ROOT,
                                        env=dict(R.ENV, **{"TERM": "xterm", **env}), start_new_session=True)
        os.close(slave)

    def read(self):
        """False at the end."""
        try:
            got = os.read(self.master, 4096).decode()
        except OSError:
            got = ""
        self.text += got
        self.rest += got
        cut = re.search(r"\x1b(\[[0-9;]*)?$", self.rest)  # a sequence that goes on in the next piece
        whole = self.rest[:cut.start()] if cut else self.rest
        self.rest = self.rest[len(whole):]
        self.screen.put(whole)
        self.most = max(self.most, len(self.screen.bars()))
        return bool(got)

    def resize(self, columns):
        """Between two of the program's draws, as a person's window nearly always is."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.set_blocking(self.master, False)
        while self.read():
            pass
        os.set_blocking(self.master, True)
        self.screen.columns = columns
        width(self.master, columns)
        os.kill(self.process.pid, signal.SIGCONT)

    def finish(self):
        while self.read():
            pass
        os.close(self.master)
        code = self.process.wait(timeout=60)
        if code != 0:
            R.fail(f"exit code {code}: {self.text[-2000:]}")
        return self


def frames(text):
    return re.findall(r"\r([^\r\n\x1b]*)\x1b\[J\r", text)


def same_everywhere(terminal, who, columns):
    drawn = frames(terminal.text)
    R.expect(len(drawn) >= 3 and all(len(x) < columns for x in drawn), f"{who}: {len(drawn)} draws, all narrower than the window")
    R.expect(terminal.most == 1, f"{who}: never more than one live line on the screen")
    logged = [x for x in terminal.screen.lines if "validation after update" in x]
    R.expect(len(logged) == 3 and all(re.fullmatch(r"uniter\[0\] validation after update \d+: .*align_chance [\d.]+", x) for x in logged),
             f"{who}: log lines are whole")
    R.expect(not re.search(r"\x1b\[[\d;]*m", terminal.text), f"{who}: no colours")
    return drawn


def at_widths(cfg, folder):
    parts = {"bar": r"^\[[=> ]+\] ", "share": r"\d\.\d%", "step": rf"\b\d+/{STEPS}\b", "rate": r"steps?/s|s/step", "ETA": r"ETA \d", "loss": r"loss \d\.\d{4}",
             "objectives": r"mlm \d.* mrfr \d.* mrc \d.* mrckl \d.* itm \d", "tokens": r"\d tokens/s", "FLOP": r"\d [TG]FLOP/s \(\d+ %\)",
             "data": r"data \d+\.\d %"}
    for columns, shown in ((200, set(parts)), (80, {"bar", "share", "step", "ETA", "loss", "tokens"}), (40, {"step", "loss", "ETA"})):
        t = Terminal(R.command(1, "--cfg", cfg, f"run.dir={folder}/w{columns}"), columns, NO_COLOR="1").finish()
        drawn = same_everywhere(t, f"{columns} columns", columns)
        found = [{name for name, look in parts.items() if re.search(look, x)} for x in drawn]
        R.expect(all(shown <= x for x in found), f"{columns} columns: {sorted(shown)} in every draw")


def resized(cfg, folder):
    t = Terminal(R.command(1, "--cfg", cfg, f"run.dir={folder}/resized", f"train.steps={4 * STEPS}", f"valid.every={4 * STEPS // 3}"), 200)
    for columns in (60, 120, 40):
        before = len(frames(t.text))
        while len(frames(t.text)) < before + 2 and t.read():
            pass
        t.resize(columns)
    mark = len(frames(t.text))
    t.finish()
    drawn = same_everywhere(t, "200, 60, 120, 40 columns", 200)
    R.expect(all(len(x) < 40 for x in drawn[mark + 1:]) and max(map(len, drawn)) > 120, "resized: the line follows the window")


def plain(cfg, folder):
    out = folder / "plain"
    with open(out, "wb") as f:
        subprocess.run(R.command(1, "--cfg", cfg, f"run.dir={folder}/file"), stdout=f, stderr=f, env=dict(R.ENV, TERM="xterm"), check=True, timeout=120)
    text = out.read_bytes()
    R.expect(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text) and b" tokens/s" in text, "a file: lines, no control character")
    t = Terminal(R.command(1, "--cfg", cfg, f"run.dir={folder}/dumb"), 80, TERM="dumb").finish()
    R.expect("\x1b" not in t.text and not re.search(r"\r(?!\n)", t.text) and " tokens/s" in t.text, "TERM=dumb: lines, no control character")
    t = Terminal(R.command(1, "--cfg", cfg, f"run.dir={folder}/quiet", "--quiet"), 80).finish()
    R.expect("\x1b" not in t.text and " tokens/s" not in t.text and "validation after" in t.text, "--quiet: no live line, but the log")


def on_and_off(cfg, folder):
    run, page = folder / "on", folder / "page.html"
    command = R.command(1, "--cfg", cfg, f"run.dir={run}", f"train.steps={2 * STEPS}", "log.histograms=3", "log.tensorboard=true")
    t = Terminal(command, 200)
    while not (run / "log/metrics.jsonl").exists() and t.read():
        pass
    report = subprocess.Popen([R.BUILD / "uniter", "report", run, "-o", page, "every=1"], env=R.ENV, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    t.finish()
    end = time.monotonic() + 20
    while not page.exists() and time.monotonic() < end:
        time.sleep(0.05)
    report.terminate()
    report.wait(timeout=20)
    R.expect(page.exists() and list((run / "log").glob("events*")), "everything on: page, events, histograms, live line")
    off = folder / "off"
    R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={off}", f"train.steps={2 * STEPS}", "log.tensorboard=false", "--quiet"))
    R.expect(R.digests(run, 2 * STEPS) == R.digests(off, 2 * STEPS), "everything on or off: the same parameters and moments")
    R.expect(R.metrics(run) == R.metrics(off) and R.metrics(run, "valid") == R.metrics(off, "valid"), "and the same numbers in the log")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "a.yaml", data, folder / "run", steps=STEPS, every=STEPS // 3)
        at_widths(cfg, folder)
        resized(cfg, folder)
        plain(cfg, folder)
        on_and_off(cfg, folder)


main()
