"""Feeds the snippets through the checks; every rule must have one that offends."""
import graphlib
import re

from . import rules, snippets
from .tree import check_tree


def as_tree(path, text, line, rule, message):
    """A snippet of one file as files, findings (path, line, rule), and the part of the message."""
    shift = 0
    if path.endswith((".h", ".cuh")) and not re.search("^#ifndef", text, re.M):
        text, shift = snippets.header(path, text), 2
    return {path: text}, [(path, line + shift, rule)] if line else [], message


def verdict(files, expected, message, long):
    """None, or what went wrong with one snippet."""
    found = check_tree(files, long)
    if [finding[:3] for finding in found] == sorted(expected) and (not message or message in found[0][3]):
        return None
    return f"self-test: expected {expected} {message or ''}; found {found} in\n{str(files)[:300]}"


def circle_raises():
    try:
        rules.reach({"a": ["b"], "b": ["a"]})
    except graphlib.CycleError:
        return None
    return "self-test: a table of wings that runs in a circle is taken"


def self_test():
    cases = [(*as_tree(*one), {}) for one in snippets.ONE]
    cases += [(files, expected, None, long) for files, expected, long in snippets.TREES]
    problems = [verdict(*case) for case in cases] + [circle_raises()]
    offending = {rule for _, expected, _, _ in cases for _, _, rule in expected}
    problems += [f"self-test: no offending snippet for the rule {rule}" if rule not in offending else None
                 for rule in rules.RULES]
    for problem in filter(None, problems):
        print(problem)
    failed = sum(problem is not None for problem in problems)
    print(f"rooms: self-test: {len(rules.RULES)} rules; {len(problems) - failed} passed, {failed} failed")
    return 1 if failed else 0
