#!/usr/bin/env python3
"""Circles of calls between the files of the program.

  circles.py BUILD          reads the objects of the libraries un_* in the folder BUILD, where all of them are built
  circles.py --self-test    compiles three files that call round in a circle

File A uses file B when A's object has an undefined symbol that B's defines, be it a function or a table. Files that use
each other, over whatever way, are an error unless EXPECTED says why that is so. Exit code 1 on any finding.
"""
import collections
import contextlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from rooms.graph import circles  # noqa: E402  (the package beside this file)

ROOT = pathlib.Path(__file__).resolve().parent.parent
OBJECT = re.compile(r"(?P<folder>.*?)/?CMakeFiles/un_\w+\.dir/(?P<file>.+)\.o")

# Files of a circle that cannot be opened -> why. One that is gone is an error too.
EXPECTED = {}


def members(library):
    """Names of the objects in a static library, None for a module."""
    if library.suffix == ".so":
        return None
    return set(subprocess.run(["ar", "t", library], text=True, capture_output=True, check=True).stdout.split())


def objects(build):
    """Source -> object, of what the libraries un_* hold (tests apart). What an earlier build left behind stays out."""
    built = {}
    for library in sorted([*build.rglob("libun_*.a"), *build.glob("libun_*.so")]):
        held = members(library)
        for path in sorted(build.rglob(f"CMakeFiles/{library.stem.removeprefix('lib')}.dir/**/*.o")):
            match = OBJECT.fullmatch(str(path.relative_to(build)))
            source = os.path.normpath(os.path.join(match["folder"], match["file"]))
            if not source.startswith("tests/") and (ROOT / source).is_file() and (held is None or path.name in held):
                built[source] = path
    return built


def symbols(paths):
    """Object -> (symbols it defines, symbols it lacks)."""
    found = {str(path): (set(), set()) for path in paths}
    listed = subprocess.run(["nm", "-g", "-A", "-P", *found], text=True, capture_output=True, check=True).stdout
    for line in listed.splitlines():
        path, rest = line.split(": ", 1)
        name, kind = rest.split()[:2]
        found[path][kind in "Uwv"].add(name)
    return found


def uses(built):
    """File -> file -> symbols of the second that the first takes."""
    found = symbols(built.values())
    home = {name: source for source, path in built.items() for name in found[str(path)][0]}
    graph = {source: collections.defaultdict(set) for source in built}
    for source, path in built.items():
        for name in found[str(path)][1]:
            if home.get(name, source) != source:
                graph[source][home[name]].add(name)
    return graph


def report(graph, expected):
    """Prints every circle with the symbols that close it; the number of findings."""
    found, count = circles(graph), 0
    for ring in found:
        if tuple(ring) in expected:
            print(f"circles: expected: {', '.join(ring)}: {expected[tuple(ring)]}")
            continue
        count += 1
        print(f"circle of {len(ring)} files: {', '.join(ring)}")
        for source in ring:
            for other in sorted(set(graph[source]) & set(ring)):
                print(f"    {source} -> {other}: {', '.join(sorted(graph[source][other]))}")
    for ring in expected:
        if list(ring) not in found:
            count += 1
            print(f"EXPECTED names a circle that is none: {', '.join(ring)}")
    return count


# ---- self-test -----------------------------------------------------------------------------------------------

FILES = {
    "a.c": "int b(void);\nint a(void);\nint a(void) { return b(); }\n",
    "b.c": "extern const int *const table[];\nint b(void);\nint b(void) { return *table[0]; }\n",
    "c.c": "int a(void);\nint c(void);\nint c(void) { return a(); }\n",
}
OPEN = "extern const int *const table[];\nstatic const int one = 1;\nconst int *const table[] = {&one};\n"
CLOSED = "extern int (*const table[])(void);\nint c(void);\nint (*const table[])(void) = {c};\n"


def compiled(folder, table):
    """The graph of FILES and of a table in d.c."""
    built = {}
    for name, text in {**FILES, "d.c": table}.items():
        (folder / name).write_text(text, encoding="utf-8")
        built[name] = folder / f"{name}.o"
        subprocess.run([os.environ.get("CC", "cc"), "-c", name, "-o", f"{name}.o"], cwd=folder, check=True)
    return uses(built)


def self_test():
    ring, said = ("a.c", "b.c", "c.c", "d.c"), io.StringIO()
    with tempfile.TemporaryDirectory() as name:
        opened, closed = compiled(pathlib.Path(name), OPEN), compiled(pathlib.Path(name), CLOSED)
    with contextlib.redirect_stdout(said):
        checks = [
            ("no circle", circles(opened) == [] and report(opened, {}) == 0),
            ("a circle over a table", circles(closed) == [list(ring)] and report(closed, {}) == 1),
            ("what closes it", "d.c -> c.c: c\n" in said.getvalue() and "b.c -> d.c: table\n" in said.getvalue()),
            ("expected", report(closed, {ring: "a table"}) == 0 and "expected: a.c" in said.getvalue()),
            ("expected, gone", report(opened, {ring: "a table"}) == 1),
        ]
    failed = [name for name, good in checks if not good]
    for name in failed:
        print(f"self-test: {name}")
    print(f"circles: self-test: {len(checks) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def main(build):
    built = objects(build)
    if not built or not shutil.which("nm"):
        sys.exit(f"circles: {'no nm' if built else f'no libraries un_* in {build}'}")
    count = report(uses(built), EXPECTED)
    if count == 0:
        print(f"circles: none between {len(built)} files")
    return 1 if count else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(self_test() if sys.argv[1] == "--self-test" else main(pathlib.Path(sys.argv[1]).resolve()))
