"""The instructions of the built kernels for sm_90, as `cuobjdump -sass` and `-res-usage` show them: no kernel has a stack, spills
or loads that take memory for constant (LDG...CONSTANT: nothing says that our buffers do not change under a kernel), and none has
more instructions than sm_90.tsv says, whole or in its loop.

A kernel's instructions are those before the filling NOPs. Its loop is the longest stretch from the target of a jump backwards to
that jump, both counted, before the last EXIT: what lies behind are detours. So 882 instructions in the loop of norm_grad_rows are
882 a row of a warp, and those of un_walk_strip, whose loop does four rows of eight columns, are 32 times what an element costs.

  test_sass.py BUILD            compares; exit code 77 without cuobjdump, a module or code for sm_90 in it
  test_sass.py BUILD --renew    writes sm_90.tsv anew; its diff belongs into the commit that changed the kernels

Other releases of nvcc make other code: then counts are not compared, the rest is. cuobjdump (of the toolkit, or of the wheels
nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm, both in one folder of PATH) is looked for as $CUOBJDUMP, in PATH,
beside nvcc, and in Python's Triton."""
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

TABLE = pathlib.Path(__file__).with_name("sm_90.tsv")
ARCH = "sm_90"
# What one turn of the loop does, and what that may cost: kernel, turns' units, most, in words.
COSTS = [
    ("un_walk_strip<(un_walk)9, false, un_bf16>", 32, 25, "GELU with its bias, an element"),
    ("un_walk_strip<(un_walk)1, true, un_bf16>", 32, 30, "gelu_bwd with column sums, an element"),
    ("layernorm_bwd: norm_grad_rows<un_bf16, 3, false, false>", 1, 882, "norm_bwd of 768 columns, a row"),
]


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def cached(build, name):
    found = re.search(rf"^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.M)
    return found.group(1) if found else ""


def find_tool(build):
    triton = importlib.util.find_spec("triton")
    places = [os.environ.get("CUOBJDUMP"), shutil.which("cuobjdump"), pathlib.Path(cached(build, "UN_NVCC")).parent / "cuobjdump"]
    places += [pathlib.Path(f) / "backends/nvidia/bin/cuobjdump" for f in (triton.submodule_search_locations if triton else [])]
    return next((str(p) for p in places if p and pathlib.Path(p).is_file()), None)


def short_names(mangled):
    """`file: kernel<arguments>`; the file for kernels of unnamed namespaces, whose symbols have a hash of it and the build's path."""
    text = subprocess.run(["c++filt"], input="\n".join(mangled), stdout=subprocess.PIPE, text=True, check=True).stdout
    names = {}
    for symbol, name in zip(mangled, text.splitlines()):
        name = re.sub(r"^void ", "", re.sub(r"\(anonymous namespace\)::", "", name))
        depth, end = 0, len(name)
        for at, sign in enumerate(name):  # up to the parameters: the first "(" outside <>, "(un_walk)" is inside
            depth += {"<": 1, ">": -1}.get(sign, 0)
            if sign == "(" and depth == 0:
                end = at
                break
        file = re.match(r"_ZN\d+_GLOBAL__N__[0-9a-f]+_\d+_(\w+?)_cu_[0-9a-f]{8}", symbol)
        names[symbol] = (file.group(1) + ": " if file else "") + name[:end]
    return names


LINE = re.compile(r"\s+/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)\s*([^;]*);")


def read_code(tool, module):
    """symbol -> [(address, has a condition, operation, operands)]"""
    kernels, current = {}, None
    with subprocess.Popen([tool, "-sass", "-arch", ARCH, str(module)], stdout=subprocess.PIPE, text=True) as p:
        for line in p.stdout:
            if "Function :" in line:
                current = kernels[line.split(":", 1)[1].strip()] = []
                continue
            found = LINE.match(line)
            if found and current is not None and found.group(3) != "NOP":
                current.append((int(found.group(1), 16), bool(found.group(2)), found.group(3), found.group(4)))
    return kernels


def loop_of(code):
    end = max((a for a, condition, name, _ in code if name == "EXIT" and not condition), default=0)
    longest = 0
    for i, (address, _, name, operands) in enumerate(code):
        target = re.search(r"0x([0-9a-f]+)", operands) if name.startswith("BRA") and address < end else None
        if target and int(target.group(1), 16) < address:
            longest = max(longest, sum(int(target.group(1), 16) <= a for a, *_ in code[:i + 1]))
    return longest


def faults_of(name, code):
    """What no kernel may have."""
    bad = {}
    for _, _, operation, _ in code:
        if re.match(r"(LDL|STL)\b", operation):
            bad["spills or local arrays"] = bad.get("spills or local arrays", 0) + 1
        if operation.startswith("LDG") and "CONSTANT" in operation:
            bad["loads that take memory for constant"] = bad.get("loads that take memory for constant", 0) + 1
    return [f"{name}: {count} {what}" for what, count in bad.items()]


def stacks(tool, module, names):
    text = subprocess.run([tool, "-res-usage", "-arch", ARCH, str(module)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    found = re.findall(r"Function (\S+):\s+REG:\d+ STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", text)
    if {symbol for symbol, *_ in found} != set(names):
        print("FAILED: cuobjdump -res-usage knows other kernels than -sass")
        sys.exit(1)
    return [f"{names[s]}: a stack of {stack} bytes, {local} of local memory" for s, stack, local in found if stack != "0" or local != "0"]


def read_table():
    lines = [line.split("\t") for line in TABLE.read_text().splitlines()]
    return lines[0][0].removeprefix("# nvcc "), {name: (int(whole), int(loop)) for name, whole, loop in lines[2:]}


def compare(now, before):
    bad = [f"{name}: not in the table" for name in sorted(now.keys() - before.keys())]
    bad += [f"{name}: in the table, not in the module" for name in sorted(before.keys() - now.keys())]
    for name in sorted(now.keys() & before.keys()):
        for what, new, old in zip(("instructions", "instructions in the loop"), now[name], before[name]):
            if new > old:
                bad.append(f"{name}: {new} {what}, the table has {old}")
            elif new < old:
                print(f"better: {name}: {new} {what}, the table has {old}: to be renewed")
    return bad


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    module = build / "libun_cuda.so"
    tool = find_tool(build)
    if not module.exists() or not tool:
        skip("no module of the card in this build" if tool else "no cuobjdump")
    code = read_code(tool, module)
    if not code:
        skip(f"no code for {ARCH} in the module")
    names = short_names(list(code))
    now = {names[s]: (len(c), loop_of(c)) for s, c in code.items()}
    release = re.search(r"release ([0-9.]+)", subprocess.run([cached(build, "UN_NVCC"), "--version"], stdout=subprocess.PIPE, text=True).stdout)
    release = release.group(1) if release else "?"
    if sys.argv[2:] == ["--renew"]:
        rows = [f"{name}\t{whole}\t{loop}" for name, (whole, loop) in sorted(now.items())]
        TABLE.write_text("\n".join([f"# nvcc {release}", "# kernel\tinstructions\tin its loop", *rows]) + "\n")
        print(f"{TABLE.name}: {len(rows)} kernels")
        return
    bad = stacks(tool, module, names)
    for symbol, c in code.items():
        bad += faults_of(names[symbol], c)
    written_by, table = read_table()
    optimized = cached(build, "CMAKE_BUILD_TYPE") == "Release"
    if release == written_by and optimized:
        bad += compare(now, table)
        for name, units, most, words in COSTS:
            if name not in now:
                bad.append(f"{name}: gone; what does {words} now?")
                continue
            each = now[name][1] / units
            print(f"{words}: {each:.1f} instructions, at most {most}")
            if round(each) > most:
                bad.append(f"{name}: {each:.1f} instructions for {words}, at most {most}")
    else:
        print(f"counts are not compared: nvcc {release}, the table is of {written_by}; Release is wanted: {optimized}")
    for line in bad:
        print("FAILED:", line)
    if bad:
        print(f"If that is meant: {sys.argv[0]} {sys.argv[1]} --renew, and the diff of {TABLE.name} into the commit, with its reason.")
        sys.exit(1)
    print(f"ok: {len(now)} kernels without stack, spills and constant loads")


if __name__ == "__main__":
    main()
