"""Wings as the build files tell them: un_wing(NAME SOURCES ... USES ...), and which sources are built at all."""
import posixpath
import re

from . import rules
from .file_checks import includes

WORDS = {"FOLDER", "SOURCES", "USES", "LIBS", "OPTIONS"}
BUILDS = ("un_wing", "add_library", "add_executable", "target_sources")


def target(wing):
    """The name of a wing's target without `un_`."""
    if wing == "io/convert":
        return "convert_workers"
    return (wing.removeprefix("io/") if wing.startswith("io/convert/") else wing).replace("/", "_")


WING_OF = {target(wing): wing for wing in rules.WINGS}


def commands(text):
    """(line, command, words) with variables of set() and foreach() in their place, each with all it ever holds."""
    text = re.sub(r"#[^\n]*", "", text)
    found = [(text.count("\n", 0, m.start()) + 1, m[1].lower(), m[2].replace('"', " ").split())
             for m in re.finditer(r"(\w+)[ \t]*\(([^()]*)\)", text)]
    values = {"CMAKE_CURRENT_SOURCE_DIR": ["."]}
    for _, name, words in found:
        if name in ("set", "foreach") and words:
            values.setdefault(words[0], []).extend(words[1:])

    def expand(word):
        name = re.search(r"\$\{(\w+)\}", word)
        if not name or name[1] not in values:
            return [word]
        return [word.replace(name[0], value, 1) for value in values[name[1]]]
    return [(line, name, [full for word in words for full in expand(word)]) for line, name, words in found]


def split(words):
    """The keywords of an un_wing call -> their words; "" -> what stands before them."""
    parts, key = {"": []}, ""
    for word in words:
        if word in WORDS:
            key = word
            parts[key] = []
        else:
            parts[key].append(word)
    return parts


def groups(calls):
    """INTERFACE targets that only join others, without `un_`: name -> names."""
    return {words[0].removeprefix("un_"): [word.removeprefix("un_") for word in words[2:]]
            for _, name, words in calls if name == "target_link_libraries" and words[1:2] == ["INTERFACE"]
            and all(word.startswith("un_") for word in words[2:])}


def leaves(name, joined):
    """The wings behind the name of a wing or of a group."""
    if name in WING_OF or name not in joined:
        return [name]
    return [leaf for part in joined[name] for leaf in leaves(part, joined)]


def wings_told(calls, folder, joined):
    """Yields (line, name, own wing or None, [(word of USES, name of a wing)]) of the un_wing calls of a build file."""
    for line, command, words in calls:
        if command == "un_wing":
            parts = split(words)
            place = posixpath.normpath(posixpath.join(folder, *parts.get("FOLDER", [])))
            uses = [(use, leaf) for use in parts.get("USES", []) for leaf in leaves(use, joined)]
            own = WING_OF.get(parts[""][0])
            yield line, parts[""][0], own if own and rules.folder(own) == place else None, uses


def names_of_sources(calls, folder):
    """Paths of all sources that the commands of a build file name (among other words)."""
    for _, command, words in calls:
        inner = split(words).get("FOLDER", ["."])[0] if command == "un_wing" else "."
        if command in BUILDS:
            yield from (posixpath.normpath(posixpath.join(folder, inner, word)) for word in words)


def told_reach(told):
    """Wing -> all wings that its USES bring. A wing without an un_wing of its own is part of the one above it."""
    def walk(wing, seen):
        if wing not in seen:
            seen.add(wing)
            for use in told.get(wing, ()):
                walk(use, seen)
        return seen
    return {wing: walk(wing, set()) for wing in told}


def check_told(texts, told):
    """Includes that the wings allow and the build file does not tell."""
    reached = told_reach(told)

    def target_of(path):
        own = rules.wing(path)
        return own if own is None or own in told else posixpath.dirname(own)
    for path, text in texts.items():
        own = target_of(path)
        for line, header, _ in includes(text) if own in told else ():
            if not header or rules.wing(header) not in rules.REACH[rules.wing(path)]:
                continue
            other = target_of(header)
            if other in told and other not in reached[own]:
                yield path, line, "told", f"un_wing({target(own)}) tells no USES {target(other)}"


def check_builds(files, texts):
    """`files`: path -> text, build files and sources; `texts`: sources without comments. Yields (path, line, rule, message)."""
    lists = {path: commands(text) for path, text in files.items() if path.endswith("CMakeLists.txt")}
    joined = groups([call for calls in lists.values() for call in calls])
    built, told = set(), {}
    for path, calls in lists.items():
        folder = posixpath.dirname(path)
        built.update(names_of_sources(calls, folder))
        for line, name, own, uses in wings_told(calls, folder, joined):
            if own is None:
                yield path, line, "target", f"un_wing({name}) is not named after its folder, or that is no wing"
                continue
            told[own] = [WING_OF[leaf] for _, leaf in uses if leaf in WING_OF]
            for use, leaf in uses:
                if WING_OF.get(leaf) not in rules.REACH[own]:
                    yield path, line, "uses", f"un_wing({name}) USES {use}: {own} may not use {WING_OF.get(leaf, leaf)}"
    yield from check_told(texts, told)
    for path in texts if lists else ():
        if path.endswith(".c") and not re.fullmatch(rules.TESTS, path) and path not in built:
            yield path, 1, "sources", "no un_wing(... SOURCES ...) of a CMakeLists.txt names this file"
