#!/usr/bin/env python3
"""Checks the rules of the house (rooms/rules.py) over all sources and build files that git knows or does not ignore.

  wing     who may include whom; private headers stay in their wing; headers run in no circle
  word     MPI, NCCL, CUDA, HDF5, other libraries, memory, ends of the program and random numbers each have their place
  state    a mutable variable at file level says in a comment why it is one
  #if      no conditional compilation inside a function
  length   functions and files
  name     guards are paths; no tag and no macro with arguments stands for two things
  build    every .c file is in an un_wing(...), whose USES keep to the wings and tell what it includes

Comments and strings are not looked at. Prints "file:line: message [rule]"; exit code 1 on any finding.
`rooms.py --self-test` feeds offending and innocent snippets through the same checks.
"""
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
from rooms.self_test import self_test  # noqa: E402  (the package beside this file)
from rooms.tree import BUILD_FILE, SUFFIXES, check_tree  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent


def sources():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True,
                            capture_output=True, check=True).stdout.split("\n")
    return sorted(path for path in set(listed) if path.endswith((*SUFFIXES, BUILD_FILE)) and (ROOT / path).is_file())


def main():
    files = {path: (ROOT / path).read_text(encoding="utf-8") for path in sources()}
    findings = check_tree(files)
    for path, line, rule, message in findings:
        print(f"{path}:{line}: {message} [{rule}]")
    if not findings:
        print(f"rooms: {len(files)} files keep the rules")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main())
