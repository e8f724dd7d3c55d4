"""What only all files together show. Each check yields (path, line, rule, message)."""
import collections
import re

from . import rules
from .code import Lines
from .file_checks import includes, in_tests
from .graph import circles
from .rules import room, wing

TAG = re.compile(r"\b(?:struct|union|enum)\s+(?:__align__\([^)]*\)\s*)?(\w+)\s*\{")
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\(", re.M)


def check_circles(texts):
    """Headers that include each other."""
    headers = {path: text for path, text in texts.items() if path.endswith((".h", ".cuh"))}
    edges = {path: {own for _, own, _ in includes(text) if own in headers} for path, text in headers.items()}
    for ring in circles(edges):
        line = next(line for line, own, _ in includes(texts[ring[0]]) if own in ring)
        yield ring[0], line, "circle", f"headers include each other: {', '.join(ring)}"


def clash(tag, path, other):
    """May the same tag in two files be taken for one thing?"""
    local = not tag.startswith("un_") and all(file.endswith((".c", ".cu", ".cpp")) for file in (path, other))
    share = {"tree": lambda file: "", "room": room, "wing": wing}[rules.LOCAL_TAGS if local else "tree"]
    return share(path) == share(other)


def check_names(codes):
    """One name, two things: tags and macros with arguments that two files define."""
    tags, macros = collections.defaultdict(dict), collections.defaultdict(dict)  # name -> path -> line
    for path in sorted(codes):
        if not in_tests(path):
            line = Lines(codes[path])
            for pattern, places in (TAG, tags), (MACRO, macros):
                for match in pattern.finditer(codes[path]):
                    places[match[1]][path] = line(match.start())
    for rule, kind, places in ("name", "tag", tags), ("macro", "macro", macros):
        for name in places.keys() - rules.OWN_TAGS.keys():
            paths = list(places[name])
            for at, path in enumerate(paths):
                other = next((other for other in paths[:at] if kind == "macro" or clash(name, path, other)), None)
                if other:
                    yield path, places[name][path], rule, f"one name, two things: the {kind} {name} is defined in {other} too"


def check_long(raws, long):
    """Files too long, and excuses that nothing needs."""
    for path, raw in raws.items():
        length = raw.count("\n")
        if length > rules.FILE_LINES and path not in long:
            yield path, length, "file", f"a file of {length} lines; at most {rules.FILE_LINES}"
    for path in long:
        if path not in raws or raws[path].count("\n") <= rules.FILE_LINES:
            yield path, 1, "long", "the table LONG excuses a file that is not long"
