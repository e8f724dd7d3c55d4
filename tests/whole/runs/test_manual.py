"""Man pages and completion: every command, option and key of --help and --help-config is in them, troff has nothing to say, bash completes
with them, `cmake --install` puts them where they are looked for."""
import os
import pty
import re
import shlex
import shutil
import subprocess
import threading
import time

import runlib as R

MANUAL = R.BUILD / "manual"
TOOL, PROGRAM = R.BUILD / "uniter", R.BUILD / "uniter_dist"


def page(name):
    """The text of a page, without troff's words."""
    text = re.sub(r"\\f[BRI]", "", (MANUAL / name).read_text())
    for mark, plain in (("\\-", "-"), ("\\(aq", "'"), ("\\(ga", "`"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\e", "\\")):
        text = text.replace(mark, plain)
    return text


def keys_of(help_text):
    """Names and choices in the table behind a head "key type ...": choices None where any text is taken."""
    lines = help_text.splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(r"key\s+type\s", line)), None)
    if start is None:
        return {}
    at = {word: lines[start].index(word) for word in ("type", "default", "range", "meaning")}
    rows = {}
    for line in lines[start + 1:]:
        if line and not line.startswith(" "):
            kind, bounds = line[at["type"]:at["default"]].strip(), line[at["range"]:at["meaning"]].strip()
            choices = ["true", "false"] if kind == "true or false" else bounds.split(" | ") if kind == "one of" else None
            rows[line.split()[0]] = choices
    return rows


def commands():
    """Words of each command."""
    out = R.run_ok([TOOL, "--help"])
    found = []
    for line in re.findall(r"^  uniter (.*)$", out, re.M):
        words = line.split()
        name = [w for w in words[:3] if re.fullmatch(r"[a-z][a-z0-9]*", w)]
        if name and words[0] == name[0]:
            while name and subprocess.run([TOOL, *name, "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                name.pop()
            found.append(name)
    return found


def check_commands():
    one, data, bash, zsh = page("uniter.1"), page("uniter-data.1"), (MANUAL / "uniter.bash").read_text(), (MANUAL / "_uniter").read_text()
    found, keys = commands(), 0
    R.expect(len(found) >= 43 and ["data", "import", "npz"] in found and ["show"] in found, f"{len(found)} commands are told by --help")
    listed = re.search(r"_uniter_commands='(.*?)'", bash, re.S)[1].split("\n")
    for name in found:
        called, text = " ".join(name), data if name[0] == "data" else one
        part = re.search(rf'\.SS "uniter {re.escape(called)}"\n(.*?)(?=\n\.S[HS] )', text, re.S)
        mine = keys_of(R.run_ok([TOOL, *name, "--help"]))
        row = re.search(rf"'{re.escape(called)}'\)\n\s+keys='(.*?)'", bash, re.S)
        if not part or called not in listed or not row or name[-1] not in zsh:
            R.fail(f"uniter {called}: in its page {bool(part)}, in bash {called in listed}, in zsh {name[-1] in zsh}")
        missing = [k for k in mine if f"\n.TP\n{k}\n" not in "\n" + part[1] + "\n" or f" {k}=" not in f" {row[1]}"]
        if missing:
            R.fail(f"uniter {called}: keys that its page or bash lacks: {missing}")
        keys += len(mine)
    R.expect(keys > 100, f"their {keys} keys are in the pages and in bash's table")


def check_configuration():
    text, bash = page("uniter-config.5"), (MANUAL / "uniter.bash").read_text()
    keys = keys_of(R.run_ok([PROGRAM, "--help-config"]))
    missing = [k for k in keys if f"\n.TP\n{k}\n" not in text]
    R.expect(len(keys) > 90 and not missing, f"{len(keys)} keys of the configuration are in uniter-config(5) {missing}")
    known = re.search(r"'run'\)\n\s+keys='(.*?)'", bash, re.S)[1].split()
    lists = [k for k in keys if "[" not in k and not any(w.startswith((f"{k}=", f"{k}.")) for w in known)]
    items = [k for k in keys if "[]" in k and not any(w.startswith(k.replace("[]", ".0")) for w in known)]
    R.expect(not lists and not items, f"bash knows them {lists} {items}")
    options = re.findall(r"^  (--[a-z-]+)", R.run_ok([PROGRAM, "--help"]), re.M)
    told = page("uniter_dist.1")
    R.expect(len(options) >= 8 and all(f"\n.TP\n{o}" in told and o in bash for o in options), f"{len(options)} options are in uniter_dist(1) and in bash")


def check_troff():
    groff = shutil.which("groff")
    if not groff:
        print("groff is not installed: not asked")
        return
    for path in sorted(MANUAL.glob("*.[15]")):
        p = subprocess.run([groff, "-man", "-ww", "-Tutf8", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": R.ENV["PATH"], "LC_ALL": "C.UTF-8"})
        said = [line for line in p.stderr.splitlines() if "cannot adjust" not in line and "can't break line" not in line]
        R.expect(p.returncode == 0 and not said and len(p.stdout) > 1000, f"groff has nothing to say of {path.name} {said[:3]}")


def complete(line, cwd):
    """What bash offers for the line, with the cursor at its end."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    script = (f"source {shlex.quote(str(MANUAL / 'uniter.bash'))}\nCOMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}\n"
              f"COMP_WORDS=({' '.join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}\n"
              f"_{words[0]} {words[0]} {shlex.quote(words[-1])} {shlex.quote(words[-2])}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"")
    p = subprocess.run(["bash", "--norc", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)
    return set(p.stdout.split())


def check_bash(folder):
    (folder / "a.yaml").write_text("")
    (folder / "b.img.h5").write_text("")
    wanted = [("uniter ", {"data", "weights", "show", "config", "--help"}, set()),
              ("uniter da", {"data"}, {"weights"}), ("uniter data import n", {"npz", "npy", "nlvr2"}, {"tsv"}),
              ("uniter data import npz x b.img.h5 bad=", {"stop", "skip"}, {"bad="}), ("uniter data import npz x --bad s", {"stop", "skip"}, {"auto"}),
              ("uniter data import npz b", {"b.img.h5", "bad="}, {"threads="}), ("uniter config ", {"show", "diff", "import"}, {"list"}),
              ("uniter_dist --c", {"--cfg", "--check"}, {"--bench"}), ("uniter_dist --cfg a", {"a.yaml"}, {"b.img.h5"}),
              ("uniter_dist --cfg a.yaml train.precision=b", {"bf16"}, {"fp32"}), ("uniter_dist --cfg a.yaml train.pre", {"train.precision="}, {"train.steps="}),
              ("uniter_dist --cfg a.yaml data.train.3.na", set(), {"data.train.0.name="}), ("uniter_dist --resume ", {"auto", "none", "a.yaml"}, {"--cfg"})]
    for line, there, absent in wanted:
        got = complete(line, folder)
        R.expect(there <= got and not absent & got, f"bash completes '{line}' {sorted(there - got)} {sorted(absent & got)}")


# What is offered goes to the file "out"; Ctrl-X then tells what stands in the line, and empties it.
ZSHRC = """fpath=({manual} $fpath)
autoload -Uz compinit && compinit -u -D
unsetopt auto_list auto_menu beep
PROMPT= PS2=
compadd() {{
    local -a hits
    [[ " $* " == *" -"[OAD]" "* ]] || {{ builtin compadd -O hits "$@"; print -rl -- $hits >>out }}
    builtin compadd "$@"
}}
told() {{ print -r -- "=$BUFFER" >>out; BUFFER= }}
zle -N told
bindkey '^X' told
print ready >>out
"""


def zsh_completes(lines, cwd):
    """For each line: what an interactive zsh offers at a Tab, and what the line becomes."""
    home, out = cwd / "zsh", cwd / "out"
    home.mkdir()
    (home / ".zshrc").write_text(ZSHRC.format(manual=shlex.quote(str(MANUAL))))
    master, slave = pty.openpty()
    p = subprocess.Popen(["zsh", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=cwd, start_new_session=True,
                         env={"PATH": R.ENV["PATH"], "ZDOTDIR": str(home), "HOME": str(home), "TERM": "dumb", "LC_ALL": "C.UTF-8"})
    threading.Thread(target=lambda: list(iter(lambda: os.read(master, 65536), b"")), daemon=True).start()  # the screen, unread

    def wait_for(mark, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if out.exists() and re.search(mark, text := out.read_text(), re.M):
                out.unlink()
                return text.splitlines()
            time.sleep(0.01)
        R.fail(f"zsh: {mark} did not come")
    try:
        wait_for("^ready$")
        time.sleep(0.2)  # until the line editor has the terminal
        for line in lines:
            os.write(master, line.encode() + b"\t\x18")
            *offered, buffer = wait_for("^=.*\n")
            yield offered, buffer[1:]
    finally:
        p.kill()
        p.wait()


def check_zsh(folder):
    if not shutil.which("zsh"):
        print("zsh is not installed: not asked")
        return
    R.expect(subprocess.run(["zsh", "-n", MANUAL / "_uniter"]).returncode == 0, "zsh reads its completion")
    (folder / "runs").mkdir()
    wanted = [("uniter ", {"data", "weights", "show", "config"}, {"import"}, ""), ("uniter da", {"data"}, {"weights"}, "uniter data "),
              ("uniter data s", {"split", "subset", "synth"}, {"score"}, ""), ("uniter data synth ", {"seed", "--captions", "b.img.h5"}, {"split"}, ""),
              ("uniter data import n", {"npz", "npy", "nlvr2"}, {"tsv"}, ""), ("uniter data import npz x b.img.h5 bad=", {"stop", "skip"}, {"bad"}, ""),
              ("uniter data import npz x --bad=sk", {"skip"}, {"stop"}, "uniter data import npz x --bad=skip "),
              ("uniter data import npz b", {"b.img.h5", "bad"}, {"threads"}, ""), ("uniter config ", {"show", "diff", "import"}, {"list"}, ""),
              ("uniter_dist --c", {"--cfg", "--check"}, {"--bench"}, ""), ("uniter_dist --cfg a", {"a.yaml"}, {"b.img.h5"}, "uniter_dist --cfg a.yaml "),
              ("uniter_dist train.precision=b", {"bf16"}, {"fp32"}, "uniter_dist train.precision=bf16 "),
              ("uniter_dist train.pre", {"train.precision"}, {"train.steps"}, "uniter_dist train.precision="),
              ("uniter_dist --resume ", {"auto", "none", "runs"}, {"a.yaml"}, "")]
    for (line, there, absent, becomes), (got, buffer) in zip(wanted, zsh_completes([w[0] for w in wanted], folder)):
        twice = {word for word in got if got.count(word) > 1 and not (folder / word).exists()}
        R.expect(there <= set(got) and not absent & set(got) and not twice,
                 f"zsh completes '{line}' {sorted(there - set(got))} {sorted(absent & set(got))} {sorted(twice)}")
        if becomes and buffer != becomes:
            R.fail(f"zsh makes '{buffer}' of '{line}', not '{becomes}'")


def check_installed(folder):
    if not shutil.which("cmake"):
        R.skip("no cmake")
    root = folder / "root"
    p = subprocess.run(["cmake", "--install", R.BUILD, "--prefix", root], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    R.expect(p.returncode == 0, f"cmake --install {p.stdout[-300:] if p.returncode else ''}")
    places = ["man/man1/uniter.1", "man/man1/uniter-data.1", "man/man1/uniter_dist.1", "man/man5/uniter-config.5", "man/man5/uniter-files.5",
              "bash-completion/completions/uniter", "bash-completion/completions/uniter_dist", "zsh/site-functions/_uniter"]
    places += ["zsh/vendor-completions/_uniter"] * os.path.exists("/etc/debian_version")
    missing = [place for place in places if not (root / "share" / place).exists()]
    R.expect(not missing, f"pages and completion are installed {missing}")


def main():
    if not MANUAL.exists():
        R.skip("built without the manual")
    with R.Folder() as folder:
        check_commands()
        check_configuration()
        check_troff()
        check_bash(folder)
        check_zsh(folder)
        check_installed(folder)


main()
